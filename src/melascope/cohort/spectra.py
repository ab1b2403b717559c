"""Spectra of skin, lamps and the observer: what absorbs, what scatters, what shines and how colour comes of it.

Absorption and scattering are per millimetre of tissue, wavelengths in nanometres, 400 to 700. Sources stand with each
constant; docs/skin-optics.md puts them together.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LIGHT_A_K",
    "WAVELENGTHS_NM",
    "baseline_per_mm",
    "blood_per_mm",
    "colour_under",
    "colour_weights",
    "daylight",
    "deoxyhaemoglobin",
    "eumelanin_per_mm",
    "led",
    "melanin_per_mm",
    "observer",
    "oxyhaemoglobin",
    "pheomelanin_per_mm",
    "planck",
    "reduced_scattering_per_mm",
]

Float64 = NDArray[np.float64]

EUMELANIN_SHARE: Final = 0.74
"""Eumelanin in epidermal melanin, the rest being pheomelanin: the same in skins of all tones (Del Bino et al. 2015)."""
HAEMOGLOBIN_G_PER_L: Final = 150.0
HAEMOGLOBIN_G_PER_MOL: Final = 64500.0
VESSEL_MM: Final = 0.01
"""Mean diameter of a dermal vessel, of which most are capillaries; it flattens the absorption of blood."""
LIGHT_A_K: Final = 2856.0
"""Temperature of CIE illuminant A."""

# Wavelength in nm; molar extinction of oxygenated and deoxygenated haemoglobin in 1/(cm mol/l) (Prahl 1999, after
# Gratzer and Kollias); mean and first two characteristic vectors of daylight (CIE 15).
_TABLE: Final = np.array(
    [
        (400, 266232, 223296, 94.8, 43.4, -1.1),
        (410, 466840, 303956, 104.8, 46.3, -0.5),
        (420, 480360, 407560, 105.9, 43.9, -0.7),
        (430, 246072, 528600, 96.8, 37.1, -1.2),
        (440, 102580, 413280, 113.9, 36.7, -2.6),
        (450, 62816, 103292, 125.6, 35.9, -2.9),
        (460, 44480, 23389, 125.5, 32.6, -2.8),
        (470, 33209, 16156, 121.3, 27.9, -2.6),
        (480, 26629, 14550, 121.3, 24.3, -2.6),
        (490, 23684, 16684, 113.5, 20.1, -1.8),
        (500, 20933, 20862, 113.1, 16.2, -1.5),
        (510, 20035, 25774, 110.8, 13.2, -1.3),
        (520, 24202, 31590, 106.5, 8.6, -1.2),
        (530, 39957, 39036, 108.8, 6.1, -1.0),
        (540, 53236, 46592, 105.3, 4.2, -0.5),
        (550, 43016, 53412, 104.4, 1.9, -0.3),
        (560, 32613, 53788, 100.0, 0.0, 0.0),
        (570, 44496, 45072, 96.0, -1.6, 0.2),
        (580, 50104, 37020, 95.1, -3.5, 0.5),
        (590, 14401, 28324, 89.1, -3.5, 2.1),
        (600, 3200, 14677, 90.5, -5.8, 3.2),
        (610, 1506, 9444, 90.3, -7.2, 4.1),
        (620, 942, 6510, 88.4, -8.6, 4.7),
        (630, 610, 5149, 84.0, -9.5, 5.1),
        (640, 442, 4345, 85.1, -10.9, 6.7),
        (650, 368, 3750, 81.9, -10.7, 7.3),
        (660, 319.6, 3227, 82.6, -12.0, 8.6),
        (670, 294, 2795, 84.9, -14.0, 9.8),
        (680, 277.6, 2408, 81.3, -13.6, 10.2),
        (690, 276, 2052, 71.9, -12.0, 8.3),
        (700, 290, 1794, 74.3, -13.3, 9.6),
    ]
).T
WAVELENGTHS_NM: Final = _TABLE[0]
"""400 to 700 in steps of 10: the 31 wavelengths of every sum over the spectrum."""
_OXY, _DEOXY = _TABLE[1:3]
_DAYLIGHT: Final = _TABLE[3:]

# Lobes of the CIE 1931 observer: amplitude, centre in nm, inverse widths below and above it (Wyman et al. 2013).
_LOBES: Final = (
    ((0.362, 442.0, 0.0624, 0.0374), (1.056, 599.8, 0.0264, 0.0323), (-0.065, 501.1, 0.0490, 0.0382)),
    ((0.821, 568.8, 0.0213, 0.0247), (0.286, 530.9, 0.0613, 0.0322)),
    ((1.217, 437.0, 0.0845, 0.0278), (0.681, 459.0, 0.0385, 0.0725)),
)
_RGB_TO_XYZ: Final = np.array(
    [[0.4123908, 0.3575843, 0.1804808], [0.2126390, 0.7151687, 0.0721923], [0.0193308, 0.1191948, 0.9505322]]
)
_BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def eumelanin_per_mm(wavelength_nm: ArrayLike) -> Float64:
    """Absorption of the interior of a eumelanin melanosome: 6.6e10 wavelength^-3.33 (Jacques 1998).

    Example:
        >>> round(float(eumelanin_per_mm(500.0)), 1)
        67.9
    """
    return np.asarray(6.6e10 * np.asarray(wavelength_nm, np.float64) ** -3.33)


def pheomelanin_per_mm(wavelength_nm: ArrayLike) -> Float64:
    """Absorption of the interior of a pheomelanin melanosome: 2.9e14 wavelength^-4.75 (Donner and Jensen 2006)."""
    return np.asarray(2.9e14 * np.asarray(wavelength_nm, np.float64) ** -4.75)


def melanin_per_mm(wavelength_nm: ArrayLike) -> Float64:
    """Absorption of human melanosomes: 74 % eumelanin, 26 % pheomelanin."""
    return EUMELANIN_SHARE * eumelanin_per_mm(wavelength_nm) + (1 - EUMELANIN_SHARE) * pheomelanin_per_mm(wavelength_nm)


def oxyhaemoglobin(wavelength_nm: ArrayLike) -> Float64:
    """Molar extinction of oxygenated haemoglobin in 1/(cm mol/l), linear between 10 nm steps (Prahl 1999)."""
    return np.asarray(np.interp(_checked(wavelength_nm), WAVELENGTHS_NM, _OXY))


def deoxyhaemoglobin(wavelength_nm: ArrayLike) -> Float64:
    """Molar extinction of deoxygenated haemoglobin in 1/(cm mol/l), linear between 10 nm steps (Prahl 1999)."""
    return np.asarray(np.interp(_checked(wavelength_nm), WAVELENGTHS_NM, _DEOXY))


def blood_per_mm(oxygen: ArrayLike, wavelength_nm: ArrayLike) -> Float64:
    """Absorption that whole blood in small vessels lends to tissue, per unit of its volume fraction.

    Blood is not spread evenly: where it absorbs strongly, light does not reach the middle of a vessel, and its
    absorption is lowered by (1 - exp(-a d)) / (a d), d the vessel's diameter (van Veen et al. 2002).

    Args:
        oxygen: Share of haemoglobin that carries oxygen, 0 to 1; broadcasts with the wavelengths.
        wavelength_nm: 400 to 700.
    """
    share = np.asarray(oxygen, np.float64)
    extinction = share * oxyhaemoglobin(wavelength_nm) + (1 - share) * deoxyhaemoglobin(wavelength_nm)
    absorption = np.log(10) * extinction * HAEMOGLOBIN_G_PER_L / HAEMOGLOBIN_G_PER_MOL / 10
    depth = absorption * VESSEL_MM
    return np.asarray(absorption * -np.expm1(-depth) / depth)


def baseline_per_mm(wavelength_nm: ArrayLike) -> Float64:
    """Absorption of skin without melanin and blood: 0.0244 + 8.53 exp(-(wavelength - 154) / 66.2) (Jacques 1998)."""
    return np.asarray(0.0244 + 8.53 * np.exp((154.0 - np.asarray(wavelength_nm, np.float64)) / 66.2))


def reduced_scattering_per_mm(wavelength_nm: ArrayLike, *, dermis: bool) -> tuple[Float64, Float64]:
    """Reduced scattering by small and by large structures: a f (w / 500)^-4 and a (1 - f) (w / 500)^-b (Jacques 2013).

    Epidermis: a = 6.67 per mm, f = 0.29, b = 0.689; dermis: f = 0.41, b = 0.562, from the fits to Salomatina et al.
    (2006) in Jacques' table 1. There a of the dermis is 4.36 per mm; 5.8, within the spread of skin in the same table,
    makes light skin as light as it is.

    Example:
        >>> small, large = reduced_scattering_per_mm([500.0], dermis=True)
        >>> (small + large).round(2).tolist()
        [5.8]
    """
    size, share, power = (5.8, 0.41, 0.562) if dermis else (6.67, 0.29, 0.689)
    ratio = np.asarray(wavelength_nm, np.float64) / 500.0
    return np.asarray(size * share * ratio**-4), np.asarray(size * (1 - share) * ratio**-power)


def planck(kelvin: float) -> Float64:
    """Power of a black body at WAVELENGTHS_NM, 100 at 560 nm; `planck(LIGHT_A_K)` is CIE illuminant A."""
    if not 1000 <= kelvin <= 25000:
        raise ValueError(f"kelvin = {kelvin}: a black body here has 1000 to 25000 K")

    def power(nm: Any) -> Any:
        return nm**-5.0 / np.expm1(1.4388e7 / (nm * kelvin))

    return np.asarray(100 * power(WAVELENGTHS_NM) / power(560.0))


def daylight(kelvin: float) -> Float64:
    """Power of CIE daylight at WAVELENGTHS_NM, 100 at 560 nm (CIE 15); D65 is 6504 K.

    Example:
        >>> daylight(6504)[[0, 10, 30]].round(1).tolist()
        [82.8, 109.4, 71.6]
    """
    if not 4000 <= kelvin <= 25000:
        raise ValueError(f"kelvin = {kelvin}: CIE daylight has 4000 to 25000 K; take planck for warmer light")
    t = 1000.0 / kelvin
    if kelvin <= 7000:
        x = ((-4.6070 * t + 2.9678) * t + 0.09911) * t + 0.244063
    else:
        x = ((-2.0064 * t + 1.9018) * t + 0.24748) * t + 0.237040
    y = -3.000 * x * x + 2.870 * x - 0.275
    scale = 0.0241 + 0.2562 * x - 0.7341 * y
    first = (-1.3515 - 1.7703 * x + 5.9114 * y) / scale
    second = (0.0300 - 31.4424 * x + 30.0717 * y) / scale
    return np.asarray(_DAYLIGHT[0] + first * _DAYLIGHT[1] + second * _DAYLIGHT[2])


@cache
def _led_parts() -> Float64:
    """A blue emitter of 450 nm (20 nm wide) and broad phosphors of 535 and 610 nm (100 nm), widths at half height."""
    centre, width = np.array([450.0, 535.0, 610.0])[:, None], np.array([20.0, 100.0, 100.0])[:, None] / 2.3548
    return np.asarray(np.exp(-0.5 * ((WAVELENGTHS_NM - centre) / width) ** 2))


def led(kelvin: float) -> Float64:
    """Power of a white LED at WAVELENGTHS_NM, 100 at 560 nm: a blue emitter and two phosphors, our own generic model.

    Their shares are such that its chromaticity is that of a black body of that temperature (2700 to 6500 K).
    """
    if not 2700 <= kelvin <= 6500:
        raise ValueError(f"kelvin = {kelvin}: white LEDs here have 2700 to 6500 K")
    target = observer(WAVELENGTHS_NM).T @ planck(kelvin)
    shares = np.linalg.solve(observer(WAVELENGTHS_NM).T @ _led_parts().T, target)
    power = shares @ _led_parts()
    return np.asarray(100 * power / power[16])


def observer(wavelength_nm: ArrayLike) -> Float64:
    """CIE 1931 colour matching functions (..., 3), by the piecewise Gaussian fits of Wyman et al. (2013)."""
    nm = np.asarray(wavelength_nm, np.float64)
    columns = []
    for lobes in _LOBES:
        column = np.zeros_like(nm)
        for amplitude, centre, below, above in lobes:
            column = column + amplitude * np.exp(-0.5 * ((nm - centre) * np.where(nm < centre, below, above)) ** 2)
        columns.append(column)
    return np.stack(columns, axis=-1)


def colour_weights(illuminant: ArrayLike) -> Float64:
    """(31, 3): reflectance at WAVELENGTHS_NM @ weights = linear sRGB after a grey-card balance; white is (1, 1, 1).

    The balance is three gains in the sharpened primaries of the Bradford transform (Lam 1985), which are nearer to a
    camera's than those of sRGB.

    Args:
        illuminant: (31,) relative power at WAVELENGTHS_NM, as from `daylight`, `planck` or `led`.
    """
    power = np.asarray(illuminant, np.float64)
    if power.shape != WAVELENGTHS_NM.shape or not (power >= 0).all() or not power.any():
        raise ValueError(f"illuminant of shape {power.shape}: pass 31 powers of 0 or more at WAVELENGTHS_NM, not all 0")
    sensed = (power[:, None] * observer(WAVELENGTHS_NM)) @ _BRADFORD.T
    balanced = sensed / sensed.sum(axis=0) * (_BRADFORD @ _RGB_TO_XYZ.sum(axis=1))
    return np.asarray(balanced @ np.linalg.inv(_BRADFORD @ _RGB_TO_XYZ).T)


def colour_under(reflectance: ArrayLike, illuminant: ArrayLike) -> Float64:
    """Linear sRGB (..., 3) of reflectances (..., 31) under a lamp, after a grey-card balance."""
    return np.asarray(np.asarray(reflectance, np.float64) @ colour_weights(illuminant))


def _checked(wavelength_nm: ArrayLike) -> Float64:
    nm = np.asarray(wavelength_nm, np.float64)
    if nm.size and not (nm.min() >= 400.0 and nm.max() <= 700.0):
        raise ValueError(f"wavelengths from {nm.min()} to {nm.max()} nm: the spectra cover 400 to 700 nm")
    return nm
