"""What is learnt from: photos with their labels, parts and whatever else is known of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.lab.severity.sources import Known, Labels, join, read_source
from melascope.severity.prediction import CLASSES, Prediction
from melascope.severity.ratings import Ratings
from melascope.severity.sharing import MAJORITY, PARTS, balance, read_split, split_patients

__all__ = ["ASSUMED_SD", "Known", "Study", "StudyError", "class_probabilities", "gather"]

ASSUMED_SD: Final = 3.0
"""Standard deviation of raters of one face, in points of MASI, where the ratings hold one rater only: an ICC of about
0.8 (Majid et al. 2016) among patients who differ by 7 points."""
_BORDERS: Final = (16.0, 32.0)


class StudyError(ValueError):
    """Photos that cannot be learnt from; says why, and what to do."""


@dataclass(frozen=True)
class Study:
    """Photos to learn from and to be tested on, with their labels."""

    ratings: Ratings
    """Of the chosen photos alone."""
    split: Mapping[str, str]
    """train, validation or test, by photo."""
    known: Mapping[str, Known]
    about: str
    """What the data are, in words."""
    virtual: bool
    """Whether a cohort of virtual patients."""
    identity: str
    """Tells two data sets apart whose patients bear the same names; empty where it cannot be told."""
    left_out: str
    """Photos that were not chosen, in words."""
    labels: Labels = "raters"
    """What is learnt."""
    people: Mapping[str, str] = field(default_factory=dict)
    """Who must not be divided, by photo, under a name that holds in other data sets too; see `Source.people`."""

    @property
    def photos(self) -> tuple[str, ...]:
        """In the order of the table."""
        return self.ratings.photos

    def part(self, name: str) -> tuple[str, ...]:
        """Photos of one part."""
        return tuple(photo for photo in self.photos if self.split[photo] == name)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of every photo's name, its file's size (which stands for its content), and its raters' MASI.

        It changes where a label is corrected.
        """
        files = self.ratings.files
        states = [
            [photo, files[photo].stat().st_size, sorted(rating.masi for rating in self.ratings.of(photo))]
            for photo in sorted(self.photos)
        ]
        return hashlib.sha256(json.dumps(states).encode()).hexdigest()

    def truth(self, photos: Sequence[str]) -> NDArray[np.int64]:
        """(n,) classes of the raters' mean."""
        return np.array([CLASSES.index(self.ratings.severity(photo)) for photo in photos], np.int64)

    def masi(self, photos: Sequence[str]) -> NDArray[np.float32]:
        """(n,) means of the raters."""
        return np.array([self.ratings.mean_masi(photo) for photo in photos], np.float32)

    def raters_sd(self) -> float:
        """How far raters of one face differ: standard deviation within photos of the training part, pooled.

        `ASSUMED_SD` where each photo has one; of a stated MASI it says how unlike two faces of one MASI may look.
        """
        squares, freedom = 0.0, 0
        for photo in self.part("train"):
            scores = [rating.masi for rating in self.ratings.of(photo)]
            mean = math.fsum(scores) / len(scores)
            squares += math.fsum((score - mean) ** 2 for score in scores)
            freedom += len(scores) - 1
        return math.sqrt(squares / freedom) if freedom else ASSUMED_SD

    def soft(self, photos: Sequence[str]) -> NDArray[np.float32]:
        """(n, 3) probabilities of the classes, were other raters to score the same faces; see `class_probabilities`."""
        sd = self.raters_sd()
        rows = [class_probabilities(self.ratings.mean_masi(p), sd / math.sqrt(len(self.ratings.of(p)))) for p in photos]
        return np.array(rows, np.float32).reshape(-1, 3)

    def predictions(
        self, photos: Sequence[str], probabilities: NDArray[np.floating], masi: NDArray[np.floating] | None
    ) -> list[Prediction]:
        """What a network said of photos, as rows of predictions.csv.

        Args:
            photos: n of them.
            probabilities: (n, 3).
            masi: (n,), or None.
        """
        rows = []
        truth = self.truth(photos)
        for i, photo in enumerate(photos):
            known = self.known.get(photo, Known())
            mild, moderate, severe = (float(p) for p in probabilities[i] / probabilities[i].sum())
            rows.append(
                Prediction(
                    photo=photo,
                    patient=self.ratings.patient(photo),
                    group=self.ratings.of(photo)[0].group or "",
                    part=self.split[photo],
                    truth=int(truth[i]),
                    rated_masi=self.ratings.mean_masi(photo),
                    p_mild=mild,
                    p_moderate=moderate,
                    p_severe=severe,
                    predicted_masi=None if masi is None else float(np.clip(masi[i], 0, 48)),
                    true_masi=known.true_masi,
                    tone_band=known.tone_band,
                    device=known.device,
                    view=known.view,
                    subject=self.ratings.of(photo)[0].looked_at,
                    raters={rating.rater: rating.masi for rating in self.ratings.of(photo)},
                )
            )
        return rows


