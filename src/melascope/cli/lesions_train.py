"""``melascope lesions train`` and ``benchmark``: networks that find and name lesions."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, cast

import typer

from melascope.cli.outcome import fail, need_laboratory, plain, usage

if TYPE_CHECKING:
    from melascope.detection.results import RunResult
    from melascope.lab.detect.study import Study

__all__ = ["Scheme", "Split", "ViewOption", "benchmark_command", "train_command"]

_INTERRUPTED: Final = 130
_MODELS: Final = (
    "yolov5n, yolov5s, yolov5m (each also with -focus), yolov4, fasterrcnn_mobilenet, fasterrcnn_resnet50, "
    "ssd300_vgg16, ssdlite_mobilenet, dfine_n, dfine_s, yolo_skin, yolov4_skin, fasterrcnn_skin, ssd_skin"
)


Data = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="A data set's folder, such as a cohort, with boxes.", show_default=False),
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="At most so many, instead of the recipe's.", show_default=False)
]
Size = Annotated[
    int | None,
    typer.Option(
        "--size",
        min=64,
        max=1280,
        help="Pixels of a side, a multiple of 32, instead of the recipe's.",
        show_default=False,
    ),
]
Boxes = Annotated[
    str | None,
    typer.Option(
        help="grouped: one rectangle around lesions of a kind that lie together; single: one around each. "
        "Default: the recipe's.",
        show_default=False,
    ),
]
Scheme = Annotated[str, typer.Option(metavar="631|82", help="Which split of the manifest: 6:3:1, or 8:2.")]
Split = Annotated[
    Path | None,
    typer.Option("--split", help="split.csv: photo, patient, part, instead of the manifest's.", show_default=False),
]
ViewOption = Annotated[str, typer.Option("--view", help="Only photos of this view, as frontal.", show_default=False)]
Seed = Annotated[int, typer.Option(min=0, help="Of split, order, variations and random weights.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0, help="Processes that vary photos. Default: none on a CPU, up to 8 beside a GPU.", show_default=False
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of a CPU. Default: all cores.", show_default=False)]
Accelerator = Annotated[str, typer.Option(help="auto, cpu, gpu.")]
Precision = Annotated[str, typer.Option(help="auto, bf16, 32. auto: bf16 where the machine computes it.")]


def train_command(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; an unfinished one goes on.")],
    model: Annotated[str, typer.Option("--model", help=f"{_MODELS}.")] = "yolov5s",
    recipe: Annotated[
        str, typer.Option("--recipe", help="ding2022, melascope, melascope-transformer (for D-FINE), or a TOML file.")
    ] = "ding2022",
    weights: Annotated[
        str, typer.Option("--weights", help="none, imagenet (torchvision's backbones), or an earlier run's folder.")
    ] = "none",
    epochs: Epochs = None,
    size: Size = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Photos a step, instead of the recipe's.", show_default=False)
    ] = None,
    boxes: Boxes = None,
    more: Annotated[
        list[Path] | None,
        typer.Option(
            "--more",
            help="Another data set: its photos are learnt from too, but for its test part; may be repeated.",
            show_default=False,
        ),
    ] = None,
    scheme: Scheme = "631",
    split: Split = None,
    view: ViewOption = "",
    device: Annotated[
        str, typer.Option("--device", help="Only photos by this device, as dslr.", show_default=False)
    ] = "",
    seed: Seed = 7,
    budget: Annotated[
        float | None, typer.Option(min=0, help="Hours after which no further epoch begins.", show_default=False)
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder in which read photos are kept. Default: OUT/cache.", show_default=False)
    ] = None,
    workers: Workers = None,
    threads: Threads = None,
    accelerator: Accelerator = "auto",
    precision: Precision = "auto",
) -> None:
    """Train a network to find lesions and to name their kind.

    OUT becomes a run: config.json, split.csv, history.csv, curves.png, weights.safetensors, predictions.json of all
    parts, model.onnx, costs.json, card.json. A run that was stopped, even by kill -9, goes on with the next epoch when
    the same command is given again. `melascope lesions evaluate OUT` measures it.

    Exit code: 0 done, 1 could not be done, 2 wrong usage, 130 interrupted.
    """
    _check(scheme, boxes, precision, accelerator)
    if out.exists() and not out.is_dir():
        usage(f"--out {out}: is a file; name a folder")
    need_laboratory("torch", "torchvision", "safetensors", "onnx")
    with _told():
        from melascope.lab.detect.recipe import read_recipe
        from melascope.lab.detect.registry import check_name
        from melascope.lab.detect.study import gather
        from melascope.lab.detect.train import train
        from melascope.lab.machine import Machine

        check_name(model)
        chosen = read_recipe(recipe).with_(
            side=size, epochs=epochs, batch=batch, boxes=cast('Literal["grouped", "single"] | None', boxes)
        )
        study = gather(
            data, chosen.truth, scheme=cast('Literal["631", "82"]', scheme), split=split, view=view, device=device,
            seed=seed, more=more or (),
        )  # fmt: skip
        counts = ", ".join(f"{part} {len(study.part(part))}" for part in ("train", "validation", "test"))
        _say(f"{study.left_out}: {counts}")
        with _bar() as advance:
            run = train(
                study, model, chosen, out, weights=weights, cache=cache,
                machine=Machine(accelerator, workers, precision, threads), seed=seed,
                budget_s=None if budget is None else 3600 * budget, tell=_say, advance=advance,
            )  # fmt: skip
    typer.echo(f"{run.config.name}: {out}")


def benchmark_command(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder of the benchmark; an unfinished one goes on.")],
    networks: Annotated[
        str,
        typer.Option(
            "--networks",
            help="NAME, NAME:RECIPE, NAME:RECIPE:SIDE or NAME:RECIPE:SIDE:EPOCHS, with commas; recipe ding2022 where "
            "none is given. Default: the paper's four, and ours.",
            show_default=False,
        ),
    ] = "",
    weights: Annotated[
        str, typer.Option("--weights", help="none, or imagenet: torchvision's backbones, for networks that have one.")
    ] = "none",
    epochs: Epochs = None,
    size: Size = None,
    boxes: Boxes = None,
    scheme: Scheme = "82",
    split: Split = None,
    view: ViewOption = "",
    seed: Seed = 7,
    budget: Annotated[
        float | None,
        typer.Option(min=0, help="Hours for all trainings together; the table says what was cut.", show_default=False),
    ] = None,
    workers: Workers = None,
    threads: Threads = None,
    accelerator: Accelerator = "auto",
    precision: Precision = "auto",
    resamples: Annotated[
        int, typer.Option(min=100, max=100_000, help="Draws of patients behind each interval.")
    ] = 1000,
) -> None:
    """Train several networks on the same split, and write one page of all that can be said of them.

    OUT holds runs/ (one folder a network), the page detectors.html with its tables, and the same of the test photos of
    each device in OUT/device-NAME. Networks that are quick to train come first. A benchmark that was stopped, even by
    kill -9, goes on when the same command is given again; a network that is added to --networks is trained alone.

    Exit code: 0 done, 1 could not be done, 2 wrong usage, 130 interrupted.
    """
    _check(scheme, boxes, precision, accelerator)
    if weights not in {"none", "imagenet"}:
        usage(f"--weights {weights}: must be none or imagenet")
    if out.exists() and not out.is_dir():
        usage(f"--out {out}: is a file; name a folder")
    need_laboratory("torch", "torchvision", "safetensors", "onnx")
    with _told():
        from melascope.detection.results import read_result
        from melascope.lab.detect.benchmark import OURS, PAPER, plan_of, run_benchmark
        from melascope.lab.machine import Machine

        plan = plan_of(
            networks or f"{PAPER},{OURS}", out, side=size, epochs=epochs,
            boxes=cast('Literal["grouped", "single"] | None', boxes),
        )  # fmt: skip
        with _bar() as advance:
            study = run_benchmark(
                data, plan, out, scheme=cast('Literal["631", "82"]', scheme), split=split, view=view, weights=weights,
                seed=seed, budget_s=None if budget is None else 3600 * budget,
                machine=Machine(accelerator, workers, precision, threads), tell=_say, advance=advance,
            )  # fmt: skip
        try:
            page = _pages([read_result(entry.folder) for entry in plan], study, out, resamples, data)
        except ValueError as error:
            fail(plain(str(error)))
    typer.echo(str(page))


def _pages(results: list[RunResult], study: Study, out: Path, resamples: int, data: Path) -> Path:
    """The page of all test photos, and one of each device's."""
    from melascope.detection.evaluation import evaluate
    from melascope.detection.page import write_page

    command = shlex.join(["melascope", *sys.argv[1:]])
    whole = evaluate(results, "test", {}, None, resamples)
    page = write_page(whole, out, command, data if study.virtual else None)
    devices = sorted({study.photos[i].device for i in study.part("test")} - {""})
    for device in devices if len(devices) > 1 else ():
        folder = "".join(sign if sign.isalnum() else "-" for sign in device)
        write_page(evaluate(results, "test", {"device": device}, None, resamples), out / f"device-{folder}", command)
    return page


