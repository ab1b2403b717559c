"""What in its training data makes the skin network good: one short training for each thing left out.

    melascope cohort render runs/train --patients 150 --per-head 3 --size 512 --seed 905
    melascope cohort render runs/test --patients 90 --per-head 3 --size 512 --seed 906
    python -m benchmarks.ablations --faces runs/skin/faces --cohort runs/train --test runs/test
                                   --weights mobilenet_v2.pth [--samples 12800] [--page docs/ablations.md]

`runs/skin/faces` is what `python -m melascope.lab.skin label` wrote. Every variant starts from the same ImageNet
weights, sees as many views, and is measured on the same views of virtual patients and of painted portraits that no
training has seen; so is the network that ships. A stopped benchmark goes on; a folder of other trainings is refused.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from benchmarks import tallies
from benchmarks.photo_figures import BINS, Counts
from numpy.typing import NDArray
from torch.nn import functional

from melascope import networks
from melascope.lab.skin.faces import LabelledFace, read_cohort, read_labelled
from melascope.lab.skin.network import CLASSES, SkinNetwork, folded, load_shipped
from melascope.lab.skin.paint import NOTHING
from melascope.lab.skin.train import Recipe, train
from melascope.lab.skin.views import SIZE, ViewParameters, render, sample
from melascope.lesions.pigment import OUTLINED
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, ToneBand

__all__ = ["VARIANTS", "Tally", "tally"]

VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "everything": {},
    "everything, another seed": {"seed": 8},
    "pigment in fixed ratios of R, G, B": {"spectral": 0.0},
    "no look-alikes": {"look_alikes": False},
    "photographs alone": {"virtual_share": 0.0},
    "virtual patients alone": {"virtual_share": 1.0, "skin_share": 0.0},
    "views of 160 pixels": {"size": 160},
    "dark and broad no oftener": {"dark_weight": 1.0, "broad_weight": 1.0},
}
VIEWS: Final = 400
"""Of each of the three tests."""


@dataclass(frozen=True)
class Tally:
    """Sums over views; each counts bare facial skin at half size."""

    both: int = 0
    true: int = 0
    called: int = 0
    share_errors: tuple[float, ...] = ()
    alarms: tuple[float, ...] = ()
    """Share of the skin called, of views without pigment."""
    regions: tuple[tuple[int, int], ...] = ()
    """Pixels in both and in either, of each MASI region."""
    counts: Counts = field(default_factory=lambda: np.zeros((2, BINS), np.int64))
    """Pixels without and with pigment by the probability that is given them."""

    @property
    def dice(self) -> float:
        """Of the pigment, pooled."""
        return 2 * self.both / max(1, self.true + self.called)

    @property
    def iou(self) -> float:
        """Mean of the MASI regions."""
        return float(np.mean([both / max(1, either) for both, either in self.regions]))


def tally(truth: Sequence[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]) -> Tally:
    """Adds up views.

    Args:
        truth: Of each view the true labels, the true cover and the network's maps (region codes, probability of
            disease) stacked as (2, h, w), all of one size.
    """
    both = true = called = 0
    errors, alarms = [], []
    regions, counts = np.zeros((len(MASI_REGIONS), 2), np.int64), np.zeros((2, BINS), np.int64)
    for labels, cover, (codes, disease) in truth:
        skin = np.isin(labels, FACIAL_SKIN)
        if not skin.any():
            continue
        lesion, found = skin & (cover >= 0.5), skin & (disease >= OUTLINED)
        both, true, called = both + int((lesion & found).sum()), true + int(lesion.sum()), called + int(found.sum())
        step = np.minimum((disease[skin] * BINS).astype(np.int64), BINS - 1)
        counts += np.bincount(lesion[skin] * BINS + step, minlength=2 * BINS).reshape(2, BINS)
        errors.append(abs(float(found.sum() - lesion.sum())) / float(skin.sum()))
        if not lesion.any():
            alarms.append(float(found.sum() / skin.sum()))
        for row, region in zip(regions, MASI_REGIONS, strict=True):
            t, f = labels == region, codes == region
            row += (t & f).sum(), (t | f).sum()
    pairs = tuple((int(a), int(b)) for a, b in regions)
    return Tally(both, true, called, tuple(errors), tuple(alarms), pairs, counts)


def tests(faces: Sequence[LabelledFace], seed: int) -> Iterator[tuple[LabelledFace, ViewParameters]]:
    """Views to be tested on: a face in turn; a virtual patient as it is, a photograph with pigment painted on."""
    rng = np.random.default_rng(seed)
    for number in range(VIEWS):
        face = faces[number % len(faces)]
        view = sample(face, rng, spectral=1.0)
        yield face, replace(view, paint=NOTHING) if face.pigment is not None else view


@torch.inference_mode()
def measure(network: SkinNetwork, faces: Sequence[LabelledFace], size: int, seed: int) -> Tally:
    """Runs a network on its test views, in its size, and compares at the size of the others."""
    rows = []
    network.eval()
    for face, parameters in tests(faces, seed):
        full = render(face, parameters)
        view = full if size == SIZE else render(face, parameters, size)
        pixels = torch.from_numpy(view.pixels).permute(2, 0, 1)[None].float() / 127.5 - 1.0
        maps = network(pixels.contiguous(memory_format=torch.channels_last))
        maps = functional.interpolate(maps, size=(SIZE // 2, SIZE // 2), mode="bilinear", align_corners=False)[0]
        found = np.stack([maps[:CLASSES].argmax(0).numpy(), maps[CLASSES].sigmoid().numpy()])
        rows.append((full.labels[::2, ::2], full.cover[::2, ::2], found))
    return tally(rows)


def main() -> None:
    """Trains, measures, prints the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="Labelled folder of faces.")
    parser.add_argument("--cohort", type=Path, action="append", required=True, help="To train on.")
    parser.add_argument("--test", type=Path, action="append", required=True, help="Cohorts of other patients.")
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet MobileNetV2.")
    parser.add_argument("--samples", type=int, default=12_800)
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--page", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    virtual = [face for folder in given.test for face in read_cohort(folder)]
    portraits = [face for face in read_labelled(given.faces, held_out=True) if face.paintable]
    dark = [face for face in virtual if face.band in (ToneBand.BROWN, ToneBand.DARK)]
    tests_on = {"virtual patients": virtual, "of these, brown and dark skin": dark, "painted portraits": portraits}
    rows: dict[str, list[str]] = {test: [] for test in tests_on}
    for name, changes in VARIANTS.items():
        recipe = replace(Recipe(samples=given.samples), **changes)
        out = given.out / name.replace(" ", "-").replace(",", "").replace(".", "")
        try:
            checkpoint = train(
                [given.faces],
                None,
                out,
                cohorts=given.cohort,
                weights=given.weights,
                recipe=recipe,
                threads=given.threads,
            )
        except ValueError as error:
            parser.error(
                f"{error}; a benchmark goes on with the --faces, --cohort, --weights and --samples that it was begun "
                "with, or in another --out"
            )
        trained = SkinNetwork()
        trained.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
        _fill(rows, name, trained, tests_on, recipe.size)
    shipped = SkinNetwork()
    load_shipped(shipped, networks.folder_of("skin") / "skin.onnx")
    _fill(rows, f"the network that shipped then ({networks.load('skin').sha256[:8]})", shipped, tests_on, SIZE)
    text = _page(rows, given.samples, len(virtual), len(dark), len(portraits))
    print(text)
    if given.page:
        given.page.write_text(text, encoding="utf-8")


