"""How a trained network becomes one that ships: smaller weights, its file and its card, written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melascope import networks

__all__ = ["ShipError", "coarse_pictures", "halved", "read_table", "run_onnx", "write_network"]


class ShipError(ValueError):
    """A run that cannot ship; says why, and what to do."""


def read_table(run: Path, name: str, command: str) -> dict[str, Any]:
    """A JSON file of a finished run.

    Args:
        run: Its folder.
        name: Of the file.
        command: Which writes such runs.

    Raises:
        ShipError: It is missing or damaged.
    """
    path = run / name
    if not path.is_file():
        raise ShipError(f"{run}: holds no {name}; name the folder of a finished run that `{command}` wrote")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ShipError(f"{path}: is damaged ({error}); train the run again") from None
    if not isinstance(table, dict):
        raise ShipError(f"{path}: is damaged (no table); train the run again")
    return table


def halved(content: bytes) -> bytes:
    """The same ONNX network with its large weights in half precision, turned back when it is loaded."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_model_from_string(content)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < 256 or np.abs(values).max() > 6e4:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    whole: bytes = model.SerializeToString()
    return whole


def coarse_pictures(side: int) -> NDArray[np.float32]:
    """(4, 3, side, side) coarse random pictures, 0 to 255, on which two files of one network are compared."""
    rng = np.random.default_rng(5)
    blocks = rng.uniform(0, 255, (4, 3, 6, 6)).repeat(-(-side // 6), 2).repeat(-(-side // 6), 3)
    return blocks[..., :side, :side].astype(np.float32)


def run_onnx(content: bytes, pictures: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """All outputs of an ONNX network whose input is called ``pixels``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pixels": pictures}), strict=True))


def write_network(name: str, content: bytes, card: Mapping[str, Any], to: Path | None = None) -> tuple[Path, Path]:
    """Write NAME.onnx and NAME.json; both replace what is there.

    Args:
        name: Of the network.
        content: The ONNX file.
        card: Its card.
        to: Folder to write to; this installation's networks if None.

    Raises:
        OSError: The folder cannot be written to.
    """
    folder = networks.folder_to_write() if to is None else Path(to)
    folder.mkdir(parents=True, exist_ok=True)
    model, written = folder / f"{name}.onnx", folder / f"{name}.json"
    _write(model, content)
    _write(written, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))
    return model, written


def _write(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
        part = Path(stream.name)
    try:
        part.write_bytes(content)
        part.chmod(0o644)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
