"""Where labels come from: one data set or several; raters, or what is true of virtual patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, get_args

from melascope.data.about import About
from melascope.data.cells import number
from melascope.data.dataset import DataSet
from melascope.data.layout import MANIFEST, RATINGS
from melascope.data.manifest import scan_manifest
from melascope.data.row import Row
from melascope.data.ties import Key, Ties
from melascope.severity.ratings import TRUTH, Rating, Ratings, RatingsError, read_ratings
from melascope.vocabulary import ToneBand

__all__ = ["LABELS", "Known", "Labels", "Source", "SourceError", "join", "names_of", "read_source", "set_name"]

Labels = Literal["raters", "truth"]
LABELS: Final[tuple[Labels, ...]] = get_args(Labels)
_WHOLE: Final = "patient_masi"
"""Column of a cohort's manifest: the MASI of the whole face, which its raters scored."""
_MASI: Final = number(_WHOLE, 0, 48)


class SourceError(ValueError):
    """Data sets that cannot be taken together; says why, and what to do."""


@dataclass(frozen=True)
class Known:
    """What a manifest knows of a photo beside its ratings; empty where it does not."""

    true_masi: float | None = None
    """Of what was labelled: of the picture, or of the whole face where raters scored a visit."""
    tone_band: str = ""
    device: str = ""
    view: str = ""


@dataclass(frozen=True)
class Source:
    """Labelled photos, and what is known of them."""

    ratings: Ratings
    known: Mapping[str, Known]
    about: str
    """In words."""
    virtual: bool
    """Whether a cohort of virtual patients."""
    identity: str
    """Tells two data sets apart whose patients bear the same names; empty where it cannot be told."""
    people: Mapping[str, str]
    """Who must not be divided, by photo: the group or the patient, of virtual patients with the seed that made them
    and, where each person is there in several tones, in how many; `names_of` gives all names of one."""


def read_source(data: Path, photos: Path | None = None, labels: Labels = "raters") -> Source:
    """Read one data set's folder or table.

    Args:
        data: A data set's folder, or a table of ratings.
        photos: Folder of the photos of a table.
        labels: ``truth`` takes the MASI that a data set's manifest states of each picture in the place of raters.

    Raises:
        ManifestError: The description of the data set is wrong.
        RatingsError: The ratings or the manifest are wrong.
        SourceError: The files of the photos are not known, a table is asked for the truth, or `dataset.json` is
            damaged.
    """
    data = _folder(data)
    is_set = data.is_dir() and (data / MANIFEST).is_file()
    if labels == "truth" and not is_set:
        raise SourceError(
            f"{data}: has no {MANIFEST}, whose column masi would be the truth; write one, or learn from raters"
        )
    ratings = _true(data) if labels == "truth" else read_ratings(data, photos)
    if not ratings.files:
        raise SourceError(f"{data}: names no photos; name their folder with --photos")
    people = {photo: ratings.group(photo) for photo in ratings.photos}
    if not is_set:
        return Source(ratings, {}, data.resolve().name if data.is_dir() else data.name, False, "", people)
    opened = DataSet.open(data)
    subjects = {row.photo: row.subject for row in ratings.rows}
    known = {
        row.photo_id: Known(
            _scored(row, data) if subjects.get(row.photo_id) else row.masi,
            row.tone_band.value if row.tone_band else "",
            row.device,
            row.view or "",
        )
        for row in opened.manifest.rows
    }
    about = _about(opened)
    if about is None:
        return Source(ratings, known, data.resolve().name, False, "", people)
    made = about.generator or {}
    virtual = "seed" in made and "patients" in made
    identity = ""
    if virtual:
        twins = len(made.get("tones") or ToneBand) if made.get("each_tone") else 1
        identity = f"seed {made['seed']}, {made['patients']} patients{f', {twins} of each person' if twins > 1 else ''}"
        seed = f"seed{made['seed']}{f'*{twins}' if twins > 1 else ''}"
        people = {photo: f"{seed}/{who}" for photo, who in people.items()}
    return Source(ratings, known, about.name or data.resolve().name, virtual, identity, people)


def join(data: Sequence[Path], sources: Sequence[Source]) -> Source:
    """Several data sets as one.

    A photo, a rater of it, and a virtual patient are called FOLDER/NAME. Nobody is divided: of virtual people made by
    one seed those who share a head or a patient's number are kept together in whatever cohorts they are, anyone else
    who bears the same name counts as the same person, and so do all who share a group.

    Args:
        data: Their paths.
        sources: What they hold.

    Raises:
        SourceError: Two folders have the same name, or one's name holds a semicolon, or two virtual cohorts of one seed
            have their patients on different heads.
    """
    if len(sources) == 1:
        return sources[0]
    names = [set_name(path) for path in data]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise SourceError(
            f"{twice[0]}: two of the data sets have this name, by which photos are told apart; rename one"
        )
    parting = [name for name in names if ";" in name]
    if parting:
        raise SourceError(f"{parting[0]}: a semicolon parts raters in predictions, who bear this name; rename it")
    rows: list[Rating] = []
    files: dict[str, Path] = {}
    known: dict[str, Known] = {}
    people: dict[str, str] = {}
    notes: list[str] = []
    for name, source in zip(names, sources, strict=True):
        apart = f"{name}/" if source.virtual else ""
        rows += [
            replace(
                row,
                photo=f"{name}/{row.photo}",
                patient=apart + row.patient,
                group=row.group and apart + row.group,
                rater=row.rater if row.rater == TRUTH else f"{name}/{row.rater}",
                subject=row.subject and f"{name}/{row.subject}",
            )
            for row in source.ratings.rows
        ]
        files |= {f"{name}/{photo}": path for photo, path in source.ratings.files.items()}
        known |= {f"{name}/{photo}": one for photo, one in source.known.items()}
        people |= {f"{name}/{photo}": who for photo, who in source.people.items()}
        notes += [f"{name}: {note}" for note in source.ratings.notes]
    _check_heads(rows, people)
    ratings = Ratings(_undivided(rows, people), Path(" + ".join(map(str, data))), None, files, tuple(notes))
    return Source(
        ratings,
        known,
        " + ".join(source.about for source in sources),
        all(source.virtual for source in sources),
        " + ".join(source.identity for source in sources if source.identity),
        {photo: who if who.startswith("seed") else ratings.group(photo) for photo, who in people.items()},
    )


