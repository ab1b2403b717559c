"""Small ONNX files, written without the package onnx, which continuous integration does not have.

An ONNX file is a protocol buffer: fields with a number and a kind, whole numbers in groups of seven bits (the message
types are those of onnx.proto, IR version 8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_FLOAT, _INT64 = 1, 7


@dataclass(frozen=True)
class Node:
    """One operation; attributes are whole numbers or lists of them."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, int | Sequence[int]] = field(default_factory=dict)


def onnx_file(
    nodes: Sequence[Node],
    constants: Mapping[str, NDArray[np.generic]],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Mapping[str, Sequence[int | str]],
) -> bytes:
    """A model of operator set 17; shapes are whole numbers, or names of sizes that may vary."""
    graph = b"".join(_bytes(1, _node(node)) for node in nodes) + _text(2, "drawn")
    graph += b"".join(_bytes(5, _tensor(name, values)) for name, values in constants.items())
    graph += b"".join(_bytes(11, _value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(_bytes(12, _value(name, shape)) for name, shape in outputs.items())
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, 17))


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def _number(place: int, value: int) -> bytes:
    return _varint(place << 3) + _varint(value)


def _bytes(place: int, content: bytes) -> bytes:
    return _varint(place << 3 | 2) + _varint(len(content)) + content


def _text(place: int, text: str) -> bytes:
    return _bytes(place, text.encode())


def _node(node: Node) -> bytes:
    out = b"".join(_text(1, name) for name in node.inputs) + _text(2, node.output) + _text(4, node.kind)
    for name, value in node.attributes.items():
        if isinstance(value, int):
            out += _bytes(5, _text(1, name) + _number(3, value) + _number(20, 2))
        else:
            out += _bytes(5, _text(1, name) + b"".join(_number(8, each) for each in value) + _number(20, 7))
    return out


def _tensor(name: str, values: NDArray[np.generic]) -> bytes:
    whole = np.issubdtype(values.dtype, np.integer)
    stored = values.astype("<i8" if whole else "<f4")
    dims = b"".join(_number(1, size) for size in stored.shape)
    return dims + _number(2, _INT64 if whole else _FLOAT) + _text(8, name) + _bytes(9, stored.tobytes())


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(_bytes(1, _number(1, size) if isinstance(size, int) else _text(2, size)) for size in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, _FLOAT) + _bytes(2, dims)))
