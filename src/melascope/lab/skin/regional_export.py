"""Export of the regional network with its card: intervals and figures of people it has not seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from melascope import networks
from melascope.lab.shipping import halved
from melascope.lab.skin.calibrate import Ratio, Ratios, add, sides
from melascope.lab.skin.export import MOST_GAP, written_whole
from melascope.lab.skin.people import FACTORS, FIGURES, photographed
from melascope.lab.skin.regional_faces import Faces, read_faces
from melascope.lab.skin.regional_network import (
    MIRRORED_CHANNELS,
    MIRRORED_REGIONS,
    Physical,
    RegionalNetwork,
    Together,
    members,
)
from melascope.lesions.regional import CELLS, CHANNELS
from melascope.masi import DETECTION_FLOOR, masi, regional_score
from melascope.scoring import (
    COUNTED,
    MEASURED,
    NETWORK,
    UNCALIBRATED,
    Calibration,
    Factors,
    RegionMeasure,
    read_regions,
    total_interval,
)
from melascope.vocabulary import MASI_REGIONS, Region

__all__ = ["HALVED_GAP", "LEAST", "export", "figures", "interval_factors"]

LEAST: Final = 0.5
"""Least factor of an interval: virtual people who are not learnt from are few heads."""
HALVED_GAP: Final = 5e-3
"""Most by which a share, a density or the logarithm of a diameter may differ once the weights are in half precision."""


def export(folder: Path, runs: Sequence[Path], to: Path | None = None) -> Path:
    """Writes `regional.onnx`, in half precision, and its card from the averaged weights of runs, checked or not at all.

    The card holds the factors of the intervals and the figures, each of people who were not learnt from.

    Args:
        folder: The faces that the runs learnt from.
        runs: Folders with `checkpoint.pt` and `recipe.json`, or files that shipped before, with their cards: all
            trainings in them count alike, so that each may have learnt from other people.
        to: Folder to write to; the package's own `networks` folder if None.

    Raises:
        RuntimeError: onnxruntime and torch differ by more than `MOST_GAP`; what was in the folder stays.
        ValueError: A file holds another network, or its trainings looked at the maps of another skin network.
    """
    to = to or networks.folder_to_write()
    faces = read_faces(folder)
    read = [_read_shipped(run, faces.skin) if run.suffix == ".onnx" else _read_run(run) for run in runs]
    network = Together([one for some, _ in read for one in some])
    recipes = [recipe for _, some in read for recipe in some]
    with written_whole(to, NETWORK) as (part, card_part):
        _write_checked(Physical(network).eval(), faces, part)
        card = _card(network, recipes, faces, hashlib.sha256(part.read_bytes()).hexdigest())
        card_part.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return to / f"{NETWORK}.onnx"


_Read = tuple[list[RegionalNetwork], list[dict[str, Any]]]


def _read_run(run: Path) -> _Read:
    network = RegionalNetwork()
    network.load_state_dict(torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)["average"])
    return [network], [json.loads((run / "recipe.json").read_text(encoding="utf-8"))]


def _read_shipped(path: Path, skin: str) -> _Read:
    """The trainings of a file that `export` wrote, which lists them one after another, and their recipes."""
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if card["skin_network"] != skin or card.get("counted") != COUNTED:
        raise ValueError(f"{path}: looked at maps of another skin network, or was told other numbers; leave it out")
    networks, recipes = members(path.read_bytes(), str(path)), list(card["mean_of"])
    if len(networks) != len(recipes):
        raise ValueError(f"{path}: holds {len(networks)} trainings, its card names {len(recipes)}; leave it out")
    return networks, recipes


def _write_checked(model: nn.Module, faces: Faces, path: Path) -> None:
    import onnxruntime

    every = max(1, len(faces.face) // 32)
    example = tuple(part[::every].contiguous() for part in (faces.maps, faces.face, faces.counted))
    names = ["maps", "face", "counted"]
    torch.onnx.export(
        model,
        example,
        str(path),
        input_names=names,
        output_names=["measures"],
        dynamic_axes={name: {0: "faces"} for name in (*names, "measures")},
        opset_version=17,
        dynamo=False,
    )
    with torch.no_grad():
        wanted = model(*example).numpy()
    for most, content in ((MOST_GAP, path.read_bytes()), (HALVED_GAP, halved(path.read_bytes()))):
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        ours = session.run(None, {name: part.numpy() for name, part in zip(names, example, strict=True)})[0]
        gap = float(np.abs(ours - wanted).max())
        if gap > most:
            raise RuntimeError(f"ONNX and torch differ by {gap:.2e}; at most {most} is allowed; try another opset")
    path.write_bytes(content)


@torch.no_grad()
def _values(network: nn.Module, faces: Faces, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N, 4, 3, 3) as the run time has them: the mean of those of each face and of its mirror image."""
    model, found = Physical(network).eval(), []
    for some in np.array_split(rows, max(1, len(rows) // 256)):
        maps, face, told = faces.maps[some], faces.face[some], faces.counted[some]
        mirrored = model(maps.flip(-1)[:, MIRRORED_CHANNELS], face, told[:, MIRRORED_REGIONS])[:, MIRRORED_REGIONS]
        found.append(((model(maps, face, told) + mirrored) / 2).numpy())
    return np.concatenate(found)


def _measured(
    values: NDArray[np.float32], counted: NDArray[np.float32], truth: NDArray[np.float32], factors: Calibration
) -> _Told:
    """One face: what is measured and what is true of the regions of which both are known."""
    known = [region for place, region in enumerate(MASI_REGIONS) if truth[place, 0] > 0]
    true = {
        region.key: dict(
            zip(("share", "density", "diameter_mm"), truth[MASI_REGIONS.index(region), 1:].tolist(), strict=True)
        )
        for region in known
    }
    total = masi({region: regional_score(*true[region.key].values()) for region in known})
    rows: dict[Region, NDArray[np.float32]] = {region: counted[MASI_REGIONS.index(region)] for region in known}
    return read_regions(values, rows, 1.0, factors), true, total


_Told = tuple[dict[Region, RegionMeasure], dict[str, dict[str, float]], float | None]


def interval_factors(network: nn.Module, faces: Faces, rows: NDArray[np.int64]) -> Calibration:
    """Factors of the intervals, by people who were not learnt from.

    None of a share is below 1: in most regions there is no pigment, and the shares of these would decide about all.
    Those of density and diameter, which are asked of pigment alone, may be below 1, but not below `LEAST`, as far as
    virtual people say so: of photographs, whose people the skin network knows, it is not believed.
    """
    virtual, every = Ratios(), Ratios()
    for row, values in zip(rows, _values(network, faces, rows), strict=True):
        told = faces.counted[row].numpy(), faces.truth[row].numpy()
        measured, true, total = _measured(values, *told, UNCALIBRATED)
        photograph = photographed(faces.groups[row])
        # Photographs, of which there are fewer, are groups of their own.
        band = f"{faces.bands[row]}{', photographed' if photograph else ''}"
        for ratios in (every,) if photograph else (every, virtual):
            add(ratios, measured, true, band=band, kinds=str(faces.kinds[row]).split(), total=total)
    return Calibration(
        share=_greater(sides(every.share), _ONE),
        density=_narrowed(every.density, virtual.density),
        diameter=_narrowed(every.diameter, virtual.diameter),
        total=sides(every.total),
    )


def _narrowed(every: list[Ratio], virtual: list[Ratio]) -> Factors:
    return _greater(sides(every), _greater(sides(virtual), (LEAST, LEAST)) if virtual else _ONE)


_ONE: Final = (1.0, 1.0)


def _greater(one: Factors, other: Factors) -> Factors:
    return max(one[0], other[0]), max(one[1], other[1])


def figures(network: nn.Module, faces: Faces, rows: NDArray[np.int64], factors: Calibration) -> dict[str, Any]:
    """How far MASI and shares of people who were not learnt from are off, as counted and told, and as read."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    shares, inside, dark_inside, even_inside, totals_inside = [], [], [], [], []
    for row, values in zip(rows, _values(network, faces, rows), strict=True):
        alone = faces.counted[row].numpy()
        measured, true, total = _measured(values, alone, faces.truth[row].numpy(), factors)
        for region, one in measured.items():
            truth = true[region.key]["share"]
            shares.append((abs(float(alone[MASI_REGIONS.index(region), 1]) - truth), abs(one.share - truth)))
            inside.append(one.low <= truth <= one.high)
            if truth >= DETECTION_FLOOR:
                score = regional_score(*true[region.key].values())
                dark_inside.append(one.lowest.darkness <= score.darkness <= one.highest.darkness)
                even_inside.append(one.lowest.homogeneity <= score.homogeneity <= one.highest.homogeneity)
        read = masi({region: one.score for region, one in measured.items()})
        if read is None or total is None:
            continue
        pixels = masi({r: regional_score(*alone[MASI_REGIONS.index(r), 1:4].astype(float).tolist()) for r in measured})
        assert pixels is not None
        low, high = total_interval(measured, read, factors.total, modified=False)
        totals_inside.append(low <= total <= high)
        kinds = str(faces.kinds[row])
        what = "melasma alone" if kinds == "mel" else "other pigment" if kinds not in ("", "none") else "healthy"
        for name in ("all", f"{what}, {faces.sources[row]}", f"MASI {_band_of(total)}"):
            found.setdefault(name, []).append((total, pixels, read))
    table = {}
    for name, values in sorted(found.items()):
        true_masi, pixels, read = np.array(values).T
        table[name] = {
            "faces": len(values),
            "MASI off by, as counted and told": round(float(np.abs(pixels - true_masi).mean()), 2),
            "too much": round(float((pixels - true_masi).mean()), 2),
            "MASI off by": round(float(np.abs(read - true_masi).mean()), 2),
            "by too much": round(float((read - true_masi).mean()), 2),
        }
    counted_error, read_error = np.array(shares).mean(axis=0)
    return {
        "MASI": table,
        "share of a region, mean absolute error, counted in pixels": round(float(counted_error), 4),
        "share of a region, mean absolute error": round(float(read_error), 4),
        "share inside its 90 % interval": _share(inside),
        "darkness of pigment inside its 90 % interval": _share(dark_inside),
        "homogeneity of pigment inside its 90 % interval": _share(even_inside),
        "MASI inside its 90 % interval": _share(totals_inside),
    }


def _share(inside: list[bool]) -> float | None:
    return round(float(np.mean(inside)), 3) if inside else None


def _band_of(total: float) -> str:
    limits = (0.0, 0.01, 2.0, 8.0, 16.0, 32.0, 48.1)
    low, high = next((a, b) for a, b in pairwise(limits) if a <= total < b)
    return f"{low:g} to {min(high, 48):g}"


def _card(network: nn.Module, recipes: list[dict[str, Any]], faces: Faces, sha256: str) -> dict[str, Any]:
    of_factors, of_figures = faces.part(FACTORS), faces.part(FIGURES)
    factors = interval_factors(network, faces, of_factors)
    return {
        "name": NETWORK,
        "what": "Reads share, density and patch size of the four MASI regions off the maps that the skin network draws "
        "of a whole face, with their 90 % intervals.",
        "licence": "Apache-2.0",
        "date": datetime.now(UTC).date().isoformat(),
        "sha256": sha256,
        "parameters": sum(p.numel() for p in network.parameters()),
        "input": f"maps faces x {CHANNELS} x {CELLS} x {CELLS}, face faces x 4 (melascope.lesions.regional; the last "
        f"is left out), counted faces x 4 x {MEASURED} (melascope.scoring.counted)",
        "output": "faces x 4 regions x (share, density, log (1 + diameter in mm)) x (low end, middle, high end)",
        "counted": COUNTED,
        "skin_network": faces.skin,
        "data": {name: int((faces.sources == name).sum()) for name in sorted(set(faces.sources))},
        "people_learnt_from": [recipe["people"] for recipe in recipes],
        "mean_of": recipes,
        "limits": "Whole faces alone. No patient with melasma was seen: pigment was rendered on virtual patients or "
        "painted on generated portraits; official portraits, and generated ones as they are, were taken for free of "
        "pigment, without a dermatologist's look. The photographed faces of calibration and figures are those that the "
        "skin network learnt from, so that their maps are better than those of strangers. People are told apart by "
        "their data set's names: official portraits that were named otherwise when an earlier training learnt from "
        "them may be among the figures. A training that went on from an earlier file (`start`) knows the people of "
        "that one, too, who are not compared here. Which trainings are averaged may have been chosen by figures of the "
        "same people. Trainings that were still told the face's width in pixels are kept without it.",
        "calibration": {**asdict(factors), "photos": len(of_factors), "level": 0.9},
        "figures": {"faces": len(of_figures), **figures(network, faces, of_figures, factors)},
    }
