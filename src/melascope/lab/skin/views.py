"""Random views of a labelled face: whole figures down to a patch of one cheek, in any light, partly covered.

Every view is `render(face, parameters)`, a pure function of parameters drawn by `sample`: any view can be replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.lab.skin import paint as painting
from melascope.lab.skin.faces import DENSITY_SCALE, LabelledFace, TruePigment
from melascope.lab.skin.paint import Paint
from melascope.lab.skin.teacher import IGNORE, SOME_SKIN
from melascope.vocabulary import EXCHANGED_WHEN_MIRRORED, FACIAL_SKIN, SKIN, Lesion, Region

__all__ = ["LOOK_ALIKE", "SIZE", "UNKNOWN", "View", "ViewParameters", "face_size", "mirror_labels", "render", "sample"]

SIZE: Final = 224
ALSO_PAINTED: Final = 0.3
"""Share of the views of virtual patients on which pigment is painted besides their own."""
UNKNOWN: Final = 255
"""Kind of pigment that nobody named."""
LOOK_ALIKE: Final = len(Lesion) + 1
"""Kind of a mole or of redness."""
_DARKENS_DEG: Final = 170.0
"""Degrees of ITA that a density of 1 takes, roughly; only which curve pigment follows depends on it."""


@dataclass(frozen=True)
class ViewParameters:
    """One draw of `sample`. Lengths are shares of the view's side; `seed` feeds the noise fields."""

    centre: tuple[float, float]
    """x, y in the photograph, pixels."""
    side: float
    """Side of the square view in the photograph, pixels."""
    rotation_deg: float
    stretch: float
    shear: float
    mirrored: bool
    tone: float
    """Melanin added to all skin (density; negative: taken away)."""
    paint: Paint
    """Pigment disease painted on, with its truth."""
    spectral: bool
    """Whether pigment follows the skin's optics, or fixed ratios of the three channels: cameras differ as much."""
    look_alikes: bool
    """Whether moles, redness, shadows and shine are added to faces that may be painted on."""
    gains: tuple[float, float, float]
    gamma: float
    exposure: float
    shade: tuple[float, float]
    """Strength and direction (radians) of a light gradient."""
    grey: bool
    background: int
    """0 as photographed, 1 black, 2 plain, 3 gradient, 4 noise."""
    covering: int
    """0 none, 1 bar over the eyes, 2 mosaic over the eyes, 3 glasses, 4 sunglasses, 5 patch, 6 captions, 7 hair."""
    coarse: float
    """Pixels of the view per pixel of the camera: a photograph of low resolution, or one saved at half its size."""
    blur: float
    noise: float
    jpeg: int
    """Quality; 0: not compressed."""
    seed: int


