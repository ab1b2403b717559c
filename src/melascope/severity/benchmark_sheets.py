"""The tables of a benchmark: the paper's Table 1 beside ours, classes, comparisons, costs, the ceiling, groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from melascope.severity.evaluation import Benchmark
from melascope.severity.intervals import Interval
from melascope.severity.metrics import METRICS
from melascope.severity.paper import paper
from melascope.severity.prediction import CLASSES
from melascope.severity.sheets import Cell, Column, Row, Sheet

__all__ = ["balance", "ceiling", "classes", "comparison", "costs", "everything", "glance", "groups", "table_1"]

_NAME: Final = Column("network", "Network")
_PRINTED: Final = ("accuracy", "precision_weighted", "recall_weighted", "f1_weighted")
_UNADJUSTED: Final = ("mcnemar_p", *(f"delong_p_{band.value}" for band in CLASSES))
_SHORT: Final = {
    "accuracy": "Accuracy",
    "precision_weighted": "Precision",
    "recall_weighted": "Recall",
    "f1_weighted": "F1",
}
_ALIKE: Final = {
    "precision_macro": "Precision",
    "balanced_accuracy": "Recall = balanced accuracy",
    "f1_macro": "F1",
    "kappa": "Quadratic kappa",
    "band_error": "Error in bands",
    "calibration_error": "Calibration error",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "masi_error": "MASI error",
}
_READER: Final = {
    "accuracy": "Accuracy",
    "f1_weighted": "F1 (weighted)",
    "f1_macro": "F1 (macro)",
    "kappa": "Quadratic kappa",
    "band_error": "Error in bands",
    **{f"auc_{band.value}": f"AUC {band.value}" for band in CLASSES},
}


def _other() -> str:
    return f"another data set: {paper().photos:,} photos of {paper().source}"


def table_1(benchmark: Benchmark) -> Sheet:
    """Accuracy, precision, recall and F1 weighted as the paper's, with the paper's own in columns apart."""
    found = [_column(key, _SHORT[key], group="This data") for key in _PRINTED]
    printed = [Column(f"paper_{key}", _SHORT[key], group=f"A{_other()[1:]}", printed=True) for key in _PRINTED]
    columns = (_NAME, Column("recipe", "Recipe"), Column("weights", "Started from"), *found, *printed)
    rows: list[Row] = []
    for one in benchmark.evaluations:
        known = paper().of(one.run.architecture)
        own = [one.figures[key] for key in _PRINTED]
        rows.append((one.run.name, one.run.recipe, one.run.weights, *own, *(known.get(key) for key in _PRINTED)))
    return Sheet("table1", "Classification of severity", columns, tuple(rows))


def balance(benchmark: Benchmark) -> Sheet:
    """Figures in which every class counts the same, agreement, and how far the probabilities can be trusted."""
    keys = [key for key in _ALIKE if any(key in one.figures for one in benchmark.evaluations)]
    groups = {"precision_macro": "Macro", "balanced_accuracy": "Macro", "f1_macro": "Macro"}
    columns = (_NAME, *(_column(key, _ALIKE[key], group=groups.get(key, "")) for key in keys))
    rows: tuple[Row, ...] = tuple(
        (one.run.name, *(one.figures.get(key) for key in keys)) for one in benchmark.evaluations
    )
    return Sheet("balance", "Every class alike, and the probabilities", columns, rows)


def classes(benchmark: Benchmark) -> Sheet:
    """Area under the ROC curve and F1 of every class, beside the paper's areas."""
    bands = [band.value for band in CLASSES]
    columns = (
        _NAME,
        *(_column(f"auc_{band}", band, group="AUC, this data") for band in bands),
        *(_column(f"f1_{band}", band, group="F1, this data") for band in bands),
        *(Column(f"paper_auc_{band}", band, 2, group=f"AUC, {_other()}", printed=True) for band in bands),
    )
    rows: list[Row] = []
    for one in benchmark.evaluations:
        known = paper().of(one.run.architecture)
        own = [one.figures[f"{name}_{band}"] for name in ("auc", "f1") for band in bands]
        rows.append((one.run.name, *own, *(known.get(f"auc_{band}") for band in bands)))
    return Sheet("classes", "Class by class", columns, tuple(rows))


