"""What was found, in sentences; names for people; and what the figures mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from melascope.detection.evaluation import Benchmark
from melascope.detection.paper import paper
from melascope.severity.intervals import Interval, drawn_by
from melascope.vocabulary import Lesion

__all__ = [
    "KINDS",
    "SIZE_NAMES",
    "comparison_note",
    "data_sentence",
    "headline",
    "inside",
    "method",
    "sentences",
    "span",
]

KINDS: Final[Mapping[Lesion, str]] = {
    Lesion.SOLAR_LENTIGO: "Solar lentigo",
    Lesion.FRECKLE: "Freckle",
    Lesion.MELASMA: "Melasma",
    Lesion.CAFE_AU_LAIT: "Café-au-lait",
    Lesion.NEVUS_OF_OTA: "Nevus of Ota",
    Lesion.HORI_NEVUS: "Hori’s nevus",
}
SIZE_NAMES: Final = ("below 1 %", "1 to 3 %", "3 to 10 %", "10 to 30 %", "30 % or more")


def headline(benchmark: Benchmark) -> str:
    """The best run with its accuracy."""
    return f"{benchmark.best}: {span(benchmark.of(benchmark.best).figures['exact'])} of photos wholly right"


def data_sentence(benchmark: Benchmark) -> str:
    """How many photos of whom, and what they show."""
    shown = ", ".join(f"{inside(kind)} {count}" for kind, count in benchmark.shown.items())
    lesions = sum(benchmark.lesions.values())
    part = {"all": "of all parts", "test": "of the test part"}.get(benchmark.part, f"of the {benchmark.part} part")
    return (
        f"{_many(benchmark.photos, 'photo')} {part}, {_many(benchmark.patients, 'patient')}; photos that show a kind: "
        f"{shown}; {benchmark.several} show several, {benchmark.none} none. "
        f"{_many(lesions, 'rectangle')} in all."
    )


def sentences(benchmark: Benchmark) -> list[str]:
    """What stands out."""
    best = benchmark.of(benchmark.best)
    figures = best.figures
    found = [
        (
            f"{benchmark.best} names all kinds of a photo, and no other, on {span(figures['exact'])} of photos; mean "
            f"precision "
            f"{span(figures['precision_mean'])}, sensitivity {span(figures['sensitivity_mean'])}, specificity "
            f"{span(figures['specificity_mean'])} of the kinds."
        ),
        (
            f"Its boxes: mAP@50 {span(figures['ap50'])}, mAP@50–95 {span(figures['ap'])}; at its thresholds it finds "
            f"{span(figures['box_sensitivity'])} of lesions with {figures['alarms'].value:.2f} false alarms a photo."
        ),
    ]
    known = {kind: figures[f"sensitivity_{kind.value}"].value for kind in benchmark.classes}
    known = {kind: value for kind, value in known.items() if not math.isnan(value)}
    if known:
        worst = min(known, key=lambda kind: known[kind])
        found.append(
            f"Most often overlooked: {inside(worst)}, called on {span(figures[f'sensitivity_{worst.value}'])} of "
            f"the {benchmark.shown[worst]} photos that show it."
        )
    matrix = best.boxes_matrix[:-1, :-1].copy()
    for k in range(len(matrix)):
        matrix[k, k] = 0
    if matrix.any():
        row, column = divmod(int(matrix.argmax()), len(matrix))
        total = int(best.boxes_matrix[row].sum())
        found.append(
            f"Most often confused: {inside(benchmark.classes[row])} taken for "
            f"{inside(benchmark.classes[column])}, {matrix[row, column]} of {total} rectangles."
        )
    for one in benchmark.comparisons:
        if one.p_adjusted < 0.05:
            apart = one.exact
            found.append(
                f"{one.run} is right on fewer photos than {benchmark.best}: difference {span(apart)}, McNemar "
                f"p {'< 0.001' if one.p_adjusted < 0.001 else f'= {one.p_adjusted:.3f}'} after Holm."
            )
    return found


def comparison_note(benchmark: Benchmark) -> str:
    """What the table of comparisons holds."""
    clusters = " McNemar's test takes photos as independent, though patients have several." if (
        benchmark.photos > benchmark.clusters
    ) else ""  # fmt: skip
    return (
        f"{benchmark.best} against each other network on the same photos. Differences: {benchmark.best} minus the "
        f"other, {drawn_by(benchmark.clusters, benchmark.patients)} drawn together. McNemar: photos that only one of "
        f"the two has wholly right; p adjusted by Holm for all pairs of networks, since the best was found on these "
        f"photos.{clusters}"
    )


def method(benchmark: Benchmark) -> list[tuple[str, str]]:
    """Terms and what they mean here."""
    levels = {one.levels.where for one in benchmark.evaluations}
    return [
        (
            "Intervals",
            (
                f"95 %, percentiles of {benchmark.resamples:,} draws of "
                f"{drawn_by(benchmark.clusters, benchmark.patients)} with all their photos, seed {benchmark.seed}. "
                "None is given where a figure is undefined in more than a tenth of the "
                f"draws. Where no "
                "photo errs no draw can: 1.000–1.000 is no certainty; of n such photos, up to about 3 / n may err "
                "unseen."
            ),
        ),
        (
            "A kind is called",
            (
                "when the surest box of that kind on the photo reaches the kind's threshold. "
                f"Thresholds: {'; '.join(sorted(levels))}."
            ),
        ),
        (
            "Precision, sensitivity",
            (
                "TP / (TP + FP), TP / (TP + FN) of photos, each kind for itself; a precision without a "
                "call is 0, a kind that no photo shows is left out of the means."
            ),
        ),
        (
            "Specificity",
            (
                "TN / (TN + FP). The paper's equation 9 prints TN / (FP + FN), which is no specificity and can "
                "exceed 1; what its tables hold is not known."
            ),
        ),
        (
            "Wholly right",
            "the paper's accuracy, an exact match: every kind that the photo shows is called, and no other.",
        ),
        (
            "AUC",
            (
                "of photos, by the score of the surest box: the chance that a photo with the kind scores higher than "
                "one "
                "without, ties half."
            ),
        ),
        (
            "Boxes",
            (
                "greedy, the surest first, at an intersection over union of 0.5; precision and sensitivity at the "
                "boxes' "
                "own thresholds of highest F1 on validation photos."
            ),
        ),
        (
            "mAP",
            (
                "as COCO's own programme (pycocotools) computes it: 101 recalls, the 100 surest boxes of a photo and "
                "kind, "
                "kinds without a true box left out; @50–95 is the mean of ten overlaps from 0.5 to 0.95. Small, "
                "medium, large: "
                "areas below 32², to 96², above 96² pixels."
            ),
        ),
        (
            "FROC",
            (
                "sensitivity for lesions against false alarms a photo, all kinds together; a box of the wrong kind "
                "is a "
                "false alarm. Its score is the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false alarms a photo."
            ),
        ),
        (
            "Confusion",
            (
                "boxes of the same kind are matched first, then what is left whatever its kind. Photos: the kind "
                "whose surest box is most above its threshold, of photos with one kind or none."
            ),
        ),
        (
            "The paper",
            f"{paper().source}, {paper().where}. No comparison: other people, other cameras, other rectangles.",
        ),
    ]


def inside(kind: Lesion) -> str:
    """A kind's name within a sentence."""
    return KINDS[kind] if kind is Lesion.HORI_NEVUS else KINDS[kind][0].lower() + KINDS[kind][1:]


def span(figure: Interval) -> str:
    """A figure with its interval."""
    if math.isnan(figure.value):
        return "undefined"
    ends = "" if math.isnan(figure.low) else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{ends}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}".replace(",", "\u202f")
