"""The page of figures says what the shipped card says, and the shipped network is good enough for every skin tone."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from melascope.lab.skin.evaluate import as_markdown
from melascope.vocabulary import MASI_REGIONS, ToneBand

LEAST = {"whole faces": 0.80, "crops": 0.60}
"""Least mean IoU of the four regions over all photographs."""
WORSE = 0.08
"""Most by which a tone band may lie below all."""


@pytest.fixture
def card() -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(files("melascope.networks").joinpath("skin.json").read_text(encoding="utf-8"))
    return stored


def test_the_page_is_made_of_the_shipped_card(card: dict[str, Any]) -> None:
    page = Path(__file__).parents[2] / "docs" / "figures.md"
    assert page.read_text(encoding="utf-8") == as_markdown(card)


@pytest.mark.parametrize("part", LEAST)
def test_regions_are_found(card: dict[str, Any], part: str) -> None:
    everyone = card["figures"][part]["all"]
    assert everyone["mean"] >= LEAST[part]
    assert everyone["photos"] >= 50
    assert all(0 < everyone[region.key] <= 1 for region in MASI_REGIONS)


@pytest.mark.parametrize("part", LEAST)
def test_no_tone_band_is_left_behind(card: dict[str, Any], part: str) -> None:
    table = card["figures"][part]
    bands = {key: row for key, row in table.items() if key != "all"}
    assert set(bands) <= {band.value for band in ToneBand}
    assert sum(row["photos"] for row in bands.values()) == table["all"]["photos"]
    assert len(bands) >= 5
    behind = {key: row["mean"] for key, row in bands.items() if not row["mean"] >= table["all"]["mean"] - WORSE}
    assert not behind


@pytest.mark.parametrize("part", LEAST)
def test_left_and_right_are_never_swapped(card: dict[str, Any], part: str) -> None:
    assert {key: row["left/right swaps"] for key, row in card["figures"][part].items()} == dict.fromkeys(
        card["figures"][part], 0
    )


def test_the_card_owns_up_to_what_it_has_seen(card: dict[str, Any]) -> None:
    assert "no photograph of a patient" not in json.dumps(card)
    assert "no patient with melasma was seen; close-ups of patients' skin" in card["data"]["pigment"]
    assert (
        f"Trained on {card['recipe']['faces']} faces and {card['recipe']['virtual']} photographs of virtual"
        in card["limits"]
    )
    assert card["data"]["close_ups"].startswith(f"{card['recipe']['skin']} of PAD-UFES-20")
