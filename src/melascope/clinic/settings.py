"""What the clinic is told from outside: where it keeps its data, where it is reached, and its limits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

__all__ = ["DATABASE_VARIABLE", "KEY_VARIABLE", "LOOPBACK", "Settings", "SettingsError", "read_key_file"]

DATABASE_VARIABLE: Final = "MELASCOPE_DATABASE_URL"
_PUBLIC_VARIABLE: Final = "MELASCOPE_PUBLIC_URL"
_METRICS_VARIABLE: Final = "MELASCOPE_METRICS_TOKEN"
_STORE_VARIABLE: Final = "MELASCOPE_STORE_URL"
KEY_VARIABLE: Final = "MELASCOPE_STORE_KEY"
"""The key that photographs are encrypted with; with _FILE behind it, the file that holds the key."""
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SettingsError(ValueError):
    """A setting that cannot be used, and what to say instead."""


@dataclass(frozen=True)
class Settings:
    """One clinic. Everything that a test or a larger practice would change."""

    data: Path
    """Folder of the database (where it is SQLite), the photographs and the results."""
    database_url: str
    """SQLAlchemy URL."""
    public_url: str = "http://127.0.0.1:8321"
    """Where browsers reach it. With https:// cookies are Secure and bear the prefix __Host-."""
    store_url: str = ""
    """Folder or fsspec URL of the photographs; empty: a folder beside the database."""
    store_key: str | None = field(default=None, repr=False)
    """Key that photographs are encrypted with, in base64 or hexadecimal."""
    metrics_token: str | None = None
    """Bearer token of /metrics; without one, only this machine may read it, under its own name."""
    upload_mb: int = 40
    """Largest photograph, and the largest request is four of them."""
    megapixels: int = 60
    """Largest photograph that is decoded."""
    idle_minutes: int = 30
    """A session ends after so long without a request."""
    session_hours: int = 12
    """A session ends after so long in any case."""
    processes: int = 1
    """Processes that analyse photographs."""
    analysis_seconds: float = 120.0
    """After so long an analysis is given up."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.public_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"public URL {self.public_url!r}: must look like https://clinic.example.org")

    @classmethod
    def of(
        cls,
        data: Path,
        *,
        public_url: str | None = None,
        processes: int = 1,
        store_url: str | None = None,
        key: bool = True,
        environ: Mapping[str, str] = os.environ,
    ) -> Settings:
        """Settings of a data folder; the environment names the rest: database, store and its key, URL, metrics' token.

        Args:
            data: The folder.
            public_url: Where browsers reach it; by default what the environment says.
            processes: That analyse.
            store_url: Where the photographs are; by default what the environment says.
            key: Read the photographs' key; False for what opens none of them.
            environ: The environment.

        Raises:
            SettingsError: A setting cannot be used, or one of the store is there and empty.

        Example:
            >>> Settings.of(Path("/srv/clinic"), environ={}).database_url
            'sqlite:////srv/clinic/clinic.sqlite'
        """
        folder = data.absolute()
        if store_url is not None and not store_url.strip():
            raise SettingsError("--store: is empty; name a folder or a URL, or leave it out")
        return cls(
            data=folder,
            database_url=_driver(environ.get(DATABASE_VARIABLE, "")) or f"sqlite:///{folder / 'clinic.sqlite'}",
            public_url=(public_url or environ.get(_PUBLIC_VARIABLE, "") or cls.public_url).rstrip("/"),
            metrics_token=environ.get(_METRICS_VARIABLE) or None,
            store_url=store_url or _filled(environ, _STORE_VARIABLE) or "",
            store_key=_key(environ) if key else None,
            processes=processes,
        )

    @property
    def secure(self) -> bool:
        """Reached by TLS: cookies may be Secure."""
        return urlsplit(self.public_url).scheme == "https"

    @property
    def hosts(self) -> frozenset[str]:
        """Names in the Host header that are answered; others would be another site's trick (DNS rebinding)."""
        return LOOPBACK | {urlsplit(self.public_url).hostname or ""}


def _key(environ: Mapping[str, str]) -> str | None:
    """The key of the store, from the environment or from the file that it names."""
    key, place = _filled(environ, KEY_VARIABLE), _filled(environ, f"{KEY_VARIABLE}_FILE")
    return read_key_file(Path(place)) if key is None and place is not None else key


def _filled(environ: Mapping[str, str], name: str) -> str | None:
    """A variable; None if it is not set. One that is set and empty would keep photographs otherwise than was meant."""
    value = environ.get(name)
    if value is not None and not value.strip():
        raise SettingsError(f"{name}: is set but empty; give it a value, or do not set it")
    return value


def read_key_file(path: Path) -> str:
    """The key that a file holds.

    Raises:
        SettingsError: The file cannot be read.
    """
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"key file {path}: cannot be read; `melascope clinic key` makes its content") from None


def _driver(url: str) -> str:
    """The URL with the driver that is installed: psycopg 3 for PostgreSQL."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url
