"""Who is in which set: parts of patients who are never divided, and class shares like a paper's."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, get_args

from melascope.data.cells import harmless, plain
from melascope.data.layout import write_whole
from melascope.severity.ratings import Ratings, RatingsError
from melascope.severity.tables import TableError, read_table
from melascope.vocabulary import Severity

__all__ = [
    "LARGEST",
    "MAJORITY",
    "PARTS",
    "SHARES",
    "Part",
    "balance",
    "class_shares",
    "read_split",
    "split_patients",
    "write_split",
]

Part = Literal["train", "validation", "test"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
SHARES: Final = (6, 3, 1)
"""Of training, validation and test photos (Zhang et al. 2025)."""
MAJORITY: Final = 0.453
"""Share of the largest class in the paper's test set: the accuracy of the two networks that always name it. With the
other accuracies printed (0.755, 0.727) it fits 63 of 139 photos, and no other size near a tenth of 1,368."""
LARGEST: Final = Severity.MILD
"""Our assumption: the paper does not say which class is the largest, nor how the others share the rest."""
_CLASSES: Final = tuple(Severity)
_TRIALS: Final = 40
_EFFORT: Final = 4000
"""Units that are dealt out over all trials: few patients get many trials, many need few."""

Vector = tuple[int, ...]


def split_patients(ratings: Ratings, shares: Sequence[int] = SHARES, seed: int = 7) -> dict[str, Part]:
    """Deal patients out to training, validation and test.

    A patient, or a group where the ratings name one (a family, a head that virtual patients share), is never divided.
    Each part gets its share of the photos, of the photos of each severity, and of the patients by the worst severity
    that they show. The result depends on names, scores and seed, not on the order of the table.

    Args:
        ratings: All photos that are to be used.
        shares: Of the three parts.
        seed: Another one gives another split.

    Returns:
        The part of every photo, in the order of the table.

    Raises:
        ValueError: A share is not positive, or there are fewer than three patients or groups.

    Example:
        >>> split_patients(read_ratings("ratings.csv"))["IMG_001"]  # doctest: +SKIP
        'train'
    """
    if len(shares) != len(PARTS) or any(share <= 0 for share in shares):
        raise ValueError(f"shares = {tuple(shares)}: must be three positive numbers, such as 6, 3, 1")
    units = _units(ratings)
    if len(units) < len(PARTS):
        raise ValueError(
            f"{len(units)} patient{'' if len(units) == 1 else 's'} or groups that may not be divided: a split in three "
            "parts needs three at least; add patients"
        )
    aims = [Fraction(share, sum(shares)) for share in shares]
    trials = max(1, min(_TRIALS, _EFFORT // len(units)))
    dealt = min((_deal(units, aims, f"{seed}|{trial}") for trial in range(trials)), key=lambda one: one[0])[1]
    return {photo: PARTS[dealt[_unit(ratings, photo)]] for photo in ratings.photos}


def class_shares(ratings: Ratings, photos: Iterable[str] | None = None) -> dict[Severity, float]:
    """Share of each severity among photos; of all if none are named."""
    counts = Counter(ratings.severity(photo) for photo in (ratings.photos if photos is None else photos))
    whole = max(1, counts.total())
    return {band: counts[band] / whole for band in _CLASSES}


def balance(
    ratings: Ratings,
    majority: float = MAJORITY,
    largest: Severity = LARGEST,
    shares: Mapping[Severity, float] | None = None,
    seed: int = 7,
    without_melasma: bool = False,
) -> tuple[str, ...]:
    """The largest choice of photos whose class shares are as asked: by default like the paper's.

    Every patient gives one photo of a class before any gives a second.

    Args:
        ratings: All photos.
        majority: Share of the class `largest`; the others share the rest evenly.
        largest: Which class has it.
        shares: Of each class, instead of these two; they need not sum to 1.
        seed: Another one gives another choice.
        without_melasma: Also choose photos in which no rater saw any melasma (mean MASI 0), which the paper's clinic
            did not have.

    Returns:
        Photos in the order of the table.

    Raises:
        ValueError: A class that is asked for has no photo, or the shares make no sense.
    """
    if shares is None:
        if not 0 < majority < 1:
            raise ValueError(f"majority = {majority}: must lie between 0 and 1, such as {MAJORITY}")
        rest = (1 - majority) / (len(_CLASSES) - 1)
        shares = {band: majority if band is largest else rest for band in _CLASSES}
    whole = sum(shares.values())
    if whole <= 0 or any(share < 0 for share in shares.values()):
        raise ValueError(f"shares = {dict(shares)}: must be 0 or more, and one above 0")
    by_class: dict[Severity, list[str]] = defaultdict(list)
    for photo in ratings.photos:
        if without_melasma or ratings.mean_masi(photo) > 0:
            by_class[ratings.severity(photo)].append(photo)
    wanted = {band: share / whole for band, share in shares.items() if share > 0}
    lacking = [band.value for band in wanted if not by_class[band]]
    if lacking:
        raise ValueError(f"no photo is {' or '.join(lacking)}: add such photos, or give shares without that class")
    size = min(len(by_class[band]) / share for band, share in wanted.items())
    chosen: set[str] = set()
    for band, share in wanted.items():
        count = min(len(by_class[band]), round(size * share + 1e-9))
        chosen.update(_in_turn(ratings, by_class[band], f"{seed}|{band.value}")[:count])
    return tuple(photo for photo in ratings.photos if photo in chosen)


def write_split(split: Mapping[str, str], ratings: Ratings, path: Path) -> None:
    """Write split.csv (photo, patient, part), whole or not at all, sorted by photo."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("photo", "patient", "part"))
    for photo in sorted(split):
        writer.writerow((harmless(photo), harmless(ratings.patient(photo)), split[photo]))
    write_whole(path, stream.getvalue())


