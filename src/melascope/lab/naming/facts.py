"""What the measurement tells of the patches of a data set's photos, and what they are: drawn once, then learnt from."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope import networks
from melascope.cohort.patient import ancestry_group
from melascope.data.box import KIND_CODES
from melascope.data.dataset import DataSet
from melascope.data.layout import lesion_mask_path
from melascope.data.pixels import read_mask
from melascope.data.splits import kept_together
from melascope.lab.skin.people import FACTORS, FIGURES, PARTS, group_of, part_of
from melascope.lesions.naming import FACTS, LEARNT_FROM, describe
from melascope.lesions.outline import outline_lesions, patches_of
from melascope.lesions.pigment import map_pigment
from melascope.photo import PhotoRefused, read_photo
from melascope.skin.regions import find_regions

__all__ = ["OTHER", "Facts", "draw_facts", "label_of", "read_facts"]

OTHER: Final = len(KIND_CODES)
"""Label of what is none of the six; the six have their places in `Lesion`."""
LEAST: Final = 0.25
"""Share of a patch's pixels that must lie on true lesions."""


@dataclass(frozen=True)
class Facts:
    """Patches, one row each."""

    facts: NDArray[np.float32]
    """(n, FACTS)."""
    labels: NDArray[np.int64]
    """(n,) place in `Lesion`, or `OTHER`."""
    areas: NDArray[np.float32]
    """(n,) share of the working frame."""
    photos: NDArray[np.str_]
    groups: NDArray[np.str_]
    """What must not be in two parts."""
    parts: NDArray[np.str_]
    sources: NDArray[np.str_]
    """Name of the data set."""
    views: NDArray[np.str_]
    bands: NDArray[np.str_]

    def where(self, rows: NDArray[np.bool_]) -> Facts:
        """Some of them."""
        return Facts(*(getattr(self, one.name)[rows] for one in fields(self)))


_PARTS: Final = ["test" if n in FIGURES else "validation" if n in FACTORS else "train" for n in range(PARTS)]


def label_of(codes: NDArray[np.uint8], inside: NDArray[np.bool_]) -> int:
    """What a patch is, by the true kinds of its pixels: that of most, if `LEAST` of all lie on a lesion.

    Example:
        >>> codes = np.array([[0, 3, 3, 6]], np.uint8)
        >>> label_of(codes, np.ones((1, 4), bool)), label_of(codes, codes == 0)
        (2, 6)
    """
    counts = np.bincount(codes[inside], minlength=OTHER + 1)
    if counts[1:].sum() < LEAST * inside.sum():
        return OTHER
    return int(counts[1:].argmax())


def draw_facts(
    data: Path,
    out: Path,
    *,
    most: int | None = None,
    jobs: int = 2,
    tell: Callable[[str], None] = lambda _: None,
) -> int:
    """Analyse all photos of a data set whose kinds are known for every pixel, or that show none of the six.

    People are dealt to parts by `people.group_of`, as for the regional network: virtual ones by the folder's name and
    their head, so that a folder must keep its name.

    Args:
        data: A data set's folder with lesion masks, or with `none` in the column `kinds`.
        out: File (.npz).
        most: Photos of the training part, by hash; all if None.
        jobs: Processes.
        tell: Called with a line at times.

    Returns:
        Patches.

    Raises:
        FileNotFoundError: There is no such data set.
        ValueError: Nothing is known of any photo, or dataset.json is damaged.
    """
    opened = DataSet.open(data)
    about = opened.about  # a damaged one is told before hours of work
    records = {sample.row.photo_id: _record(opened.folder, sample.row.photo_id) for sample in opened}
    parts = {
        sample.row.photo_id: _PARTS[part_of(group_of(data.resolve(), sample.row, records[sample.row.photo_id]))]
        for sample in opened
    }
    train = sorted(
        (photo for photo, part in parts.items() if part == "train"),
        key=lambda photo: zlib.crc32(photo.encode()),
    )
    left_out = set() if most is None else set(train[most:])
    units = kept_together(opened.manifest.rows)
    work = []
    for sample in opened:
        row = sample.row
        if row.photo_id in left_out:
            continue
        mask = lesion_mask_path(opened.folder, row.photo_id)
        if mask.is_file() or row.kinds == ():
            told = (units[row.photo_id], parts[row.photo_id], row.view or "")
            band = row.tone_band.value if row.tone_band else ""
            work.append((opened.folder / row.file, mask if mask.is_file() else None, (row.file, *told, band)))
    if not work:
        raise ValueError(f"{data}: no photo has a lesion mask, or `none` in the column kinds; leave the data set out")
    rows = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin) as pool:
        for done, found in enumerate(pool.map(_photo, work, chunksize=8), start=1):
            rows.append(found)
            if done % 200 == 0:
                tell(f"{data.name}: {done} of {len(work)} photos")
    counts = [len(facts) for facts, _, _, _ in rows]
    words = np.repeat(np.array([words for _, _, _, words in rows]), counts, axis=0)
    made = about.generator if about and "patients" in about.generator else {}
    seed_of = made.get("seed")
    part = out.with_name(f".{out.name}.part.npz")
    np.savez_compressed(
        part,
        facts=np.concatenate([facts for facts, _, _, _ in rows]),
        labels=np.concatenate([labels for _, labels, _, _ in rows]),
        areas=np.concatenate([areas for _, _, areas, _ in rows]),
        **dict(zip(("photos", "groups", "parts", "views", "bands"), words.T, strict=True)),
        sources=np.full(len(words), (about.name if about else "") or data.resolve().name),
        seed=np.array("" if seed_of is None else f"seed{seed_of}"),
        tones=np.array(",".join(made.get("tones") or ())),
        names=np.array(FACTS),
        skin=np.array(networks.load(LEARNT_FROM).sha256),
    )
    part.replace(out)
    return len(words)


