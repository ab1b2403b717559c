"""How cameras render skin, and what that does to the measurement: the tables of docs/styles.md.

    python -m benchmarks.styles COHORT [FOLDER ...] [--page docs/styles.md]

COHORT is a folder of virtual patients, from `melascope cohort render --each-tone`; each FOLDER holds photographs of
faces without pigment disease, to which the virtual ones are held. A camera does not write down the light as it is: it
bends a curve over each channel and strengthens colours, by its picture style. Virtual patients are photographed again
in stronger styles, from the light that their photographs tell, by the cohort's own camera.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from benchmarks import tallies
from benchmarks.instrument_tables import number, table
from benchmarks.photo_figures import PhotoFigures, measure
from benchmarks.rendered import asked_for, each_photo, made_with, opened
from benchmarks.tones import BANDS, band_of, gap, made_up_face, twins
from numpy.typing import NDArray

import melascope
from melascope import networks
from melascope.archive import find_photos
from melascope.cohort.camera import CameraParameters, develop
from melascope.cohort.patient import Cohort
from melascope.data import DataSet
from melascope.photo import PhotoRefused, read_photo
from melascope.photo.geometry import among
from melascope.photo.light import to_linear
from melascope.skin.chromophores import chromophores, optical_density
from melascope.skin.regions import find_regions
from melascope.skin.tone import measure_tone
from melascope.vocabulary import EXCHANGED_WHEN_MIRRORED, Region, View

__all__ = ["STYLES", "FaceLook", "look_at", "looks_table", "shading", "styled"]

Pixels = NDArray[np.uint8]
Photos = Sequence[PhotoFigures]

_NONE = CameraParameters(device="dslr", full_well=1e12)
STYLES = {
    "as photographed": None,
    "standard": replace(_NONE, exposure_ev=0.25, shoulder=0.3, contrast=0.5, saturation=1.1),
    "strong": replace(_NONE, exposure_ev=0.5, shoulder=0.3, contrast=1.0, saturation=1.25),
}
"""What the camera does besides what it did."""
FACE_PX = 160
"""Width at which faces are compared: that of the smallest photographs at hand."""
FACE_MM = 140.0
CLEAR = 0.2
"""Probability of pigment below which skin counts as free of it."""
LEAST_PX = 300
FINE, BROAD = (0.9, 4.0), (4.0, 15.0)
"""Ends of the two bands of unevenness, millimetres (standard deviations of Gaussians)."""
LEAST_ITA = 10.0
"""Degrees: tones lighter than brown, for of darker ones there are hardly any photographs."""


@dataclass(frozen=True)
class FaceLook:
    """How the skin of one face, seen from the front, varies."""

    ita_deg: float
    levels: NDArray[np.float64]
    """(3,) mean sRGB codes of the cheeks."""
    cheeks: NDArray[np.float64]
    """(3,) optical density of the right cheek less that of the left one, medians."""
    uneven: dict[str, NDArray[np.float64]]
    """(3,) standard deviations of melanin, haemoglobin and shading, by place and band."""


def styled(pixels: Pixels, style: CameraParameters | None) -> Pixels:
    """The photograph (H, W, 3) in another style: from the light that its codes tell."""
    return pixels if style is None else develop(to_linear(pixels), style)


def look_at(pixels: Pixels) -> FaceLook | None:
    """How uneven a face is, brought to `FACE_PX`; None where there is no face, or too small a one."""
    found = find_regions(pixels)
    if found.view is not View.FACE or not found.face_px:
        return None
    scale = FACE_PX / (found.face_px / found.scale)
    if scale > 1:
        return None
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = find_regions(np.asarray(small, np.uint8))
    tone = measure_tone(found.pixels, found.codes, np.zeros(found.codes.shape, bool), penalty_deg=0, scale=found.scale)
    if found.view is not View.FACE or not found.face_px or tone is None:
        return None
    density, per_mm = optical_density(found.pixels), found.face_px / FACE_MM
    clear = found.disease < CLEAR
    sides = [clear & (found.codes == region) for region in EXCHANGED_WHEN_MIRRORED]
    places = {"cheeks": among(found.codes, EXCHANGED_WHEN_MIRRORED), "forehead": found.codes == Region.FOREHEAD}
    inner = {name: _away_from_border(place & clear, 4 * per_mm) for name, place in places.items()}
    if min(map(np.count_nonzero, [*sides, *inner.values()])) < LEAST_PX:
        return None
    right, left = (np.median(density[side], axis=0) for side in sides)
    uneven = {
        f"{name}, {told}": _spread(density, mask, (low * per_mm, high * per_mm))
        for name, mask in inner.items()
        for told, (low, high) in (("fine", FINE), ("broad", BROAD))
    }
    return FaceLook(tone.ita_deg, found.pixels[places["cheeks"]].mean(axis=0), right - left, uneven)


def _away_from_border(mask: NDArray[np.bool_], px: float) -> NDArray[np.bool_]:
    side = 2 * max(1, round(px)) + 1
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool))


def _spread(density: NDArray[np.float32], mask: NDArray[np.bool_], band: tuple[float, float]) -> NDArray[np.float64]:
    """Standard deviations of melanin, haemoglobin and shading between two blurs (px), inside a mask."""
    weight = mask.astype(np.float32)

    def blurred(sigma: float) -> NDArray[np.float32]:
        mass = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), np.float32(1e-4))
        return np.asarray(cv2.GaussianBlur(density * weight[..., None], (0, 0), sigma) / mass[..., None], np.float32)

    maps = chromophores(blurred(band[0]) - blurred(band[1]))
    return np.array([float(some[mask].std()) for some in (maps.melanin, maps.haemoglobin, maps.shading)])


def shading(looks: Sequence[FaceLook]) -> NDArray[np.float64]:
    """(2,) how much darker green and blue are in the shade than red: 1 where a camera leaves the light as it is.

    The main axis of what one cheek is darker than the other, over many faces, in optical density.
    """
    apart = np.array([look.cheeks for look in looks])
    axis = np.linalg.eigh(apart.T @ apart)[1][:, -1]
    return np.asarray(axis[1:] / axis[0])


def _photograph(task: tuple[str, str]) -> FaceLook | None:
    try:
        return look_at(read_photo(task[1]).pixels)
    except PhotoRefused:
        return None


def _virtual(task: tuple[str, str], style: CameraParameters | None) -> FaceLook | None:
    folder, photo = task
    return look_at(styled(read_photo(Path(folder) / opened(folder)[photo].row.file).pixels, style))


def _measured(task: tuple[str, str], style: CameraParameters | None) -> PhotoFigures:
    return measure(task, partial(styled, style=style))


def looks_table(groups: Sequence[tuple[str, Sequence[FaceLook]]]) -> str:
    """Levels, colour of shading, and unevenness of each group of faces; medians."""
    rows = []
    for name, some in groups:
        if not some:
            continue
        levels = "/".join(f"{level:.0f}" for level in np.median([look.levels for look in some], axis=0))
        ratio = "1 : " + " : ".join(f"{part:.2f}" for part in shading(some))
        spreads = [np.median([look.uneven[place] for look in some], axis=0) for place in some[0].uneven]
        cells = [" / ".join(f"{spread:.3f}" for spread in each) for each in spreads]
        rows.append([name, str(len(some)), levels, ratio, *cells])
    places = next((look.uneven for _, every in groups for look in every), {})
    return table(("faces", "number", "cheeks R/G/B", "shading R : G : B", *places), rows)


def _masi(photos: Photos) -> tuple[float, float]:
    errors = np.array([p.seen.masi - p.masi for p in photos if p.seen and p.seen.masi is not None and p.masi])
    return (float(np.abs(errors).mean()), float(errors.mean())) if len(errors) else (tallies.NAN, tallies.NAN)


def _healthy_masi(photos: Photos) -> list[float]:
    return [p.seen.masi for p in photos if p.seen and p.seen.masi is not None and p.masi == 0]


def _lesioned(photos: Photos) -> list[PhotoFigures]:
    return [p for p in photos if p.seen and p.seen.pigment.true]


def _figures() -> list[tuple[str, Callable[[Photos], float], int, bool]]:
    return [
        ("pigment: Dice, pooled", lambda s: tallies.dice(_lesioned(s)), 3, False),
        ("the same of bare faces", lambda s: tallies.dice(_lesioned([p for p in s if not made_up_face(p)])), 3, False),
        ("share of it that is called", lambda s: tallies.recall(_lesioned(s)), 3, False),
        ("share of what is called that is pigment", lambda s: tallies.precision(_lesioned(s)), 3, False),
        ("average precision", lambda s: tallies.average_precision(tallies.histogram(_lesioned(s))), 3, False),
        ("share of a region: mean absolute error", lambda s: tallies.shares(s).absolute, 3, False),
        ("MASI with pigment: mean absolute error", lambda s: _masi(s)[0], 2, False),
        ("MASI with pigment: bias", lambda s: _masi(s)[1], 2, True),
        ("MASI: 90 % interval holds the truth", lambda s: tallies.cover(s, "MASI")[1], 2, False),
        ("MASI without pigment: mean", lambda s: float(np.mean(_healthy_masi(s) or tallies.NAN)), 2, False),
        ("MASI without pigment: highest", lambda s: max(_healthy_masi(s), default=tallies.NAN), 1, False),
        ("without a lesion: share of skin called", lambda s: tallies.alarms(s).mean, 4, False),
    ]


def _measure_table(by_style: dict[str, list[PhotoFigures]]) -> str:
    """Each figure in each style and tone."""
    rows = []
    for name, figure, digits, sign in _figures():
        for style, photos in by_style.items():
            each = [[p for p in photos if band_of(p.photo) == band] for band in BANDS]
            cells = [number(figure(some), digits, sign=sign) for some in each]
            rows.append([name, style, *cells, number(gap(photos, figure), digits)])
    return table(("", "style", *BANDS, "between"), rows)


def _told(style: CameraParameters | None) -> str:
    if style is None:
        return "as they are"
    return (
        f"exposure {style.exposure_ev:+} EV, shoulder {style.shoulder}, S-curve {style.contrast}, saturation "
        f"{style.saturation}"
    )


def page(
    command: str, cohort: str, groups: Sequence[tuple[str, Sequence[FaceLook]]], by_style: dict[str, list[PhotoFigures]]
) -> str:
    """The page of docs."""
    made = ", ".join(f"{name} network {networks.load(name).sha256[:16]}" for name in ("skin", "regional", "naming"))
    refused = ", ".join(f"{style} {sum(p.seen is None for p in photos)}" for style, photos in by_style.items())
    whole = {style: twins(photos) for style, photos in by_style.items()}
    kept = set.intersection(*({p.photo for p in photos} for photos in whole.values()))
    same = {style: [p for p in photos if p.photo in kept] for style, photos in whole.items()}
    styles = "\n".join(f"- {name}: {_told(style)}" for name, style in STYLES.items())
    return f"""# How cameras render skin, and what that does to the measurement

