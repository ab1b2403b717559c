"""One request: who asks, what was entered, the transaction that it runs in, and the page that answers.

A page is a plain function of a `Desk`. It runs in one piece on a thread: the session is looked up, the form's token
checked, the page made and everything kept, before the first byte of the answer leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, urlsplit

import jinja2
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Message

import melascope
from melascope.clinic import logs, sessions
from melascope.clinic.access import (
    Actor,
    Blinded,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OutOfTurn,
    Right,
    actor_of,
)
from melascope.clinic.accounts import Hasher
from melascope.clinic.audit import Entry, seen
from melascope.clinic.database import Database, is_full
from melascope.clinic.jobs import Runner
from melascope.clinic.live import Live
from melascope.clinic.seal import Sealed
from melascope.clinic.settings import Settings
from melascope.clinic.store import StoreError, Unreadable
from melascope.clinic.tables import Audit, User
from melascope.clinic.texts import LANGUAGES, Texts, choose, texts
from melascope.report.words import listed
from melascope.vocabulary import DISCLAIMER

__all__ = ["Clinic", "Desk", "Pages", "cookie_name", "safe_address"]

Handler = Callable[["Desk"], Response]
_MOST_FIELDS: Final = 400
_MOST_FILES: Final = 12
_MOST_OPEN: Final = 64_000
"""Bytes of a form that anybody may send: names and passwords, no files."""


@dataclass(frozen=True)
class Clinic:
    """What all requests share."""

    settings: Settings
    database: Database
    store: Sealed
    runner: Runner
    keeper: Hasher
    live: Live = field(default_factory=Live)


@dataclass
class Desk:
    """One request of one person."""

    clinic: Clinic
    request: Request
    form: Mapping[str, str]
    files: Mapping[str, list[UploadFile]]
    language: Texts
    body: bytes = b""
    """What a page that takes no form was sent."""
    _db: Session | None = None
    _actor: Actor | None = None
    _user: User | None = None
    csrf: str = ""
    error: Invalid | None = None
    """What was wrong with the form that is shown again."""
    looks: list[Entry] = field(default_factory=list)

    @property
    def db(self) -> Session:
        """The transaction."""
        assert self._db is not None, "this page runs its own transactions"
        return self._db

    @property
    def actor(self) -> Actor:
        """Who asks."""
        assert self._actor is not None, "this page is open to everybody"
        return self._actor

    @property
    def user(self) -> User:
        """The account of who asks."""
        assert self._user is not None, "this page is open to everybody"
        return self._user

    def path(self, name: str) -> str:
        """A part of the address."""
        return str(self.request.path_params[name]).replace("\x00", "")

    def query(self, name: str) -> str:
        """A value of the address's query; empty if it is not there."""
        return self.request.query_params.get(name, "")[:200].replace("\x00", "")

    def see(self, action: str, about: object) -> None:
        """Note in the audit log that this was seen."""
        self.looks.append(seen(self.actor, action, about))

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page of a template; it gets the values and what every page needs."""
        if self.error is not None and status == 200:
            status = 422
        html = (
            _environment()
            .get_template(template)
            .render(
                t=self.language,
                lang=self.language.language,
                languages=LANGUAGES,
                actor=self._actor,
                csrf=self.csrf,
                error=self.error,
                error_text="" if self.error is None else self.language(self.error.text, **self.error.values),
                entered=self.form if self.error is not None else {},
                here=self.request.url.path,
                disclaimer=DISCLAIMER if self.language.language == "en" else self.language("disclaimer"),
                Right=Right,
                **values,
            )
        )
        return HTMLResponse(html, status)

    def go(self, address: str) -> Response:
        """Redirect with GET after a form."""
        return RedirectResponse(address, 303)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("melascope.clinic", "templates"),
        autoescape=True,
        auto_reload=False,  # files that are exchanged under a running server are of another version than its texts
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["version"] = melascope.__version__
    environment.filters["one"] = lambda value: "–" if value is None else f"{value:.1f}"
    environment.filters["day"] = lambda value: "" if value is None else value.isoformat()
    environment.filters["moment"] = lambda value: value.astimezone().strftime("%Y-%m-%d %H:%M")
    environment.filters["listed"] = listed
    environment.filters["percent"] = lambda value: "–" if value is None else f"{value * 100:.0f} %"
    return environment


def cookie_name(settings: Settings, what: str = "") -> str:
    """Name of the session's cookie; with TLS browsers hold it to this host, path / and Secure."""
    return f"{'__Host-' if settings.secure else ''}melascope{what}"