def comparison(benchmark: Benchmark) -> Sheet:
    """Every run against the best: photos that only one gets right, and differences of the areas; p-values adjusted."""
    whole = compared(benchmark)
    kept = [k for k, column in enumerate(whole.columns) if column.key not in _UNADJUSTED]
    rows = tuple(tuple(row[k] for k in kept) for row in whole.rows)
    return Sheet(whole.key, whole.title, tuple(whole.columns[k] for k in kept), rows)


def compared(benchmark: Benchmark) -> Sheet:
    """The same with the p-values as they are, too."""
    columns = (
        _NAME,
        Column("accuracy_difference", "Accuracy, difference", signed=True),
        Column("only_best_right", "best", group="Right alone"),
        Column("only_this_right", "this", group="Right alone"),
        Column("mcnemar_p", "p", p_value=True, group="McNemar, exact"),
        Column("mcnemar_p_holm", "p (Holm)", p_value=True, group="McNemar, exact"),
        *(
            column
            for band in CLASSES
            for column in (
                Column(f"auc_{band.value}_difference", "difference", signed=True, group=f"AUC {band.value} (DeLong)"),
                Column(f"delong_p_{band.value}", "p", p_value=True, group=f"AUC {band.value} (DeLong)"),
                Column(f"delong_p_holm_{band.value}", "p (Holm)", p_value=True, group=f"AUC {band.value} (DeLong)"),
            )
        ),
    )
    rows: list[Row] = []
    for one in benchmark.comparisons:
        areas: list[Cell] = []
        for band in CLASSES:
            found = one.areas[band.value]
            areas.append(Interval(found.difference, found.low, found.high))
            areas += [found.p, one.areas_adjusted[band.value]]
        test = one.mcnemar
        rows.append((one.run, one.accuracy, test.only_first, test.only_second, test.p, one.p_adjusted, *areas))
    return Sheet("comparison", f"Against the best, {benchmark.best}", columns, tuple(rows))


def costs(benchmark: Benchmark) -> Sheet:
    """What each run costs to train, to keep and to ask."""
    columns = (
        _NAME,
        Column("parameters_million", "Parameters, million", 2, "low"),
        Column("megabytes", "ONNX file, MB", 1, "low"),
        Column("ms_1_thread", "1 thread", 1, "low", "One photo by onnxruntime, ms"),
        Column("ms_2_threads", "2 threads", 1, "low", "One photo by onnxruntime, ms"),
        Column("train_images_per_s", "photos/s", 1, "high", "Training"),
        Column("epochs", "epochs", group="Training"),
        Column("train_minutes", "minutes", 1, "low", "Training"),
        Column("machine", "Machine"),
    )
    rows: list[Row] = []
    for one in benchmark.evaluations:
        cost = one.run.costs
        million = None if cost.parameters is None else cost.parameters / 1e6
        speed = [
            None if v is None else float(v) for v in (cost.ms_1_thread, cost.ms_2_threads, cost.train_images_per_s)
        ]
        size = None if cost.megabytes is None else float(cost.megabytes)
        minutes = None if cost.train_minutes is None else float(cost.train_minutes)
        rows.append((one.run.name, million, size, *speed, cost.epochs, minutes, cost.machine))
    return _without_empty(Sheet("costs", "What it costs", columns, tuple(rows)))


def ceiling(benchmark: Benchmark) -> Sheet:
    """Readers beside whom the networks may be held."""
    columns = (
        Column("reader", "Reader"),
        Column("against", "Held against"),
        *(Column(key, label) for key, label in _READER.items()),
    )
    readers = (*benchmark.ceiling.truth, *benchmark.ceiling.raters)
    rows: tuple[Row, ...] = tuple((one.name, one.against, *(one.figures[key] for key in _READER)) for one in readers)
    return Sheet("ceiling", "How well anyone could score", columns, rows)


