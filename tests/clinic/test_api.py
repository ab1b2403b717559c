"""The REST API: keys, pages, idempotent uploads, and no failure of the server whatever is sent."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from melascope.clinic import accounts
from melascope.clinic.tables import Audit, Photo, User
from melascope.record import Analysis
from tests.clinic.made import House, jpeg


def key(house: House, name: str) -> TestClient:
    with house.clinic.database.writing() as db:
        user = db.scalar(select(User).where(User.name == name))
        assert user is not None
        secret = accounts.new_token(db, user, "tests")
    client = house.browser()
    client.headers["authorization"] = f"Bearer {secret}"
    return client


@pytest.fixture
def api(house: House) -> TestClient:
    return key(house, "clinician of practice")


def test_without_a_key_nothing_is_given(house: House) -> None:
    browser = house.browser()
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic eDp5"}):
        answer = browser.get("/api/v1/patients", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    person = house.member()
    assert person.get("/api/v1/patients").status_code == 401  # a cookie is no key


def test_the_story_of_a_patient(house: House, api: TestClient) -> None:
    [study] = api.get("/api/v1/studies").json()
    made = api.post("/api/v1/patients", json={"study": study["id"], "age": "30-39", "fitzpatrick": 5})
    assert made.status_code == 201
    patient = made.json()
    assert patient["code"] == "P-0002"
    visit = api.post(f"/api/v1/patients/{patient['id']}/visits", json={"day": "2026-05-05"}).json()
    sent = api.post(
        f"/api/v1/visits/{visit['id']}/photos", data={"view": "frontal"}, files={"file": ("x.jpg", jpeg(40))}
    )
    assert sent.status_code == 201 and sent.json()["state"] == "queued"
    house.clinic.runner.drain()
    photo = api.get(f"/api/v1/photos/{sent.json()['id']}").json()
    assert photo["state"] == "done" and photo["masi"] > 0
    record = Analysis.model_validate_json(api.get(f"/api/v1/photos/{photo['id']}/analysis").text)
    assert record.masi is not None and record.masi.masi == photo["masi"]
    assert record.photo.file == "frontal"  # no name of a file is kept
    assert api.get(f"/api/v1/photos/{photo['id']}/original").content == jpeg(40)
    score = {"area": 6, "darkness": 4, "homogeneity": 4}
    changed = api.put(
        f"/api/v1/photos/{photo['id']}/scores", json={"version": photo["version"], "scores": {"forehead": score}}
    )
    assert changed.status_code == 200 and changed.json()["masi"] > photo["masi"]
    late = api.put(
        f"/api/v1/photos/{photo['id']}/scores", json={"version": photo["version"], "scores": {"chin": score}}
    )
    assert late.status_code == 409
    assert api.post(f"/api/v1/visits/{visit['id']}/signature").status_code == 201
    archive = zipfile.ZipFile(io.BytesIO(api.get(f"/api/v1/patients/{patient['id']}/export").content))
    names = archive.namelist()
    assert archive.testzip() is None
    assert jpeg(40) in {archive.read(name) for name in names if name.endswith("/original")}
    assert {"patient.json"} <= set(names) and any(name.endswith("analysis.json") for name in names)
    assert api.delete(f"/api/v1/patients/{patient['id']}?code=P-0002").status_code == 403
    chief = key(house, "administrator of practice")
    assert chief.delete(f"/api/v1/patients/{patient['id']}?code=P-0001").status_code == 422
    assert chief.delete(f"/api/v1/patients/{patient['id']}?code=P-0002").status_code == 204
    with house.clinic.database.reading() as db:
        actions = {row.action for row in db.scalars(select(Audit).where(Audit.study_id == house.study))}
    assert {"patient.export", "photo.original", "photo.correct", "patient.delete"} <= actions


def test_another_studys_things_do_not_exist(house: House, api: TestClient) -> None:
    for address in (f"patients/{house.other_patient}", f"visits/{house.other_visit}", f"photos/{house.other_photo}"):
        assert api.get(f"/api/v1/{address}").status_code == 404
    assert api.post("/api/v1/patients", json={"study": house.other_study}).status_code == 404
    assert api.get(f"/api/v1/patients?study={house.other_study}").status_code == 404
    assert [row["id"] for row in api.get("/api/v1/patients").json()["items"]] == [house.patient]


def test_pages_of_patients_hold_each_once(house: House, api: TestClient) -> None:
    for _ in range(6):
        assert api.post("/api/v1/patients", json={"study": house.study}).status_code == 201
    found: list[str] = []
    for offset in (0, 3, 6, 9):
        page = api.get("/api/v1/patients", params={"offset": offset, "limit": 3}).json()
        assert page["total"] == 7 and len(page["items"]) <= 3
        found += [row["id"] for row in page["items"]]
    assert len(found) == len(set(found)) == 7


def test_an_upload_may_be_sent_again(house: House, api: TestClient) -> None:
    def send(data: bytes, name: str | None, view: str = "left") -> Any:
        headers = {"idempotency-key": name} if name else {}
        files = {"file": ("x.jpg", data)}
        return api.post(f"/api/v1/visits/{house.visit}/photos", data={"view": view}, files=files, headers=headers)

    first, again = send(jpeg(3), "key-1"), send(jpeg(3), "key-1")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert send(jpeg(4), "key-1").status_code == 409
    assert send(jpeg(3), "key-1", view="right").status_code == 409
    assert send(jpeg(3), None).json()["id"] == first.json()["id"]
    assert send(b"no photograph", "key-2").status_code == 422
    with house.clinic.database.reading() as db:
        assert len(db.scalars(select(Photo).where(Photo.visit_id == house.visit)).all()) == 2


def test_a_closed_accounts_key_is_of_no_use(house: House, api: TestClient) -> None:
    with house.clinic.database.writing() as db:
        user = db.scalar(select(User).where(User.name == "clinician of practice"))
        assert user is not None
        user.disabled = True
    assert api.get("/api/v1/patients").status_code == 401


def test_the_description_is_open_and_names_every_route(house: House) -> None:
    described = house.browser().get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.")
    assert all(path.startswith("/api/v1/") for path in described["paths"])
    assert len(described["paths"]) >= 12
    for path in described["paths"].values():
        assert all(operation["security"] == [{"HTTPBearer": []}] for operation in path.values())


def test_whatever_is_sent_the_server_does_not_fail(house: House, api: TestClient) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings

    described = api.get("/api/v1/openapi.json").json()
    schema = schemathesis.openapi.from_dict(described)
    known = {"patient": house.patient, "visit": house.visit, "photo": house.photo}
    headers = {"authorization": api.headers["authorization"]}
    seen = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=2, deadline=None, database=None, derandomize=True,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal seen
            seen += 1
            case.path_parameters = {
                **case.path_parameters,
                **{k: v for k, v in known.items() if k in case.path_parameters},
            }
            answer = api.request(**_plain(case, headers))
            assert answer.status_code < 500, (case.method, case.path, answer.status_code)

        ask()
    assert seen >= 25


def _plain(case: Any, headers: dict[str, str]) -> dict[str, Any]:
    """A generated case as a request of the test client."""
    given = case.as_transport_kwargs(base_url="http://localhost")
    sent = {str(k): str(v) for k, v in dict(given.get("headers") or {}).items()}
    clean = {k: v for k, v in sent.items() if v.isascii() and v.isprintable() and k.lower() not in ("host", "cookie")}
    kwargs = {k: given[k] for k in ("json", "data", "files", "params") if given.get(k) is not None}
    return {"method": given["method"], "url": given["url"], "headers": {**clean, **headers}, **kwargs}
