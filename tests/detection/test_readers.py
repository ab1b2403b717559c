"""Several readers: against analyses of variance done by hand, tests by definition, tables with faults, the command."""

from __future__ import annotations

import csv
import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from melascope.cli.app import app
from melascope.detection.multi_reader import jackknife, obuchowski_rockette, readers_against
from melascope.detection.predictions import Predictions, Truth, write
from melascope.detection.reader_page import points
from melascope.detection.reader_study import cochran_q, fleiss_kappa, study
from melascope.detection.reads import ReadsError, read_reads
from melascope.detection.results import RunResult
from melascope.detection.simulated_readers import SimulatedReader, ratings_of, sample_readers, write_reads
from melascope.masi import f_above, f_quantile
from melascope.severity.ranking import auc
from tests.detection.simulated import CLASSES, predictions


def cases(modes: int = 2, readers: int = 4, count: int = 40, seed: int = 1) -> np.ndarray:
    """(modes, readers, cases) right or wrong, with effects of modes, readers and cases."""
    rng = np.random.default_rng(seed)
    level = 0.6 + 0.5 * np.arange(modes)[:, None, None] + rng.normal(0, 0.3, (1, readers, 1))
    level = level + rng.normal(0, 0.9, (1, 1, count)) + rng.normal(0, 0.3, (modes, 1, count))
    return (rng.normal(0, 0.7, (modes, readers, count)) < level).astype(float)


def mean_square(table: np.ndarray, kept: tuple[int, ...]) -> float:
    """Mean square of an interaction of a full layout, one value a cell, summed term by term."""
    total, freedom = 0.0, 1
    for axis in kept:
        freedom *= table.shape[axis] - 1
    for place in itertools.product(*(range(side) for side in table.shape)):
        effect = 0.0
        for size in range(len(kept) + 1):
            for some in itertools.combinations(kept, size):
                index = tuple(place[axis] if axis in some else slice(None) for axis in range(table.ndim))
                effect += (-1) ** (len(kept) - size) * float(np.mean(table[index]))
        total += effect**2
    return total / freedom


def test_modes_are_compared_as_in_a_three_way_analysis_of_variance() -> None:
    """Of shares, Obuchowski-Rockette is Dorfman-Berbaum-Metz on the cases themselves (Hillis et al. 2005)."""
    for seed in range(4):
        table = cases(modes=3, readers=4, count=20, seed=seed)
        t, r, c = table.shape
        ms = {name: mean_square(table, kept) for name, kept in (
            ("t", (0,)), ("tr", (0, 1)), ("tc", (0, 2)), ("trc", (0, 1, 2)))}  # fmt: skip
        below = ms["tr"] + max(ms["tc"] - ms["trc"], 0)
        f, freedom = ms["t"] / below, below**2 / (ms["tr"] ** 2 / ((t - 1) * (r - 1)))
        flat = table.reshape(t * r, c)
        found = obuchowski_rockette(
            table.mean(axis=2), jackknife(lambda w, x=flat: x @ w.T / w.sum(axis=1), np.arange(c))
        )
        assert found.f == pytest.approx(f)
        assert found.freedom == (t - 1, pytest.approx(freedom))
        assert found.p == pytest.approx(f_above(f, t - 1, freedom))
        assert found.squares[0] * c == pytest.approx(ms["t"])


def test_readers_against_one_as_in_a_two_way_analysis_of_variance() -> None:
    for seed in range(4):
        table = cases(modes=1, readers=5, count=30, seed=seed)[0]
        opponent = cases(modes=1, readers=1, count=30, seed=seed + 50)[0, 0]
        apart = table - opponent
        r, c = apart.shape
        ms = {name: mean_square(apart, kept) for name, kept in (("r", (0,)), ("c", (1,)), ("rc", (0, 1)))}
        below = ms["r"] + max(ms["c"] - ms["rc"], 0)
        error, freedom = math.sqrt(below / (r * c)), below**2 / (ms["r"] ** 2 / (r - 1))
        rows = np.vstack([table, opponent])
        covariance = jackknife(lambda w, x=rows: x @ w.T / w.sum(axis=1), np.arange(c))
        found = readers_against(table.mean(axis=1), float(opponent.mean()), covariance)
        assert found.difference.value == pytest.approx(apart.mean())
        assert found.freedom == pytest.approx(freedom)
        half = math.sqrt(f_quantile(0.95, 1, freedom)) * error
        assert found.difference.high == pytest.approx(apart.mean() + half)
        assert found.p == pytest.approx(f_above((apart.mean() / error) ** 2, 1, freedom))


