"""A severity network of the shipped kind, small enough to be computed by hand: it reads how brown a face is.

Its features are the mean colours of GRID × GRID cells; what follows is one linear layer, as in networks that end in one
global mean, so that its maps and their sum are what those of a trained network are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from melascope import networks
from tests.networks.onnx_file import Node, onnx_file

SIDE, GRID = 48, 4
WEIGHT = np.array([[0.010, 0.004, 0.002], [0.004, -0.002, -0.002], [-0.016, -0.004, 0.002], [-0.02, -0.01, 0.0]])
"""(4, 3) of class scores and the MASI's output, by red, green, blue from 0 to 255."""
BIAS = np.array([-2.0, 0.4, 3.1, 3.6])
VIEWS: tuple[dict[str, Any], ...] = ({}, {"mirrored": True}, {"zoom": 0.94}, {"right": 0.03, "down": 0.02})
CARD: dict[str, Any] = {
    "name": "severity",
    "frame": {"what": "face", "margin": 0.1, "side": SIDE},
    "views": list(VIEWS),
    "temperature": 1.0,
    "masi_of_classes": None,
    "bias": BIAS.tolist(),
    "interval": {
        "level": 0.9,
        "knots": [{"at": 4.0, "below": 2.0, "above": 3.0}, {"at": 30.0, "below": 6.0, "above": 5.0}],
    },
    "knows": {"most_yaw_deg": 25.0, "most_roll_deg": 30.0},
    "data": {"virtual": True},
    "limits": ["Drawn for tests."],
}


def severity_onnx(*, masi: bool = True, maps: bool = True) -> bytes:
    """The network, with the outputs that are asked for."""
    cell = SIDE // GRID
    nodes = [
        Node("AveragePool", ("pixels",), "features", {"kernel_shape": (cell, cell), "strides": (cell, cell)}),
        Node("Conv", ("features", "weight"), "maps"),
        Node("ReduceSum", ("maps", "axes"), "sums", {"keepdims": 0}),
        Node("Add", ("sums", "bias"), "scores"),
        Node("Slice", ("scores", "zero", "three", "one"), "classes"),
        Node("Softmax", ("classes",), "probabilities", {"axis": 1}),
        Node("Gather", ("scores", "fourth"), "r", {"axis": 1}),
        Node("Mul", ("r", "unit"), "grown"),
        Node("Add", ("grown", "middle"), "free"),
        Node("Clip", ("free", "low", "high"), "masi"),
    ]
    constants: dict[str, NDArray[np.generic]] = {
        "weight": (WEIGHT / GRID**2).reshape(4, 3, 1, 1),
        "bias": BIAS,
        "axes": np.array([2, 3]),
        "zero": np.array([0]),
        "three": np.array([3]),
        "one": np.array([1]),
        "fourth": np.array(3),
        "unit": np.array(8.0),
        "middle": np.array(16.0),
        "low": np.array(0.0),
        "high": np.array(48.0),
    }
    outputs: dict[str, tuple[int | str, ...]] = {"probabilities": ("photos", 3)}
    if masi:
        outputs["masi"] = ("photos",)
    if maps:
        outputs["maps"] = ("photos", 4, GRID, GRID)
    return onnx_file(nodes, constants, {"pixels": ("photos", 3, SIDE, SIDE)}, outputs)


def by_hand(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores (n, 4) and maps (n, 4, GRID, GRID) of pictures (n, SIDE, SIDE, 3)."""
    cell = SIDE // GRID
    cells = pictures.astype(np.float64).reshape(-1, GRID, cell, GRID, cell, 3).mean(axis=(2, 4))
    maps = np.einsum("kc,nijc->nkij", WEIGHT / GRID**2, cells)
    return maps.sum(axis=(2, 3)) + BIAS, maps


def put(folder: Path, model: bytes | None = None, **card: Any) -> Path:
    """An installation's networks with this severity network among them."""
    content = severity_onnx() if model is None else model
    (folder / "severity.onnx").write_bytes(content)
    written = CARD | card | {"sha256": hashlib.sha256(content).hexdigest()}
    (folder / "severity.json").write_text(json.dumps(written), encoding="utf-8")
    return folder


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that stands for `melascope/networks`, with the networks that measure in it."""
    shipped = Path(str(files("melascope.networks")))
    folder = tmp_path / "networks"
    folder.mkdir()
    for name in (f"{network}.{end}" for network in ("skin", "regional", "naming") for end in ("onnx", "json")):
        (folder / name).write_bytes((shipped / name).read_bytes())
    monkeypatch.setattr(networks, "files", lambda _package: folder)
    networks.load.cache_clear()
    yield folder
    networks.load.cache_clear()
