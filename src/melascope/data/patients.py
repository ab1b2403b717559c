"""Whom photos show: named by a table, by a regular expression, or everyone by their photo."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from melascope.data.annotated import AnnotationError
from melascope.data.cells import Problem, as_name, composed
from melascope.data.intake import Taken
from melascope.data.manifest import ManifestError, read_table

__all__ = ["patients_of", "read_patients"]

_STEM: Final = 100
"""Signs of a name before the number that tells it apart."""


def read_patients(path: Path) -> dict[str, str]:
    """Patients by photo, from a CSV table with the columns photo and patient; rows that lack one of them are left out.

    Raises:
        FileNotFoundError: There is no such file.
        ManifestError: It is no such table, or a photo has two patients.
    """
    rows, problems = read_table(path, ("photo", "patient"))
    first: dict[str, tuple[str, int]] = {}
    for line, cells in rows:
        photo, patient = (composed(cells[column]).strip() for column in ("photo", "patient"))
        if not photo or not patient:
            continue
        other, where = first.setdefault(photo, (patient, line))
        if other != patient:
            rule = f"is of patient {patient!r}, and of {other!r} in line {where}: keep the row that is right"
            problems.append(Problem(line, "photo", photo, rule))
    if problems:
        raise ManifestError(path, problems)
    return {photo: patient for photo, (patient, _) in first.items()}


def patients_of(
    taken: Sequence[Taken], table: Mapping[str, str] | None = None, pattern: str | None = None
) -> dict[str, str]:
    """The patient of every photo: of a table, or of a regular expression's first group in the photo's name.

    Without either every photo is taken for a person of its own. Of a name no more is changed than a manifest demands.

    Args:
        taken: Photos.
        table: Patients by photo: by its path, by its name or by its name without ending, where only one photo has it.
        pattern: Regular expression with a group.

    Raises:
        AnnotationError: A photo has no patient in the table, or two; a name in the table may be several photos; or the
            expression does not match a photo.
        ValueError: The expression is none, or has no group.
    """
    if table is not None:
        named, rule = _of_table([one.photo for one in taken], table), "is not in the table of patients: add a row"
    elif pattern is not None:
        named, rule = _of_pattern(taken, pattern), f"does not fit the pattern {pattern!r}: no patient can be told"
    else:
        named, rule = {one.photo: Path(one.photo).with_suffix("").as_posix() for one in taken}, ""
    patients = {one.photo: composed(named.get(one.photo, "")).strip() for one in taken}
    problems = [f"{photo}: {rule}" for photo, patient in patients.items() if not patient]
    if problems:
        raise AnnotationError(problems)
    names = _names(patients.values())
    return {photo: names[patient] for photo, patient in patients.items()}


def _of_table(photos: Sequence[str], table: Mapping[str, str]) -> dict[str, str]:
    """Patients by photo; rows of other photos than these do no harm."""
    paths, names, stems = (defaultdict[str, list[str]](list) for _ in range(3))
    for photo in photos:
        path = PurePosixPath(composed(photo))
        for keys, key in ((paths, str(path)), (names, path.name), (stems, path.stem)):
            keys[key].append(photo)
    found: dict[str, tuple[str, str]] = {}
    problems = []
    for row, patient in table.items():
        asked = composed(row)
        alike = paths.get(asked) or names.get(asked) or stems.get(asked) or []
        if len(alike) > 1:
            which = f"{' or '.join(alike[:3])}{' ...' if len(alike) > 3 else ''}"
            problems.append(f"table of patients: {row!r} may be {which}: write the photo's name with folder and ending")
            continue
        for photo in alike:
            other, by = found.setdefault(photo, (patient, row))
            if other != patient:
                rule = f"is of patient {other!r} by the row {by!r}, and of {patient!r} by the row {row!r}"
                problems.append(f"{photo}: {rule}: remove one of the two")
    if problems:
        raise AnnotationError(problems)
    return {photo: patient for photo, (patient, _) in found.items()}


def _of_pattern(taken: Sequence[Taken], pattern: str) -> dict[str, str]:
    try:
        expression = re.compile(composed(pattern))
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
    if not expression.groups:
        raise ValueError(f"{pattern!r} has no group: put the part that names the patient in brackets, as (.*)_\\d+")
    matches = {one.photo: expression.search(composed(one.photo)) for one in taken}
    return {photo: match[1] or "" for photo, match in matches.items() if match}


def _names(patients: Iterable[str]) -> dict[str, str]:
    """Names that a manifest may hold, by the names that people have; two that fall together differ in a number."""
    names: dict[str, str] = {}
    used: set[str] = set()
    # Names that may stay as they are come first: no number is added to them.
    for patient in sorted(set(patients), key=lambda one: (as_name(one) != one, one)):
        stem = name = as_name(patient) or "unnamed"
        number = 1
        while name in used:
            number += 1
            name = f"{stem[:_STEM]}-{number}"
        used.add(name)
        names[patient] = name
    return names