def _check(scheme: str, boxes: str | None, precision: str, accelerator: str) -> None:
    for name, value, known in (
        ("scheme", scheme, ("631", "82")),
        ("boxes", boxes or "grouped", ("grouped", "single")),
        ("precision", precision, ("auto", "bf16", "32")),
        ("accelerator", accelerator, ("auto", "cpu", "gpu")),
    ):
        if value not in known:
            usage(f"--{name} {value}: must be {' or '.join((', '.join(known[:-1]), known[-1]))}")


@contextmanager
def _told() -> Iterator[None]:
    """What cannot be done is said in a sentence, without a traceback."""
    from melascope.data.coco import CocoError
    from melascope.data.manifest import ManifestError
    from melascope.data.pixels import PixelsError
    from melascope.data.voc import VocError
    from melascope.detection.predictions import PredictionsError
    from melascope.lab.detect.recipe import RecipeError
    from melascope.lab.detect.registry import NoSuchDetector
    from melascope.lab.detect.run import RunError
    from melascope.lab.detect.store import StoreError
    from melascope.lab.detect.study import StudyError
    from melascope.lab.detect.weights import WeightsError
    from melascope.severity.ratings import RatingsError

    try:
        yield
    except (
        CocoError, FloatingPointError, ManifestError, NoSuchDetector, PixelsError, PredictionsError, RatingsError,
        RecipeError, RunError, StoreError, StudyError, VocError, WeightsError,
    ) as error:  # fmt: skip
        fail(str(error))
    except OSError as error:
        fail(
            f"{error.filename or 'a file'}: {error.strerror or error}; free the disk or name another folder, then go on"
        )
    except KeyboardInterrupt:
        typer.echo("Interrupted: finished epochs are kept; the same command goes on.", err=True)
        raise typer.Exit(_INTERRUPTED) from None


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar of what is being done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True,
    )  # fmt: skip
    task = bar.add_task("", total=None)
    said = ""

    def advance(what: str, done: int, of: int) -> None:
        nonlocal said
        if what != said:
            bar.reset(task, total=of, description=what)
            said = what
        bar.update(task, completed=done, total=of)

    with bar:
        yield advance


def _say(line: str) -> None:
    typer.echo(line, err=True)
