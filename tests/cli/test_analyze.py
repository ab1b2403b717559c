"""The command line: exit codes, standard output, files, interruption."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import melascope
from melascope import networks
from melascope.cli.app import app
from melascope.record import Analysis
from tests.report.synthetic import analyse_drawn

ROOT = Path(__file__).parents[2]
PROGRAM = """
from tests.report.synthetic import analyse_drawn
from melascope.cli.app import app
if __name__ == "__main__":
    app(obj=analyse_drawn)
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], obj=analyse_drawn)


def put(path: Path, text: str = "ok") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src")))}


def test_all_analysed_ends_with_0(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.jpg")
    put(tmp_path / "in" / "b.jpg", "ok b")
    result = call("analyze", tmp_path / "in", "--out", tmp_path / "out", "--jobs", 2)
    assert result.exit_code == 0, result.output
    assert "2 photographs: 2 usable" in result.stdout
    assert "10.8 (9.1 to 12.9)" in result.stdout
    with (tmp_path / "out" / "summary.csv").open(encoding="utf-8") as stream:
        assert [cells["file"] for cells in csv.DictReader(stream)] == ["a.jpg", "b.jpg"]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a", "b", "summary.csv"}


@pytest.mark.parametrize("word", ["refuse", "raise", None])
def test_refused_failed_or_missing_ends_with_1(tmp_path: Path, word: str | None) -> None:
    photo = tmp_path / "p.jpg" if word is None else put(tmp_path / "p.jpg", word)
    result = call("analyze", photo, "--out", tmp_path / "out")
    assert result.exit_code == 1, result.output
    assert "refused" in result.stdout
    assert "Traceback" not in result.output
    assert (tmp_path / "out" / "p" / "report.html").is_file()


def test_why_nothing_could_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    photo = put(tmp_path / "a.jpg")
    assert call("analyze", photo, "--out", tmp_path / "out").stderr == ""
    monkeypatch.setattr(Path, "write_bytes", full)
    result = call("analyze", photo, "--out", tmp_path / "out")
    assert result.exit_code == 1, result.output
    assert result.stderr == (
        "a.jpg: The result could not be written (No space left on device). Free the disk or name another --out. "
        "What an earlier run made of it stays in its folder.\n"
    )


def test_a_name_too_long_is_refused_and_the_run_goes_on(tmp_path: Path) -> None:
    result = call("analyze", "x" * 300 + ".jpg", put(tmp_path / "a.jpg"), "--out", tmp_path / "out")
    assert result.exit_code == 1, result.output
    assert "2 photographs: 1 usable, 1 refused" in " ".join(result.stdout.split())


def test_what_cannot_be_read_gives_its_own_reason_also_with_dicom(tmp_path: Path) -> None:
    pytest.importorskip("highdicom", reason="highdicom is not installed: pip install 'melascope[dicom]'")
    result = CliRunner().invoke(
        app, ["analyze", str(tmp_path / "gone.jpg"), "--json", "--out", str(tmp_path / "out"), "--dicom"]
    )
    assert result.exit_code == 1, result.output
    assert [f.code for f in Analysis.model_validate_json(result.stdout).quality.findings] == ["file_missing"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["analyze"], "Missing argument"),
        (["analyze", ""], "an empty name was given"),
        (["analyze", "EMPTY"], "holds no photograph"),
        (["analyze", "EMPTY/*.jpg"], "holds no photograph"),
        (["analyze", "A", "B", "--json"], "one photograph"),
        (["analyze", "A", "--json", "--pdf"], "name a folder for --pdf, --fhir or --dicom with --out"),
        (["analyze", "A", "--json", "--fhir", "r4"], "name a folder for --pdf, --fhir or --dicom with --out"),
        (["analyze", "A", "--json", "--dicom"], "name a folder for --pdf, --fhir or --dicom with --out"),
        (["analyze", "A", "--jobs", "0"], "--jobs"),
        (["analyze", "A", "--bogus"], "No such option"),
        (["analyze", "A", "--out", "A"], "is a file"),
        (["analyze", "A", "--out", "A/b"], "cannot be made"),
        (["nonsense"], "No such command"),
    ],
)
def test_wrong_usage_ends_with_2(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    (tmp_path / "EMPTY").mkdir()
    for name in "AB":
        put(tmp_path / name)
    places = {"A": tmp_path / "A", "B": tmp_path / "B", "A/b": tmp_path / "A" / "b"}
    real = [str(tmp_path / a) if a.startswith("EMPTY") else str(places.get(a, a)) for a in arguments]
    result = call(*real)
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_folder_that_cannot_be_written_to_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    def locked(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "out").mkdir()
    monkeypatch.setattr("tempfile.TemporaryFile", locked)
    arguments = ["analyze", str(put(tmp_path / "a.jpg")), "--out", str(tmp_path / "out"), *options]
    result = CliRunner().invoke(app, arguments, obj=lambda *_, **__: pytest.fail("it was analysed"))
    assert result.exit_code == 2, result.output
    said = "cannot be written to (Permission denied); free the disk or name another one.\n"
    assert result.stderr == f"Error: --out {tmp_path / 'out'}: {said}"
    assert result.stdout == "" and not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("options", [[], ["--json"], ["--jobs", "2"]])
def test_damaged_installation_blames_no_photograph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    photos = [put(tmp_path / "a.jpg"), put(tmp_path / "b.jpg")][: 1 if "--json" in options else 2]
    monkeypatch.setenv(networks.THREADS_VARIABLE, "abc")
    networks.load.cache_clear()
    out = tmp_path / "out"
    arguments = ["analyze", *map(str, photos), *options, *([] if "--json" in options else ["--out", str(out)])]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr == (
        "Error: MELASCOPE_THREADS = 'abc': must be a whole number; unset it, or set it to 1 or more.\n"
    )
    assert result.stdout == ""
    assert not out.exists()


def test_stand_in_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "load", lambda _name: pytest.fail("the network was loaded"))
    assert call("analyze", put(tmp_path / "a.jpg"), "--out", tmp_path / "out").exit_code == 0