def sample(
    face: LabelledFace, rng: np.random.Generator, *, spectral: float = 0.5, look_alikes: bool = True
) -> ViewParameters:
    """Draws a view: one third whole faces, one half crops, the rest figures and places without a face.

    Args:
        face: Of which.
        rng: Source of chance.
        spectral: Share of the paintings on photographs in which pigment follows the skin's optics.
        look_alikes: Whether what resembles pigment is added.
    """
    height, width = face.labels.shape
    on_face = np.isin(face.labels, FACIAL_SKIN) | (face.labels == SOME_SKIN)
    ys, xs = np.nonzero(on_face)
    if face.eyes is None:
        size = float(min(height, width))
        side = size * float(np.exp(rng.uniform(np.log(0.4), np.log(1.3))))
        pick = int(rng.integers(len(xs)))
        centre = (float(xs[pick]), float(ys[pick]))
    else:
        size = face_size(face)
        middle = (float(xs.mean()), float(ys.mean()))
        kind = rng.random()
        if kind < 0.34:
            side = size * float(rng.uniform(1.2, 2.2))
            centre = (middle[0] + side * float(rng.normal(0, 0.09)), middle[1] + side * float(rng.normal(0, 0.09)))
        elif kind < 0.82:
            side = size * float(np.exp(rng.uniform(np.log(0.35), np.log(1.25))))
            pick = int(rng.integers(len(xs)))
            centre = (float(xs[pick]), float(ys[pick]))
        elif kind < 0.95:
            side = size * float(rng.uniform(2.2, 5.0))
            centre = (middle[0] + side * float(rng.normal(0, 0.15)), middle[1] + side * float(rng.normal(0, 0.15)))
        else:
            side = size * float(rng.uniform(0.6, 1.5))
            centre = (float(rng.uniform(0, width)), float(rng.uniform(0, height)))
    # Nothing is painted on portraits of real people: no pigment, no other skin tone, no covering. Virtual patients have
    # pigment of their own and their tone; some get more of it.
    own = face.pigment is not None
    painted = face.paintable and (not own or rng.random() < ALSO_PAINTED)
    paint = painting.sample(rng) if painted else painting.NOTHING
    covering = int(rng.choice(8, p=[0.5, 0.05, 0.05, 0.06, 0.03, 0.07, 0.04, 0.2])) if face.paintable else 0
    temperature = float(rng.normal(0, 0.10))
    return ViewParameters(
        centre=centre,
        side=side,
        rotation_deg=float(rng.normal(0, 12) if rng.random() < 0.93 else rng.uniform(-80, 80)),
        stretch=float(np.exp(rng.normal(0, 0.06))),
        shear=float(rng.normal(0, 0.05)),
        mirrored=bool(rng.random() < 0.5),
        tone=float(rng.uniform(-0.05, 0.30) if face.paintable and not own and rng.random() < 0.5 else 0.0),
        paint=paint,
        spectral=bool(rng.random() < spectral) or (own and spectral > 0),
        look_alikes=look_alikes,
        gains=(
            float(np.exp(temperature + rng.normal(0, 0.03))),
            1.0,
            float(np.exp(-temperature + rng.normal(0, 0.05))),
        ),
        gamma=float(np.exp(rng.normal(0, 0.12))),
        exposure=float(np.exp(rng.normal(0, 0.25))),
        shade=(float(rng.uniform(0, 0.9) if rng.random() < 0.4 else 0.0), float(rng.uniform(0, 2 * np.pi))),
        grey=bool(rng.random() < 0.04),
        background=int(rng.choice(5, p=[0.6, 0.16, 0.1, 0.07, 0.07])),
        covering=covering,
        coarse=float(rng.uniform(1.0, 2.5)) if rng.random() < 0.35 else 1.0,
        blur=float(rng.uniform(0.4, 1.3) if rng.random() < 0.25 else 0.0),
        noise=float(rng.uniform(1, 6) if rng.random() < 0.3 else 0.0),
        jpeg=int(rng.integers(40, 96)) if rng.random() < 0.6 else 0,
        seed=int(rng.integers(2**31)),
    )