def test_without_covariances_two_modes_are_a_paired_t_test_over_readers() -> None:
    figures = np.array([[0.81, 0.86, 0.90, 0.79], [0.88, 0.87, 0.93, 0.90]])
    apart = figures[0] - figures[1]
    t = apart.mean() / (apart.std(ddof=1) / 2)
    found = obuchowski_rockette(figures, np.zeros((8, 8)))
    assert found.f == pytest.approx(t**2)
    assert found.freedom == (1, pytest.approx(3))
    ((_, _, difference, p),) = found.differences
    assert p == pytest.approx(found.p)
    assert difference.high == pytest.approx(apart.mean() + 3.182446 * apart.std(ddof=1) / 2, abs=1e-6)


def test_the_jackknife_leaves_out_patients_with_all_their_photos() -> None:
    rng = np.random.default_rng(4)
    patients = np.repeat(np.arange(12), 3)
    positive, scores = rng.random(36) < 0.5, rng.random((2, 36))
    fast = jackknife(lambda w: np.stack([auc(positive, score, w) for score in scores]), patients)
    left = []
    for patient in range(12):
        kept = patients != patient
        left.append([float(auc(positive[kept], score[kept])) for score in scores])
    mean = np.mean(left, axis=0)
    slow = np.zeros((2, 2))
    for row in left:
        for i, j in itertools.product(range(2), repeat=2):
            slow[i, j] += 11 / 12 * (row[i] - mean[i]) * (row[j] - mean[j])
    assert fast == pytest.approx(slow)


def test_readers_who_are_all_alike_leave_the_patients_to_vary() -> None:
    rows = np.vstack([np.repeat([[1.0] * 15 + [0.0] * 5], 3, axis=0), [[1.0] * 10 + [0.0] * 10]])
    covariance = jackknife(lambda w: rows @ w.T / w.sum(axis=1), np.arange(20))
    found = readers_against(np.full(3, 0.75), 0.5, covariance)
    apart = rows[0] - rows[3]
    assert math.isinf(found.freedom)
    assert found.difference.high == pytest.approx(0.25 + 1.95996 * apart.std(ddof=1) / math.sqrt(20), abs=1e-4)
    with pytest.raises(ValueError, match="two or more"):
        readers_against(np.array([0.7]), 0.5, np.zeros((2, 2)))


def test_upper_tails() -> None:
    for freedom in (1.0, 3.0, 24.5):
        for value in (0.2, 1.0, 3.7, 12.0):
            p = f_above(value, 2, freedom)
            assert f_quantile(1 - p, 2, freedom) == pytest.approx(value, rel=1e-6)
    assert f_above(0, 1, 4) == 1
    # Table values of chi-square: 3.841, 5.991, 7.815, 9.488, 11.070 leave 5 %.
    from melascope.detection.reader_study import _chi_square_above

    for freedom, value in enumerate((3.841459, 5.991465, 7.814728, 9.487729, 11.070498), start=1):
        assert _chi_square_above(value, freedom) == pytest.approx(0.05, abs=1e-7)
        assert _chi_square_above(0.0, freedom) == 1


