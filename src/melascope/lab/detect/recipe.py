"""Recipes of detectors: everything that decides how one is trained, as one TOML file, read strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from melascope.lab.severity.recipe import Augment, Stop
from melascope.lab.strict import RecipeError, read_tables, read_toml, recipe_text, within

__all__ = [
    "SHIPPED",
    "Loss",
    "Mosaic",
    "Optimiser",
    "Picture",
    "Reading",
    "Recipe",
    "RecipeError",
    "Truth",
    "parse_recipe",
    "read_recipe",
    "recipe_of",
]

SHIPPED: Final = ("ding2022", "melascope", "melascope-transformer")
"""Recipes that come with the package."""


@dataclass(frozen=True)
class Picture:
    """What a network sees of a photo: all of it, with grey beside it where it is not square."""

    side: int
    """Pixels of a side, a multiple of 32, 64 to 1280."""

    def __post_init__(self) -> None:
        within("side", self.side, 64, 1280)
        if self.side % 32:
            raise ValueError(f"side = {self.side}: must be a multiple of 32, such as {32 * round(self.side / 32)}")


@dataclass(frozen=True)
class Truth:
    """Which boxes are learnt."""

    boxes: Literal["grouped", "single"]
    """``grouped``: one rectangle around lesions of a kind that lie together (`melascope.data.groups`); ``single``: one
    around each lesion."""
    reach: float
    """Of ``grouped``: gap between neighbours, as a share of the photo's longer side, 0 to 0.5."""
    least: float
    """Boxes with a side of fewer pixels, in the picture, are not learnt."""

    def __post_init__(self) -> None:
        within("reach", self.reach, 0, 0.5)
        within("least", self.least, 0, 32)


@dataclass(frozen=True)
class Mosaic:
    """Four photos in one picture."""

    share: float
    """Of the training pictures."""
    zoom: tuple[float, float]
    """Size of each photo, as shares of the picture, smallest and largest."""
    visible: float
    """A box stays if at least this share of it is seen (after any cut, by mosaic or zoom)."""

    def __post_init__(self) -> None:
        within("share", self.share, 0, 1)
        within("visible", self.visible, 0, 1)
        low, high = self.zoom
        if not 0.2 <= low <= high <= 2:
            raise ValueError(f"zoom = [{low}, {high}]: must be two shares from 0.2 to 2, the smaller first")


@dataclass(frozen=True)
class Loss:
    """What a YOLO makes small; torchvision's detectors and the transformer have their own losses, as published."""

    box: Literal["ciou", "giou"]
    assignment: Literal["own", "ratio", "shape"]
    """Which anchors find which box: ``ratio`` (YOLOv5), ``shape`` (YOLOv4), ``own``: the network's."""
    ratio: float
    """Of ``ratio``: factor by which sides may differ."""
    shape_iou: float
    """Of ``shape``: IoU on one centre from which an anchor counts."""
    objectness: Literal["one", "overlap"]
    """Target of an assigned place: 1 (Ding et al., eq. 2), or the IoU of its box (eq. 1)."""
    ignore: float
    """An unassigned place whose box overlaps a true one by more says nothing; 1: every place counts."""
    classes: Literal["assigned", "overlap"]
    """Class loss of the assigned places, or the paper's: of anchors by their overlap."""
    positive: float
    """Of ``overlap``: IoU above which an anchor is positive."""
    negative: float
    """Of ``overlap``: IoU below which it is negative."""
    smoothing: float
    weight_box: float
    weight_objectness: float
    weight_classes: float
    levels: tuple[float, float, float]
    """Weight of the objectness at the strides 8, 16, 32."""
    sum_over_batch: bool
    """Whether a step's loss is the sum over its photos instead of their mean."""

    def __post_init__(self) -> None:
        within("ratio", self.ratio, 1.01, 100)
        for name in ("shape_iou", "ignore", "positive", "negative"):
            within(name, getattr(self, name), 0, 1)
        if self.negative > self.positive:
            raise ValueError(f"negative = {self.negative}: must not exceed positive = {self.positive}")
        within("smoothing", self.smoothing, 0, 0.5)
        for name in ("weight_box", "weight_objectness", "weight_classes"):
            within(name, getattr(self, name), 0, 1000)


