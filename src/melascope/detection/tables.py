"""The page's tables: overview, by kind, boxes, sizes, groups, comparisons, costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from melascope.detection.evaluation import Benchmark, Evaluation
from melascope.detection.froc import RATES
from melascope.detection.paper import TABLES, paper
from melascope.detection.ranked import AREAS
from melascope.detection.words import KINDS, SIZE_NAMES
from melascope.severity.sheets import Cell, Column, Row, Sheet
from melascope.vocabulary import Lesion

__all__ = [
    "boxes",
    "by_kind",
    "comparison",
    "confusion",
    "costs",
    "curves",
    "detection",
    "everything",
    "froc",
    "glance",
    "groups",
    "overview",
    "printed",
    "sizes",
]

_NAME: Final = Column("network", "Network")
_HEADS: Final = {"precision": "Precision", "sensitivity": "Sensitivity", "specificity": "Specificity"}
_PRINTED: Final = "Ding 2022 printed (other photos)"


def overview(benchmark: Benchmark) -> Sheet:
    """One row a network: photos wholly right, and the means of the kinds; the paper's beside it."""
    keys = ("exact", *(f"{key}_mean" for key in TABLES))
    labels = ("Wholly right", *_HEADS.values())
    columns = (
        _NAME,
        Column("recipe", "Recipe"),
        *(Column(k, label, better="high", group="Photos") for k, label in zip(keys, labels, strict=True)),
        Column("auc_mean", "AUC", better="high", group="Photos"),
        *(Column(f"paper_{k}", label, group=_PRINTED, printed=True) for k, label in zip(keys, labels, strict=True)),
    )
    rows: list[Row] = []
    for one in benchmark.evaluations:
        known = printed(one)
        rows.append(
            (one.run.name, one.run.recipe, *(one.figures[key] for key in (*keys, "auc_mean")), *map(known.get, keys))
        )
    return Sheet("overview", "Photos: all kinds together", columns, tuple(rows))


def glance(benchmark: Benchmark) -> Sheet:
    """What a terminal shows."""
    columns = (
        _NAME,
        Column("exact", "Wholly right"),
        *(Column(f"{key}_mean", head) for key, head in _HEADS.items()),
        Column("ap50", "mAP@50"),
        Column("ap", "mAP@50–95"),
    )
    return Sheet("glance", "At a glance", columns, _figures(benchmark, columns))


def by_kind(benchmark: Benchmark) -> Sheet:
    """The paper's Table 1: precision, sensitivity and specificity of each kind, by network."""
    columns = (
        _NAME,
        Column("kind", "Kind"),
        Column("photos", "Photos", digits=0),
        *(Column(key, head, group="Photos that show it") for key, head in _HEADS.items()),
        Column("auc", "AUC", group="Photos that show it"),
        *(Column(f"paper_{key}", head, group=_PRINTED, printed=True) for key, head in _HEADS.items()),
    )
    rows: list[Row] = []
    for one in benchmark.evaluations:
        known = printed(one)
        for kind, name, label in _kinds(benchmark):
            count = benchmark.photos if kind is None else benchmark.shown[kind]
            own: list[Cell] = [one.figures[f"{key}_{name}"] for key in (*TABLES, "auc")]
            first = one.run.name if kind is benchmark.classes[0] else ""
            rows.append((first, label, count, *own, *(known.get(f"{key}_{name}") for key in TABLES)))
    return Sheet("by_kind", "Photos: each kind", columns, tuple(rows))


def boxes(benchmark: Benchmark) -> Sheet:
    """Boxes of each kind: precision and sensitivity at the thresholds, average precision."""
    heads = {"box_precision": "Precision", "box_sensitivity": "Sensitivity", "ap50": "AP@50", "ap": "AP@50–95"}
    columns = (
        _NAME,
        Column("kind", "Kind"),
        Column("lesions", "Rectangles", digits=0),
        Column("threshold", "Threshold", digits=2),
        *(Column(key, head) for key, head in heads.items()),
    )
    rows: list[Row] = []
    for one in benchmark.evaluations:
        for kind, name, label in _kinds(benchmark):
            first = one.run.name if kind is benchmark.classes[0] else ""
            if kind is None:
                mean = [one.figures[f"box_{key}_mean"] for key in ("precision", "sensitivity")]
                row: list[Cell] = [sum(benchmark.lesions.values()), None, *mean, one.figures["ap50"], one.figures["ap"]]
            else:
                level = float(one.levels.boxes[benchmark.classes.index(kind)])
                row = [benchmark.lesions[kind], level, *(one.figures[f"{key}_{name}"] for key in heads)]
            rows.append((first, label, *row))
    return Sheet("boxes", "Boxes: each kind", columns, tuple(rows))


