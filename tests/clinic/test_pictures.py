"""Pictures of a result, and one photograph measured for real."""

from __future__ import annotations

import re

import cv2
import numpy as np

from melascope.cli.demo import samples
from melascope.clinic import photos
from melascope.clinic.access import Right, photo_of
from melascope.clinic.corrections import read
from melascope.clinic.jobs import Runner
from melascope.clinic.pictures import LAYERS as ALL
from melascope.clinic.pictures import draw
from melascope.clinic.tables import PhotoView
from melascope.clinic.worker import measure
from melascope.record import SeverityRecord
from melascope.vocabulary import Severity
from tests.clinic.made import REFUSED, House, jpeg
from tests.report.synthetic import measured, refused

LAYERS = tuple(layer for layer in ALL if layer != "relevance")
"""No severity network ships with these tests."""


def decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def test_layers_lie_over_the_photograph_and_are_clear_off_the_skin() -> None:
    record = measured(width=300, height=400)
    made = draw(record, record.arrays.pixels)
    assert {f"{layer}.png" for layer in LAYERS} < set(made.pictures)
    shape = decoded(made.pictures["display.jpg"]).shape[:2]
    for layer in LAYERS:
        pixels = decoded(made.pictures[f"{layer}.png"])
        assert pixels.shape == (*shape, 4)
        assert pixels[2, 2, 3] == 0  # background
        assert pixels[..., 3].max() > 0
    lesions = decoded(made.pictures["lesions.png"])[..., 3] > 0
    assert (lesions == record.arrays.lesion_mask).mean() > 0.98
    x, y = made.anchors["nose"]
    rows, columns = np.nonzero(record.arrays.region_codes == 5)
    assert abs(x - np.median(columns)) <= 1 and abs(y - np.median(rows)) <= 1


def test_what_a_severity_network_reads_is_a_layer_and_a_picture_of_the_report() -> None:
    reading = SeverityRecord(
        severity=Severity.MODERATE, mild=0.1, moderate=0.8, severe=0.1, masi=20.0, masi_low=15.0, masi_high=26.0,
        disagrees=True, virtual_only=True,
    )  # fmt: skip
    record = measured(width=300, height=400, reading=reading)
    made = draw(record, record.arrays.pixels)
    assert {"relevance.png", "relevance.jpg"} < set(made.pictures)
    assert decoded(made.pictures["relevance.png"]).shape[2] == 4


def test_a_large_photograph_is_shown_smaller_and_a_refused_one_without_layers() -> None:
    record = measured(width=300, height=400)
    big = cv2.resize(record.arrays.pixels, (2100, 2800))
    made = draw(refused(), np.asarray(big, np.uint8))
    assert max(decoded(made.pictures["display.jpg"]).shape) == 1400
    assert made.scale == 0.5
    assert set(made.pictures) == {"display.jpg", "thumb.jpg"}
    assert draw(refused(), None).pictures == {}


def test_a_refused_photograph_says_why(house: House) -> None:
    person = house.member()
    person.upload(house.visit, jpeg(REFUSED))
    house.clinic.runner.drain()
    page = person.get(f"/visits/{house.visit}").text
    assert "Hold the camera still" in page
    address = re.findall(r'href="(/photos/[0-9a-f]{32})"', page)[-1]
    shown = person.get(address).text
    assert "Nothing was measured" in shown and "Save scores" not in shown
    assert person.get(f"{address}/report.html").status_code == 200
    assert person.get(f"{address}/display.jpg").status_code == 404


def test_one_photograph_is_measured_for_real(house: House) -> None:
    """The whole way: a sample of the package through the form, the analysis, and onto the page."""
    person = house.member()
    person.upload(house.visit, samples().joinpath("telephone.jpg").read_bytes(), view="close-up")
    clinic = house.clinic
    assert Runner(clinic.database, clinic.store, work=measure).drain() == 1
    actor = house.actor("clinician of practice")
    with clinic.database.reading() as db:
        photo = next(
            p for p in photo_of(db, actor, house.photo, Right.VIEW).visit.photos if p.view is PhotoView.CLOSE_UP
        )
        reading, name = read(photo), photo.id
        assert photos.ORIGINAL.format(sha256=photo.sha256)
    assert reading is not None and reading.masi is not None and reading.interval is not None
    page = person.get(f"/photos/{name}").text
    assert f">{reading.masi:.1f}<" in page
    for layer in LAYERS:
        assert person.get(f"/photos/{name}/{layer}.png").headers["content-type"] == "image/png"
    shown = person.get(f"/photos/{name}/display.jpg").content
    assert b"Exif" not in shown and b"http://ns.adobe.com" not in shown
    report = person.get(f"/photos/{name}/report.html")
    assert report.status_code == 200 and "sandbox" in report.headers["content-security-policy"]
    assert person.get(f"/photos/{name}/report.pdf").content.startswith(b"%PDF")