def test_cochrans_q_and_fleiss_kappa_by_their_definitions() -> None:
    rng = np.random.default_rng(3)
    right = rng.random((4, 50)) < np.array([0.9, 0.8, 0.7, 0.8])[:, None]
    k = 4
    column = [sum(row) for row in right]
    rows = [sum(right[:, j]) for j in range(50)]
    q = (k - 1) * (k * sum(x**2 for x in column) - sum(column) ** 2) / (k * sum(rows) - sum(x**2 for x in rows))
    assert cochran_q(right).q == pytest.approx(float(q))
    assert cochran_q(right).freedom == 3
    # Two readers: McNemar's chi-square without correction.
    b, c = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    assert cochran_q(right[:2]).q == pytest.approx((b - c) ** 2 / (b + c))
    assert cochran_q(np.ones((3, 5), dtype=bool)).p == 1
    agree = []
    for j in range(50):
        pairs = list(itertools.permutations(range(4), 2))
        agree.append(sum(right[a, j] == right[b, j] for a, b in pairs) / len(pairs))
    share = right.mean()
    chance = share**2 + (1 - share) ** 2
    assert fleiss_kappa(right) == pytest.approx((np.mean(agree) - chance) / (1 - chance))
    times = rng.integers(0, 3, (3, 50))
    for row, value in zip(times, fleiss_kappa(right, times.astype(float)), strict=True):
        assert value == pytest.approx(float(fleiss_kappa(right[:, np.repeat(np.arange(50), row)])))
    assert np.isnan(fleiss_kappa(np.ones((3, 5), dtype=bool)))


def test_simulated_readers_have_their_stated_error_rates() -> None:
    shown = np.random.default_rng(0).random((4000, 6)) < 0.3
    readers = (SimulatedReader("a", 0.9, 0.97), SimulatedReader("b", 0.8, 0.99))
    ratings = ratings_of(shown, readers, seed=1)
    for reader, table in zip(readers, ratings, strict=True):
        called = table >= 50
        assert called[shown].mean() == pytest.approx(reader.sensitivity, abs=0.02)
        assert (~called)[~shown].mean() == pytest.approx(reader.specificity, abs=0.005)
    missed = (ratings < 50) & shown
    assert (missed[0] & missed[1]).sum() > 1.5 * missed[0].sum() * missed[1].sum() / shown.sum()
    assert (ratings_of(shown, readers, seed=1) == ratings).all()


def made(tmp_path: Path, *, grades: bool = True) -> tuple[RunResult, Path]:
    run = RunResult(name="net", architecture="yolov5s", predictions=predictions(60, skill=0.9))
    tested = run.predictions.part("test")
    readers = sample_readers(3, seed=2)
    ratings = ratings_of(tested.shown(), readers, seed=2)
    if not grades:
        ratings = np.where(ratings >= 50, 1.0, 0.0)
    write_reads(tmp_path / "reads.csv", [photo.photo for photo in tested.photos], CLASSES, readers, ratings)
    return run, tmp_path / "reads.csv"


@pytest.mark.parametrize("grades", [True, False])
def test_a_study_is_what_each_reader_called(tmp_path: Path, grades: bool) -> None:
    run, path = made(tmp_path, grades=grades)
    found = study(read_reads(path, CLASSES), run, resamples=100)
    shown = run.predictions.part("test").shown()
    with path.open() as stream:
        rows = list(csv.DictReader(stream))
    level = 50 if grades else 1
    for one in found.readers:
        own = [[float(row[kind.value]) >= level for kind in CLASSES] for row in rows if row["reader"] == one.name]
        assert (np.array(own) == one.called).all()
        assert one.figures["exact"].value == pytest.approx((np.array(own) == shown).all(axis=1).mean())
        assert one.against is not None
        assert one.against.only_first == int((one.right & ~found.network.right).sum())
    mean = np.mean([one.figures["sensitivity_mel"].value for one in found.readers])
    assert found.together["sensitivity_mel"].value == pytest.approx(mean)
    assert found.majority is not None
    votes = np.sum([one.called for one in found.readers], axis=0) >= 2
    assert (found.majority.called == votes).all()
    assert ("auc_mean" in found.against) is grades is found.graded
    assert found.against["exact"].opponent == found.network.figures["exact"].value
    assert set(found.simulated) == {"reader1", "reader2", "reader3"}


