"""Which photos a detector learns from, and which choose and test it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from melascope.data.dataset import Sample
from melascope.data.layout import MANIFEST
from melascope.data.manifest import split_of
from melascope.data.row import Row
from melascope.data.splits import assign_splits, kept_together
from melascope.severity.sharing import read_split

__all__ = ["StudyError", "parts_of"]

_PART: Final = {"train": "train", "val": "validation", "test": "test"}
_VALIDATION: Final = 8
"""Of 8:2, one group in so many of the training part is validation."""


class StudyError(ValueError):
    """Photos that cannot be learnt from; says why, and what to do."""


def parts_of(
    samples: Sequence[Sample],
    scheme: Literal["631", "82"],
    split: Path | None,
    seed: int,
    manifest: Sequence[Row] | None = None,
) -> Mapping[str, str]:
    """Part by photo id.

    Args:
        samples: Photos.
        scheme: 6:3:1, or 8:2.
        split: A split.csv, which goes before the manifest's split.
        seed: Of what is dealt out here.
        manifest: All rows of the data set, if the photos are not all of it.

    Raises:
        RatingsError: The split.csv is wrong.
        StudyError: It names no photo, or the manifest gives some photos a part and some none.
    """
    rows = [sample.row for sample in samples]
    if split is not None:
        given = read_split(split)
        found = {}
        for row in rows:
            part = given.get(row.file) or given.get(row.photo_id)
            if part is not None:
                found[row.photo_id] = str(part)
        if not found:
            raise StudyError(f"{split}: names no photo of this data set; it belongs to other data")
        return found
    units = kept_together(rows if manifest is None else manifest)
    known = {row.photo_id: split_of(row, scheme) for row in rows}
    if any(part is None for part in known.values()):
        _check_empty(rows if manifest is None else manifest, scheme, samples[0].folder / MANIFEST)
        dealt = assign_splits((units[row.photo_id] for row in rows), seed)
        splits = {row.photo_id: dealt[units[row.photo_id]] for row in rows}
        known = {name: one.split_631 if scheme == "631" else one.split_82 for name, one in splits.items()}
    parts = {name: _PART[part] for name, part in known.items() if part is not None}
    if scheme == "82":
        for row in rows:
            if parts[row.photo_id] == "train" and _drawn(units[row.photo_id], seed):
                parts[row.photo_id] = "validation"
    return parts


def _check_empty(rows: Sequence[Row], scheme: Literal["631", "82"], path: Path) -> None:
    """Parts are dealt out only where the manifest gives none: or else its test photos would become training photos."""
    empty = [row.file for row in rows if split_of(row, scheme) is None]
    if len(empty) < len(rows):
        shown = f"{', '.join(empty[:3])}{' ...' if len(empty) > 3 else ''}"
        raise StudyError(
            f"{path}: split_{scheme} is empty for {len(empty)} of {len(rows)} photos ({shown}): fill it, empty it "
            "for all, or deal all out anew (`melascope dataset split DATA --again`); many commands take --split FILE"
        )


def _drawn(unit: str, seed: int) -> bool:
    digest = hashlib.sha256(f"{seed}|validation|{unit}".encode()).digest()
    return int.from_bytes(digest[:8]) % _VALIDATION == 0
