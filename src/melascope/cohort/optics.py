"""Colour of skin from what is in it: melanin of the epidermis and of the dermis, blood, and its oxygen.

Five layers: horny layer, epidermis with melanin, a clear part of the dermis, a part that can hold melanin, and the rest
of the dermis. The same melanin is brown in the epidermis and blue-grey below 0.15 mm of dermis, which throws blue light
back before it gets there: a matter of depth, nothing is painted blue. Mirror reflection at the surface is left out; the
renderer adds it. docs/skin-optics.md has the constants, their sources, the checks and the limits.

`reflectance` and `skin_colour_exact` compute the layers; `skin_colour` reads a table of optical density that is made of
them at first use (about a second).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from melascope.cohort.layers import diffuse_reflectance, layer, on_top
from melascope.cohort.spectra import (
    WAVELENGTHS_NM,
    baseline_per_mm,
    blood_per_mm,
    colour_weights,
    daylight,
    melanin_per_mm,
    reduced_scattering_per_mm,
)
from melascope.cohort.table import Axis, Table, tabulate
from melascope.photo.light import to_lab

__all__ = [
    "BLOOD_RANGE",
    "D65",
    "DERMAL_RANGE",
    "LAYERS_MM",
    "MELANIN_RANGE",
    "OXYGEN_RANGE",
    "balance_error",
    "dermal_for_density",
    "epidermal_for_density",
    "ita_deg",
    "melanin_for_ita",
    "reflectance",
    "skin_colour",
    "skin_colour_exact",
]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

MELANIN_RANGE: Final = (0.003, 0.6)
"""Volume fraction of melanosomes in a 0.06 mm epidermis. Real ones end near 0.45; the rest is room for lesions."""
DERMAL_RANGE: Final = (0.0, 0.1)
"""Volume fraction of melanosomes in the pigmented part of the dermis."""
BLOOD_RANGE: Final = (0.002, 0.12)
"""Volume fraction of blood in the dermis: usually 0.006 to 0.014, cheeks and nose to 0.025, lips and redness more."""
OXYGEN_RANGE: Final = (0.3, 0.98)
"""Share of haemoglobin that carries oxygen; 0.6 to 0.75 is usual."""

LAYERS_MM: Final = {"horny": 0.02, "epidermis": 0.06, "clear": 0.15, "pigmented": 0.5, "deep": 20.0}
"""Thickness of the layers from the surface down; the last counts as endless."""
D65: Final = daylight(6504.0)

_AXES: Final = (
    Axis(*MELANIN_RANGE, soft=0.02, nodes=12, steps=65),
    Axis(*DERMAL_RANGE, soft=0.002, nodes=8, steps=33),
    Axis(*BLOOD_RANGE, soft=0.004, nodes=8, steps=33),
    Axis(*OXYGEN_RANGE, soft=1.0, nodes=4, steps=9),
)

_RANGES: Final = {"melanin": MELANIN_RANGE, "dermal": DERMAL_RANGE, "blood": BLOOD_RANGE, "oxygen": OXYGEN_RANGE}


def reflectance(
    melanin: ArrayLike,
    dermal: ArrayLike,
    blood: ArrayLike,
    oxygen: ArrayLike,
    wavelength_nm: ArrayLike = WAVELENGTHS_NM,
) -> Float64:
    """Spectral diffuse reflectance, 0 to 1, without mirror reflection.

    States broadcast; give a grid of states as an open one (`numpy.ix_`), and each layer is computed as few times as it
    can be.

    Args:
        melanin: Within MELANIN_RANGE.
        dermal: Within DERMAL_RANGE.
        blood: Within BLOOD_RANGE.
        oxygen: Within OXYGEN_RANGE.
        wavelength_nm: 400 to 700; its axes come after those of the states.

    Raises:
        ValueError: A value is out of its range.

    Example:
        >>> reflectance(0.03, 0.0, 0.007, 0.7, [450.0, 550.0, 650.0]).round(2).tolist()
        [0.22, 0.3, 0.48]
    """
    wavelength = np.asarray(wavelength_nm, np.float64)
    axes = (...,) + (None,) * wavelength.ndim
    states = {"melanin": melanin, "dermal": dermal, "blood": blood, "oxygen": oxygen}
    m, d, b, o = (_checked(name, value)[axes] for name, value in states.items())
    base, pigment = baseline_per_mm(wavelength), melanin_per_mm(wavelength)
    epidermal = reduced_scattering_per_mm(wavelength, dermis=False)
    scattering = reduced_scattering_per_mm(wavelength, dermis=True)
    bloody = (1 - b) * base + b * blood_per_mm(o, wavelength)
    deep = layer(bloody, *scattering, LAYERS_MM["deep"]).reflection
    pigmented = on_top(layer(bloody + d * pigment, *scattering, LAYERS_MM["pigmented"]), deep)
    dermis = on_top(layer(bloody, *scattering, LAYERS_MM["clear"]), pigmented)
    epidermis = on_top(layer((1 - m) * base + m * pigment, *epidermal, LAYERS_MM["epidermis"]), dermis)
    return diffuse_reflectance(layer(base, *epidermal, LAYERS_MM["horny"]), epidermis)


def skin_colour_exact(
    melanin: ArrayLike, dermal: ArrayLike, blood: ArrayLike, oxygen: ArrayLike, illuminant: ArrayLike = D65
) -> Float64:
    """Linear sRGB (..., 3) of skin after a grey-card balance, from its spectrum; refuses what is out of range.

    Example:
        >>> skin_colour_exact(0.03, 0.0, 0.007, 0.7).round(2).tolist()
        [0.45, 0.3, 0.21]
    """
    spectrum = reflectance(melanin, dermal, blood, oxygen, WAVELENGTHS_NM)
    return np.asarray(spectrum @ colour_weights(illuminant))


@cache
def colour_table() -> Table:
    """Optical density, -log10 of linear sRGB under D65, over melanin, dermal melanin, blood and oxygen."""
    return tabulate(lambda *state: -np.log10(skin_colour_exact(*state)), _AXES)


def skin_colour(melanin: ArrayLike, dermal: ArrayLike, blood: ArrayLike, oxygen: ArrayLike) -> Float32:
    """Linear sRGB (..., 3) float32 of skin under D65, from the table; values out of range are held at its limits.

    Quantities broadcast; those that are single numbers make it faster.

    Example:
        >>> skin_colour(np.array([0.01, 0.3]), 0.0, 0.007, 0.7).shape
        (2, 3)
    """
    density = colour_table().read(melanin, dermal, blood, oxygen)
    density *= np.float32(-np.log(10))
    return np.exp(density, out=density)


def melanin_for_ita(wished_deg: float, blood: float, oxygen: float) -> float:
    """Melanin of skin without dermal melanin whose `skin_colour` has the wished individual typology angle.

    Args:
        wished_deg: -60 to 60 is within reach up to 0.04 of blood; skin with more of it cannot be that light.
        blood: Within BLOOD_RANGE.
        oxygen: Within OXYGEN_RANGE.

    Raises:
        ValueError: No melanin within MELANIN_RANGE gives that angle.

    Example:
        >>> round(melanin_for_ita(45.0, 0.007, 0.7), 3)
        0.026
    """
    melanin = np.geomspace(*MELANIN_RANGE, 4000)
    angles = ita_deg(skin_colour(melanin, 0.0, blood, oxygen))
    if not angles[-1] <= wished_deg <= angles[0]:
        raise ValueError(
            f"ITA {wished_deg:g}: skin with {blood:g} of blood reaches {angles[-1]:.0f} to {angles[0]:.0f} degrees; "
            "ask for an angle within, or for less blood"
        )
    return float(np.interp(-wished_deg, -angles, melanin))


def epidermal_for_density(
    density: ArrayLike, melanin: ArrayLike, blood: ArrayLike, oxygen: ArrayLike, *, dermal: ArrayLike = 0.0
) -> Float32:
    """Epidermal melanin to add so that red darkens by a wished optical density: -log10(red with / red without).

    What the range of melanin does not allow is not given: the sum stops at its upper end. At ITA 40 that is a density
    of 1.0, at ITA -50 one of 0.49, at ITA -60 one of 0.40.

    Args:
        density: Decadic, in linear red, 0 or more; 0.03 is slight, 0.08 mild, 0.14 marked, 0.22 the most.
        melanin: What is there already, as are the others; all broadcast.
        blood: See above.
        oxygen: See above.
        dermal: See above.

    Returns:
        Melanin to add, float32, 0 where the density is 0.
    """
    return _addition(0, density, (melanin, dermal, blood, oxygen))


def dermal_for_density(
    density: ArrayLike, melanin: ArrayLike, blood: ArrayLike, oxygen: ArrayLike, *, dermal: ArrayLike = 0.0
) -> Float32:
    """Dermal melanin to add so that red darkens by a wished optical density; as `epidermal_for_density`.

    Light that never reaches the pigment sets a ceiling, at which the sum stops: a density of 0.38 at ITA 40, of 0.35 at
    ITA 10, of 0.29 at ITA -50 and of 0.27 at ITA -60.
    """
    return _addition(1, density, (melanin, dermal, blood, oxygen))


def balance_error(illuminant: ArrayLike) -> float:
    """Mean CIELAB difference between skin under a lamp after a grey-card balance, and under D65.

    It is what is lost where lamps are treated as three gains on colours for D65. Tones are ITA 60, 30, 0, -30 and -60.

    Example:
        >>> balance_error(D65)
        0.0
    """
    melanin = np.array([melanin_for_ita(tone, 0.007, 0.7) for tone in (60, 30, 0, -30, -60)])
    spectrum = reflectance(melanin, 0.0, 0.007, 0.7)
    pair = [to_lab(spectrum @ colour_weights(lamp)) for lamp in (np.asarray(illuminant), D65)]
    return float(np.linalg.norm(pair[0] - pair[1], axis=-1).mean())


def ita_deg(linear_rgb: ArrayLike) -> Float64:
    """Individual typology angle atan2(L* - 50, b*) in degrees of linear sRGB (..., 3).

    Example:
        >>> ita_deg([0.4, 0.3, 0.2]).round(0).tolist()
        38.0
    """
    lab = to_lab(np.asarray(linear_rgb, np.float64))
    return np.asarray(np.degrees(np.arctan2(lab[..., 0] - 50.0, lab[..., 2])))


def _addition(axis: int, density: ArrayLike, state: tuple[ArrayLike, ...]) -> Float32:
    """How much of one quantity to add for a density in red: bisection on the table, where red is monotone."""
    wished = np.asarray(density, np.float32)
    if wished.size and not wished.min() >= 0:
        raise ValueError(f"density down to {wished.min():g}: must be 0 or more; pigment only darkens")
    shape = np.broadcast_shapes(wished.shape, *(np.shape(part) for part in state))
    where = np.broadcast_to(wished, shape) > 0
    added = np.zeros(shape, np.float32)
    if not where.any():
        return added
    table = colour_table()
    arrays = [np.asarray(part, np.float32) for part in state]
    inside = [array if array.size == 1 else np.broadcast_to(array, shape)[where] for array in arrays]
    places = table.places(*inside)
    goal = Table(table.axes, table.values[:1]).read_at(*places)[..., 0] + np.broadcast_to(wished, shape)[where]
    reached = table.solve(axis, goal, *places[:axis], *places[axis + 1 :])
    added[where] = np.maximum(table.axes[axis].value(reached) - inside[axis], 0)
    return added


def _checked(name: str, value: ArrayLike) -> Float64:
    array = np.asarray(value, np.float64)
    low, high = _RANGES[name]
    if array.size and not (array.min() >= low and array.max() <= high):
        raise ValueError(
            f"{name} from {array.min():g} to {array.max():g}: must lie within {low:g} to {high:g}; clip it"
        )
    return array
