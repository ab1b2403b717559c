"""The severity network, where one ships: file and card fit, and the card says what a user must know."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from melascope.networks import load, ships
from melascope.reading import NETWORK

SHIPPED = Path(str(files("melascope.networks")))
MOST_BYTES = 8_000_000


def test_a_network_ships_whole_or_not_at_all() -> None:
    there = [(SHIPPED / f"{NETWORK}.{suffix}").is_file() for suffix in ("onnx", "json")]
    assert ships(NETWORK) == any(there) == all(there)
    assert ships("skin") and not ships("hair")


@pytest.mark.skipif(not ships(NETWORK), reason="no severity network ships yet: `melascope severity ship RUN`")
class TestShipped:
    def test_the_file_is_small_and_that_of_the_card(self) -> None:
        card = json.loads((SHIPPED / f"{NETWORK}.json").read_text(encoding="utf-8"))
        content = (SHIPPED / f"{NETWORK}.onnx").read_bytes()
        assert len(content) <= MOST_BYTES
        assert card["sha256"] == hashlib.sha256(content).hexdigest()

    def test_the_card_says_all_that_a_user_must_know(self) -> None:
        card = json.loads((SHIPPED / f"{NETWORK}.json").read_text(encoding="utf-8"))
        for field in ("what", "licence", "data", "recipe", "limits", "figures", "interval", "knows", "views", "frame"):
            assert card[field], field
        assert date.fromisoformat(card["date"])
        assert any("No patient with melasma was seen" in limit for limit in card["limits"])
        groups = card["figures"]["test by group"]
        assert {"tone band", "device", "view", "class"} <= set(groups)
        assert card["figures"]["test"]["inside_the_interval"] >= 0.8
        assert max(knot["below"] for knot in card["interval"]["knots"]) < 48

    def test_outputs_are_those_of_the_card(self) -> None:
        network = load(NETWORK)
        side = network.card["frame"]["side"]
        found = network.outputs(np.full((2, 3, side, side), 120, np.float32))
        assert list(found) == network.card["output"]
        assert np.allclose(found["probabilities"].sum(axis=1), 1, atol=1e-4)
        if "maps" in found:
            scores = found["maps"].sum(axis=(2, 3)) + np.array(network.card["bias"])
            raised = np.exp(scores[:, :3])
            assert np.allclose(found["probabilities"], raised / raised.sum(axis=1, keepdims=True), atol=1e-3)
