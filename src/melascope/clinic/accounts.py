"""Accounts: passwords (argon2id), one-time links, lockout, membership in studies, keys of the API."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Final, Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from melascope.clinic.access import Actor, Forbidden, Invalid, NotFound, Right
from melascope.clinic.audit import log
from melascope.clinic.database import Database
from melascope.clinic.sessions import digest, end_all
from melascope.clinic.tables import Attempts, Link, Member, Role, Study, Token, User, now

__all__ = [
    "LOCK_AFTER",
    "Hasher",
    "add_study",
    "add_user",
    "bearer",
    "change_password",
    "check_password",
    "first_link",
    "hasher",
    "invite",
    "link_owner",
    "lock_delay",
    "new_token",
    "redeem",
    "revoke_token",
    "set_disabled",
    "set_role",
]

LOCK_AFTER: Final = 5
"""Failed sign-ins in a row from which a name has to wait."""
_LONGEST_WAIT: Final = timedelta(hours=1)
_FORGET: Final = timedelta(days=1)
_LINK_HOURS: Final = 72
_TOKEN_DAYS: Final = 365
_SHORTEST: Final = 10
_LONGEST: Final = 200
_COMMON: Final = frozenset(
    (
        *("password12", "password123", "passwordpassword", "1234567890", "0123456789", "12345678910", "qwertyuiop"),
        *("qwerty12345", "iloveyou12", "melascope1", "melascope123", "administrator", "letmein1234", "welcome123"),
    )
)


class Hasher(Protocol):
    """What keeps passwords: argon2id, or a quick stand-in of it in tests."""

    def hash(self, password: str) -> str:
        """The text to keep."""
        ...

    def verify(self, hash: str, password: str) -> bool:  # noqa: A002 (argon2's name)
        """True, or an exception of argon2."""
        ...


def hasher() -> Hasher:
    """Argon2id with the memory, passes and lanes of RFC 9106's second choice (64 MiB)."""
    return PasswordHasher()


# ---------------------------------------------------------------- users


def add_user(db: Session, by: str | None, name: str, *, administrator: bool = False) -> User:
    """A new account without a password; `invite` gives the link that sets one.

    Raises:
        Invalid: The name is empty, too long or taken.
    """
    shown = _name(name)
    if db.scalar(select(User.id).where(User.folded == shown.casefold())):
        raise Invalid("error.name_taken", "name", name=shown)
    user = User(name=shown, folded=shown.casefold(), administrator=administrator)
    db.add(user)
    db.flush()
    log(db, by, "user.add", user, administrator=administrator)
    return user


def _name(name: str) -> str:
    shown = " ".join(name.split())
    if not 1 <= len(shown) <= 80 or not shown.isprintable():
        raise Invalid("error.name_length", "name", longest=80)
    return shown


def invite(db: Session, by: str | None, user: User) -> str:
    """The secret of a new one-time link; earlier ones of the account no longer work."""
    db.execute(delete(Link).where(Link.user_id == user.id))
    secret = secrets.token_urlsafe(32)
    db.add(Link(digest=digest(secret), user_id=user.id, expires=now() + timedelta(hours=_LINK_HOURS)))
    log(db, by, "user.invite", user)
    return secret


def first_link(db: Session) -> str | None:
    """The secret of the link that makes the first administrator; None once there is one with a password."""
    if db.scalar(select(User.id).where(User.administrator, User.password.is_not(None)).limit(1)):
        return None
    user = db.scalar(select(User).where(User.administrator).limit(1))
    return invite(db, None, user or add_user(db, None, "administrator", administrator=True))


def link_owner(db: Session, secret: str) -> User:
    """Whose password a link sets.

    Raises:
        NotFound: The link was used, is too old, or never was one.
    """
    link = db.get(Link, digest(secret))
    user = None if link is None or link.expires < now() else db.get(User, link.user_id)
    if user is None or user.disabled:
        raise NotFound
    return user


