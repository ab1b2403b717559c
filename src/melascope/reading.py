"""Severity as a network reads it off the face as a whole: a second instrument, beside the measured MASI.

The network was trained in the severity laboratory; it ships once `melascope severity ship` has put it into
`melascope.networks`, and where there is none nothing is read. Its card says how it is to be shown a photo (frame,
views), how far from the truth its MASI was on photos that it was not trained on, and which faces it knows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope import networks
from melascope.photo.geometry import face_geometry
from melascope.skin.framing import cut_square, face_box, framed_square
from melascope.skin.regions import RegionMap
from melascope.vocabulary import MASI_REGIONS, Severity, View

__all__ = ["NETWORK", "Angle", "SeverityReading", "half_widths", "read_severity", "seen"]

NETWORK: Final = "severity"
"""Name of the network in `melascope.networks`."""
_CLASSES: Final = tuple(Severity)
_TOP: Final = 48.0
_LEAST: Final = 1e-12

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Angle:
    """One of the views of a framed photo over which a reading is averaged; the first is the photo as it is."""

    mirrored: bool = False
    turn_deg: float = 0.0
    zoom: float = 1.0
    """Side of the part that is seen, as a share of the frame."""
    right: float = 0.0
    down: float = 0.0
    """Where its centre lies from the frame's, as shares of the frame."""


