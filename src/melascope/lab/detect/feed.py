"""Batches of pictures and boxes: the same for the same seed and epoch, however often a training is resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from melascope.lab.detect.assignment import Targets
from melascope.lab.detect.recipe import Recipe
from melascope.lab.detect.store import Kept
from melascope.lab.detect.study import Study
from melascope.lab.detect.vary import draw_tiles, tiled, varied, visible
from melascope.lab.severity.augment import Variation, draw
from melascope.lab.severity.feed import Order

__all__ = ["Learnt", "Pictures", "batched", "learnt", "loader"]

Item = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Learnt:
    """The photos of one part with their boxes in the picture."""

    pixels: NDArray[np.uint8]
    """(N, S, S, 3), mapped from a file; may hold more photos than `rows` names."""
    rows: NDArray[np.intp]
    """(n,) places in `pixels`."""
    boxes: tuple[NDArray[np.float64], ...]
    """(k, 4) of each photo, in pixels of the picture."""
    kinds: tuple[NDArray[np.int64], ...]
    """(k,) of each photo."""


def learnt(study: Study, kept: Kept, part: str) -> Learnt:
    """The photos of a part, ready to be learnt."""
    rows = study.part(part)
    return Learnt(
        kept.pixels,
        np.array(rows, np.intp),
        tuple(kept.fits[i].to_picture(study.photos[i].corners) for i in rows),
        tuple(study.photos[i].kinds for i in rows),
    )


class Pictures(Dataset[Item]):
    """Pictures with their boxes; item (epoch, i) is photo i as it is varied in that epoch.

    Args:
        data: Photos.
        recipe: How they are varied; None: not at all.
        seed: Of the variations.
        least: Pixels that a box's sides must have, without a recipe.
    """

    def __init__(self, data: Learnt, recipe: Recipe | None, seed: int, least: float = 0.0) -> None:
        super().__init__()
        self.data, self.recipe, self.seed, self.least = data, recipe, seed, least

    def __len__(self) -> int:
        return len(self.data.rows)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        epoch, i = key
        if self.recipe is None:
            pixels = np.array(self._photo(i))
            side = pixels.shape[0]
            boxes, stays = visible(self.data.boxes[i], (0, 0, side, side), 0.0, self.least)
            return _item(pixels, boxes[stays], self.data.kinds[i][stays])
        rng = np.random.default_rng((self.seed, epoch, i))
        return self._varied(i, self.recipe, rng)

    def _varied(self, i: int, recipe: Recipe, rng: np.random.Generator) -> Item:
        share, least = recipe.mosaic.visible, recipe.truth.least
        tiles = draw_tiles(recipe.mosaic, i, len(self), rng)
        if tiles is None:
            pixels, boxes, stays = varied(self._photo(i), self.data.boxes[i], draw(recipe.augment, rng), share, least)
            return _item(np.array(pixels), boxes[stays], self.data.kinds[i][stays])
        photos = []
        for piece in tiles.pieces:
            look = _in_place(draw(recipe.augment, rng))
            pixels, boxes, _ = varied(self._photo(piece.photo), self.data.boxes[piece.photo], look, 0.0, 0.0)
            photos.append((pixels, boxes))
        picture, found, stay = tiled(tuple(photos), tiles, share, least)
        kinds = [self.data.kinds[piece.photo][s] for piece, s in zip(tiles.pieces, stay, strict=True)]
        boxes = np.concatenate([b[s] for b, s in zip(found, stay, strict=True)])
        return _item(picture, boxes, np.concatenate(kinds))

    def _photo(self, i: int) -> NDArray[np.uint8]:
        return np.asarray(self.data.pixels[self.data.rows[i]])


def _in_place(look: Variation) -> Variation:
    """Without what moves the photo; a mirrored one stays so."""
    return replace(look, turn_deg=0.0, zoom=1.0, right=0.0, down=0.0)


def _item(pixels: NDArray[np.uint8], boxes: NDArray[np.float64], kinds: NDArray[np.int64]) -> Item:
    return (
        torch.from_numpy(np.ascontiguousarray(pixels)),
        torch.from_numpy(boxes.astype(np.float32)),
        torch.from_numpy(kinds.astype(np.int64)),
    )


def batched(items: Sequence[Item]) -> tuple[Tensor, Targets]:
    """Pictures (N, S, S, 3) uint8 and all their boxes."""
    photo = torch.cat([torch.full((len(kinds),), i) for i, (_, _, kinds) in enumerate(items)])
    boxes = torch.cat([boxes for _, boxes, _ in items])
    return torch.stack([pixels for pixels, _, _ in items]), Targets(
        photo, torch.cat([kinds for _, _, kinds in items]), boxes
    )


def loader(data: Pictures, order: Order, batch: int, workers: int, pin: bool = False) -> DataLoader[Item]:
    """Batches of `batched`."""
    return DataLoader(
        data,
        batch_size=batch,
        sampler=order,  # type: ignore[arg-type,unused-ignore]
        num_workers=workers,
        collate_fn=batched,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        pin_memory=pin,
    )
