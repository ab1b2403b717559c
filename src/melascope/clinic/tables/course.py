"""Patients, visits, photographs, their analyses, corrections and signatures."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from melascope.clinic.tables.people import Study, User
from melascope.clinic.tables.shape import Age, Base, Digest, Id, JobState, MakeUp, PhotoView, Sex, below, new_id, now

__all__ = ["Analysed", "Correction", "Job", "Patient", "Photo", "Signature", "Treatment", "Visit"]


class Patient(Base):
    """A person under a code. No name is kept."""

    __tablename__ = "patients"
    __table_args__ = (UniqueConstraint("study_id", "code"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(Id, below("studies"), index=True)
    code: Mapped[str] = mapped_column(String(40))
    age: Mapped[Age | None]
    sex: Mapped[Sex | None]
    fitzpatrick: Mapped[int | None]
    """I to VI as told by the patient, 1 to 6."""
    created: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    version: Mapped[int] = mapped_column()

    study: Mapped[Study] = relationship()
    visits: Mapped[list[Visit]] = relationship(
        back_populates="patient", order_by="Visit.day, Visit.created", passive_deletes="all"
    )
    treatments: Mapped[list[Treatment]] = relationship(
        back_populates="patient", order_by="Treatment.started, Treatment.id", passive_deletes="all"
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Treatment(Base):
    """Something that was done against the pigment, with its dates."""

    __tablename__ = "treatments"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    patient_id: Mapped[str] = mapped_column(Id, below("patients"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    started: Mapped[date]
    ended: Mapped[date | None]

    patient: Mapped[Patient] = relationship(back_populates="treatments")


class Visit(Base):
    """One day on which a patient was photographed."""

    __tablename__ = "visits"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    patient_id: Mapped[str] = mapped_column(Id, below("patients"), index=True)
    day: Mapped[date]
    note: Mapped[str] = mapped_column(Text, default="")
    make_up: Mapped[MakeUp | None]
    """None where nobody noted it."""
    created: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    changed: Mapped[datetime] = mapped_column(default=now)
    changed_by: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    version: Mapped[int] = mapped_column()

    patient: Mapped[Patient] = relationship(back_populates="visits")
    photos: Mapped[list[Photo]] = relationship(
        back_populates="visit", order_by="Photo.added, Photo.id", passive_deletes="all"
    )
    signatures: Mapped[list[Signature]] = relationship(order_by="Signature.at", passive_deletes="all")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Photo(Base):
    """A photograph; its bytes lie in the store under the patient and their SHA-256."""

    __tablename__ = "photos"
    __table_args__ = (UniqueConstraint("visit_id", "sha256"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    visit_id: Mapped[str] = mapped_column(Id, below("visits"), index=True)
    view: Mapped[PhotoView]
    sha256: Mapped[str] = mapped_column(Digest)
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes."""
    added: Mapped[datetime] = mapped_column(default=now)
    added_by: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    corrected: Mapped[datetime | None]
    corrected_by: Mapped[str | None] = mapped_column(Id, ForeignKey("users.id"))
    version: Mapped[int] = mapped_column()

    visit: Mapped[Visit] = relationship(back_populates="photos")
    job: Mapped[Job | None] = relationship(passive_deletes="all")
    analysed: Mapped[Analysed | None] = relationship(passive_deletes="all")
    corrections: Mapped[list[Correction]] = relationship(order_by="Correction.id", passive_deletes="all")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Job(Base):
    """The analysis of one photograph, as work to do."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_state_queued", "state", "queued"),)

    photo_id: Mapped[str] = mapped_column(Id, below("photos"), primary_key=True)
    state: Mapped[JobState] = mapped_column(default=JobState.QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    """How often it was begun."""
    failures: Mapped[int] = mapped_column(default=0)
    """How often it came to no result; what a server's end cut short is none."""
    queued: Mapped[datetime] = mapped_column(default=now)
    finished: Mapped[datetime | None] = mapped_column(default=None)
    claimed_by: Mapped[str | None] = mapped_column(String(120), default=None)
    lease: Mapped[datetime | None] = mapped_column(default=None)
    """Until then the claim holds; a process that died does not renew it."""
    error: Mapped[str] = mapped_column(Text, default="")


class Analysed(Base):
    """The record of a photograph as it was measured; never changed afterwards."""

    __tablename__ = "analyses"

    photo_id: Mapped[str] = mapped_column(Id, below("photos"), primary_key=True)
    record: Mapped[str] = mapped_column(Text)
    """`analysis.json`."""
    pictures: Mapped[dict[str, Any]]
    """Names of the pictures in the store, and `anchors`: places of the face, for alignment."""
    made: Mapped[datetime] = mapped_column(default=now)


class Correction(Base):
    """One thing that a person says otherwise. Rows are added only: the last one of a target holds."""

    __tablename__ = "corrections"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    photo_id: Mapped[str] = mapped_column(Id, below("photos"), index=True)
    target: Mapped[str] = mapped_column(String(60))
    """`score/forehead`, `lesion/3` or `box/<id>`."""
    original: Mapped[dict[str, Any]]
    """What was measured there; empty for a box that a person drew."""
    value: Mapped[dict[str, Any]]
    """What holds instead; empty: the measurement again."""
    by: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(default=now)

    user: Mapped[User] = relationship()


class Signature(Base):
    """A clinician stands for what a visit says; `digest` tells whether it still says the same."""

    __tablename__ = "signatures"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    visit_id: Mapped[str] = mapped_column(Id, below("visits"), index=True)
    by: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(default=now)
    digest: Mapped[str] = mapped_column(Digest)

    user: Mapped[User] = relationship()
