"""A trained run becomes the severity network that `melascope analyze` reads with: its file, and the card beside it.

Nothing is measured anew: all figures follow from the run's saved predictions. The interval of the implied MASI comes
from its errors on the validation part, on either side and by the size of what is predicted, and how often it holds is
counted on the test part.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from melascope.lab.shipping import ShipError, coarse_pictures, halved, read_table, run_onnx, write_network
from melascope.reading import NETWORK, half_widths
from melascope.severity.metrics import measure
from melascope.severity.prediction import CLASSES, Prediction, scored
from melascope.severity.predictions import PredictionsError, read_predictions

__all__ = [
    "LEVEL",
    "MOST_BYTES",
    "ShipError",
    "Shipped",
    "figures",
    "implied",
    "interval",
    "make_card",
    "sharpness",
    "ship",
]

MOST_BYTES: Final = 8_000_000
LEVEL: Final = 0.9
"""Of the interval."""
_BAND: Final = 40
"""Validation photos that a knot of the interval rests on, at least; there are at most `_KNOTS`."""
_KNOTS: Final = 4
_TOP: Final = 48.0
_MIDDLES: Final = (8.0, 24.0, 40.0)
_YAW_DEG: Final = 25.0
"""To which a face counts as seen from the front (`melascope.photo.quality`)."""
_ROLL_DEG: Final = 30.0
"""To which the region network was trained."""
_MOST_HALVED: Final = 0.005
"""Most by which weights of half precision may move a probability."""
_FIGURES: Final = (
    "accuracy", "balanced_accuracy", "f1_macro", "auc_mild", "auc_moderate", "auc_severe", "auc_macro", "kappa",
    "calibration_error", "log_loss",
)  # fmt: skip
_GROUPS: Final = ("tone_band", "device", "view")


@dataclass(frozen=True)
class Shipped:
    """What was written."""

    model: Path
    card: Path
    bytes: int
    how: str
    """Precision of the weights, in words."""
    test: Mapping[str, Any]
    """Figures of the test part."""


def ship(run: Path, to: Path | None = None, *, licence: str = "", limits: Sequence[str] = ()) -> Shipped:
    """Write severity.onnx and severity.json of a finished run.

    Args:
        run: Its folder.
        to: Folder to write to; this installation's networks if None.
        licence: Of the weights. If empty: the project's where only virtual patients were learnt from, and else
            "not stated".
        limits: Sentences that the card adds to its own limits.

    Raises:
        ShipError: The run is not finished or damaged, was validated or tested on nothing, or its network is too large.
        OSError: The folder cannot be written to.
    """
    run = Path(run)
    known, config = (read_table(run, name, "melascope severity train") for name in ("card.json", "config.json"))
    try:
        rows = read_predictions(run / "predictions.csv")
    except PredictionsError as error:
        raise ShipError(str(error)) from None
    for part in ("validation", "test"):
        if not any(row.part == part for row in rows):
            raise ShipError(
                f"{run}: no photo of its {part} part is in predictions.csv, from which the card's figures come; train "
                "the run on a split with all three parts"
            )
    content, how = _network(run, known)
    try:
        card = make_card(known, config, rows, licence, limits)
    except (KeyError, TypeError) as error:
        raise ShipError(f"{run}: config.json or card.json lacks {error}; train the run again") from None
    card |= {"sha256": hashlib.sha256(content).hexdigest(), "megabytes": round(len(content) / 1e6, 3), "weights": how}
    _check(content, card)
    model, written = write_network(NETWORK, content, card, to)
    return Shipped(model, written, len(content), how, card["figures"]["test"])


def make_card(
    known: Mapping[str, Any],
    config: Mapping[str, Any],
    rows: Sequence[Prediction],
    licence: str = "",
    limits: Sequence[str] = (),
) -> dict[str, Any]:
    """The card, without what depends on the file.

    Args:
        known: The run's card.json.
        config: Its config.json.
        rows: Its predictions.
        licence: See `ship`.
        limits: See `ship`.
    """
    recipe = config["recipe"]
    reading, picture = recipe["reading"], recipe["picture"]
    parts = {part: [row for row in rows if row.part == part] for part in ("train", "validation", "test")}
    # What is not calibrated inside the network is calibrated here.
    temperature = 1.0 if reading["calibration"] != "none" else sharpness(parts["validation"])
    parts = {part: sharpened(inside, temperature) for part, inside in parts.items()}
    middles = None
    if any(row.predicted_masi is None for row in rows):
        middles = class_masi(parts["train"])
        parts = {part: implied(inside, middles) for part, inside in parts.items()}
    truth = "true_masi" if all(row.true_masi is not None for row in rows) else "rated_masi"
    knots = interval(parts["validation"], truth)
    counts = config["data"]["counts"]["validation"]
    total = max(1, sum(counts.values()))
    shares = ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in counts.items())
    virtual = bool(config["data"]["virtual"])
    return {
        "name": NETWORK,
        "what": "Reads the severity of melasma (mild, moderate, severe) and the MASI off a photograph of a whole face.",
        "licence": licence or ("Apache-2.0" if virtual else "not stated"),
        "date": datetime.now(UTC).date().isoformat(),
        "run": known["name"],
        "architecture": known["architecture"],
        "paper": known.get("paper", ""),
        "parameters": known["costs"]["parameters"],
        "initialised_from": known["initialised_from"],
        "input": known["onnx"]["input"],
        "output": known["onnx"]["outputs"],
        "bias": known["onnx"].get("bias"),
        "frame": {"what": picture["frame"], "margin": picture["margin"], "side": picture["side"]},
        "views": _views(int(reading["views"])),
        "temperature": temperature,
        "masi_of_classes": middles,
        "interval": {
            "level": LEVEL,
            "of": _interval_of(truth, config["data"].get("labels", "raters")),
            "knots": knots,
            "photos": len(parts["validation"]),
            "patients": len({row.patient for row in parts["validation"]}),
        },
        "knows": {"most_yaw_deg": _most_yaw(parts["train"]), "most_roll_deg": _ROLL_DEG},
        "data": dict(config["data"]),
        "recipe": recipe,
        "seed": config["seed"],
        "epochs": known["epochs"],
        "figures": {part: figures(parts[part], knots, truth) for part in ("validation", "test")}
        | {"test by group": _by_group(parts["test"], knots, truth)},
        "versions": dict(config["versions"]),
        "limits": [
            *known["limits"],
            *limits,
            f"Probabilities are right where the bands are as frequent as among its validation photos ({shares}).",
            "Its figures are those of its test part, and of the weights before they were made smaller, if they were.",
        ],
    }


def _interval_of(truth: str, labels: str) -> str:
    if labels == "truth":
        return "the picture's own MASI"
    return "the true MASI of what the raters scored" if truth == "true_masi" else "the raters' mean MASI"


def interval(rows: Sequence[Prediction], truth: str = "true_masi") -> list[dict[str, float]]:
    """Half widths of the interval of an implied MASI, below and above it, at some of its values.

    The photos are sorted by the implied MASI and cut into up to four bands; each side is the split-conformal quantile
    (Vovk et al. 2005; Lei et al. 2018) that leaves half of 1 - LEVEL beyond it, and the whole scale where a band has
    too few photos for that.

    Args:
        rows: Validation photos with an implied MASI.
        truth: Which of their MASI is the true one.
    """
    ordered = sorted(rows, key=lambda row: row.predicted_masi or 0.0)
    knots: list[dict[str, float]] = []
    for band in np.array_split(np.arange(len(ordered)), min(_KNOTS, max(1, len(ordered) // _BAND))):
        inside = [ordered[i] for i in band]
        said, errors = _errors(inside, truth)
        knot = {
            "at": round(float(np.median(said)), 3),
            "below": _quantile(errors),
            "above": _quantile(-errors),
        }
        if knots and knot["at"] <= knots[-1]["at"]:
            knots[-1] |= {side: max(knots[-1][side], knot[side]) for side in ("below", "above")}
        else:
            knots.append(knot)
    return knots


def sharpness(rows: Sequence[Prediction]) -> float:
    """Power of the probabilities, made to add up to 1 again, that fits photos best; the inverse of a temperature."""
    chances = np.array([row.probabilities for row in rows])
    truth = np.array([row.truth for row in rows])
    tried = np.exp(np.linspace(-2, 2, 161))

    def loss(power: float) -> float:
        raised = _raised(chances, power)[np.arange(len(truth)), truth]
        # A light pull to 1, so that few photos, all told rightly, make no certainty.
        return float(-np.log(np.maximum(raised, 1e-7)).mean() + 0.5 * math.log(power) ** 2 / len(truth))

    return round(float(min(tried, key=loss)), 4)


def sharpened(rows: Iterable[Prediction], power: float) -> list[Prediction]:
    """Predictions with their probabilities raised to a power."""
    if power == 1.0:
        return list(rows)
    made = []
    for row in rows:
        mild, moderate, severe = _raised(np.array([row.probabilities]), power)[0].tolist()
        made.append(replace(row, p_mild=mild, p_moderate=moderate, p_severe=severe))
    return made


def class_masi(rows: Sequence[Prediction]) -> list[float]:
    """Mean MASI of the raters in each class; the middle of its band where it has no photo."""
    found = []
    for k, middle in enumerate(_MIDDLES):
        inside = [row.rated_masi for row in rows if row.truth == k]
        found.append(round(math.fsum(inside) / len(inside), 3) if inside else middle)
    return found


def implied(rows: Iterable[Prediction], middles: Sequence[float]) -> list[Prediction]:
    """Predictions with the MASI that their probabilities imply: the mean of the classes' MASI."""
    return [
        replace(row, predicted_masi=math.fsum(p * m for p, m in zip(row.probabilities, middles, strict=True)))
        for row in rows
    ]


