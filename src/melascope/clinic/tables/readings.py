"""Blinded reading studies: who reads which photographs in which order, and every score that was ever saved."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from melascope.clinic.tables.course import Photo
from melascope.clinic.tables.people import Study, User
from melascope.clinic.tables.shape import Base, Digest, Id, below, new_id, now

__all__ = ["Figures", "Rater", "ReadingStudy", "Score", "Showing"]


class ReadingStudy(Base):
    """Photographs of one study that several raters score without seeing anything else. Closing it unblinds."""

    __tablename__ = "reading_studies"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(Id, below("studies"), index=True)
    first_id: Mapped[str | None] = mapped_column(Id, below("reading_studies"), index=True)
    """Of a second reading: the one on which the raters differed."""
    name: Mapped[str] = mapped_column(String(120))
    seed: Mapped[int]
    """Order and photographs shown twice follow from it, see `melascope.clinic.reading_order`."""
    twice: Mapped[int]
    """Percent of the photographs that each rater sees a second time."""
    chosen: Mapped[dict[str, Any]]
    """Views and days by which the photographs were chosen."""
    created: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    closed: Mapped[datetime | None] = mapped_column(default=None)
    closed_by: Mapped[str | None] = mapped_column(Id, ForeignKey("users.id"), default=None)
    version: Mapped[int] = mapped_column()

    study: Mapped[Study] = relationship()
    raters: Mapped[list[Rater]] = relationship(back_populates="reading", order_by="Rater.number", passive_deletes="all")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Rater(Base):
    """A member of the study who reads."""

    __tablename__ = "raters"
    __table_args__ = (UniqueConstraint("reading_id", "user_id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    reading_id: Mapped[str] = mapped_column(Id, below("reading_studies"))
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"), index=True)
    number: Mapped[int]
    """From 1; the order is drawn from it and the seed."""
    signed: Mapped[datetime | None] = mapped_column(default=None)
    """When the rater signed the reading off; nothing can be revised afterwards."""
    version: Mapped[int] = mapped_column()

    reading: Mapped[ReadingStudy] = relationship(back_populates="raters")
    user: Mapped[User] = relationship()
    showings: Mapped[list[Showing]] = relationship(
        back_populates="rater", order_by="Showing.place", passive_deletes="all"
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Showing(Base):
    """One photograph that is shown to one rater once. Its identifier is all that the rater's browser learns."""

    __tablename__ = "showings"
    __table_args__ = (UniqueConstraint("rater_id", "place"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    rater_id: Mapped[str] = mapped_column(Id, below("raters"))
    photo_id: Mapped[str] = mapped_column(Id, below("photos"), index=True)
    place: Mapped[int]
    """From 1 in the rater's order."""
    again: Mapped[bool]
    """The second showing of the photograph to this rater."""
    saved: Mapped[datetime | None] = mapped_column(default=None)
    version: Mapped[int] = mapped_column()

    rater: Mapped[Rater] = relationship(back_populates="showings")
    photo: Mapped[Photo] = relationship()
    scores: Mapped[list[Score]] = relationship(order_by="Score.id", passive_deletes="all")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Score(Base):
    """What a rater saved. Rows are added only, and triggers refuse changes: the last one of a showing holds."""

    __tablename__ = "scores"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    showing_id: Mapped[str] = mapped_column(Id, below("showings"), index=True)
    regions: Mapped[dict[str, Any]]
    """By region: area, darkness and homogeneity, or null where it was not assessable; empty if the photograph could
    not be read."""
    unreadable: Mapped[str] = mapped_column(String(16), default="")
    """Why the photograph could not be read; empty if it could."""
    comment: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(default=now)


class Figures(Base):
    """Drawn figures of a closed reading study, see `melascope.clinic.kept_figures`: they can be drawn again."""

    __tablename__ = "reading_figures"

    reading_id: Mapped[str] = mapped_column(Id, below("reading_studies"), primary_key=True)
    name: Mapped[str] = mapped_column(Digest, primary_key=True)
    """SHA-256 of what they follow from."""
    drawn: Mapped[str] = mapped_column(Text)
    """By figure: value, low, high, undefined; as text, for JSON of a database knows no nan."""
