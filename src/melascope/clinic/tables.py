"""The tables, typed. What a row means stands here; what may be done with it stands in the services.

Deleting a patient deletes everything below by foreign keys; users are never deleted, only disabled, and the audit log
knows identifiers only, so that it can outlive what it speaks of.
"""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Date,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

__all__ = [
    "Age",
    "Analysed",
    "Attempts",
    "Audit",
    "Base",
    "Correction",
    "Idempotent",
    "Job",
    "JobState",
    "Link",
    "Member",
    "Patient",
    "Photo",
    "PhotoView",
    "Role",
    "Sex",
    "SignIn",
    "Signature",
    "Study",
    "Token",
    "Treatment",
    "User",
    "Visit",
    "new_id",
    "now",
]


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """32 hexadecimal signs that nobody guesses."""
    return secrets.token_hex(16)


class Role(StrEnum):
    """What a member of a study may do; see `melascope.clinic.access`."""

    ADMINISTRATOR = "administrator"
    CLINICIAN = "clinician"
    ANNOTATOR = "annotator"
    READ_ONLY = "read-only"


class Sex(StrEnum):
    """As told by the patient."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"


class Age(StrEnum):
    """Age in bands of ten years: enough for a course, too little to name a person."""

    UNDER_20 = "under-20"
    FROM_20 = "20-29"
    FROM_30 = "30-39"
    FROM_40 = "40-49"
    FROM_50 = "50-59"
    FROM_60 = "60-69"
    FROM_70 = "70-79"
    FROM_80 = "80-plus"


class PhotoView(StrEnum):
    """From where a photograph was taken, as the photographer says."""

    FRONTAL = "frontal"
    LEFT = "left"
    RIGHT = "right"
    CLOSE_UP = "close-up"


class JobState(StrEnum):
    """Where an analysis stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Moment(TypeDecorator[datetime]):
    """A point in time: aware and UTC on both sides, whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuses a naive time, which would mean another one on another machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value}: a time without its zone; pass one in UTC")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """SQLite forgets the zone; it was UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _words(kind: type[StrEnum]) -> Enum:
    return Enum(
        kind, native_enum=False, length=16, create_constraint=False, values_callable=lambda k: [m.value for m in k]
    )


_NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables of the clinic."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012
        datetime: Moment(),
        date: Date(),
        dict[str, Any]: JSON(),
        Role: _words(Role),
        Sex: _words(Sex),
        Age: _words(Age),
        PhotoView: _words(PhotoView),
        JobState: _words(JobState),
    }


Id = String(32)
Digest = String(64)


def _below(parent: str) -> ForeignKey:
    """A foreign key that goes with its parent."""
    return ForeignKey(f"{parent}.id", ondelete="CASCADE")


# ---------------------------------------------------------------- accounts


class User(Base):
    """An account. `administrator` may manage accounts and studies; patients are reached through a study alone."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(80))
    folded: Mapped[str] = mapped_column(String(160), unique=True)
    """The name in lower case: Anna and anna are one account."""
    administrator: Mapped[bool] = mapped_column(default=False)
    password: Mapped[str | None] = mapped_column(String(200), default=None)
    """Argon2id; null until the one-time link was used."""
    disabled: Mapped[bool] = mapped_column(default=False)
    language: Mapped[str | None] = mapped_column(String(8), default=None)
    created: Mapped[datetime] = mapped_column(default=now)


class Link(Base):
    """A one-time link with which its bearer sets the password of an account."""

    __tablename__ = "links"

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, _below("users"), index=True)
    expires: Mapped[datetime]


class Attempts(Base):
    """Failed sign-ins by name, of accounts that exist and that do not: nobody learns which."""

    __tablename__ = "attempts"

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    latest: Mapped[datetime] = mapped_column(default=now)
    locked_until: Mapped[datetime | None] = mapped_column(default=None)


class SignIn(Base):
    """A session; the cookie's secret is kept as its SHA-256 only."""

    __tablename__ = "sign_ins"

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, _below("users"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime] = mapped_column(default=now)
    seen: Mapped[datetime] = mapped_column(default=now)


class Token(Base):
    """A key of the REST API, kept as its SHA-256 only; it acts as its user."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    digest: Mapped[str] = mapped_column(Digest, unique=True)
    user_id: Mapped[str] = mapped_column(Id, _below("users"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    created: Mapped[datetime] = mapped_column(default=now)
    expires: Mapped[datetime]


class Study(Base):
    """A practice or a study: the wall between patients."""

    __tablename__ = "studies"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    created: Mapped[datetime] = mapped_column(default=now)


class Member(Base):
    """A user's role in a study."""

    __tablename__ = "members"

    user_id: Mapped[str] = mapped_column(Id, _below("users"), primary_key=True)
    study_id: Mapped[str] = mapped_column(Id, _below("studies"), primary_key=True, index=True)
    role: Mapped[Role]

    user: Mapped[User] = relationship()
    study: Mapped[Study] = relationship()


# ---------------------------------------------------------------- patients


class Patient(Base):
    """A person under a code. No name is kept."""

    __tablename__ = "patients"
    __table_args__ = (UniqueConstraint("study_id", "code"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(Id, _below("studies"), index=True)
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
    patient_id: Mapped[str] = mapped_column(Id, _below("patients"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    started: Mapped[date]
    ended: Mapped[date | None]

    patient: Mapped[Patient] = relationship(back_populates="treatments")


class Visit(Base):
    """One day on which a patient was photographed."""

    __tablename__ = "visits"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    patient_id: Mapped[str] = mapped_column(Id, _below("patients"), index=True)
    day: Mapped[date]
    note: Mapped[str] = mapped_column(Text, default="")
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
    visit_id: Mapped[str] = mapped_column(Id, _below("visits"), index=True)
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

    photo_id: Mapped[str] = mapped_column(Id, _below("photos"), primary_key=True)
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

    photo_id: Mapped[str] = mapped_column(Id, _below("photos"), primary_key=True)
    record: Mapped[str] = mapped_column(Text)
    """`analysis.json`."""
    pictures: Mapped[dict[str, Any]]
    """Names of the pictures in the store, and `anchors`: places of the face, for alignment."""
    made: Mapped[datetime] = mapped_column(default=now)


class Correction(Base):
    """One thing that a person says otherwise. Rows are added only: the last one of a target holds."""

    __tablename__ = "corrections"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    photo_id: Mapped[str] = mapped_column(Id, _below("photos"), index=True)
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
    visit_id: Mapped[str] = mapped_column(Id, _below("visits"), index=True)
    by: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(default=now)
    digest: Mapped[str] = mapped_column(Digest)

    user: Mapped[User] = relationship()


# ---------------------------------------------------------------- log


class Audit(Base):
    """Who saw and changed what. Rows can be added only: triggers of the database refuse the rest."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    user_id: Mapped[str | None] = mapped_column(Id)
    action: Mapped[str] = mapped_column(String(40))
    study_id: Mapped[str | None] = mapped_column(Id, index=True)
    subject: Mapped[str] = mapped_column(String(16), default="")
    subject_id: Mapped[str | None] = mapped_column(Id, index=True)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Further identifiers and the names of fields; never their content."""


class Idempotent(Base):
    """The answer to a request that bore an Idempotency-Key, given again when the request comes again."""

    __tablename__ = "idempotent"

    user_id: Mapped[str] = mapped_column(Id, _below("users"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request: Mapped[str] = mapped_column(Digest)
    """SHA-256 of route and content."""
    answer: Mapped[dict[str, Any]]
    created: Mapped[datetime] = mapped_column(default=now, index=True)