def read_facts(files: Sequence[Path]) -> Facts:
    """What `draw_facts` wrote, together.

    Raises:
        ValueError: The files tell other facts than this version knows, were drawn with another skin network, or have
            someone in two parts.
    """
    loaded = [dict(np.load(path)) for path in files]
    installed = networks.load(LEARNT_FROM).sha256
    for path, one in zip(files, loaded, strict=True):
        if one["names"].tolist() != list(FACTS) or str(one.get("skin")) != installed:
            raise ValueError(f"{path}: was drawn by another version or with another skin network; draw it again")
    facts = Facts(*(np.concatenate([one[name.name] for one in loaded]) for name in fields(Facts)))
    people = np.concatenate([_people(one) for one in loaded])
    for who in np.unique(people):
        parts = set(facts.parts[people == who].tolist())
        if "test" in parts and len(parts) > 1:
            raise ValueError(f"{who} is in the parts {', '.join(sorted(parts))}: nobody may be in two; split anew")
    return facts


def _people(drawn: dict[str, NDArray[Any]]) -> NDArray[np.str_]:
    """Names that hold in other files too.

    Heads are called alike in every cohort, and are the same in those of one seed as far as their tones give them the
    same ancestry; canvases and patients are the same wherever they are called so. What an older version drew tells no
    tones, which counts as all, or no seed either: its heads then bear the name of the data set.
    """
    groups, seed = drawn["groups"], str(drawn.get("seed", ""))
    heads = np.char.startswith(groups, "head")
    if not seed:
        return np.where(heads, np.char.add(np.char.add(drawn["sources"], "/"), groups), groups)
    tones = [tone for tone in str(drawn.get("tones", "")).split(",") if tone]
    named = {
        head: f"{seed}/{head} of ancestry {ancestry_group(tones, int(head.removeprefix('head')))}"
        for head in np.unique(groups[heads]).tolist()
    }
    return np.array([named.get(group, group) for group in groups.tolist()], np.str_)


def _record(folder: Path, photo: str) -> dict[str, Any]:
    path = folder / "records" / f"{photo}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


_Work = tuple[Path, Path | None, tuple[str, ...]]
_Row = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], tuple[str, ...]]


def _begin() -> None:
    os.environ[networks.THREADS_VARIABLE] = "1"
    cv2.setNumThreads(1)


def _photo(work: _Work) -> _Row:
    path, mask, words = work
    try:
        pixels = read_photo(path).pixels
    except PhotoRefused:
        return np.zeros((0, len(FACTS)), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32), words
    regions = find_regions(pixels)
    pigment = map_pigment(regions)
    outlines = outline_lesions(regions, pigment)
    codes = np.zeros(regions.codes.shape, np.uint8)
    if mask is not None:
        x0, y0, x1, y1 = regions.frame
        whole = read_mask(mask)
        if whole.shape != pixels.shape[:2]:
            raise ValueError(f"{mask}: is of another size than {path.name}: run `melascope dataset check`")
        true = whole[y0:y1, x0:x1].astype(np.uint8)
        codes = np.asarray(cv2.resize(true, codes.shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    labels = [label_of(codes[patch.window], patch.inside) for patch in patches_of(pigment)]
    areas = [one.area / codes.size for one in outlines]
    return describe(outlines, regions, pigment), np.array(labels, np.int64), np.array(areas, np.float32), words


def rows_of(facts: Facts) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Photos with the places of their patches."""
    names = np.char.add(np.char.add(facts.sources, "/"), facts.photos)
    for name in np.unique(names):
        yield str(name), np.flatnonzero(names == name)
