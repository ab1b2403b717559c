"""What ships: the interval that validation photos give, a card from saved predictions, and refusals in a sentence."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from melascope import networks
from melascope.cli import outcome
from melascope.cli.app import app
from melascope.lab.severity import ship as shipping
from melascope.lab.severity.augment import Variation, vary
from melascope.lab.severity.ship import ShipError, class_masi, figures, implied, interval, sharpness, ship
from melascope.reading import Angle, half_widths, read_severity, seen
from melascope.severity.prediction import Prediction, band
from melascope.severity.predictions import write_predictions
from melascope.skin.framing import framed_square
from melascope.skin.regions import RegionMap
from melascope.vocabulary import MASI_REGIONS, View
from tests.networks.severity_file import CARD, SIDE, VIEWS, by_hand, installation, severity_onnx

__all__ = ["installation"]


def rows(count: int, part: str, seed: int = 1, *, with_masi: bool = True, view: str = "frontal") -> list[Prediction]:
    """Predictions whose error grows with the MASI and lies below the truth more often than above it."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        true = float(rng.uniform(1, 46))
        said = float(np.clip(true + rng.normal(-0.05, 0.08) * (4 + true), 0, 48))
        rated = float(np.clip(true + rng.normal(0, 1), 0, 48))
        chances = np.exp(-0.5 * ((np.array([8, 24, 40]) - said) / 5) ** 2) + 1e-6
        mild, moderate, severe = (chances / chances.sum()).tolist()
        made.append(
            Prediction(
                photo=f"{part}{i:04}",
                patient=f"{part}{i // 2:04}",
                part=part,
                truth=band(rated),
                rated_masi=rated,
                p_mild=mild,
                p_moderate=moderate,
                p_severe=severe,
                predicted_masi=said if with_masi else None,
                true_masi=true,
                tone_band=("light", "dark")[i % 2],
                device="dslr",
                view=view,
            )
        )
    return made


def predicted(row: Prediction) -> float:
    assert row.predicted_masi is not None
    return row.predicted_masi


def truly(row: Prediction) -> float:
    assert row.true_masi is not None
    return row.true_masi


def run_folder(
    folder: Path, model: bytes | None = None, *, with_masi: bool = True, calibration: str = "ordinal", **changed: Any
) -> Path:
    """A finished run as `melascope severity train` leaves it, as far as shipping looks at it."""
    content = severity_onnx(masi=with_masi) if model is None else model
    recipe = {
        "picture": {"side": SIDE, "frame": "face", "margin": 0.1, "scaling": "plain"},
        "reading": {"views": len(VIEWS), "calibration": calibration},
    }
    outputs = ["probabilities", *(["masi"] if with_masi else []), "maps"]
    counts = {part: {"mild": 6, "moderate": 3, "severe": 1} for part in ("train", "validation", "test")}
    config = {
        "recipe": recipe,
        "seed": 7,
        "data": {"name": "drawn", "virtual": True, "counts": counts},
        "versions": {"melascope": "0.1.0"},
    }
    card = {
        "name": "drawn, melascope",
        "architecture": "drawn",
        "initialised_from": "nothing",
        "recipe": recipe,
        "epochs": 3,
        "costs": {"parameters": 15},
        "onnx": {"sha256": hashlib.sha256(content).hexdigest(), "input": "pixels", "outputs": outputs, "bias": [0.0]},
        "int8": None,
        "limits": ["Trained on virtual patients only: no photograph of a person was used."],
    } | changed
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    (folder / "model.onnx").write_bytes(content)
    parts = (("train", 40), ("validation", 100), ("test", 60))
    write_predictions(
        [row for k, (part, n) in enumerate(parts) for row in rows(n, part, k, with_masi=with_masi)],
        folder / "predictions.csv",
    )
    return folder


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> None:
    """The views of the drawn network in place of the recipe's, which torch would be needed for."""
    monkeypatch.setattr(shipping, "_views", lambda count: [dict(view) for view in VIEWS[:count]])


