"""Sessions on the server's side: a random secret in a cookie, its SHA-256 and a CSRF token in the database."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from melascope.clinic.settings import Settings
from melascope.clinic.tables import SignIn, User, now

__all__ = ["begin", "digest", "end", "end_all", "find", "same", "stale", "touch"]

_KEEP: Final = timedelta(days=7)
"""Rows of sessions that ended long ago are cleared away."""
_TOUCH: Final = timedelta(minutes=1)


def digest(secret: str) -> str:
    """SHA-256, hexadecimal: what is kept of a secret that was random."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare secrets in a time that tells nothing."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def begin(db: Session, user_id: str, before: str | None = None) -> str:
    """A new session's secret. What the browser had before is ended: no secret outlives a sign-in."""
    if before:
        end(db, before)
    db.execute(delete(SignIn).where(SignIn.created < now() - _KEEP))
    secret = secrets.token_urlsafe(32)
    db.add(SignIn(digest=digest(secret), user_id=user_id, csrf=secrets.token_urlsafe(32)))
    return secret


def find(db: Session, secret: str, settings: Settings) -> tuple[SignIn, User] | None:
    """The session of a secret and its user; None if it ended, is too old, or the account is closed."""
    row = db.get(SignIn, digest(secret))
    if row is None:
        return None
    moment = now()
    if moment - row.seen > timedelta(minutes=settings.idle_minutes):
        return None
    if moment - row.created > timedelta(hours=settings.session_hours):
        return None
    user = db.get(User, row.user_id)
    return None if user is None or user.disabled else (row, user)


def stale(row: SignIn) -> bool:
    """True if the time of the last request should be written down again (once a minute is enough)."""
    return now() - row.seen > _TOUCH


def touch(db: Session, key: str) -> None:
    """Write down that there was a request."""
    row = db.get(SignIn, key)
    if row is not None:
        row.seen = now()


def end(db: Session, secret: str) -> None:
    """End a session."""
    db.execute(delete(SignIn).where(SignIn.digest == digest(secret)))


def end_all(db: Session, user_id: str) -> None:
    """End all sessions of a user."""
    db.execute(delete(SignIn).where(SignIn.user_id == user_id))
