"""`import melascope` is cheap, and no way of a photo leads to torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import melascope

HEAVY = ("torch", "torchvision", "mediapipe", "cv2", "onnxruntime", "pydantic", "numpy", "PIL", "jinja2", "typer")


def loaded(statement: str) -> tuple[set[str], float]:
    """Top-level modules that a fresh interpreter holds after `statement`, and the seconds that it took."""
    code = f"""
import json, sys, time
start = time.perf_counter()
{statement}
print(json.dumps([sorted({{name.partition(".")[0] for name in sys.modules}}), time.perf_counter() - start]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    names, seconds = json.loads(done.stdout)
    return set(names), seconds


def test_importing_the_package_loads_nothing_heavy() -> None:
    names, _ = loaded("import melascope")
    assert "melascope" in names
    assert names.isdisjoint(HEAVY), names & set(HEAVY)


def test_importing_the_package_takes_less_than_half_a_second() -> None:
    fastest = min(loaded("import melascope")[1] for _ in range(3))
    assert fastest < 0.5


@pytest.mark.parametrize(
    "module",
    [
        "analysis",
        "archive",
        "batch",
        "boxes",
        "cli",
        "clinic.app",
        "cluster",
        "cohort.render",
        "cohort.paint",
        "lesions",
        "live",
        "networks",
        "photo",
        "record",
        "report",
        "skin",
    ],
)
def test_the_run_time_never_loads_torch(module: str) -> None:
    names, _ = loaded(f"import melascope.{module}")
    assert names.isdisjoint({"torch", "torchvision", "mediapipe"})


@pytest.mark.parametrize("module", ["faces", "views", "paint", "teacher", "trials", "evaluate", "__main__"])
def test_what_labels_and_measures_in_the_laboratory_needs_no_torch(module: str) -> None:
    names, _ = loaded(f"import melascope.lab.skin.{module}")
    assert names.isdisjoint({"torch", "torchvision", "mediapipe"})


def test_the_two_public_names_are_those_of_their_modules() -> None:
    names, _ = loaded(
        "import melascope, melascope.analysis, melascope.record\n"
        "assert melascope.analyze is melascope.analysis.analyze\n"
        "assert melascope.Analysis is melascope.record.Analysis\n"
        "assert set(melascope.__all__) <= set(dir(melascope))"
    )
    assert "pydantic" in names


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="it offers Analysis, __version__, analyze"):
        _ = melascope.analyse  # type: ignore[attr-defined]


def test_the_version_is_a_release_number() -> None:
    assert [part.isdigit() for part in melascope.__version__.split(".")] == [True, True, True]


def test_the_installed_version_is_the_one_of_the_source() -> None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        installed = version("melascope")
    except PackageNotFoundError:
        pytest.skip("melascope is on the path but not installed")
    assert installed == melascope.__version__
