"""A small cohort rendered for good: complete, true to itself, the same after kill -9 and with any number of workers."""

from __future__ import annotations

import csv
import functools
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("mitsuba", reason="mitsuba is not installed: the extra `cohort` adds it")

from melascope.cohort.buffers import Buffers
from melascope.cohort.camera import CameraParameters, encode_jpeg
from melascope.cohort.chart import face_chart
from melascope.cohort.face import make_face
from melascope.cohort.files import RecordError, read_record, retake
from melascope.cohort.optics import ita_deg
from melascope.cohort.patient import Cast, Cohort, photo_plans, sample_cast, sample_patient
from melascope.cohort.photograph import photograph
from melascope.cohort.render import CohortError, _about, _claim, render_cohort
from melascope.cohort.scene import photograph_cast
from melascope.cohort.shot import Shot
from melascope.cohort.skin import sample_skin
from melascope.cohort.truth import MELASMA, score, true_regions
from melascope.data import DataSet
from melascope.data.check import check
from melascope.masi import area_value
from melascope.photo.light import to_linear
from melascope.vocabulary import MASI_REGIONS, SKIN, Region

COHORT = Cohort(patients=2, seed=7, size_px=256, kinds=("mel",), per_head=1)
PHOTOS = 4


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cohort") / "out"
    counted: list[int] = []
    manifest = render_cohort(COHORT, out, jobs=1, advance=counted.append)
    assert manifest == out / "manifest.csv"
    assert sum(counted) == PHOTOS
    return out


