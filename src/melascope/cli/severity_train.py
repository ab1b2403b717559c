"""``melascope severity train`` and ``benchmark``: networks that learn severity."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from melascope.cli.outcome import fail, need_laboratory, usage

if TYPE_CHECKING:
    from melascope.lab.severity.study import Study
    from melascope.lab.severity.train import Machine

__all__ = ["benchmark_command", "train_command"]

_INTERRUPTED: Final = 130

Data = Annotated[
    list[Path],
    typer.Argument(
        metavar="DATA...",
        help="A data set's folder (a cohort), or a table of ratings; several are taken together.",
        show_default=False,
    ),
]
Labels = Annotated[
    str,
    typer.Option(
        "--labels", help="raters, or truth: the MASI that manifests state of each picture, as a cohort's does."
    ),
]
PhotosFolder = Annotated[
    Path | None, typer.Option("--photos", help="Folder of the photos of a table.", show_default=False)
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="At most so many, instead of the recipe's.", show_default=False)
]
Size = Annotated[
    int | None,
    typer.Option("--size", min=32, max=1024, help="Pixels of a side, instead of the recipe's.", show_default=False),
]
Batch = Annotated[int | None, typer.Option(min=1, help="Photos a step, instead of the recipe's.", show_default=False)]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0, help="Processes that vary photos. Default: none on a CPU, up to 8 beside a GPU.", show_default=False
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of a CPU. Default: all cores.", show_default=False)]
Devices = Annotated[int, typer.Option(min=1, help="GPUs (or CPU processes) of each node.")]
Nodes = Annotated[int, typer.Option(min=1, help="Machines; start the same command on each, by torchrun or SLURM.")]
Accelerator = Annotated[str, typer.Option(help="auto, cpu, gpu, mps.")]
Precision = Annotated[str, typer.Option(help="auto, bf16, 32. auto: bf16 where the machine computes it.")]
Split = Annotated[
    Path | None,
    typer.Option(
        "--split", help="split.csv: photo, patient, part. Default: 6:3:1, dealt by --seed.", show_default=False
    ),
]
ViewOption = Annotated[str, typer.Option("--view", help="Only photos of this view, as frontal.", show_default=False)]
DeviceOption = Annotated[str, typer.Option("--device", help="Only photos by this device, as dslr.", show_default=False)]
Majority = Annotated[
    float, typer.Option("--majority", help="Share of the class mild, moderate and severe alike; the paper's.")
]
AllPhotos = Annotated[bool, typer.Option("--all", help="All photos, whatever their classes.")]
Seed = Annotated[int, typer.Option(help="Of choice, split, order and random weights.")]


def train_command(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; an unfinished one goes on.")],
    model: Annotated[
        str,
        typer.Option("--model", help="alexnet, resnet18, googlenet, vgg16, densenet121, mobilenet_v2, or timm:NAME."),
    ] = "googlenet",
    recipe: Annotated[
        str, typer.Option("--recipe", help="zhang2025, melascope, pretrain, or a TOML file.")
    ] = "zhang2025",
    weights: Annotated[
        str, typer.Option("--weights", help="imagenet, none, a file (.pth, .safetensors), or a run's folder.")
    ] = "imagenet",
    photos: PhotosFolder = None,
    labels: Labels = "raters",
    epochs: Epochs = None,
    size: Size = None,
    batch: Batch = None,
    workers: Workers = None,
    threads: Threads = None,
    devices: Devices = 1,
    nodes: Nodes = 1,
    accelerator: Accelerator = "auto",
    precision: Precision = "auto",
    split: Split = None,
    view: ViewOption = "",
    device: DeviceOption = "",
    majority: Majority = 0.453,
    every: AllPhotos = False,
    seed: Seed = 7,
    cache: Annotated[
        Path | None, typer.Option(help="Folder in which read photos are kept. Default: OUT/cache.", show_default=False)
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave the int8 variant out.")] = False,
) -> None:
    """Train a network to tell mild, moderate and severe melasma.

    OUT becomes a run: config.json, split.csv, history.csv, curves.png, weights.safetensors, predictions.csv of all
    parts, model.onnx, costs.json, card.json. A run that was stopped, even by kill -9, goes on with the next epoch when
    the same command is given again.

    Exit code: 0 done, 1 could not be done, 2 wrong usage, 130 interrupted.
    """
    need_laboratory("torch", "torchvision", "lightning", "safetensors", "onnx")
    machine = _machine(accelerator, devices, nodes, workers, precision, threads)
    with _told():
        from melascope.lab.severity.recipe import read_recipe
        from melascope.lab.severity.registry import check_name
        from melascope.lab.severity.train import train

        check_name(model)
        chosen = read_recipe(recipe).with_(side=size, epochs=epochs, batch=batch)
        study = _study(data, photos, labels, view, device, None if every else majority, split, seed)
        with _reading() as advance:
            run = train(
                study, model, chosen, out, weights=weights, cache=cache, machine=machine, seed=seed, quick=quick,
                tell=_say, advance=advance, bar=sys.stderr.isatty(),
            )  # fmt: skip
    if run is not None:
        typer.echo(f"{run.config.name}: {out}")


def benchmark_command(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder of the benchmark; an unfinished one goes on.")],
    models: Annotated[
        str, typer.Option("--models", help="Names with commas. Default: the paper's six.", show_default=False)
    ] = "",
    recipes: Annotated[
        str, typer.Option("--recipes", help="For all of them: names or TOML files, with commas.")
    ] = "zhang2025",
    ours: Annotated[
        str, typer.Option("--ours", help="Architecture that is also trained by --own, or none.")
    ] = "googlenet",
    own: Annotated[str, typer.Option("--own", help="Our recipe: a name or a TOML file.")] = "melascope",
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            help="imagenet (default), none, a file, a run, or another benchmark's folder; or NAME=ONE for one "
            "architecture. May be repeated.",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget", min=0, help="Hours for all trainings together; the table says what was cut.", show_default=False
        ),
    ] = None,
    photos: PhotosFolder = None,
    labels: Labels = "raters",
    epochs: Epochs = None,
    size: Size = None,
    batch: Batch = None,
    workers: Workers = None,
    threads: Threads = None,
    devices: Devices = 1,
    nodes: Nodes = 1,
    accelerator: Accelerator = "auto",
    precision: Precision = "auto",
    split: Split = None,
    view: ViewOption = "",
    device: DeviceOption = "",
    majority: Majority = 0.453,
    every: AllPhotos = False,
    seed: Seed = 7,
    resamples: Annotated[
        int | None, typer.Option(min=10, help="Draws behind each interval.", show_default=False)
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave the int8 variants out.")] = False,
) -> None:
    """Train the paper's six networks, and ours, on the same split, and write one page of all that can be said of them.

    OUT holds runs/ (one folder a network), the split, the page benchmark.html and its tables. Networks that are quick
    to train come first. A benchmark that was stopped, even by kill -9, goes on when the same command is given again.

    Exit code: 0 done, 1 could not be done, 2 wrong usage, 130 interrupted.
    """
    need_laboratory("torch", "torchvision", "lightning", "safetensors", "onnx")
    machine = _machine(accelerator, devices, nodes, workers, precision, threads)
    with _told():
        from melascope.lab.severity.benchmark import Starts, entries, known_models, run_benchmark
        from melascope.lab.severity.recipe import read_recipe
        from melascope.lab.severity.registry import check_name

        wanted = [read_recipe(word.strip()).with_(side=size, epochs=epochs, batch=batch) for word in recipes.split(",")]
        mine = read_recipe(own).with_(side=size, epochs=epochs, batch=batch)
        plan = entries(out, known_models(models), wanted, "" if ours == "none" else ours, mine)
        for entry in plan:
            check_name(entry.name)
        named = dict(word.split("=", 1) for word in weights or [] if "=" in word)
        plain = [word for word in weights or [] if "=" not in word]
        if len(plain) > 1:
            usage(f"--weights {plain[0]} and {plain[1]}: one may stand for all networks; write NAME=ONE for the others")
        unknown = sorted(set(named) - {entry.name for entry in plan})
        if unknown:
            usage(f"--weights {unknown[0]}=...: {unknown[0]} is not among the networks of this benchmark; correct it")
        study = _study(data, photos, labels, view, device, None if every else majority, split, seed)
        with _reading() as advance:
            page = run_benchmark(
                study, plan, out,
                command=_command(), starts=Starts(plain[0] if plain else "imagenet", named), seed=seed,
                budget_s=None if budget is None else 3600 * budget, machine=machine, quick=quick, resamples=resamples,
                tell=_say, advance=advance, bar=sys.stderr.isatty(),
            )  # fmt: skip
    if page is not None:
        typer.echo(str(page))


def _study(
    data: list[Path],
    photos: Path | None,
    labels: str,
    view: str,
    device: str,
    majority: float | None,
    split: Path | None,
    seed: int,
) -> Study:
    from melascope.lab.severity.sources import LABELS
    from melascope.lab.severity.study import gather
    from melascope.severity.sharing import PARTS

    if photos is not None and len(data) > 1:
        usage(
            "--photos names the photos of one table, and there are several data sets; put the table into its "
            "photos' folder as ratings.csv, and name the folder"
        )
    chosen = next((word for word in LABELS if word == labels), None)
    if chosen is None:
        usage(f"--labels {labels}: must be {' or '.join(LABELS)}")
    study = gather(data, photos, labels=chosen, view=view, device=device, majority=majority, split=split, seed=seed)
    counts = ", ".join(f"{part} {len(study.part(part))}" for part in PARTS)
    _say(f"{study.left_out}: {counts}")
    return study


def _machine(
    accelerator: str, devices: int, nodes: int, workers: int | None, precision: str, threads: int | None
) -> Machine:
    if precision not in {"auto", "bf16", "32"}:
        usage(f"--precision {precision}: must be auto, bf16 or 32")
    if accelerator not in {"auto", "cpu", "gpu", "cuda", "mps"}:
        usage(f"--accelerator {accelerator}: must be auto, cpu, gpu, cuda or mps")
    from melascope.lab.severity.train import Machine

    return Machine(accelerator, workers, precision, threads, devices, nodes)


@contextmanager
def _told() -> Iterator[None]:
    """What cannot be done is said in a sentence, without a traceback."""
    from melascope.data import ManifestError
    from melascope.lab.severity.photos import PhotosError
    from melascope.lab.severity.recipe import RecipeError
    from melascope.lab.severity.registry import NoSuchNetwork
    from melascope.lab.severity.run import RunError
    from melascope.lab.severity.sources import SourceError
    from melascope.lab.severity.study import StudyError
    from melascope.lab.severity.weights import WeightsError
    from melascope.severity.predictions import PredictionsError
    from melascope.severity.ratings import RatingsError

    told = (
        ManifestError, PhotosError, PredictionsError, RatingsError, RecipeError, RunError, NoSuchNetwork, SourceError,
        StudyError, WeightsError,
    )  # fmt: skip
    try:
        yield
    except told as error:
        fail(str(error))
    except OSError as error:
        fail(
            f"{error.filename or 'a file'}: {error.strerror or error}; free the disk or name another folder, then go on"
        )
    except KeyboardInterrupt:
        typer.echo("Interrupted: finished epochs are kept; the same command goes on.", err=True)
        raise typer.Exit(_INTERRUPTED) from None


@contextmanager
def _reading() -> Iterator[Callable[[int, int], None]]:
    """A bar while photos are read; it is gone before Lightning shows its own."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("Reading photos"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True,
    )  # fmt: skip
    task = bar.add_task("", total=None)

    def advance(done: int, of: int) -> None:
        if done < of:
            bar.start()
        bar.update(task, completed=done, total=of)
        if done >= of:
            bar.stop()

    try:
        yield advance
    finally:
        bar.stop()


def _say(line: str) -> None:
    if os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0":  # the first of several processes
        typer.echo(line, err=True)


def _command(arguments: Sequence[str] | None = None) -> str:
    """What was typed, without the folder of the programme."""
    return shlex.join(["melascope", *(sys.argv[1:] if arguments is None else arguments)])