def detection(benchmark: Benchmark) -> Sheet:
    """One row a network: mAP, also by the area of the box."""
    columns = (
        _NAME,
        Column("ap50", "@50", better="high", group="mAP"),
        Column("ap", "@50–95", better="high", group="mAP"),
        *(Column(f"ap_{area}", area, better="high", group="mAP@50–95 by area") for area in AREAS if area != "all"),
    )
    return Sheet("detection", "Boxes: average precision", columns, _figures(benchmark, columns))


def froc(benchmark: Benchmark) -> Sheet:
    """One row a network: sensitivity for lesions at rates of false alarms."""
    group = "Sensitivity at this many false alarms a photo"
    names = {rate: f"1/{round(1 / rate)}" if rate < 1 else f"{rate:g}" for rate in RATES}
    columns = (
        _NAME,
        *(Column(f"froc_{rate:g}", name, better="high", group=group) for rate, name in names.items()),
        Column("froc", "Mean", better="high"),
    )
    return Sheet("froc", "Boxes: sensitivity against false alarms", columns, _figures(benchmark, columns))


def sizes(benchmark: Benchmark) -> Sheet:
    """Sensitivity by the size of a lesion."""
    first = benchmark.evaluations[0]
    columns = (
        Column("size", "Side, of the photo’s shorter side"),
        Column("lesions", "Rectangles", digits=0),
        *(Column(one.run.name, one.run.name, group="Sensitivity") for one in benchmark.evaluations),
    )
    rows: list[Row] = [
        (name, int(first.sizes[k]), *(one.figures[f"size_{k}"] for one in benchmark.evaluations))
        for k, name in enumerate(SIZE_NAMES)
        if first.sizes[k]
    ]
    return Sheet("sizes", "Sensitivity by the size of the rectangle", columns, tuple(rows))


def groups(benchmark: Benchmark) -> Sheet:
    """By skin tone, device and view."""
    apart = benchmark.clusters != benchmark.patients
    heads = {"exact": "Wholly right", "box_sensitivity": "Sensitivity", "alarms": "False alarms", "ap50": "mAP@50"}
    columns = (
        Column("what", ""),
        Column("value", ""),
        Column("photos", "Photos", digits=0),
        Column("patients", "Patients", digits=0),
        *((Column("groups", "Groups drawn", digits=0),) if apart else ()),
        Column("network", "Network"),
        *(Column(key, head, digits=2 if key == "alarms" else 3) for key, head in heads.items()),
    )
    rows: list[Row] = []
    last = ""
    for group in benchmark.groups:
        for place, (name, figures) in enumerate(group.figures.items()):
            counts: list[Cell] = [group.photos, group.patients, *([group.clusters] if apart else [])]
            head: list[Cell] = ["" if group.label == last else group.label, group.value, *counts]
            if place:
                head = ["", "", *(None for _ in counts)]
            last = group.label
            rows.append((*head, name, *(figures[key] for key in heads)))
    return Sheet("groups", "By skin tone, device and view", columns, tuple(rows))


def comparison(benchmark: Benchmark) -> Sheet:
    """Every network against the best."""
    columns = (
        _NAME,
        Column("exact_difference", "Wholly right, difference", signed=True),
        Column("ap50_difference", "mAP@50, difference", signed=True),
        Column("only_best", "Only best right", digits=0),
        Column("only_this", "Only this right", digits=0),
        Column("p", "McNemar p (Holm)", p_value=True),
    )
    rows: list[Row] = [
        (one.run, one.exact, one.ap50, one.mcnemar.only_first, one.mcnemar.only_second, one.p_adjusted)
        for one in benchmark.comparisons
    ]
    return Sheet("comparison", f"{benchmark.best} against the others", columns, tuple(rows))