def test_json_prints_the_record_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photo = put(tmp_path / "a.jpg")
    result = call("analyze", photo, "--json")
    assert result.exit_code == 0
    record = Analysis.model_validate_json(result.stdout)
    assert record.photo.file == "a.jpg"
    assert record.files.report is None
    assert [p.name for p in tmp_path.iterdir()] == ["a.jpg"]
    assert call("analyze", put(tmp_path / "b.jpg", "refuse"), "--json").exit_code == 1


@pytest.mark.parametrize(
    "arguments", [["analyze", "PHOTO", "--json"], ["schema"], ["dataset", "check", "IN", "--json"]]
)
def test_json_is_utf_8_whatever_the_terminal_takes(tmp_path: Path, arguments: list[str]) -> None:
    photo = put(tmp_path / "żółć 写真" / "写真 é.jpg")
    put(photo.parent / "manifest.csv", "photo_id")
    places = {"PHOTO": str(photo), "IN": str(photo.parent)}
    arguments = [places.get(argument, argument) for argument in arguments]
    result = CliRunner(charset="cp1252").invoke(app, arguments, obj=analyse_drawn)
    content = json.loads(result.stdout_bytes.decode("utf-8"))
    assert result.stdout_bytes.endswith(b"}\n") and b"\r" not in result.stdout_bytes
    if "analyze" in arguments:
        assert content["photo"]["file"] == "写真 é.jpg"
    if "dataset" in arguments:
        assert content["folder"] == "żółć 写真"
    if "schema" in arguments:
        assert content == Analysis.schema()


def test_json_with_out_writes_too(tmp_path: Path) -> None:
    result = call("analyze", put(tmp_path / "a.jpg"), "--json", "--out", tmp_path / "out")
    record = Analysis.model_validate_json(result.stdout)
    assert record.files.report == "report.html"
    assert (tmp_path / "out" / "a" / "analysis.json").read_text(encoding="utf-8") == result.stdout