def test_an_interval_is_the_quantile_of_the_errors_in_bands_of_what_is_predicted() -> None:
    found = interval(rows(130, "validation"))
    ordered = sorted(rows(130, "validation"), key=predicted)
    assert len(found) == 3  # bands of at least 40 photos
    for knot, inside in zip(found, (ordered[:44], ordered[44:87], ordered[87:]), strict=True):
        errors = [predicted(row) - truly(row) for row in inside]
        for side, sign in (("below", 1), ("above", -1)):
            # The smallest width that holds at least 95 % of n + 1 errors, were the next one among them.
            enough = [
                e for e in errors if sum(sign * other <= sign * e for other in errors) >= 0.95 * (len(errors) + 1)
            ]
            assert knot[side] == pytest.approx(max(0.0, min(sign * e for e in enough)), abs=1e-3)
        assert knot["at"] == pytest.approx(np.median([predicted(row) for row in inside]), abs=1e-3)
    assert found[0]["above"] < found[-1]["above"]


def test_an_interval_holds_nine_times_in_ten_on_other_photos() -> None:
    knots = interval(rows(600, "validation", 3))
    other = rows(3000, "test", 4)
    held = figures(other, knots, "true_masi")["inside_the_interval"]
    literal = [
        -half_widths(knots, predicted(r))[1] <= predicted(r) - truly(r) <= half_widths(knots, predicted(r))[0]
        for r in other
    ]
    assert held == pytest.approx(np.mean(literal), abs=1e-4)
    assert 0.87 < held < 0.93


def test_too_few_photos_give_the_whole_scale_and_equal_predictions_one_knot() -> None:
    assert interval(rows(18, "validation")) == [{"at": pytest.approx(22, abs=20), "below": 48.0, "above": 48.0}]
    same = [replace(row, predicted_masi=10.0) for row in rows(160, "validation")]
    assert [knot["at"] for knot in interval(same)] == [10.0]


def test_a_network_that_is_too_sure_is_made_less_so() -> None:
    rng = np.random.default_rng(2)
    found = []
    for row in rows(400, "validation"):
        honest = np.array(rng.dirichlet([1, 1, 1]))
        truth = int(rng.choice(3, p=honest))
        mild, moderate, severe = (honest**2 / (honest**2).sum()).tolist()
        found.append(replace(row, truth=truth, p_mild=mild, p_moderate=moderate, p_severe=severe))
    assert sharpness(found) == pytest.approx(0.5, abs=0.1)


def test_the_masi_that_probabilities_imply() -> None:
    found = rows(60, "train", with_masi=False)
    middles = class_masi(found)
    for k, middle in enumerate(middles):
        assert middle == pytest.approx(np.mean([row.rated_masi for row in found if row.truth == k]), abs=1e-3)
    made = implied(found, middles)[0]
    assert predicted(made) == pytest.approx(float(np.dot(found[0].probabilities, middles)))
    assert class_masi([row for row in found if row.truth == 0])[1:] == [24.0, 40.0]


