"""A cast before the camera: everything of it that does not depend on a patient's skin, built once and photographed."""

from __future__ import annotations

import functools
from dataclasses import replace

from melascope.cohort.buffers import Buffers
from melascope.cohort.eyes import build_eyes
from melascope.cohort.head import build_head
from melascope.cohort.patient import Cast
from melascope.cohort.shot import Shot
from melascope.cohort.sitter import Sitter
from melascope.cohort.strands import grow_beard, grow_brows, grow_lashes
from melascope.cohort.studio import render
from melascope.cohort.worn import build_worn, grow_hair_under

__all__ = ["photograph_cast", "sitter"]


@functools.lru_cache(maxsize=1)
def sitter(cast: Cast) -> Sitter:
    """Head, eyes, hair and clothes of a cast."""
    head = build_head(cast.head)
    return Sitter(
        head=head,
        eyes=build_eyes(head, cast.eyes),
        worn=build_worn(head, cast.worn),
        hair=grow_hair_under(head, cast.hair, cast.worn),
        brows=grow_brows(head, cast.hair),
        lashes=grow_lashes(head, cast.hair),
        beard=grow_beard(head, cast.hair),
    )


def photograph_cast(cast: Cast, shot: Shot) -> Buffers:
    """The scene of a shot, without skin. Spectacles are taken off for the clinic's camera."""
    person = sitter(cast)
    if shot.device == "dslr":
        person = replace(person, worn=[solid for solid in person.worn if not solid.name.startswith("glasses")])
    return render(person, shot)