@dataclass(frozen=True)
class Optimiser:
    """How the weights move."""

    kind: Literal["sgd", "adamw"]
    rate: float
    momentum: float
    """Of sgd, with Nesterov's look ahead where `nesterov`; adamw's first one."""
    nesterov: bool
    weight_decay: float
    """Of convolutions and linear layers; norms and biases have none."""
    batch: int
    schedule: Literal["constant", "cosine"]
    final: float
    """Of cosine: share of the rate at the end."""
    warm_up: float
    """Epochs in which the rate rises from 0, may be a fraction."""
    clip: float
    """Largest norm of a step's gradient; 0: any."""
    average: float
    """Decay of a moving average of the weights, which is then validated and kept; 0: none."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and 0 < self.rate <= 10):
            raise ValueError(f"rate = {self.rate}: must be above 0 and at most 10")
        within("momentum", self.momentum, 0, 0.9999)
        within("weight_decay", self.weight_decay, 0, 1)
        within("batch", self.batch, 1, 65_536)
        within("final", self.final, 0, 1)
        within("warm_up", self.warm_up, 0, 1000)
        within("clip", self.clip, 0, 1e6)
        within("average", self.average, 0, 0.99999)


@dataclass(frozen=True)
class Reading:
    """How candidates become what was found."""

    threshold: float
    """Lower scores are not written to predictions.json; curves need low ones."""
    limit: int
    """Most boxes of a photo."""
    overlap: float
    """Of non-maximum suppression, where the network needs one."""

    def __post_init__(self) -> None:
        within("threshold", self.threshold, 0, 1)
        within("limit", self.limit, 1, 1000)
        within("overlap", self.overlap, 0, 1)


@dataclass(frozen=True)
class Recipe:
    """A whole recipe."""

    name: str
    about: str
    anchors: Literal["adaptive", "published"]
    picture: Picture
    truth: Truth
    augment: Augment
    mosaic: Mosaic
    loss: Loss
    optimiser: Optimiser
    stop: Stop
    reading: Reading

    def with_(
        self,
        *,
        side: int | None = None,
        epochs: int | None = None,
        batch: int | None = None,
        boxes: Literal["grouped", "single"] | None = None,
    ) -> Recipe:
        """The same with another side, number of epochs, batch, or reading of the boxes.

        Raises:
            RecipeError: A value breaks its rule.
        """
        if boxes not in (None, "grouped", "single"):
            raise RecipeError(f"truth.boxes = {boxes!r}: must be one of 'grouped', 'single'")
        try:
            return replace(
                self,
                picture=self.picture if side is None else replace(self.picture, side=side),
                stop=self.stop if epochs is None else replace(self.stop, epochs=epochs),
                optimiser=self.optimiser if batch is None else replace(self.optimiser, batch=batch),
                truth=self.truth if boxes is None else replace(self.truth, boxes=boxes),
            )
        except ValueError as error:
            raise RecipeError(str(error)) from None


def read_recipe(source: str | Path) -> Recipe:
    """A recipe by the name of a shipped one, or from a TOML file; every key must be there, and no other.

    Raises:
        RecipeError: There is no such recipe, or something in it breaks its rule.

    Example:
        >>> recipe = read_recipe("ding2022")
        >>> recipe.optimiser.rate, recipe.optimiser.batch, recipe.loss.positive, recipe.loss.negative
        (0.002, 8, 0.5, 0.02)
    """
    return parse_recipe(*recipe_text(source, SHIPPED, "melascope.lab.detect"))


def parse_recipe(text: str, called: str = "recipe") -> Recipe:
    """A recipe from the text of a TOML file; see `read_recipe`."""
    return recipe_of(read_toml(text, called), called)


def recipe_of(table: Mapping[str, Any], called: str = "recipe") -> Recipe:
    """A recipe from nested tables, as TOML or JSON hold it; see `read_recipe`."""
    return read_tables(Recipe, table, called)