def test_pdf_is_written_on_demand(tmp_path: Path) -> None:
    pytest.importorskip("typst")
    call("analyze", put(tmp_path / "a.jpg"), "--out", tmp_path / "out", "--pdf")
    assert (tmp_path / "out" / "a" / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_names_cannot_steer_the_terminal_nor_the_table(tmp_path: Path) -> None:
    put(tmp_path / "in" / "[red]x\x1b[31m.jpg")
    result = call("analyze", tmp_path / "in", "--out", tmp_path / "out")
    assert "[red]x\ufffd[31m.jpg" in result.stdout
    assert "\x1b[31m" not in result.stdout


def test_version_and_schema() -> None:
    assert call("--version").stdout == f"melascope {melascope.__version__}\n"
    assert json.loads(call("schema").stdout) == Analysis.schema()


def test_help_starts_quickly_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['melascope', 'analyze', '--help']\n"
        "from melascope.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'PIL', 'jinja2', 'rich.progress'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Exit code: 0" in done.stdout


def test_module_can_be_run() -> None:
    command = [sys.executable, "-m", "melascope", "--version"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.startswith("melascope ")


def interrupted(program: Path, out: Path, moment: Path) -> tuple[int, str]:
    """Exit code and standard error of a program that gets Ctrl-C half a second after the file `moment` is there."""
    command = [sys.executable, str(program), "analyze", str(program.parent / "in"), "--out", str(out), "--jobs", "2"]
    process = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs tests in the background makes them ignore Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = time.monotonic() + 60
    while not moment.exists() and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise on Windows")
def test_interruption_leaves_no_half_file_and_says_so(tmp_path: Path) -> None:
    program = put(tmp_path / "program.py", PROGRAM)
    put(tmp_path / "in" / "a.jpg", "ok a")
    put(tmp_path / "in" / "b.jpg", "slow")
    out = tmp_path / "out"
    code, errors = interrupted(program, out, out / "a" / "analysis.json")
    assert code == 130
    assert errors == f"Interrupted: 1 of 2 photographs are done and in {out / 'summary.csv'}.\n"
    assert not list(out.rglob("*.part"))
    with (out / "summary.csv").open(encoding="utf-8") as stream:
        assert [cells["file"] for cells in csv.DictReader(stream)] == ["a.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise on Windows")
def test_interruption_while_processes_still_start_shows_no_traceback(tmp_path: Path) -> None:
    started = tmp_path / "started"
    late = f"pathlib.Path({str(started)!r}).touch(), time.sleep(30)"
    program = put(tmp_path / "program.py", f"import pathlib, time\nif __name__ != '__main__':\n    {late}\n" + PROGRAM)
    put(tmp_path / "in" / "a.jpg", "ok a")
    put(tmp_path / "in" / "b.jpg", "ok b")
    code, errors = interrupted(program, tmp_path / "out", started)
    assert (code, errors.partition(":")[0], errors.count("\n")) == (130, "Interrupted", 1), errors


def test_fhir_is_written_on_demand_and_goes_when_it_is_not_asked_for(tmp_path: Path) -> None:
    photo, folder = put(tmp_path / "a.jpg"), tmp_path / "out" / "a"
    for release, kind in (("r4", "deviceName"), ("R5", "name")):
        assert call("analyze", photo, "--out", tmp_path / "out", "--fhir", release).exit_code == 0
        made = json.loads((folder / "fhir.json").read_text(encoding="utf-8"))
        [device] = [e["resource"] for e in made["entry"] if e["resource"]["resourceType"] == "Device"]
        assert made["resourceType"] == "Bundle" and kind in device
        assert json.loads((folder / "analysis.json").read_text(encoding="utf-8"))["files"]["fhir"] == "fhir.json"
    call("analyze", photo, "--out", tmp_path / "out")
    assert not (folder / "fhir.json").exists()
    wrong = call("analyze", photo, "--out", tmp_path / "out", "--fhir", "dstu2")
    assert wrong.exit_code == 2 and "must be r4 or r5" in wrong.output


def test_dicom_is_written_on_demand_also_by_several_processes(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: pip install 'melascope[dicom]'")
    pytest.importorskip("highdicom", reason="highdicom is not installed: pip install 'melascope[dicom]'")
    put(tmp_path / "in" / "a.jpg")
    put(tmp_path / "in" / "b.jpg", "refuse")
    call("analyze", tmp_path / "in", "--out", tmp_path / "out", "--dicom", "--jobs", 2)
    files = json.loads((tmp_path / "out" / "a" / "analysis.json").read_text(encoding="utf-8"))["files"]["dicom"]
    assert files == ["dicom/01-photograph.dcm", "dicom/01-photograph-segmentation.dcm", "dicom/measurements.dcm"]
    kinds = [pydicom.dcmread(tmp_path / "out" / "a" / name).Modality for name in files]
    assert kinds == ["XC", "SEG", "SR"]
    assert not (tmp_path / "out" / "b" / "dicom").exists()
    call("analyze", tmp_path / "in" / "a.jpg", "--out", tmp_path / "out")
    assert not (tmp_path / "out" / "a" / "dicom").exists()


def test_what_dicom_needs_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("melascope.report.dicom.MISSING", ("highdicom", "pydicom"))
    result = call("analyze", put(tmp_path / "a.jpg"), "--out", tmp_path / "out", "--dicom")
    assert result.exit_code == 2
    assert "--dicom needs highdicom and pydicom: pip install 'melascope[dicom]'" in " ".join(result.output.split())