# ---------------------------------------------------------------- routes


@dataclass(frozen=True)
class _Page:
    handler: Handler
    again: Handler | None = None
    conflict: Handler | None = None
    open: bool = False
    own: bool = False
    raw: int = 0
    unattended: bool = False


class Pages:
    """Pages by address."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def get(
        self,
        path: str,
        *,
        open: bool = False,  # noqa: A002
        unattended: bool = False,
    ) -> Callable[[Handler], Handler]:
        """A page that only reads.

        Args:
            path: Address, with names in braces.
            open: For people who have not signed in.
            unattended: Scripts ask for it by themselves, so that it does not keep a session from ending.
        """
        return self._add(path, "GET", lambda handler: _Page(handler, open=open, unattended=unattended))

    def post(
        self,
        path: str,
        *,
        again: Handler | None = None,
        conflict: Handler | None = None,
        open: bool = False,  # noqa: A002
        own: bool = False,
        raw: int = 0,
    ) -> Callable[[Handler], Handler]:
        """A form that changes something.

        Args:
            path: Address, with names in braces.
            again: Page to show when what was entered cannot be taken.
            conflict: Page to show when somebody else changed it meanwhile.
            open: For people who have not signed in.
            own: It runs its own transactions.
            raw: It takes no form but up to so many bytes, with the form's token in the header X-CSRF. They are sent by
                themselves, so that they do not keep a session from ending.
        """
        return self._add(path, "POST", lambda handler: _Page(handler, again, conflict, open, own, raw))

    def _add(self, path: str, method: str, page_of: Callable[[Handler], _Page]) -> Callable[[Handler], Handler]:
        def keep(handler: Handler) -> Handler:
            page = page_of(handler)

            async def endpoint(request: Request) -> Response:
                request.scope["pattern"] = path
                form, body = FormData(), b""
                if request.method == "POST" and await run_in_threadpool(_is_read, page, request):
                    form, body = await _sent(page, request)
                try:
                    return await run_in_threadpool(_answer, page, request, form, body)
                finally:
                    await form.close()

            self.routes.append(Route(path, endpoint, methods=[method], name=f"{method} {path}"))
            return handler

        return keep


def _is_read(page: _Page, request: Request) -> bool:
    """False for what is refused without a look at its body: a form of another site, or of who has not signed in."""
    if not _from_here(request):
        return False
    clinic: Clinic = request.app.state.clinic
    secret = request.cookies.get(cookie_name(clinic.settings), "")
    if page.open or not secret:
        return page.open
    try:
        with clinic.database.reading() as db:
            return sessions.find(db, secret, clinic.settings) is not None
    except OperationalError:  # the answer will say so
        return False


async def _sent(page: _Page, request: Request) -> tuple[FormData, bytes]:
    """The form, or the bytes of a page that takes none."""
    if page.raw:
        return FormData(), await _bytes(request, page.raw)
    if not page.open:
        return await _form(request, _MOST_FILES), b""
    body = await _bytes(request, _MOST_OPEN)

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return await _form(Request(request.scope, receive), 0), b""


async def _form(request: Request, most_files: int) -> FormData:
    try:
        return await request.form(max_files=most_files, max_fields=_MOST_FIELDS, max_part_size=64_000)
    except (HTTPException, MultiPartException, ValueError):
        raise HTTPException(400) from None
    except OSError as error:  # large files wait on the disk for their turn
        logs.failure("upload")
        raise HTTPException(507) from error


async def _bytes(request: Request, most: int) -> bytes:
    """The body, in memory alone."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise HTTPException(413)
    return bytes(body)


def _answer(page: _Page, request: Request, form: FormData, body: bytes) -> Response:
    clinic: Clinic = request.app.state.clinic
    fields = {key: value.replace("\x00", "") for key, value in form.multi_items() if isinstance(value, str)}
    uploads: dict[str, list[UploadFile]] = {}
    for key, value in form.multi_items():
        if isinstance(value, UploadFile):
            uploads.setdefault(key, []).append(value)
    wish = request.cookies.get(cookie_name(clinic.settings, "-language"))
    code = choose([wish], request.headers.get("accept-language", ""))
    return _guarded(page, Desk(clinic, request, fields, uploads, texts(code), body), reading=False)


