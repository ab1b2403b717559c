"""Recipes: everything that decides how a network is trained, as one TOML file, read strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from melascope.lab.strict import RecipeError, differences, read_tables, read_toml, recipe_text, within

__all__ = [
    "SHIPPED",
    "Augment",
    "Loss",
    "Optimiser",
    "Picture",
    "Reading",
    "Recipe",
    "RecipeError",
    "Stop",
    "differences",
    "parse_recipe",
    "read_recipe",
    "recipe_of",
]

SHIPPED: Final = ("zhang2025", "melascope", "pretrain")
"""Recipes that come with the package."""


@dataclass(frozen=True)
class Picture:
    """What a network sees of a photo."""

    side: int
    """Pixels of a side, 32 to 1024."""
    frame: Literal["whole", "face"]
    """The whole photo, or the square around the face that the measurement finds."""
    margin: float
    """Of the frame ``face``: added on each side, as a share of the face's longer side, 0 to 1."""
    scaling: Literal["weights", "imagenet", "plain"]
    """``weights``: what the starting weights expect (ImageNet's where there are none); ``plain``: −1 to 1."""

    def __post_init__(self) -> None:
        within("side", self.side, 32, 1024)
        within("margin", self.margin, 0, 1)


@dataclass(frozen=True)
class Augment:
    """How training photos are varied; each value is drawn anew for each photo and epoch."""

    flip: float
    """Probability of a mirrored photo."""
    rotate_deg: float
    """Turned by up to so many degrees either way."""
    zoom: tuple[float, float]
    """Side of the part that is seen, as shares of the frame, smallest and largest."""
    shift: float
    """The centre moves by up to this share of the frame either way."""
    brightness: float
    """Factor on all values, 1 ± this."""
    contrast: float
    """Factor on the distance to the photo's mean grey, 1 ± this."""
    saturation: float
    """Factor on the distance to each pixel's grey, 1 ± this."""
    hue: float
    """Turned around the grey axis by up to this share of a full turn either way."""
    temperature: float
    """Red against blue: the light's balance moves by up to so many stops either way."""
    tint: float
    """Green against red and blue, in stops, likewise."""
    gamma: float
    """Exponent, from 1 / (1 + this) to 1 + this."""
    blur: float
    """Largest width (standard deviation) of a blur, as a share of the side; half of the photos stay sharp."""
    noise: float
    """Largest standard deviation of noise, as a share of white."""
    erase: float
    """Probability that a grey rectangle hides 2 to 12 % of the picture."""

    def __post_init__(self) -> None:
        for name in ("flip", "erase"):
            within(name, getattr(self, name), 0, 1)
        within("rotate_deg", self.rotate_deg, 0, 180)
        for name in ("brightness", "contrast", "saturation", "shift"):
            within(name, getattr(self, name), 0, 0.95)
        for name in ("temperature", "tint", "gamma"):
            within(name, getattr(self, name), 0, 2)
        for name in ("hue", "blur", "noise"):
            within(name, getattr(self, name), 0, 0.5)
        low, high = self.zoom
        if not 0.2 <= low <= high <= 2:
            raise ValueError(f"zoom = [{low}, {high}]: must be two shares from 0.2 to 2, the smaller first")


@dataclass(frozen=True)
class Loss:
    """What training makes small."""

    target: Literal["class", "raters"]
    """``class``: the class of the raters' mean MASI. ``raters``: the probability of each class, given how far raters
    who look at the same face differ."""
    smoothing: float
    """Share of every target that is dealt out evenly over the classes."""
    balance: float
    """Classes count by (1 / share) to this power: 0 as they come, 1 all alike."""
    ordinal: float
    """Weight of the squared difference of cumulated probabilities (Hou et al. 2016): two classes off costs more."""
    masi: float
    """Weight of the error of the predicted MASI (smooth absolute, in units of 8 points); 0: the network gives none."""
    auxiliary: float
    """Weight of each auxiliary head's loss, where the network has such heads (GoogLeNet)."""

    def __post_init__(self) -> None:
        within("smoothing", self.smoothing, 0, 0.5)
        within("balance", self.balance, 0, 1)
        for name in ("ordinal", "masi", "auxiliary"):
            within(name, getattr(self, name), 0, 100)


