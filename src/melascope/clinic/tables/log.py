"""What was seen and changed, uploads that may be sent again, and files that are to be deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from melascope.clinic.tables.shape import Base, Digest, Id, below, now

__all__ = ["Audit", "Idempotent", "Removal"]


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

    user_id: Mapped[str] = mapped_column(Id, below("users"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request: Mapped[str] = mapped_column(Digest)
    """SHA-256 of route and content."""
    answer: Mapped[dict[str, Any]]
    created: Mapped[datetime] = mapped_column(default=now, index=True)


class Removal(Base):
    """Files that no row needs any more; see `melascope.clinic.removals`."""

    __tablename__ = "removals"
    __table_args__ = ({"sqlite_autoincrement": True},)  # a number is never another row's

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    patient: Mapped[str] = mapped_column(Id)
    """The patient or queue whose files they are; the row itself is gone, or goes on with others."""
    prefix: Mapped[str] = mapped_column(String(100), default="")
    """What their names begin with; empty: all of them."""
    since: Mapped[datetime] = mapped_column(default=now)
    """From then on nothing needs them; of a queue that is just being taken in, that lies ahead."""
    due: Mapped[datetime] = mapped_column(default=now, index=True)
    """When they are removed next."""
