"""Boxes that a network proposed, waiting for people, and what people made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from melascope.clinic.tables.people import Study, User
from melascope.clinic.tables.shape import Base, Digest, Id, below, new_id, now

__all__ = ["Review", "ReviewBatch", "ReviewPhoto"]


class ReviewBatch(Base):
    """One queue of the human in the loop. Its photographs lie in the store under its identifier."""

    __tablename__ = "review_batches"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(Id, below("studies"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    created: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))

    study: Mapped[Study] = relationship()
    photos: Mapped[list[ReviewPhoto]] = relationship(
        back_populates="batch", order_by="ReviewPhoto.place", passive_deletes="all"
    )


class ReviewPhoto(Base):
    """One photograph of a queue, with the boxes that were proposed; never changed afterwards."""

    __tablename__ = "review_photos"
    __table_args__ = (UniqueConstraint("batch_id", "place"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    batch_id: Mapped[str] = mapped_column(Id, below("review_batches"), index=True)
    place: Mapped[int]
    """In the queue, from 1: those first from whose review most is expected."""
    name: Mapped[str] = mapped_column(String(500))
    """As the loop calls it."""
    width: Mapped[int]
    height: Mapped[int]
    """Pixels of the upright photograph."""
    sha256: Mapped[str] = mapped_column(Digest)
    model: Mapped[str] = mapped_column(String(200), default="")
    """The network that looked at it; empty: none has."""
    notes: Mapped[dict[str, Any]]
    """`gain` and `uncertainty_bits`, where the queue tells them."""
    proposed: Mapped[dict[str, Any]]
    """`boxes`: each with `kind`, `box` (x0, y0, x1, y1 in pixels) and `chance`."""

    batch: Mapped[ReviewBatch] = relationship(back_populates="photos")
    reviews: Mapped[list[Review]] = relationship(order_by="Review.id", passive_deletes="all", lazy="selectin")
    """With their photographs at once: every page of a queue counts them."""


class Review(Base):
    """What one person made of a photograph's boxes. A later review names those that it was based on, and replaces them;
    two that nothing replaces are a conflict.
    """

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    photo_id: Mapped[str] = mapped_column(Id, below("review_photos"), index=True)
    by: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(default=now)
    done: Mapped[bool]
    """False: put aside by its author, to be gone on with."""
    based: Mapped[dict[str, Any]]
    """`reviews`: identifiers of the reviews that it replaces."""
    made: Mapped[dict[str, Any]]
    """`boxes`: each with `kind`, `box` and `source`, the number of the proposed box that it was, or null."""

    user: Mapped[User] = relationship()