def _fill(
    rows: dict[str, list[str]], name: str, trained: SkinNetwork, tests_on: Mapping[str, list[LabelledFace]], size: int
) -> None:
    """Adds a network's row to each table."""
    network = folded(trained).to(memory_format=torch.channels_last)
    for seed, (test, faces) in enumerate(tests_on.items()):
        rows[test].append(_row(name, measure(network, faces, size, seed)))
        print(f"{test}: {rows[test][-1]}", flush=True)


def _row(name: str, found: Tally) -> str:
    cells = [
        f"{found.iou:.3f}", f"{tallies.average_precision(found.counts):.3f}", f"{tallies.best_dice(found.counts):.3f}",
        f"{found.dice:.3f}", f"{np.mean(found.share_errors):.3f}", f"{100 * np.mean(found.alarms):.1f} %",
    ]  # fmt: skip
    return f"| {name} | {' | '.join(cells)} |"


def _page(rows: Mapping[str, Sequence[str]], samples: int, virtual: int, dark: int, portraits: int) -> str:
    head = (
        "training", "regions, IoU", "pixels: average precision", "Dice at its best threshold",
        f"Dice at {OUTLINED}", f"share error at {OUTLINED}", f"false alarm at {OUTLINED}",
    )  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    tables = "\n\n".join("\n".join([f"## {test[0].upper()}{test[1:]}", "", *lines, *rows[test]]) for test in rows)
    return f"""# What mattered in the training of the skin network

Written by `python -m benchmarks.ablations --samples {samples}` (the commands before it: `benchmarks/ablations.py`).
Each row is a training of its own from ImageNet weights, of {samples} views only; the network that shipped then, in the
last row, has seen hundreds of thousands, and more heads. "Everything" is the recipe, without its few close-ups of
patients' skin; the second row is the same with another seed: one pair, and so no more than a hint of what chance does
to a training. What other test people would change is not in it. Each further row changes one thing:

- **fixed ratios**: painted pigment takes its colour from fixed ratios of R, G, B, and never from the skin's optics (the
  recipe: half of it on photographs, all of it on virtual patients). Virtual patients' own pigment stays as it is.
- **no look-alikes**: no moles, redness, beards, shadows or shine are laid on; those of virtual patients' own skin stay.
- **photographs alone**, **virtual patients alone**: half of the recipe's views are of each.
- **160 pixels**: nearly the same views, coarser, and for their size more blurred and noisy.
- **no oftener**: virtual patients with the darkest skin, and with broad pigment, are drawn as often as they are there
  (the recipe: twice as often).

Measured on the same {VIEWS} random views each of {virtual} photographs of virtual patients, of {dark} of them with
brown and dark skin, and of {portraits} held-out generated portraits with spectral pigment painted on; in single looks
without the pyramid of `analyze`, and with look-alikes. A pixel of bare facial skin is ranked by the probability that
is given it: that is what average precision and the best threshold judge, which was chosen on these very views. Pigment
is called where the probability is {OUTLINED} or more, as in `analyze`. Share error: mean of |share called - true share|
of the skin of a view. False alarm: share of the skin called, of views without pigment.

{tables}
"""


if __name__ == "__main__":
    main()
