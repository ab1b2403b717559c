"""What the columns of a table of ratings mean, however they are spelt.

Names are compared without capitals, blanks and punctuation. A column of scores may carry a rater
(``rater1_masi``, ``masi_rater_2``, ``Reader A forehead area``): the wide form, one row a photo.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from melascope.vocabulary import MASI_REGIONS, Region

__all__ = ["COMPONENTS", "TOPS", "Columns", "Field", "understood"]

COMPONENTS: Final = ("area", "darkness", "homogeneity")
TOPS: Final = {"area": 6.0, "darkness": 4.0, "homogeneity": 4.0, "masi": 48.0, "mmasi": 24.0}
"""Highest score by kind of column."""

_PLAIN: Final = {
    "photo": ("photo", "photo_id", "image", "image_id", "picture", "picture_id"),
    "file": ("file", "filename", "file_name", "image_name", "photo_name", "photo_file", "image_file", "path"),
    "patient": ("patient", "patient_id", "patientid", "subject", "subject_id", "person", "case_id"),
    "rater": (
        "rater",
        "rater_id",
        "reader",
        "observer",
        "grader",
        "assessor",
        "physician",
        "dermatologist",
        "rated_by",
    ),
    "masi": ("masi", "masi_total", "total_masi", "masi_score", "total"),
    "mmasi": ("mmasi", "m_masi", "modified_masi", "mmasi_total", "total_mmasi", "mmasi_score"),
    "group": ("group", "family", "kept_together"),
    "order": ("order", "reading_order", "read_order", "read_at", "rated_at", "time", "timestamp", "reading_time"),
}
_REGIONS: Final = {
    Region.FOREHEAD: ("forehead", "f", "fh"),
    Region.RIGHT_MALAR: ("right_malar", "malar_right", "right_cheek", "rm", "r_malar", "malar_r"),
    Region.LEFT_MALAR: ("left_malar", "malar_left", "left_cheek", "lm", "l_malar", "malar_l"),
    Region.CHIN: ("chin", "c"),
}
_COMPONENTS: Final = {
    "area": ("area", "a"),
    "darkness": ("darkness", "d", "dark", "pigmentation"),
    "homogeneity": ("homogeneity", "h", "homogenity", "uniformity"),
}
_RATER: Final = r"(?:rater|reader|observer|grader|assessor|physician|doctor|dermatologist|derm|dr)_?[a-z0-9]+"
_BEFORE: Final = re.compile(rf"({_RATER})_(.+)")
_BEHIND: Final = re.compile(rf"(.+?)_({_RATER})")
_NO_RATER: Final = re.compile(r".*(mean|average|avg|median|consensus|sd|std|min|max)")


@dataclass(frozen=True)
class Field:
    """One column that is understood."""

    index: int
    name: str
    """As the table spells it."""
    kind: str
    """photo, file, patient, rater, group, order, masi, mmasi, area, darkness or homogeneity."""
    region: Region | None = None
    rater: str = ""
    """Of the wide form."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table."""

    fields: tuple[Field, ...]
    problems: tuple[str, ...]
    """Of the header."""
    ignored: tuple[str, ...]
    """Names of columns that mean nothing here."""

    @property
    def wide(self) -> tuple[str, ...]:
        """Raters who have columns of their own."""
        return tuple(dict.fromkeys(field.rater for field in self.fields if field.rater))

    def one(self, kind: str) -> Field | None:
        """The column of a kind without region and rater."""
        return next((f for f in self.fields if f.kind == kind and f.region is None and not f.rater), None)

    def scores(self, rater: str = "") -> tuple[Field, ...]:
        """The columns of scores of a rater of the wide form, or of the long form."""
        return tuple(field for field in self.fields if field.kind in TOPS and field.rater == rater)


