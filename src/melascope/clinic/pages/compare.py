"""Two visits beside each other: the faces aligned, a slider between them, the scores."""

from __future__ import annotations

from starlette.responses import Response

from melascope.clinic.access import NotFound, Right, patient_of
from melascope.clinic.between import Between, Fate, Spot, between, steadiness
from melascope.clinic.corrections import read
from melascope.clinic.course import Point, change, course, repeatability
from melascope.clinic.desk import Desk, Pages
from melascope.clinic.pictures import aligned
from melascope.vocabulary import MASI_REGIONS

__all__ = ["pages"]

pages = Pages()


@pages.get("/patients/{patient}/compare")
def show(desk: Desk) -> Response:
    """The first and the latest visit with a total, or two that are chosen."""
    patient = patient_of(desk.db, desk.actor, desk.path("patient"), Right.VIEW)
    desk.see("patient.view", patient)
    points = [point for point in course(patient).points if point.photo is not None]
    if len(points) < 2:
        return desk.page("message.html", title="compare.title", text=desk.language("compare.too_few"))
    before = _chosen(points, desk.query("before")) or points[0]
    after = _chosen(points, desk.query("after")) or points[-1]
    assert before.photo is not None
    assert after.photo is not None
    desk.see("photo.view", before.photo)
    desk.see("photo.view", after.photo)
    found = None if before.photo is after.photo else between(before.photo, after.photo)
    return desk.page(
        "compare.html",
        patient=patient,
        points=points,
        before=before,
        after=after,
        change=change(before, after),
        regions=MASI_REGIONS,
        known=repeatability(),
        lesions=found,
        steady=steadiness(),
        states=[fate for fate in Fate if found is not None and found.counts[fate]],
        frame=_frame(before),
        shapes=[] if found is None else _shapes(found),
    )


def _frame(point: Point) -> tuple[int, int]:
    """Width and height of the earlier photograph as shown."""
    assert point.photo is not None
    assert point.photo.analysed is not None
    record, scale = read(point.photo), float(point.photo.analysed.pictures["scale"])
    assert record is not None
    size = record.record.photo
    return max(1, round(size.width * scale)), max(1, round(size.height * scale))


def _shapes(found: Between) -> list[dict[str, str]]:
    """All outlines, the earlier ones first: SVG points in pixels of the earlier photograph as shown."""

    def shape(side: str, place: int, fate: Fate, spot: Spot) -> dict[str, str]:
        line = spot.outline if side == "before" else found.outline_after(spot)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
        return {"side": side, "row": str(place), "state": fate.value, "points": points}

    rows = list(enumerate(found.pairs))
    earlier = [shape("before", place, pair.fate, spot) for place, pair in rows for spot in pair.before]
    return earlier + [shape("after", place, pair.fate, spot) for place, pair in rows for spot in pair.after]


def _chosen(points: list[Point], visit: str) -> Point | None:
    return next((point for point in points if point.visit.id == visit), None)


@pages.get("/patients/{patient}/aligned/{before}/{after}")
def picture(desk: Desk) -> Response:
    """The photograph of one visit, moved so that the face lies where it lies in that of the other."""
    patient = patient_of(desk.db, desk.actor, desk.path("patient"), Right.VIEW)
    photos = {photo.id: photo for visit in patient.visits for photo in visit.photos}
    onto, moved = photos.get(desk.path("before")), photos.get(desk.path("after"))
    if onto is None or moved is None or onto.analysed is None or moved.analysed is None:
        raise NotFound
    desk.see("photo.picture", moved)
    here, there = moved.analysed.pictures, onto.analysed.pictures
    if "display.jpg" not in here["files"] or "display.jpg" not in there["files"]:
        raise NotFound
    data = desk.clinic.store.get(patient.id, here["files"]["display.jpg"])
    frame = desk.clinic.store.get(patient.id, there["files"]["display.jpg"])
    return Response(aligned(data, here["anchors"], frame, there["anchors"]) or data, media_type="image/jpeg")
