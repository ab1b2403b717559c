"""All measurements of a statement as one Comprehensive SR by the template TID 1500."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    ImageRegion,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegmentationFrame,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    SourceImageForSegmentation,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard

from melascope.record import RegionScore
from melascope.report.codes import CONCEPTS, FACE_SKIN, KINDS, LATERALITY, SEVERITIES, SNOMED_PLACES, VERDICTS
from melascope.report.dicom.segmentation import segment_numbers
from melascope.report.dicom.shared import (
    MANUFACTURER,
    MODEL,
    VERSION,
    algorithm_version,
    ours,
    person_name,
    procedure,
    snomed,
    stamp,
    uid,
    unit,
)
from melascope.report.statement import Named, Person, PhotoStatement, Rated, Statement
from melascope.report.values import lesion_values, rated_values, reading_values, region_values, tone_values
from melascope.vocabulary import DISCLAIMER, MASI_REGIONS, Region

__all__ = ["measurements"]

Group = MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations
Evidence = Sequence[tuple[PhotoStatement, Dataset, Dataset | None]]


def measurements(statement: Statement, evidence: Evidence) -> Dataset:
    """The structured report.

    Args:
        statement: What it says.
        evidence: Each photograph with its data set and its segmentation, both without pixels.
    """
    groups: list[Group] = []
    for photo, picture, segments in evidence:
        groups += _Photo(statement, photo, picture, segments).groups()
    device = ObserverContext(
        observer_type=standard.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=uid("device", VERSION), name=MODEL, manufacturer_name=MANUFACTURER, model_name=f"{MODEL} {VERSION}"
        ),
    )
    signed = statement.signed[-1] if statement.signed else None
    person = None if signed is None else _observer(signed[0])
    content = MeasurementReport(
        observation_context=ObservationContext(observer_person_context=person, observer_device_context=device),
        procedure_reported=procedure(),
        imaging_measurements=groups,
        title=standard.DCM.ImagingMeasurementReport,
        referenced_images=[picture for _, picture, _ in evidence],
    )
    content[0].ContentSequence.append(
        TextContentItem(name=standard.DCM.Comment, value=DISCLAIMER, relationship_type=RelationshipTypeValues.CONTAINS)
    )
    known = [data for _, picture, segments in evidence for data in (picture, segments) if data is not None]
    report = ComprehensiveSR(
        evidence=known,
        content=content[0],
        series_instance_uid=uid("reports", statement.key),
        series_number=3,
        sop_instance_uid=uid("report", statement.key, _digest(statement)),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=signed is not None,
        is_verified=signed is not None,
        verifying_observer_name=None if signed is None else person_name(signed[0].name),
        verifying_organization=None if signed is None else (statement.practice or "not told"),
        series_description="Measurements",
    )
    report.SpecificCharacterSet = "ISO_IR 192"
    report.ManufacturerModelName, report.SoftwareVersions = MODEL, VERSION
    stamp(report, statement.made)
    if signed is not None:
        moment = signed[1].astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
        report.VerifyingObserverSequence[0].VerificationDateTime = moment
    return report


def _observer(person: Person) -> ObserverContext:
    return ObserverContext(
        observer_type=standard.DCM.Person,
        observer_identifying_attributes=PersonObserverIdentifyingAttributes(name=person_name(person.name)),
    )


def _said_by(item: Dataset, people: Sequence[Person]) -> None:
    """Name who observed an item, or all of a group, where it is not the report's observer: who signs may be another."""
    inside = list(item.get("ContentSequence", []))
    observers = [row for person in people for row in _observer(person)]
    item.ContentSequence = ContentSequence([*observers, *inside], is_root=False)


def _digest(statement: Statement) -> str:
    """Tells one wording of a report from another: two that differ must not have one identifier."""
    from melascope.report.fhir import bundle

    return hashlib.sha256(json.dumps(bundle(statement), sort_keys=True).encode()).hexdigest()


