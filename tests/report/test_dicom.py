"""DICOM files: read back by pydicom and by highdicom's readers, pixel for pixel."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import numpy as np
import pytest
from PIL import ImageCms

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: pip install 'melascope[dicom]'")
hd = pytest.importorskip("highdicom", reason="highdicom is not installed: pip install 'melascope[dicom]'")

from melascope.report.dicom import Pixels, write_dicom  # noqa: E402
from melascope.report.statement import PhotoStatement, Statement  # noqa: E402
from melascope.vocabulary import DISCLAIMER, FACIAL_SKIN, Region  # noqa: E402
from tests.report.synthetic import CASES  # noqa: E402
from tests.report.test_fhir import ANN, BO, MADE, SUBJECT, alone, two_raters, visit  # noqa: E402


def pixels(photo: PhotoStatement) -> Pixels | None:
    try:
        arrays = photo.record.arrays
    except LookupError:
        return None
    return Pixels(arrays.pixels, arrays.region_codes, arrays.lesion_mask, "JPEG", 20_000)


def written(statement: Statement) -> dict[str, bytes]:
    return dict(write_dicom(statement, pixels))


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return written(visit())


def read(data: bytes) -> Any:
    return pydicom.dcmread(io.BytesIO(data))


@pytest.mark.filterwarnings("error")
def test_versions_of_four_networks_fit_what_dicom_takes() -> None:
    """Texts of the kind LO have 64 signs at most; dciodvfy says so, pydicom warns."""
    versions = {"melascope": "10.20.30rc4", **{f"{name}_network": f"{ord(name):016x}" for name in "abcd"}}
    statement = visit()
    photos = tuple(
        replace(each, record=each.record.model_copy(update={"versions": versions})) for each in statement.photos
    )
    found = [
        str(element.value)
        for data in written(replace(statement, photos=photos)).values()
        for element in read(data).iterall()
        if element.keyword == "AlgorithmVersion"
    ]
    assert found
    assert all(version.startswith("10.20.30rc4 00000000") and len(version) <= 64 for version in found)


def test_the_photograph_comes_back_pixel_for_pixel(files: dict[str, bytes]) -> None:
    picture = read(files["01-frontal.dcm"])
    assert picture.SOPClassUID == "1.2.840.10008.5.1.4.1.1.77.1.4"
    assert picture.file_meta.TransferSyntaxUID == pydicom.uid.JPEGLSLossless
    assert np.array_equal(picture.pixel_array, CASES["named"].arrays.pixels)
    assert (picture.PatientID, str(picture.PatientName)) == ("P-0007", "P-0007^")
    assert picture.PatientBirthDate == picture.PatientSex == ""
    assert picture.StudyDate == "20260202"
    assert "BurnedInAnnotation" not in picture and "PatientIdentityRemoved" not in picture  # nobody looked
    assert picture.DeidentificationMethod.startswith("Metadata only")
    assert picture.AnatomicRegionSequence[0].CodeMeaning == "Face"
    assert picture.ImageLaterality == "U" and list(picture.PatientOrientation) == ["L", "F"]
    profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.ICCProfile))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    assert picture.LossyImageCompression == "01" and picture.LossyImageCompressionMethod == "ISO_10918_1"


def test_a_side_view_names_its_side_and_a_png_lost_nothing() -> None:
    from dataclasses import replace

    statement = visit()
    side = replace(statement, photos=(replace(statement.photos[0], view="right"),))
    png = replace(pixels(side.photos[0]), format="PNG")  # type: ignore[type-var]
    picture = read(dict(write_dicom(side, lambda _: png))["01-right.dcm"])
    assert picture.ImageLaterality == "R"
    assert picture.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0].CodeMeaning == "Right"
    assert picture.LossyImageCompression == "00"


def test_the_segmentation_holds_the_masks_and_points_to_the_photograph(files: dict[str, bytes]) -> None:
    segments = hd.seg.segread(io.BytesIO(files["01-frontal-segmentation.dcm"]))
    picture = read(files["01-frontal.dcm"])
    arrays = CASES["named"].arrays
    names = [str(item.TrackingID) for item in segments.SegmentSequence]
    assert names == [r.key for r in FACIAL_SKIN if (arrays.region_codes == r).any()] + ["excess-pigment"]
    [source] = [uid for _, _, uid in segments.get_source_image_uids()]
    assert source == picture.SOPInstanceUID
    found = segments.get_pixels_by_source_instance([source], ignore_spatial_locations=True)[0]
    for index, name in enumerate(names):
        wanted = arrays.lesion_mask if name == "excess-pigment" else arrays.region_codes == Region[name.upper()]
        assert np.array_equal(found[..., index].astype(bool), wanted), name
    right = segments.SegmentSequence[names.index("right_malar")].SegmentedPropertyTypeCodeSequence[0]
    assert right.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Right"


def test_the_report_holds_the_measurements(files: dict[str, bytes]) -> None:
    report = hd.sr.srread(io.BytesIO(files["measurements.dcm"]))
    assert report.VerificationFlag == "VERIFIED" and report.PreliminaryFlag == "FINAL"
    assert str(report.VerifyingObserverSequence[0].VerifyingObserverName) == "Ann^"
    assert report.VerifyingObserverSequence[0].VerifyingOrganization == "Practice"

    def values(group: Any) -> dict[str, float]:
        return {row.name.value: row.value for row in group.get_measurements()}

    whole = report.content.get_image_measurement_groups()
    totals = CASES["named"].masi
    assert totals is not None and totals.masi is not None
    assert values(whole[0])["masi"] == 21.5
    assert values(whole[0])["masi-measured"] == pytest.approx(totals.masi, abs=1e-4)
    [rated] = [g for g in whole if g.finding_type.value == "region"]
    assert values(rated) == {"area": 2, "darkness": 3, "homogeneity": 1}
    placed = report.content.get_planar_roi_measurement_groups()
    [chin] = [g for g in placed if g.finding_type.value == "region-measured"]
    assert CASES["named"].regions is not None
    assert values(chin)["area"] == pytest.approx(CASES["named"].regions.chin.area, abs=1e-4)
    lesions = [g for g in placed if g.finding_type.value == "lesion"]
    first = visit().photos[0].lesions[0]
    assert len(lesions) == 3 + len(CASES["close_up"].lesions)
    corners = lesions[0].roi.value
    assert (*corners[0], *corners[2]) == first.box
    kinds = {row.name.value: row.value.value for row in lesions[0].get_qualitative_evaluations()}
    assert kinds == {"kind": "fre", "kind-measured": "mel"}


def test_every_file_says_what_it_may_not_be_used_for(files: dict[str, bytes]) -> None:
    for name, data in files.items():
        dataset = read(data)
        if name == "measurements.dcm":
            names = [item.ConceptNameCodeSequence[0].CodeMeaning for item in dataset.ContentSequence]
            assert dataset.ContentSequence[names.index("Comment")].TextValue == DISCLAIMER
        elif name.endswith("-segmentation.dcm"):
            assert "Research software, not a medical device." in dataset.ContentDescription
            assert len(dataset.ContentDescription) <= 64
        else:
            assert dataset.ImageComments.endswith(f". {DISCLAIMER}")


def test_identifiers_are_the_same_each_time_and_change_with_what_is_said(files: dict[str, bytes]) -> None:
    uids = {name: read(data).SOPInstanceUID for name, data in files.items()}
    assert len(set(uids.values())) == len(uids)
    other = {name: read(data).SOPInstanceUID for name, data in written(visit(signed=False)).items()}
    assert {name for name in uids if uids[name] != other[name]} == {"measurements.dcm"}
    assert len({read(data).StudyInstanceUID for data in files.values()}) == 1


def test_what_is_said_later_changes_nothing_of_the_photograph(files: dict[str, bytes]) -> None:
    """One identifier must not stand for two data sets: archives refuse the second one, or take it for the first."""
    later = written(replace(visit(), made=MADE + timedelta(days=40)))
    assert later["01-frontal.dcm"] == files["01-frontal.dcm"]
    analysed = replace(visit(), photos=tuple(replace(photo, analysed=MADE) for photo in visit().photos))
    earlier, after = (written(replace(analysed, made=MADE + timedelta(days=days))) for days in (1, 40))
    assert after["01-frontal-segmentation.dcm"] == earlier["01-frontal-segmentation.dcm"]


def test_times_are_those_of_the_content_in_utc_and_the_same_each_time(files: dict[str, bytes]) -> None:
    assert written(visit()) == files
    later = MADE + timedelta(days=2, hours=3)
    photos = tuple(replace(photo, analysed=MADE) for photo in visit().photos)
    there = timezone(timedelta(hours=9))
    statement = replace(visit(), photos=photos, made=later.astimezone(there), signed=((ANN, later.astimezone(there)),))
    made = written(statement)
    for name, moment in (("01-frontal-segmentation.dcm", MADE), ("measurements.dcm", later)):
        found = read(made[name])
        assert found.TimezoneOffsetFromUTC == "+0000"
        for what in ("Content", "InstanceCreation"):
            assert found[f"{what}Date"].value == f"{moment:%Y%m%d}"
            assert found[f"{what}Time"].value == f"{moment:%H%M%S}"
    assert found.VerifyingObserverSequence[0].VerificationDateTime == f"{later:%Y%m%d%H%M%S}+0000"


def observers(item: Any) -> list[str]:
    """Names of the people who observed an item, where it names any."""
    rows = [row for row in item.get("ContentSequence", []) if row.RelationshipType == "HAS OBS CONTEXT"]
    return [str(row.PersonName) for row in rows if row.ValueType == "PNAME"]


def evaluated(group: Any) -> dict[str, list[str]]:
    """Who said each of a group's evaluations; highdicom's reader leaves out what stands below them."""
    names = {row.name.value for row in group.get_qualitative_evaluations()}
    return {row.name.value: observers(row) for row in group[0].ContentSequence if row.name.value in names}


def test_who_signs_is_not_taken_for_who_rated() -> None:
    statement = two_raters()
    face = statement.photos[0]
    lesions = tuple(replace(each, by=BO) if each.by is not None else each for each in face.lesions)
    made = written(replace(statement, photos=(replace(face, lesions=lesions), *statement.photos[1:])))
    report = hd.sr.srread(io.BytesIO(made["measurements.dcm"]))
    assert observers(report) == ["Cy^"]
    whole = report.content.get_image_measurement_groups()
    said = {row.name.value: observers(row[0]) for row in whole[0].get_measurements()}
    assert said["masi"] == said["mmasi"] == ["Ann^", "Bo^"]
    assert said["masi-measured"] == said["skin-tone"] == []
    said = evaluated(whole[0])
    assert said == {"image-quality": [], "severity": ["Ann^", "Bo^"]}
    rated = {
        observers(row[0])[0]
        for group in whole
        if group.finding_type.value == "region"
        for row in group.get_measurements()
    }
    assert rated == {"Ann^", "Bo^"}
    placed = report.content.get_planar_roi_measurement_groups()
    first, second, drawn, *_ = (group for group in placed if group.finding_type.value == "lesion")
    assert evaluated(first) == {"kind": ["Bo^"], "kind-measured": []} and observers(first[0]) == []
    assert observers(second[0]) == [] and observers(drawn[0]) == ["Bo^"]


def test_the_same_code_in_another_study_is_somebody_else(files: dict[str, bytes]) -> None:
    issuers = {read(data).IssuerOfPatientID for data in files.values()}
    assert issuers == {"melascope.org/fhir/sid/study/0123"}
    long = replace(SUBJECT, system="https://melascope.org/fhir/sid/study/" + "e" * 32)
    assert len(read(written(replace(visit(), subject=long))["01-frontal.dcm"]).IssuerOfPatientID) <= 64


def test_an_unsigned_report_is_preliminary_and_a_refused_photograph_gives_nothing() -> None:
    report = read(written(alone("complete"))["measurements.dcm"])
    assert report.PreliminaryFlag == "PRELIMINARY" and report.VerificationFlag == "UNVERIFIED"
    assert written(alone("refused")) == {}


def test_nothing_of_the_files_name_is_told(files: dict[str, bytes]) -> None:
    assert not any(b"named.jpg" in data or b"cheek.jpg" in data for data in files.values())
