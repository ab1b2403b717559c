"""Accounts, studies and who belongs to them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from melascope.clinic.tables.shape import Base, Digest, Id, Role, below, new_id, now

__all__ = ["Attempts", "Link", "Member", "SignIn", "Study", "Token", "User"]


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
    user_id: Mapped[str] = mapped_column(Id, below("users"), index=True)
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
    user_id: Mapped[str] = mapped_column(Id, below("users"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime] = mapped_column(default=now)
    seen: Mapped[datetime] = mapped_column(default=now)


class Token(Base):
    """A key of the REST API, kept as its SHA-256 only; it acts as its user."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    digest: Mapped[str] = mapped_column(Digest, unique=True)
    user_id: Mapped[str] = mapped_column(Id, below("users"), index=True)
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

    user_id: Mapped[str] = mapped_column(Id, below("users"), primary_key=True)
    study_id: Mapped[str] = mapped_column(Id, below("studies"), primary_key=True, index=True)
    role: Mapped[Role]

    user: Mapped[User] = relationship()
    study: Mapped[Study] = relationship()
