"""Spectra against figures that are known elsewhere, and against slow forms of their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from melascope.cohort import spectra

NM = spectra.WAVELENGTHS_NM


def chromaticity(power: np.ndarray) -> tuple[float, float]:
    x, y, z = power @ spectra.observer(NM)
    return x / (x + y + z), y / (x + y + z)


def test_melanin_falls_and_pheomelanin_falls_faster() -> None:
    for spectrum in (spectra.eumelanin_per_mm(NM), spectra.pheomelanin_per_mm(NM), spectra.melanin_per_mm(NM)):
        assert (np.diff(spectrum) < 0).all()
    assert np.diff(spectra.pheomelanin_per_mm(NM) / spectra.eumelanin_per_mm(NM)).max() < 0
    assert math.isclose(spectra.melanin_per_mm(560.0), 0.74 * 6.6e10 / 560**3.33 + 0.26 * 2.9e14 / 560**4.75)


def test_haemoglobin_has_its_bands_and_isosbestic_points() -> None:
    oxy, deoxy = spectra.oxyhaemoglobin(NM), spectra.deoxyhaemoglobin(NM)
    assert NM[oxy.argmax()] == 420 and NM[deoxy.argmax()] == 430
    green = (NM >= 500) & (NM <= 600)
    peaks = [
        nm for nm, a, b, c in zip(NM[1:], oxy, oxy[1:], oxy[2:], strict=False) if b > a and b > c and 500 < nm < 600
    ]
    assert peaks == [540, 580]
    assert NM[green][deoxy[green].argmax()] == 560
    # 500, 530, 545, 570 and 584 nm: the spectra cross close to there.
    crossings = NM[:-1][np.diff(np.sign(oxy - deoxy)) != 0]
    for known in (500, 530, 545, 570, 584):
        assert np.abs(crossings + 5 - known).min() <= 6
    assert spectra.deoxyhaemoglobin(660.0) > 9 * spectra.oxyhaemoglobin(660.0)


def test_blood_is_the_literal_sum_flattened() -> None:
    for nm, oxygen in ((420.0, 0.9), (540.0, 0.7), (650.0, 0.5)):
        extinction = oxygen * spectra.oxyhaemoglobin(nm) + (1 - oxygen) * spectra.deoxyhaemoglobin(nm)
        per_cm = 2.302585 * extinction * 150 / 64500
        through = per_cm * 0.001
        expected = per_cm / 10 * (1 - math.exp(-through)) / through
        assert math.isclose(float(spectra.blood_per_mm(oxygen, nm)), expected, rel_tol=1e-5)
    unflattened = 2.302585 * 480360 * 150 / 64500 / 10
    assert 0.2 < float(spectra.blood_per_mm(1.0, 420.0)) / unflattened < 0.5


def test_scattering_has_its_size_at_500_nm_and_falls() -> None:
    for dermis, size in ((True, 5.8), (False, 6.67)):
        small, large = spectra.reduced_scattering_per_mm(NM, dermis=dermis)
        assert math.isclose((small + large)[10], size)
        assert (np.diff(small) < 0).all() and (np.diff(large) < 0).all()
        assert math.isclose(small[0] / small[10], (500 / 400) ** 4)


@pytest.mark.parametrize(
    ("power", "x", "y"),
    [
        (spectra.daylight(6504), 0.3127, 0.3290),
        (spectra.daylight(5003), 0.3457, 0.3585),
        (spectra.daylight(7504), 0.2990, 0.3149),
        (spectra.planck(spectra.LIGHT_A_K), 0.4476, 0.4074),
    ],
)
def test_lamps_have_their_chromaticity(power: np.ndarray, x: float, y: float) -> None:
    """CIE 15; within what the observer's fit, 10 nm steps and the ends at 400 and 700 nm cost."""
    assert chromaticity(power) == pytest.approx((x, y), abs=0.004)


@pytest.mark.parametrize("kelvin", [2700, 4000, 6500])
def test_a_led_is_as_warm_as_it_says_with_a_blue_peak(kelvin: float) -> None:
    power = spectra.led(kelvin)
    assert (power >= 0).all()
    assert chromaticity(power) == pytest.approx(chromaticity(spectra.planck(kelvin)), abs=1e-9)
    assert power[NM == 450] > power[NM == 430] and power[NM == 450] > 1.5 * power[NM == 480]


def test_observer_has_the_areas_of_the_standard() -> None:
    """The three functions have equal areas, and y peaks with 1 at 555 nm."""
    fine = np.arange(360.0, 831.0)
    area = spectra.observer(fine).sum(axis=0)
    assert area == pytest.approx(np.full(3, 106.9), rel=0.01)
    assert abs(fine[spectra.observer(fine)[:, 1].argmax()] - 555) <= 5


def test_greys_are_grey_under_every_lamp_and_red_is_red() -> None:
    for lamp in (spectra.daylight(6504), spectra.planck(2856), spectra.led(4000)):
        assert spectra.colour_under(np.full(31, 0.18), lamp) == pytest.approx(np.full(3, 0.18))
        red = spectra.colour_under(np.where(NM > 600, 0.8, 0.1), lamp)
        assert red[0] > 2 * red[1] and red[0] > 2 * red[2]


def test_what_lies_outside_is_refused() -> None:
    with pytest.raises(ValueError, match="400 to 700"):
        spectra.oxyhaemoglobin(710.0)
    with pytest.raises(ValueError, match="take planck"):
        spectra.daylight(3000)
    with pytest.raises(ValueError, match="1000 to 25000"):
        spectra.planck(10)
    with pytest.raises(ValueError, match="2700 to 6500"):
        spectra.led(9000)
    with pytest.raises(ValueError, match="31 powers"):
        spectra.colour_weights([1.0, 2.0])
