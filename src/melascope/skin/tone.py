"""Skin tone under the light of the photograph: L*, b*, individual typology angle, and how far to trust them.

The tone is read from unaffected, evenly lit skin: no pixels of pigment disease, none at the borders of a region, none
that are clipped, shiny or in deep shade. What is left gives one robust colour per region, and their middle for the
face.

The individual typology angle ITA = atan2(L* - 50, b*) (Chardon, Cretois and Hourseau, Int J Cosmet Sci 1991; bands of
Del Bino and Bernerd, Br J Dermatol 2013) is defined for contact measurement under a known light. Two warnings follow:

- A camera's exposure and white balance are unknown. They usually move ITA further than all else; the interval says so.
- ITA is an angle about the point L* = 50, b* = 0 and unstable near it: where b* is near 0 (dark skin, bluish light) it
  tells little of lightness, runs to 90 or -90 and past it where b* is negative, and close to L* = 50 a small change of
  colour turns it by tens of degrees. The interval follows, since it is computed by changing the light and not by
  adding fixed degrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.photo.light import LUMINANCE, from_lab, to_lab, to_linear
from melascope.vocabulary import ITA_BANDS, MASI_REGIONS, MONK_TONES, SKIN, Region, ToneBand

__all__ = ["RegionalTone", "Tone", "band_of", "ita_of", "measure_tone"]

EXPOSURE_STOPS: Final = 0.25
"""Standard deviation of the exposure of skin, in stops. A camera meters the scene and not the skin, and automatic
exposure is commonly stepped and corrected in thirds of a stop: one such step is taken as the typical error, a little
less since photographs that are plainly too light or dark have a finding of their own. It is an assumption, not a
measurement: a colour card in the photograph would replace it."""
BALANCE_LOG2: Final = 0.08
"""Standard deviation of the red : blue balance, in stops (6 %). Automatic white balance leaves an angular error of
about 2 to 3 degrees in good light, which for a near-white light is 5 to 7 % between red and blue."""
NINETY: Final = 1.645
"""Standard deviations on either side that hold 90 % of a normal distribution."""

_SIDE: Final = 256
"""Longest side in pixels of the frame in which tone is measured. Smaller frames are enlarged to it, so that margins,
tiles and weights are the same at every size of the same photograph."""
_CLIPPED: Final = 250
_NOISE_FLOOR: Final = 4
_MARGIN: Final = 0.015
"""Margin at a region's border as a share of the face's width (of sqrt of the skin's area): covers soft transitions,
the network's resolution (1/128 of the frame) and JPEG chroma blocks."""
_SHADE: Final = 0.5
"""Skin below this share of the luminance of well-lit skin (80th percentile) of the same photograph, one stop, is in
deep shade: healthy skin of one face does not vary by that much, shadows do."""
_SHINE: Final = 1.4
"""A pixel shines if both its luminance and its blue : red ratio exceed this multiple of the region's median:
specular light adds the colour of the lamp to that of the skin, pale skin alone does not do both."""
_LEAST: Final = 30
"""Pixels (of 256 x 256) that a region must give."""
_HALF_WEIGHT: Final = 0.03
"""Share of all skin at which a region has half of its full weight, so that a region that just appears or vanishes (a
turned face, a re-saved file) does not move the tone."""
_CHIN_WEIGHT: Final = 1 / 3
"""Full weight of the chin against the other regions, as in the MASI: it is shaded by light from above and by beard."""
_FAR: Final = 6.0
"""Units of L*, a* or b* within which a region counts nearly in full towards the middle of all; from farther off it
pulls with no more than that, however shaded or made up it is."""
_TILE: Final = 14
"""Tiles across the face: neighbouring pixels share noise and texture, tiles of 1/14 of a face hardly do."""
_REPLICATES: Final = 120
_COLOURLESS: Final = 1.0
_FALLBACKS: Final = ((Region.NOSE, Region.TEMPLE), (Region.PERIORBITAL, Region.UPPER_LIP, Region.NECK))

_IS_SKIN: Final = np.isin(np.arange(256), SKIN)

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class RegionalTone:
    """Tone of one region; fields as in the record."""

    ita_deg: float
    l_star: float
    b_star: float
    skin_px: int


@dataclass(frozen=True)
class Tone:
    """Tone of the photograph's skin; fields as in the record. Ranges run from the lightest to the darkest."""

    ita_deg: float
    ita_low: float
    ita_high: float
    l_star: float
    b_star: float
    band: ToneBand
    band_range: tuple[ToneBand, ToneBand]
    monk: int
    monk_range: tuple[int, int]
    fitzpatrick_range: tuple[int, int]
    by_region: dict[str, RegionalTone]


def measure_tone(
    pixels: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    affected: Mask | None,
    *,
    penalty_deg: float = 0.0,
    scale: float = 1.0,
) -> Tone | None:
    """Tone of the unaffected, evenly lit skin.

    The four MASI regions are used; nose and temples only where fewer than two of them give enough skin; skin of an
    unknown place, neck and the rest only where the photograph shows no facial region.

    Args:
        pixels: (h, w, 3) uint8, sRGB.
        codes: (h, w) uint8, values of `Region`.
        affected: (h, w) bool, True where pigment disease was found; None if that is not known yet.
        penalty_deg: Degrees by which each side of the interval grows for what the quality findings say.
        scale: Working pixels per pixel of the upright photograph, for `skin_px`.

    Returns:
        The tone, or None if too little skin is left or the photograph has no colour.

    Raises:
        ValueError: Shapes differ, or the penalty is negative.

    Example:
        >>> skin = np.full((100, 100, 3), (210, 165, 135), np.uint8)
        >>> tone = measure_tone(skin, np.full((100, 100), Region.OTHER_SKIN, np.uint8), None)
        >>> tone.band.value, tone.ita_low < tone.ita_deg < tone.ita_high
        ('light', True)
    """
    if pixels.shape != (*codes.shape, 3) or (affected is not None and affected.shape != codes.shape):
        raise ValueError(
            f"pixels {pixels.shape}, codes {codes.shape} and affected "
            f"{None if affected is None else affected.shape} differ: pass arrays of one frame"
        )
    if not penalty_deg >= 0:
        raise ValueError(f"penalty_deg = {penalty_deg}: must be 0 or more; pass degrees")
    small, places, free, ratio = _reduced(pixels, codes, affected)
    samples, tiles = _samples(small, places, free)
    if not samples:
        return None
    colours = np.stack([np.median(lab, axis=0) for lab in samples.values()])
    half = _HALF_WEIGHT * np.count_nonzero(_IS_SKIN[places])
    weights = np.array(
        [
            (_CHIN_WEIGHT if region == Region.CHIN else 1.0) * len(lab) ** 2 / (len(lab) ** 2 + half**2)
            for region, lab in samples.items()
        ]
    )
    centre = _middle(colours.T, weights)
    by_region = {
        region.key: _regional(colour, round(len(samples[region]) / (ratio * scale) ** 2))
        for region, colour in zip(samples, colours, strict=True)
    }
    if np.hypot(centre[1], centre[2]) < _COLOURLESS:
        return None
    ita = ita_of(float(centre[0]), float(centre[2]))
    light = _light_error(centre)
    chance = _chance_error(samples, tiles, weights, ita)
    low = max(-180.0, ita - float(np.hypot(light[0], chance[0])) - penalty_deg)
    high = min(180.0, ita + float(np.hypot(light[1], chance[1])) + penalty_deg)
    bands = band_of(high), band_of(low)
    monk = _nearest_monk(centre[None])[0]
    return Tone(
        ita_deg=ita,
        ita_low=low,
        ita_high=high,
        l_star=float(centre[0]),
        b_star=float(centre[2]),
        band=band_of(ita),
        band_range=bands,
        monk=monk,
        monk_range=_monk_range(centre, low, high, monk),
        fitzpatrick_range=_fitzpatrick_range(bands),
        by_region=by_region,
    )


def ita_of(l_star: float, b_star: float) -> float:
    """Individual typology angle in degrees, above -180 up to 180; within +-90 while b* is positive.

    Example:
        >>> ita_of(70.0, 20.0), round(ita_of(65.0, 15.0)), ita_of(40.0, 0.0)
        (45.0, 45, -90.0)
    """
    return float(np.degrees(np.arctan2(l_star - 50.0, b_star)))


def band_of(ita_deg: float) -> ToneBand:
    """Band of an individual typology angle; a limit belongs to the darker band.

    Example:
        >>> band_of(41.0).value, band_of(41.1).value
        ('intermediate', 'light')
    """
    return next(band for limit, band in ITA_BANDS if ita_deg > limit)


_MONK_LAB: Final = to_lab(to_linear(np.array([list(bytes.fromhex(tone[1:])) for tone in MONK_TONES], np.uint8)))


def _regional(lab: Float64, skin_px: int) -> RegionalTone:
    return RegionalTone(ita_of(float(lab[0]), float(lab[2])), float(lab[0]), float(lab[2]), skin_px)


def _reduced(
    pixels: NDArray[np.uint8], codes: NDArray[np.uint8], affected: Mask | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Mask, float]:
    """Pixels, codes and the mask of what may be used, with a longer side of 256 pixels; and the factor of that."""
    ratio = _SIDE / max(codes.shape)
    size = (max(1, round(codes.shape[1] * ratio)), max(1, round(codes.shape[0] * ratio)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR)
    places = cv2.resize(codes, size, interpolation=cv2.INTER_NEAREST_EXACT)
    free = np.ones(places.shape, bool)
    if affected is not None:
        free = cv2.resize(affected.astype(np.uint8), size, interpolation=cv2.INTER_AREA) == 0
    return np.asarray(small, np.uint8), np.asarray(places, np.uint8), np.asarray(free), ratio


def _used(places: NDArray[np.uint8], usable: Mask) -> list[Region]:
    enough = [region for region in SKIN if int(np.count_nonzero(usable & (places == region))) >= _LEAST]
    used: list[Region] = [region for region in MASI_REGIONS if region in enough]
    for further in (*_FALLBACKS, (Region.OTHER_SKIN,)):
        if len(used) >= 2 or (used and Region.OTHER_SKIN in further):
            break
        used += [region for region in further if region in enough]
    return used


def _samples(
    pixels: NDArray[np.uint8], places: NDArray[np.uint8], free: Mask
) -> tuple[dict[Region, Float64], dict[Region, NDArray[np.intp]]]:
    """CIELAB (n, 3) of the pixels that count and the tile of each, per region that is used."""
    skin = _IS_SKIN[places]
    width = float(np.sqrt(np.count_nonzero(skin)))
    margin = max(1, round(_MARGIN * width))
    edges = cv2.morphologyEx(places, cv2.MORPH_GRADIENT, np.ones((2 * margin + 1,) * 2, np.uint8)) > 0
    spoilt = cv2.erode(free.astype(np.uint8), np.ones((2 * margin + 1,) * 2, np.uint8)) == 0
    top = pixels.max(axis=2)
    usable = skin & ~edges & ~spoilt & (top < _CLIPPED) & (pixels.min(axis=2) >= _NOISE_FLOOR)
    used = _used(places, usable)
    colours, where = {}, {}
    for region in used:
        ys, xs = np.nonzero(usable & (places == region))
        colours[region], where[region] = to_linear(pixels[ys, xs]), (ys, xs)
    if not colours:
        return {}, {}
    well_lit = float(np.percentile(np.concatenate([c @ LUMINANCE for c in colours.values()]), 80))
    tile = max(2.0, width / _TILE)
    samples, tiles = {}, {}
    for region, linear in colours.items():
        luminance, ratio = linear @ LUMINANCE, linear[:, 2] / linear[:, 0]
        shine = (luminance > _SHINE * np.median(luminance)) & (ratio > _SHINE * np.median(ratio))
        keep = (luminance > _SHADE * well_lit) & ~shine
        if np.count_nonzero(keep) < _LEAST:
            continue
        ys, xs = (part[keep] for part in where[region])
        samples[region] = to_lab(linear[keep])
        tiles[region] = (ys // tile).astype(np.intp) * 10_000 + (xs // tile).astype(np.intp)
    return samples, tiles


def _middle(values: Float64, weights: Float64) -> Float64:
    """Middle of (..., n) values with weights: a mean of those near it, nearly a median against one that is far off.

    The place of the least weighted sum of sqrt(1 + (distance / `_FAR`)^2) (Charbonnier et al., IEEE Trans. Image
    Process. 6, 1997), by reweighting. It is one place, which moves little where weights do; a median of so few values
    goes from one to the next.
    """
    centre = (values * weights).sum(axis=-1) / weights.sum(axis=-1)
    for _ in range(60):
        pull = weights / np.sqrt(1 + ((values - centre[..., None]) / _FAR) ** 2)
        centre = (values * pull).sum(axis=-1) / pull.sum(axis=-1)
    return np.asarray(centre, np.float64)


def _light_error(centre: Float64) -> tuple[float, float]:
    """Degrees below and above ITA that hold 90 %, for the unknown exposure and white balance.

    Each is changed by 1.645 standard deviations to either side on the linear colour of the skin; the two errors are
    independent and add as squares.
    """
    linear = np.clip(from_lab(centre), 0, None)
    ita = ita_of(float(centre[0]), float(centre[2]))
    sides = np.zeros((2, 2))
    for cause, direction in enumerate(((1.0, 1.0, 1.0), (0.5, 0.0, -0.5))):
        spread = EXPOSURE_STOPS if cause == 0 else BALANCE_LOG2
        for sign in (-1, 1):
            lab = to_lab(linear * np.exp2(sign * NINETY * spread * np.array(direction)))
            change = float(_turn(np.asarray(ita_of(float(lab[0]), float(lab[2])) - ita)))
            sides[cause, int(change > 0)] = max(sides[cause, int(change > 0)], abs(change))
    low, high = np.hypot(sides[0], sides[1])
    return float(low), float(high)


def _chance_error(
    samples: dict[Region, Float64], tiles: dict[Region, NDArray[np.intp]], weights: Float64, ita: float
) -> tuple[float, float]:
    """Degrees below and above ITA to the 5th and 95th percentile of a bootstrap over regions and the tiles in them."""
    generator = np.random.default_rng(1991)
    drawn = []
    for region, lab in samples.items():
        _, group = np.unique(tiles[region], return_inverse=True)
        counts = np.bincount(group)
        means = np.stack([np.bincount(group, lab[:, i]) / counts for i in (0, 2)], axis=1)
        means = means[counts >= 0.25 * counts.max()]
        picks = generator.integers(0, len(means), (_REPLICATES, len(means)))
        # The scatter of the tiles about their centre, laid on the region's own median.
        drawn.append(np.median(lab, axis=0)[[0, 2]] + np.median(means[picks], axis=1) - np.median(means, axis=0))
    regions = np.stack(drawn, axis=1)
    picks = generator.integers(0, len(drawn), (_REPLICATES, len(drawn)))
    chosen = np.take_along_axis(regions, picks[..., None], axis=1)
    centres = _middle(chosen.swapaxes(1, 2), weights[picks][:, None])
    change = _turn(np.degrees(np.arctan2(centres[:, 0] - 50, centres[:, 1])) - ita)
    low, high = np.percentile(change, [5, 95])
    return max(0.0, -float(low)), max(0.0, float(high))


def _turn(degrees: Float64) -> Float64:
    """Differences of angles, brought to -180 up to 180."""
    return np.asarray((degrees + 180) % 360 - 180)


def _nearest_monk(lab: Float64) -> list[int]:
    distance = np.linalg.norm(lab[:, None] - _MONK_LAB, axis=2)
    return [int(i) + 1 for i in distance.argmin(axis=1)]


def _monk_range(centre: Float64, low: float, high: float, monk: int) -> tuple[int, int]:
    """Monk tones nearest to the same skin under every exposure that keeps its ITA within the interval.

    The scale's tones are swatches and not photographs of skin: their lightest four are lighter and less chromatic
    than light skin in most photographs, so that the nearest tone tends to the darker side. Read the range.
    """
    exposures = np.exp2(np.linspace(-2, 2, 81))
    labs = to_lab(np.clip(from_lab(centre) * exposures[:, None], 0, 1))
    itas = np.degrees(np.arctan2(labs[:, 0] - 50, labs[:, 2]))
    tones = [monk, *_nearest_monk(labs[(itas >= low) & (itas <= high)])]
    return min(tones), max(tones)


def _fitzpatrick_range(bands: tuple[ToneBand, ToneBand]) -> tuple[int, int]:
    """Phototypes that usually go with a range of bands, never fewer than two.

    The usual correspondence is one to one: very light I, light II, intermediate III, tan IV, brown V, dark VI (after
    Chardon 1991; Del Bino and Bernerd 2013). Its known weakness: the phototype asks how skin burns and tans and ITA how
    light it is; among people of one phototype ITA spreads over two or three bands, and published ITA pipelines on
    photographs disagree with one another. A single type would claim too much: it is given with its neighbours.
    """
    order: Sequence[ToneBand] = [band for _, band in ITA_BANDS]
    lightest, darkest = order.index(bands[0]) + 1, order.index(bands[1]) + 1
    return (lightest, darkest) if lightest < darkest else (max(1, lightest - 1), min(6, darkest + 1))
