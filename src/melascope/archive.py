"""Photographs on disk and the folders of their results: what is found, where it goes, what is done already."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from melascope.record import Analysis, Files
    from melascope.report.write import Exports

__all__ = [
    "EXTENSIONS",
    "SUMMARY",
    "Analyse",
    "done_before",
    "find_photos",
    "give_folders",
    "sha256_of",
    "shown",
]

Analyse = Callable[..., "Analysis"]
"""`melascope.analysis.analyze`, or what stands in for it: takes a path and `name`, returns a record."""

EXTENSIONS: Final = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .webp .tif .tiff .bmp .dib .heic .heif .hif".split()  # noqa: SIM905
)
"""What is taken for a photograph in a folder or by a pattern; a file that is named is always tried."""
SUMMARY: Final = "summary.csv"
RECORD: Final = "analysis.json"


def find_photos(arguments: Sequence[str | Path], *, out: str | Path | None = None) -> list[Path]:
    """Photographs named by files, folders (searched to the bottom) and patterns such as ``visit?/*.jpg``.

    A file that is named is always in the list, also if it does not exist: it is refused later, as a result, and so is a
    folder that may not be read. In folders and by patterns, files with one of `EXTENSIONS` are taken; hidden ones, the
    folder `out` and folders that hold a result, or nothing but files of one that was not finished, are left out. Linked
    folders within a folder are not followed. No file comes twice.

    Raises:
        LookupError: A folder or a pattern holds no photograph, or an argument is empty.
    """
    found: dict[str, Path] = {}
    apart = None if out is None else os.path.abspath(out)
    for named in arguments:
        if not str(named).strip():
            raise LookupError("an empty name was given: name a photograph, a folder or a pattern ('.' is this folder)")
        argument = Path(named)
        folder = os.path.isdir(argument)  # unlike Path.is_dir, false where a name is too long or out of reach
        if folder:
            here = _in_folder(argument, apart)
        elif not os.path.exists(argument) and glob.has_magic(str(argument)):
            here = _by_pattern(argument, apart)
        else:
            here = [argument]
        if not here:
            kind = "folder" if folder else "pattern"
            endings = " ".join(sorted(EXTENSIONS))
            raise LookupError(f"the {kind} {shown(str(argument))!r} holds no photograph ({endings}): name another one")
        for path in here:
            found.setdefault(os.path.abspath(path), path)
    return list(found.values())


def _by_pattern(pattern: Path, apart: str | None) -> list[Path]:
    named = os.path.abspath(Path(*takewhile(lambda part: not glob.has_magic(part), pattern.parts)))
    if apart is not None and Path(named).is_relative_to(apart):
        apart = None  # a folder that is named is searched, wherever it lies
    paths = []
    results: dict[Path, bool] = {}
    for match in map(Path, sorted(glob.glob(str(pattern), recursive=True))):
        if apart is not None and Path(os.path.abspath(match)).is_relative_to(apart):
            continue
        if os.path.isdir(match):
            paths += _in_folder(match, apart)
        elif match.suffix.lower() in EXTENSIONS:
            if match.parent not in results:
                results[match.parent] = os.path.exists(match.parent / RECORD) or _unfinished(match.parent)
            if not results[match.parent]:
                paths.append(match)
    return paths


def _in_folder(folder: Path, apart: str | None) -> list[Path]:
    paths: list[Path] = []

    def unreadable(error: OSError) -> None:
        paths.append(Path(error.filename))  # it is refused later, like a file that cannot be read

    for root, folders, files in os.walk(folder, onerror=unreadable):
        if RECORD in files or (files and _unfinished(Path(root))):
            folders.clear()
            continue
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and os.path.abspath(os.path.join(root, name)) != apart
        )
        paths += [
            Path(root, name)
            for name in sorted(files)
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS
        ]
    return paths


def give_folders(photos: Sequence[Path], out: str | Path, *, resume: bool = False) -> list[Path]:
    """The folder for the results of each photograph: ``out/<stem>``, then ``out/<stem>-2``, ``-3`` ...

    A name is free if no photograph of this list has it (letter case and Unicode form aside) and if there is no such
    folder yet, or one that is empty or holds the result of the same photograph (same name and SHA-256), which is then
    replaced. So a second run replaces its own results, and never those of another photograph. What cannot be read has
    no SHA-256, and replaces only the refusal of what could not be read either. To `resume`, a folder with nothing but
    files of a result that was never finished is free, too.
    """
    taken = {SUMMARY}
    stems: dict[str, _Stem] = {}
    folders = []
    for photo in photos:
        name = _folder_name(photo.stem)
        folders.append(stems.setdefault(name, _Stem(Path(out), name)).give(photo, taken, resume))
    return folders


@dataclass
class _Stem:
    """The folders of one stem. Each is looked at once, however many photographs have the stem."""

    out: Path
    name: str
    seen: int = 0
    """Numbers that were looked at."""
    owned: dict[str, dict[str | None, deque[int]]] = field(default_factory=dict)
    """Numbers of folders with results that nobody claimed yet, by the file and SHA-256 of the photograph."""

    def give(self, photo: Path, taken: set[str], resume: bool) -> Path:
        """The first folder that is free for a photograph; its name is added to those that are taken."""
        from melascope.photo.photograph import without_folder

        file = without_folder(shown(photo.name))
        digest = cache(lambda: _digest(photo))
        number = self._claim(file, digest, taken)
        while number is None:
            self.seen += 1
            folder = self._folder(self.seen)
            if _key(folder) in taken:
                continue
            if _empty(folder) or (resume and _unfinished(folder)):
                number = self.seen
            elif (owner := _owner(folder)) is not None:
                self.owned.setdefault(owner[0], {}).setdefault(owner[1], deque()).append(self.seen)
                number = self._claim(file, digest, taken)
        folder = self._folder(number)
        taken.add(_key(folder))
        return folder

    def _claim(self, file: str, digest: Callable[[], str | None], taken: set[str]) -> int | None:
        """The first folder seen that holds the result of the same photograph, or of one that could not be read."""
        if file not in self.owned:
            return None
        mine = [numbers for sha256 in {digest(), None} if (numbers := self.owned[file].get(sha256))]
        for numbers in mine:
            while numbers and _key(self._folder(numbers[0])) in taken:  # by another stem, letter case aside
                numbers.popleft()
        first = min((numbers for numbers in mine if numbers), default=None)
        return None if first is None else first.popleft()

    def _folder(self, number: int) -> Path:
        return self.out / (self.name if number == 1 else f"{self.name}-{number}")


def _key(folder: Path) -> str:
    return unicodedata.normalize("NFC", folder.name).casefold()


def _folder_name(stem: str) -> str:
    """A stem that every file system takes as one folder."""
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]', "_", shown(stem)).rstrip(". ")[:120]
    reserved = re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", name.partition(".")[0])
    return f"photo{'_' if name else ''}{name}" if reserved or not name else name


def _empty(folder: Path) -> bool:
    """Whether nothing is there, or a folder with nothing in it."""
    try:
        return not os.path.lexists(folder) or not any(folder.iterdir())
    except OSError:
        return False


def _owner(folder: Path) -> tuple[str, str | None] | None:
    """File and SHA-256 of the photograph whose result a folder holds; None if it holds none."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))["photo"]
        file, sha256 = record["file"], record["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (file, sha256) if isinstance(file, str) and isinstance(sha256, str | None) else None


def _digest(photo: Path) -> str | None:
    """SHA-256 of a file; None where none can be read."""
    with contextlib.suppress(OSError):
        if os.path.isfile(photo):
            return sha256_of(photo)
    return None


def _unfinished(folder: Path) -> bool:
    """Files of a result, whole or half written, without the record that comes last."""
    from melascope.report.write import DICOM, NAMES, PART

    try:
        names = [each.name for each in folder.iterdir()]
    except OSError:
        return False
    known = {*NAMES, *(f".{name}{PART}" for name in (*NAMES, RECORD))}
    if DICOM in names and all(re.fullmatch(rf"[^/]+\.dcm({PART})?", each.name) for each in (folder / DICOM).glob("*")):
        known.add(DICOM)
    return known.issuperset(names)


def done_before(
    photo: Path, folder: Path, *, pdf: bool = False, exports: Exports | None = None, analyse: Analyse | None = None
) -> Analysis | None:
    """The record of a photograph that an earlier run finished; None if there is work left.

    It is done if the record is there, of the same bytes, made by the same version and networks, and did not fail.

    Args:
        photo: The file.
        folder: Its folder, as from `give_folders`.
        pdf: `report.pdf` must be there, too.
        exports: So must be these.
        analyse: What stood in for the analysis; its records name the package's version alone.
    """
    from melascope.record import Analysis

    try:
        record = Analysis.model_validate_json((folder / RECORD).read_text(encoding="utf-8"))
        if record.photo.sha256 is None or record.photo.sha256 != sha256_of(photo):
            return None
    except (OSError, ValueError):
        return None
    if any(finding.code == "failed" for finding in record.quality.findings):
        return None
    files = record.files
    wished = (pdf, files.report_pdf), (exports is not None and exports.fhir is not None, files.fhir)
    if any(wish and (name is None or not (folder / name).is_file()) for wish, name in wished):
        return None
    if exports is not None and not _exported(folder, files, exports):
        return None
    wanted = _made_by(analyse)
    return record if {name: record.versions.get(name) for name in wanted} == wanted else None


def _exported(folder: Path, files: Files, exports: Exports) -> bool:
    """Whether all that is wished for other systems is there, in the release of FHIR that is wished now."""
    from melascope.report.fhir import release_of

    if exports.dicom and (files.dicom is None or not all((folder / each).is_file() for each in files.dicom)):
        return False
    if exports.fhir is None or files.fhir is None:
        return True
    try:
        made = json.loads((folder / files.fhir).read_text(encoding="utf-8"))
        return release_of(made) == exports.fhir
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _made_by(analyse: Analyse | None) -> dict[str, str | None]:
    """What a record of this installation says of its making."""
    if analyse is not None:
        import melascope

        return {"melascope": melascope.__version__}
    from melascope.analysis import versions

    found = versions()
    names = ("schema", "melascope", "skin network", "regional network", "naming network", "severity network")
    return {name: found.get(name) for name in names}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def shown(name: str) -> str:
    """A file name as text: bytes that are not UTF-8 become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
