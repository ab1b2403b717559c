"""Ratings of melasma: what each rater wrote of each photo, with the patient whom it shows.

`read_ratings` reads a table (CSV, Excel, Parquet) or a data set's folder, a cohort as it is; docs/ratings.md names the
columns. Nothing wrong is scored: everything that breaks a rule is told at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from melascope.data.layout import MANIFEST, RATINGS
from melascope.masi import RegionalScore, severity
from melascope.vocabulary import Region, Severity

__all__ = ["ONLY_RATER", "TRUTH", "Incomplete", "Rating", "Ratings", "RatingsError", "read_ratings"]

ONLY_RATER: Final = "rater"
"""Name of the rater of a table that names none: one row a photo."""
_SHOWN: Final = 20
TRUTH: Final = "truth"
"""What stands in the place of a rater's name where the MASI is stated and nobody rated."""
Incomplete = Literal["refuse", "drop"]
"""What becomes of a photo that not all raters have scored."""


class RatingsError(ValueError):
    """Ratings that cannot be used; each problem names the row, the value, the rule and the way out."""

    def __init__(self, source: Path | str, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problem{'' if len(self.problems) == 1 else 's'}"
        more = len(self.problems) - _SHOWN
        shown = [f"  {problem}" for problem in self.problems[:_SHOWN]]
        lines = [f"{source}: {count}", *shown, *([f"  ... and {more} more"] if more > 0 else [])]
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Rating:
    """What one rater wrote of one photo."""

    photo: str
    patient: str
    rater: str
    masi: float
    """0 to 48: the total of the parts where they are given, else as it was written."""
    mmasi: float | None
    """0 to 24, None where neither it nor the parts are given."""
    parts: Mapping[Region, RegionalScore] | None
    """A, D and H of the four regions."""
    row: int
    """In the table, as a spreadsheet counts: 1 is the header."""
    group: str = ""
    """What must stay in one part of a split where that is more than the patient: a family, a shared virtual head."""
    order: float | None = None
    """When it was read: a time in seconds or a running number, of which only the order counts."""
    subject: str = ""
    """What the rater looked at, where that is more than this photo: ``p1 visit 2``. Photos that share a subject share
    one reading, which counts once among readings."""

    @property
    def looked_at(self) -> str:
        """The subject, or else the photo."""
        return self.subject or self.photo


@dataclass(frozen=True)
class Ratings:
    """Photos, each scored by the same raters.

    Example:
        >>> rows = [Rating(p, "A", r, m, None, None, 2) for p, r, m in (("a", "x", 12.0), ("a", "y", 22.0))]
        >>> ratings = Ratings(tuple(rows), Path("ratings.csv"), None)
        >>> ratings.photos, ratings.raters, ratings.mean_masi("a"), ratings.severity("a").value
        (('a',), ('x', 'y'), 17.0, 'moderate')
    """

    rows: tuple[Rating, ...]
    source: Path
    photos_folder: Path | None
    files: Mapping[str, Path] = field(default_factory=dict, repr=False)
    """Where each photo lies; empty if no folder of photos was given."""
    notes: tuple[str, ...] = ()
    """What a reader of the table should know, and is no fault: columns left out, photos without ratings."""

    @cached_property
    def _by_photo(self) -> dict[str, tuple[Rating, ...]]:
        found: dict[str, list[Rating]] = {}
        for row in self.rows:
            found.setdefault(row.photo, []).append(row)
        return {photo: tuple(rows) for photo, rows in found.items()}

    @cached_property
    def photos(self) -> tuple[str, ...]:
        """In the order of the table."""
        return tuple(self._by_photo)

    @cached_property
    def raters(self) -> tuple[str, ...]:
        """In the order of the table."""
        return tuple(dict.fromkeys(row.rater for row in self.rows))

    def of(self, photo: str) -> tuple[Rating, ...]:
        """What each rater wrote of a photo.

        Raises:
            KeyError: The photo has no rating.
        """
        return self._by_photo[photo]

    def mean_masi(self, photo: str) -> float:
        """Mean MASI of the raters."""
        rows = self.of(photo)
        return math.fsum(row.masi for row in rows) / len(rows)

    def severity(self, photo: str) -> Severity:
        """Band of the mean MASI (Zhang et al. 2025)."""
        # Thirds of tenths: 16 that three raters reach together must not become 15.999...
        return severity(min(48.0, round(self.mean_masi(photo), 9)))

    def patient(self, photo: str) -> str:
        """Whom the photo shows."""
        return self.of(photo)[0].patient

    def group(self, photo: str) -> str:
        """What must not be divided: the group, or else the patient."""
        return self.of(photo)[0].group or self.patient(photo)

    def path(self, photo: str) -> Path:
        """The photo's file.

        Raises:
            KeyError: The ratings were read without a folder of photos.
        """
        if photo not in self.files:
            raise KeyError(f"{photo}: no file is known: read the ratings with the folder of photos")
        return self.files[photo]

    def only(self, photos: Iterable[str]) -> Ratings:
        """The same for some of the photos.

        Raises:
            KeyError: A photo has no rating.
        """
        chosen = set(photos)
        for photo in chosen:
            self.of(photo)
        files = {photo: path for photo, path in self.files.items() if photo in chosen}
        return replace(self, rows=tuple(row for row in self.rows if row.photo in chosen), files=files)


def read_ratings(path: Path, photos: Path | None = None, incomplete: Incomplete = "refuse") -> Ratings:
    """Read ratings and check them.

    Args:
        path: A table (.csv, .tsv, .txt, .xlsx, .parquet), or a folder: a data set (manifest.csv, and ratings.csv or
            columns of raters in the manifest), or a folder of photos with one table ``ratings.*``. manifest.csv and
            ratings.csv of a data set stand for its folder.
        photos: Folder in which every photo of the table must lie. A data set knows its own.
        incomplete: ``drop`` leaves out photos that not all raters have scored.

    Raises:
        RatingsError: Everything that is wrong.
    """
    from melascope.severity.ratings_checks import checked
    from melascope.severity.ratings_folder import read_folder
    from melascope.severity.ratings_table import read_file

    path = Path(path)
    if not path.exists():
        raise RatingsError(path, ["is not there; see how the name is spelt, or where the file lies"])
    if photos is not None and not photos.is_dir():
        is_file = photos.exists()
        raise RatingsError(
            photos, ["is a file; name the folder that holds it" if is_file else "is no folder; name one"]
        )
    if photos is None and path.name in {MANIFEST, RATINGS} and (path.parent / MANIFEST).is_file():
        path = path.parent
    found = read_folder(path, photos) if path.is_dir() else read_file(path, photos)
    return checked(found, incomplete)
