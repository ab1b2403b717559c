"""Time of each stage of an analysis, as a share of the whole and as a multiple of decoding the JPEG (the floor).

`python benchmarks/analyze.py [PHOTO or FOLDER ...]`: photographs named there, or else the public-domain portrait inside
scikit-image at three sizes. Prints p50 and p95 over the photographs, one after the other (the severity network reads
while other stages run, so that stages add up to more than the whole), the peak memory, and what a photograph takes in a
folder of them, on all cores.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from melascope import analysis as way
from melascope.analysis import analyze
from melascope.archive import find_photos
from melascope.report.write import write

STAGES = {
    "decode": (way, "_take"),
    "regions and pigment network": (way, "find_regions"),
    "quality findings": (way, "assess"),
    "pigment map": (way, "map_pigment"),
    "skin tone": (way, "measure_tone"),
    "outlines": (way, "outline_lesions"),
    "regional scores": (way, "measure_regions"),
    "severity reading": (way, "read_severity"),
}


def samples() -> list[tuple[str, bytes]]:
    """The portrait inside scikit-image: as it is, its face alone, and enlarged to 24 megapixels."""
    from skimage import data

    portrait = Image.fromarray(data.astronaut())
    found = []
    for name, image in (
        ("portrait, 0.26 MP", portrait),
        ("face, 1 MP", portrait.crop((110, 0, 330, 220)).resize((1000, 1000), Image.Resampling.LANCZOS)),
        ("portrait, 24 MP", portrait.resize((4900, 4900), Image.Resampling.BICUBIC)),
    ):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=92)
        found.append((name, buffer.getvalue()))
    return found


@contextmanager
def clocks() -> Iterator[dict[str, float]]:
    """Adds up the seconds spent in each stage while analyses run."""
    spent = dict.fromkeys(STAGES, 0.0)

    def timed(stage: str, function: Callable[..., object]) -> Callable[..., object]:
        def run(*args: object, **kwargs: object) -> object:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent[stage] += time.perf_counter() - began

        return run

    patches = [mock.patch.object(m, n, timed(stage, getattr(m, n))) for stage, (m, n) in STAGES.items()]
    for patch in patches:
        patch.start()
    try:
        yield spent
    finally:
        for patch in patches:
            patch.stop()


def floor(photo: bytes) -> float:
    """Seconds that Pillow needs to decode the file, and nothing else."""
    began = time.perf_counter()
    try:
        Image.open(io.BytesIO(photo)).convert("RGB").load()
    except OSError:
        return float("nan")
    return time.perf_counter() - began


def measure(photo: bytes, name: str) -> tuple[dict[str, float], float]:
    """Seconds by stage, with writing the files; and the floor."""
    with clocks() as spent, tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        result = analyze(photo, name=name)
        analysed = time.perf_counter() - began
        began = time.perf_counter()
        write(result, Path(folder) / "result")
        spent = {**spent, "writing the files": time.perf_counter() - began, "everything": 0.0}
    spent["everything"] = analysed + spent["writing the files"]
    return spent, floor(photo)


def of_folder(photos: list[tuple[str, bytes]], least: int = 24) -> tuple[int, float]:
    """Photographs of a folder, each as often as needed to have so many, and seconds of `melascope analyze` for each."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "photos"
        folder.mkdir()
        times = -(-least // len(photos))
        for number, (_, photo) in enumerate(photos * times):
            (folder / f"{number}.jpg").write_bytes(photo)
        command = [sys.executable, "-m", "melascope", "analyze", str(folder), "--out", str(Path(place) / "out")]
        began = time.perf_counter()
        code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
        if code not in (0, 1):  # 1: a photograph was refused
            raise SystemExit(f"{' '.join(command)} ended with {code}")
        return len(photos) * times, (time.perf_counter() - began) / (len(photos) * times)


def main(arguments: list[str]) -> None:
    """Prints the table."""
    photos = [(p.name, p.read_bytes()) for p in find_photos(arguments)] if arguments else samples() * 3
    measure(photos[0][1], photos[0][0])  # start-up: imports, network
    rows = [measure(photo, name) for name, photo in photos]
    total = np.array([spent["everything"] for spent, _ in rows])
    floors = np.array([seconds for _, seconds in rows])
    print(f"{len(rows)} photographs")
    print(f"{'stage':<30}{'p50 ms':>9}{'p95 ms':>9}{'share':>8}{'x JPEG decoding':>17}")
    for stage in rows[0][0]:
        seconds = np.array([spent[stage] for spent, _ in rows])
        p50, p95 = np.percentile(seconds, (50, 95)) * 1000
        share = seconds.sum() / total.sum()
        print(f"{stage:<30}{p50:>9.1f}{p95:>9.1f}{share:>8.1%}{np.nanmedian(seconds / floors):>17.1f}")
    p50, p95 = np.nanpercentile(floors, (50, 95)) * 1000
    print(f"{'JPEG decoding alone':<30}{p50:>9.1f}{p95:>9.1f}{np.nansum(floors) / total.sum():>8.1%}{1.0:>17.1f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    count, seconds = of_folder(photos)
    print(f"a folder of {count}, files and start-up and all: {seconds * 1000:.0f} ms a photograph")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", help="Files, folders or globs; the built-in samples if none are named.")
    main(parser.parse_args().photos)
