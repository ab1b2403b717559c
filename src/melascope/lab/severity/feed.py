"""Photos in batches: the same order and variations for the same seed and epoch, however often it is resumed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from melascope.lab.severity.augment import draw, vary
from melascope.lab.severity.recipe import Augment

__all__ = ["Learnt", "Order", "Varied", "loader"]


@dataclass(frozen=True)
class Learnt:
    """Photos and what is to be learnt of them, as arrays."""

    pixels: NDArray[np.uint8]
    """(N, S, S, 3), mapped from a file; may hold more photos than `rows` names."""
    rows: NDArray[np.intp]
    """(n,) places in `pixels`."""
    targets: NDArray[np.float32]
    """(n, 3) probabilities of the classes."""
    classes: NDArray[np.int64]
    """(n,)."""
    masi: NDArray[np.float32]
    """(n,)."""


class Varied(Dataset[tuple[Tensor, ...]]):
    """Photos with their labels; item (epoch, i) is photo i as it is varied in that epoch."""

    def __init__(self, learnt: Learnt, augment: Augment | None, seed: int) -> None:
        super().__init__()
        self.learnt, self.augment, self.seed = learnt, augment, seed

    def __len__(self) -> int:
        return len(self.learnt.rows)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, ...]:
        epoch, i = key
        pixels = np.asarray(self.learnt.pixels[self.learnt.rows[i]])
        if self.augment is not None:
            pixels = vary(pixels, draw(self.augment, np.random.default_rng((self.seed, epoch, i))))
        return (
            torch.from_numpy(np.array(pixels)),
            torch.from_numpy(self.learnt.targets[i]),
            torch.tensor(self.learnt.classes[i]),
            torch.tensor(self.learnt.masi[i]),
        )


class Order(Sampler[tuple[int, int]]):
    """The order of an epoch: by seed and epoch in training, as they lie in validation; each process has its share.

    Args:
        count: Photos.
        seed: Of the order; None leaves them as they lie.
        rank: This process.
        of: Processes. In training the first photos of the order fill up what is missing to equal shares.
        batch: Photos a step of this process: in training a rest of one photo, of which batch norm can make nothing, is
            left out.
    """

    def __init__(self, count: int, seed: int | None, rank: int = 0, of: int = 1, batch: int = 0) -> None:
        self.count, self.seed, self.rank, self.of, self.batch = count, seed, rank, of, batch
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.seed is None:
            return len(range(self.rank, self.count, self.of))
        own = math.ceil(self.count / self.of)
        return own - 1 if self.batch > 1 and own % self.batch == 1 and own > 1 else own

    def __iter__(self) -> Iterator[tuple[int, int]]:
        if self.seed is None:
            return iter([(0, i) for i in range(self.rank, self.count, self.of)])
        order = np.random.default_rng((self.seed, self.epoch, 1)).permutation(self.count)
        own = np.resize(order, len(order) + (-len(order)) % self.of)[self.rank :: self.of]
        return iter([(self.epoch, int(i)) for i in own[: len(self)]])


def loader(data: Varied, order: Order, batch: int, workers: int, pin: bool = False) -> DataLoader[tuple[Tensor, ...]]:
    """Batches of pixels (N, S, S, 3) uint8, targets (N, 3), classes (N,) and MASI (N,)."""
    return DataLoader(
        data,
        batch_size=batch,
        sampler=order,  # type: ignore[arg-type,unused-ignore]
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        pin_memory=pin,
    )