def names_of(person: str, patient: str) -> tuple[str, ...]:
    """Names under which somebody is known in other data sets.

    A virtual head follows from seed and number; a patient's skin and lesions from seed, number and what was asked for.
    Two cohorts of one seed may so share a head whose patients are called otherwise, or patients on other heads. A
    person who is there in several tones is called by the number that they would have once.

    Args:
        person: As in `Source.people`.
        patient: Of the ratings.

    Example:
        >>> names_of("seed7/head0003", "cohort/p00035")
        ('seed7/head0003', 'seed7/p00035')
        >>> names_of("seed7*6/head0003", "tones/p00035")
        ('seed7/head0003', 'seed7/p00005')
        >>> names_of("family", "anna")
        ('family',)
    """
    seed, virtual, _ = person.partition("/")
    if not (virtual and seed.startswith("seed")):
        return (person,)
    seed, _, twins = seed.partition("*")
    name = patient.rpartition("/")[2]
    if twins and name[1:].isdecimal():
        name = f"p{int(name[1:]) // int(twins):05d}"
    return f"{seed}/{person.partition('/')[2]}", f"{seed}/{name}"


def _check_heads(rows: Sequence[Rating], people: Mapping[str, str]) -> None:
    """Refuse cohorts of one seed in which a patient's skin and lesions may be on two heads: no split parts them."""
    heads: dict[str, tuple[str, str]] = {}
    for row in rows:
        person, *others = names_of(people[row.photo], row.patient)
        for name in others:
            before, photo = heads.setdefault(name, (person, row.photo))
            if before != person:
                raise SourceError(
                    f"{row.photo}: {name} has another head ({person}) than in {photo} ({before}): these are cohorts of "
                    "one seed with other numbers of patients a head; render one of them with another --seed"
                )


def set_name(data: Path) -> str:
    """What stands before the names of its photos, where there are several data sets."""
    data = _folder(data)
    return data.resolve().name if data.is_dir() else data.stem


def _undivided(rows: Sequence[Rating], people: Mapping[str, str]) -> tuple[Rating, ...]:
    """The rows with one group for all photos that a patient, a group or a virtual person ties together."""
    ties = Ties()
    for row in rows:
        ties.join(*_ties(row, people))
    called: dict[Key, str] = {}
    members: dict[Key, set[str]] = {}
    for row in rows:
        unit = ties.top(("patient", row.patient))
        members.setdefault(unit, set()).add(row.patient)
        called[unit] = called.get(unit) or row.group
    found = []
    for row in rows:
        unit = ties.top(("patient", row.patient))
        # Patients who are tied together without a group of their own bear the first one's name.
        name = called[unit] or (min(members[unit]) if len(members[unit]) > 1 else "")
        found.append(replace(row, group=name))
    return tuple(found)


def _ties(row: Rating, people: Mapping[str, str]) -> list[Key]:
    ties = [("patient", row.patient), *(("person", name) for name in names_of(people[row.photo], row.patient))]
    return [*ties, ("group", row.group)] if row.group else ties


def _folder(data: Path) -> Path:
    """A data set's folder where one of its tables was named."""
    return data.parent if data.name in {MANIFEST, RATINGS} and (data.parent / MANIFEST).is_file() else data


def _about(opened: DataSet) -> About | None:
    try:
        return opened.about
    except (OSError, ValueError) as error:
        raise SourceError(str(error)) from None


def _scored(row: Row, folder: Path) -> float | None:
    """The MASI of the whole face, where the manifest knows it, and else of the picture."""
    written = row.extra.get(_WHOLE, "")
    if not written:
        return row.masi
    try:
        return float(_MASI.read(written))
    except (ValueError, OverflowError):
        raise RatingsError(
            folder / MANIFEST, [f"photo {row.photo_id!r}, column {_WHOLE}: {written[:60]!r} {_MASI.rule}"]
        ) from None


def _true(folder: Path) -> Ratings:
    """The MASI of each picture of a data set in the place of a rater; photos without one are left out.

    Raises:
        RatingsError: The manifest is wrong, or knows no MASI.
    """
    lines, problems = scan_manifest(folder / MANIFEST)
    if problems:
        raise RatingsError(folder / MANIFEST, [str(problem).replace("line ", "row ", 1) for problem in problems])
    rows = [
        Rating(row.photo_id, row.patient, TRUTH, row.masi, row.mmasi, None, line, row.group)
        for line, row in lines
        if row.masi is not None
    ]
    if not rows:
        raise RatingsError(
            folder / MANIFEST, ["has no photo with a masi, which is the truth; learn from raters instead"]
        )
    files = {row.photo_id: folder / row.file for _, row in lines if row.masi is not None}
    absent = [f"photo {name!r} is not there; add it, or delete the row" for name, p in files.items() if not p.is_file()]
    if absent:
        raise RatingsError(folder / MANIFEST, absent)
    note = f"{len(lines) - len(rows)} of {len(lines)} photos of the manifest have no MASI and are left out"
    return Ratings(tuple(rows), folder / MANIFEST, folder, files, (note,) if len(rows) < len(lines) else ())