def figures(
    rows: Sequence[Prediction],
    knots: Sequence[Mapping[str, float]],
    truth: str,
    names: Sequence[str] = _FIGURES,
) -> dict[str, Any]:
    """What the card says of some photos; null for what cannot be said of them.

    Args:
        rows: With an implied MASI.
        knots: Of its interval.
        truth: Which of their MASI is the true one.
        names: Figures of the classes.
    """
    found = measure(scored(rows))
    said, errors = _errors(rows, truth)
    below, above = np.array([half_widths(knots, masi) for masi in said]).T
    table: dict[str, Any] = {"photos": len(rows), "patients": len({row.patient for row in rows})}
    for name in names:
        value = float(found.get(name, math.nan))
        table[name] = round(value, 4) if math.isfinite(value) else None
    return table | {
        "masi_bias": round(float(errors.mean()), 3),
        "masi_error": round(float(np.abs(errors).mean()), 3),
        "inside_the_interval": round(float(np.mean((errors <= below) & (errors >= -above))), 4),
    }


def _by_group(rows: Sequence[Prediction], knots: Sequence[Mapping[str, float]], truth: str) -> dict[str, Any]:
    groups: dict[str, Any] = {}
    for column in _GROUPS:
        for value in sorted({getattr(row, column) for row in rows} - {""}):
            inside = [row for row in rows if getattr(row, column) == value]
            groups.setdefault(column.replace("_", " "), {})[value] = figures(inside, knots, truth, ("accuracy",))
    groups["class"] = {
        band.value: figures(inside, knots, truth, ("accuracy",))
        for k, band in enumerate(CLASSES)
        if (inside := [row for row in rows if row.truth == k])
    }
    return groups


