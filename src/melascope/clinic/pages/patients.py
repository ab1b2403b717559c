"""Patients: the list, the form, the page of one, treatments, export, deletion."""

from __future__ import annotations

from starlette.responses import Response

from melascope.clinic import patients, removals, visits
from melascope.clinic.access import Right, patient_of
from melascope.clinic.between import since
from melascope.clinic.chart import READ_COLOUR, REGION_COLOURS, chart
from melascope.clinic.course import course, repeatability
from melascope.clinic.desk import Desk, Pages
from melascope.clinic.tables import Age, Sex, Study, now

__all__ = ["pages"]

pages = Pages()
_PER_PAGE = 25


def _studies(desk: Desk, right: Right) -> list[Study]:
    """Studies in which the caller has the right, by name."""
    found = [desk.db.get_one(Study, key) for key in desk.actor.roles if desk.actor.may(right, key)]
    return sorted(found, key=lambda study: study.name.casefold())


@pages.get("/patients")
def listing(desk: Desk) -> Response:
    """Patients, the latest visit first; found by code."""
    number = int(desk.query("page")) if desk.query("page").isdecimal() and len(desk.query("page")) < 6 else 1
    number = max(1, number)
    study, words = desk.query("study") or None, desk.query("code")
    found, total = patients.find_patients(
        desk.db, desk.actor, study_id=study, words=words, offset=(number - 1) * _PER_PAGE, count=_PER_PAGE
    )
    return desk.page(
        "patients.html",
        found=found,
        total=total,
        number=number,
        last=max(1, -(-total // _PER_PAGE)),
        study=study or "",
        words=words,
        studies=_studies(desk, Right.VIEW),
        tables=_studies(desk, Right.EXPORT),
        may_add=bool(_studies(desk, Right.WRITE)),
    )


@pages.get("/patients/new")
def new(desk: Desk) -> Response:
    """The form of a new patient."""
    studies = _studies(desk, Right.WRITE)
    return desk.page(
        "patient_form.html",
        patient=None,
        studies=studies,
        values=desk.form,
        version="",
        conflict=None,
        ages=list(Age),
        sexes=list(Sex),
    )


@pages.post("/patients", again=new)
def add(desk: Desk) -> Response:
    """Keep a new patient."""
    patient = patients.add_patient(desk.db, desk.actor, desk.form.get("study", ""), desk.form)
    return desk.go(f"/patients/{patient.id}")


@pages.get("/patients/{patient}")
def show(desk: Desk) -> Response:
    """One patient: course, visits, treatments."""
    patient = patient_of(desk.db, desk.actor, desk.path("patient"), Right.VIEW)
    desk.see("patient.view", patient)
    found = course(patient)
    return desk.page(
        "patient.html",
        patient=patient,
        course=found,
        wide=chart(found, desk.language),
        narrow=chart(found, desk.language, 340),
        colours=REGION_COLOURS,
        read=[point.read for point in found.points if point.read is not None],
        read_colour=READ_COLOUR,
        known=repeatability(),
        lesions=since(found),
        signed={visit.id: visits.valid_signatures(visit) for visit in patient.visits},
        today=now().astimezone().date(),
    )


@pages.get("/patients/{patient}/edit")
def edit(desk: Desk) -> Response:
    """The form of a patient."""
    return _form(desk, None)


def conflict(desk: Desk) -> Response:
    """What was entered beside what is stored by now; nothing that was entered is lost."""
    response = _form(desk, "conflict")
    response.status_code = 409
    return response


def _form(desk: Desk, state: str | None) -> Response:
    patient = patient_of(desk.db, desk.actor, desk.path("patient"), Right.WRITE)
    desk.see("patient.view", patient)
    stored = {
        "code": patient.code,
        "age": patient.age.value if patient.age else "",
        "sex": patient.sex.value if patient.sex else "",
        "fitzpatrick": str(patient.fitzpatrick or ""),
    }
    return desk.page(
        "patient_form.html",
        patient=patient,
        studies=[],
        values=desk.form or stored,
        version=patient.version if state or not desk.form else desk.form.get("version", ""),
        conflict=stored if state else None,
        ages=list(Age),
        sexes=list(Sex),
    )


@pages.post("/patients/{patient}/edit", again=edit, conflict=conflict)
def change(desk: Desk) -> Response:
    """Keep what was changed."""
    patient_of(desk.db, desk.actor, desk.path("patient"), Right.WRITE)
    version = patients.version_of(desk.form.get("version", ""))
    patient = patients.change_patient(desk.db, desk.actor, desk.path("patient"), version, desk.form)
    return desk.go(f"/patients/{patient.id}")


@pages.post("/patients/{patient}/treatments", again=show)
def treat(desk: Desk) -> Response:
    """Add a treatment."""
    patients.add_treatment(desk.db, desk.actor, desk.path("patient"), desk.form)
    return desk.go(f"/patients/{desk.path('patient')}#treatments")


@pages.post("/patients/{patient}/treatments/{treatment}/remove")
def untreat(desk: Desk) -> Response:
    """Take a treatment off."""
    patients.remove_treatment(desk.db, desk.actor, desk.path("patient"), desk.path("treatment"))
    return desk.go(f"/patients/{desk.path('patient')}#treatments")


@pages.post("/patients/{patient}/visits", again=show)
def visit(desk: Desk) -> Response:
    """Open a visit."""
    opened = visits.add_visit(desk.db, desk.actor, desk.path("patient"), desk.form)
    return desk.go(f"/visits/{opened.id}")


@pages.get("/patients/{patient}/export.zip")
def export(desk: Desk) -> Response:
    """Everything of one patient, as a ZIP."""
    from melascope.clinic.export import export_patient

    patient = patient_of(desk.db, desk.actor, desk.path("patient"), Right.EXPORT)
    desk.see("patient.export", patient)
    data = export_patient(desk.db, desk.clinic.store, patient)
    headers = {"content-disposition": f'attachment; filename="patient-{patient.id[:8]}.zip"'}
    return Response(data, media_type="application/zip", headers=headers)


@pages.get("/patients/{patient}/delete")
def ask(desk: Desk) -> Response:
    """What deletion means, and the code to write out."""
    patient = patient_of(desk.db, desk.actor, desk.path("patient"), Right.DELETE)
    desk.see("patient.view", patient)
    photos = sum(len(each.photos) for each in patient.visits)
    return desk.page("patient_delete.html", patient=patient, photos=photos)


@pages.post("/patients/{patient}/delete", again=ask, own=True)
def delete(desk: Desk) -> Response:
    """Delete rows, then files."""
    with desk.clinic.database.writing() as db:
        patients.delete_patient(db, desk.actor, desk.path("patient"), desk.form.get("code", ""))
    removals.carry_out(desk.clinic.database, desk.clinic.store)
    return desk.go("/patients")
