"""What the regional network is shown of a face, and what becomes of what it says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from melascope import networks, scoring
from melascope.lesions.pigment import map_pigment
from melascope.lesions.regional import CELLS, CHANNELS, FIRST_REGION, FaceMaps, face_maps
from melascope.masi import masi, mmasi, regional_score
from melascope.scoring import (
    LEAST_DENSITY,
    LEAST_DOUBT,
    LEAST_LOG,
    MEASURED,
    UNCALIBRATED,
    Calibration,
    counted,
    measure_region,
    measure_regions,
    read_regions,
    total_error,
    total_interval,
)
from melascope.skin.chromophores import optical_density
from melascope.skin.regions import RegionMap
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, Region, View
from tests.lesions.test_lesions import disc, drawn

RIGHT, LEFT = MASI_REGIONS.index(Region.RIGHT_MALAR), MASI_REGIONS.index(Region.LEFT_MALAR)


@pytest.fixture
def face() -> RegionMap:
    return replace(drawn(disc(140, 300, 40), 0.1), visible=frozenset(MASI_REGIONS))


def maps_of(regions: RegionMap) -> FaceMaps:
    return face_maps(regions, map_pigment(regions))


def mirrored(regions: RegionMap) -> RegionMap:
    codes = regions.codes[:, ::-1].copy()
    right, left = codes == Region.RIGHT_MALAR, codes == Region.LEFT_MALAR
    codes[right], codes[left] = Region.LEFT_MALAR, Region.RIGHT_MALAR
    flipped = {name: getattr(regions, name)[..., ::-1].copy() for name in ("disease", "density", "kinds")}
    return replace(regions, codes=codes, pixels=regions.pixels[:, ::-1].copy(), **flipped)


def test_cells_hold_the_means_of_the_facial_skin(face: RegionMap) -> None:
    """Against a slow count, in the square of the drawn skin: 40 to 440 in both directions, 5 % wider on each side."""
    found = maps_of(face).maps
    assert found.shape == (CHANNELS, CELLS, CELLS)
    skin = np.isin(face.codes, FACIAL_SKIN)
    ys, xs = np.nonzero(skin)
    (x0, x1), (y0, y1) = np.percentile(xs, (0.5, 99.5)), np.percentile(ys, (0.5, 99.5))
    side = round(1.1 * max(x1 - x0, y1 - y0))
    side += round(x0 + x1 + 1 - side) % 2
    left, top = round((x0 + x1 + 1 - side) / 2), round((y0 + y1 + 1 - side) / 2)
    colour = optical_density(face.pixels)
    colour = colour - np.median(colour[map_pigment(face).core & skin], axis=0)
    logit = np.log(face.disease / (1 - face.disease))
    edges = np.linspace(0, side, CELLS + 1)
    for row, column in ((24, 10), (30, 12), (10, 30), (25, 11)):
        rows = slice(top + math.ceil(edges[row]), top + math.floor(edges[row + 1]))
        columns = slice(left + math.ceil(edges[column]), left + math.floor(edges[column + 1]))
        assert skin[rows, columns].all()
        assert found[0, row, column] == pytest.approx(logit[rows, columns].mean() / 3, abs=0.12)
        assert found[2, row, column] == pytest.approx(5 * face.density[rows, columns].mean(), abs=0.05)
        assert found[3:6, row, column] == pytest.approx(4 * colour[rows, columns].mean(axis=(0, 1)), abs=0.03)
        assert found[FIRST_REGION - 2, row, column] == pytest.approx(1.0, abs=1e-5)
    assert not found[:9, found[FIRST_REGION - 2] < 0.05].any()  # where there is no skin nothing is said


def test_regions_fill_their_cells(face: RegionMap) -> None:
    places = maps_of(face).maps[FIRST_REGION:]
    areas = places.sum(axis=(1, 2)) / places.sum()
    true = np.array([(face.codes == region).sum() for region in MASI_REGIONS], float)
    assert areas == pytest.approx(true / true.sum(), abs=0.01)


def test_a_mirrored_face_gives_mirrored_maps(face: RegionMap) -> None:
    one, other = maps_of(face).mirrored(), maps_of(mirrored(face))
    assert other.face == pytest.approx(one.face, abs=1e-4)
    assert np.abs(other.maps - one.maps).max() < 0.02


def test_faint_patches_and_specks_hardly_tell_a_density_or_a_diameter() -> None:
    """Both fade in with the share that patches cover, up to the detection floor; the diameter with the density, too.

    The density's half width is of what is told of it.
    """
    told = []
    for radius, depth in ((0, 0.1), (4, 0.1), (40, 0.01), (40, 0.1)):
        regions = drawn(disc(140, 300, radius) if radius else np.zeros((480, 480), np.float32), depth)
        pigment = map_pigment(regions)
        place = regions.codes == Region.RIGHT_MALAR
        alone = measure_region(pigment, regions.codes, Region.RIGHT_MALAR, 1.0, UNCALIBRATED)
        row = counted(alone, regions, pigment, Region.RIGHT_MALAR)
        share = (pigment.patches & place).sum() / place.sum()
        fade = min(1, share / 0.01)
        density = fade * alone.excess
        assert row[2] == pytest.approx(density, rel=1e-4)
        assert row[10] == pytest.approx(0.01 + 0.2 * density, rel=1e-4)
        assert row[3] == pytest.approx(fade * min(1, density / 0.05) * alone.diameter_mm, rel=1e-4)
        told.append((share, alone.diameter_mm, row[3]))
    nothing, speck, faint, clear = told
    assert nothing == (0, 0, 0)
    assert 0 < speck[0] < 0.01 and 0 < speck[2] < speck[1]
    assert faint[0] == clear[0] > 0.01 and 0 < faint[2] < 0.5 * faint[1]
    assert clear[2] == pytest.approx(clear[1])


def values(share: float, density: float, diameter: float, spread: float = 0.5) -> NDArray[np.float32]:
    one = np.array([share, density, math.log1p(diameter)])
    return np.tile(np.stack([one * (1 - spread), one, one * (1 + spread)], axis=1)[None], (4, 1, 1)).astype(np.float32)


def rows(*regions: Region, doubt: float = 0.0) -> dict[Region, NDArray[np.float32]]:
    """What was counted: of each nothing but how open its share is."""
    row = np.zeros(MEASURED, np.float32)
    row[9] = doubt
    return dict.fromkeys(regions, row)


def test_the_doubt_of_the_pixels_is_the_least_half_width_of_a_share() -> None:
    sure = values(0.3, 0.1, 12.0, spread=0.1)
    found = read_regions(sure, rows(Region.CHIN, doubt=0.2), 1.5, UNCALIBRATED)[Region.CHIN]
    assert found.doubts.share == pytest.approx((0.3, 0.3))
    assert found.doubts.density == pytest.approx((1.5 * (0.01 + LEAST_DENSITY),) * 2, rel=1e-4)
    wide = read_regions(values(0.3, 0.1, 12.0, spread=1.0), rows(Region.CHIN, doubt=0.2), 1.0, UNCALIBRATED)[
        Region.CHIN
    ]
    assert wide.doubts.share == pytest.approx((0.3 + LEAST_DOUBT,) * 2, rel=1e-4)


def test_what_the_network_says_becomes_a_measure_with_its_interval() -> None:
    factors = Calibration(share=(0.5, 2.0), density=(1.0, 1.5), diameter=(2.0, 1.0), total=(1.0, 1.0))
    found = read_regions(values(0.3, 0.1, 12.0), rows(Region.CHIN), 2.0, factors)
    assert list(found) == [Region.CHIN]
    chin = found[Region.CHIN]
    assert (chin.share, chin.excess, chin.diameter_mm) == pytest.approx((0.3, 0.1, 12.0), rel=1e-4)
    assert chin.score == regional_score(chin.share, chin.excess, chin.diameter_mm)
    half = 2.0 * (0.15 + LEAST_DOUBT)
    assert chin.doubts.share == pytest.approx((half, half), rel=1e-4)
    assert (chin.low, chin.high) == pytest.approx((max(0.0, 0.3 - 0.5 * half), 0.3 + 2 * half), rel=1e-4)
    dark = 2.0 * (0.05 + LEAST_DENSITY)
    sizes = [math.expm1(math.log1p(12.0) * part) for part in (0.5, 1.0, 1.5)]
    small, large = math.log(sizes[1] / sizes[0]) + LEAST_LOG, math.log(sizes[2] / sizes[1]) + LEAST_LOG
    highest = regional_score(chin.high, 0.1 + 1.5 * dark, 12.0 * math.exp(2.0 * large))
    assert chin.highest.darkness == pytest.approx(highest.darkness, rel=1e-4)
    assert chin.highest.homogeneity == pytest.approx(highest.homogeneity, rel=1e-4)
    lowest = regional_score(chin.low, max(0.0, 0.1 - dark), 12.0 * math.exp(-2.0 * 2.0 * small))
    assert chin.lowest.homogeneity == pytest.approx(lowest.homogeneity, rel=1e-4)


@pytest.mark.parametrize("modified", [False, True])
def test_a_total_excludes_zero_only_if_a_region_does(modified: bool) -> None:
    doubtful = read_regions(values(0.02, 0.06, 12.0, spread=1.0), rows(*MASI_REGIONS), 1.0, UNCALIBRATED)
    sure = doubtful | read_regions(values(0.3, 0.1, 12.0, spread=0.1), rows(Region.CHIN), 1.0, UNCALIBRATED)
    for measured, clear in ((doubtful, True), (sure, False)):
        total = (mmasi if modified else masi)({region: one.score for region, one in measured.items()})
        assert total is not None
        down, up = total_error(measured, modified=modified)
        assert total - down > 0  # regions whose errors are half independent would exclude it together
        low, high = total_interval(measured, total, (1.0, 2.0), modified=modified)
        assert low == (0.0 if clear else pytest.approx(total - down)) and high == pytest.approx(total + 2 * up)
    assert total_interval(sure, total, (1.0, 1000.0), modified=modified)[1] == (24.0 if modified else 48.0)


def test_where_nothing_is_involved_nothing_is_dark() -> None:
    clear = read_regions(values(0.004, 0.1, 12.0), rows(*MASI_REGIONS), 1.0, UNCALIBRATED)[Region.FOREHEAD]
    assert (clear.excess, clear.diameter_mm, clear.score.darkness) == (0.0, 0.0, 0.0)
    assert clear.share == pytest.approx(0.004)


def test_the_ends_of_the_intervals_do_not_jump_where_little_is_involved() -> None:
    below, above = (
        read_regions(values(share, 0.06, 12.0), rows(Region.CHIN), 1.0, UNCALIBRATED)[Region.CHIN]
        for share in (0.00499, 0.00501)
    )
    for one, other in ((below.highest, above.highest), (below.most, above.most), (below.score, above.score)):
        parts = [(end.area, end.darkness, end.homogeneity) for end in (one, other)]
        assert parts[0] == pytest.approx(parts[1], abs=0.02)
    assert above.excess > 0 and below.excess == 0


class Told:
    """A network that remembers what it was shown and says its own number of every region."""

    def __init__(self) -> None:
        self.shown: dict[str, NDArray[np.float32]] = {}
        self.card = {"calibration": None, "skin_network": networks.load("skin").sha256, "counted": scoring.COUNTED}

    def run(self, inputs: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        self.shown = inputs
        said = np.stack([values(share, 0.1, 12.0)[0] for share in (0.1, 0.2, 0.4, 0.8)])
        return {"measures": np.stack([said, said])}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    network, load = Told(), networks.load
    monkeypatch.setattr(scoring.networks, "load", lambda name: network if name == scoring.NETWORK else load(name))
    scoring.check_pair.cache_clear()
    yield network
    scoring.check_pair.cache_clear()


def test_a_whole_face_is_read_by_the_regional_network(face: RegionMap, told: Told) -> None:
    pigment = map_pigment(face)
    found = measure_regions(face, pigment, 1.0, UNCALIBRATED)
    # The cheeks: 0.2 and 0.4 of the face, exchanged of its mirror image.
    assert [found[region].share for region in MASI_REGIONS] == pytest.approx([0.1, 0.3, 0.3, 0.8])
    alone = measure_region(pigment, face.codes, Region.RIGHT_MALAR, 1.0, UNCALIBRATED)
    assert found[Region.RIGHT_MALAR].skin_px == alone.skin_px
    table = told.shown["counted"]
    assert table.shape == (2, 4, MEASURED)
    assert table[0, RIGHT, :4] == pytest.approx([1.0, alone.share, alone.excess, alone.diameter_mm])
    assert table[1, LEFT] == pytest.approx(table[0, RIGHT])
    assert told.shown["maps"][1] == pytest.approx(maps_of(face).mirrored().maps)


def test_the_size_of_a_face_in_pixels_tells_the_network_nothing() -> None:
    rng = np.random.default_rng(3)
    maps = rng.random((1, CHANNELS, CELLS, CELLS), np.float32)
    counts = rng.random((1, len(MASI_REGIONS), MEASURED), np.float32)
    light = np.array([0.5, 0.8, 1.0], np.float32)

    def said(*face: float) -> NDArray[np.float32]:
        told = {"maps": maps, "face": np.array([face], np.float32), "counted": counts}
        return networks.load(scoring.NETWORK).run(told)["measures"]

    assert np.array_equal(said(*light, -1.2), said(*light, 0.4))
    assert not np.array_equal(said(*light, 0.4), said(*(light * 1.2), 0.4))


def test_a_network_that_learnt_from_another_skin_network_is_refused(face: RegionMap, told: Told) -> None:
    told.card["skin_network"] = "0" * 64
    with pytest.raises(
        networks.NetworkError, match=r"'regional': it learnt from the skin network 000000000000\.\.\., and"
    ):
        measure_regions(face, map_pigment(face))


@pytest.mark.parametrize("edition", [None, 1])
def test_a_network_that_learnt_from_other_numbers_is_refused(face: RegionMap, told: Told, edition: object) -> None:
    told.card["counted"] = edition
    with pytest.raises(networks.NetworkError, match=rf"learnt from other numbers \({edition}\) than it is told today"):
        measure_regions(face, map_pigment(face))


def test_a_region_out_of_view_is_told_as_absent(face: RegionMap, told: Told) -> None:
    seen = replace(face, visible=frozenset(MASI_REGIONS) - {Region.LEFT_MALAR})
    assert Region.LEFT_MALAR not in measure_regions(seen, map_pigment(seen))
    assert not told.shown["counted"][0, LEFT].any() and told.shown["counted"][0, RIGHT, 0] == 1.0


def test_a_close_up_is_counted_in_pixels_alone(face: RegionMap, told: Told) -> None:
    near = replace(face, view=View.CLOSE_UP)
    pigment = map_pigment(near)
    found = measure_regions(near, pigment)
    assert found[Region.RIGHT_MALAR] == measure_region(pigment, near.codes, Region.RIGHT_MALAR, 1.0)
    assert not told.shown
