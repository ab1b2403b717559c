"""What a benchmark found, in sentences; and what its figures mean."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from melascope.severity.evaluation import Benchmark
from melascope.severity.intervals import Interval, drawn_by
from melascope.severity.paper import paper

__all__ = [
    "ceiling_note",
    "ceiling_sentence",
    "comparison_note",
    "data_sentence",
    "headline",
    "method",
    "printed_note",
    "sentences",
]

_LABEL: Final = (
    "The band of the raters' mean MASI, or of the MASI that the data state where nobody rated: mild below 16, moderate "
    "from 16 to below 32, severe from 32. The predicted class is the likeliest one."
)
_AVERAGES: Final = (
    "TP / (TP + FP), TP / (TP + FN), and 2 TP / (2 TP + FP + FN) of each class; weighted: averaged by the classes' "
    "photos, so that the recall is the accuracy; macro: every class the same, so that the recall is the balanced "
    "accuracy. The precision of a class that is never predicted is 0; a class without photos is left out."
)
_AREA: Final = (
    "Area under the ROC curve of a class against the other two: the chance that a photo of the class is given more of "
    "it than one of the others, ties half."
)
_KAPPA: Final = (
    "Cohen's kappa with squared distances between bands; 1 is perfect, 0 is chance. Error in bands: mean distance "
    "between predicted and true band, 0 to 2."
)
_CALIBRATION: Final = (
    "Expected calibration error: ten bins of equal width by the probability of the predicted class; mean distance "
    "between that probability and the share that is right. Brier score: squared distance of the three probabilities "
    "from the truth, 0 to 2. Log loss: mean of −ln p of the true class."
)


def headline(benchmark: Benchmark) -> str:
    """The best run with its accuracy."""
    best = _figures(benchmark)["accuracy"]
    return f"{benchmark.best}: accuracy {_span(best)}"


def data_sentence(benchmark: Benchmark) -> str:
    """How many photos of whom, and of which classes."""
    shares = ", ".join(
        f"{count} {name} ({100 * count / benchmark.photos:.1f} %)" for name, count in benchmark.counts.items()
    )
    photos = f"{benchmark.photos:,} photo{'' if benchmark.photos == 1 else 's'}"
    patients = f"{benchmark.patients:,} patient{'' if benchmark.patients == 1 else 's'}"
    return f"{photos} of {patients}: {shares}."


def sentences(benchmark: Benchmark) -> tuple[str, ...]:
    """What a reader should take away."""
    figures = _figures(benchmark)
    areas = " / ".join(_value(figures[f"auc_{name}"]) for name in benchmark.counts)
    rest = [one for one in benchmark.evaluations if one.run.name != benchmark.best]
    verb = "has the highest accuracy" if rest else "reaches an accuracy of"
    best = (
        f"{benchmark.best} {verb}{',' if rest else ''} {_span(figures['accuracy'])}, a macro F1 of "
        f"{_span(figures['f1_macro'])}, areas under the ROC curve of {areas} (mild / moderate / severe) and a "
        f"quadratic kappa of {_span(figures['kappa'])}."
    )
    found = [best]
    if rest:
        second = max(rest, key=lambda one: one.figures["accuracy"].value)
        gap = next(one for one in benchmark.comparisons if one.run == second.run.name)
        difference = _span(gap.accuracy, signed=True)
        if math.isnan(gap.accuracy.low):
            judged = f"{difference}, has no interval, for too few are drawn"
        else:
            judged = f"{difference}, {'excludes' if gap.accuracy.low > 0 else 'does not exclude'} zero"
        found.append(
            f"The next is {second.run.name}, {_span(second.figures['accuracy'])}; the difference, {judged} "
            f"(McNemar p {_p(gap.mcnemar.p)})."
        )
    found.append(ceiling_sentence(benchmark))
    return tuple(sentence for sentence in found if sentence)


def ceiling_sentence(benchmark: Benchmark) -> str:
    """The ceiling in one sentence; empty if it is not known."""
    words = []
    if benchmark.ceiling.truth:
        figures = benchmark.ceiling.truth[0].figures
        words.append(
            f"a reader without error of the true MASI would reach {_span(figures['accuracy'])}, because the raters err"
        )
    if benchmark.ceiling.raters:
        figures = benchmark.ceiling.raters[-1].figures
        words.append(f"one rater reaches {_span(figures['accuracy'])} against the mean of the others")
    return f"For comparison, {'; '.join(words)}." if words else ""


def ceiling_note(benchmark: Benchmark) -> str:
    """What the readers are, and what they are not."""
    words = []
    if benchmark.ceiling.truth:
        words.append(
            "The perfect reader sees the true MASI of what the raters scored, which is known of virtual patients, and "
            "errs only where the raters' mean lies in another band. It knows nothing of the raters' habits, which a "
            "network learns from their labels; the second reader does: its two limits are those that agree best with "
            "the labels of the other half of what is drawn for intervals. Neither is a strict bound."
        )
    if benchmark.ceiling.raters:
        words.append(
            "Each rater is held against the band of the mean of the others, a label that is less steady than the mean "
            "of all, by which the networks are judged. Their areas rank the photos by the MASI."
        )
    found = benchmark.ceiling.agreement
    if found is not None:
        words.append(
            f"Agreement over the readings: ICC(2,1) {_short(benchmark.ceiling.single)}, ICC(2,{found.raters}) "
            f"{_short(benchmark.ceiling.mean)}."
        )
    return " ".join(words)


def printed_note(benchmark: Benchmark) -> str:
    """What the marks of the summary drawing are, beside the intervals."""
    known = any(paper().of(one.run.architecture) for one in benchmark.evaluations)
    printed = (
        f" Diamonds: printed by {paper().source} of the architecture, on another data set; its mean area is the mean "
        "of the three that it prints."
    )
    dashed = " Dashed: readers beside whom the networks may be held; they have a table of their own."
    any_reader = benchmark.ceiling.truth or benchmark.ceiling.raters
    return (printed if known else "") + (dashed if any_reader else "")


def comparison_note(benchmark: Benchmark) -> str:
    """How the differences were tested."""
    clusters = (
        "DeLong's test sums by what is drawn (Obuchowski 1997), which has several photos; McNemar's takes photos "
        "as independent and is too sure of itself here. "
        if benchmark.several_photos
        else ""
    )
    return (
        f"Differences are {benchmark.best} minus the other; intervals of the accuracy by drawing "
        f"{drawn_by(benchmark.clusters, benchmark.patients)}, of areas by DeLong (1988). {clusters}p (Holm) is "
        "adjusted for the number of networks. The best was chosen on these very photos, so that its lead is a little "
        "flattered."
    )


def method(benchmark: Benchmark) -> Iterable[tuple[str, str]]:
    """(term, gloss) of every figure of the page."""
    draws = (
        f"In brackets or below a figure: 95 %, percentiles of {benchmark.resamples:,} draws of "
        f"{drawn_by(benchmark.clusters, benchmark.patients)} with all their photos (seed {benchmark.seed}). A draw "
        "without a class leaves out the figures of that class; where more than a tenth of the draws do, no interval is "
        "given. The calibration error of a draw is biased upward."
    )
    printed = (
        f"On {paper().where}: other patients, other raters, another camera. Its columns say what was reached there and "
        "compare nothing. Its averages are weighted by the classes' photos, to judge by its recall, which equals its "
        "accuracy. Figures that its text does not state are left blank."
    )
    yield "Label", _LABEL
    yield "Interval", draws
    yield "Precision, recall, F1", _AVERAGES
    yield "AUC", _AREA
    yield "Quadratic kappa", _KAPPA
    yield "Calibration error", _CALIBRATION
    yield f"Printed by {paper().source}", printed


def _figures(benchmark: Benchmark) -> dict[str, Interval]:
    return dict(next(one.figures for one in benchmark.evaluations if one.run.name == benchmark.best))


def _value(figure: Interval) -> str:
    return "–" if math.isnan(figure.value) else f"{figure.value:.3f}"


def _span(figure: Interval, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    if math.isnan(figure.low):
        return _value(figure)
    first, last = (f"{end:{sign}z.3f}".replace("-", "−") for end in (figure.low, figure.high))
    return f"{figure.value:{sign}z.3f} ({first} to {last})".replace("(-", "(−")


def _short(figure: Interval | None) -> str:
    """A figure of two digits with its interval, where there is one."""
    if figure is None:
        return "–"
    between = "" if math.isnan(figure.low) else f" ({figure.low:.2f} to {figure.high:.2f})"
    return f"{figure.value:.2f}{between}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
