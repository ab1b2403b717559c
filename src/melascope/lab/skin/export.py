"""ONNX export of the skin network, with its card."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from melascope.lab.skin.network import CLASSES, KINDS, MAPS, SkinNetwork
from melascope.skin.regions import SIDE as SIZE
from melascope.vocabulary import Region

__all__ = ["MOST_GAP", "export", "written_whole"]

MOST_GAP: Final = 1e-4
"""Most by which a probability or density may differ between onnxruntime and torch."""


class _Probabilities(torch.nn.Module):
    def __init__(self, network: SkinNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        outputs = self.network(pixels)
        sizes = [CLASSES, 1, 1, KINDS, 1]
        regions, disease, density, kinds, depth = outputs.split(sizes, dim=1)
        parts = [regions.softmax(dim=1), disease.sigmoid(), density, kinds.softmax(dim=1), depth.sigmoid()]
        return torch.cat(parts, dim=1)


def export(run: Path, to: Path | None = None) -> Path:
    """Writes `skin.onnx` and `skin.json` from the averaged weights of a run, whole and checked or not at all.

    Args:
        run: Folder with `checkpoint.pt` and `recipe.json`.
        to: Folder to write to; the package's own `networks` folder if None.

    Raises:
        RuntimeError: onnxruntime and torch differ by more than `MOST_GAP`; what was in the folder stays.
    """
    to = to or Path(str(files("melascope.networks")))
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    network = SkinNetwork()
    network.load_state_dict(saved["average"])
    model = _Probabilities(network).eval()
    example = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with written_whole(to, "skin") as (part, card_part):
        _write_checked(model, example, part)
        card = _card(network, saved, json.loads((run / "recipe.json").read_text(encoding="utf-8")), part)
        card_part.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return to / "skin.onnx"


@contextmanager
def written_whole(to: Path, name: str) -> Iterator[tuple[Path, Path]]:
    """Two files to write a network and its card to, which then take their places together; after an error neither does.

    Args:
        to: The folder.
        name: Of the network: `name.onnx` and `name.json`.
    """
    paths = [to / f"{name}.onnx", to / f"{name}.json"]
    part, card_part = parts = [path.with_name(f".{path.name}.part") for path in paths]
    try:
        yield part, card_part
        for written, path in zip(parts, paths, strict=True):
            os.replace(written, path)
    finally:
        for written in parts:
            written.unlink(missing_ok=True)


def _write_checked(model: _Probabilities, example: torch.Tensor, path: Path) -> None:
    import onnxruntime

    torch.onnx.export(
        model,
        (example,),
        str(path),
        input_names=["pixels"],
        output_names=["maps"],
        dynamic_axes={"pixels": {0: "views"}, "maps": {0: "views"}},
        opset_version=17,
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ours = session.run(None, {"pixels": example.numpy()})[0]
    with torch.no_grad():
        gap = float(np.abs(ours - model(example).numpy()).max())
    if gap > MOST_GAP:
        raise RuntimeError(f"ONNX and torch differ by {gap:.2e}; at most {MOST_GAP} is allowed; try another opset")


def _origin(recipe: dict[str, Any]) -> str:
    imagenet = "ImageNet MobileNetV2 (Apache-2.0)"
    start = recipe.get("start")
    if start is None or not start["file"].endswith(".onnx"):
        return imagenet
    return f"an earlier {start['file']} of this laboratory (sha256 {start['sha256']}), it from {imagenet}"


def _card(network: SkinNetwork, saved: dict[str, Any], recipe: dict[str, Any], path: Path) -> dict[str, Any]:
    return {
        "name": "skin",
        "what": "Labels every pixel of a photograph with one of the facial regions, outlines excess pigment, reads its "
        "density, and says which of six lesions it resembles.",
        "licence": "Apache-2.0",
        "date": datetime.now(UTC).date().isoformat(),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "parameters": sum(p.numel() for p in network.parameters()),
        "input": f"views x 3 x {SIZE} x {SIZE}, RGB / 127.5 - 1, whole photograph or face, padded with black",
        "output": f"views x {MAPS} x {SIZE // 2} x {SIZE // 2}: region probabilities, pigment disease probability, "
        "pigment density (optical density in red), probabilities of the six lesions (sl, fre, mel, caf, ota, hori) and "
        "of a look-alike given that there is a mark, share of the pigment in the dermis",
        "classes": {str(int(region)): region.key for region in Region},
        "architecture": "MobileNetV2 blocks 0-16 and a light top-down decoder",
        "initialised_from": _origin(recipe),
        "data": {
            "faces": "98 generated portraits (CC BY 4.0, tobecwb/facial-features-yolo8x-seg) and 141 official "
            "portraits (largely public domain, voteview/member_photos); persons by hash, two thirds for training",
            "close_ups": f"{recipe['skin']} of PAD-UFES-20 (CC BY 4.0), two thirds of the patients, as skin of unknown "
            "place",
            "labels": "MediaPipe Face Landmarker (Apache-2.0) polygons, refined by colour: no label was drawn by hand",
            "virtual_patients": f"{recipe.get('virtual', 0)} photographs rendered by melascope's cohort, with exact "
            "regions, pigment, kinds and depth",
            "pigment": "painted on the generated portraits as optical density, at two depths, with moles, redness, "
            "shaved beards, shadows and shine as look-alikes; official portraits serve unpainted; no patient with "
            "melasma was seen; close-ups of patients' skin taught it what skin is, not pigment",
        },
        "recipe": recipe,
        "steps": int(saved["step"]),
        "limits": f"Trained on {recipe['faces']} faces and {recipe.get('virtual', 0)} photographs of virtual patients; "
        "no patient with melasma was seen. The truth of the region figures on photographs is the teacher's, not a "
        "person's. Faces older than teenagers, mostly unoccluded; dark skin was seen darkened or rendered only.",
        "figures": {},
    }
