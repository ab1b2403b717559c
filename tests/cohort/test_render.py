"""A small cohort rendered for good: complete, true to itself, the same after kill -9 and with any number of workers."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("mitsuba", reason="mitsuba is not installed: the extra `cohort` adds it")

from melascope.cohort.files import RecordError, read_record, retake  # noqa: E402
from melascope.cohort.optics import ita_deg  # noqa: E402
from melascope.cohort.patient import Cohort  # noqa: E402
from melascope.cohort.render import CohortError, render_cohort  # noqa: E402
from melascope.cohort.truth import MELASMA, score, true_regions  # noqa: E402
from melascope.data import DataSet  # noqa: E402
from melascope.data.check import check  # noqa: E402
from melascope.masi import area_value  # noqa: E402
from melascope.photo.light import to_linear  # noqa: E402
from melascope.vocabulary import MASI_REGIONS, SKIN, Region  # noqa: E402

COHORT = Cohort(patients=2, seed=7, size_px=256, kinds=("mel",), per_head=2)
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


def test_a_balanced_photograph_has_the_true_tone(folder: Path) -> None:
    """The frontal DSLR picture: unaffected skin that faces the camera, without make-up."""
    for sample in DataSet.open(folder):
        if sample.row.device != "dslr" or sample.row.view != "frontal":
            continue
        record, regions, lesions = sample.record(), sample.regions(), sample.lesions()
        assert record is not None and regions is not None and lesions is not None
        reflectance = cv2.imread(str(folder / "maps" / f"{sample.row.photo_id}.reflectance.png"))[..., ::-1]
        bare = np.isin(regions, MASI_REGIONS) & (lesions == 0)
        true = float(ita_deg(np.median(to_linear(reflectance)[bare], axis=0)))
        assert true == pytest.approx(record["truth"]["ita_deg"], abs=6)


def test_a_killed_run_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "melascope", "cohort", "render", str(out), "--patients", "2", "--seed", "7"]
    command += ["--size", "256", "--kinds", "mel", "--per-head", "2", "--jobs", "2"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, start_new_session=True, **quiet) as process:
        deadline = time.monotonic() + 300
        while not list(out.glob("records/*.json")):
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    done = len(list(out.glob("records/*.json")))
    assert done < PHOTOS
    assert not (out / "manifest.csv").exists()
    counted: list[int] = []
    render_cohort(COHORT, out, jobs=2, advance=counted.append)
    assert counted[0] == done
    assert contents(out) == contents(folder)


def test_a_photograph_is_taken_again_from_its_record(folder: Path) -> None:
    path = min((folder / "records").glob("*.json"))
    record = read_record(path)
    photo = retake(record)
    again = cv2.imencode(".png", photo.regions)[1].tobytes()
    regions = cv2.imdecode(np.frombuffer(again, np.uint8), cv2.IMREAD_UNCHANGED)
    stored = cv2.imread(str(folder / "masks" / "regions" / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(regions, stored)
    picture = cv2.imread(str(folder / record["photo"]["file"]))[..., ::-1].astype(int)
    assert np.abs(picture - photo.pixels).mean() < 4  # what the JPEG took


def test_a_foreign_record_or_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        read_record(tmp_path / "none.json")
    (tmp_path / "odd.json").write_text("[]")
    with pytest.raises(RecordError, match="not the record of a photograph"):
        read_record(tmp_path / "odd.json")
    record = read_record(min((folder / "records").glob("*.json")))
    with pytest.raises(RecordError, match="was written by melascope 0.0"):
        retake({**record, "version": "0.0"})
    with pytest.raises(CohortError, match=r"holds another cohort \(seed 7\)"):
        render_cohort(Cohort(2, 8, size_px=256, kinds=("mel",), per_head=2), folder, jobs=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(CohortError, match="not empty and holds no cohort"):
        render_cohort(COHORT, tmp_path / "full", jobs=1)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    about = json.loads((copy / "dataset.json").read_text())
    (copy / "dataset.json").write_text(json.dumps({**about, "made_by": "melascope 0.0"}))
    with pytest.raises(CohortError, match="was made by melascope 0.0"):
        render_cohort(COHORT, copy, jobs=1)
