"""Boxes as Pascal VOC XML, in the form that labelImg writes and reads.

VOC counts pixels from 1 and includes the last one: a box x0, y0, x1, y1 (exclusive) is xmin = x0 + 1 ... ymax = y1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from melascope.data.annotated import kind_named, snapped
from melascope.data.box import Box
from melascope.data.layout import write_whole

__all__ = ["Voc", "VocError", "read_voc", "write_voc"]


class VocError(ValueError):
    """A VOC file that cannot be read; the message says why and what to do."""


@dataclass(frozen=True)
class Voc:
    """What a VOC file says of one photo."""

    file: str
    """Name of the photo without its folder."""
    width: int
    height: int
    boxes: tuple[Box, ...]


def write_voc(path: Path, photo: str, size: tuple[int, int], boxes: Iterable[Box]) -> None:
    """Write the boxes of a photo, whole or not at all. Outlines and sizes in mm have no place in this format.

    Args:
        path: The XML file.
        photo: The photo, below the data set's folder: ``photos/a.jpg``.
        size: (H, W) of the photo.
        boxes: Parts of pixels are kept: labelImg reads them, and cuts them off.
    """
    folder, _, name = photo.rpartition("/")
    root = ET.Element("annotation")
    for tag, text in (("folder", folder.rpartition("/")[2]), ("filename", name), ("path", photo)):
        ET.SubElement(root, tag).text = text
    ET.SubElement(ET.SubElement(root, "source"), "database").text = "Unknown"
    picture = ET.SubElement(root, "size")
    for tag, number in (("width", size[1]), ("height", size[0]), ("depth", 3)):
        ET.SubElement(picture, tag).text = str(number)
    ET.SubElement(root, "segmented").text = "0"
    for box in boxes:
        x0, y0, x1, y1 = box.corners
        cut = x0 <= 0 or y0 <= 0 or x1 >= size[1] or y1 >= size[0]
        entry = ET.SubElement(root, "object")
        named = (("name", box.kind.value), ("pose", "Unspecified"), ("truncated", str(int(cut))), ("difficult", "0"))
        for tag, text in named:
            ET.SubElement(entry, tag).text = text
        corners = ET.SubElement(entry, "bndbox")
        for tag, value in (("xmin", x0 + 1), ("ymin", y0 + 1), ("xmax", x1), ("ymax", y1)):
            ET.SubElement(corners, tag).text = str(int(value) if float(value).is_integer() else float(value))
    ET.indent(root, "\t")
    write_whole(path, ET.tostring(root, encoding="unicode") + "\n")


def read_voc(path: Path) -> Voc:
    """Read the boxes of a photo.

    Raises:
        FileNotFoundError: There is no such file.
        VocError: It is not VOC, or names a lesion that is not one of the six.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise VocError(f"{path}: is not UTF-8: save it anew") from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise VocError(f"{path}: declares a document type, which annotations never need: remove it")
    try:
        root = ET.fromstring(text)  # noqa: S314 - no document type, so no entities
        width, height = (_number(root, f"size/{tag}") for tag in ("width", "height"))
        if width < 1 or height < 1:
            raise ValueError(f"size is {width:g} x {height:g}: must be that of the photo in pixels")
        boxes = tuple(_box(number, entry) for number, entry in enumerate(root.iter("object"), start=1))
        return Voc(root.findtext("filename", "").strip(), int(width), int(height), boxes)
    except (ET.ParseError, ValueError, OverflowError) as error:
        raise VocError(f"{path}: {error}; write it anew with labelImg (PascalVOC)") from None


def _box(number: int, entry: ET.Element) -> Box:
    try:
        kind = kind_named(entry.findtext("name", ""))
        x0, y0, x1, y1 = (_number(entry, f"bndbox/{tag}") for tag in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError as error:
        raise ValueError(f"object {number}: {error}") from None
    return Box(kind=kind, x0=snapped(x0 - 1), y0=snapped(y0 - 1), x1=snapped(x1), y1=snapped(y1))


def _number(element: ET.Element, tag: str) -> float:
    text = element.findtext(tag)
    try:
        value = float(text) if text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{element.tag}/{tag} is {text!r}: must be a number")
    return value
