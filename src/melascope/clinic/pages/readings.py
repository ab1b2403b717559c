"""Blinded reading studies: the list, making one, the queue, one photograph before its rater, what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from melascope.clinic import readings, showings
from melascope.clinic.access import (
    Blinded,
    Forbidden,
    Invalid,
    NotFound,
    Right,
    reading_of,
    showing_of,
    still_reads,
    study_of,
    turns,
)
from melascope.clinic.desk import Desk, Pages
from melascope.clinic.patients import version_of
from melascope.clinic.reading_choice import Choice, eligible
from melascope.clinic.tables import Member, PhotoView, ReadingStudy, Showing, Study
from melascope.vocabulary import MASI_REGIONS

if TYPE_CHECKING:
    from melascope.clinic.agreements import Outcome

__all__ = ["pages"]

pages = Pages()
_PAGE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The page of `melascope severity agreement` is one file with its styles inside; it holds no script."""


@pages.get("/readings")
def listing(desk: Desk) -> Response:
    """Reading studies of the caller's studies."""
    managed = [key for key in desk.actor.roles if desk.actor.may(Right.MANAGE, key)]
    return desk.page("readings.html", lines=readings.list_readings(desk.db, desk.actor), managed=managed)


# ---------------------------------------------------------------- making


@pages.get("/readings/new")
def new(desk: Desk) -> Response:
    """The form of a new reading study."""
    managed = [desk.db.get_one(Study, key) for key in desk.actor.roles if desk.actor.may(Right.MANAGE, key)]
    if not managed:
        raise Forbidden("manage")
    managed.sort(key=lambda study: study.name.casefold())
    wanted = desk.form.get("study") or desk.query("study") or managed[0].id
    study = study_of(desk.db, desk.actor, wanted, Right.MANAGE)
    members = desk.db.query(Member).where(Member.study_id == study.id).all()
    counts = {view: len(eligible(desk.db, study.id, Choice(views=(view,)))) for view in PhotoView}
    return desk.page(
        "reading_form.html",
        study=study,
        studies=managed,
        members=sorted((member for member in members), key=lambda member: member.user.folded),
        counts=counts,
        values=desk.form or {"view.frontal": "yes", "twice": "20"},
    )


@pages.post("/readings", again=new)
def make(desk: Desk) -> Response:
    """Keep a new reading study."""
    made = readings.make_reading(desk.db, desk.actor, desk.form.get("study", ""), desk.form)
    return desk.go(f"/readings/{made.id}")


# ---------------------------------------------------------------- one reading study


def _reading(desk: Desk, right: Right = Right.VIEW) -> ReadingStudy:
    return reading_of(desk.db, desk.actor, desk.path("reading"), right)


@pages.get("/readings/{reading}")
def show(desk: Desk) -> Response:
    """How far it is; for a rater, the queue."""
    reading = _reading(desk)
    line = readings.line_of(desk.db, desk.actor, reading)
    mine: list[Showing] = []
    hidden = False
    if line.mine is not None:
        try:
            mine = showings.queue(desk.db, desk.actor, reading.id)[2]
        except Blinded:
            hidden = True
    manages = desk.actor.may(Right.MANAGE, reading.study_id)
    reads = line.mine is not None and still_reads(line.mine.rater)
    last, due = turns([(showing.id, showing.saved) for showing in mine])
    return desk.page(
        "reading.html",
        reading=reading,
        line=line,
        hidden=hidden,
        queue=mine,
        given={} if reads else {showing.id: showings.held(showing) for showing in mine},
        reads=reads,
        last=last,
        due=due,
        shows_seed=readings.shows_seed(desk.actor, reading),
        manages=manages,
        exports=desk.actor.may(Right.EXPORT, reading.study_id),
        second=_second(desk, reading),
        first=desk.db.get(ReadingStudy, reading.first_id) if reading.first_id else None,
    )


def _second(desk: Desk, reading: ReadingStudy) -> ReadingStudy | None:
    return desk.db.query(ReadingStudy).where(ReadingStudy.first_id == reading.id).first()


@pages.post("/readings/{reading}/sign", again=show)
def sign(desk: Desk) -> Response:
    """Sign one's own reading off."""
    readings.sign_off(desk.db, desk.actor, desk.path("reading"))
    return desk.go(f"/readings/{desk.path('reading')}")


@pages.post("/readings/{reading}/close", again=show)
def close(desk: Desk) -> Response:
    """Close it, and begin the second reading at once if that is wished."""
    again = desk.form.get("again") == "yes"
    shown = readings.close_reading(desk.db, desk.actor, desk.path("reading"), again=again)
    return desk.go(f"/readings/{shown.id}")


@pages.post("/readings/{reading}/again", again=show)
def again(desk: Desk) -> Response:
    """Begin the second reading of a closed one."""
    second = readings.read_again(desk.db, desk.actor, desk.path("reading"))
    return desk.go(f"/readings/{second.id if second else desk.path('reading')}")


@pages.post("/readings/{reading}/delete", again=show)
def delete(desk: Desk) -> Response:
    """Delete one in which nothing was scored."""
    readings.delete_reading(desk.db, desk.actor, desk.path("reading"))
    return desk.go("/readings")


# ---------------------------------------------------------------- one photograph before its rater


def _showing(desk: Desk) -> Showing:
    return showing_of(desk.db, desk.actor, desk.path("reading"), desk.path("showing"))


@pages.get("/readings/{reading}/photos/{showing}")
def read(desk: Desk) -> Response:
    """The photograph and the form of its scores, and nothing else."""
    return _form(desk, None)


