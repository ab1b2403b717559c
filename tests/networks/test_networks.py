"""Shipped networks: the file is the one of its card, and a broken installation says what to do."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import date
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from melascope import networks
from melascope.networks import FOLDER_VARIABLE, THREADS_VARIABLE, Network, NetworkError, load
from melascope.vocabulary import Lesion, Region

SHIPPED = Path(str(files("melascope.networks")))
MOST_BYTES = 8_000_000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own with a copy of the shipped network."""
    for suffix in ("json", "onnx"):
        (tmp_path / f"skin.{suffix}").write_bytes((SHIPPED / f"skin.{suffix}").read_bytes())
    monkeypatch.setattr(networks, "files", lambda _package: tmp_path)
    return tmp_path


def test_the_copy_loads(folder: Path) -> None:
    assert Network("skin").card["name"] == "skin"


def test_a_damaged_file_is_refused(folder: Path) -> None:
    path = folder / "skin.onnx"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(
        NetworkError, match=r"'skin': the file's SHA-256 is .*its card says .*; install melascope again"
    ):
        Network("skin")


def test_a_cut_off_file_is_refused(folder: Path) -> None:
    (folder / "skin.onnx").write_bytes((folder / "skin.onnx").read_bytes()[:1000])
    with pytest.raises(NetworkError, match="SHA-256"):
        Network("skin")


@pytest.mark.parametrize("name", ["skin.onnx", "skin.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(NetworkError, match=rf"network 'skin': .*{name}.*; install melascope again"):
        Network("skin")


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(NetworkError, match="'hair'"):
        load("hair")


def test_a_folder_of_ones_own_goes_before_the_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    monkeypatch.setenv(FOLDER_VARIABLE, str(own))
    with pytest.raises(NetworkError, match=rf"^{FOLDER_VARIABLE} = '.*own': is no folder; unset it"):
        Network("skin")
    assert networks.folder_to_write() == own and own.is_dir()
    assert Network("skin").sha256 == hashlib.sha256((SHIPPED / "skin.onnx").read_bytes()).hexdigest()
    card = json.loads((SHIPPED / "skin.json").read_text(encoding="utf-8"))
    (own / "skin.onnx").write_bytes((SHIPPED / "skin.onnx").read_bytes())
    # Half a network is not mended with the other half.
    with pytest.raises(
        NetworkError, match=rf"skin\.json.*; mend what lies in .*own, unset {FOLDER_VARIABLE}, or install"
    ):
        Network("skin")
    (own / "skin.json").write_text(json.dumps({**card, "name": "one of our own"}), encoding="utf-8")
    assert Network("skin").card["name"] == "one of our own"
    assert Network("naming").card["name"] == "naming", "what it lacks is the installation's"
    (own / "fifth.json").write_text("{}", encoding="utf-8")
    assert networks.ships("fifth") and networks.folder_of("fifth") == own
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert not networks.ships("fifth") and networks.folder_to_write() == SHIPPED


@pytest.mark.parametrize("text", ["abc", "-1", "1.5", "", " 2 3"])
def test_threads_must_be_a_whole_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(THREADS_VARIABLE, text)
    with pytest.raises(NetworkError, match=rf"^{THREADS_VARIABLE} = '{text}': must be a whole number"):
        Network("skin")


@pytest.mark.parametrize("text", ["0", "2"])
def test_threads_may_be_any_whole_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(THREADS_VARIABLE, text)
    assert Network("skin").sha256


def test_pictures_are_shared_out_among_threads_and_come_back_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = np.random.default_rng(1).uniform(-1, 1, (5, 3, 256, 256)).astype(np.float32)
    found = {}
    for threads in ("1", "3"):
        monkeypatch.setenv(THREADS_VARIABLE, threads)
        found[threads] = Network("skin")(batch)
    assert found["3"] == pytest.approx(found["1"], abs=1e-5)
    assert np.abs(found["1"][0] - found["1"][4]).max() > 0.01


@pytest.mark.parametrize(("threads", "used"), [("1", 1), ("3", 3)])
def test_a_network_takes_as_many_threads_as_it_may(monkeypatch: pytest.MonkeyPatch, threads: str, used: int) -> None:
    monkeypatch.setenv(THREADS_VARIABLE, threads)
    network, seen, rows = Network("skin"), set(), []
    together = threading.Barrier(used, timeout=10)  # waits until so many are at work at once

    class Session:
        def run(self, _outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            seen.add(threading.get_ident())
            rows.append(len(inputs["pixels"]))
            together.wait()
            return [inputs["pixels"]]

    monkeypatch.setattr(network, "_each", Session())
    batch = np.arange(6, dtype=np.float32).reshape(6, 1, 1, 1)
    assert (network(batch) == batch).all()
    assert rows == [1] * 6 and len(seen) == used
    assert (threading.get_ident() in seen) == (used == 1)


def test_a_network_of_several_inputs_gives_rows_of_one_face(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    monkeypatch.setenv(THREADS_VARIABLE, "2")
    network = Network("regional")
    shapes = {"maps": (15, 48, 48), "face": (4,), "counted": (4, 11)}
    faces = {name: rng.uniform(0, 1, (3, *shape)).astype(np.float32) for name, shape in shapes.items()}
    together = network.run(faces)["measures"]
    alone = [
        network.run({name: values[row : row + 1] for name, values in faces.items()})["measures"] for row in range(3)
    ]
    assert together == pytest.approx(np.concatenate(alone), abs=1e-5)


def test_a_network_is_loaded_once() -> None:
    assert load("skin") is load("skin")


def test_the_card_says_all_that_a_user_must_know() -> None:
    card = json.loads((SHIPPED / "skin.json").read_text(encoding="utf-8"))
    assert set(card) >= {"name", "what", "licence", "date", "sha256", "data", "figures", "limits", "input", "output"}
    for field in ("name", "what", "licence", "data", "limits"):
        assert card[field], field
    assert date.fromisoformat(card["date"])
    assert card["sha256"] == hashlib.sha256((SHIPPED / "skin.onnx").read_bytes()).hexdigest()
    assert isinstance(card["figures"], dict)
    assert card["classes"] == {str(int(region)): region.key for region in Region}


def test_the_file_is_small() -> None:
    assert (SHIPPED / "skin.onnx").stat().st_size <= MOST_BYTES


def test_maps_are_those_of_the_card() -> None:
    batch = np.random.default_rng(0).uniform(-1, 1, (2, 3, 256, 256)).astype(np.float32)
    maps = load("skin")(batch)
    regions_and_marks = len(Region) + 2 + len(Lesion) + 1 + 1  # disease, density; six lesions and look-alikes; depth
    assert maps.shape == (2, regions_and_marks, 128, 128)
    assert maps.dtype == np.float32
    regions, disease = maps[:, : len(Region)], maps[:, len(Region)]
    assert np.allclose(regions.sum(axis=1), 1, atol=1e-4)
    assert (regions >= 0).all()
    assert disease.min() >= 0
    assert disease.max() <= 1
    kinds, depth = maps[:, len(Region) + 2 : -1], maps[:, -1]
    assert np.allclose(kinds.sum(axis=1), 1, atol=1e-4)
    assert depth.min() >= 0
    assert depth.max() <= 1
    assert np.isfinite(maps).all()
