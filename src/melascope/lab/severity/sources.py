"""Where labels come from: one data set or several; raters, or what is true of virtual patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, get_args

from melascope.data.dataset import DataSet
from melascope.data.layout import MANIFEST, RATINGS
from melascope.data.manifest import scan_manifest
from melascope.severity.ratings import Rating, Ratings, RatingsError, read_ratings

__all__ = ["LABELS", "TRUTH", "Known", "Labels", "Source", "SourceError", "join", "read_source"]

Labels = Literal["raters", "truth"]
LABELS: Final[tuple[Labels, ...]] = get_args(Labels)
TRUTH: Final = "truth"
"""What stands in the place of a rater's name where nobody rated."""
_SCORED: Final = "patient_masi"
"""Column of a cohort's manifest: the MASI of the whole face, which its raters scored."""


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


def read_source(data: Path, photos: Path | None = None, labels: Labels = "raters") -> Source:
    """Read one data set's folder or table.

    Args:
        data: A data set's folder, or a table of ratings.
        photos: Folder of the photos of a table.
        labels: ``truth`` takes the MASI of each picture from a data set's manifest in the place of raters; a table has
            its ratings alone.

    Raises:
        RatingsError: The ratings or the manifest are wrong.
        SourceError: The files of the photos are not known.
    """
    if data.name in {MANIFEST, RATINGS} and (data.parent / MANIFEST).is_file():
        data = data.parent
    is_set = data.is_dir() and (data / MANIFEST).is_file()
    ratings = _true(data) if labels == "truth" and is_set else read_ratings(data, photos)
    if not ratings.files:
        raise SourceError(f"{data}: names no photos; name their folder with --photos")
    if not is_set:
        return Source(ratings, {}, data.resolve().name if data.is_dir() else data.name, False, "")
    opened = DataSet.open(data)
    rated = {row.photo: row for row in ratings.rows}
    known = {}
    for row in opened.manifest.rows:
        whole = row.extra.get(_SCORED, "") if row.photo_id in rated and rated[row.photo_id].subject else ""
        masi = float(whole) if whole else row.masi
        known[row.photo_id] = Known(masi, row.tone_band.value if row.tone_band else "", row.device, row.view or "")
    about = opened.about
    if about is None:
        return Source(ratings, known, data.resolve().name, False, "")
    made = about.generator or {}
    virtual = "seed" in made and "patients" in made
    identity = f"seed {made['seed']}, {made['patients']} patients" if virtual else ""
    return Source(ratings, known, about.name or data.resolve().name, virtual, identity)


def join(data: Sequence[Path], sources: Sequence[Source]) -> Source:
    """Several data sets as one.

    A photo is called FOLDER/PHOTO. Patients of virtual cohorts are told apart by the folder; anywhere else the same
    name is taken for the same patient, so that nobody is in two parts of a split.

    Args:
        data: Their paths.
        sources: What they hold.

    Raises:
        SourceError: Two folders have the same name.
    """
    if len(sources) == 1:
        return sources[0]
    names = [path.resolve().name if path.is_dir() else path.stem for path in data]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise SourceError(
            f"{twice[0]}: two of the data sets have this name, by which photos are told apart; rename one"
        )
    rows: list[Rating] = []
    files: dict[str, Path] = {}
    known: dict[str, Known] = {}
    for name, source in zip(names, sources, strict=True):
        apart = f"{name}/" if source.virtual else ""
        rows += [
            replace(
                row,
                photo=f"{name}/{row.photo}",
                patient=apart + row.patient,
                group=row.group and apart + row.group,
                subject=row.subject and f"{name}/{row.subject}",
            )
            for row in source.ratings.rows
        ]
        files |= {f"{name}/{photo}": path for photo, path in source.ratings.files.items()}
        known |= {f"{name}/{photo}": one for photo, one in source.known.items()}
    return Source(
        Ratings(tuple(rows), Path(" + ".join(str(path) for path in data)), None, files),
        known,
        " + ".join(source.about for source in sources),
        all(source.virtual for source in sources),
        " + ".join(source.identity for source in sources if source.identity),
    )


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
