"""Names of patches: what is told of them, and what probabilities become."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from melascope import networks
from melascope.lesions import naming
from melascope.lesions.naming import FACTS, Naming, describe, name
from melascope.lesions.outline import FACE_MM, outline_lesions
from melascope.lesions.pigment import map_pigment
from melascope.networks import NetworkError
from melascope.vocabulary import Lesion
from tests.lesions.test_lesions import SIDE, disc, drawn

MEL, HORI = Lesion.MELASMA, Lesion.HORI_NEVUS


@pytest.mark.parametrize(
    ("chances", "kind", "kinds", "other"),
    [
        ((0.02, 0.01, 0.95, 0.01, 0.0, 0.01), MEL, "mel", 0.0),
        ((0.0, 0.0, 0.62, 0.0, 0.0, 0.38), MEL, "mel hori", 0.0),
        ((0.02, 0.02, 0.40, 0.02, 0.0, 0.54), None, "hori mel", 0.0),
        ((0.0, 0.0, 0.3, 0.0, 0.0, 0.0), None, "mel", 0.7),
        ((0.0, 0.0, 0.05, 0.0, 0.0, 0.0), None, "", 0.95),
        ((0.0, 0.0, 0.65, 0.0, 0.0, 0.05), MEL, "mel", 0.3),
    ],
)
def test_a_name_a_set_of_names_or_none(chances: tuple[float, ...], kind: object, kinds: str, other: float) -> None:
    found = Naming(chances)
    assert found.kind == kind
    assert " ".join(each.value for each, _ in found.kinds) == kinds
    assert found.other == pytest.approx(other, abs=1e-9)


def test_what_is_told_of_a_patch_is_what_was_measured() -> None:
    regions = drawn(np.maximum(disc(120, 280, 30), disc(340, 120, 15)), 0.12)
    seen = regions.kinds * 0 + 0.05
    seen[5, : SIDE // 8] = 0.7  # Hori's nevus in the upper half
    regions = replace(regions, kinds=seen.astype(np.float32))
    pigment = map_pigment(regions)
    cheek, forehead = patches = outline_lesions(regions, pigment)
    table = describe(patches, regions, pigment)
    told = [dict(zip(FACTS, row, strict=True)) for row in table.tolist()]
    assert table.shape == (2, len(FACTS))
    assert told[0]["seen_hori"] == pytest.approx(math.log(0.05 / 0.95), abs=1e-3)
    assert told[1]["seen_hori"] == pytest.approx(math.log(0.7 / 0.3), abs=1e-3)
    mixed = (0.05 * cheek.area + 0.7 * forehead.area) / (cheek.area + forehead.area)
    assert told[0]["photo_hori"] == told[1]["photo_hori"] == pytest.approx(math.log(mixed / (1 - mixed)), abs=1e-3)
    assert told[0]["log_diameter_mm"] == pytest.approx(
        math.log(math.sqrt(4 / math.pi * cheek.area) * FACE_MM / pigment.face_px), abs=1e-3
    )
    assert [one["in_malar"] for one in told] == [1, 0]
    assert [one["in_forehead"] for one in told] == [0, 1]
    assert told[0]["one_sided"] == 1  # one cheek has a patch, the other none
    assert told[0]["share_of_patches"] + told[1]["share_of_patches"] == pytest.approx(1)
    assert told[0]["log_patches"] == pytest.approx(math.log(3))
    assert told[0]["contrast"] == pytest.approx(cheek.contrast)
    assert told[0]["close_up"] == 0
    assert describe([], regions, pigment).shape == (0, len(FACTS))


class Said:
    """A network that says the same of every patch."""

    def __init__(self, skin: str) -> None:
        self.card, self.sha256 = {"skin_network": skin}, "installed"

    def __call__(self, facts: np.ndarray) -> np.ndarray:
        return np.tile(np.float32([0, 0, 0.2, 0, 0, 0.7, 0.1]), (len(facts), 1))


def test_a_photo_is_named_patch_by_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    naming.check_pair.cache_clear()
    monkeypatch.setattr(networks, "load", lambda _: Said("installed"))
    regions = drawn(disc(120, 280, 30), 0.12)
    pigment = map_pigment(regions)
    (found,) = name(outline_lesions(regions, pigment), regions, pigment)
    assert found.kind is HORI
    assert found.other == pytest.approx(0.1, abs=1e-6)
    assert name([], regions, pigment) == []
    naming.check_pair.cache_clear()


def test_a_network_that_learnt_from_another_skin_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    naming.check_pair.cache_clear()
    monkeypatch.setattr(networks, "load", lambda _: Said("of another"))
    regions = drawn(disc(120, 280, 30), 0.12)
    pigment = map_pigment(regions)
    with pytest.raises(NetworkError, match="it learnt from the skin network of another"):
        name(outline_lesions(regions, pigment), regions, pigment)
    naming.check_pair.cache_clear()


def test_the_network_that_ships_is_the_one_of_its_card() -> None:
    folder = Path(networks.__file__).parent
    told = json.loads((folder / f"{naming.NETWORK}.json").read_text(encoding="utf-8"))
    assert networks.load(naming.NETWORK).sha256 == told["sha256"]
    assert told["facts"] == list(FACTS)
    assert told["skin_network"] == networks.load("skin").sha256
    assert told["licence"]
    assert told["limits"]
    said = networks.load(naming.NETWORK)(np.zeros((3, len(FACTS)), np.float32))
    assert said.shape == (3, 7)
    assert said.sum(axis=1) == pytest.approx(1, abs=1e-5)