def class_probabilities(mean: float, error: float) -> tuple[float, float, float]:
    """Probability of mild, moderate and severe, were the MASI distributed normally around a mean.

    Args:
        mean: Of the raters, 0 to 48.
        error: Its standard error, above 0.

    Example:
        >>> [round(p, 3) for p in class_probabilities(16.0, 2.0)]
        [0.5, 0.5, 0.0]
    """
    below = [0.5 * (1 + math.erf((border - mean) / max(error, 1e-6) / math.sqrt(2))) for border in _BORDERS]
    return below[0], below[1] - below[0], 1 - below[1]


def gather(
    data: Path | Sequence[Path],
    photos: Path | None = None,
    *,
    labels: Labels = "raters",
    view: str = "",
    device: str = "",
    majority: float | None = MAJORITY,
    split: Path | None = None,
    seed: int = 7,
    choose: Callable[[Ratings], Sequence[str]] | None = None,
) -> Study:
    """Read ratings, choose photos, and deal the patients out.

    Args:
        data: A data set's folder, or a table of ratings; several are taken together.
        photos: Folder of the photos of a table.
        labels: What is learnt: the raters' mean, or the MASI that a data set's manifest knows of each picture.
        view: Only photos of this view (the manifest's word); all if empty.
        device: Only photos of this device; all if empty.
        majority: Share of the class mild, the others alike (the paper's by default); None takes all photos.
        split: A split.csv; dealt anew with `seed` if None.
        seed: Of choice and split.
        choose: Instead of `majority`: which photos are taken.

    Raises:
        ManifestError: The description of a data set is wrong.
        RatingsError: The ratings or the split are wrong.
        SourceError: Photos without files, or data sets that cannot be taken together.
        StudyError: Nothing is left, or a part or class is empty.
    """
    folders = [data] if isinstance(data, Path) else list(data)
    source = join(folders, [read_source(folder, photos, labels) for folder in folders])
    ratings, known, data = source.ratings, source.known, source.ratings.source
    total = len(ratings.photos)
    wanted = [
        photo
        for photo in ratings.photos
        if all(
            not word or getattr(known.get(photo, Known()), column).casefold() == word.casefold()
            for column, word in (("view", view), ("device", device))
        )
    ]
    if not wanted:
        raise StudyError(_no_such(known, ratings, view, device))
    words = list(ratings.notes)
    words += [f"{column} {word}" for column, word in (("view", view), ("device", device)) if word]
    if len(wanted) < total:
        ratings = ratings.only(wanted)
    given: Mapping[str, str] | None = None
    if split is not None:
        given = read_split(split)
        # The file decides which photos there are.
        here = [photo for photo in ratings.photos if photo in given]
        if not here:
            raise StudyError(f"{split}: names no photo of {data}; it belongs to other data")
        ratings = ratings.only(here)
        given = {photo: part for photo, part in read_split(split, ratings).items() if photo in set(here)}
    elif choose is not None:
        ratings = ratings.only(choose(ratings))
    elif majority is not None:
        try:
            ratings = ratings.only(balance(ratings, majority, seed=seed))
        except ValueError as error:
            raise StudyError(f"{data}: {error}; or take all photos (--all)") from None
        words.append(f"mild {majority:.1%} of them, none of MASI 0")
    try:
        parts = given or split_patients(ratings, seed=seed)
    except ValueError as error:
        raise StudyError(f"{data}: {error}") from None
    chosen = ", ".join(words)
    study = Study(
        ratings,
        parts,
        {photo: known[photo] for photo in ratings.photos if photo in known},
        source.about,
        source.virtual,
        source.identity,
        f"{len(ratings.photos)} of {total} photos{f' ({chosen})' if chosen else ''}",
        labels,
        {photo: source.people[photo] for photo in ratings.photos},
    )
    for name in PARTS:
        if not study.part(name):
            raise StudyError(f"{data}: no photo is in the part {name}; add patients, or give a split (--split FILE)")
    absent = sorted(set(range(3)) - set(study.truth(study.part("train")).tolist()))
    if absent:
        classes = " or ".join(CLASSES[k].value for k in absent)
        raise StudyError(f"{data}: no training photo is {classes}; add such photos, or another --seed of the split")
    return study


def _no_such(known: Mapping[str, Known], ratings: Ratings, view: str, device: str) -> str:
    asked = " and ".join(f"{name} {word!r}" for name, word in (("view", view), ("device", device)) if word)
    there = sorted({f"{k.view or '?'} by {k.device or '?'}" for photo in ratings.photos if (k := known.get(photo))})
    if not there:
        return f"no photo is known to be of {asked}: the ratings have no manifest; leave --view and --device out"
    return f"no photo is of {asked}; there are: {', '.join(there[:12])}"
