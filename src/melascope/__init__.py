"""Melascope measures facial pigment in ordinary photographs.

Research software. Not a medical device: not for diagnosis or for treatment decisions.

The two names below are loaded at their first use, so that `import melascope` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from melascope.analysis import analyze
    from melascope.record import Analysis

__all__ = ["Analysis", "__version__", "analyze"]

__version__ = "0.1.0"

_HOMES: Final = {"analyze": "melascope.analysis", "Analysis": "melascope.record"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'melascope' has no attribute {name!r}; it offers {', '.join(__all__)}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
