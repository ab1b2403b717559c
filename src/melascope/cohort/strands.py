"""Hair as strands: scalp hair, brows, lashes and beard, grown on a head from their parameters.

For the renderer: Mitsuba's ``linearcurve`` shapes are a third faster than ``bsplinecurve`` ones and look the same at
these lengths of segment. Material: ``roughplastic``, alpha 0.35, int_ior 1.5, diffuse_reflectance 0.2 and a
specular_reflectance of 2: hair is rendered at a reflectance of 0.2 and multiplied by its colour / 0.2 afterwards, which
also dims the highlight, so that it must be stronger than glass's to be right on dark hair; much stronger, and fair hair
sparkles. Brows and beard take `brow_colour` of the hair's colour, lashes at most 0.02.
"""

from __future__ import annotations

import numpy as np

from melascope.cohort.comb import Strands, joined
from melascope.cohort.fringe import Face, bearded, browed, lashed
from melascope.cohort.hair import BEARDS, STYLES, HairParameters, brow_colour, hair_colour, sample_hair
from melascope.cohort.shell import Bust
from melascope.cohort.styles import styled

__all__ = [
    "BEARDS",
    "STYLES",
    "HairParameters",
    "Strands",
    "brow_colour",
    "grow_beard",
    "grow_brows",
    "grow_hair",
    "grow_lashes",
    "hair_colour",
    "sample_hair",
]


def grow_hair(head: Bust, parameters: HairParameters) -> Strands:
    """Scalp hair: 9 to 46 thousand strands of 4 to 20 points.

    Args:
        head: Only its base mesh is used.
        parameters: Style, length and so on.
    """
    strands = joined(styled(head, parameters))
    rng = np.random.default_rng((parameters.seed, 3))
    # White strands among coloured ones keep their mean at 1.
    shade = np.exp(rng.normal(0, 0.22, len(strands)))
    shade = np.where(rng.random(len(strands)) < parameters.grey, 2.2, 1.0) * shade
    return Strands(strands.points, strands.radius, (shade / shade.mean()).astype(np.float32))


def grow_brows(head: Face, parameters: HairParameters) -> Strands:
    """Both brows, 500 to 1200 hairs."""
    return browed(head, parameters)


def grow_lashes(head: Face, parameters: HairParameters) -> Strands:
    """Lashes of all four lids, about 350 hairs."""
    return lashed(head, parameters)


def grow_beard(head: Face, parameters: HairParameters) -> Strands | None:
    """Stubble or a short beard on the face; None for those without."""
    return bearded(head, parameters)
