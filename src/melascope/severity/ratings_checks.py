"""What ratings must keep between them: one patient a photo, every rater once, names spelt one way."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from melascope.severity.ratings import Incomplete, Rating, Ratings, RatingsError
from melascope.severity.ratings_table import Found

__all__ = ["checked"]

_OPTION: Final = "leave such photos out with --incomplete drop"


def checked(found: Found, incomplete: Incomplete = "refuse") -> Ratings:
    """The ratings, if nothing is wrong with them.

    Raises:
        RatingsError: All problems of the table, in the order of its rows.
    """
    rows = found.rows
    _spelling(found, "photo", ((r.photo, r.row) for r in rows), _name_key, "")
    _spelling(found, "patient", ((r.patient, r.row) for r in rows), _name_key, " (two people would count as two)")
    _spelling(found, "rater", ((r.rater, r.row) for r in rows), _rater_key, "")
    _signs(found)
    _people(found)
    _twice(found)
    lacking = _lacking(rows)
    if incomplete == "refuse":
        for photo, (row, raters) in lacking.items():
            found.wrong(row, f"photo {photo!r} has no rating of {', '.join(raters)}; add it, or {_OPTION}")
    if found.problems:
        ordered = sorted(found.problems, key=lambda problem: problem[0])
        raise RatingsError(found.source, [f"row {row}: {text}" if row else text for row, text in ordered])
    kept = tuple(row for row in rows if row.photo not in lacking)
    notes = list(found.notes)
    if lacking:
        whole = len({rating.photo for rating in rows})
        notes.append(f"{len(lacking)} of {whole} photos were left out: not all raters scored them")
    if found.odd:
        shown = ", ".join(list(found.odd.values())[:5]) + (" ..." if len(found.odd) > 5 else "")
        notes.append(
            f"a darkness or homogeneity without any area counts as nothing: {shown}; see whether the area is right"
        )
    if not kept:
        why = (
            "no photo has a rating of every rater; " + "see how the raters are spelt"
            if lacking
            else "there is no rating"
        )
        raise RatingsError(found.source, [why])
    files = {photo: path for photo, path in found.files.items() if photo not in lacking}
    return Ratings(kept, found.source, found.photos_folder, files, tuple(notes))


def _spelling(found: Found, kind: str, names: Iterable[tuple[str, int]], key: Callable[[str], str], aside: str) -> None:
    first: dict[str, tuple[str, int]] = {}
    told: set[str] = set()
    for name, row in names:
        other, at = first.setdefault(key(name), (name, row))
        if other != name and name not in told:
            told.add(name)
            found.wrong(
                row,
                f"{kind} {name!r} differs from {other!r} of row {at} in capitals or blanks alone{aside}; "
                "spell one name one way",
            )


def _signs(found: Found) -> None:
    """Raters' names are written between semicolons in predictions.csv."""
    for name, row in dict(reversed([(rating.rater, rating.row) for rating in found.rows])).items():
        if ";" in name:
            found.wrong(row, f"rater {name!r} holds a semicolon, which parts raters in predictions; write another sign")


def _people(found: Found) -> None:
    patient_of: dict[str, tuple[str, int]] = {}
    group_of: dict[str, tuple[str, int]] = {}
    told: set[tuple[str, str]] = set()
    for rating in found.rows:
        patient, row = patient_of.setdefault(_name_key(rating.photo), (rating.patient, rating.row))
        if _name_key(patient) != _name_key(rating.patient) and (rating.photo, rating.patient) not in told:
            told.add((rating.photo, rating.patient))
            found.wrong(
                rating.row,
                f"photo {rating.photo!r} shows patient {rating.patient!r}, and {patient!r} in row {row}; "
                "correct the patient, or the photo's name",
            )
        group, row = group_of.setdefault(_name_key(rating.patient), (rating.group, rating.row))
        if group != rating.group and (rating.patient, rating.group) not in told:
            told.add((rating.patient, rating.group))
            found.wrong(
                rating.row,
                f"patient {rating.patient!r} is in group {rating.group!r}, and in {group!r} in row {row}; "
                "give all rows of a patient one group",
            )


def _twice(found: Found) -> None:
    first: dict[tuple[str, str], Rating] = {}
    told: set[tuple[int, str]] = set()
    named = len({rating.rater for rating in found.rows}) > 1
    for rating in found.rows:
        other = first.setdefault((_name_key(rating.photo), _rater_key(rating.rater)), rating)
        if other is rating or (rating.row, rating.rater) in told:
            continue
        told.add((rating.row, rating.rater))
        score = (
            "" if math.isnan(rating.masi) or math.isnan(other.masi) else f" (MASI {rating.masi:g}, then {other.masi:g})"
        )
        whose = f" by {rating.rater!r}" if named else ""
        found.wrong(
            rating.row,
            f"photo {rating.photo!r} was rated{whose} in row {other.row} already{score}; keep one of the rows"
            + ("" if named else ", or add a column 'rater' if they are of two raters"),
        )


def _lacking(rows: Iterable[Rating]) -> dict[str, tuple[int, list[str]]]:
    """(first row, raters who did not score it) by photo."""
    rated: dict[str, set[str]] = defaultdict(set)
    names: dict[str, str] = {}
    first: dict[str, tuple[str, int]] = {}
    for rating in rows:
        photo, rater = _name_key(rating.photo), _rater_key(rating.rater)
        rated[photo].add(rater)
        names.setdefault(rater, rating.rater)
        first.setdefault(photo, (rating.photo, rating.row))
    return {
        first[photo][0]: (first[photo][1], [name for key, name in names.items() if key not in raters])
        for photo, raters in rated.items()
        if len(raters) < len(names)
    }


def _name_key(name: str) -> str:
    return re.sub(r"\s+", "", name).casefold()


def _rater_key(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name).casefold()