def _errors(rows: Sequence[Prediction], truth: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Implied MASI, and how far it lies above the true one."""
    said = np.array([row.predicted_masi for row in rows], np.float64)
    return said, said - np.array([getattr(row, truth) for row in rows], np.float64)


def _quantile(errors: NDArray[np.float64]) -> float:
    """The (n + 1)(1 + LEVEL) / 2-th smallest of n errors, at least 0; the whole scale if n is too small."""
    rank = math.ceil((len(errors) + 1) * (1 + LEVEL) / 2)
    return _TOP if rank > len(errors) else round(max(0.0, float(np.sort(errors)[rank - 1])), 3)


def _raised(chances: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    raised = np.maximum(chances, 1e-12) ** power
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _most_yaw(rows: Iterable[Prediction]) -> float:
    """Degrees to which faces were turned in training: views are called frontal, left45 and so on."""
    turns = [float(found.group()) for row in rows if (found := re.search(r"\d+", row.view))]
    return min(90.0, max(turns, default=0.0) + _YAW_DEG)


def _views(count: int) -> list[dict[str, Any]]:
    from melascope.lab.severity.run import VIEWS

    plain = asdict(VIEWS[0])
    names = ("mirrored", "turn_deg", "zoom", "right", "down")
    return [
        {name: getattr(view, name) for name in names if getattr(view, name) != plain[name]} for view in VIEWS[:count]
    ]


def _network(run: Path, known: Mapping[str, Any]) -> tuple[bytes, str]:
    """The file that ships, and how its weights are stored: as they are, in half precision, or in 8 bits."""
    model = run / "model.onnx"
    if not model.is_file():
        raise ShipError(f"{run}: has no model.onnx; train the run again")
    content = model.read_bytes()
    if hashlib.sha256(content).hexdigest() != known["onnx"]["sha256"]:
        raise ShipError(f"{model}: is not the file of its card; train the run again")
    if len(content) <= MOST_BYTES:
        return content, "float32"
    small_floats = _halved(content, int(known["recipe"]["picture"]["side"]))
    if small_floats is not None and len(small_floats) <= MOST_BYTES:
        return small_floats, "float16, computed in float32"
    small = known.get("int8")
    if small and (run / small["file"]).is_file():
        eight = (run / small["file"]).read_bytes()
        if len(eight) <= MOST_BYTES:
            lost = 100 * (small["validation_accuracy_float"] - small["validation_accuracy"])
            return eight, f"int8 ({small['kind']}), which costs {max(0.0, lost):.1f} points of validation accuracy"
    raise ShipError(
        f"{run}: model.onnx has {len(content) / 1e6:.1f} MB, and no smaller variant was kept that has at most "
        f"{MOST_BYTES / 1e6:.0f} MB, as a network that ships must; train a smaller one, such as --model mobilenet_v2"
    )


def _halved(content: bytes, side: int) -> bytes | None:
    """The same network with its large weights in half precision; None if its probabilities differ too much."""
    small, pictures = halved(content), coarse_pictures(side)
    before, after = (run_onnx(data, pictures)["probabilities"] for data in (content, small))
    return small if float(np.abs(before - after).max()) <= _MOST_HALVED else None


def _check(content: bytes, card: Mapping[str, Any]) -> None:
    """What will be read at run time can be read."""
    side = int(card["frame"]["side"])
    found = run_onnx(content, np.full((1, 3, side, side), 128, np.float32))
    if found["probabilities"].shape != (1, len(CLASSES)) or ("masi" in found) != (card["masi_of_classes"] is None):
        raise ShipError(f"the network's outputs are {sorted(found)}, not those of its card; train the run again")
