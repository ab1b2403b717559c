"""The lesions of one photo as some programme wrote them, and what every such list must keep."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from melascope.data.box import Box
from melascope.vocabulary import Lesion

__all__ = ["Annotated", "AnnotationError", "kind_named", "snapped", "sound"]

_BEYOND: Final = 1.0
"""Pixels by which a box may reach beyond the picture: it is cut there."""
_SHOWN: Final = 20


class AnnotationError(ValueError):
    """Annotations that cannot be used; each problem names the file, the object, the rule and the way out."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - _SHOWN
        shown = [*self.problems[:_SHOWN], *([f"... and {more} more"] if more > 0 else [])]
        super().__init__("\n".join(shown))


@dataclass(frozen=True)
class Annotated:
    """One photo and its boxes."""

    photo: str
    """As the annotation names it: a file, with or without folders."""
    size: tuple[int, int] | None
    """(W, H) that the annotation was drawn on; None where the format does not say."""
    boxes: tuple[Box, ...]
    """() for a photo that is known to show none."""
    where: str
    """File of the annotation, and the entry in it, for messages."""


def kind_named(name: str) -> Lesion:
    """The kind of a label, however it is capitalised.

    Raises:
        ValueError: It is none of the six.
    """
    word = name.strip().casefold()
    if word not in tuple(Lesion):
        raise ValueError(f"is named {name.strip()[:60]!r}: must be one of {', '.join(Lesion)}; rename it")
    return Lesion(word)


def snapped(value: float) -> float:
    """A coordinate that went through shares or percent, to the millionth of a pixel that they keep.

    Example:
        >>> snapped(0.1 * 3 * 10)
        3.0
    """
    return round(value, 6) + 0.0


def sound(boxes: Sequence[Box], size: tuple[int, int], where: str) -> tuple[tuple[Box, ...], list[str]]:
    """The boxes of a photo within it, and what is wrong with the others.

    Args:
        boxes: As read.
        size: (W, H) of the picture that they were drawn on.
        where: File and entry, for messages.
    """
    width, height = size
    kept, problems = [], []
    seen: dict[tuple[object, ...], int] = {}
    for number, box in enumerate(boxes, start=1):
        place = f"{where}, object {number} ({box.kind.value})"
        drawn = ", ".join(f"{value:g}" for value in box.corners)
        first = seen.setdefault((box.kind, box.corners), number)
        if not all(map(math.isfinite, box.corners)):
            problems.append(f"{place}: the box {drawn} is not of finite numbers: draw it anew")
        elif box.x1 <= box.x0 or box.y1 <= box.y0:
            problems.append(f"{place}: the box {drawn} (x0, y0, x1, y1) is empty or turned round: draw it anew")
        elif min(box.x0, box.y0) < -_BEYOND or box.x1 > width + _BEYOND or box.y1 > height + _BEYOND:
            rule = f"reaches beyond the picture of {width} x {height}: cut it there, or see which photo it belongs to"
            problems.append(f"{place}: the box {drawn} {rule}")
        elif first != number:
            problems.append(f"{place}: is the same as object {first}: remove one of the two")
        else:
            kept.append(
                replace(box, x0=max(box.x0, 0), y0=max(box.y0, 0), x1=min(box.x1, width), y1=min(box.y1, height))
            )
    return tuple(kept), problems
