"""Facial regions of a photograph: one small network that looks twice.

The first look takes in the whole photograph and finds the face, if there is one; the second takes in that face alone,
and four more its quarters, for the pigment. A close-up has no second look. Each look is the mean of the picture and
its mirror image with right and left exchanged, so that a mirrored photograph gives the mirrored regions by
construction. Skin whose place the network cannot tell is OTHER_SKIN; nothing weaker stands in when the network is
unsure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope import networks
from melascope.photo.geometry import among
from melascope.skin.places import decide, has_landmarks, sided, view_of, visible_regions
from melascope.vocabulary import EXCHANGED_WHEN_MIRRORED, FACIAL_SKIN, Region, View

__all__ = ["RegionMap", "find_regions"]

SIDE: Final = 256
WORKING_SIDE: Final = 1024
"""Longest side of the frame in which everything is measured, in pixels; photographs are never enlarged to it."""
LOOKS: Final = 3
"""Looks for regions at most: the whole photograph, the face, and a small face once more."""
LEAST_SIDE: Final = 64
"""Pixels of a close-up's longer side below which its skin is not placed: right and left cheek look alike there."""
QUARTER: Final = 0.5
"""Side of a closer look for pigment, as a share of the face's frame: about three quarters of the face's width."""
SURE_ALONE: Final = 0.75
"""Mean probability among the places of skin that a place must have in a close-up without an eye, a brow, lips or a
nostril, where only shape and shade tell."""
STEADY: Final = 1.1
"""Standard deviation of the blur before a closer look, in the network's pixels: it evens out what compression and
another size change."""
_FACE: Final = (*FACIAL_SKIN, Region.EYE, Region.BROW, Region.LIPS, Region.NOSTRIL)


