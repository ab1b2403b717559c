"""One outlined lesion of a photo, and the lesions of instance masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.data.rle import Rle, rle_of_mask
from melascope.vocabulary import Lesion

__all__ = ["KIND_CODES", "Box", "boxes_of_masks", "patches_of_mask"]

KIND_CODES: Final = {kind: code for code, kind in enumerate(Lesion, start=1)}
"""Code of each kind in a lesion mask, and in COCO's categories."""
_KINDS: Final = tuple(Lesion)


@dataclass(frozen=True, kw_only=True)
class Box:
    """One lesion. x0, y0, x1, y1 are pixels of the upright photo; the right and lower edges are exclusive."""

    kind: Lesion
    x0: float
    y0: float
    x1: float
    y1: float
    area_px: float | None = None
    """Pixels of the outline; None where only the box is known."""
    outline: Rle | tuple[tuple[float, ...], ...] | None = None
    """Runs, or polygons x, y, x, y ...; None where only the box is known."""
    instance: int | None = None
    """Number of the lesion in the instance mask."""
    mm: Mapping[str, float] | None = None
    """Sizes on the skin, such as width_mm, height_mm, area_mm2."""

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1."""
        return self.x0, self.y0, self.x1, self.y1


def boxes_of_masks(
    instances: NDArray[np.uint16],
    lesions: NDArray[np.uint8],
    *,
    sizes_mm: Mapping[int, Mapping[str, float]] | None = None,
    outlines: bool = True,
) -> list[Box]:
    """Boxes and outlines of all lesions of a photo, by number.

    Args:
        instances: (H, W), 0 none, 1 and up: single lesions.
        lesions: (H, W) kind codes (`KIND_CODES`); a lesion is of the kind that most of its pixels have.
        sizes_mm: `Box.mm` by number.
        outlines: False leaves the outlines out.

    Raises:
        ValueError: The masks differ in size, or a lesion has no kind.
    """
    if instances.shape != lesions.shape:
        raise ValueError(f"instances of {instances.shape} and kinds of {lesions.shape}: must be of one size")
    ys, xs = np.nonzero(instances)
    numbers = instances[ys, xs]
    order = np.argsort(numbers, kind="stable")
    ys, xs, numbers = ys[order], xs[order], numbers[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=0))
    boxes = []
    ends = [*starts[1:], len(numbers)][: len(starts)]
    for start, end in zip(starts, ends, strict=True):
        number = int(numbers[start])
        y, x = ys[start:end], xs[start:end]
        codes = np.bincount(lesions[y, x], minlength=len(_KINDS) + 1)
        code = int(codes[1:].argmax()) + 1
        if not codes[code] or code > len(_KINDS):
            raise ValueError(
                f"lesion {number} has the kind code {code if codes[code] else 0}: must be 1 to {len(_KINDS)}"
            )
        x0, y0, x1, y1 = int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1
        outline = None
        if outlines:
            mask = np.zeros((y1 - y0, x1 - x0), bool)
            mask[y - y0, x - x0] = True
            outline = rle_of_mask(mask, at=(x0, y0), size=(instances.shape[0], instances.shape[1]))
        mm = (sizes_mm or {}).get(number)
        boxes.append(
            Box(
                kind=_KINDS[code - 1],
                x0=x0,
                y0=y0,
                x1=x1,
                y1=y1,
                area_px=int(end - start),
                outline=outline,
                instance=number,
                mm=mm,
            )
        )
    return boxes


def patches_of_mask(lesions: NDArray[np.uint8], least: int = 4) -> list[Box]:
    """A box around each connected patch of a kind, where single lesions are not told apart.

    Args:
        lesions: (H, W) kind codes (`KIND_CODES`); pixels that touch at a corner belong together.
        least: Pixels of the smallest patch that counts.

    Example:
        >>> mask = np.zeros((9, 9), np.uint8)
        >>> mask[1:3, 1:4] = mask[6:8, 6:8] = KIND_CODES[Lesion.MELASMA]
        >>> mask[0, 8] = KIND_CODES[Lesion.FRECKLE]
        >>> [(box.kind.value, box.corners, box.area_px) for box in patches_of_mask(mask)]
        [('mel', (1, 1, 4, 3), 6.0), ('mel', (6, 6, 8, 8), 4.0)]
    """
    found = []
    for kind, code in KIND_CODES.items():
        _, _, stats, _ = cv2.connectedComponentsWithStats((lesions == code).astype(np.uint8), connectivity=8)
        for x, y, width, height, area in stats[1:].tolist():
            if area >= least:
                found.append(Box(kind=kind, x0=x, y0=y, x1=x + width, y1=y + height, area_px=float(area)))
    return found
