"""What can be wrong between the rows of a manifest, and within one row."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from melascope.data.finding import Finding
from melascope.data.layout import MANIFEST, RATINGS
from melascope.data.ratings import Rating
from melascope.data.row import Row
from melascope.masi import masi, mmasi, severity
from melascope.vocabulary import ITA_BANDS, MASI_REGIONS

__all__ = ["check_ratings", "check_rows"]

_EXACT: Final = 1e-6
_ROUNDED: Final = 0.051
"""A mean of raters may be written with one decimal."""

Lines = Sequence[tuple[int, Row]]


def check_rows(lines: Lines) -> Iterator[Finding]:
    """Findings about a manifest's rows, each with its line."""
    yield from _splits(lines)
    yield from _people(lines)
    for line, row in lines:
        yield from _totals(line, row)


def check_ratings(ratings: Iterable[tuple[int, Rating]], lines: Lines) -> Iterator[Finding]:
    """Findings about what raters wrote: photos that are not there, totals that do not follow."""
    photos = {row.photo_id for _, row in lines}
    visits = {(row.patient, row.visit) for _, row in lines}
    patients = {row.patient for _, row in lines}
    for line, rating in ratings:
        where = f"{RATINGS} line {line}"
        if rating.photo_id is not None and rating.photo_id not in photos:
            what = f"photo {rating.photo_id!r} is not in {MANIFEST}"
            yield Finding("rating-of-nothing", "error", where, what, "correct photo_id, or add the photo")
        elif rating.patient is not None and (
            rating.patient not in patients
            or (rating.visit is not None and (rating.patient, rating.visit) not in visits)
        ):
            visit = "" if rating.visit is None else f", visit {rating.visit},"
            what = f"patient {rating.patient!r}{visit} is not in {MANIFEST}"
            yield Finding("rating-of-nothing", "error", where, what, "correct patient or visit, or add the photo")
        total = masi(rating.scores)
        if total is not None and rating.masi is not None and abs(total - rating.masi) > _ROUNDED:
            what = f"MASI {rating.masi:g} does not follow from its steps, which give {total:g}"
            yield Finding("rating-total-differs", "error", f"{where}, masi", what, "correct the steps or the total")


def _splits(lines: Lines) -> Iterator[Finding]:
    for column in ("split_631", "split_82"):
        by_patient: dict[str, dict[str, int]] = defaultdict(dict)
        by_group: dict[str, dict[str, int]] = defaultdict(dict)
        without = [line for line, row in lines if getattr(row, column) is None]
        for line, row in lines:
            split = getattr(row, column)
            if split is not None:
                by_patient[row.patient].setdefault(split, line)
                if row.group:
                    by_group[row.group].setdefault(split, line)
        for kind, table in (("patient", by_patient), ("group", by_group)):
            for name, splits in table.items():
                if len(splits) > 1:
                    places = ", ".join(f"{split} (line {line})" for split, line in splits.items())
                    yield Finding(
                        f"{kind}-in-two-splits",
                        "error",
                        f"{MANIFEST} line {max(splits.values())}, {column}",
                        f"{kind} {name!r} is in {places}",
                        f"put all photos of the {kind} in one split; assign_splits() does that",
                    )
        if without and len(without) < len(lines):
            what = f"{len(without)} of {len(lines)} photos have no split"
            where = f"{MANIFEST} line {without[0]}, {column}"
            yield Finding("split-missing", "warning", where, what, "fill the column, or leave it empty everywhere")


def _people(lines: Lines) -> Iterator[Finding]:
    files: dict[str, int] = {}
    group_of: dict[str, tuple[str, int]] = {}
    sex_of: dict[str, tuple[str, int]] = {}
    for line, row in lines:
        first = files.setdefault(row.file.casefold(), line)
        if first != line:
            what = f"{row.file} is also the photo of line {first}"
            yield Finding("file-twice", "error", f"{MANIFEST} line {line}, file", what, "name each photo once")
        group, other = group_of.setdefault(row.patient, (row.group, line))
        if group != row.group:
            what = f"patient {row.patient!r} is in group {row.group!r}, and in {group!r} (line {other})"
            where = f"{MANIFEST} line {line}, group"
            yield Finding("patient-in-two-groups", "error", where, what, "give all photos of a patient one group")
        if row.sex is not None:
            sex, other = sex_of.setdefault(row.patient, (row.sex, line))
            if sex != row.sex:
                what = f"patient {row.patient!r} is {row.sex}, and {sex} in line {other}"
                advice = "see whether two people share the name; then give one another name"
                yield Finding("sex-differs", "warning", f"{MANIFEST} line {line}, sex", what, advice)


def _totals(line: int, row: Row) -> Iterator[Finding]:
    where = f"{MANIFEST} line {line}"
    scores = row.scores
    for name, given, total in (("masi", row.masi, masi(scores)), ("mmasi", row.mmasi, mmasi(scores))):
        if given is not None and total is not None and abs(given - total) > _EXACT:
            what = f"{name} {given!r} does not follow from share, darkness and homogeneity, which give {total:.12g}"
            advice = "compute it with melascope.masi from the same row, or empty the cell"
            yield Finding("total-differs", "error", f"{where}, {name}", what, advice)
    means = [value for value in row.rater_masi if value is not None]
    if means and row.rater_mean_masi is not None:
        mean = math.fsum(means) / len(means)
        if abs(mean - row.rater_mean_masi) > _ROUNDED:
            what = f"rater_mean_masi {row.rater_mean_masi!r} is not the mean of the raters, {mean:.12g}"
            where_mean = f"{where}, rater_mean_masi"
            yield Finding("total-differs", "error", where_mean, what, "correct the scores or the mean")
    for name, band, total in (
        ("severity", row.severity, row.masi),
        ("rater_severity", row.rater_severity, row.rater_mean_masi),
    ):
        if band is not None and total is not None and band != severity(total):
            what = f"{name} {band.value!r} is not the band of {total:g}, {severity(total).value!r}"
            advice = "mild < 16, moderate 16 to < 32, severe from 32"
            yield Finding("band-differs", "error", f"{where}, {name}", what, advice)
    if row.ita_deg is not None and row.tone_band is not None:
        band_of_tone = next(tone for limit, tone in ITA_BANDS if row.ita_deg > limit)
        if band_of_tone != row.tone_band:
            what = (
                f"tone_band {row.tone_band.value!r} is not the band of {row.ita_deg:g} degrees, {band_of_tone.value!r}"
            )
            yield Finding("band-differs", "error", f"{where}, tone_band", what, "correct it, or empty the cell")
    if row.view == "close-up" and row.region is None:
        advice = f"name one, such as {MASI_REGIONS[1].key}"
        yield Finding("close-up-of-nothing", "warning", f"{where}, region", "a close-up names no region", advice)