@dataclass(frozen=True)
class RegionMap:
    """Regions in the working frame of a photograph.

    Arrays have the frame's size (h, w); the frame covers x0, y0, x1, y1 of the upright photograph.
    """

    codes: NDArray[np.uint8]
    """(h, w) values of `Region`."""
    pixels: NDArray[np.uint8]
    """(h, w, 3) the photograph in the frame."""
    frame: tuple[int, int, int, int]
    view: View
    confidence: dict[Region, float]
    """Mean probability of a place of skin among these places, over its pixels; places present only."""
    visible: frozenset[Region]
    """MASI regions that show enough to be scored."""
    faces: int
    """Faces that the first look found."""
    disease: NDArray[np.float32]
    """(h, w) probability that the skin there holds pigment disease."""
    density: NDArray[np.float32]
    """(h, w) optical density in red that pigment disease adds, as the network reads it."""
    kinds: NDArray[np.float32]
    """(7, h', w') probabilities of the six lesions, in the order of `Lesion`, and of a look-alike, given that there is
    a mark; coarser than the frame, which it covers."""
    depth: NDArray[np.float32]
    """(h', w') share of the pigment that lies in the dermis."""
    outline: NDArray[np.uint8]
    """(h0, w0) codes of the whole photograph, small: for what lies outside the frame."""

    @property
    def scales(self) -> tuple[float, float]:
        """Working pixels per pixel of the upright photograph, across and down (they differ by rounding)."""
        x0, y0, x1, y1 = self.frame
        return float(self.codes.shape[1] / max(1, x1 - x0)), float(self.codes.shape[0] / max(1, y1 - y0))

    @property
    def scale(self) -> float:
        """Geometric mean of `scales`."""
        return float(np.sqrt(self.scales[0] * self.scales[1]))

    @property
    def face_px(self) -> float | None:
        """Width of the face in working pixels, about 140 mm; None in a view without a whole face."""
        if self.view is not View.FACE:
            return None
        return 1.25 * float(np.sqrt(np.count_nonzero(among(self.codes, FACIAL_SKIN))))

    def full_size(self, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width) codes of the upright photograph."""
        full = cv2.resize(self.outline, (width, height), interpolation=cv2.INTER_NEAREST)
        x0, y0, x1, y1 = self.frame
        full[y0:y1, x0:x1] = cv2.resize(self.codes, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)
        return np.asarray(full, np.uint8)


def find_regions(
    pixels: NDArray[np.uint8], *, looks: int = LOOKS, quarters: bool = True, mirrored: bool = True
) -> RegionMap:
    """Finds the regions of a photograph.

    A photograph gets all looks. Fewer make a quick, rougher map: of a face that fills the picture, one look at the
    whole sees nearly what the second one would.

    Args:
        pixels: (H, W, 3) uint8, sRGB, upright.
        looks: For the regions, at most, from 1 to `LOOKS`: whole photograph, face, small face.
        quarters: Look at the quarters of a face for its pigment, too.
        mirrored: Each look also sees the mirror image.

    Returns:
        The regions in a working frame: the face and a margin around it, or the whole photograph.

    Raises:
        ValueError: No look, or more than there are.
    """
    if not 1 <= looks <= LOOKS:
        raise ValueError(f"looks = {looks}: must be 1 to {LOOKS}; leave it out for all")
    height, width = pixels.shape[:2]
    whole = (0.0, 0.0, float(width), float(height))
    small = _shrink(pixels, whole, 2 * SIDE)
    coarse = _look(small, mirrored=mirrored)
    faces, box = _find_faces(coarse)
    frame, maps = whole, coarse
    for _ in range(looks - 1):
        if box is None:
            break
        target = _around(_in_photo(box, frame), width, height)
        if max(target[2] - target[0], target[3] - target[1]) > 0.9 * max(frame[2] - frame[0], frame[3] - frame[1]):
            break
        closer = _look(_shrink(pixels, target, 2 * SIDE), mirrored=mirrored)
        box = _find_faces(closer)[1]
        if box is None:  # a closer look denies the face: the first one stands, and its view is decided below
            frame, maps = whole, coarse
            break
        frame, maps = target, closer
    bounds = (round(frame[0]), round(frame[1]), round(frame[2]), round(frame[3]))
    working = _shrink(pixels, frame, WORKING_SIDE)
    codes, confidence = decide(maps[: len(Region)], working.shape[1], working.shape[0])
    codes = sided(codes)
    visible = visible_regions(codes)
    view = view_of(codes, visible)
    if view is View.CLOSE_UP:
        tiny = max(height, width) < LEAST_SIDE
        least = np.inf if tiny else 0.0 if has_landmarks(codes) else SURE_ALONE
        for region in FACIAL_SKIN:
            if confidence.get(region, 0.0) < least:
                codes[codes == region] = Region.OTHER_SKIN
                confidence.pop(region, None)
        visible = visible_regions(codes)
    marks = maps[len(Region) :]
    if view is View.FACE and quarters:
        marks = _closely(working, marks, mirrored=mirrored)
    disease, density = _resized(marks[:2], working.shape[1], working.shape[0])
    return RegionMap(
        codes=codes,
        pixels=working,
        frame=bounds,
        view=view,
        confidence=confidence,
        visible=visible,
        faces=faces,
        disease=disease,
        density=density,
        kinds=marks[2:-1],
        depth=marks[-1],
        outline=_outline(coarse, small.shape[1], small.shape[0]),
    )


def _shrink(pixels: NDArray[np.uint8], frame: tuple[float, float, float, float], side: int) -> NDArray[np.uint8]:
    x0, y0, x1, y1 = (round(v) for v in frame)
    part = pixels[y0:y1, x0:x1]
    scale = min(1.0, side / max(part.shape[:2]))
    if scale < 1:
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(part)


def _look(pixels: NDArray[np.uint8], *, mirrored: bool = True) -> NDArray[np.float32]:
    """`_looks` at one picture."""
    return _looks([pixels], mirrored=mirrored)[0]


def _looks(
    pictures: Sequence[NDArray[np.uint8]], blur: float = 0.0, *, mirrored: bool = True
) -> list[NDArray[np.float32]]:
    """The network's maps (its card names them; h, w) of pictures, at its own resolution, without the padding.

    Args:
        pictures: Each (H, W, 3).
        blur: Standard deviation of a blur in the network's pixels.
        mirrored: The mean with the mirror image, right and left exchanged; else of the picture alone.
    """
    canvases: list[NDArray[np.float32]] = []
    windows = []
    for pixels in pictures:
        height, width = pixels.shape[:2]
        scale = SIDE / max(height, width)
        # Multiples of four leave equal, even margins on both sides: the mirrored view is the mirror image to the pixel.
        size = (max(4, 4 * round(width * scale / 4)), max(4, 4 * round(height * scale / 4)))
        flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
        canvas = np.zeros((SIDE, SIDE, 3), np.float32)
        seen = cv2.resize(pixels, size, interpolation=flags).astype(np.float32)
        canvas[top : top + size[1], left : left + size[0]] = cv2.GaussianBlur(seen, (0, 0), blur) if blur else seen
        canvases += [canvas, canvas[:, ::-1]] if mirrored else [canvas]
        windows.append(np.s_[:, top // 2 : (top + size[1]) // 2, left // 2 : (left + size[0]) // 2])
    batch = np.stack(canvases).transpose(0, 3, 1, 2) / 127.5 - 1.0
    found = networks.load("skin")(np.ascontiguousarray(batch, np.float32))
    if mirrored:
        order = np.arange(found.shape[1])
        order[list(EXCHANGED_WHEN_MIRRORED)] = EXCHANGED_WHEN_MIRRORED[::-1]
        found = np.asarray((found[::2] + found[1::2, ..., ::-1][:, order]) / 2, np.float32)
    return [maps[window] for maps, window in zip(found, windows, strict=True)]


def _closely(pixels: NDArray[np.uint8], marks: NDArray[np.float32], *, mirrored: bool = True) -> NDArray[np.float32]:
    """Looks at four overlapping quarters of a face for its pigment, which wants more detail than its regions do.

    Quarters and whole are averaged (the disease's logits, the other maps themselves) with weights that fade to nothing
    at a quarter's border, so that there are no seams. The quarters lie symmetrically: a mirrored face is looked at in
    mirrored quarters.

    Args:
        pixels: (H, W, 3) the face.
        marks: (10, h, w) disease, density, kinds and depth of the whole.
        mirrored: Each look also sees the mirror image.

    Returns:
        (10, h', w'), twice as fine.
    """
    height, width = (2 * length for length in marks.shape[1:])
    across, down = pixels.shape[1] / width, pixels.shape[0] / height
    h, w = round(QUARTER * height), round(QUARTER * width)
    margin = (round(0.1 * height), round(0.1 * width))
    total, weight = _resized(marks, width, height), np.ones((height, width), np.float32)
    total[0] = _logit(total[0])
    fade = np.minimum(_ramp(h)[:, None], _ramp(w)[None, :])
    corners = list(product((margin[0], height - margin[0] - h), (margin[1], width - margin[1] - w)))
    quarters = [
        pixels[round(top * down) : round((top + h) * down), round(left * across) : round((left + w) * across)]
        for top, left in corners
    ]
    looks = _looks([np.ascontiguousarray(quarter) for quarter in quarters], STEADY, mirrored=mirrored)
    for (top, left), look in zip(corners, looks, strict=True):
        seen = _resized(look[len(Region) :], w, h)
        seen[0] = _logit(seen[0])
        part = (slice(top, top + h), slice(left, left + w))
        total[:, *part] += fade * seen
        weight[part] += fade
    total /= weight
    total[0] = 1.0 / (1.0 + np.exp(-total[0]))
    return total


def _ramp(length: int) -> NDArray[np.float32]:
    """1 inside, falling to 0 over the last 15 % at both ends."""
    distance = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    return np.asarray(np.clip(distance / (0.15 * length), 0, 1), np.float32)


def _logit(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    inside = np.clip(probability, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(inside / (1 - inside)), np.float32)


def _find_faces(probabilities: NDArray[np.float32]) -> tuple[int, tuple[float, float, float, float] | None]:
    """Number of faces, and the box of the largest as shares x0, y0, x1, y1 of the view.

    A patch of facial skin with one feature may be part of a face; to count as a face of its own it must show two.
    """
    face = probabilities[list(_FACE)].sum(axis=0) > 0.5
    features = [probabilities[code] > 0.5 for code in (Region.NOSE, Region.LIPS, Region.EYE)]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(face.astype(np.uint8), connectivity=8)
    found = []
    for index in range(1, count):
        area = int(stats[index, cv2.CC_STAT_AREA])
        shown = sum(int(feature[labels == index].any()) for feature in features)
        if area >= 20 and shown:
            found.append((area, shown, index))
    if not found:
        return 0, None
    largest, _, best = max(found)
    faces = sum(shown >= 2 and area >= 0.2 * largest for area, shown, _ in found)
    h, w = face.shape
    x, y, dx, dy = (int(v) for v in stats[best, :4])
    return faces, (x / w, y / h, (x + dx) / w, (y + dy) / h)


def _in_photo(
    box: tuple[float, float, float, float], frame: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    w, h = frame[2] - frame[0], frame[3] - frame[1]
    return frame[0] + box[0] * w, frame[1] + box[1] * h, frame[0] + box[2] * w, frame[1] + box[3] * h


def _around(box: tuple[float, float, float, float], width: int, height: int) -> tuple[float, float, float, float]:
    """A square frame around a face with room for hair and neck, cut at the photograph's borders."""
    side = 1.6 * max(box[2] - box[0], box[3] - box[1])
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return (
        max(0.0, x - side / 2),
        max(0.0, y - side / 2),
        min(float(width), x + side / 2),
        min(float(height), y + side / 2),
    )


def _resized(probabilities: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    return np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_LINEAR) for p in probabilities])


def _outline(probabilities: NDArray[np.float32], width: int, height: int) -> NDArray[np.uint8]:
    codes, _ = decide(probabilities[: len(Region)], width, height)
    codes[among(codes, FACIAL_SKIN)] = Region.OTHER_SKIN  # a second face is skin, not a second set of regions
    return codes
