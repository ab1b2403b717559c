"""Backups that can be restored, and those that cannot."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from sqlalchemy import select

from melascope.clinic.app import open_clinic
from melascope.clinic.backup import BackupError, restore_backup, write_backup
from melascope.clinic.settings import Settings
from melascope.clinic.tables import Analysed, Photo
from tests.clinic.made import House, drawn


def test_a_restored_clinic_holds_the_same(house: House, tmp_path: Path) -> None:
    clinic = house.clinic
    if not clinic.database.sqlite:
        with pytest.raises(BackupError, match="pg_dump"):
            write_backup(clinic.database, clinic.store, tmp_path / "b.zip")
        return
    count = write_backup(clinic.database, clinic.store, tmp_path / "b.zip")
    with pytest.raises(BackupError, match="there already"):
        write_backup(clinic.database, clinic.store, tmp_path / "b.zip")
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


def test_a_damaged_or_forged_backup_is_refused(house: House, tmp_path: Path) -> None:
    if not house.clinic.database.sqlite:
        pytest.skip("backups of PostgreSQL are pg_dump's")
    write_backup(house.clinic.database, house.clinic.store, tmp_path / "good.zip")
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
