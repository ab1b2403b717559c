"""The measurement as a run: its patches become rectangles, and its names are counted."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from melascope.cli.app import app
from melascope.detection.results import read_result
from melascope.lab.detect.measured import found_of, naming, records_of, write_run
from melascope.lab.detect.recipe import Truth
from melascope.lab.detect.study import KINDS, Photo, StudyError, gather
from melascope.record import Analysis, KindChance, LesionRecord
from melascope.vocabulary import Lesion
from tests.lab.detect.test_study import made
from tests.report.synthetic import CASES

GROUPED, SINGLE = Truth("grouped", 0.05, 2.0), Truth("single", 0.05, 2.0)
MEL, HORI, FRECKLE = Lesion.MELASMA, Lesion.HORI_NEVUS, Lesion.FRECKLE


def patch(box: tuple[int, int, int, int], score: float, area: int, *kinds: tuple[Lesion, float]) -> LesionRecord:
    chances = tuple(KindChance(kind=kind, probability=chance) for kind, chance in kinds)
    first = CASES["complete"].lesions[0]
    return first.model_copy(
        update={
            "box": box, "score": score, "area_px": area, "kinds": chances, "kind_probability": kinds[0][1],
            "kind": kinds[0][0] if kinds[0][1] >= 0.6 else None,
        }
    )  # fmt: skip


def record(*patches: LesionRecord) -> Analysis:
    whole = CASES["complete"]
    photo = whole.photo.model_copy(update={"width": 96, "height": 64})
    return whole.model_copy(update={"photo": photo, "lesions": patches})


def of(photo: Photo, whole: Analysis) -> Analysis:
    digest = hashlib.sha256(photo.file.read_bytes()).hexdigest()
    return whole.model_copy(update={"photo": whole.photo.model_copy(update={"sha256": digest})})


FRECKLES = (
    patch((10, 10, 14, 14), 0.8, 10, (FRECKLE, 0.5), (HORI, 0.5)),
    patch((16, 12, 21, 19), 0.6, 30, (FRECKLE, 0.9)),
)
CHEEK = patch((40, 20, 80, 60), 0.9, 900, (HORI, 0.7), (MEL, 0.3))


def test_patches_are_grouped_as_the_true_boxes_are_and_scored_by_area() -> None:
    found = found_of(record(CHEEK, *FRECKLES), GROUPED)
    assert [KINDS[k] for k in found.kinds] == [FRECKLE, HORI]
    assert found.boxes.tolist() == [[10, 10, 21, 19], [40, 20, 80, 60]]
    assert found.scores.tolist() == pytest.approx([(10 * 0.8 * 0.5 + 30 * 0.6 * 0.9) / 40, 0.9 * 0.7])
    assert len(found_of(record(CHEEK, *FRECKLES), SINGLE).kinds) == 3
    assert found_of(record(), GROUPED).boxes.shape == (0, 4)


def test_names_are_counted_where_one_kind_is_known(tmp_path: Path) -> None:
    study = gather(made(tmp_path), GROUPED)
    outside = patch((85, 5, 90, 9), 0.9, 20, (MEL, 1.0))
    how = naming(study, [record(CHEEK, *FRECKLES, outside)] * len(study.photos), "test")
    photos = sum(bool(study.photos[i].boxes) for i in study.part("test"))
    assert photos > 0
    # Of each photo: a cheek named wrongly and two freckles, one named rightly, one not named; all hold the true kind.
    assert (how.patches, how.named, how.right, how.held) == (3 * photos, 2 * photos, photos, 3 * photos)
    assert how.size == pytest.approx(5 / 3)


def test_records_become_a_run_that_can_be_evaluated(tmp_path: Path) -> None:
    data, records, out = made(tmp_path / "data"), tmp_path / "records", tmp_path / "run"
    study = gather(data, GROUPED)
    words = ["lesions", "measure", str(data), str(records), "--out", str(out), "--scheme", "631"]
    missing = CliRunner().invoke(app, words)
    assert missing.exit_code == 1
    assert "has no record of 6 of 6 photos, such as photos/p02.png" in " ".join(missing.output.split())
    known = [photo for photo in study.photos if photo.part != "train"]
    for number, photo in enumerate(known):  # folders may be called as they like: the photo's content tells
        folder = records / f"{number}"
        folder.mkdir(parents=True)
        (folder / "analysis.json").write_text(of(photo, record(CHEEK, *FRECKLES)).to_json(), encoding="utf-8")
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    result = read_result(out)
    assert (result.name, result.ours) == ("melascope analyze", True)
    assert [photo.photo for photo in result.predictions.photos] == [photo.name for photo in known]
    old = of(known[1], record(CHEEK)).model_copy(update={"schema_version": "1.3"})
    (records / "1" / "analysis.json").write_text(old.to_json(), encoding="utf-8")
    with pytest.raises(StudyError, match=r"1/analysis\.json: is a record of version 1\.3"):
        records_of(replace(study, photos=tuple(known)), records)
    (records / "1" / "analysis.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StudyError, match=r"1/analysis\.json: is no record"):
        records_of(replace(study, photos=tuple(known)), records)


def test_the_truth_is_that_of_the_study(tmp_path: Path) -> None:
    study = gather(made(tmp_path / "data"), GROUPED)
    write_run(study, [record(CHEEK)] * len(study.photos), GROUPED, tmp_path / "run")
    told = read_result(tmp_path / "run").predictions.photos
    for mine, photo in zip(told, study.photos, strict=True):
        assert mine.truth.boxes.tolist() == photo.corners.tolist()
