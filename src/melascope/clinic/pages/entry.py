"""Coming in and going out: sign-in, one-time links, one's own account, the language."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from melascope.clinic import accounts, sessions
from melascope.clinic.access import Forbidden, Invalid, NotFound
from melascope.clinic.audit import log
from melascope.clinic.desk import Desk, Pages, cookie_name, safe_address
from melascope.clinic.tables import Token, User
from melascope.clinic.texts import LANGUAGES

__all__ = ["pages"]

pages = Pages()
_YEAR_S = 365 * 24 * 3600


@pages.get("/")
def home(desk: Desk) -> Response:
    """The list of patients is where work begins; who has no study begins with that."""
    return desk.go("/patients" if desk.actor.roles or not desk.actor.administrator else "/administration")


def _open_form(desk: Desk, template: str, **values: Any) -> Response:
    """A form for people without a session: its token is a cookie as well (double submit)."""
    name = cookie_name(desk.clinic.settings, "-form")
    desk.csrf = desk.request.cookies.get(name, "")[:64] or secrets.token_urlsafe(32)
    response = desk.page(template, **values)
    _set_cookie(desk, response, name, desk.csrf, 3600)
    return response


def _check_open_form(desk: Desk) -> None:
    kept = desk.request.cookies.get(cookie_name(desk.clinic.settings, "-form"), "")
    if not kept or not sessions.same(kept, desk.form.get("csrf", "")):
        raise Invalid("error.form_old")


def _set_cookie(desk: Desk, response: Response, name: str, value: str, age_s: int | None = None) -> None:
    secure = desk.clinic.settings.secure
    response.set_cookie(name, value, max_age=age_s, path="/", secure=secure, httponly=True, samesite="lax")


@pages.get("/sign-in", open=True)
def sign_in_form(desk: Desk) -> Response:
    """Name and password."""
    return _open_form(desk, "sign_in.html", next=safe_address(desk.form.get("next") or desk.query("next") or "/"))


@pages.post("/sign-in", again=sign_in_form, open=True)
def sign_in(desk: Desk) -> Response:
    """A new session, whatever the browser brought with it."""
    _check_open_form(desk)
    clinic = desk.clinic
    user = accounts.check_password(
        clinic.database, clinic.keeper, desk.form.get("name", ""), desk.form.get("password", "")
    )
    if user is None:
        raise Invalid("error.sign_in", "name")
    return _signed_in(desk, user, safe_address(desk.form.get("next", "/")))


def _signed_in(desk: Desk, user: User, address: str) -> Response:
    name = cookie_name(desk.clinic.settings)
    with desk.clinic.database.writing() as db:
        secret = sessions.begin(db, user.id, desk.request.cookies.get(name))
        log(db, user.id, "sign-in")
    response = desk.go(address)
    _set_cookie(desk, response, name, secret)
    response.delete_cookie(cookie_name(desk.clinic.settings, "-form"), path="/", secure=desk.clinic.settings.secure)
    return response


@pages.post("/sign-out")
def sign_out(desk: Desk) -> Response:
    """End the session on both sides."""
    name = cookie_name(desk.clinic.settings)
    sessions.end(desk.db, desk.request.cookies.get(name, ""))
    log(desk.db, desk.actor.id, "sign-out")
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(name, path="/", secure=desk.clinic.settings.secure)
    return response


@pages.get("/start/{secret}", open=True)
def start_form(desk: Desk) -> Response:
    """The one-time link: choose a name and a password."""
    with desk.clinic.database.reading() as db:
        user = accounts.link_owner(db, desk.path("secret"))
        return _open_form(desk, "start.html", name=user.name, first=user.password is None and user.administrator)


@pages.post("/start/{secret}", again=start_form, open=True)
def start(desk: Desk) -> Response:
    """Spend the link and sign in."""
    _check_open_form(desk)
    password = desk.form.get("password", "")
    if password != desk.form.get("again", ""):
        raise Invalid("error.passwords_differ", "again")
    clinic = desk.clinic
    with clinic.database.writing() as db:
        user = accounts.redeem(db, clinic.keeper, desk.path("secret"), desk.form.get("name", ""), password)
        db.flush()
        db.expunge(user)
    return _signed_in(desk, user, "/")


@pages.get("/account")
def account(desk: Desk) -> Response:
    """One's own account: language, password, keys of the API."""
    tokens = desk.db.scalars(select(Token).where(Token.user_id == desk.actor.id).order_by(Token.created)).all()
    return desk.page("account.html", tokens=tokens, secret="", language=desk.user.language or "")


@pages.post("/account/password", again=account)
def password(desk: Desk) -> Response:
    """Another password; every session of the account ends but this one, which is begun anew."""
    if desk.form.get("password", "") != desk.form.get("again", ""):
        raise Invalid("error.passwords_differ", "again")
    accounts.change_password(
        desk.db, desk.clinic.keeper, desk.user, desk.form.get("old", ""), desk.form.get("password", "")
    )
    response = desk.go("/account")
    _set_cookie(desk, response, cookie_name(desk.clinic.settings), sessions.begin(desk.db, desk.actor.id))
    return response


@pages.post("/account/tokens", again=account)
def add_token(desk: Desk) -> Response:
    """A new key, shown this once."""
    secret = accounts.new_token(desk.db, desk.user, desk.form.get("name", ""))
    desk.db.flush()
    tokens = desk.db.scalars(select(Token).where(Token.user_id == desk.actor.id).order_by(Token.created)).all()
    return desk.page("account.html", tokens=tokens, secret=secret, language=desk.user.language or "")


@pages.post("/account/tokens/{token}/revoke")
def revoke(desk: Desk) -> Response:
    """Make a key useless."""
    accounts.revoke_token(desk.db, desk.user, desk.path("token"))
    return desk.go("/account")


@pages.post("/language", open=True)
def language(desk: Desk) -> Response:
    """Read the pages in another language; a signed-in user's choice is kept."""
    code = desk.form.get("language", "")
    if code not in LANGUAGES:
        raise NotFound
    clinic = desk.clinic
    secret = desk.request.cookies.get(cookie_name(clinic.settings), "")
    if secret:
        with clinic.database.writing() as db:
            found = sessions.find(db, secret, clinic.settings)
            if found is not None:
                if not sessions.same(desk.form.get("csrf", ""), found[0].csrf):
                    raise Forbidden("csrf")
                found[1].language = code
    response = desk.go(safe_address(desk.form.get("next", "/")))
    _set_cookie(desk, response, cookie_name(clinic.settings, "-language"), code, _YEAR_S)
    return response
