"""The command line: one module per noun. What is heavy is imported inside the commands."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Entry point of the command ``melascope``."""
    import sys

    from melascope.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
