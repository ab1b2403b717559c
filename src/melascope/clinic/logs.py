"""Structured logs: one JSON object a line, with identifiers of requests and none of persons.

Paths are logged as their patterns (`/patients/{patient}`), never as they were asked for, and no query, form, address or
name of a file is.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["Lines", "event", "failure", "to_stderr"]

_logger: Final = logging.getLogger("melascope.clinic")


class Lines(logging.Formatter):
    """Records as JSON lines."""

    def format(self, record: logging.LogRecord) -> str:
        """One line. Of an exception its type and place, not its text, which may name what was entered."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            frame, last = record.exc_info[2], None
            while frame is not None:
                last, frame = frame, frame.tb_next
            line["error"] = record.exc_info[0].__name__
            if last is not None:
                line["where"] = f"{last.tb_frame.f_code.co_filename.rpartition('melascope')[2]}:{last.tb_lineno}"
        return json.dumps(line)


def event(name: str, **fields: Any) -> None:
    """Log something that happened."""
    _logger.info(name, extra={"fields": fields})


def failure(name: str, **fields: Any) -> None:
    """Log the exception at hand."""
    _logger.error(name, exc_info=sys.exc_info(), extra={"fields": fields})


def to_stderr() -> None:
    """Write the clinic's log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    _logger.handlers[:] = [handler]
    _logger.setLevel(logging.INFO)
    _logger.propagate = False
