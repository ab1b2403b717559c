"""The files of photos in a folder, found by the names that a table gives them."""

from __future__ import annotations

import difflib
import os
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Final

from melascope.data.cells import composed

__all__ = ["ENDINGS", "PhotoFiles"]

ENDINGS: Final = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".heif"})
_HINTS: Final = 20
"""Missing photos for which the nearest name is looked up, which takes time."""


class PhotoFiles:
    """Photos of a folder and of the folders in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []
        """Below the folder, with ``/``, sorted."""
        for place, folders, files in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = Path(place).relative_to(folder)
            self.names += [
                (below / name).as_posix()
                for name in files
                if Path(name).suffix.lower() in ENDINGS and not name.startswith(".")
            ]
        self.names.sort()
        self._hints = 0
        self._by_key: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            path = PurePosixPath(composed(name))
            keys = {str(path), path.name, str(path.with_suffix("")), path.stem}
            for key in keys | {key.casefold() for key in keys}:
                self._by_key[key].append(name)

    def find(self, name: str) -> Path:
        """The file of a photo: by its path below the folder, its name, or its name without ending; unique.

        Raises:
            LookupError: There is none, or more than one; the message says what to do.
        """
        asked = name.replace("\\", "/")
        parts = PurePosixPath(asked).parts
        if asked.startswith("/") or ":" in parts[0] or ".." in parts:
            raise LookupError(f"is a path out of the folder {self.folder}; write the photo's name below that folder")
        asked, written = composed(asked), asked
        below = asked.removeprefix(f"{composed(self.folder.name)}/")
        for key in (asked, asked.casefold(), below, below.casefold()):
            alike = self._by_key.get(key, [])
            exact = [one for one in alike if one == written] or [one for one in alike if composed(one) == key]
            found = exact or alike
            if len(found) == 1:
                path = self.folder / found[0]
                if path.stat().st_size == 0:
                    raise LookupError(f"is an empty file ({found[0]}, 0 bytes); copy the photo again")
                return path
            if found:
                raise LookupError(
                    f"could be {found[0]} or {found[1]} in {self.folder}; write the name with its folder and ending"
                )
        raise LookupError(f"is not in {self.folder}{self._hint(asked)}")

    def _hint(self, asked: str) -> str:
        self._hints += 1
        close: list[str] = []
        if self._hints <= _HINTS:
            bases = {composed(PurePosixPath(name).name) for name in self.names}
            close = difflib.get_close_matches(PurePosixPath(asked).name, sorted(bases), n=1, cutoff=0.8)
        nearest = f" (the nearest name there is {close[0]})" if close else ""
        return f"{nearest}; correct the name, add the photo, or delete the row"
