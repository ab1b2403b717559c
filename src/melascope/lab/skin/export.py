"""ONNX export of the skin network, with its card."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from melascope import networks
from melascope.lab.shipping import halved
from melascope.lab.skin.network import CLASSES, KINDS, MAPS, SkinNetwork
from melascope.skin.regions import SIDE as SIZE
from melascope.vocabulary import Region

__all__ = ["HALVED_GAP", "MOST_GAP", "export", "written_whole"]

MOST_GAP: Final = 1e-4
"""Most by which a probability or density may differ between onnxruntime and torch."""
HALVED_GAP: Final = 3e-2
HALVED_DENSITY_GAP: Final = 3e-3
"""The same of a single pixel's probability, and density, once the weights are in half precision, as they are shipped;
the mean is a hundredth of it."""
_IMAGENET: Final = "92719e906546f4a6342a20bd0585cea80f72a288fe25426f740ed1b35551f7c9"
"""SHA-256 of the file of ImageNet's weights that this laboratory starts from."""
_UNKNOWN: Final = "not recorded"


class _Probabilities(torch.nn.Module):
    def __init__(self, network: SkinNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        outputs = self.network(pixels)
        sizes = [CLASSES, 1, 1, KINDS, 1]
        regions, disease, density, kinds, depth = outputs.split(sizes, dim=1)
        parts = [_softmax(regions), disease.sigmoid(), density, _softmax(kinds), depth.sigmoid()]
        return torch.cat(parts, dim=1)


def _softmax(scores: torch.Tensor) -> torch.Tensor:
    """Over the channels, step by step: onnxruntime's own turns every map round for it, which takes longer."""
    raised = torch.exp(scores - scores.amax(dim=1, keepdim=True))
    return raised / raised.sum(dim=1, keepdim=True)


def export(run: Path, to: Path | None = None) -> Path:
    """Writes `skin.onnx`, in half precision, and `skin.json` from a run's averaged weights, checked or not at all.

    Args:
        run: Folder with `checkpoint.pt` and `recipe.json`.
        to: Folder to write to; the package's own `networks` folder if None.

    Raises:
        RuntimeError: onnxruntime and torch differ by more than `MOST_GAP` (`HALVED_GAP` in half precision); what was
            in the folder stays.
    """
    to = to or networks.folder_to_write()
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
    with torch.no_grad():
        wanted = model(example).numpy()
    whole, small = path.read_bytes(), halved(path.read_bytes())
    for content, most, most_density in ((whole, MOST_GAP, MOST_GAP), (small, HALVED_GAP, HALVED_DENSITY_GAP)):
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        gaps = np.abs(session.run(None, {"pixels": example.numpy()})[0] - wanted).max(axis=(0, 2, 3))
        density = gaps[CLASSES + 1]
        if gaps.max() > most or density > most_density:
            which = "in half precision" if content is small else "in onnxruntime"
            raise RuntimeError(
                f"{which} values differ by {gaps.max():.2e}, densities by {density:.2e}; at most {most} and "
                f"{most_density} are allowed; report it with the run's recipe.json"
            )
    path.write_bytes(small)


def _origin(recipe: dict[str, Any]) -> str:
    """What a run started from."""
    if "start" not in recipe:
        return _UNKNOWN
    start = recipe["start"]
    if start is None:
        return "random start"
    if start["sha256"] == _IMAGENET:
        return "ImageNet MobileNetV2 (Apache-2.0)"
    earlier = "an earlier " if start["file"].endswith(".onnx") else ""
    return f"{earlier}{start['file']} (sha256 {start['sha256']})"


def _listed(recipe: dict[str, Any], what: str, count: str) -> str:
    """The folders of one kind, with how many photographs were learnt from, and their licences.

    Args:
        recipe: Of the run.
        what: `faces`, `close_ups` or `cohorts`.
        count: Name of their number in the recipe, which is all that older runs have.
    """
    if "data" not in recipe:
        return f"{recipe.get(count, 'an unknown number')}, folders and licences {_UNKNOWN}"
    parts = [
        f"{one['photos']} of {one['folder']} ({one['licence'] or f'licence {_UNKNOWN}'})"
        for one in recipe["data"][what]
    ]
    return ", ".join(parts) or "none"


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
        "architecture": "MobileNetV2 blocks 0-16, a light top-down decoder, and a path that compares densities",
        "initialised_from": _origin(recipe),
        "data": {
            "faces": f"{_listed(recipe, 'faces', 'faces')}; persons by hash, two thirds for training",
            "close_ups": f"{_listed(recipe, 'close_ups', 'skin')}; two thirds of the persons, as skin of unknown place",
            "labels": "as the folders hold them; `label` draws polygons of MediaPipe Face Landmarker (Apache-2.0), "
            "refined by colour",
            "virtual_patients": f"{_listed(recipe, 'cohorts', 'virtual')}; rendered by melascope's cohort, with exact "
            "regions, pigment, kinds and depth",
            "pigment": "painted on the faces that may be painted as optical density, at two depths, with moles, "
            "redness, shaved beards, shadows and shine as look-alikes; other people serve unpainted; no outline of a "
            "patient's pigment was learnt; close-ups taught it what skin is, not pigment",
        },
        "recipe": recipe,
        "steps": int(saved["step"]),
        "steps_left_out": int(saved.get("left_out", 0)),
        "limits": f"Trained on {recipe.get('faces', 'an unknown number of')} faces and {recipe.get('virtual', 0)} "
        "photographs of virtual patients; pigment was learnt painted or rendered, from no patient. The truth of the "
        "region figures on photographs is the teacher's, not a person's. Which ages, coverings and skin tones the "
        f"photographs show was {_UNKNOWN}.",
        "figures": {},
    }
