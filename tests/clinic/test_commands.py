"""``melascope clinic`` at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from melascope.cli.app import app
from melascope.clinic.seal import Key
from melascope.clinic.store import FileStore


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "PUBLIC_URL", "METRICS_TOKEN", "STORE_URL", "STORE_KEY", "STORE_KEY_FILE"):
        monkeypatch.delenv(f"MELASCOPE_{name}", raising=False)


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["clinic", *words])
    return done.exit_code, done.output


def test_a_clinic_is_made_filled_backed_up_and_restored(tmp_path: Path) -> None:
    data = str(tmp_path / "clinic")
    code, said = run("init", "--data", data)
    assert code == 0 and "/start/" in said
    assert run("user", "add", "Dr Who", "--data", data)[1].startswith("http://127.0.0.1:8321/start/")
    code, said = run("user", "add", "dr who", "--data", data)
    assert code == 1 and "dr who is taken" in said
    assert "/start/" in run("user", "reset", "DR WHO", "--data", data)[1]
    assert run("user", "reset", "nobody", "--data", data)[0] == 1
    code, said = run("user", "add", "x", "--study", "nowhere", "--data", data)
    assert code == 1 and "no study" in said
    code, said = run("user", "list", "--data", data)
    assert "Dr Who\tinvited" in said and "manages accounts" in said
    to = str(tmp_path / "backup.zip")
    assert run("backup", to, "--data", data)[0] == 0
    assert run("backup", to, "--data", data)[0] == 1
    assert run("restore", to, "--data", str(tmp_path / "again"))[0] == 0
    assert "Dr Who\tinvited" in run("user", "list", "--data", str(tmp_path / "again"))[1]


def test_photographs_are_encrypted_and_given_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, store, to = str(tmp_path / "clinic"), str(tmp_path / "elsewhere"), str(tmp_path / "backup.zip")
    keys = [tmp_path / "one.key", tmp_path / "two.key"]
    for path in keys:
        path.write_text(run("key")[1])
    assert run("init", "--data", data)[0] == 0
    FileStore(tmp_path / "elsewhere").put("ab" * 16, "a.original", b"a face")
    code, said = run("rekey", "--data", data, "--store", store, "--new-key-file", str(keys[0]))
    assert (code, said) == (0, "1 files encrypted with the new key, 0 were so already.\n")
    code, said = run("init", "--data", data, "--store", store)
    assert code == 1 and "name it in MELASCOPE_STORE_KEY" in said
    monkeypatch.setenv("MELASCOPE_STORE_KEY_FILE", str(keys[1]))
    code, said = run("init", "--data", data, "--store", store)
    assert code == 1 and "the one named is" in said
    early = str(tmp_path / "early.zip")  # a copy needs no key, and says which one its photographs have
    code, said = run("backup", early, "--data", data, "--store", store)
    assert code == 0 and f"with the key {Key.read(keys[0].read_text(), 'tests').name.hex()}, not in it" in said
    monkeypatch.setenv("MELASCOPE_STORE_KEY_FILE", str(keys[0]))
    assert run("rekey", "--data", data, "--store", store, "--new-key-file", str(keys[1]))[0] == 0
    monkeypatch.setenv("MELASCOPE_STORE_KEY_FILE", str(keys[1]))
    assert run("backup", to, "--data", data, "--store", store)[0] == 0
    again = str(tmp_path / "again")
    assert run("restore", to, "--data", again, "--store", store)[0] == 1
    assert run("restore", to, "--data", str(tmp_path / "third"))[0] == 0
    kept = (tmp_path / "third" / "photographs" / "ab" / ("ab" * 16) / "a.original").read_bytes()
    assert b"face" not in kept
    assert run("rekey", "--data", str(tmp_path / "third"), "--plain")[0] == 0
    assert FileStore(tmp_path / "third" / "photographs").get("ab" * 16, "a.original") == b"a face"
    for words in (("rekey",), ("rekey", "--plain", "--new-key-file", str(keys[0]))):
        assert run(*words, "--data", data)[0] == 2
    keys[1].write_text("short")
    assert run("init", "--data", data)[0] == 2


@pytest.mark.parametrize("name", ["MELASCOPE_STORE_KEY", "MELASCOPE_STORE_KEY_FILE", "MELASCOPE_STORE_URL"])
def test_a_variable_that_is_set_and_empty_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for value in ("", "  "):
        monkeypatch.setenv(name, value)
        code, said = run("init", "--data", str(tmp_path / "clinic"))
        assert code == 2 and f"{name}: is set but empty" in said
    assert not (tmp_path / "clinic").exists()
    monkeypatch.delenv(name)
    code, said = run("init", "--data", str(tmp_path / "clinic"), "--store", "")
    assert code == 2 and "--store: is empty" in said


def test_accounts_need_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = str(tmp_path / "clinic")
    assert run("init", "--data", data)[0] == 0
    monkeypatch.setenv("MELASCOPE_STORE_URL", "nonsense://away")
    monkeypatch.setenv("MELASCOPE_STORE_KEY_FILE", str(tmp_path / "not-there.key"))
    assert run("init", "--data", data)[0] == 2
    assert "/start/" in run("user", "add", "Dr Who", "--data", data)[1]
    assert "Dr Who\tinvited" in run("user", "list", "--data", data)[1]
    assert "/start/" in run("user", "reset", "Dr Who", "--data", data)[1]


@pytest.mark.parametrize("words", [("backup", "b.zip"), ("user", "list"), ("user", "add", "x"), ("user", "reset", "x")])
def test_a_mistyped_folder_becomes_no_clinic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "clinic.sqlite").touch()
    for data in ("mistyped", "empty", "other"):
        code, said = run(*words, "--data", data)
        assert code == 1 and "there is no clinic" in said and "melascope clinic init" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "other"]
    assert not list((tmp_path / "empty").iterdir())


def test_a_backup_leaves_the_database_as_it_is(tmp_path: Path) -> None:
    from alembic import command

    from melascope.clinic.database import HEAD, Database, alembic_config

    data = tmp_path / "clinic"
    data.mkdir()
    database = Database(f"sqlite:///{data / 'clinic.sqlite'}")
    with database._writer.begin() as connection:
        command.upgrade(alembic_config(connection), "0004")
    assert run("backup", str(tmp_path / "early.zip"), "--data", str(data))[0] == 0
    assert database.revision() == "0004"
    assert run("user", "list", "--data", str(data))[0] == 0
    assert database.revision() == HEAD
    database.close()


def test_a_link_has_one_slash_whatever_ends_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = str(tmp_path / "clinic")
    monkeypatch.setenv("MELASCOPE_PUBLIC_URL", "https://clinic.example.org/")
    assert "https://clinic.example.org/start/" in run("init", "--data", data)[1]
    assert run("user", "add", "Dr Who", "--data", data)[1].startswith("https://clinic.example.org/start/")
    assert run("user", "reset", "Dr Who", "--data", data)[1].startswith("https://clinic.example.org/start/")


def test_the_demo_touches_no_other_clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, mine = str(tmp_path / "clinic"), tmp_path / "clinic" / "clinic.sqlite"
    assert run("init", "--data", data)[0] == 0
    for name, value in (("DATABASE_URL", f"sqlite:///{mine}"), ("STORE_URL", str(tmp_path / "photographs"))):
        monkeypatch.setenv(f"MELASCOPE_{name}", value)
    monkeypatch.setenv("MELASCOPE_STORE_KEY_FILE", str(tmp_path / "not-there.key"))
    served = []
    monkeypatch.setattr("melascope.clinic.server.serve", lambda clinic, listener: served.append((clinic, listener)))
    code, said = run("demo", "--data", str(tmp_path / "demo"), "--port", "0")
    assert code == 0 and "sign in as demo" in said
    [(clinic, listener)] = served
    listener.close()
    clinic.database.close()
    assert (tmp_path / "demo" / "photographs").is_dir() and not (tmp_path / "photographs").exists()
    assert "demo" not in run("user", "list", "--data", data)[1]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("serve", "--host", "0.0.0.0"), 2, "unprotected"),
        (("serve", "--public-url", "clinic.example.org"), 2, "must look like"),
        (("init", "--store", "nonsense://x"), 2, "Protocol not known"),
        (("user", "add", "x", "--role", "king"), 2, "must be administrator"),
        (("restore", "nothing.zip"), 1, "there is no"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found, said = run(*words)
    assert found == code, said
    assert sentence in said and "Traceback" not in said


def test_the_demo_is_filled_once(tmp_path: Path) -> None:
    from sqlalchemy import func, select

    from melascope.clinic.accounts import check_password
    from melascope.clinic.app import open_clinic
    from melascope.clinic.demo import NAME, fill
    from melascope.clinic.settings import Settings
    from melascope.clinic.tables import Photo, PhotoView
    from tests.clinic.made import QuickHasher, drawn, jpeg

    clinic = open_clinic(Settings.of(tmp_path / "demo", environ={}), work=drawn, keeper=QuickHasher())
    samples = [(PhotoView.FRONTAL, jpeg(3)), (PhotoView.CLOSE_UP, jpeg(4))]
    first, second = fill(clinic, samples), fill(clinic, samples)
    assert check_password(clinic.database, clinic.keeper, NAME, first) is None
    assert check_password(clinic.database, clinic.keeper, NAME, second) is not None
    with clinic.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Photo)) == 2
    clinic.database.close()


def test_the_demo_holds_a_patient_with_a_course(tmp_path: Path) -> None:
    from datetime import date

    from sqlalchemy import select

    from melascope.cli.demo import samples
    from melascope.clinic.app import open_clinic
    from melascope.clinic.demo import fill, fill_course
    from melascope.clinic.settings import Settings
    from melascope.clinic.tables import Patient, PhotoView, Treatment
    from tests.clinic.made import QuickHasher, drawn, jpeg

    days = sorted(samples().joinpath("course").iterdir(), key=lambda each: each.name)
    course = [(date.fromisoformat(each.name.removesuffix(".jpg")), each.read_bytes()) for each in days]
    clinic = open_clinic(Settings.of(tmp_path / "demo", environ={}), work=drawn, keeper=QuickHasher())
    fill(clinic, [(PhotoView.FRONTAL, jpeg(3))])
    fill_course(clinic, course[:2])
    fill_course(clinic, course)  # what is missing is added
    fill_course(clinic, course)  # once more changes nothing
    with clinic.database.reading() as db:
        patient = db.scalars(select(Patient).where(Patient.id.in_(select(Treatment.patient_id)))).one()
        assert sorted(visit.day for visit in patient.visits) == [day for day, _ in course]
        assert all(len(visit.photos) == 1 for visit in patient.visits) and len(course) >= 3
        assert len(db.scalars(select(Patient)).all()) == 2
    clinic.database.close()


def test_the_demo_holds_a_reading_study_of_raters_who_say_that_they_are_simulated(tmp_path: Path) -> None:
    from sqlalchemy import select

    from melascope.cli.demo import samples
    from melascope.clinic.agreements import outcome
    from melascope.clinic.app import open_clinic
    from melascope.clinic.demo import fill
    from melascope.clinic.demo_readings import READING, fill_readings
    from melascope.clinic.kept_figures import Kept
    from melascope.clinic.settings import Settings
    from melascope.clinic.tables import PhotoView, ReadingStudy, Score
    from tests.clinic.made import QuickHasher, drawn, jpeg

    folder = samples().joinpath("readings")
    truth = json.loads(folder.joinpath("truth.json").read_text(encoding="utf-8"))
    read = [(folder.joinpath(name).read_bytes(), true) for name, true in truth.items()]
    clinic = open_clinic(Settings.of(tmp_path / "demo", environ={}), work=drawn, keeper=QuickHasher())
    fill(clinic, [(PhotoView.FRONTAL, jpeg(3))])
    fill_readings(clinic, read)
    fill_readings(clinic, read)  # once more changes nothing
    with clinic.database.reading() as db:
        row = db.scalars(select(ReadingStudy)).one()
        assert row.name == READING and row.closed is not None
        assert all(each.user.name.startswith("Simulated ") and each.user.disabled for each in row.raters)
        assert len(db.scalars(select(Score)).all()) == 3 * (12 + 3)
        found = outcome(db, row, Kept(db, row.id))
        assert found.report is not None and found.report.single is not None and found.report.single.value > 0.8
        assert [repeat.pairs for repeat in found.repeats] == [3, 3, 3]
    clinic.database.close()


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert run("init", "--data", str(tmp_path / "file"))[0] == 2


def test_a_folder_that_may_not_be_entered_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", denied)
    code, said = run("user", "list", "--data", str(tmp_path / "theirs"))
    assert code == 1 and "Permission denied; ask its owner" in " ".join(said.split())
