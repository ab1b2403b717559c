"""Who asks the REST API: the key before the body, refusals as answers of HTTP, one transaction a request."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, HTTPException, Path, Query, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from melascope.clinic import accounts, logs
from melascope.clinic.access import Actor, Blinded, Conflict, Forbidden, Invalid, NotFound, OutOfTurn, actor_of
from melascope.clinic.database import is_full
from melascope.clinic.desk import Clinic
from melascope.clinic.store import StoreError, Unreadable
from melascope.clinic.texts import texts

__all__ = ["PROBLEMS", "Caller", "Identifier", "Keyed", "Limit", "Offset", "Problem", "Who", "answers", "caller"]

_Key = HTTPBearer(auto_error=False, description="A key from the account's page.")


class Problem(BaseModel):
    """What went wrong, in a sentence."""

    detail: str


PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": Problem, "description": "The request cannot be read."},
    401: {"model": Problem, "description": "No key, or one that is of no use."},
    403: {"model": Problem, "description": "The role does not allow it."},
    404: {"model": Problem, "description": "No such thing, or not for this key."},
    409: {"model": Problem, "description": "It was changed meanwhile, or the name is taken."},
    413: {"model": Problem, "description": "The request is too large."},
    503: {"model": Problem, "description": "Database or store do not answer; nothing was saved."},
    507: {"model": Problem, "description": "No room left; nothing was saved."},
}


class Keyed(APIRoute):
    """A route that reads no body before it knows whose key it was sent with."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind a look at the key: by itself it would read the body first."""
        handler = super().get_route_handler()

        async def keyed(request: Request) -> Response:
            request.state.caller = await run_in_threadpool(_caller, request, await _Key(request))
            return await handler(request)

        return keyed


Identifier = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Limit = Annotated[int, Query(ge=1, le=100)]


@dataclass
class Caller:
    """A key's user."""

    clinic: Clinic
    actor: Actor

    @contextmanager
    def reading(self, action: str = "") -> Generator[tuple[Session, Callable[[object], None]]]:
        """A transaction that reads; what was looked at is noted in the audit log when it ends."""
        from melascope.clinic.audit import seen
        from melascope.clinic.tables import Audit

        looks = []
        with answers(), self.clinic.database.reading() as db:
            yield db, lambda about: looks.append(seen(self.actor, action, about))
        if looks:
            with answers(), self.clinic.database.writing() as db:
                db.add_all(Audit(**vars(look)) for look in looks)

    @contextmanager
    def writing(self) -> Generator[Session]:
        """A transaction that writes."""
        with answers(), self.clinic.database.writing() as db:
            yield db


@contextmanager
def answers() -> Generator[None]:
    """The house's refusals as answers of HTTP."""
    try:
        yield
    except Invalid as error:
        raise HTTPException(422, texts("en")(error.text, **error.values)) from None
    except NotFound:
        raise HTTPException(404, "Not found.") from None
    except OutOfTurn:
        raise HTTPException(403, texts("en")("turns.text")) from None
    except Blinded:
        raise HTTPException(403, texts("en")("readings.blinded")) from None
    except Forbidden:
        raise HTTPException(403, "The role of this key does not allow it.") from None
    except (Conflict, StaleDataError):
        raise HTTPException(409, "It was changed since this version: read it again.") from None
    except IntegrityError:
        raise HTTPException(409, "It is there already.") from None
    except Unreadable as error:
        raise HTTPException(503, str(error)) from None
    except StoreError as error:
        raise HTTPException(507, str(error)) from None
    except OperationalError as error:
        logs.failure("database")
        if is_full(error):
            raise HTTPException(507, "The disk of the database is full: nothing was saved.") from None
        raise HTTPException(503, "The database is busy or away: nothing was saved.") from None


def _caller(request: Request, key: HTTPAuthorizationCredentials | None) -> Caller:
    clinic: Clinic = request.app.state.clinic
    with clinic.database.reading() as db:
        user = accounts.bearer(db, key.credentials) if key is not None else None
        if user is None:
            raise HTTPException(401, "Name a valid key: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
        return Caller(clinic, actor_of(db, user))


async def caller(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_Key)]) -> Caller:
    """Who the key belongs to, as the route found it; the key is named here for the description."""
    found: Caller = request.state.caller
    return found


Who = Annotated[Caller, Depends(caller)]