Written by `{command}` (the cohort: `{cohort}`), melascope {melascope.__version__}, {made}.

A camera bends a curve over each channel and strengthens colours. The DSLR of a virtual patient does neither: it writes
down the light as it is; telephones do a little ([cohort.md](cohort.md)). What real cameras do can be told from shading:
where one cheek lies in the shade, light that is written down as it is falls by the same share in red, green and blue.
Here virtual patients are photographed again in other styles, from the light that their photographs tell
(`melascope.cohort.camera`):

{styles}

## How photographs of faces look

Faces from the front, of skin that counts as very light to tan (an ITA of {LEAST_ITA:.0f} degrees and more, measured of
photographs, true of virtual patients), all brought to a width of {FACE_PX} pixels. Shading: how much the green and the
blue of one cheek differ from those of the other, red as 1 (main axis over all faces, in optical density). Unevenness:
standard deviations of melanin / haemoglobin / shading (section 3 of [measurement.md](measurement.md)) on skin without
pigment, between {FINE[0]} and {FINE[1]:.0f} mm (fine), and {BROAD[0]:.0f} and {BROAD[1]:.0f} mm (broad); medians.

{looks_table(groups)}

## What it does to the measurement

The {len(kept)} photographs of the cohort that no style has refused, nor any of their sets of six tones (refused:
{refused}). Along a row the people, lesions, light and exposure are the same; between the rows of a figure only the
style differs. "Between" is the best tone less the worst.

