"""ONNX export of the skin network, with its card."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from melascope.lab.skin.network import CLASSES, SkinNetwork
from melascope.skin.regions import SIDE as SIZE
from melascope.vocabulary import Region

__all__ = ["export"]


class _Probabilities(torch.nn.Module):
    def __init__(self, network: SkinNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        outputs = self.network(pixels)
        regions, disease, density = outputs[:, :CLASSES], outputs[:, CLASSES : CLASSES + 1], outputs[:, CLASSES + 1 :]
        return torch.cat([torch.softmax(regions, dim=1), torch.sigmoid(disease), density], dim=1)


def export(run: Path, to: Path | None = None) -> Path:
    """Writes `skin.onnx` and `skin.json` from the averaged weights of a run; checks that both agree.

    Args:
        run: Folder with `checkpoint.pt` and `recipe.json`.
        to: Folder to write to; the package's own `networks` folder if None.

    Raises:
        RuntimeError: onnxruntime and torch differ by more than 1e-4.
    """
    import onnxruntime

    to = to or Path(str(files("melascope.networks")))
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    network = SkinNetwork()
    network.load_state_dict(saved["average"])
    model = _Probabilities(network).eval()
    example = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    path = to / "skin.onnx"
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
    if gap > 1e-4:
        raise RuntimeError(f"ONNX and torch differ by {gap:.2e}; at most 1e-4 is allowed; try another opset")
    recipe = json.loads((run / "recipe.json").read_text())
    card = {
        "name": "skin",
        "what": "Labels every pixel of a photograph with one of the facial regions, and outlines excess pigment.",
        "licence": "Apache-2.0",
        "date": datetime.now(UTC).date().isoformat(),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "parameters": sum(p.numel() for p in network.parameters()),
        "input": f"views x 3 x {SIZE} x {SIZE}, RGB / 127.5 - 1, whole photograph or face, padded with black",
        "output": f"views x {len(Region) + 2} x {SIZE // 2} x {SIZE // 2}: region probabilities, pigment "
        "disease probability, pigment density (optical density in red)",
        "classes": {str(int(region)): region.key for region in Region},
        "architecture": "MobileNetV2 blocks 0-16 and a light top-down decoder",
        "initialised_from": "ImageNet MobileNetV2 (Apache-2.0)",
        "data": {
            "faces": "98 generated portraits (CC BY 4.0, tobecwb/facial-features-yolo8x-seg) and 141 official "
            "portraits (largely public domain, voteview/member_photos); persons by hash, two thirds for training",
            "close_ups": "PAD-UFES-20 (CC BY 4.0), two thirds of the patients, as skin of unknown place",
            "labels": "MediaPipe Face Landmarker (Apache-2.0) polygons, refined by colour: no label was drawn by hand",
            "pigment": "painted on the generated portraits as optical density, at two depths, with moles, redness, "
            "shadows and shine as look-alikes; official portraits serve unpainted; no photograph of a patient was seen",
        },
        "recipe": recipe,
        "steps": int(saved["step"]),
        "limits": "Trained on 169 faces; the truth of its figures is the teacher's, not a person's. Faces older than "
        "teenagers, mostly unoccluded; the dark ITA band comes from darkened skin only.",
        "figures": {},
    }
    (to / "skin.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return path