def costs(benchmark: Benchmark) -> Sheet:
    """What each network costs; empty where nothing was measured."""
    columns = (
        _NAME,
        Column("parameters", "Parameters, 10⁶", digits=1),
        Column("megabytes", "ONNX, MB", digits=1),
        Column("ms_1_thread", "1 thread", digits=0, group="ms a photo, onnxruntime"),
        Column("ms_2_threads", "2 threads", digits=0, group="ms a photo, onnxruntime"),
        Column("weights", "Start, and what was cut", group="Training"),
        Column("side", "Side, px", digits=0, group="Training"),
        Column("epochs", "Epochs", digits=0, group="Training"),
        Column("train_minutes", "Minutes", digits=0, group="Training"),
        Column("train_images_per_s", "Photos/s", digits=1, group="Training"),
        Column("machine", "Machine"),
    )
    rows: list[Row] = []
    for one in benchmark.evaluations:
        cost = one.run.costs
        millions = None if cost.parameters is None else cost.parameters / 1e6
        rows.append(
            (one.run.name, millions, cost.megabytes, cost.ms_1_thread, cost.ms_2_threads, one.run.weights, one.run.side,
             cost.epochs, cost.train_minutes, cost.train_images_per_s, cost.machine)
        )  # fmt: skip
    known = [row for row in rows if any(cell not in (None, "") for cell in row[1:])]
    return Sheet("costs", "Cost", columns, tuple(rows) if known else ())


def confusion(benchmark: Benchmark) -> Sheet:
    """Both confusion matrices of every network, one row a cell."""
    names = [*(kind.value for kind in benchmark.classes), "none"]
    columns = (_NAME, Column("of", "Of"), Column("true", "True"), Column("found", "Found"), Column("count", "Count"))
    rows: list[Row] = [
        (one.run.name, what, true, found, int(matrix[i, j]))
        for one in benchmark.evaluations
        for what, matrix in (("boxes", one.boxes_matrix), ("photos", one.photos_matrix))
        for i, true in enumerate(names)
        for j, found in enumerate(names)
    ]
    return Sheet("confusion", "Confusion matrices", columns, tuple(rows))


def curves(benchmark: Benchmark) -> Sheet:
    """Points of all curves."""
    columns = (_NAME, Column("curve", "Curve"), Column("kind", "Kind"), Column("x", "x"), Column("y", "y"))
    rows: list[Row] = []
    for one in benchmark.evaluations:
        for kind, curve in one.roc.items():
            points = zip(curve.false_positive.tolist(), curve.true_positive.tolist(), strict=True)
            rows += [(one.run.name, "roc", kind.value, x, y) for x, y in points]
        for name, table in (("precision_recall", one.recall), ("froc", one.froc)):
            for which, (xs, ys) in table.items():
                word = "all" if which is None else which.value
                rows += [(one.run.name, name, word, x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
    return Sheet("curves", "Points of the curves", columns, tuple(rows))


def everything(benchmark: Benchmark) -> Iterable[Sheet]:
    """All tables, as CSV files are written of them; names stand in every row."""
    for make in (overview, by_kind, boxes, detection, froc, sizes, groups, comparison, costs, confusion, curves):
        yield _filled(make(benchmark))


def _figures(benchmark: Benchmark, columns: tuple[Column, ...]) -> tuple[Row, ...]:
    """The figures that the columns are named after."""
    return tuple((one.run.name, *(one.figures[c.key] for c in columns[1:])) for one in benchmark.evaluations)


def _filled(sheet: Sheet) -> Sheet:
    """With the words that a page leaves out where they repeat."""
    rows: list[Row] = []
    for row in sheet.rows:
        above = rows[-1] if rows else row
        repeated = sheet.key in {"by_kind", "boxes", "groups"}
        blank = [
            k for k, cell in enumerate(row[:4]) if repeated and cell in ("", None) and sheet.columns[k].key in _LEFT
        ]
        rows.append(tuple(above[k] if k in blank else cell for k, cell in enumerate(row)))
    return Sheet(sheet.key, sheet.title, sheet.columns, tuple(rows), sheet.note)


_LEFT: Final = {"network", "what", "value", "photos", "patients"}


def _kinds(benchmark: Benchmark) -> Iterable[tuple[Lesion | None, str, str]]:
    """Kind, name of its figures, name for people; the mean last."""
    yield from ((kind, kind.value, KINDS[kind]) for kind in benchmark.classes)
    yield None, "mean", "Mean of the kinds"


def printed(one: Evaluation) -> dict[str, float]:
    """What the paper printed of such a network; its smartphone table where all photos are a telephone's."""
    devices = {photo.device for photo in one.photos.photos}
    phones = bool(devices) and all(device.startswith(("phone", "smart")) for device in devices)
    return dict(paper().of(one.run.architecture, phones))
