"""Photographs of people without pigment disease, as a data set that says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from melascope.archive import EXTENSIONS, sha256_of
from melascope.data.layout import write_whole
from melascope.data.manifest import write_manifest
from melascope.data.row import Row, View
from melascope.lab.skin.faces import is_held_out
from melascope.photo import PhotoRefused, read_photo

__all__ = ["write_unaffected"]


def write_unaffected(
    folder: Path, out: Path, *, view: View = "frontal", person: str | None = None, learnt: bool = False
) -> int:
    """Copies the photographs of a folder into `OUT/photos`, and writes the manifest: a MASI of 0, none of the kinds.

    One that cannot be read is left out. The same again changes nothing.

    Args:
        folder: Photographs of which you know that they show no pigment disease.
        out: Folder of the data set.
        view: What the photographs take in. That of a close-up says nothing of the MASI.
        person: Regular expression; what its first group (or all of it) finds in a file's name is the patient. Each
            photograph is of somebody else if left out.
        learnt: Leave out the third of the people of whom figures are made (`faces.is_held_out`).

    Returns:
        The number of photographs.

    Raises:
        ValueError: There are none; or the name of one does not fit `person`.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: is no folder; name one of photographs")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)
    if learnt:
        paths = [path for path in paths if not is_held_out(f"{folder.resolve().name}-{path.stem}")]
    patients = _patients(paths, person)
    (out / "photos").mkdir(parents=True, exist_ok=True)
    rows = []
    for path, patient in zip(paths, patients, strict=True):
        try:
            photo = read_photo(path)
        except PhotoRefused:
            continue
        copy = out / "photos" / path.name
        if not copy.exists() or copy.stat().st_size != path.stat().st_size:
            write_whole(copy, path.read_bytes())
        rows.append(
            Row(
                photo_id=path.stem,
                patient=patient,
                group=patient if person else sha256_of(path),
                file=f"photos/{path.name}",
                view=view,
                width=photo.width,
                height=photo.height,
                kinds=(),
                masi=None if view == "close-up" else 0.0,
            )
        )
    if not rows:
        raise ValueError(f"{folder}: holds no photograph that can be read; name a folder of photographs")
    write_manifest(rows, out / "manifest.csv")
    return len(rows)


def _patients(paths: Sequence[Path], person: str | None) -> list[str]:
    if person is None:
        return [path.stem for path in paths]
    try:
        rule = re.compile(person)
    except re.error as error:
        raise ValueError(f"--person {person!r}: no regular expression ({error}); try '^[^_]+'") from None
    found = [rule.search(path.stem) for path in paths]
    unknown = [path.name for path, match in zip(paths, found, strict=True) if not match]
    if unknown:
        raise ValueError(
            f"--person {person!r}: is nowhere in the names of {len(unknown)} photographs, "
            f"such as {unknown[0]}; mend the rule, or take them away"
        )
    return [match.group(1) if match.groups() else match.group() for match in found if match]
