"""Colour of skin: against photons, against what is known of skin, and the table against the layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from melascope.cohort import layers, optics
from melascope.cohort.spectra import WAVELENGTHS_NM, led, planck
from melascope.cohort.table import Axis, tabulate
from melascope.photo.light import to_lab
from tests.cohort.photons import STATES, mirrored, walk

BLOOD, OXYGEN = 0.01, 0.7


def states(count: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    melanin = np.exp(rng.uniform(*np.log(optics.MELANIN_RANGE), count))
    dermal = rng.uniform(*optics.DERMAL_RANGE, count) * rng.random(count) ** 2 * rng.integers(0, 2, count)
    blood = np.exp(rng.uniform(*np.log(optics.BLOOD_RANGE), count))
    return melanin, dermal, blood, rng.uniform(*optics.OXYGEN_RANGE, count)


def red_density(after: np.ndarray, before: np.ndarray) -> float:
    return float(-np.log10(after[..., 0] / before[..., 0]))


def test_layers_agree_with_photons() -> None:
    cases = [(state, nm) for state in STATES.values() for nm in (450.0, 620.0)]
    found, error = walk(cases, 2500, seed=5)
    exact = np.array([float(optics.reflectance(*state, nm)) for state, nm in cases])
    assert np.abs(exact - found).max() < 0.015
    assert ((exact - found) / np.hypot(error, 0.0015)).std() < 1.7
    assert abs((exact - found).mean()) < 0.004


def test_light_that_is_not_absorbed_comes_back() -> None:
    little, much = np.array([1e-9]), np.array([3.0])
    slab = layers.layer(little, much, much, 0.5)
    cosine, weight = layers._directions()
    flux = weight * cosine
    assert flux @ (slab.reflection + slab.transmission)[0] == pytest.approx(flux, rel=1e-6)
    endless = layers.layer(little, much, much, 20.0)
    mirror = float(layers.fresnel(np.array([1.0]))[0])
    white = np.eye(len(cosine))[None] * 0 + (np.ones((len(cosine), 1)) * flux / flux.sum())
    whole = layers.diffuse_reflectance(endless, white)
    assert whole == pytest.approx([1 - mirror], abs=1e-5)


def test_layers_add_up_in_any_cut() -> None:
    coefficients = (np.array([0.2]), np.array([2.0]), np.array([3.0]))
    deep = layers.layer(*coefficients, 20.0)
    whole = layers.on_top(layers.layer(*coefficients, 0.3), deep.reflection)
    cut = layers.on_top(
        layers.layer(*coefficients, 0.1), layers.on_top(layers.layer(*coefficients, 0.2), deep.reflection)
    )
    assert cut == pytest.approx(whole, rel=1e-3)
    assert whole == pytest.approx(deep.reflection, rel=1e-3)


def test_without_scattering_a_layer_only_absorbs() -> None:
    cosine, _ = layers._directions()
    slab = layers.layer(np.array([2.0]), np.array([0.0]), np.array([0.0]), 0.3)
    assert np.abs(slab.reflection).max() < 1e-12
    assert np.diagonal(slab.transmission[0]) == pytest.approx(np.exp(-0.6 / cosine), abs=2e-3)


def test_the_surface_reflects_as_fresnel_says() -> None:
    cosine = np.linspace(0.01, 1.0, 50)
    assert layers.fresnel(cosine) == pytest.approx(mirrored(cosine, 1.4, 1.0), abs=1e-6)


def test_reflectance_stays_within_bounds_everywhere() -> None:
    ends = [np.array(limits) for limits in (optics.MELANIN_RANGE, optics.DERMAL_RANGE, optics.BLOOD_RANGE)]
    spectrum = optics.reflectance(*np.ix_(*ends, np.array(optics.OXYGEN_RANGE)), [420.0, 550.0, 700.0])
    assert spectrum.shape == (2, 2, 2, 2, 3)
    assert spectrum.min() > 0.005 and spectrum.max() < 0.75
    colour = optics.skin_colour(*states(5000))
    assert colour.min() > 0 and colour.max() < 0.75 and colour.dtype == np.float32


def test_each_substance_darkens() -> None:
    grid = {
        "melanin": np.geomspace(0.003, 0.6, 8),
        "dermal": np.linspace(0, 0.1, 8),
        "blood": np.geomspace(0.002, 0.12, 8),
    }
    state = {"melanin": 0.05, "dermal": 0.01, "blood": 0.01, "oxygen": 0.7}
    for name, values in grid.items():
        spectrum = optics.reflectance(**(state | {name: values}))
        assert (np.diff(spectrum, axis=0) < 0).all(), name


def test_the_table_gives_what_the_layers_give() -> None:
    given = states(150)
    exact = optics.skin_colour_exact(*given)
    table = optics.skin_colour(*given)
    assert np.abs(table - exact).max() < 0.002
    assert np.abs(np.log10(table / exact)).max() < 0.003


def test_single_numbers_and_maps_read_the_same() -> None:
    melanin, dermal, blood, oxygen = (part.astype(np.float32) for part in states(60))
    whole = optics.skin_colour(
        melanin.reshape(6, 10), dermal.reshape(6, 10), blood.reshape(6, 10), oxygen.reshape(6, 10)
    )
    assert whole.shape == (6, 10, 3)
    for i in (0, 17, 59):
        single = optics.skin_colour(melanin[i], dermal[i], blood[i], oxygen[i])
        assert single == pytest.approx(whole.reshape(-1, 3)[i], rel=1e-4)
    assert optics.skin_colour(5.0, -1.0, 0.0, 2.0) == pytest.approx(optics.skin_colour(0.6, 0.0, 0.002, 0.98))


def test_the_same_values_give_the_same_bits_in_any_company() -> None:
    given = states(500)
    assert np.array_equal(optics.skin_colour(*given)[123:456], optics.skin_colour(*(part[123:456] for part in given)))


def test_a_table_reads_a_product_and_solves_it() -> None:
    table = tabulate(lambda x, y: (x * np.sqrt(y + 1))[..., None], [Axis(1, 4, 1, 9, 300), Axis(0, 3, 0.5, 9, 300)])
    x, y = np.array([1.3, 2.0, 3.9], np.float32), np.array([0.1, 1.7, 2.9], np.float32)
    assert table.read(x, y)[:, 0] == pytest.approx(x * np.sqrt(y + 1), rel=1e-4)
    place = table.solve(0, np.asarray(x * np.sqrt(y + 1), np.float32), table.axes[1].place(y))
    assert table.axes[0].value(place) == pytest.approx(x, rel=1e-3)
    assert table.solve(0, np.array([99.0, -99.0], np.float32), table.axes[1].place(y[:2])).tolist() == [1.0, 0.0]


def test_ita_falls_with_melanin() -> None:
    melanin = np.geomspace(0.004, 0.45, 60)
    for blood in (0.004, 0.01, 0.03):
        assert (np.diff(optics.ita_deg(optics.skin_colour(melanin, 0.0, blood, OXYGEN))) < 0).all()


@pytest.mark.parametrize("blood", [0.004, 0.012, 0.04])
@pytest.mark.parametrize("wished", [-60.0, -30.0, 0.0, 10.0, 41.0, 60.0])
def test_melanin_for_ita_is_the_inverse(wished: float, blood: float) -> None:
    melanin = optics.melanin_for_ita(wished, blood, OXYGEN)
    assert float(optics.ita_deg(optics.skin_colour_exact(melanin, 0.0, blood, OXYGEN))) == pytest.approx(
        wished, abs=0.3
    )


def test_skin_looks_like_skin() -> None:
    """Ranges that hold most facial measurements: e.g. Xiao et al. 2017, Yun et al. 2010 (Asian mean 64, 9, 18)."""
    bounds = {50: ((63, 72), (5, 13), (11, 18)), 38: ((60, 67), (6, 13), (13, 20)), -50: ((28, 37), (8, 14), (11, 18))}
    for wished, limits in bounds.items():
        for blood in (0.006, 0.014):
            melanin = optics.melanin_for_ita(wished, blood, OXYGEN)
            lab = to_lab(optics.skin_colour_exact(melanin, 0.0, blood, OXYGEN))
            for value, (low, high) in zip(lab, limits, strict=True):
                assert low < value < high, (wished, blood, lab)


def test_blood_reddens_and_takes_green() -> None:
    blood = np.geomspace(0.004, 0.06, 9)
    for wished in (50.0, 0.0, -40.0):
        colour = optics.skin_colour_exact(optics.melanin_for_ita(wished, 0.008, OXYGEN), 0.0, blood, OXYGEN)
        assert (np.diff(to_lab(colour)[:, 1]) > 0).all()
        lost = -np.log10(colour[-1] / colour[0])
        assert lost[1] > 1.5 * lost[0] and lost[1] > lost[2] * 0.99


def test_less_oxygen_takes_red() -> None:
    poor, rich = (optics.skin_colour_exact(0.02, 0.0, 0.03, oxygen) for oxygen in (0.35, 0.95))
    assert poor[0] < 0.9 * rich[0] and to_lab(poor)[1] < to_lab(rich)[1]


@pytest.mark.parametrize("wished", [50.0, 20.0, -20.0])
@pytest.mark.parametrize("density", [0.06, 0.15, 0.25])
def test_deep_melanin_is_bluer_than_shallow_at_equal_density(wished: float, density: float) -> None:
    melanin = optics.melanin_for_ita(wished, BLOOD, OXYGEN)
    bare = optics.skin_colour_exact(melanin, 0.0, BLOOD, OXYGEN)
    more = float(optics.epidermal_for_density(density, melanin, BLOOD, OXYGEN))
    deep = float(optics.dermal_for_density(density, melanin, BLOOD, OXYGEN))
    brown = optics.skin_colour_exact(melanin + more, 0.0, BLOOD, OXYGEN)
    blue = optics.skin_colour_exact(melanin, deep, BLOOD, OXYGEN)
    assert red_density(brown, bare) == pytest.approx(density, rel=0.02)
    assert red_density(blue, bare) == pytest.approx(density, rel=0.02)
    assert blue[1] > brown[1] and blue[2] > 1.05 * brown[2]
    before, shallow, low = (to_lab(colour) for colour in (bare, brown, blue))
    # Away from brown in hue and chroma: blue-grey beside the skin around it.
    assert np.degrees(np.arctan2(low[2] - before[2], low[1] - before[1])) < -90
    assert np.hypot(low[1], low[2]) < np.hypot(before[1], before[2])
    if wished > 0:
        assert low[2] < shallow[2] - 15 * density


@pytest.mark.parametrize("give", [optics.epidermal_for_density, optics.dermal_for_density])
def test_densities_are_met_on_maps_of_any_tone(give: Callable[..., np.ndarray]) -> None:
    rng = np.random.default_rng(3)
    melanin = np.exp(rng.uniform(np.log(0.01), np.log(0.33), (9, 10))).astype(np.float32)
    blood = rng.uniform(0.004, 0.03, (9, 10)).astype(np.float32)
    there = rng.uniform(0, 0.004, (9, 10)).astype(np.float32) * rng.integers(0, 2, (9, 10))
    wished = rng.uniform(0.02, 0.2, (9, 10)).astype(np.float32)
    wished[:2] = 0
    added = give(wished, melanin, blood, OXYGEN, dermal=there)
    assert added.shape == (9, 10) and added.dtype == np.float32
    assert (added[:2] == 0).all() and (added[2:] > 0).all()
    shallow = give is optics.epidermal_for_density
    bare = optics.skin_colour_exact(melanin, there, blood, OXYGEN)
    full = optics.skin_colour_exact(
        np.clip(melanin + added * shallow, *optics.MELANIN_RANGE),
        np.clip(there + added * (not shallow), *optics.DERMAL_RANGE),
        blood,
        OXYGEN,
    )
    given = -np.log10(full[..., 0] / bare[..., 0])
    reachable = melanin + added < 0.599 if shallow else there + added < 0.0999
    assert reachable.mean() > 0.95
    assert np.abs(given / np.where(wished > 0, wished, 1) - 1)[2:][reachable[2:]].max() < 0.02


def test_a_density_beyond_reach_stops_at_the_ceiling() -> None:
    melanin = optics.melanin_for_ita(-60.0, BLOOD, OXYGEN)
    assert melanin + float(optics.epidermal_for_density(2.0, melanin, BLOOD, OXYGEN)) == pytest.approx(0.6, rel=1e-4)
    assert float(optics.dermal_for_density(2.0, melanin, BLOOD, OXYGEN)) == pytest.approx(0.1, rel=1e-4)
    most = optics.skin_colour(melanin, 0.1, BLOOD, OXYGEN)
    assert red_density(most, optics.skin_colour(melanin, 0.0, BLOOD, OXYGEN)) > 0.24


def test_lamps_as_gains_cost_little() -> None:
    assert optics.balance_error(optics.D65) < 1e-9
    assert 0.5 < optics.balance_error(led(4000)) < 3
    assert 1 < optics.balance_error(planck(2856)) < 5


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="blood from"):
        optics.reflectance(0.1, 0.0, 0.5, 0.7, WAVELENGTHS_NM)
    with pytest.raises(ValueError, match="ask for an angle within"):
        optics.melanin_for_ita(60.0, 0.12, OXYGEN)
    with pytest.raises(ValueError, match="only darkens"):
        optics.epidermal_for_density(-0.1, 0.1, BLOOD, OXYGEN)
    with pytest.raises(ValueError, match="only darkens"):
        optics.dermal_for_density(float("nan"), 0.1, BLOOD, OXYGEN)


def test_nowhere_has_no_colour() -> None:
    nothing = np.zeros(0, np.float32)
    assert optics.skin_colour(nothing, nothing, nothing, 0.7).shape == (0, 3)
    assert optics.epidermal_for_density(nothing, nothing, nothing, 0.7).shape == (0,)