def test_everything_is_written_and_passes_the_check(folder: Path) -> None:
    checked = check(folder)
    assert not [f for f in checked.findings if f.severity == "error"], checked.findings
    data = DataSet.open(folder)
    assert len(data) == PHOTOS
    for sample in data:
        size = (sample.row.height, sample.row.width)
        assert sample.pixels().shape == (*size, 3)
        for mask in (sample.regions(), sample.lesions(), sample.instances()):
            assert mask is not None and mask.shape == size
        maps, record = sample.maps(), sample.record()
        assert maps is not None and record is not None
        assert maps["density"].shape == size
    with (folder / "ratings.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 2 * 3


def test_every_column_is_documented(folder: Path) -> None:
    docs = Path(__file__).parents[2] / "docs"
    pages = (docs / "cohort.md").read_text(encoding="utf-8") + (docs / "dataset.md").read_text(encoding="utf-8")
    for column in DataSet.open(folder).manifest.rows[0].extra:
        assert f"`{column}`" in pages, column


def test_the_manifest_follows_from_the_maps(folder: Path) -> None:
    """MASI from the written masks and maps, to what their rounding allows; from the record, to 1e-6."""
    seen = 0
    for sample in DataSet.open(folder):
        regions, lesions, maps, record = sample.regions(), sample.lesions(), sample.maps(), sample.record()
        assert regions is not None and lesions is not None and maps is not None and record is not None
        involved = np.isin(lesions, MELASMA)
        for region in MASI_REGIONS:
            part = sample.row.parts.get(region)
            if part is None:
                continue
            place = regions == region
            assert part.share == pytest.approx(involved[place].mean(), abs=1e-9)
            assert record["truth"]["photo"]["melasma"][region.key]["area"] == pytest.approx(area_value(part.share))
        if sample.row.masi is None:
            continue
        seen += 1
        total = sum(
            weight * area_value(part.share) * (part.darkness + part.homogeneity)
            for weight, part in zip((0.3, 0.3, 0.3, 0.1), (sample.row.parts[r] for r in MASI_REGIONS), strict=True)
        )
        assert sample.row.masi == pytest.approx(total, abs=1e-6)
        mm2 = np.full(regions.shape, 1.0, np.float32)
        again = score(true_regions(regions, involved, maps["density"], mm2))
        assert again.mmasi == pytest.approx(sample.row.mmasi, abs=0.02)
    assert seen >= 2


def test_boxes_and_areas_belong_to_the_masks(folder: Path) -> None:
    for sample in DataSet.open(folder):
        instances, record, regions = sample.instances(), sample.record(), sample.regions()
        assert instances is not None and record is not None and regions is not None
        told = {one["instance"]: one for one in record["truth"]["lesions"]}
        assert set(told) == set(np.unique(instances)) - {0}
        for number, one in told.items():
            ys, xs = np.nonzero(instances == number)
            assert one["box"] == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert one["area_px"] == len(xs)
        assert sum((regions == region).sum() for region in Region) == regions.size
        assert not (instances > 0)[~np.isin(regions, SKIN)].any()


@pytest.mark.parametrize("wished", [58, 47, 33, 18, -10, -45])
def test_a_balanced_photograph_has_the_true_tone(wished: int) -> None:
    """Skin that faces the light as the grey card did, by a DSLR without errors."""
    cast = sample_cast(COHORT, 0)
    shot = next(photo_plans(COHORT, sample_patient(COHORT, 0), 1)).shot
    scene, chart = _scene(cast, shot), face_chart()
    skin = sample_skin(np.random.default_rng(wished + 100), age_years=35, sex="female", ita_deg=wished)
    face = make_face(skin, (), chart)
    photo = photograph(face, scene, chart, (0.02, 0.02, 0.02), CameraParameters("dslr"))
    lit = np.isin(photo.regions, MASI_REGIONS) & (scene.on_chart > 0.99)
    lit &= np.abs(scene.irradiance.mean(axis=2) - 1) < 0.05
    lit &= scene.specular.max(axis=2) < np.quantile(scene.specular.max(axis=2)[lit], 0.2)
    assert lit.sum() > 100
    true = float(ita_deg(np.median(photo.reflectance[lit], axis=0)))
    measured = float(ita_deg(np.median(to_linear(photo.pixels)[lit], axis=0)))
    assert measured == pytest.approx(true, abs=3)


@functools.cache
def _scene(cast: Cast, shot: Shot) -> Buffers:
    return photograph_cast(cast, shot)


def test_a_killed_run_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "melascope", "cohort", "render", str(out), "--patients", "2", "--seed", "7"]
    command += ["--size", "256", "--kinds", "mel", "--per-head", "1", "--jobs", "2"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as process:
        deadline = time.monotonic() + 300
        while not list(out.glob("records/*.json")):
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()  # the workers end by themselves
    time.sleep(1.0)
    done = len(list(out.glob("records/*.json")))
    assert done < PHOTOS
    assert not (out / "manifest.csv").exists()
    counted: list[int] = []
    render_cohort(COHORT, out, jobs=2, advance=counted.append)
    assert sum(counted[: COHORT.casts]) == done  # first told, head by head: what was there
    assert contents(out) == contents(folder)


def test_a_photograph_is_taken_again_from_its_record(folder: Path) -> None:
    """To the byte; and the totals of its maps, unrounded, are the manifest's."""
    row = next(row for row in DataSet.open(folder).manifest.rows if row.masi is not None)
    record = read_record(folder / "records" / f"{row.photo_id}.json")
    photo = retake(record)
    packed = encode_jpeg(photo.pixels, record["plan"]["camera"]["jpeg_quality"])
    assert packed == (folder / row.file).read_bytes()
    truth = true_regions(photo.regions, np.isin(photo.kinds, MELASMA), photo.density, photo.mm2_per_px)
    assert score(truth).masi == pytest.approx(row.masi, abs=1e-6)
    assert score(truth).mmasi == pytest.approx(row.mmasi, abs=1e-6)


def test_a_foreign_record_or_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        read_record(tmp_path / "none.json")
    (tmp_path / "odd.json").write_text("[]")
    with pytest.raises(RecordError, match="not the record of a photograph"):
        read_record(tmp_path / "odd.json")
    record = read_record(min((folder / "records").glob("*.json")))
    with pytest.raises(RecordError, match=r"was written by melascope 0\.0"):
        retake({**record, "version": "0.0"})
    made = record["made_with"]
    assert made["opencv"] == cv2.__version__
    with pytest.raises(RecordError, match=r"made otherwise \(opencv 4\.0, here .*render into a new folder"):
        retake({**record, "made_with": {**made, "opencv": "4.0"}})
    with pytest.raises(RecordError, match=r"truth not told, here \d.*render into a new folder"):
        retake({key: value for key, value in record.items() if key != "made_with"})
    with pytest.raises(CohortError, match=r"holds another cohort \(seed 7\)"):
        render_cohort(Cohort(2, 8, size_px=256, kinds=("mel",), per_head=1), folder, jobs=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(CohortError, match="not empty and holds no cohort"):
        render_cohort(COHORT, tmp_path / "full", jobs=1)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    about = json.loads((copy / "dataset.json").read_text())
    asked = {name: about["generator"].pop(name) for name in ("views", "each_tone", "any_density")}
    assert asked == {"views": [], "each_tone": False, "any_density": False}  # begun before they could be asked for
    (copy / "dataset.json").write_text(json.dumps(about))
    render_cohort(COHORT, copy, jobs=1)
    earlier = {key: value for key, value in made.items() if key not in ("opencv", "truth")}
    old = {**about, "generator": {**about["generator"], "made_with": earlier}}
    (copy / "dataset.json").write_text(json.dumps(old))
    with pytest.raises(CohortError, match=r"made otherwise \(opencv not told, here .*; truth not told.*new folder"):
        render_cohort(COHORT, copy, jobs=1)
    (copy / "dataset.json").write_text(json.dumps({**about, "made_by": "melascope 0.0"}))
    with pytest.raises(CohortError, match=r"was made by melascope 0\.0"):
        render_cohort(COHORT, copy, jobs=1)


def test_people_in_each_tone_of_an_earlier_version_are_not_added_to(tmp_path: Path) -> None:
    cohort = Cohort(12, 7, size_px=256, per_head=6, each_tone=True)
    _claim(tmp_path, _about(cohort, maps=False))
    _claim(tmp_path, _about(cohort, maps=False))
    about = json.loads((tmp_path / "dataset.json").read_text())
    assert about["generator"].pop("twins") == 2
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    with pytest.raises(CohortError, match=r"each tone of an earlier version \(twins 1, here 2\).*name a new folder"):
        render_cohort(cohort, tmp_path, jobs=1)
    assert "twins" not in _about(replace(cohort, each_tone=False), maps=False).generator
