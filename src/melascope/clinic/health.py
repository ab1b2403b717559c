"""/healthz and /metrics, for what watches over the clinic."""

from __future__ import annotations

from sqlalchemy import text
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from melascope.clinic import jobs, logs, removals, sessions
from melascope.clinic.desk import Clinic
from melascope.clinic.gate import Counts, hostname
from melascope.clinic.settings import LOOPBACK
from melascope.clinic.store import StoreError

__all__ = ["routes"]


def routes(clinic: Clinic, counts: Counts) -> list[Route]:
    """The two addresses."""

    async def healthz(request: Request) -> Response:
        request.scope["pattern"] = "/healthz"
        return await run_in_threadpool(_health, clinic)

    async def metrics(request: Request) -> Response:
        request.scope["pattern"] = "/metrics"
        if not _may_read(clinic, request):
            return PlainTextResponse("Name the metrics' token, or ask from the clinic's own machine.\n", 403)
        return await run_in_threadpool(_metrics, clinic, counts)

    return [Route("/healthz", healthz, name="healthz"), Route("/metrics", metrics, name="metrics")]


def _health(clinic: Clinic) -> Response:
    """Well if the database answers and the store can be written."""
    found = {"database": "ok", "store": "ok"}
    waits = 0
    try:
        with clinic.database.reading() as db:
            db.execute(text("SELECT 1"))
            waits = jobs.waiting(db)
    except Exception:  # noqa: BLE001 (whatever is wrong, the answer is that it is not well)
        logs.failure("health")
        found["database"] = "failed"
    try:
        clinic.store.check()
    except StoreError:
        logs.failure("health")
        found["store"] = "failed"
    well = set(found.values()) == {"ok"}
    analyses = "waiting for the store" if waits else "ok"  # by itself no reason to take the clinic down
    said = {"status": "ok" if well else "failed", **found, "analyses": analyses}
    return JSONResponse(said, 200 if well else 503)


def _may_read(clinic: Clinic, request: Request) -> bool:
    """True for who has the token; without one, for who asks on this machine and under its own name, past any proxy."""
    token = clinic.settings.metrics_token
    if token is not None:
        return sessions.same(request.headers.get("authorization", ""), f"Bearer {token}")
    direct = "x-forwarded-for" not in request.headers and "forwarded" not in request.headers
    direct = direct and hostname(request.headers.get("host", "")) in LOOPBACK
    return direct and request.client is not None and request.client.host in LOOPBACK | {"testclient"}


def _metrics(clinic: Clinic, counts: Counts) -> Response:
    with clinic.database.reading() as db:
        states, waits, files = jobs.counts(db), jobs.waiting(db), removals.pending(db)
    lines = [*counts.lines(), "# TYPE melascope_analyses gauge"]
    lines += [f'melascope_analyses{{state="{state}"}} {number}' for state, number in states.items()]
    lines += ["# TYPE melascope_analyses_waiting gauge", f"melascope_analyses_waiting {waits}"]
    lines += ["# TYPE melascope_removals_pending gauge", f"melascope_removals_pending {files}"]
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")