@pytest.mark.parametrize(
    "angle",
    [{}, {"mirrored": True}, {"zoom": 0.94, "mirrored": True}, {"right": -0.03, "down": 0.02}, {"turn_deg": 5.0}],
)
def test_a_photo_is_shown_as_the_laboratory_shows_it(angle: dict[str, Any]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    np.testing.assert_array_equal(seen(picture, Angle(**angle)), vary(picture, Variation(**angle)))


def test_a_run_ships_and_is_read_with(views: None, tmp_path: Path, installation: Path) -> None:
    run = run_folder(tmp_path / "run")
    done = ship(run, installation)
    card = json.loads((installation / "severity.json").read_text(encoding="utf-8"))
    assert set(card) >= set(CARD) and card["sha256"] == hashlib.sha256(severity_onnx()).hexdigest()
    assert (
        done.how == "float32" and done.bytes == len(severity_onnx()) == (installation / "severity.onnx").stat().st_size
    )
    assert card["licence"] == "Apache-2.0" and "virtual patients only" in card["limits"][0]
    assert "mild 60 %, moderate 30 %, severe 10 %" in card["limits"][1]
    assert card["interval"]["of"] == "the true MASI of what the raters scored" and card["knows"]["most_yaw_deg"] == 25.0
    assert card["interval"]["knots"] == interval(rows(100, "validation", 1))
    test = rows(60, "test", 2)
    right = np.mean([int(np.argmax(row.probabilities)) == row.truth for row in test])
    error = np.mean([abs(predicted(row) - truly(row)) for row in test])
    assert card["figures"]["test"]["accuracy"] == pytest.approx(right, abs=1e-4)
    assert card["figures"]["test"]["masi_error"] == pytest.approx(error, abs=1e-3)
    groups = card["figures"]["test by group"]
    assert set(groups) == {"tone band", "device", "view", "class"}
    assert sum(group["photos"] for group in groups["tone band"].values()) == len(test)
    photo = drawn_face()
    found = read_severity(photo, face(photo))
    assert found is None, "no face is found in the drawing, and the frame is the face"
    recipe = json.loads((run / "config.json").read_text())["recipe"]
    recipe["picture"]["frame"] = "whole"
    (run / "config.json").write_text(json.dumps(json.loads((run / "config.json").read_text()) | {"recipe": recipe}))
    ship(run, installation)
    networks.load.cache_clear()
    found = read_severity(photo, face(photo))
    assert found is not None
    square = framed_square(photo, SIDE, None)
    scores, _ = by_hand(np.stack([seen(square, Angle(**view)) for view in VIEWS]))
    assert found.masi == pytest.approx(np.clip(16 + 8 * scores[:, 3], 0, 48).mean(), abs=1e-3)


def test_what_the_network_lacks_is_fitted_outside(views: None, tmp_path: Path, installation: Path) -> None:
    ship(run_folder(tmp_path / "run", with_masi=False, calibration="none"), installation, licence="ours alone")
    card = json.loads((installation / "severity.json").read_text(encoding="utf-8"))
    assert card["temperature"] == sharpness(rows(100, "validation", 1)) != 1.0
    assert len(card["masi_of_classes"]) == 3 and card["licence"] == "ours alone"


def test_turned_faces_are_known_if_they_were_learnt_from() -> None:
    assert shipping._most_yaw(rows(3, "train")) == 25.0
    assert shipping._most_yaw([*rows(3, "train"), *rows(1, "train", view="left45")]) == 70.0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (("card.json", None), "holds no card.json; name the folder of a finished run"),
        (("card.json", b"{"), "is damaged"),
        (("predictions.csv", b"photo\n"), "problem"),
        (("model.onnx", None), "has no model.onnx; train the run again"),
        (("model.onnx", b"other"), "is not the file of its card"),
    ],
)
def test_what_cannot_ship_is_said_and_nothing_is_written(
    views: None, tmp_path: Path, spoil: tuple[str, bytes | None], words: str
) -> None:
    run = run_folder(tmp_path / "run")
    name, content = spoil
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)
    with pytest.raises(ShipError, match=words):
        ship(run, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_part_without_photos_is_refused(views: None, tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run")
    write_predictions(rows(30, "train"), run / "predictions.csv")
    with pytest.raises(ShipError, match="no photo of its validation part"):
        ship(run, tmp_path / "to")


def test_a_network_that_is_too_large_is_refused_unless_a_small_one_was_kept(
    views: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "MOST_BYTES", 1200)
    monkeypatch.setattr(shipping, "_halved", lambda *_: None)
    large = severity_onnx() + b"\x0a\x00" * 300  # empty fields, which a reader passes over
    with pytest.raises(ShipError, match=r"model\.onnx has 0\.0 MB, .* train a smaller one, such as --model"):
        ship(run_folder(tmp_path / "a", large), tmp_path / "to")
    small = {
        "file": "model.int8.onnx",
        "kind": "static",
        "validation_accuracy": 0.90,
        "validation_accuracy_float": 0.903,
    }
    run = run_folder(tmp_path / "b", large, int8=small)
    (run / "model.int8.onnx").write_bytes(severity_onnx())
    assert ship(run, tmp_path / "to").how == "int8 (static), which costs 0.3 points of validation accuracy"


def test_the_command_says_what_it_did_and_what_it_cannot(
    views: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*words: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["severity", "ship", *map(str, words)])
        return result.exit_code, result.output

    monkeypatch.setattr(outcome, "find_spec", lambda _name: object())
    run = run_folder(tmp_path / "run")
    code, text = said(run, "--to", tmp_path / "to", "--limit", "Of one clinic.", "--limit", "Of one camera.")
    written = json.loads((tmp_path / "to" / "severity.json").read_text(encoding="utf-8"))
    assert {"Of one clinic.", "Of one camera."} < set(written["limits"])
    assert code == 0 and "on 60 test photos accuracy" in text and "inside the 90 % interval" in text
    assert {path.name for path in (tmp_path / "to").iterdir()} == {"severity.onnx", "severity.json"}
    code, text = said(tmp_path, "--to", tmp_path / "to")
    assert code == 1 and text.startswith("Error: ") and "holds no card.json" in text and "Traceback" not in text
    code, text = said(run, "--to", run / "card.json")
    assert code == 2 and "is a file; name a folder" in text
    monkeypatch.setattr(outcome, "find_spec", lambda name: None if name == "torch" else object())
    code, text = said(run)
    assert code == 1 and "pip install 'melascope[lab]'" in text


def drawn_face() -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.clip(rng.normal((170, 130, 105), 20, (90, 80, 3)), 0, 255).astype(np.uint8)


def face(pixels: np.ndarray) -> RegionMap:
    """Regions of a drawn frontal face."""
    from tests.report.synthetic import drawn_codes

    nothing = np.zeros((1, 1), np.float32)
    return RegionMap(
        codes=drawn_codes(300, 400),
        pixels=np.zeros((400, 300, 3), np.uint8),
        frame=(0, 0, pixels.shape[1], pixels.shape[0]),
        view=View.FACE,
        confidence={},
        visible=frozenset(MASI_REGIONS),
        faces=1,
        disease=nothing,
        density=nothing,
        kinds=nothing,
        depth=nothing,
        outline=np.zeros((1, 1), np.uint8),
    )


class TestWithTorch:
    """The true export: a trained run, shipped in half precision, reads at run time what its predictions say."""

    pytestmark = pytest.mark.torch

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        for package in ("torch", "torchvision", "lightning", "safetensors", "onnx", "scipy", "matplotlib"):
            pytest.importorskip(package, reason=f"{package} is not installed: `make lab` adds it")

    def test_views_of_the_laboratory_are_those_of_the_run_time(self) -> None:
        from melascope.lab.severity.run import VIEWS as ALL

        picture = np.random.default_rng(1).integers(0, 255, (48, 48, 3)).astype(np.uint8)
        for view, told in zip(ALL, shipping._views(len(ALL)), strict=True):
            np.testing.assert_array_equal(seen(picture, Angle(**told)), vary(picture, view))

    def test_a_trained_run_is_read_as_it_predicted(self, tmp_path: Path, installation: Path) -> None:
        from melascope.lab.severity.train import train
        from melascope.photo import read_photo
        from melascope.severity.predictions import read_predictions
        from tests.lab.severity.faces import study
        from tests.lab.severity.test_training import NETWORK, ON, ours

        train(study(tmp_path / "photos"), NETWORK, ours(1), tmp_path / "run", weights="none", machine=ON, quick=True)
        assert (tmp_path / "run" / "model.onnx").stat().st_size > shipping.MOST_BYTES
        done = ship(tmp_path / "run", installation)
        assert done.how == "float16, computed in float32" and done.bytes < 0.6 * shipping.MOST_BYTES
        for row in read_predictions(tmp_path / "run" / "predictions.csv")[:4]:
            photo = read_photo(tmp_path / "photos" / f"{row.photo}.png").pixels
            found = read_severity(photo, face(photo))
            assert found is not None and found.relevance is not None
            assert found.probabilities == pytest.approx(row.probabilities, abs=2e-3)
            assert found.masi == pytest.approx(row.predicted_masi, abs=0.05)