def test_photos_that_the_network_learned_from_are_refused(tmp_path: Path) -> None:
    run, path = made(tmp_path)
    text = path.read_text()
    learned = next(photo.photo for photo in run.predictions.photos if photo.part == "train")
    read = next(photo.photo for photo in run.predictions.photos if photo.part == "test")
    path.write_text(text.replace(read, learned))
    with pytest.raises(ValueError, match="are of the train part of net"):
        study(read_reads(path, CLASSES), run, resamples=100)
    path.write_text(text.replace(read, "other.jpg"))
    with pytest.raises(ValueError, match=r"not among the predictions of net, such as 'other\.jpg'"):
        study(read_reads(path, CLASSES), run, resamples=100)


HEAD = "reader,photo,kinds\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (HEAD, "no row below its header"),
        ("photo,kinds\na,mel\n", "column 'reader' is missing"),
        ("reader,photo\nanna,a\n", "tells no kinds"),
        ("reader,photo,kinds,mel\nanna,a,mel,1\n", "not of the other kinds"),
        (HEAD + "anna,a,wart\n", "row 2: kinds is 'wart'"),
        (HEAD + "anna,a,\n", "row 2: kinds is empty"),
        (HEAD + "anna,a,mel;none\n", "row 2: kinds is 'mel;none'"),
        (HEAD + ",a,mel\n", "row 2: reader is empty"),
        (HEAD + "anna,a,mel\nanna,a,fre\n", "row 3: 'anna' read 'a' in row 2 already"),
        (HEAD + "anna,a,mel\nAnna,b,fre\n", "row 3: reader 'Anna' is 'anna' in row 2"),
        (HEAD + "anna,a,mel\nanna,b,fre\nben,a,mel\n", "'ben' has not read 1 of 2 photos, such as 'b'"),
        ("reader,photo,sl,fre,mel,caf,ota,hori\nanna,a,0,0,101,0,0,0\n", "row 2: mel is '101'"),
        ("reader,photo,sl,fre,mel,caf,ota,hori\nanna,a,0,0,,0,0,0\n", "row 2: mel is ''"),
        (
            "reader,photo,sl,fre,mel,caf,ota,hori\nanna,a,0,0,1,0,0,0\nanna,b,0,0.9,1,0,0,0\n",
            "row 3: fre is 0.9, and no rating is above 1: ratings are from 0 to 100 (or all are 0 and 1); multiply",
        ),
    ],
)
def test_faulty_tables_are_told_by_row(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "reads.csv").write_text(text)
    with pytest.raises(ReadsError, match=re.escape(words)):
        read_reads(tmp_path / "reads.csv", CLASSES)


def test_small_ratings_beside_large_ones_are_ratings(tmp_path: Path) -> None:
    head = "reader,photo,sl,fre,mel,caf,ota,hori\n"
    (tmp_path / "reads.csv").write_text(f"{head}anna,a,0,0.5,1,0,0,0\nanna,b,0,0,2,0,0,0\n")
    assert read_reads(tmp_path / "reads.csv", CLASSES).ratings[0, 0, 0].tolist() == [0, 0.5, 1, 0, 0, 0]
    (tmp_path / "reads.csv").write_text(f"{head}anna,a,0,1,1,0,0,0\nanna,b,0,0,1,0,0,0\n")
    assert read_reads(tmp_path / "reads.csv", CLASSES).ratings[0, 0, 0].tolist() == [0, 100, 100, 0, 0, 0]


@pytest.mark.parametrize(("every", "words"), [(True, "every photo shows it"), (False, "no photo shows it")])
def test_why_a_kind_has_no_curve_is_said(tmp_path: Path, every: bool, words: str) -> None:
    run, path = made(tmp_path)
    photos = []
    for one in run.predictions.photos:
        kept = one.truth.kinds != 2
        kinds = np.append(one.truth.kinds[kept], [2] if every else []).astype(np.intp)
        boxes = np.vstack([one.truth.boxes[kept], [[1.0, 1, 9, 9]] if every else np.zeros((0, 4))])
        photos.append(replace(one, truth=Truth(kinds, boxes, np.zeros(len(kinds), bool))))
    run = replace(run, predictions=Predictions(CLASSES, tuple(photos)))
    drawing = points(study(read_reads(path, CLASSES), run, resamples=100))
    assert drawing.count(words) == 1 and drawing.count("shows it") == 1