def understood(header: Sequence[str]) -> Columns:
    """The meaning of a header, and what is wrong with it.

    Example:
        >>> [(f.kind, f.rater) for f in understood(["Photo ID", "patient", "MASI (rater 2)", "age"]).fields]
        [('photo', ''), ('patient', ''), ('masi', 'rater2')]
    """
    fields: list[Field] = []
    problems: list[str] = []
    ignored: list[str] = []
    for index, name in enumerate(header):
        key = _key(name)
        if not key:
            continue
        field = _field(index, name, key)
        if field is None:
            meant = _meant(key)
            if meant:
                problems.append(f"column {name!r} is not known; rename it {meant!r} if it is that, or else delete it")
            else:
                ignored.append(name)
            continue
        twin = next((f for f in fields if _same(f, field)), None)
        if twin is not None:
            problems.append(f"columns {twin.name!r} and {name!r} mean the same; delete or rename one")
            continue
        fields.append(field)
    if not any(field.kind == "photo" for field in fields):
        fields = [replace(field, kind="photo") if field.kind == "file" else field for field in fields]
    problems += _missing(fields, header)
    return Columns(tuple(fields), tuple(problems), tuple(ignored))


def _missing(fields: Sequence[Field], header: Sequence[str]) -> list[str]:
    shown = ", ".join(repr(name) for name in header[:12] if name) + (" ..." if len(header) > 12 else "")
    problems = []
    for kind, way_out in (
        ("photo", "name the column of the photos 'photo'"),
        ("patient", "add a column 'patient' (where everyone has one photo, copy the column of photos)"),
    ):
        if not any(f.kind == kind and f.region is None for f in fields):
            problems.append(f"there is no column {kind!r} (found: {shown}); {way_out}")
    wide = {field.rater for field in fields if field.rater}
    for rater in sorted(wide) or [""]:
        kinds = {(field.kind, field.region) for field in fields if field.rater == rater}
        parts = {(component, region) for region in MASI_REGIONS for component in COMPONENTS}
        whose = f" of {rater}" if rater else ""
        lacking = [
            f"{region.key}_{component}"
            for region in MASI_REGIONS
            for component in COMPONENTS
            if (component, region) not in kinds
        ]
        if kinds & parts and lacking:
            problems.append(
                f"of the 12 columns of components{whose} {', '.join(lacking)} "
                f"{'is' if len(lacking) == 1 else 'are'} missing; add {'it' if len(lacking) == 1 else 'them'}, "
                "or give the total 'masi' alone"
            )
        elif not kinds & parts and ("masi", None) not in kinds:
            problems.append(
                f"there is no column of scores{whose} (found: {shown}); add 'masi' (or rater1_masi, rater2_masi ...), "
                "or forehead_area, forehead_darkness, forehead_homogeneity and so on of right_malar, left_malar, chin"
            )
    if wide and any(field.kind == "rater" for field in fields):
        problems.append(
            f"the raters have both columns of their own ({', '.join(sorted(wide))}) and a column 'rater'; keep one form"
        )
    return problems


def _field(index: int, name: str, key: str) -> Field | None:
    found = _meaning(key)
    if found is not None:
        return Field(index, name, *found)
    for pattern, rater_at, rest_at in ((_BEFORE, 1, 2), (_BEHIND, 2, 1)):
        match = pattern.fullmatch(key)
        if match is None or _NO_RATER.fullmatch(match[rater_at]):
            continue
        found = _meaning(match[rest_at])
        if found is not None and found[0] in TOPS:
            return Field(index, name, *found, rater=_rater(match[rater_at]))
    return None


def _meaning(key: str) -> tuple[str, Region | None] | None:
    for kind, names in _PLAIN.items():
        if key in names:
            return kind, None
    for region, places in _REGIONS.items():
        for component, words in _COMPONENTS.items():
            if any(key in {f"{place}_{word}", f"{word}_{place}"} for place in places for word in words):
                return component, region
    return None


def _rater(key: str) -> str:
    """``rater1`` of ``rater_1``; ``dr_lee`` stays."""
    return re.sub(r"_(?=\d+$)", "", key)


def _meant(key: str) -> str | None:
    """The column of which a name that is not known may be a slip of the pen."""
    known = [name for names in _PLAIN.values() for name in names if len(name) > 4] + ["masi", "mmasi"]
    known += [f"{region.key}_{component}" for region in MASI_REGIONS for component in COMPONENTS]
    if key.endswith("_share"):
        return None  # of a manifest: it stands beside the areas, not for them
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.86)
    return close[0] if close else None


def _same(one: Field, other: Field) -> bool:
    return (one.kind, one.region, one.rater) == (other.kind, other.region, other.rater)


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")