{_measure_table(same)}
"""


def main() -> None:
    """Looks, measures, prints the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path, help="A folder of virtual patients, each in all six tones.")
    parser.add_argument("photographs", type=Path, nargs="*", help="Folders of faces without pigment disease.")
    parser.add_argument("--page", type=Path, default=None, help="Where to write the page.")
    given = parser.parse_args()
    made = made_with(given.cohort)
    if not made.get("each_tone") or made.get("tones"):
        parser.error(f"{given.cohort} does not hold each person in all six tones: render it with --each-tone alone")
    rows = DataSet.open(given.cohort).manifest.rows
    groups: list[tuple[str, list[FaceLook]]] = []

    for folder in given.photographs:
        paths = [str(path) for path in find_photos([str(folder)])]
        looks = each_photo(_photograph, folder, paths, folder.name)
        light = [look for look in looks if look and look.ita_deg >= LEAST_ITA]
        groups.append((f"photographs, {folder.resolve().name}", light))
    by_style = {}
    frontal = [row for row in rows if row.view == "frontal" and (row.ita_deg or 0.0) >= LEAST_ITA]
    for name, style in STYLES.items():
        for device in sorted({row.device for row in frontal}):
            ids = [row.photo_id for row in frontal if row.device == device]
            looks = each_photo(partial(_virtual, style=style), given.cohort, ids, name)
            groups.append((f"virtual, {device}, {name}", [look for look in looks if look]))
        ids = [row.photo_id for row in rows]
        by_style[name] = each_photo(partial(_measured, style=style), given.cohort, ids, name)
    words = " ".join(["python -m benchmarks.styles COHORT", *(folder.resolve().name for folder in given.photographs)])
    told = ("patients", "seed", "photos", "per_head", "size_px")
    cohort = "melascope cohort render " + asked_for(made, told, Cohort(6, 1, each_tone=True)).replace(
        "--size-px", "--size"
    )
    cohort += " --each-tone --no-maps"
    text = page(words, cohort, groups, by_style)
    print(text)
    if given.page:
        given.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
