"""Accounts, studies and who belongs to them; the audit log."""

from __future__ import annotations

from sqlalchemy import select
from starlette.responses import Response

from melascope.clinic import accounts, audit
from melascope.clinic.access import Forbidden, Invalid, NotFound, Right
from melascope.clinic.desk import Desk, Pages
from melascope.clinic.tables import Member, Role, Study, User

__all__ = ["pages"]

pages = Pages()


def _need(desk: Desk) -> None:
    """Administrators of the clinic or of a study."""
    if not desk.actor.administrator and not any(desk.actor.may(Right.MANAGE, s) for s in desk.actor.roles):
        raise Forbidden("manage")


@pages.get("/administration")
def show(desk: Desk) -> Response:
    """Accounts and studies."""
    return _page(desk, None, "")


def _page(desk: Desk, user: User | None, link: str) -> Response:
    _need(desk)
    actor = desk.actor
    studies = desk.db.scalars(select(Study).order_by(Study.name)).all()
    seen = [study for study in studies if actor.administrator or actor.may(Right.MANAGE, study.id)]
    members = desk.db.scalars(select(Member).where(Member.study_id.in_([study.id for study in seen]))).all()
    known = select(User).order_by(User.folded)
    if not actor.administrator:  # who works elsewhere is not this study's business
        known = known.where(User.id.in_({member.user_id for member in members}))
    users = desk.db.scalars(known).all()
    return desk.page(
        "administration.html",
        users=users,
        studies=seen,
        members={
            study.id: sorted((m for m in members if m.study_id == study.id), key=lambda m: m.user.folded)
            for study in seen
        },
        roles=list(Role),
        link=link,
        invited=user,
    )


@pages.post("/administration/users", again=show)
def add_user(desk: Desk) -> Response:
    """A new account; its one-time link is shown this once."""
    desk.actor.need_administrator()
    user = accounts.add_user(
        desk.db, desk.actor.id, desk.form.get("name", ""), administrator=desk.form.get("administrator") == "yes"
    )
    return _invited(desk, user)


def _invited(desk: Desk, user: User) -> Response:
    secret = accounts.invite(desk.db, desk.actor.id, user)
    desk.db.flush()
    return _page(desk, user, f"{desk.clinic.settings.public_url}/start/{secret}")


def _user(desk: Desk) -> User:
    user = desk.db.get(User, desk.path("user"))
    if user is None:
        raise NotFound
    return user


@pages.post("/administration/users/{user}/invite")
def invite(desk: Desk) -> Response:
    """A new one-time link, for who forgot the password."""
    desk.actor.need_administrator()
    return _invited(desk, _user(desk))


@pages.post("/administration/users/{user}/disable", again=show)
def disable(desk: Desk) -> Response:
    """Close an account, or open it again."""
    desk.actor.need_administrator()
    accounts.set_disabled(desk.db, desk.actor, _user(desk), desk.form.get("disabled") == "yes")
    return desk.go("/administration#accounts")


@pages.post("/administration/studies", again=show)
def add_study(desk: Desk) -> Response:
    """A new study."""
    accounts.add_study(desk.db, desk.actor, desk.form.get("name", ""))
    return desk.go("/administration#studies")


@pages.post("/administration/studies/{study}/members", again=show)
def member(desk: Desk) -> Response:
    """Give a user a role in a study, another one, or none."""
    _need(desk)
    raw = desk.form.get("role", "")
    if raw and raw not in set(Role):
        raise Invalid("error.choice", "role", value=raw[:20])
    role = Role(raw) if raw else None
    accounts.set_role(desk.db, desk.actor, desk.path("study"), desk.form.get("user", ""), role)
    return desk.go("/administration#studies")


@pages.get("/audit")
def log(desk: Desk) -> Response:
    """Who saw and changed what."""
    _need(desk)
    raw = desk.query("before")
    lines, rest = audit.page(desk.db, desk.actor, int(raw) if raw.isdecimal() and len(raw) < 16 else None)
    return desk.page("audit.html", lines=lines, rest=rest)