def mirror_labels(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels of the mirrored picture: right and left change places."""
    flipped = labels[:, ::-1].copy()
    right, left = EXCHANGED_WHEN_MIRRORED
    was_right, was_left = flipped == right, flipped == left
    flipped[was_right], flipped[was_left] = left, right
    return flipped


@dataclass(frozen=True)
class View:
    """A rendered view with its truth, all of one size."""

    pixels: NDArray[np.uint8]
    """(size, size, 3)."""
    labels: NDArray[np.uint8]
    """(size, size) region codes, SOME_SKIN or IGNORE."""
    cover: NDArray[np.float32]
    """(size, size) 0 to 1; 0.5 is the edge of a lesion."""
    density: NDArray[np.float32]
    """(size, size) pigment density in red."""
    kinds: NDArray[np.uint8]
    """(size, size) 0, a code of `KIND_CODES`, LOOK_ALIKE, or UNKNOWN."""
    depth: NDArray[np.float32]
    """(size, size) share of the pigment that lies in the dermis."""


def render(face: LabelledFace, view: ViewParameters, size: int = SIZE) -> View:
    """The view that the parameters describe."""
    rng = np.random.default_rng(view.seed)
    matrix = _matrix(view, size)
    source, matrix = _shrunk(face.pixels, matrix)
    warped = cv2.warpAffine(source, matrix, (size, size), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0))
    codes = cv2.warpAffine(
        face.labels, _matrix(view, size), (size, size), flags=cv2.INTER_NEAREST, borderValue=int(Region.BACKGROUND)
    )
    pixels, labels = np.asarray(warped, np.uint8), np.asarray(codes, np.uint8)
    inside = cv2.warpAffine(
        np.ones(face.labels.shape, np.uint8), _matrix(view, size), (size, size), flags=cv2.INTER_NEAREST
    ).astype(bool)
    if view.covering == 7:
        pixels, labels = _fringe(pixels, labels, rng)
    pixels = _background(pixels, labels, inside, view, rng)
    face_px = face_size(face) * size / view.side
    bare = np.isin(labels, SKIN) | (labels == SOME_SKIN)
    light = _linear(pixels)
    if view.tone:
        near = cv2.GaussianBlur((bare | (labels == IGNORE)).astype(np.float32), (0, 0), 2.0)
        light = painting.add(light, view.tone * near)
    wished, cover = painting.density(view.paint, bare, face_px)
    ita = (face.ita_deg if face.ita_deg is not None else 30.0) - _DARKENS_DEG * view.tone
    if view.spectral:
        light, amount = painting.lay(light, wished, view.paint.depth, ita)
    else:
        light, amount = painting.add(light, wished, view.paint.depth), wished
    kinds = np.where(cover >= 0.5, np.uint8(UNKNOWN), np.uint8(0))
    depth = np.full(cover.shape, view.paint.depth, np.float32)
    if face.pigment is not None:
        codes, own_cover, own_density = _own(face.pigment, view, size)
        kinds[(codes > 0) & bare] = codes[(codes > 0) & bare]
        depth = np.where(own_cover * bare > cover, np.array(face.pigment.depths, np.float32)[codes], depth)
        cover, amount = np.maximum(cover, own_cover * bare), amount + own_density * bare
    if face.paintable and view.look_alikes:
        if face.pigment is None:  # virtual patients have beards of their own
            beard = np.isin(labels, (Region.CHIN, Region.UPPER_LIP))
            light = painting.stubble(light, beard, bare, face_px, rng)
        light, marks = painting.look_alikes(light, bare, face_px, rng)
        kinds[marks & (kinds == 0)] = LOOK_ALIKE
    light = _lighting(light, view, size)
    pixels = _encoded(light, view.gamma)
    if view.covering and view.covering != 7:
        pixels, labels = _cover(pixels, labels, face, view, size, rng)
        hidden = labels == Region.COVERING
        amount, cover = np.where(hidden, np.float32(0), amount), np.where(hidden, np.float32(0), cover)
        kinds[hidden] = 0
    pixels = _camera(pixels, view)
    if view.mirrored:
        pixels, labels = np.ascontiguousarray(pixels[:, ::-1]), mirror_labels(labels)
        amount, cover, kinds, depth = (part[:, ::-1] for part in (amount, cover, kinds, depth))
    cover, amount, depth = (np.ascontiguousarray(part, np.float32) for part in (cover, amount, depth))
    return View(pixels, labels, cover, amount, np.ascontiguousarray(kinds), depth)


def _own(
    pigment: TruePigment, view: ViewParameters, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Kinds, cover and density of a virtual patient's own pigment where the view looks."""
    matrix, flat = _matrix(view, size), (size, size)
    codes = cv2.warpAffine(pigment.kinds, matrix, flat, flags=cv2.INTER_NEAREST)
    source, scaled = _shrunk((pigment.kinds > 0).astype(np.uint8) * np.uint8(255), matrix)
    cover = cv2.warpAffine(source, scaled, flat, flags=cv2.INTER_LINEAR)
    amounts, scaled = _shrunk(pigment.density, matrix)
    density = cv2.warpAffine(amounts, scaled, flat, flags=cv2.INTER_LINEAR)
    return (
        np.asarray(codes, np.uint8),
        np.asarray(cover / np.float32(255), np.float32),
        np.asarray(density / np.float32(DENSITY_SCALE), np.float32),
    )


def face_size(face: LabelledFace) -> float:
    """Width of the face in pixels, roughly; for a close-up of unknown place, of the face it would belong to."""
    if face.face_px is not None:
        return face.face_px
    if face.eyes is None:
        return 1.5 * float(min(face.labels.shape))
    return float(np.sqrt(np.isin(face.labels, FACIAL_SKIN).sum()) * 1.25)


def _matrix(view: ViewParameters, size: int) -> NDArray[np.float64]:
    scale = size / view.side
    angle = np.radians(view.rotation_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.array([[view.stretch, view.shear], [0.0, 1.0 / view.stretch]])
    shift = np.array([size / 2, size / 2]) - linear @ np.array(view.centre)
    return np.hstack([linear, shift[:, None]])


def _shrunk(pixels: NDArray[Any], matrix: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Halves the source as often as the view would skip pixels, so that small faces do not alias."""
    matrix = matrix.copy()
    while np.sqrt(abs(np.linalg.det(matrix[:, :2]))) < 0.6:
        pixels = np.asarray(cv2.pyrDown(pixels), pixels.dtype)
        matrix[:, :2] *= 2
    return pixels, matrix


def _linear(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return _TO_LINEAR[pixels]


_TO_LINEAR: Final = (((np.arange(256) / 255.0) * 0.95 + 0.05) ** 2.4).astype(np.float32)
"""An approximation of the sRGB curve that is fast and monotonic; augmentation needs no more."""


def _encoded(light: NDArray[np.float32], gamma: float) -> NDArray[np.uint8]:
    value = (cv2.pow(np.clip(light, 1e-6, 1.0), gamma / 2.4) - 0.05) / 0.95
    return np.asarray(np.clip(value * 255 + 0.5, 0, 255), np.uint8)


def _field(size: int, cells: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A smooth random field between 0 and 1."""
    return np.asarray(
        cv2.resize(rng.random((cells, cells), dtype=np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    )


def _background(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    inside: NDArray[np.bool_],
    view: ViewParameters,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    size = labels.shape[0]
    colour = rng.integers(0, 256, 3)
    fill = np.zeros_like(pixels)
    if view.background in (0, 2):
        fill[:] = colour if view.background == 2 or rng.random() < 0.5 else 0
    elif view.background == 3:
        ramp = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
        fill = (colour * ramp + rng.integers(0, 256, 3) * (1 - ramp)).astype(np.uint8) + np.zeros_like(pixels)
    elif view.background == 4:
        cells = int(rng.integers(3, 60))
        fill = np.stack([_field(size, cells, rng) * 255 for _ in range(3)], axis=2).clip(0, 255).astype(np.uint8)
    where = ~inside
    if view.background:
        where = where | (labels == Region.BACKGROUND)
        soft = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 0.8)[..., None]
        return np.asarray(pixels * (1 - soft) + fill * soft, np.uint8)
    pixels[where] = fill[where]
    return pixels


def _lighting(light: NDArray[np.float32], view: ViewParameters, size: int) -> NDArray[np.float32]:
    out = light * (np.array(view.gains, np.float32) * view.exposure)
    strength, angle = view.shade
    if strength:
        ramp = np.linspace(-1, 1, size, dtype=np.float32)
        gradient = np.cos(angle) * ramp[None, :] + np.sin(angle) * ramp[:, None]
        out = out * np.exp(strength * gradient)[..., None]
    return np.asarray(out, np.float32)


def _fringe(
    pixels: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Lays a lock of the person's own hair over forehead, temple or cheek."""
    height, width = labels.shape
    hair = np.argwhere(labels == Region.HAIR)
    under = np.argwhere(np.isin(labels, [Region.FOREHEAD, Region.TEMPLE, Region.RIGHT_MALAR, Region.LEFT_MALAR]))
    if len(hair) < 300 or len(under) < 300:
        return pixels, labels
    y0, x0 = (int(v) for v in hair[rng.integers(len(hair))])
    y1, x1 = (int(v) for v in under[rng.integers(len(under))])
    shift = np.array([[1, 0, x1 - x0], [0, 1, y1 - y0]], np.float64)
    moved = cv2.warpAffine(pixels, shift, (width, height))
    where = cv2.warpAffine((labels == Region.HAIR).astype(np.uint8), shift, (width, height)).astype(np.float32)
    lock = np.zeros((height, width), np.float32)
    axes = (max(3, int(width * rng.uniform(0.04, 0.22))), max(5, int(width * rng.uniform(0.1, 0.4))))
    cv2.ellipse(lock, (x1, y1), axes, float(rng.uniform(-70, 70)), 0, 360, 1.0, -1)
    strands = cv2.resize(rng.random((max(2, height // 24), width // 2), dtype=np.float32), (width, height))
    alpha = cv2.GaussianBlur(where * lock, (0, 0), 1.5) * np.clip(strands * 3 + float(rng.uniform(-0.6, 1.0)), 0, 1)
    mixed = pixels * (1 - alpha[..., None]) + moved * alpha[..., None]
    out = np.where((alpha > 0.5) & (labels != Region.BACKGROUND), np.uint8(Region.HAIR), labels)
    out[(alpha > 0.15) & (alpha <= 0.5)] = IGNORE
    return np.asarray(mixed, np.uint8), np.asarray(out, np.uint8)


def _cover(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    face: LabelledFace,
    view: ViewParameters,
    size: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    mask = np.zeros((size, size), np.uint8)
    colour = tuple(int(c) for c in (rng.integers(0, 256, 3) if rng.random() < 0.5 else np.full(3, rng.integers(0, 60))))
    if view.covering <= 4 and face.eyes is not None:
        matrix = _matrix(view, size)
        eyes = np.array(face.eyes).reshape(2, 2) @ matrix[:, :2].T + matrix[:, 2]
        gap = float(np.linalg.norm(eyes[1] - eyes[0]))
        along = (eyes[1] - eyes[0]) / max(gap, 1e-6)
        centre = eyes.mean(axis=0)
        if view.covering in (1, 2):
            angle = float(np.degrees(np.arctan2(along[1], along[0])))
            box = (
                (float(centre[0]), float(centre[1])),
                (gap * float(rng.uniform(1.7, 2.6)), gap * float(rng.uniform(0.35, 0.8))),
                angle if rng.random() < 0.5 else 0.0,
            )
            cv2.fillPoly(mask, [cv2.boxPoints(box).astype(np.int32)], 1)
        else:
            radius = (max(1, int(gap * rng.uniform(0.30, 0.44))), max(1, int(gap * rng.uniform(0.22, 0.36))))
            angle = float(np.degrees(np.arctan2(along[1], along[0])))
            thick = -1 if view.covering == 4 else max(1, round(gap * float(rng.uniform(0.02, 0.09))))
            down = np.array([-along[1], along[0]]) * gap * 0.06
            for eye in eyes + down:
                cv2.ellipse(mask, (int(eye[0]), int(eye[1])), radius, angle, 0, 360, 1, thick)
            width = max(1, abs(thick))
            inner = [eyes[0] + along * radius[0] + down, eyes[1] - along * radius[0] + down]
            outer = [eyes[0] - along * radius[0] + down, eyes[1] + along * radius[0] + down]
            for a, b in (
                (inner[0], inner[1]),
                (outer[0], outer[0] - along * gap * 0.5),
                (outer[1], outer[1] + along * gap * 0.5),
            ):
                cv2.line(mask, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), 1, width)
    elif view.covering == 6:
        row = int(rng.integers(10, size - 10))
        text = "".join(chr(int(c)) for c in rng.integers(48, 91, int(rng.integers(3, 14))))
        size_of = float(rng.uniform(0.4, 1.1))
        cv2.putText(mask, text, (int(rng.integers(0, size // 2)), row), cv2.FONT_HERSHEY_SIMPLEX, size_of, 1, 2)
    else:
        corner = rng.integers(0, size, 2)
        extent = rng.integers(size // 10, size // 2, 2)
        if rng.random() < 0.5:
            cv2.rectangle(mask, corner.tolist(), (corner + extent).tolist(), 1, -1)
        else:
            cv2.ellipse(mask, corner.tolist(), (extent // 2).tolist(), float(rng.uniform(0, 180)), 0, 360, 1, -1)
    where = mask.astype(bool)
    out, covered = pixels.copy(), labels.copy()
    if view.covering == 2:
        block = int(rng.integers(5, 16))
        small = cv2.resize(pixels, (size // block, size // block), interpolation=cv2.INTER_AREA)
        out[where] = cv2.resize(small, (size, size), interpolation=cv2.INTER_NEAREST)[where]
    elif view.covering == 5 and rng.random() < 0.5:
        texture = np.stack([_field(size, int(rng.integers(2, 40)), rng) * 255 for _ in range(3)], axis=2).clip(0, 255)
        out[where] = texture.astype(np.uint8)[where]
    else:
        out[where] = colour
    covered[where] = Region.COVERING
    return out, covered


def _camera(pixels: NDArray[np.uint8], view: ViewParameters) -> NDArray[np.uint8]:
    if view.grey:
        pixels = np.repeat(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)[..., None], 3, axis=2)
    size = pixels.shape[0]
    if view.coarse > 1:
        few = round(size / view.coarse)
        pixels = np.asarray(cv2.resize(pixels, (few, few), interpolation=cv2.INTER_AREA), np.uint8)
    if view.blur:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), view.blur), np.uint8)
    if view.noise:
        noise = np.empty(pixels.shape, np.int16)
        cv2.setRNGSeed(view.seed & 0x7FFFFFFF)
        cv2.randn(noise, 0, view.noise)  # type: ignore[call-overload]
        pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    if view.jpeg:
        _, packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, view.jpeg])
        pixels = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    if view.coarse > 1:
        pixels = np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.ascontiguousarray(pixels)
