"""What all tables share: words, moments, identifiers, and the base."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, Date, DateTime, Dialect, Enum, ForeignKey, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

__all__ = [
    "Age",
    "Base",
    "Digest",
    "Id",
    "JobState",
    "MakeUp",
    "Moment",
    "PhotoView",
    "Role",
    "Sex",
    "below",
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


class MakeUp(StrEnum):
    """Whether foundation or powder covers the skin, as whoever takes the photographs says."""

    OFF = "off"
    WORN = "worn"


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
        MakeUp: _words(MakeUp),
        PhotoView: _words(PhotoView),
        JobState: _words(JobState),
    }


Id = String(32)
Digest = String(64)


def below(parent: str) -> ForeignKey:
    """A foreign key that goes with its parent."""
    return ForeignKey(f"{parent}.id", ondelete="CASCADE")