def redeem(db: Session, keeper: Hasher, secret: str, name: str, password: str) -> User:
    """Set name and password by a one-time link, which is spent; all sessions and keys of the account end.

    Raises:
        NotFound: The link is of no use.
        Invalid: The name is taken, or the password too weak.
    """
    user, shown = link_owner(db, secret), _name(name)
    other = db.scalar(select(User.id).where(User.folded == shown.casefold()))
    if other not in (None, user.id):
        raise Invalid("error.name_taken", "name", name=shown)
    _check_strength(password, shown)
    user.name, user.folded, user.password = shown, shown.casefold(), keeper.hash(password)
    db.execute(delete(Link).where(Link.user_id == user.id))
    db.execute(delete(Attempts).where(Attempts.digest == digest(user.folded)))
    _end_all(db, user)
    log(db, user.id, "user.password", user)
    return user


def change_password(db: Session, keeper: Hasher, user: User, old: str, new: str) -> None:
    """Set another password; all sessions and keys of the account end.

    Raises:
        Invalid: The old one is wrong, or the new one too weak.
    """
    if not _matches(keeper, user.password, old):
        raise Invalid("error.password_wrong", "old")
    _check_strength(new, user.name)
    user.password = keeper.hash(new)
    _end_all(db, user)
    log(db, user.id, "user.password", user)


def _end_all(db: Session, user: User) -> None:
    """End the sessions and keys that were made with the earlier password: somebody else may have them."""
    end_all(db, user.id)
    db.execute(delete(Token).where(Token.user_id == user.id))


def set_disabled(db: Session, actor: Actor, user: User, disabled: bool) -> None:
    """Close or open an account; closing ends its sessions, and its keys no longer work."""
    actor.need_administrator()
    if user.id == actor.id:
        raise Invalid("error.not_yourself")
    user.disabled = disabled
    end_all(db, user.id)
    log(db, actor.id, "user.disable" if disabled else "user.enable", user)


def _check_strength(password: str, name: str) -> None:
    """Length counts (NIST SP 800-63B); what everybody tries first is refused."""
    if not _SHORTEST <= len(password) <= _LONGEST:
        raise Invalid("error.password_length", "password", shortest=_SHORTEST, longest=_LONGEST)
    folded = password.casefold()
    if folded in _COMMON or name.casefold() in (folded, folded[::-1]) or len(set(folded)) < 4:
        raise Invalid("error.password_common", "password")


# ---------------------------------------------------------------- signing in


def lock_delay(failures: int) -> timedelta:
    """How long a name waits after so many failures in a row: 30 s after five, twice as long after each further one.

    Example:
        >>> [int(lock_delay(n).total_seconds()) for n in (4, 5, 6, 7, 30)]
        [0, 30, 60, 120, 3600]
    """
    if failures < LOCK_AFTER:
        return timedelta(0)
    return min(_LONGEST_WAIT, timedelta(seconds=30 * 2 ** min(failures - LOCK_AFTER, 10)))


def check_password(database: Database, keeper: Hasher, name: str, password: str) -> User | None:
    """The account of this name and password; None if there is none, or if the name has to wait.

    The slow part runs outside any transaction. Tries at the same moment are as many as there are threads, and count.
    """
    folded = " ".join(name.split()).casefold()[:160]
    key = digest(folded)
    with database.reading() as db:
        tries = db.get(Attempts, key)
        locked = tries is not None and tries.locked_until is not None and tries.locked_until > now()
        user = db.scalar(select(User).where(User.folded == folded))
        kept = None if user is None or user.disabled else user.password
        user_id = None if user is None else user.id
    if locked:
        with database.writing() as db:
            log(db, None, "sign-in.locked")
        return None
    right = _matches(keeper, kept, password)
    with database.writing() as db:
        if not right:
            _count_failure(db, key)
            log(db, None, "sign-in.failed", *([db.get(User, user_id)] if user_id else []))
            return None
        db.execute(delete(Attempts).where(Attempts.digest == key))
        user = db.get(User, user_id)
        db.expunge_all()
        return user