def read_split(path: Path, ratings: Ratings | None = None) -> dict[str, Part]:
    """Read split.csv.

    Args:
        path: As `write_split` writes it.
        ratings: If given, every photo of them must have a part, and no patient or group two.

    Raises:
        RatingsError: Rows that break a rule.
    """
    try:
        table = read_table(path)
    except (TableError, OSError) as error:
        raise RatingsError(path, error.problems if isinstance(error, TableError) else [str(error)]) from None
    if table.header[:3] != ("photo", "patient", "part"):
        raise RatingsError(path, [f"has the columns {', '.join(table.header)}; must be photo, patient, part"])
    problems = [f"row {row}: {text}" for row, text in table.problems]
    split: dict[str, Part] = {}
    whose: dict[str, tuple[str, int]] = {}
    for row, cells in table.rows:
        photo, patient, part = (plain(cell) for cell in cells[:3])
        if part not in PARTS:
            problems.append(f"row {row}: part {part!r} must be one of {', '.join(PARTS)}")
            continue
        if photo in split:
            problems.append(f"row {row}: photo {photo!r} comes twice; keep one of the rows")
        unit = ratings.group(photo) if ratings is not None and photo in ratings.photos else patient
        other, at = whose.setdefault(unit, (part, row))
        if other != part:
            problems.append(f"row {row}: {unit!r} is in {part}, and in {other} in row {at}; nobody may be in two parts")
        split[photo] = part
    if ratings is not None:
        lacking = [photo for photo in ratings.photos if photo not in split]
        problems += [f"photo {photo!r} of {ratings.source.name} has no row; split anew" for photo in lacking]
    if problems:
        raise RatingsError(path, problems)
    return split


def _unit(ratings: Ratings, photo: str) -> tuple[str, str]:
    """What may not be divided; a patient may bear the name of another's group."""
    first = ratings.of(photo)[0]
    return ("group", first.group) if first.group else ("patient", first.patient)


def _units(ratings: Ratings) -> dict[tuple[str, str], Vector]:
    """By unit: photos; photos of each severity; patients by the worst severity that they show."""
    photos: dict[tuple[str, str], Counter[Severity]] = defaultdict(Counter)
    worst: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for photo in ratings.photos:
        unit, patient, band = _unit(ratings, photo), ratings.patient(photo), ratings.severity(photo)
        photos[unit][band] += 1
        worst[unit][patient] = max(worst[unit].get(patient, 0), _CLASSES.index(band))
    found = {}
    for unit, bands in photos.items():
        patients = Counter(worst[unit].values())
        found[unit] = (bands.total(), *(bands[band] for band in _CLASSES), *(patients[i] for i in range(len(_CLASSES))))
    return found


def _deal(
    units: Mapping[tuple[str, str], Vector], aims: Sequence[Fraction], salt: str
) -> tuple[float, dict[tuple[str, str], int]]:
    """Give each unit, large ones first, to the part that lacks most of what it holds.

    Returns:
        Distance from the aims; the part of each unit.
    """
    sums = [sum(column) for column in zip(*units.values(), strict=True)]
    aim = [[float(share) * whole for whole in sums] for share in aims]
    filled = [[0] * len(sums) for _ in aims]
    result: dict[tuple[str, str], int] = {}
    order = sorted(units, key=lambda unit: (-units[unit][0], -max(units[unit][2:4]), _hash(salt, *unit)))
    for position, unit in enumerate(order):
        vector = units[unit]
        empty = [part for part, counts in enumerate(filled) if not counts[0]]
        allowed = empty if len(order) - position <= len(empty) else range(len(aims))
        part = min(allowed, key=lambda p: _change(vector, filled[p], aim[p]))
        filled[part] = [count + value for count, value in zip(filled[part], vector, strict=True)]
        result[unit] = part
    distance = sum(
        (count - wanted) ** 2 / wanted
        for counts, aims_ in zip(filled, aim, strict=True)
        for count, wanted in zip(counts, aims_, strict=True)
        if wanted
    )
    return distance, result


def _change(vector: Vector, filled: Sequence[int], aim: Sequence[float]) -> float:
    """By how much the distance of a part from its aims grows with a unit."""
    return sum(
        ((count + value - wanted) ** 2 - (count - wanted) ** 2) / wanted
        for value, count, wanted in zip(vector, filled, aim, strict=True)
        if value
    )


def _in_turn(ratings: Ratings, photos: Iterable[str], salt: str) -> list[str]:
    """Photos in an order by hash in which every patient has a first before anyone has a second."""
    by_patient: dict[str, list[str]] = defaultdict(list)
    for photo in sorted(photos, key=lambda one: _hash(salt, one)):
        by_patient[ratings.patient(photo)].append(photo)
    places = [
        (place, _hash(salt, "patient", patient), photo)
        for patient, own in by_patient.items()
        for place, photo in enumerate(own)
    ]
    return [photo for _, _, photo in sorted(places)]


def _hash(*words: str) -> bytes:
    return hashlib.sha256("|".join(words).encode()).digest()