def _guarded(page: _Page, desk: Desk, *, reading: bool) -> Response:
    """The answer of a page, or the page that says why there is none."""
    say = desk.language
    try:
        return _carry_out(page, desk, reading=reading)
    except Invalid as error:
        desk.error = error
        return _guarded(_Page(page.again or _sorry, open=page.open), desk, reading=True)
    except (Conflict, StaleDataError):
        if page.conflict is None:
            return desk.page("message.html", 409, title="conflict.title", text=say("conflict.reload"))
        return _guarded(_Page(page.conflict, open=page.open), desk, reading=True)
    except NotFound:
        return desk.page("message.html", 404, title="error.not_found_title", text=say("error.not_found"))
    except OutOfTurn:
        return desk.page("message.html", 403, title="turns.title", text=say("turns.text"))
    except Blinded:
        return desk.page("message.html", 403, title="readings.blinded_title", text=say("readings.blinded"))
    except Forbidden:
        return desk.page("message.html", 403, title="error.forbidden_title", text=say("error.forbidden"))
    except Unreadable as error:
        logs.event("store", reason=str(error))
        return desk.page("message.html", 503, title="store.unreadable_title", text=say("store.unreadable"))
    except StoreError as error:
        logs.event("store", reason=str(error))
        return desk.page("message.html", 507, title="error.store_title", text=say("error.store"))
    except IntegrityError:  # two at once: the second one finds the name taken
        return desk.page("message.html", 409, title="conflict.title", text=say("conflict.reload"))
    except OperationalError as error:
        logs.failure("database")
        if is_full(error):
            return desk.page("message.html", 507, title="error.store_title", text=say("error.store"))
        return desk.page("message.html", 503, title="error.busy_title", text=say("error.busy"))


def _sorry(desk: Desk) -> Response:
    """The page of what was entered wrongly in a form that has no page of its own."""
    assert desk.error is not None
    text = desk.language(desk.error.text, **desk.error.values)
    return desk.page("message.html", 422, title="error.invalid_title", text=text)


def _carry_out(page: _Page, desk: Desk, *, reading: bool = False) -> Response:
    clinic, method = desk.clinic, desk.request.method
    if method == "POST" and not _from_here(desk.request):
        raise Forbidden("origin")
    if page.open:
        return page.handler(desk)
    secret = desk.request.cookies.get(cookie_name(clinic.settings), "")
    transaction = (
        clinic.database.writing if method == "POST" and not reading and not page.own else clinic.database.reading
    )
    touch = ""
    with transaction() as db:
        found = sessions.find(db, secret, clinic.settings) if secret else None
        if found is None:
            return _to_sign_in(desk)
        row, desk._user = found
        desk._actor, desk.csrf = actor_of(db, desk.user), row.csrf
        if sessions.stale(row) and not (page.raw or page.unattended):
            touch = row.digest
        desk.language = texts(choose([desk.user.language, desk.language.language]))
        token = desk.request.headers.get("x-csrf", "") if page.raw else desk.form.get("csrf", "")
        if method == "POST" and not sessions.same(token, row.csrf):
            raise Forbidden("csrf")
        desk._db = db
        if page.own:
            db.expunge_all()
        else:
            response = page.handler(desk)
    if page.own:
        desk._db = None
        response = page.handler(desk)
    if desk.looks or touch:
        with clinic.database.writing() as db:
            db.add_all(Audit(**vars(entry)) for entry in desk.looks)
            if touch:
                sessions.touch(db, touch)
    return response


def _to_sign_in(desk: Desk) -> Response:
    if desk.request.method == "POST":
        return desk.page("message.html", 401, title="error.signed_out_title", text=desk.language("error.signed_out"))
    here = desk.request.url.path + (f"?{desk.request.url.query}" if desk.request.url.query else "")
    return RedirectResponse(f"/sign-in?next={quote(here)}" if here != "/" else "/sign-in", 303)


def _from_here(request: Request) -> bool:
    """False for a form that another site sent: it is refused before its token is looked at."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        return False
    return request.headers.get("sec-fetch-site") not in ("cross-site", "same-site")


def safe_address(address: str) -> str:
    """An address of this clinic, never of another site: it begins with one slash, and holds no trick.

    Example:
        >>> safe_address("/patients?page=2"), safe_address("//evil.example"), safe_address("https://evil.example")
        ('/patients?page=2', '/', '/')
    """
    fine = address.startswith("/") and not address.startswith("//") and "\\" not in address and address.isprintable()
    return address if fine else "/"