def groups(benchmark: Benchmark) -> Sheet:
    """Accuracy by skin tone, device and view."""
    apart = benchmark.clusters != benchmark.patients
    names = [one.run.name for one in benchmark.evaluations]
    columns = (
        Column("column", "By"),
        Column("value", ""),
        Column("photos", "Photos"),
        Column("patients", "Patients"),
        *((Column("groups", "Groups drawn"),) if apart else ()),
        *(Column(f"accuracy: {name}", name, 2) for name in names),
    )
    rows: tuple[Row, ...] = tuple(
        (
            one.label,
            one.value,
            one.photos,
            one.patients,
            *((one.clusters,) if apart else ()),
            *(one.accuracy[name] for name in names),
        )
        for one in benchmark.groups
    )
    return Sheet("groups", "Accuracy by skin tone, device and view", columns, rows)


def everything(benchmark: Benchmark) -> Iterable[Sheet]:
    """Every table as it is written to CSV; ``table1`` then holds every figure."""
    bands = [band.value for band in CLASSES]
    short = table_1(benchmark)
    more = [key for key in METRICS if any(key in one.figures for one in benchmark.evaluations)]
    more = [key for key in more if key not in _PRINTED and key.rpartition("_")[2] not in bands]
    rows = tuple(
        (*row, *(one.figures.get(key) for key in more))
        for row, one in zip(short.rows, benchmark.evaluations, strict=True)
    )
    yield Sheet("table1", short.title, (*short.columns, *(Column(key, key) for key in more)), rows)
    keys = ("precision", "recall", "f1", "auc")
    per_class: list[Row] = []
    confusion, roc, reliability = [], [], []
    for one in benchmark.evaluations:
        known = paper().of(one.run.architecture)
        for k, band in enumerate(bands):
            own = [one.figures[f"{key}_{band}"] for key in keys]
            per_class.append((one.run.name, band, benchmark.counts[band], *own, known.get(f"auc_{band}")))
            confusion += [(one.run.name, band, bands[j], int(one.matrix[k, j])) for j in range(len(bands))]
            curve = one.curves.get(band)
            if curve is not None:
                points = zip(curve.false_positive, curve.true_positive, curve.thresholds, strict=True)
                roc += [(one.run.name, band, float(x), float(y), float(t)) for x, y, t in points]
        for bin_ in one.bins:
            right = Interval(bin_.right, bin_.right_low, bin_.right_high)
            reliability.append((one.run.name, bin_.low, bin_.high, bin_.count, bin_.confidence, right))
    yield _plain("per_class", ("network", "class", "photos", *keys, "paper_auc"), per_class)
    yield _plain("confusion", ("network", "true_class", "predicted_class", "photos"), confusion)
    yield _plain("roc", ("network", "class", "false_positive_rate", "true_positive_rate", "threshold"), roc)
    yield _plain("reliability", ("network", "low", "high", "photos", "confidence", "right"), reliability)
    yield compared(benchmark)
    yield costs(benchmark)
    yield ceiling(benchmark)
    yield groups(benchmark)


def glance(benchmark: Benchmark) -> Sheet:
    """The few figures that a terminal shows."""
    keys = ("accuracy", "f1_weighted", "f1_macro", "kappa", "calibration_error")
    bands = [band.value for band in CLASSES]
    columns = (
        _NAME,
        *(_column(key, METRICS[key].label) for key in keys),
        *(Column(f"auc_{band}", f"AUC {band}") for band in bands),
    )
    rows: tuple[Row, ...] = tuple(
        (
            one.run.name,
            *(one.figures[key] for key in keys[:1]),
            *(one.figures[key].value for key in keys[1:]),
            *(one.figures[f"auc_{band}"].value for band in bands),
        )
        for one in benchmark.evaluations
    )
    return Sheet("glance", "", columns, rows)


def _plain(key: str, names: Iterable[str], rows: Iterable[Row]) -> Sheet:
    return Sheet(key, key, tuple(Column(name, name) for name in names), tuple(rows))


def _column(key: str, label: str, group: str = "") -> Column:
    better: Literal["high", "low"] = "high" if METRICS[key].higher_is_better else "low"
    return Column(key, label, 2 if key == "masi_error" else 3, better, group)


def _without_empty(sheet: Sheet) -> Sheet:
    """Columns that no row fills are left out."""
    kept = [k for k in range(len(sheet.columns)) if k == 0 or any(row[k] not in (None, "") for row in sheet.rows)]
    rows = tuple(tuple(row[k] for k in kept) for row in sheet.rows)
    return Sheet(sheet.key, sheet.title, tuple(sheet.columns[k] for k in kept), rows, sheet.note)
