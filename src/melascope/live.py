"""A camera's frame at a glance: what stands against taking the photograph now, and about what its MASI would be.

One look of the skin network at a small frame, without its mirror image and without the closer looks of an analysis:
fast enough to follow a hand, and rougher. The photograph that is then taken gets all looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope import masi as index
from melascope.lesions.pigment import map_pigment
from melascope.photo import Finding, Photo, PhotoRefused, read_photo
from melascope.photo.advice import finding, graded
from melascope.photo.geometry import FACE, among, face_geometry
from melascope.photo.quality import WHITE, assess, white_level
from melascope.scoring import measure_regions
from melascope.skin.regions import RegionMap, find_regions
from melascope.vocabulary import MASI_REGIONS, Severity, View

__all__ = ["CODES", "LEAST_HEIGHT", "MOST_HEIGHT", "OFF_CENTRE", "Glance", "Hint", "glance", "glance_at"]

LEAST_HEIGHT: Final = 0.45
"""Height of the face, brow to chin and a part of the forehead, as a share of the frame, below which it is too far."""
MOST_HEIGHT: Final = 0.88
"""The same above which it is too near: hair and ears need room, and a lens that near makes the nose large."""
OFF_CENTRE: Final = 0.12
"""Share of the frame by which the middle of the face may lie off the frame's."""
YAW: Final = 15.0
ROLL: Final = 15.0
"""Degrees to ask for while the patient sits there; a photograph that exists is measured further than that."""
_GRAVEST_FIRST: Final = (
    "grey_scale",
    "dark",
    "no_skin",
    "no_face",
    "several_faces",
    "near",
    "too_small_face",
    "far",
    "off_centre",
    "region_cut_off",
    "under_exposed",
    "over_exposed",
    "face_turned",
    "head_tilted",
    "covered",
    "region_missing",
    "eyes_covered",
    "strong_shading",
    "colour_cast",
    "blurred",
    "too_small_region",
)
CODES: Final = (*_GRAVEST_FIRST, "unreadable")
"""Everything that a hint can be about."""
_HARMLESS: Final = frozenset({"off_centre", "eyes_covered", "near"})
"""What leaves the MASI of a frame as it is."""


@dataclass(frozen=True)
class Hint:
    """One thing to change before the photograph is taken."""

    code: str
    """One of `CODES`."""
    advice: str = ""
    """The sentence of the quality findings with its numbers, where they have one."""
    blocks: bool = True
    """False for what may stay."""


@dataclass(frozen=True)
class Glance:
    """What one look at a frame tells."""

    hints: tuple[Hint, ...]
    """The gravest first."""
    face: tuple[float, float, float, float] | None = None
    """x0, y0, x1, y1 of the face as shares of the frame."""
    masi: float | None = None
    """About what the MASI would be: rough, without an interval. None unless all four regions are in view and nothing
    spoils what they show."""

    @property
    def good(self) -> bool:
        """True if nothing stands against taking the photograph."""
        return not any(hint.blocks for hint in self.hints)

    @property
    def severity(self) -> Severity | None:
        """Band of `masi`."""
        return None if self.masi is None else index.severity(self.masi)


def glance_at(data: bytes, side: int) -> Glance:
    """A look at a frame that came as a file's bytes.

    Args:
        data: A JPEG, for example.
        side: Pixels of the camera's picture that the longer side of the frame stands for.
    """
    try:
        return glance(read_photo(data, "frame"), side)
    except PhotoRefused:
        return Glance((Hint("unreadable"),))


def glance(frame: Photo, side: int | None = None) -> Glance:
    """A look at one frame.

    Args:
        frame: Small and square at best: about 384 pixels, the face in its middle.
        side: Pixels of the camera's picture that the frame's longer side stands for; the frame's own if None.

    Raises:
        ValueError: `side` is below 1.

    Example:
        >>> glance(Photo.from_array(np.zeros((96, 96, 3), np.uint8))).hints[0].code
        'dark'
    """
    longer = max(frame.width, frame.height)
    if side is not None and side < 1:
        raise ValueError(f"side = {side}: must be 1 or more; leave it out for the frame's own")
    regions = find_regions(frame.pixels, looks=1, quarters=False, mirrored=False)
    box = _box(regions.codes)
    if regions.view is View.NONE or box is None:
        return Glance(_ordered((*_dark(frame.pixels), Hint("no_skin", finding("no_skin", "refused").advice))))
    found = assess(
        regions.pixels,
        regions.codes,
        view=regions.view,
        visible=regions.visible,
        faces=regions.faces,
        grey=frame.grey,
        scale=regions.scale * longer / (side or longer),
    )
    hints = [_hint(each) for each in (*found, *frame.notes) if each.code != "close_up"]
    if regions.view is View.FACE:
        hints += [*_framing(box), *_angle(regions.codes)]
    else:
        hints.append(Hint("near" if _height(box) > MOST_HEIGHT else "no_face"))
    measurable = all(hint.code in _HARMLESS for hint in hints)
    return Glance(_ordered(hints), box, _masi(regions) if measurable else None)


def _hint(found: Finding) -> Hint:
    return Hint(found.code, found.advice, found.effect != "note")


def _dark(pixels: NDArray[np.uint8]) -> tuple[Hint, ...]:
    """A lens that is covered, or a room without light."""
    level = white_level(pixels)
    return (Hint("dark", finding("dim", "refused", level, WHITE).advice),) if level < WHITE else ()


def _box(codes: NDArray[np.uint8]) -> tuple[float, float, float, float] | None:
    """Where the face lies, as shares of the frame; a few pixels elsewhere move no border."""
    ys, xs = np.nonzero(among(codes, FACE))
    if len(xs) < 30:
        return None
    (x0, x1), (y0, y1) = np.percentile(xs, (1, 99)), np.percentile(ys, (1, 99))
    height, width = codes.shape
    return float(x0 / width), float(y0 / height), float((x1 + 1) / width), float((y1 + 1) / height)


def _height(box: tuple[float, float, float, float]) -> float:
    return box[3] - box[1]


def _framing(box: tuple[float, float, float, float]) -> list[Hint]:
    hints = []
    if _height(box) < LEAST_HEIGHT:
        hints.append(Hint("far"))
    if _height(box) > MOST_HEIGHT:
        hints.append(Hint("near"))
    if max(abs(box[0] + box[2] - 1), abs(box[1] + box[3] - 1)) / 2 > OFF_CENTRE:
        hints.append(Hint("off_centre"))
    return hints


def _angle(codes: NDArray[np.uint8]) -> list[Hint]:
    face = face_geometry(codes)
    if face is None:
        return []
    found = graded("face_turned", abs(face.yaw_deg), YAW), graded("head_tilted", abs(face.roll_deg), ROLL)
    return [_hint(each) for each in found if each is not None]


def _masi(regions: RegionMap) -> float | None:
    if regions.view is not View.FACE or not regions.visible.issuperset(MASI_REGIONS):
        return None
    pigment = map_pigment(regions)
    return index.masi({region: found.score for region, found in measure_regions(regions, pigment).items()})


def _ordered(hints: tuple[Hint, ...] | list[Hint]) -> tuple[Hint, ...]:
    """One of a code, the gravest first; codes without a rank, as a new finding may have, last."""
    first: dict[str, Hint] = {}
    for hint in hints:
        first.setdefault(hint.code, hint)
    ranks = {code: rank for rank, code in enumerate(_GRAVEST_FIRST)}
    return tuple(sorted(first.values(), key=lambda hint: ranks.get(hint.code, len(ranks))))
