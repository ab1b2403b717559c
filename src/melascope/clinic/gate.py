"""What every request passes: host, size, security headers, an identifier, the log and the counters."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from threading import Lock
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from melascope.clinic import logs
from melascope.clinic.settings import Settings

__all__ = ["POLICY", "Counts", "Gate", "hostname"]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "cache-control": "no-store",
}
_UNLOGGED: Final = ("/static", "/healthz", "/metrics", "/visits/{visit}/live/frame")
"""A camera's frames come several times a second: they are counted, and not written down."""
_BOUNDS_S: Final = (0.05, 0.1, 0.3, 1.0, 3.0, 10.0)


class Counts:
    """Requests by method, pattern and status, and how long they took."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.within: Counter[float] = Counter()
        self.seconds = 0.0
        self.number = 0

    def add(self, method: str, pattern: str, status: int, seconds: float) -> None:
        """One more request."""
        with self._lock:
            self.requests[method, pattern, status] += 1
            self.within.update(bound for bound in _BOUNDS_S if seconds <= bound)
            self.seconds += seconds
            self.number += 1

    def state(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return {
            "requests": [[*key, number] for key, number in self.requests.items()],
            "within": list(self.within.items()),
            "seconds": self.seconds,
            "number": self.number,
        }

    def take(self, state: dict[str, Any]) -> None:
        """Add what `state` of another one gave."""
        with self._lock:
            for method, pattern, status, number in state["requests"]:
                self.requests[method, pattern, status] += number
            for bound, number in state["within"]:
                self.within[bound] += number
            self.seconds += state["seconds"]
            self.number += state["number"]

    def lines(self) -> list[str]:
        """In Prometheus' text format."""
        with self._lock:
            found = ["# TYPE melascope_requests_total counter"]
            for (method, pattern, status), number in sorted(self.requests.items()):
                labels = f'method="{method}",route="{pattern}",status="{status}"'
                found.append(f"melascope_requests_total{{{labels}}} {number}")
            found.append("# TYPE melascope_request_seconds histogram")
            found += [f'melascope_request_seconds_bucket{{le="{b}"}} {self.within[b]}' for b in _BOUNDS_S]
            found.append(f'melascope_request_seconds_bucket{{le="+Inf"}} {self.number}')
            found += [
                f"melascope_request_seconds_sum {self.seconds:.6f}",
                f"melascope_request_seconds_count {self.number}",
            ]
        return found


class _TooLarge(Exception):
    """The body goes beyond the limit."""


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, settings: Settings, counts: Counts) -> None:
        self._app, self._settings, self._counts = app, settings, counts
        self._most = settings.upload_mb * 4_000_000 + 1_000_000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status, begun = time.perf_counter(), 500, False
        number = secrets.token_hex(6)
        scope.setdefault("state", {})["request"] = number
        request = Request(scope)

        async def out(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                named = {key.lower() for key, _ in message["headers"]}
                extra = dict(_HEADERS)
                if scope["path"].startswith("/static/"):
                    extra["cache-control"] = "public, max-age=3600"
                if self._settings.secure:
                    extra["strict-transport-security"] = "max-age=31536000"
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in named),
                    (b"x-request-id", number.encode()),
                ]
            await send(message)

        taken = 0

        async def into() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise _TooLarge
            return message

        try:
            if hostname(request.headers.get("host", "")) not in self._settings.hosts:
                text = "This name is not the clinic's. Start it with --public-url to be reached by another one.\n"
                await PlainTextResponse(text, 421)(scope, receive, out)
            elif int(_digits(request.headers.get("content-length", "0"))) > self._most:
                await _large()(scope, receive, out)
            else:
                await self._app(scope, into, out)
        except _TooLarge:
            if not begun:
                await _large()(scope, receive, out)
        except Exception:  # noqa: BLE001 (the last line of defence: the answer tells nothing, the log tells where)
            logs.failure("request", request=number)
            if not begun:
                await HTMLResponse(f"<!doctype html><title>500</title><p>The programme failed. Request {number}.", 500)(
                    scope, receive, out
                )
        seconds = time.perf_counter() - start
        pattern = scope.get("pattern") or getattr(scope.get("route"), "path", "")
        pattern = pattern or ("/static" if scope["path"].startswith("/static/") else "-")
        self._counts.add(scope["method"], pattern, status, seconds)
        if pattern not in _UNLOGGED:
            logs.event(
                "request", request=number, method=scope["method"], route=pattern, status=status, ms=round(seconds * 1e3)
            )


def _large() -> PlainTextResponse:
    return PlainTextResponse("The request is larger than this clinic takes. Send fewer photographs at a time.\n", 413)


def _digits(text: str) -> str:
    return text if text.isdecimal() and len(text) < 16 else "0"


def hostname(host: str) -> str:
    """The name in a Host header, without its port."""
    name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    return name.lower()