@dataclass(frozen=True)
class Optimiser:
    """How the weights move."""

    kind: Literal["adam", "adamw", "sgd"]
    rate: float
    """Learning rate of the last layer, at its highest."""
    weight_decay: float
    batch: int
    """Photos a step, over all devices."""
    schedule: Literal["constant", "cosine"]
    warm_up: float
    """Epochs in which the rate rises from 0, may be a fraction."""
    depth: float
    """Factor on the rate of the very first layer; between it and the last one the rate rises geometrically. Used only
    with trained weights: layers that start at random need the full rate."""
    clip: float
    """Largest norm of a step's gradient; 0: any."""
    average: float
    """Decay of a moving average of the weights, which is then validated and kept; 0: none."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and 0 < self.rate <= 10):
            raise ValueError(f"rate = {self.rate}: must be above 0 and at most 10")
        within("weight_decay", self.weight_decay, 0, 1)
        within("batch", self.batch, 1, 65_536)
        within("warm_up", self.warm_up, 0, 1000)
        within("depth", self.depth, 1e-4, 1)
        within("clip", self.clip, 0, 1e6)
        within("average", self.average, 0, 0.99999)


@dataclass(frozen=True)
class Stop:
    """When training ends, and what is kept of it."""

    epochs: int
    """At most."""
    patience: int
    """Epochs in a row without a better validation loss after which training ends; 0: never before the last epoch."""
    keep: Literal["best", "last"]
    """The weights of the epoch with the best validation loss, or of the last one."""

    def __post_init__(self) -> None:
        within("epochs", self.epochs, 1, 100_000)
        within("patience", self.patience, 0, 100_000)


@dataclass(frozen=True)
class Reading:
    """How the trained network reads a photo."""

    views: int
    """1: the photo; 2: and its mirror image; 4, 6, 10: also shifted and zoomed views of both. Their probabilities are
    averaged."""
    calibration: Literal["none", "temperature", "ordinal"]
    """Fitted on the validation part and folded into the last layer. ``temperature``: one factor (Guo et al. 2017).
    ``ordinal``: and the predicted MASI's distance from 16 and 32 joins the class scores."""

    def __post_init__(self) -> None:
        if self.views not in (1, 2, 4, 6, 10):
            raise ValueError(f"views = {self.views}: must be 1, 2, 4, 6 or 10")


@dataclass(frozen=True)
class Recipe:
    """A whole recipe."""

    name: str
    about: str
    picture: Picture
    augment: Augment
    loss: Loss
    optimiser: Optimiser
    stop: Stop
    reading: Reading

    def __post_init__(self) -> None:
        if self.reading.calibration == "ordinal" and self.loss.masi == 0:
            raise ValueError("reading.calibration = 'ordinal' needs a predicted MASI: set loss.masi above 0")

    def with_(self, *, side: int | None = None, epochs: int | None = None, batch: int | None = None) -> Recipe:
        """The same with another side, number of epochs or batch.

        Raises:
            RecipeError: A value breaks its rule.
        """
        try:
            picture = self.picture if side is None else replace(self.picture, side=side)
            stop = self.stop if epochs is None else replace(self.stop, epochs=epochs)
            optimiser = self.optimiser if batch is None else replace(self.optimiser, batch=batch)
        except ValueError as error:
            raise RecipeError(str(error)) from None
        return replace(self, picture=picture, stop=stop, optimiser=optimiser)


def read_recipe(source: str | Path) -> Recipe:
    """A recipe by the name of a shipped one, or from a TOML file.

    Every key must be there, and no other: a recipe is complete.

    Raises:
        RecipeError: There is no such recipe, or something in it breaks its rule.

    Example:
        >>> recipe = read_recipe("zhang2025")
        >>> recipe.optimiser.rate, recipe.picture.side, recipe.stop.patience
        (0.001, 224, 3)
    """
    return parse_recipe(*recipe_text(source, SHIPPED, "melascope.lab.severity"))


def parse_recipe(text: str, called: str = "recipe") -> Recipe:
    """A recipe from the text of a TOML file; see `read_recipe`."""
    return recipe_of(read_toml(text, called), called)


def recipe_of(table: Mapping[str, Any], called: str = "recipe") -> Recipe:
    """A recipe from nested tables, as TOML or JSON hold it; see `read_recipe`."""
    return read_tables(Recipe, table, called)