class _Photo:
    """The groups of one photograph."""

    def __init__(self, statement: Statement, photo: PhotoStatement, picture: Dataset, segments: Dataset | None) -> None:
        self.statement, self.photo, self.picture, self.segments = statement, photo, picture, segments
        self.numbers = {} if segments is None else segment_numbers(segments)
        self.algorithm = AlgorithmIdentification(
            name=MODEL,
            version=algorithm_version(photo),
            family=standard.DCM.ArtificialIntelligence,
        )

    def groups(self) -> list[Group]:
        record = self.photo.record
        found: list[Group] = [self._whole()]
        if record.regions is not None:
            for region in MASI_REGIONS:
                found += self._region(region, getattr(record.regions, region.key))
        if record.skin_in_view is not None:
            site = FindingSite(anatomic_location=snomed(FACE_SKIN))
            measured = self._measured(region_values(record.skin_in_view))
            found += self._plain("skin-in-view", "skin-in-view", measured, [site])
        if record.severity_reading is not None:
            evaluation = QualitativeEvaluation(
                ours(CONCEPTS["network-reading"]), ours(SEVERITIES[record.severity_reading.severity])
            )
            measured = self._measured(reading_values(record.severity_reading))
            found += self._plain("network-reading", "network-reading", measured, [], [evaluation])
        return found + [self._lesion(lesion) for lesion in self.photo.lesions]

    def _tracking(self, name: str) -> TrackingIdentifier:
        view = self.photo.view or "photograph"
        return TrackingIdentifier(
            uid=uid("tracking", self.statement.key, self.photo.key, name), identifier=f"{view} {name}"[:64]
        )

    def _measured(self, rows: Sequence[tuple[str, float | None]], by: Sequence[Person] = ()) -> list[Measurement]:
        """Measurements of the values that there are; by the software, or by people."""
        found = [
            Measurement(
                name=ours(CONCEPTS[name]),
                value=round(value * (100 if CONCEPTS[name].unit == "%" else 1), 4),
                unit=unit(name),
                algorithm_id=None if by else self.algorithm,
                method=ours(CONCEPTS["rated"]) if by else None,
            )
            for name, value in rows
            if value is not None
        ]
        for row in found if by else ():
            _said_by(row[0], by)
        return found

    def _plain(
        self,
        name: str,
        code: str,
        measured: Sequence[Measurement],
        sites: Sequence[FindingSite],
        evaluations: Sequence[QualitativeEvaluation] = (),
    ) -> list[Group]:
        """A group on the photograph as a whole; none where there is nothing to say."""
        if not measured and not evaluations:
            return []
        return [
            MeasurementsAndQualitativeEvaluations(
                tracking_identifier=self._tracking(name),
                finding_type=ours(CONCEPTS[code]),
                finding_sites=list(sites) or None,
                measurements=list(measured) or None,
                qualitative_evaluations=list(evaluations) or None,
                source_images=[SourceImageForMeasurementGroup(self.picture.SOPClassUID, self.picture.SOPInstanceUID)],
            )
        ]

    def _whole(self) -> Group:
        """Totals, severity, skin tone, and whether the photograph can be measured."""
        photo, record = self.photo, self.photo.record
        rated = bool(photo.rated)
        rows: list[tuple[str, float | None]] = [("masi", photo.masi), ("mmasi", photo.mmasi)]
        measured = self._measured(rows, photo.raters)
        if record.masi is not None:
            totals = record.masi
            measured += self._measured(
                [("masi-measured", totals.masi), ("mmasi-measured", totals.mmasi)]
                if rated
                else [
                    ("masi-low", totals.masi_low),
                    ("masi-high", totals.masi_high),
                    ("mmasi-low", totals.mmasi_low),
                    ("mmasi-high", totals.mmasi_high),
                ]
            )
        if record.skin_tone is not None:
            measured += self._measured(tone_values(record.skin_tone))
        verdict = VERDICTS[record.quality.verdict]
        evaluations = [QualitativeEvaluation(ours(CONCEPTS["image-quality"]), ours(verdict))]
        if photo.severity is not None:
            evaluations.append(QualitativeEvaluation(ours(CONCEPTS["severity"]), ours(SEVERITIES[photo.severity])))
            if rated:
                _said_by(evaluations[-1][0], photo.raters)
        site = FindingSite(anatomic_location=snomed(FACE_SKIN))
        return self._plain("photo", "photo", measured, [site], evaluations)[0]

    def _region(self, region: Region, score: RegionScore) -> list[Group]:
        side = LATERALITY.get(region)
        sites = [
            FindingSite(
                anatomic_location=snomed(SNOMED_PLACES[region]), laterality=None if side is None else snomed(side)
            )
        ]
        rated: Rated | None = self.photo.rated.get(region)
        measured = self._measured(region_values(score)) if score.visible else []
        code = "region" if rated is None else "region-measured"
        found: list[Group] = []
        if rated is not None:
            given = self._measured(rated_values(rated), (rated.by,))
            found += self._plain(f"region {region.key}", "region", given, sites)
        number = self.numbers.get(region.key)
        if number is None or not measured or self.segments is None:
            return found + self._plain(f"{code} {region.key}", code, measured, sites)
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=self._tracking(f"{code} {region.key}"),
            referenced_segment=self._segment(number),
            finding_type=ours(CONCEPTS[code]),
            finding_sites=sites,
            measurements=measured,
        )
        return [*found, group]

    def _segment(self, number: int) -> ReferencedSegmentationFrame:
        """A segment, by its number alone: its frame follows from it, and a reference may name only one of the two."""
        assert self.segments is not None
        reference = ReferencedSegmentationFrame(
            sop_class_uid=self.segments.SOPClassUID,
            sop_instance_uid=self.segments.SOPInstanceUID,
            frame_number=number,
            segment_number=number,
            source_image=SourceImageForSegmentation(self.picture.SOPClassUID, self.picture.SOPInstanceUID),
        )
        del reference[0].ReferencedSOPSequence[0].ReferencedFrameNumber
        return reference

    def _lesion(self, lesion: Named) -> Group:
        """A patch: its box on the photograph, its kind, what was measured in it."""
        x0, y0, x1, y1 = lesion.box
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], float)
        place = snomed(FACE_SKIN)
        side: CodedConcept | None = None
        if lesion.measured is not None and lesion.measured.region.upper() in Region.__members__:
            region = Region[lesion.measured.region.upper()]
            place = snomed(SNOMED_PLACES.get(region, FACE_SKIN))
            side = snomed(LATERALITY[region]) if region in LATERALITY else None
        evaluations = []
        if lesion.kind is not None:
            evaluations.append(QualitativeEvaluation(ours(CONCEPTS["kind"]), ours(KINDS[lesion.kind])))
            if lesion.by is not None:
                _said_by(evaluations[-1][0], [lesion.by])
        if lesion.by is not None and lesion.measured is not None and lesion.measured.kind is not None:
            evaluations.append(
                QualitativeEvaluation(ours(CONCEPTS["kind-measured"]), ours(KINDS[lesion.measured.kind]))
            )
        measured = self._measured(lesion_values(lesion))
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=self._tracking(lesion.key),
            referenced_region=ImageRegion(
                graphic_type="POLYLINE",
                graphic_data=corners,
                source_image=SourceImageForRegion(self.picture.SOPClassUID, self.picture.SOPInstanceUID),
            ),
            finding_type=ours(CONCEPTS["lesion"]),
            method=ours(CONCEPTS["measured" if lesion.by is None else "rated"]),
            finding_sites=[FindingSite(anatomic_location=place, laterality=side)],
            measurements=measured or None,
            qualitative_evaluations=evaluations or None,
        )
        if lesion.by is not None and lesion.measured is None:  # its box is the person's too
            _said_by(group[0], [lesion.by])
        return group