def test_kinds_and_modes(tmp_path: Path) -> None:
    rows = [
        f"{reader},{photo},{mode},{'mel; FRE' if photo == 'a' else 'none'}"
        for reader in ("anna", "ben")
        for photo in ("a", "b")
        for mode in ("unaided", "aided")
    ]
    (tmp_path / "reads.csv").write_text("Reader,Photo,Mode,Kinds\n" + "\n".join(rows))
    reads = read_reads(tmp_path / "reads.csv", CLASSES)
    assert (reads.modes, reads.readers, reads.photos) == (("unaided", "aided"), ("anna", "ben"), ("a", "b"))
    assert reads.called[1, 1].tolist() == [[False, True, True, False, False, False], [False] * 6]
    assert not reads.graded and reads.ratings.max() == 100


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["lesions", "readers", *map(str, arguments), "--resamples", "100"])


def test_the_command_writes_a_page_and_says_who_does_not_exist(tmp_path: Path) -> None:
    write(predictions(60, skill=0.9), tmp_path / "net/predictions.json")
    found = call(tmp_path / "reads.csv", tmp_path / "net", "--simulate", 3)
    assert found.exit_code == 0, found.output
    assert "Simulated readers: they do not exist" in found.stdout
    page = (tmp_path / "readers/readers.html").read_text(encoding="utf-8")
    assert "These readers do not exist" in page
    assert not re.search(r"<script|https?://(?!www\.w3\.org)", page)
    with (tmp_path / "readers/readers_by_kind.csv").open(newline="") as stream:
        rows = {row["kind"]: row for row in csv.DictReader(stream)}
    assert rows["Melasma"]["paper_sensitivity"] == "0.989"
    again = call(tmp_path / "reads.csv", tmp_path / "net", "--simulate", 3)
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)
    assert call(tmp_path / "reads.csv", tmp_path / "net").exit_code == 0
    for arguments, words in (
        ((tmp_path / "reads.csv", tmp_path / "nowhere"), "is no file"),
        ((tmp_path / "nowhere.csv", tmp_path / "net"), "nowhere.csv"),
        ((tmp_path / "reads.csv", tmp_path / "net", "--mode", "aided"), "mode 'aided' is not in the table"),
    ):
        found = call(*arguments)
        assert (found.exit_code, words in found.stderr) == (1, True), found.output


def test_modes_reach_the_page(tmp_path: Path) -> None:
    write(predictions(60, skill=0.9), tmp_path / "net/predictions.json")
    assert call(tmp_path / "one.csv", tmp_path / "net", "--simulate", 3).exit_code == 0
    lines = (tmp_path / "one.csv").read_text().splitlines()
    rng = np.random.default_rng(0)
    rows = [f"mode,{lines[0]}"]
    for line in lines[1:]:
        rows.append(f"unaided,{line}")
        rows.append(f"aided,{line if rng.random() < 0.8 else re.sub(r'(jpg),([0-9.]+),', r'jpg,0,', line)}")
    (tmp_path / "two.csv").write_text("\n".join(rows) + "\n")
    found = call(tmp_path / "two.csv", tmp_path / "net", "--out", tmp_path / "out")
    assert found.exit_code == 0, found.output
    with (tmp_path / "out/modes.csv").open(newline="") as stream:
        rows_ = list(csv.DictReader(stream))
    assert {row["first"] for row in rows_} == {"unaided"} and {row["second"] for row in rows_} == {"aided"}
    assert float(rows_[0]["difference"]) == pytest.approx(
        float(rows_[0]["first_mean"]) - float(rows_[0]["second_mean"])
    )
