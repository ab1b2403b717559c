"""The report as one self-contained HTML page: no script, no request to anywhere, pictures inside."""

from __future__ import annotations

import base64
from functools import lru_cache

import cv2
import jinja2
import numpy as np
from numpy.typing import NDArray

from melascope.record import Analysis
from melascope.report.corrected import corrected
from melascope.report.maps import maps, relevance
from melascope.report.overlay import figure
from melascope.report.page import arrays_of, page
from melascope.report.statement import Statement
from melascope.report.words import patch_count

__all__ = ["html", "jpeg", "render"]

Image8 = NDArray[np.uint8]


def html(analysis: Analysis) -> str:
    """The report page.

    A record without arrays (refused, or read from JSON) gives a page without pictures.

    Example:
        >>> html(record).startswith("<!doctype html>")  # doctest: +SKIP
        True
    """
    if arrays_of(analysis) is None:
        return render(analysis, None, None)
    looked = relevance(analysis)
    return render(analysis, jpeg(figure(analysis)), jpeg(maps(analysis)), None if looked is None else jpeg(looked))


def render(
    analysis: Analysis,
    overlay_jpeg: bytes | None,
    maps_jpeg: bytes | None,
    relevance_jpeg: bytes | None = None,
    said: Statement | None = None,
) -> str:
    """The report page around pictures that are already encoded; with what people said of the photograph, if `said`."""
    return _template().render(
        page=page(analysis) if said is None else corrected(page(analysis), said),
        overlay=_data_uri(overlay_jpeg),
        maps=_data_uri(maps_jpeg),
        relevance=_data_uri(relevance_jpeg),
        lesion_count=patch_count(analysis),
    )


def jpeg(pixels: Image8, quality: int = 85) -> bytes:
    """Encode (H, W, 3) sRGB as JPEG, without metadata."""
    done, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"a picture of {pixels.shape} could not be encoded as JPEG")
    return bytes(data)


def _data_uri(data: bytes | None) -> str:
    return "" if data is None else "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("melascope.report", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html.j2")
