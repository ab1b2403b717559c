"""Live mode: a camera before the patient, with what to change, and the photograph taken into the open visit."""

from __future__ import annotations

from typing import Final

from starlette.responses import JSONResponse, Response

from melascope.clinic import live
from melascope.clinic.access import Invalid, Right, visit_of
from melascope.clinic.desk import Desk, Pages
from melascope.live import CODES

__all__ = ["CAMERA", "CHECKS", "pages"]

pages = Pages()
CAMERA: Final = "camera=(self), microphone=(), geolocation=(), payment=()"
"""Permissions-Policy of the one page that may use the camera."""
CHECKS: Final = {
    "distance": (
        "no_skin",
        "no_face",
        "far",
        "too_small_face",
        "too_small_region",
        "near",
        "off_centre",
        "region_cut_off",
    ),
    "angle": ("face_turned", "head_tilted"),
    "light": ("dark", "under_exposed", "over_exposed", "strong_shading", "colour_cast", "grey_scale"),
    "focus": ("blurred", "unreadable"),
    "free": ("covered", "region_missing", "eyes_covered", "several_faces"),
}
"""What the page lists, and the hints that each line is about."""


@pages.get("/visits/{visit}/live")
def show(desk: Desk) -> Response:
    """The page with the camera."""
    visit = visit_of(desk.db, desk.actor, desk.path("visit"), Right.WRITE)
    desk.see("visit.live", visit)
    answer = desk.page("live.html", visit=visit, patient=visit.patient, checks=CHECKS)
    answer.headers["permissions-policy"] = CAMERA
    return answer


@pages.post("/visits/{visit}/live/frame", own=True, raw=live.MOST_BYTES)
def frame(desk: Desk) -> Response:
    """What one frame tells: what to change, the gravest first, where the face is, and about what its MASI would be.

    503: another frame is being looked at; 429: too many; 500: the look failed. No frame is kept for later.
    """
    with desk.clinic.database.reading() as db:
        visit_of(db, desk.actor, desk.path("visit"), Right.WRITE)
    try:
        seen = desk.clinic.live.see(desk.actor.id, desk.body, live.side_of(desk.query("side")))
    except Invalid as error:
        return JSONResponse({"say": desk.language(error.text, **error.values)}, 422)
    except live.TooMany:
        return JSONResponse({"say": desk.language("error.frames_many")}, 429)
    except live.Busy:
        return JSONResponse({"say": desk.language("error.frame_busy")}, 503)
    except live.Broken:
        return JSONResponse({"say": desk.language("error.frame_failed")}, 500)
    known = set(CODES)
    hints = [
        {
            "code": hint.code,
            "say": desk.language(f"live_say.{hint.code}" if hint.code in known else "live.other"),
            "advice": hint.advice,
            "blocks": hint.blocks,
        }
        for hint in seen.hints
    ]
    return JSONResponse(
        {
            "good": seen.good,
            "hints": hints,
            "face": seen.face,
            "masi": seen.masi,
            "severity": seen.severity.value if seen.severity else None,
            "severity_word": desk.language(f"severity.{seen.severity.value}") if seen.severity else "",
        }
    )
