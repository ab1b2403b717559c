"""The database: migrations make what the classes say, the audit log only grows, deletion is true."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from melascope.clinic.audit import log
from melascope.clinic.database import HEAD, Database, DatabaseError, alembic_config
from melascope.clinic.desk import Clinic
from melascope.clinic.store import StoreError
from melascope.clinic.tables import Audit, Base, Correction, Moment, Photo, Visit, now
from tests.clinic.made import House, jpeg


def test_migrations_make_the_tables_that_the_classes_describe(clinic: Clinic) -> None:
    with clinic.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    clinic.database.migrate()  # once more changes nothing
    with clinic.database.engine.begin() as connection:
        assert ScriptDirectory.from_config(alembic_config(connection)).get_current_head() == HEAD
    assert clinic.database.revision() == HEAD


def test_the_audit_log_can_only_be_added_to(clinic: Clinic) -> None:
    with clinic.database.writing() as db:
        log(db, None, "sign-in.failed")
    for statement in ("UPDATE audit SET action = 'x'", "DELETE FROM audit"):
        with pytest.raises(DBAPIError, match="only be added"), clinic.database.writing() as db:
            db.execute(text(statement))
    with clinic.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Audit)) == 1


def test_a_look_is_in_the_log_before_the_page_is_given(house: House) -> None:
    person = house.member()
    person.get(f"/patients/{house.patient}")
    with house.clinic.database.reading() as db:
        row = db.scalars(select(Audit).order_by(Audit.id.desc()).limit(1)).one()
    assert (row.action, row.subject_id, row.study_id) == ("patient.view", house.patient, house.study)
    assert row.user_id == house.actor("clinician of practice").id


def test_deletion_is_true_and_leaves_the_other_patient_alone(house: House) -> None:
    person = house.person("administrator of practice")
    person.upload(house.visit, jpeg(3))
    house.clinic.runner.drain()
    address = f"/patients/{house.patient}/delete"
    assert person.post(address, {"code": "P-9999"}).status_code == 422
    assert person.post(address, {"code": "P-0001"}).status_code == 303
    assert person.get(f"/patients/{house.patient}").status_code == 404
    with house.clinic.database.reading() as db:
        left = {
            table.name: db.scalar(select(func.count()).select_from(table))
            for table in Base.metadata.sorted_tables
            if table.name in ("patients", "visits", "photos", "jobs", "analyses", "corrections", "signatures")
        }
        words = db.execute(text("SELECT * FROM audit WHERE action = 'patient.delete'")).all()
    assert left == {
        "patients": 1,
        "visits": 1,
        "photos": 1,
        "jobs": 1,
        "analyses": 1,
        "corrections": 0,
        "signatures": 0,
    }
    assert len(words) == 1
    assert list(house.clinic.store.patients()) == [house.other_patient]


def test_a_deleted_photograph_takes_its_files_and_corrections_along(house: House) -> None:
    person = house.person("administrator of practice")
    person.post(f"/photos/{house.photo}/lesions", {"version": "1", "target": "lesion/0", "deed": "delete"})
    person.upload(house.visit, jpeg(3))
    house.clinic.runner.drain()
    assert person.post(f"/photos/{house.photo}/delete").status_code == 303
    assert person.get(f"/photos/{house.photo}").status_code == 404
    with house.clinic.database.reading() as db:
        [kept] = db.scalars(select(Photo).where(Photo.visit_id == house.visit))
        assert db.scalars(select(Correction)).all() == []
        assert kept.analysed is not None
    folder = house.clinic.settings.data / "photographs" / house.patient[:2] / house.patient
    names = {path.name for path in folder.iterdir()}
    assert f"{kept.sha256}.original" in names
    assert {name for name in names if not name.startswith((kept.id, kept.sha256))} == set()


def test_a_deleted_photograph_is_gone_although_another_patient_has_the_same_file(house: House) -> None:
    store, person = house.clinic.store, house.person("administrator of practice")
    with house.clinic.database.reading() as db:
        [theirs] = db.scalars(select(Photo.sha256).join(Visit).where(Visit.patient_id == house.other_patient))
    original = f"{theirs}.original"
    person.upload(house.visit, store.get(house.other_patient, original))
    with house.clinic.database.reading() as db:
        ours = db.scalars(select(Photo.id).where(Photo.visit_id == house.visit, Photo.sha256 == theirs)).one()
    assert store.get(house.patient, original)
    assert person.post(f"/photos/{ours}/delete").status_code == 303
    with pytest.raises(StoreError):
        store.get(house.patient, original)
    assert store.get(house.other_patient, original)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        Moment().process_bind_param(now().replace(tzinfo=None), None)  # type: ignore[arg-type]


def test_a_database_that_cannot_be_opened_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be used"):
        Database("nonsense://x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatabaseError, match="cannot be opened"):
        Database(f"sqlite:///{tmp_path / 'file' / 'clinic.sqlite'}").migrate()
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as raw:
        raw.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        raw.execute("INSERT INTO alembic_version VALUES ('9999')")
    raw.close()
    database = Database(f"sqlite:///{newer}")
    with pytest.raises(DatabaseError, match="newer version"):
        database.migrate()
    database.close()
