"""The application: one clinic put together from its parts."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

import melascope
from melascope.clinic import accounts, api, api_exports, api_readings, health, logs, removals
from melascope.clinic.accounts import Hasher
from melascope.clinic.bucket import place_of
from melascope.clinic.database import Database
from melascope.clinic.desk import Clinic, Desk
from melascope.clinic.gate import Counts, Gate
from melascope.clinic.jobs import Runner
from melascope.clinic.pages import (
    administration,
    compare,
    entry,
    exports,
    live,
    patients,
    photos,
    readings,
    review,
    visits,
)
from melascope.clinic.seal import Key, Sealed
from melascope.clinic.settings import KEY_VARIABLE, Settings
from melascope.clinic.tally import Tally
from melascope.clinic.texts import choose, texts
from melascope.clinic.worker import Measure, measure

__all__ = ["application", "begin", "open_clinic"]

PAGES = (entry, patients, compare, visits, live, exports, photos, readings, review, administration)


def open_clinic(settings: Settings, *, work: Measure = measure, keeper: Hasher | None = None) -> Clinic:
    """Open database and store, and bring the tables up to date.

    Args:
        settings: Where everything is.
        work: Stands in for the analysis in tests.
        keeper: Stands in for argon2id in tests.

    Raises:
        DatabaseError: The database cannot be opened.
        SettingsError: The store's URL or key cannot be used.
        StoreError: The key is not that of the photographs.
        OSError: The folder cannot be made.
    """
    key = None if settings.store_key is None else Key.read(settings.store_key, KEY_VARIABLE)
    store = Sealed(place_of(settings), key)
    store.verify()
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(settings.database_url)
    database.migrate()
    runner = Runner(database, store, processes=settings.processes, limit_s=settings.analysis_seconds, work=work)
    return Clinic(settings, database, store, runner, keeper or accounts.hasher())


def begin(clinic: Clinic) -> None:
    """Sweep away what a crash left, bring deletions to their end, and begin to analyse."""
    swept = clinic.store.sweep()
    removals.carry_out(clinic.database, clinic.store)
    clinic.runner.start()
    logs.event("start", version=melascope.__version__, swept=swept)


def application(clinic: Clinic, tally: Tally | None = None) -> FastAPI:
    """The ASGI application of a clinic.

    Args:
        clinic: With its database open.
        tally: Counts of one of several workers, whose analyses are done elsewhere. Without: it analyses while it runs.
    """
    counts = tally or Counts()

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        if tally is None:
            begin(clinic)
        yield
        clinic.live.stop()
        if tally is None:
            clinic.runner.stop()
            logs.event("stop")
        else:
            tally.close()
        clinic.database.close()

    app = FastAPI(
        title="Melascope clinic",
        version=melascope.__version__,
        description="Patients, visits, photographs and their analyses. Research software, not a medical device.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=life,
    )
    app.state.clinic = clinic
    for module in PAGES:
        app.router.routes.extend(module.pages.routes)
    app.router.routes.extend(health.routes(clinic, counts))
    app.mount("/static", StaticFiles(directory=str(files("melascope.clinic") / "static")), name="static")
    app.include_router(api.router)
    app.include_router(api_readings.router)
    app.include_router(api_exports.exports)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(Gate, settings=clinic.settings, counts=counts)
    return app


async def _http_error(request: Request, error: Exception) -> Response:
    """Addresses that there are not, and methods that they do not take."""
    assert isinstance(error, HTTPException)
    full = isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
    if request.url.path.startswith("/api/"):
        if full:
            return JSONResponse({"detail": "The disk is full: nothing was saved."}, 507)
        return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
    clinic: Clinic = request.app.state.clinic
    language = texts(choose([], request.headers.get("accept-language", "")))
    desk = Desk(clinic, request, {}, {}, language)
    kind = {404: "not_found", 507: "store"}.get(error.status_code, "forbidden")
    page: HTMLResponse = desk.page(
        "message.html", error.status_code, title=f"error.{kind}_title", text=language(f"error.{kind}")
    )
    return page