def _count_failure(db: Session, key: str) -> None:
    db.execute(delete(Attempts).where(Attempts.latest < now() - _FORGET))
    tries = db.get(Attempts, key, with_for_update=True)
    if tries is None:
        tries = Attempts(digest=key, failures=0, latest=now(), locked_until=None)
        db.add(tries)
    tries.failures, tries.latest = tries.failures + 1, now()
    tries.locked_until = now() + lock_delay(tries.failures) if tries.failures >= LOCK_AFTER else None


_nobody: dict[type, str] = {}


def _matches(keeper: Hasher, kept: str | None, password: str) -> bool:
    """Compare; without an account the same work is done, so that time does not tell whether there is one."""
    if type(keeper) not in _nobody:
        _nobody[type(keeper)] = keeper.hash(secrets.token_hex(16))
    try:
        return bool(keeper.verify(kept or _nobody[type(keeper)], password[:_LONGEST])) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


# ---------------------------------------------------------------- studies


def add_study(db: Session, actor: Actor, name: str) -> Study:
    """A new study, with the caller as its administrator."""
    actor.need_administrator()
    shown = " ".join(name.split())
    if not 1 <= len(shown) <= 120:
        raise Invalid("error.name_length", "name", longest=120)
    if db.scalar(select(Study.id).where(Study.name == shown)):
        raise Invalid("error.name_taken", "name", name=shown)
    study = Study(name=shown)
    db.add(study)
    db.flush()
    db.add(Member(user_id=actor.id, study_id=study.id, role=Role.ADMINISTRATOR))
    log(db, actor.id, "study.add", study)
    return study


def set_role(db: Session, actor: Actor, study_id: str, user_id: str, role: Role | None) -> None:
    """Give a user a role in a study, or none. A study keeps at least one administrator.

    Raises:
        Forbidden: The caller administrates neither the clinic nor this study.
        NotFound: No such study or user.
        Invalid: It would leave the study without an administrator.
    """
    study, user = db.get(Study, study_id), db.get(User, user_id)
    if study is None or not (actor.administrator or actor.may(Right.VIEW, study_id)):
        raise NotFound
    if not (actor.administrator or actor.may(Right.MANAGE, study_id)):
        raise Forbidden("manage")
    if user is None:
        raise NotFound
    member = db.get(Member, (user_id, study_id))
    if role is not Role.ADMINISTRATOR and member is not None and member.role is Role.ADMINISTRATOR:
        others = select(Member.user_id).where(
            Member.study_id == study_id, Member.user_id != user_id, Member.role == Role.ADMINISTRATOR
        )
        if db.scalar(others.limit(1)) is None:
            raise Invalid("error.last_administrator")
    if role is None:
        if member is not None:
            db.delete(member)
    elif member is None:
        db.add(Member(user_id=user_id, study_id=study_id, role=role))
    else:
        member.role = role
    log(db, actor.id, "study.role", study, user=user_id, role=role.value if role else "none")


# ---------------------------------------------------------------- keys of the API


def new_token(db: Session, user: User, name: str) -> str:
    """The secret of a new key; it is shown once and kept as its SHA-256."""
    shown = " ".join(name.split())
    if not 1 <= len(shown) <= 80:
        raise Invalid("error.name_length", "name", longest=80)
    secret = f"mela_{secrets.token_urlsafe(32)}"
    expires = now() + timedelta(days=_TOKEN_DAYS)
    db.add(Token(digest=digest(secret), user_id=user.id, name=shown, expires=expires))
    log(db, user.id, "token.add", user)
    return secret


def revoke_token(db: Session, user: User, token_id: str) -> None:
    """Make a key of one's own useless."""
    token = db.get(Token, token_id)
    if token is None or token.user_id != user.id:
        raise NotFound
    db.delete(token)
    log(db, user.id, "token.revoke", user)


def bearer(db: Session, secret: str) -> User | None:
    """Whose key it is; None if nobody's, or too old."""
    key = hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
    token = db.scalar(select(Token).where(Token.digest == key))
    if token is None or token.expires < now():
        return None
    user = db.get(User, token.user_id)
    return None if user is None or user.disabled else user
