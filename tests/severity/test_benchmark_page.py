"""The page, its tables and drawings: complete, well formed, and the same numbers everywhere."""

from __future__ import annotations

import csv
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from melascope.severity.benchmark_sheets import groups
from melascope.severity.evaluation import Benchmark, evaluate
from melascope.severity.markdown import markdown_page, markdown_text
from melascope.severity.page import benchmark_page, draw, html, write_page
from melascope.severity.sheets import Column, Sheet, markdown, shown
from tests.severity.simulated import rows, run

DRAWS = 200


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    noises = {"GoogLeNet": 4.0, "AlexNet": 30.0, "Ours": 1.0}
    runs = [
        run(name, ours=name == "Ours", noise=noise, seed=k, count=150, per_patient=2)
        for k, (name, noise) in enumerate(noises.items())
    ]
    return evaluate(runs, DRAWS)


@pytest.fixture(scope="module")
def folder(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page")
    write_page(benchmark, out, "melascope severity benchmark <DATA> & more")
    return out


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_files_are_those_that_were_promised(folder: Path) -> None:
    names = ["table1", "per_class", "roc", "confusion", "reliability", "comparison", "costs", "ceiling", "groups"]
    assert {path.name for path in folder.glob("*.*")} == {"benchmark.html", *(f"{name}.csv" for name in names)}
    drawn = ["summary", "roc_by_class", "roc_by_network", "confusion", "reliability", "learning"]
    assert {path.name for path in (folder / "figures").iterdir()} == {f"{name}.svg" for name in drawn}


def test_drawings_are_well_formed_and_in_the_page(benchmark: Benchmark, folder: Path) -> None:
    page = (folder / "benchmark.html").read_text(encoding="utf-8")
    for name, drawing in draw(benchmark).items():
        root = ET.fromstring(drawing)
        assert root.tag.endswith("svg")
        assert drawing in page, name
        assert "nan" not in drawing


def test_the_page_needs_nothing_from_anywhere(folder: Path) -> None:
    page = (folder / "benchmark.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="', page) == []
    assert set(re.findall(r"https?://[^\"' <]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "&lt;DATA&gt; &amp; more" in page
    assert "Not a medical device" in page


def test_the_paper_s_figures_stand_apart_and_are_called_another_data_set(folder: Path) -> None:
    page = (folder / "benchmark.html").read_text(encoding="utf-8")
    assert "another data set: 1,368 photos of Zhang 2025" in page
    assert '<td class="number start printed">0.755</td>' in page
    first = table(folder / "table1.csv")
    assert [row["paper_accuracy"] for row in first] == ["0.755", "0.453", ""]


def test_the_csv_files_follow_from_the_predictions(benchmark: Benchmark, folder: Path) -> None:
    for one, row in zip(benchmark.evaluations, table(folder / "table1.csv"), strict=True):
        given = one.run.predictions
        right = np.mean([np.argmax(each.probabilities) == each.truth for each in given])
        assert float(row["accuracy"]) == pytest.approx(right)
        assert float(row["accuracy_low"]) < right < float(row["accuracy_high"])
        cells = [cell for cell in table(folder / "confusion.csv") if cell["network"] == one.run.name]
        assert sum(int(cell["photos"]) for cell in cells) == len(given)
        assert sum(int(c["photos"]) for c in cells if c["true_class"] == c["predicted_class"]) == round(right * 150)
        points = [p for p in table(folder / "roc.csv") if (p["network"], p["class"]) == (one.run.name, "severe")]
        xs, ys = ([float(p[key]) for p in points] for key in ("false_positive_rate", "true_positive_rate"))
        per_class = [
            c for c in table(folder / "per_class.csv") if (c["network"], c["class"]) == (one.run.name, "severe")
        ]
        assert np.trapezoid(ys, xs) == pytest.approx(float(per_class[0]["auc"]))


def test_the_best_is_best_and_the_others_are_held_against_it(benchmark: Benchmark, folder: Path) -> None:
    assert benchmark.best == "Ours"
    compared = table(folder / "comparison.csv")
    assert [row["network"] for row in compared] == ["GoogLeNet", "AlexNet"]
    by_name = {one.run.name: one for one in benchmark.evaluations}
    for row in compared:
        right = {name: one.table.predicted == one.table.truth for name, one in by_name.items()}
        only = int((right["Ours"] & ~right[row["network"]]).sum())
        assert int(row["only_best_right"]) == only
        difference = right["Ours"].mean() - right[row["network"]].mean()
        assert float(row["accuracy_difference"]) == pytest.approx(difference)
        assert float(row["mcnemar_p_holm"]) >= float(row["mcnemar_p"])
    assert float(compared[1]["accuracy_difference_low"]) > 0


def test_groups_divide_the_photos(benchmark: Benchmark) -> None:
    for column in ("tone_band", "device"):
        found = [group for group in benchmark.groups if group.column == column]
        assert sum(group.photos for group in found) == benchmark.photos
        total = sum(group.accuracy["Ours"].value * group.photos for group in found)
        assert total / benchmark.photos == pytest.approx(benchmark.evaluations[2].figures["accuracy"].value)
    assert not [group for group in benchmark.groups if group.column == "view"]
    tones = [group.value for group in benchmark.groups if group.column == "tone_band"]
    assert tones == ["light", "tan", "dark"]


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    runs = [run(count=30)]
    pages = [benchmark_page(runs, tmp_path / name, "again", resamples=DRAWS) for name in "ab"]
    for path in pages[0].parent.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


@pytest.mark.parametrize("kept", [(0,), (0, 1), (2,)])
def test_test_sets_without_some_class_still_have_a_page(kept: tuple[int, ...]) -> None:
    runs = []
    for name in ("a", "b"):
        given = run(name, costs=False, seed=len(name), count=40)
        photos = [replace(row, tone_band="", device="", view="") for row in given.predictions if row.truth in kept]
        runs.append(replace(given, predictions=photos, history=()))
    found = evaluate(runs, DRAWS)
    page = html(found, "x")
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    for drawing in draw(found).values():
        if drawing:
            ET.fromstring(drawing)
    assert draw(found)["learning"] == ""


def test_one_patient_alone_gives_a_page_without_an_interval_that_lies() -> None:
    photos = [replace(row, patient="one") for row in rows(6)]
    found = evaluate([replace(run(), predictions=photos)], DRAWS)
    accuracy = found.evaluations[0].figures["accuracy"]
    assert np.isnan(accuracy.low) and np.isnan(accuracy.high)  # every draw would be the same one
    text = html(found, "x")
    assert "6 photos of 1 patient:" in text and "1.000 (1.000" not in text


def test_groups_that_are_drawn_are_counted_in_the_table_of_groups() -> None:
    photos = [replace(row, group=f"head{k // 5}") for k, row in enumerate(rows(60))]
    sheet = groups(evaluate([replace(run(), predictions=photos)], DRAWS))
    assert [column.key for column in sheet.columns][:5] == ["column", "value", "photos", "patients", "groups"]
    assert sheet.rows[0][2:5] == (20, 20, 12)
    assert "groups" not in [column.key for column in groups(evaluate([run(count=60)], DRAWS)).columns]


def test_markdown_holds_the_same_tables(benchmark: Benchmark, tmp_path: Path) -> None:
    text = markdown_text(benchmark, "melascope severity benchmark")
    for one in benchmark.evaluations:
        figure = one.figures["accuracy"]
        assert f"{figure.value:.3f}" in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    assert "another data set: 1,368 photos of Zhang 2025" in text
    page = markdown_page([run(count=30)], tmp_path / "docs/severity.md", "x", figures=tmp_path / "img", resamples=DRAWS)
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).is_file()


def test_names_are_escaped_everywhere() -> None:
    found = evaluate([run("<b>a|b</b>", count=30)], DRAWS)
    assert "<b>a|b" not in html(found, "x")
    row = next(line for line in markdown_text(found, "x").splitlines() if line.startswith("| &lt;b>"))
    assert row.startswith("| &lt;b>a\\|b&lt;/b>")


def test_the_best_of_a_column_is_bold_and_equal_ones_too() -> None:
    sheet = Sheet(
        "t", "t", (Column("n", "n"), Column("a", "a", 2, "high"), Column("b", "b", 1, "low")),
        (("x", 0.904, 3.0), ("y", 0.9, 2.0), ("z", None, 4.0)),
    )  # fmt: skip
    assert [[cell.best for cell in row] for row in shown(sheet)] == [
        [False, True, False], [False, True, True], [False, False, False],
    ]  # fmt: skip
    assert "**0.90**" in markdown(sheet)


def test_a_row_that_does_not_fit_its_table_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        Sheet("t", "t", (Column("n", "n"),), (("x", 1.0),))
