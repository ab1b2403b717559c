"""One row of the manifest: what is known of one photo, and the columns in which it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from melascope.data.cells import Column, Problem, cell, choice, name, number, path, plain, text, whole
from melascope.masi import RegionalScore, area_value
from melascope.vocabulary import MASI_REGIONS, Lesion, Region, Severity, ToneBand

__all__ = ["COLUMNS", "NO_LESION", "Part", "Row", "Split", "View", "read_row"]

View = Literal["frontal", "right45", "left45", "close-up"]
"""What the camera looks at. `right45`: the head is turned so that the patient's right side is seen."""
Split = Literal["train", "val", "test"]
NO_LESION: Final = "none"
"""Word in the column `kinds` for a photo that is known to show none of the six; an empty cell means: not known."""

_PARTS: Final = ("share", "darkness", "homogeneity")
_RATER: Final = re.compile(r"rater([1-9]\d?)_masi")


@dataclass(frozen=True)
class Part:
    """What is known of one MASI region; None where it is not known."""

    share: float | None = None
    """Involved share of the region's skin, 0 to 1."""
    darkness: float | None = None
    """D, 0 to 4, continuous."""
    homogeneity: float | None = None
    """H, 0 to 4, continuous."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One photo of the manifest. None, or an empty text, where a value is not known."""

    photo_id: str
    """Unique; also the stem of the masks' names."""
    patient: str
    file: str
    """The photo, below the data set's folder, with `/`."""
    group: str = ""
    """What must stay in one split where that is more than the patient: a family, a head that patients share."""
    visit: int = 1
    """From 1."""
    view: View | None = None
    device: str = ""
    region: Region | None = None
    """Of a close-up."""
    width: int | None = None
    """Pixels across the upright photo."""
    height: int | None = None
    """Pixels down the upright photo."""
    split_631: Split | None = None
    """Of 6:3:1: train, val, test (Zhang 2025)."""
    split_82: Split | None = None
    """Of 8:2: train, test (Ding 2022)."""
    sex: Literal["female", "male", "other"] | None = None
    age: float | None = None
    """Years."""
    ita_deg: float | None = None
    """True or measured individual typology angle of the unaffected skin."""
    tone_band: ToneBand | None = None
    kinds: tuple[Lesion, ...] | None = None
    """Lesions that the photo shows; () for none of the six, None where that is not known."""
    parts: Mapping[Region, Part] = field(default_factory=dict)
    """By MASI region; a region that is not known may be left out."""
    masi: float | None = None
    """True MASI, 0 to 48."""
    mmasi: float | None = None
    """True mMASI, 0 to 24."""
    severity: Severity | None = None
    """Band of `masi`."""
    rater_masi: tuple[float | None, ...] = ()
    """MASI by rater 1, 2, 3 ..."""
    rater_mean_masi: float | None = None
    rater_severity: Severity | None = None
    """Band of `rater_mean_masi`."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Columns that this programme does not know, as text."""

    @property
    def kept_together(self) -> str:
        """The group, or else the patient; where groups have gaps `splits.kept_together` joins more."""
        return self.group or self.patient

    @property
    def scores(self) -> dict[Region, RegionalScore]:
        """Continuous A, D and H of the regions of which all three are known."""
        found = {}
        for region in MASI_REGIONS:
            part = self.parts.get(region)
            if part is None or part.share is None or part.darkness is None or part.homogeneity is None:
                continue
            found[region] = RegionalScore(area_value(part.share), part.darkness, part.homogeneity)
        return found

    def cells(self) -> dict[str, str]:
        """The row as text by column."""
        values: dict[str, object] = {column: getattr(self, column) for column in _PLAIN}
        values["region"] = None if self.region is None else self.region.key
        if self.kinds is not None:
            values["kinds"] = ";".join(kind.value for kind in Lesion if kind in self.kinds) or NO_LESION
        for region, part in self.parts.items():
            values |= {f"{region.key}_{value}": getattr(part, value) for value in _PARTS}
        values |= {f"rater{i}_masi": value for i, value in enumerate(self.rater_masi, start=1)}
        return {key: cell(value) for key, value in (*values.items(), *self.extra.items())}


def _kinds(value: str) -> tuple[Lesion, ...]:
    words = {word.strip().casefold() for word in value.split(";")} - {""}
    if words == {NO_LESION}:
        return ()
    if not words or words - {kind.value for kind in Lesion}:
        raise ValueError
    return tuple(kind for kind in Lesion if kind.value in words)


def _region(value: str) -> Region:
    return {region.key: region for region in Region}[value.strip().casefold().replace(" ", "_")]


_KNOWN: Final = (
    name("photo_id"),
    name("patient"),
    text("group"),
    whole("visit", 1, 9999),
    choice("view", get_args(View)),
    text("device"),
    Column("region", _region, f"must be one of {', '.join(region.key for region in Region)}, or empty"),
    path("file"),
    whole("width", 1, 100_000),
    whole("height", 1, 100_000),
    choice("split_631", get_args(Split)),
    choice("split_82", ("train", "test")),
    choice("sex", ("female", "male", "other")),
    number("age", 0, 120),
    number("ita_deg", -90, 90),
    choice("tone_band", tuple(ToneBand)),
    Column(
        "kinds",
        _kinds,
        f"must be abbreviations of {', '.join(Lesion)} with ; between them, or {NO_LESION}, or empty where not known",
    ),
    *(
        number(f"{region.key}_{value}", 0, top)
        for region in MASI_REGIONS
        for value, top in zip(_PARTS, (1, 4, 4), strict=True)
    ),
    number("masi", 0, 48),
    number("mmasi", 0, 24),
    choice("severity", tuple(Severity)),
    number("rater1_masi", 0, 48),
    number("rater2_masi", 0, 48),
    number("rater3_masi", 0, 48),
    number("rater_mean_masi", 0, 48),
    choice("rater_severity", tuple(Severity)),
)
COLUMNS: Final = {column.name: column for column in _KNOWN}
"""Columns that are known, in the order in which they are written; there may be more raters."""

_PLAIN: Final = tuple(column for column in COLUMNS if column in Row.__dataclass_fields__ and column != "kinds")


def read_row(cells: Mapping[str, str], line: int | None = None) -> tuple[Row | None, list[Problem]]:
    """A row from its cells, and what is wrong with them.

    A cell that breaks its rule counts as empty; there is no row if one of the required cells does.
    """
    values: dict[str, Any] = {}
    extra: dict[str, str] = {}
    problems = []
    for key, written in cells.items():
        value = plain(written.strip())
        column = COLUMNS.get(key) or (number(key, 0, 48) if _RATER.fullmatch(key) else None)
        if column is None:
            extra[key] = value
        elif value:
            try:
                values[key] = column.read(value)
            except (ValueError, KeyError, OverflowError):
                problems.append(Problem(line, key, value, column.rule))
    failed = {problem.column for problem in problems}
    needed = [column for column in _KNOWN if column.required and column.name not in values]
    problems += [Problem(line, c.name, "", f"is empty: {c.rule}") for c in needed if c.name not in failed]
    if needed:
        return None, problems
    parts = {}
    for region in MASI_REGIONS:
        part = Part(*(values.pop(f"{region.key}_{value}", None) for value in _PARTS))
        if part != Part():
            parts[region] = part
    raters = {int(m[1]): values.pop(key) for key in list(values) if (m := _RATER.fullmatch(key))}
    rated = tuple(raters.get(i) for i in range(1, max(raters, default=0) + 1))
    return Row(**values, parts=parts, rater_masi=rated, extra=extra), problems
