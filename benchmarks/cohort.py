"""How fast virtual patients are photographed: photographs a second, shares of the stages, peak memory.

    python -m benchmarks.cohort [--patients 500] [--jobs 2] [--stages-only]

The floor beside it is packing the same pictures without making them: decoding and encoding the JPEG and the PNGs of one
photograph, in memory. Shares of the stages come from a profiler, whose own cost falls on small functions.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import tempfile
import time
from pathlib import Path

import cv2

STAGES = {
    "head, hair, eyes, clothes": ("scene.py", "sitter"),
    "light (Mitsuba)": ("studio.py", "render"),
    "skin and lesions": ("face.py", "make_face"),
    "laying on, camera": ("photograph.py", "photograph"),
    "truth, masks, files": ("files.py", "write_photo"),
}


def stages(patients: int, out: Path) -> None:
    """Profiles one process on a few patients of one head and prints each stage's share."""
    from melascope.cohort.patient import Cohort
    from melascope.cohort.render import Renderer

    cv2.setNumThreads(1)
    renderer = Renderer(Cohort(patients, 1, per_head=patients), out, maps=True)
    profile = cProfile.Profile()
    began = time.process_time()
    profile.enable()
    photos = len(list(renderer(0, 1)))
    profile.disable()
    total = time.process_time() - began
    entries = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    print(f"{photos} photographs of {patients} patients with one head: {total / photos:.2f} core-seconds each")
    for name, (file, function) in STAGES.items():
        spent = sum(value[3] for key, value in entries.items() if key[0].endswith(file) and key[2] == function)
        print(f"  {name:28} {100 * spent / total:5.1f} %")


def floor(out: Path) -> float:
    """Seconds to decode and encode the picture and the PNGs of one photograph."""
    files = [min((out / part).glob("*")) for part in ("photos", "masks/regions", "masks/lesions", "masks/instances")]
    files += sorted((out / "maps").glob("*"))[:2]
    began = time.perf_counter()
    for path in files:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imencode(path.suffix, image, [cv2.IMWRITE_PNG_COMPRESSION, 2] if path.suffix == ".png" else [])
    return time.perf_counter() - began


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--stages-only", action="store_true")
    given = parser.parse_args()
    from melascope.cohort.patient import Cohort
    from melascope.cohort.render import render_cohort

    with tempfile.TemporaryDirectory() as scratch:
        stages(10, Path(scratch) / "stages")
        if given.stages_only:
            return
        out = Path(scratch) / "cohort"
        began = time.perf_counter()
        render_cohort(Cohort(given.patients, 1), out, jobs=given.jobs)
        spent = time.perf_counter() - began
        photos = 2 * given.patients
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{photos} photographs of {given.patients} patients in {spent:.0f} s: {photos / spent:.2f} a second")
        print(
            f"peak memory of the largest worker {children:.0f} MB, of the parent {own:.0f} MB: at most "
            f"{given.jobs * children + own:.0f} MB with {given.jobs} workers"
        )
        print(f"{spent * given.jobs / photos / floor(out):.0f} times the floor of decoding and encoding its pictures")


if __name__ == "__main__":
    main()