def conflict(desk: Desk) -> Response:
    """What was entered beside what the rater saved in another window."""
    showing = _showing(desk)
    mine = showings.entry_of(desk.form)
    sent = {key: value for key, value in desk.form.items() if key not in ("csrf", "version")}
    return _form(desk, {"mine": mine, "stored": showings.held(showing), "sent": sent})


def _form(desk: Desk, differs: dict[str, Any] | None) -> Response:
    showing = _showing(desk)
    held = showings.held(showing)
    reading = showing.rater.reading
    return desk.page(
        "reading_conflict.html" if differs else "reading_photo.html",
        409 if differs else 200,
        reading=reading,
        showing=showing,
        place=showings.place_of(desk.db, showing),
        values=_values(held) if desk.error is None else desk.form,
        said=held,
        open=reading.closed is None and showing.rater.signed is None,
        regions=MASI_REGIONS,
        limits=showings.LIMITS,
        reasons=showings.REASONS,
        version=desk.form.get("version", "") if desk.error else showing.version,
        differs=differs,
    )


def _values(held: showings.Entry | None) -> dict[str, str]:
    """An entry as the fields of the form."""
    if held is None:
        return {}
    values = {"unreadable": held.unreadable, "comment": held.comment}
    for region, steps in held.regions.items():
        values |= {f"{region}.unseen": "yes"} if steps is None else {f"{region}.{k}": str(v) for k, v in steps.items()}
    return values


@pages.get("/readings/{reading}/photos/{showing}/picture.jpg")
def picture(desk: Desk) -> Response:
    """The photograph without any of the file's metadata."""
    showing = _showing(desk)
    photo = showing.photo
    desk.see("reading.photo", photo)
    files: dict[str, str] = {} if photo.analysed is None else photo.analysed.pictures["files"]
    if "display.jpg" not in files:
        raise NotFound
    data = desk.clinic.store.get(photo.visit.patient_id, files["display.jpg"])
    return Response(data, media_type="image/jpeg")


@pages.post("/readings/{reading}/photos/{showing}", again=read, conflict=conflict)
def score(desk: Desk) -> Response:
    """Keep the scores, and go on to the next photograph without any."""
    _showing(desk)
    version = version_of(desk.form.get("version", ""))
    said = showings.entry_of(desk.form)
    address = f"/readings/{desk.path('reading')}"
    showing = showings.save(desk.db, desk.actor, desk.path("reading"), desk.path("showing"), version, said)
    if desk.form.get("then") == "stay":
        return desk.go(f"{address}/photos/{showing.id}")
    due = showings.place_of(desk.db, showing).due
    return desk.go(f"{address}/photos/{due}" if due else address)


# ---------------------------------------------------------------- what came of it


def _opened(desk: Desk, right: Right = Right.VIEW) -> ReadingStudy:
    """A closed reading study whose scores the caller may see."""
    reading = _reading(desk, right)
    readings.need_open_eyes(desk.db, desk.actor, reading)
    return reading


def _outcome(desk: Desk, reading: ReadingStudy) -> Outcome:
    """Its statistics; who looks first has the intervals drawn, and they are kept."""
    from melascope.clinic.agreements import outcome
    from melascope.clinic.kept_figures import Kept

    kept = Kept(desk.db, reading.id)
    found = outcome(desk.db, reading, kept)
    kept.keep(desk.clinic.database)
    return found


@pages.get("/readings/{reading}/agreement")
def agreement(desk: Desk) -> Response:
    """Agreement of the raters, how each repeats, and the measurement beside them."""
    from markupsafe import Markup

    from melascope.severity.agreement_figures import bands_figure, bland_altman, cumulative
    from melascope.severity.agreement_page import between, grade, number, signed

    reading = _opened(desk)
    desk.see("reading.agreement", reading)
    found = _outcome(desk, reading)

    def drawn(drawing: str) -> Markup:
        return Markup(drawing)  # noqa: S704 (our own drawing, whose words are escaped)

    def plot(report: Any) -> Markup:
        return drawn(bland_altman(report, report.pairs[0]))

    report = found.report
    return desk.page(
        "reading_agreement.html",
        reading=reading,
        found=found,
        report=report,
        plots=[(pair, drawn(bland_altman(report, pair))) for pair in report.pairs] if report else [],
        spread=(drawn(cumulative(report)), drawn(bands_figure(report))) if report else None,
        plot=plot,
        between=between,
        grade=grade,
        number=number,
        signed=signed,
        manages=desk.actor.may(Right.MANAGE, reading.study_id),
        exports=desk.actor.may(Right.EXPORT, reading.study_id),
        second=_second(desk, reading),
        first=desk.db.get(ReadingStudy, reading.first_id) if reading.first_id else None,
    )


@pages.get("/readings/{reading}/{file}")
def file(desk: Desk) -> Response:
    """``ratings.csv`` of the agreement, ``readings.csv`` of everything, ``agreement.html`` for printing."""
    name = desk.path("file")
    if name not in ("ratings.csv", "readings.csv", "agreement.html"):
        raise NotFound
    from melascope.clinic import agreements

    reading = _opened(desk, Right.EXPORT)
    desk.see("reading.export", reading)
    if name == "agreement.html":
        from melascope.severity.agreement_page import html

        report = _outcome(desk, reading).report
        if report is None:
            raise Invalid("readings.wrong_few")
        headers = {"content-security-policy": _PAGE_POLICY}
        return Response(html(report, reading.name), media_type="text/html; charset=utf-8", headers=headers)
    made = (agreements.ratings_csv if name == "ratings.csv" else agreements.readings_csv)(desk.db, reading)
    headers = {"content-disposition": f'attachment; filename="{name.removesuffix(".csv")}-{reading.id[:8]}.csv"'}
    return Response(made, media_type="text/csv; charset=utf-8", headers=headers)
