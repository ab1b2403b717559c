"""Backups that can be restored, and those that cannot."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from melascope.clinic.app import open_clinic
from melascope.clinic.backup import BackupError, restore_backup, write_backup
from melascope.clinic.bucket import Bucket
from melascope.clinic.desk import Clinic
from melascope.clinic.seal import Key, Sealed
from melascope.clinic.settings import Settings
from melascope.clinic.store import FileStore
from melascope.clinic.tables import Analysed, Photo, Removal
from tests.clinic.made import House, QuickHasher, drawn, jpeg


def test_a_restored_clinic_holds_the_same(house: House, tmp_path: Path) -> None:
    clinic = house.clinic
    if not clinic.database.sqlite:
        with pytest.raises(BackupError, match="pg_dump"):
            write_backup(clinic.database, clinic.store.inner, tmp_path / "b.zip")
        return
    made = write_backup(clinic.database, clinic.store.inner, tmp_path / "b.zip")
    count = made.files
    assert (tmp_path / "b.zip").stat().st_mode & 0o777 == 0o600
    assert made.keys == ()
    with pytest.raises(BackupError, match="there already"):
        write_backup(clinic.database, clinic.store.inner, tmp_path / "b.zip")
    assert restore_backup(tmp_path / "b.zip", tmp_path / "again") == count
    again = open_clinic(Settings.of(tmp_path / "again", environ={}), work=drawn)
    with clinic.database.reading() as one, again.database.reading() as two:
        for table in (Photo, Analysed):
            rows = [
                sorted(
                    str({k: v for k, v in vars(row).items() if k != "_sa_instance_state"})
                    for row in db.scalars(select(table))
                )
                for db in (one, two)
            ]
            assert rows[0] == rows[1] != []
        for photo in two.scalars(select(Photo)):
            patient, name = photo.visit.patient_id, f"{photo.sha256}.original"
            assert again.store.get(patient, name) == clinic.store.get(patient, name)
    again.database.close()
    with pytest.raises(BackupError, match="holds something"):
        restore_backup(tmp_path / "b.zip", tmp_path / "again")


def test_a_backup_takes_along_nothing_that_is_to_be_removed(house: House, tmp_path: Path) -> None:
    """A restored clinic that is pointed at the first one's store would remove it there."""
    if not house.clinic.database.sqlite:
        pytest.skip("backups of PostgreSQL are pg_dump's")
    clinic, (queue, whole) = house.clinic, ("ab" * 16, "cd" * 16)
    for patient, name in ((queue, "one"), (house.patient, f"{whole}.thumb.jpg"), (house.patient, "ef.original")):
        clinic.store.put(patient, name, b"x")
    with clinic.database.writing() as db:
        kept = f"{db.get_one(Photo, house.photo).sha256}.original"  # it is somebody's still
        for patient, prefix in ((queue, ""), *((house.patient, each) for each in (f"{whole}.", "ef.original", kept))):
            db.add(Removal(patient=patient, prefix=prefix))
    write_backup(clinic.database, clinic.store.inner, tmp_path / "b.zip")
    restore_backup(tmp_path / "b.zip", tmp_path / "again")
    again = open_clinic(Settings.of(tmp_path / "again", environ={}), work=drawn)
    with again.database.reading() as db, clinic.database.reading() as first:
        assert db.scalars(select(Removal)).all() == []
        assert len(first.scalars(select(Removal)).all()) == 4
    again.database.close()
    assert sorted(again.store.patients()) == sorted([house.patient, house.other_patient])
    gone = {f"{whole}.thumb.jpg", "ef.original"}
    assert set(clinic.store.files(house.patient)) - set(again.store.files(house.patient)) == gone
    assert again.store.get(house.patient, kept)


def test_a_backup_of_an_earlier_version_has_no_removals_yet(clinic: Clinic, tmp_path: Path) -> None:
    if not clinic.database.sqlite:
        pytest.skip("backups of PostgreSQL are pg_dump's")
    with clinic.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE removals")
    assert write_backup(clinic.database, clinic.store.inner, tmp_path / "b.zip").files == 1