@dataclass(frozen=True)
class SeverityReading:
    """What the network reads."""

    severity: Severity
    """The likeliest class."""
    probabilities: tuple[float, float, float]
    """Of mild, moderate and severe."""
    masi: float
    """MASI that it implies, 0 to 48."""
    below: float
    above: float
    """How far its 90 % interval reaches to either side."""
    relevance: NDArray[np.float32] | None
    """(h, w) of the network's last grid: what each place adds to the score of the class it reads, above the mean of the
    three classes' scores, in the photo as it is, or in the mean of that view and its mirror image if both are looked
    at. With the biases' share these add up to that difference exactly (class activation maps, Zhou et al. 2016). None
    of a network that does not end in one mean and one linear layer."""
    square: Box
    """x0, y0, x1, y1 of what it was shown, in the upright photo, which it may leave."""
    network: str
    """First signs of the network's SHA-256."""
    virtual_only: bool
    """The network was trained on virtual patients only."""
    labels: Literal["raters", "truth"]
    """What it learnt: the mean of raters, or the MASI that its data sets stated of each picture."""

    @property
    def masi_low(self) -> float:
        """Lower end of the interval."""
        return max(0.0, self.masi - self.below)

    @property
    def masi_high(self) -> float:
        """Upper end of the interval."""
        return min(_TOP, self.masi + self.above)

    def widened(self, factor: float) -> SeverityReading:
        """The same with an interval that is as many times as wide, for findings about the photo."""
        return replace(self, below=factor * self.below, above=factor * self.above)

    def relevance_on(self, frame: Box, shape: tuple[int, int]) -> NDArray[np.float32] | None:
        """The relevance of places of another frame, interpolated; NaN where the network was shown nothing.

        Args:
            frame: x0, y0, x1, y1 in the upright photo.
            shape: (h, w) of the result, which covers `frame`.
        """
        if self.relevance is None:
            return None
        rows, columns = self.relevance.shape
        x0, y0, x1, y1 = self.square
        across = frame[0] + (np.arange(shape[1]) + 0.5) / shape[1] * (frame[2] - frame[0])
        down = frame[1] + (np.arange(shape[0]) + 0.5) / shape[0] * (frame[3] - frame[1])
        u, v = (across - x0) / (x1 - x0), (down - y0) / (y1 - y0)
        grid_x = np.tile((u * columns - 0.5).astype(np.float32), (shape[0], 1))
        grid_y = np.tile((v * rows - 0.5).astype(np.float32)[:, None], (1, shape[1]))
        found = cv2.remap(self.relevance, grid_x, grid_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        inside = ((v >= 0) & (v < 1))[:, None] & ((u >= 0) & (u < 1))[None, :]
        return np.where(inside, found, np.float32(np.nan)).astype(np.float32)


def read_severity(pixels: Pixels, regions: RegionMap) -> SeverityReading | None:
    """Reads the severity of melasma off a face.

    Args:
        pixels: (H, W, 3) the upright photo, sRGB.
        regions: Its regions.

    Returns:
        The reading; None where no network ships, or the photo is not what it knows: one whole face, all four regions of
        the MASI in view, turned and tilted no further than its card says.

    Raises:
        NetworkError: The network that ships is damaged.
    """
    if not networks.ships(NETWORK):
        return None
    network = networks.load(NETWORK)
    plan = _plan(network.card)
    if not _known(regions, plan):
        return None
    framed = _framed(pixels, plan)
    if framed is None:
        return None
    picture, square = framed
    batch = np.stack([seen(picture, angle) for angle in plan.angles]).transpose(0, 3, 1, 2)
    found = network.outputs(np.ascontiguousarray(batch, np.float32))
    chances = _sharpened(found["probabilities"].astype(np.float64).mean(axis=0), plan.temperature)
    read = int(np.argmax(chances))
    masi = float(found["masi"].mean()) if "masi" in found else float(chances @ np.array(plan.masi_of_classes))
    masi = min(_TOP, max(0.0, masi))
    below, above = half_widths(plan.knots, masi)
    mild, moderate, severe = chances.tolist()
    return SeverityReading(
        severity=_CLASSES[read],
        probabilities=(mild, moderate, severe),
        masi=masi,
        below=below,
        above=above,
        relevance=_relevance(found.get("maps"), plan.angles, read),
        square=square,
        network=network.sha256[:16],
        virtual_only=plan.virtual_only,
        labels=plan.labels,
    )


def seen(picture: Pixels, angle: Angle) -> Pixels:
    """(S, S, 3) one view of a framed photo (S, S, 3), as the laboratory varies photos; black beyond its border."""
    if angle == Angle():
        return picture
    side = picture.shape[0]
    turn = math.radians(angle.turn_deg)
    cos, sin = math.cos(turn) / angle.zoom, math.sin(turn) / angle.zoom
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.diag([-1.0 if angle.mirrored else 1.0, 1.0])
    middle = np.full(2, (side - 1) / 2)
    centre = middle + side * np.array([angle.right, angle.down])
    placed = np.column_stack([matrix, middle - matrix @ centre])
    return np.asarray(cv2.warpAffine(picture, placed, (side, side), flags=cv2.INTER_LINEAR), np.uint8)


def half_widths(knots: Sequence[Mapping[str, float]], masi: float) -> tuple[float, float]:
    """How far the interval of an implied MASI reaches below and above it, between knots of the card.

    Example:
        >>> half_widths([{"at": 4, "below": 2, "above": 3}, {"at": 8, "below": 4, "above": 3}], 6)
        (3.0, 3.0)
    """
    at = [float(knot["at"]) for knot in knots]
    below, above = (float(np.interp(masi, at, [float(knot[side]) for knot in knots])) for side in ("below", "above"))
    return below, above


@dataclass(frozen=True)
class _Plan:
    """The part of a card that decides a reading."""

    side: int
    margin: float | None
    angles: tuple[Angle, ...]
    temperature: float
    masi_of_classes: tuple[float, ...]
    knots: tuple[Mapping[str, float], ...]
    most_yaw_deg: float
    most_roll_deg: float
    virtual_only: bool
    labels: Literal["raters", "truth"]


def _plan(card: Mapping[str, Any]) -> _Plan:
    try:
        frame = card["frame"]
        plan = _Plan(
            side=int(frame["side"]),
            margin=float(frame["margin"]) if frame["what"] == "face" else None,
            angles=tuple(Angle(**view) for view in card["views"]),
            temperature=float(card["temperature"]),
            masi_of_classes=tuple(float(masi) for masi in card["masi_of_classes"] or ()),
            knots=tuple(card["interval"]["knots"]),
            most_yaw_deg=float(card["knows"]["most_yaw_deg"]),
            most_roll_deg=float(card["knows"]["most_roll_deg"]),
            virtual_only=bool(card["data"]["virtual"]),
            labels="truth" if card["data"].get("labels") == "truth" else "raters",
        )
        half_widths(plan.knots, 0.0)
    except (KeyError, TypeError, ValueError) as error:
        raise networks.NetworkError(
            f"network {NETWORK!r}: its card cannot be read ({type(error).__name__}: {error}); ship it again with "
            "`melascope severity ship`, or install melascope again"
        ) from error
    return plan


def _known(regions: RegionMap, plan: _Plan) -> bool:
    if regions.view is not View.FACE or regions.faces > 1 or not regions.visible.issuperset(MASI_REGIONS):
        return False
    face = face_geometry(regions.codes)
    return face is not None and abs(face.yaw_deg) <= plan.most_yaw_deg and abs(face.roll_deg) <= plan.most_roll_deg


def _framed(pixels: Pixels, plan: _Plan) -> tuple[Pixels, Box] | None:
    """What the network is shown, framed as in training, and where that lies; None where no face is found to frame."""
    if plan.margin is None:
        return framed_square(pixels, plan.side, None), (0, 0, pixels.shape[1], pixels.shape[0])
    box = face_box(pixels)
    if box is None:
        return None
    square = cut_square(pixels, box, plan.margin)
    length = square.shape[0]
    left, top = round((box[0] + box[2] - length) / 2), round((box[1] + box[3] - length) / 2)
    return framed_square(square, plan.side, None), (left, top, left + length, top + length)


def _sharpened(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities to a power, made to add up to 1: below 1 they are less certain (Guo et al. 2017)."""
    raised = np.maximum(probabilities, _LEAST) ** temperature
    return np.asarray(raised / raised.sum())


def _relevance(maps: NDArray[np.float32] | None, angles: Sequence[Angle], read: int) -> NDArray[np.float32] | None:
    """Mean over the views whose places are those of the photo: as it is, and mirrored."""
    if maps is None:
        return None
    plain = [maps[place] for place, angle in enumerate(angles) if angle == Angle()]
    mirrored = [maps[place, ..., ::-1] for place, angle in enumerate(angles) if angle == Angle(mirrored=True)]
    if not plain:
        return None
    classes = np.mean([*plain, *mirrored], axis=0)[: len(_CLASSES)]
    return np.asarray(classes[read] - classes.mean(axis=0), np.float32)