def test_a_clinic_with_sealed_photographs_elsewhere_works_as_any_other(clinic: Clinic, tmp_path: Path) -> None:
    settings = replace(clinic.settings, store_url=f"memory://{tmp_path.name}", store_key=Key.new())
    house = House.furnished(open_clinic(settings, work=drawn, keeper=QuickHasher()))
    sealed, chief = house.clinic.store, house.person("administrator of practice")
    for patient in sealed.patients():
        for name in sealed.files(patient):
            assert b"JFIF" not in sealed.inner.get(patient, name)[:200]
    archive = zipfile.ZipFile(io.BytesIO(chief.get(f"/patients/{house.patient}/export.zip").content))
    assert jpeg(60) in {archive.read(name) for name in archive.namelist()}
    assert chief.get(f"/photos/{house.photo}/display.jpg").content.startswith(b"\xff\xd8")
    assert house.browser().get("/healthz").json()["store"] == "ok"
    if house.clinic.database.sqlite:
        write_backup(house.clinic.database, sealed.inner, tmp_path / "b.zip")
        restore_backup(tmp_path / "b.zip", tmp_path / "again", Bucket(f"memory://{tmp_path.name}-again"))
        again = Sealed(Bucket(f"memory://{tmp_path.name}-again"), Key.read(str(settings.store_key), "tests"))
        again.verify()
        assert jpeg(60) in {again.get(house.patient, name) for name in again.files(house.patient)}
    assert chief.post(f"/patients/{house.patient}/delete", {"code": "P-0001"}).status_code == 303
    assert list(sealed.patients()) == [house.other_patient]
    sealed.forget(house.other_patient)
    elsewhere = house.person("clinician of elsewhere")
    assert elsewhere.get(f"/photos/{house.other_photo}/display.jpg").status_code == 503
    house.close()
    house.clinic.database.close()


def test_a_damaged_or_forged_backup_is_refused(house: House, tmp_path: Path) -> None:
    if not house.clinic.database.sqlite:
        pytest.skip("backups of PostgreSQL are pg_dump's")
    write_backup(house.clinic.database, house.clinic.store.inner, tmp_path / "good.zip")
    with zipfile.ZipFile(tmp_path / "good.zip") as good:
        parts = {name: good.read(name) for name in good.namelist()}
    first = next(name for name in parts if name.startswith("photographs/"))
    wrong = {
        "changed": parts | {first: parts[first] + b"x"},
        "no list": {k: v for k, v in parts.items() if k != "backup.json"},
        "outside": parts | {"backup.json": b'{"sha256": {"../../evil": "00"}}'},
        "no json": parts | {"backup.json": b"[]"},
    }
    for name, content in wrong.items():
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as bad:
            for inner, data in content.items():
                bad.writestr(inner, data)
        with pytest.raises(BackupError):
            restore_backup(tmp_path / f"{name}.zip", tmp_path / name)
        assert not (tmp_path / name / "clinic.sqlite").exists()
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(BackupError, match="no backup"):
        restore_backup(tmp_path / "text.zip", tmp_path / "text")
    with pytest.raises(BackupError, match="there is no"):
        restore_backup(tmp_path / "nothing.zip", tmp_path / "nothing")


def test_a_backup_without_the_photographs_is_none(house: House, tmp_path: Path) -> None:
    clinic = house.clinic
    if not clinic.database.sqlite:
        pytest.skip("backups of PostgreSQL are pg_dump's")
    with clinic.database.reading() as db:
        sha256 = db.get_one(Photo, house.photo).sha256
    clinic.store.remove(house.patient, f"{sha256}.original")
    assert write_backup(clinic.database, clinic.store.inner, tmp_path / "less.zip").missing == 1
    for place in (tmp_path / "empty", tmp_path / "other"):
        place.mkdir()
    (tmp_path / "other" / "notes").write_text("no photograph")
    for store in (
        FileStore(tmp_path / "empty"),
        FileStore(tmp_path / "other"),
        Bucket(f"memory://{tmp_path.name}-none"),
    ):
        with pytest.raises(BackupError, match="holds none of the 2 photographs"):
            write_backup(clinic.database, store, tmp_path / "b.zip")
        assert sorted(path.name for path in tmp_path.glob("*.zip*")) == ["less.zip"]
