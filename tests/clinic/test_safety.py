"""What an attacker tries first."""

from __future__ import annotations

import io
import logging
import re
import struct
import zlib
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import func, select
from starlette.requests import Request

from melascope.clinic import logs
from melascope.clinic.gate import POLICY
from melascope.clinic.settings import Settings
from melascope.clinic.tables import Audit, Patient, Photo, SignIn
from tests.clinic.made import PASSWORD, TOKEN, House, Person, jpeg

SCRIPT: Final = "<script>alert(1)</script>"


def count(house: House, table: type) -> int:
    with house.clinic.database.reading() as db:
        return db.scalar(select(func.count()).select_from(table)) or 0


def test_a_form_without_its_token_changes_nothing(house: House) -> None:
    person = house.member()
    for token in ("", "wrong", "é", house.person("Root").csrf):
        answer = person.client.post("/patients", data={"csrf": token, "study": house.study})
        assert answer.status_code == 403
    assert count(house, Patient) == 2


def test_a_form_of_another_site_changes_nothing_even_with_the_token(house: House) -> None:
    person = house.member()
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert person.post("/patients", {"study": house.study}, headers=headers).status_code == 403
    assert person.post("/patients", {"study": house.study}, headers={"origin": "http://localhost"}).status_code == 303


def test_the_sign_in_form_has_a_token_of_its_own(house: House) -> None:
    browser = house.browser()
    browser.get("/sign-in")
    answer = browser.post("/sign-in", data={"csrf": "other", "name": "Root", "password": PASSWORD})
    assert answer.status_code == 422
    assert "melascope" not in answer.cookies


def test_a_sign_in_gets_a_new_secret_whatever_the_browser_brought(house: House) -> None:
    browser = house.browser()
    browser.cookies.set("melascope", "planted-by-an-attacker")
    person = Person(browser)
    first = person.sign_in("Root").cookies["melascope"]
    second = person.sign_in("Root").cookies["melascope"]
    assert len({"planted-by-an-attacker", first, second}) == 3
    other = house.browser()
    other.cookies.set("melascope", first)
    assert other.get("/account").status_code == 303  # the earlier session ended


def test_cookies_are_kept_from_scripts_and_other_sites(house: House) -> None:
    cookies = [
        value for key, value in Person(house.browser()).sign_in("Root").headers.multi_items() if key == "set-cookie"
    ]
    assert cookies
    for cookie in cookies:
        assert "HttpOnly" in cookie or "expires=" in cookie.lower()
        assert "SameSite=lax" in cookie.replace("samesite", "SameSite")


def test_with_tls_cookies_are_secure_and_bound_to_the_host(house: House) -> None:
    from dataclasses import replace

    from fastapi.testclient import TestClient

    from melascope.clinic.app import application

    settings = replace(house.clinic.settings, public_url="https://clinic.example.org")
    app = application(replace(house.clinic, settings=settings))
    with TestClient(app, base_url="https://clinic.example.org", follow_redirects=False) as browser:
        answer = Person(browser).sign_in("Root")
        session = next(v for k, v in answer.headers.multi_items() if k == "set-cookie" and "melascope=" in v)
        assert session.startswith("__Host-melascope=")
        assert "Secure" in session and "Path=/" in session and "Domain" not in session
        assert "max-age" in answer.headers["strict-transport-security"]


def test_every_answer_has_the_security_headers(house: House) -> None:
    person = house.member()
    for address in ("/sign-in", "/patients", f"/photos/{house.photo}", "/nothing", "/static/clinic.css", "/healthz"):
        headers = person.get(address).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert ("no-store" in headers["cache-control"]) != address.startswith("/static")
    assert "unsafe" not in POLICY and "default-src 'none'" in POLICY


def test_no_page_holds_a_script_or_a_style_of_its_own(house: House) -> None:
    person, root = house.member(), house.person("Root")
    pages = [
        *(person.get(a).text for a in ("/patients", f"/patients/{house.patient}", f"/visits/{house.visit}")),
        *(person.get(a).text for a in (f"/photos/{house.photo}", "/account", "/patients/new")),
        root.get("/administration").text,
    ]
    for page in pages:
        assert not re.search(r"<script(?! src=\"/static/)|\son\w+=|\sstyle=|<style|javascript:", page)


def test_what_people_write_stays_text(house: House) -> None:
    person = house.member()
    day = "2026-02-03"
    person.post(f"/patients/{house.patient}/treatments", {"name": SCRIPT, "started": day})
    person.post(f"/visits/{house.visit}/edit", {"day": day, "note": f"</textarea>{SCRIPT}", "version": "1"})
    page = person.get(f"/patients/{house.patient}").text + person.get(f"/visits/{house.visit}").text
    assert "&lt;script&gt;alert(1)" in page
    assert SCRIPT not in page
    assert "</textarea>&lt;" not in page.replace("&lt;/textarea&gt;", "")
    assert SCRIPT not in person.get(f"/patients?code={SCRIPT}").text
    assert person.post("/patients", {"study": house.study, "code": SCRIPT}).status_code == 422


def test_a_skin_type_is_one_of_six(house: House) -> None:
    person = house.member()
    for raw in ("0", "7", "12", "23456", "six"):
        assert person.post("/patients", {"study": house.study, "fitzpatrick": raw}).status_code == 422, raw
    assert person.post("/patients", {"study": house.study, "fitzpatrick": "6"}).status_code == 303


def test_a_search_is_never_part_of_the_statement(house: House) -> None:
    person = house.member()
    for words in ("' OR 1=1 --", '"; DROP TABLE patients; --', "%", "_", "\\", "\x00"):
        answer = person.client.get("/patients", params={"code": words})
        assert answer.status_code == 200
        assert words == "\x00" or "P-0001" not in answer.text
        assert count(house, Patient) == 2


def test_only_named_pictures_are_given(house: House) -> None:
    person = house.member()
    assert person.get(f"/photos/{house.photo}/display.jpg").status_code == 200
    for picture in (
        "../../clinic.sqlite",
        "..%2f..%2fclinic.sqlite",
        "%2e%2e",
        "original",
        "overlay.jpg",
        "display.jpg.part",
    ):
        assert person.get(f"/photos/{house.photo}/{picture}").status_code == 404


def png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with hardly anything behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


NO_PHOTOGRAPHS: Final = (
    (b"", "The file is empty"),
    (b"MZ\x90 not a photograph", "no photograph of a known format"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "no photograph of a known format"),
    (png(60_000, 60_000), "million pixels"),
    (jpeg()[:40], "damaged"),
)


def test_what_is_no_photograph_is_refused_before_it_is_decoded(house: House) -> None:
    person = house.member()
    for data, sentence in NO_PHOTOGRAPHS:
        answer = person.upload(house.visit, data)
        assert answer.status_code == 422
        assert sentence in answer.text
    assert count(house, Photo) == 2


def test_a_body_beyond_the_limit_is_refused_whatever_its_header_says(house: House) -> None:
    person = house.member()
    most = house.clinic.settings.upload_mb * 4_000_000 + 1_000_000
    said = person.client.post("/sign-out", content=b"x", headers={"content-length": str(most + 1)})
    assert said.status_code == 413
    assert count(house, Photo) == 2


FORM: Final = {"content-type": "multipart/form-data; boundary=x"}


class Body:
    """A form that is sent piece by piece, without its length; it tells how much of it was asked for."""

    def __init__(self, pieces: int, file: bool = True) -> None:
        self.pieces, self.asked, self._file = pieces, 0, file

    def __iter__(self) -> Iterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="frontal"' + b'; filename="a"' * self._file + b"\r\n\r\n"
        for _ in range(self.pieces):
            self.asked += 1
            yield b"x" * 100_000


def test_a_body_that_goes_on_and_on_is_cut_off(house: House) -> None:
    from dataclasses import replace

    from fastapi.testclient import TestClient

    from melascope.clinic.app import application

    small = replace(house.clinic.settings, upload_mb=0)
    app = application(replace(house.clinic, settings=small))
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as browser:
        person = Person(browser)
        person.sign_in("clinician of practice")
        answer = browser.post(f"/visits/{house.visit}/photos", content=iter(Body(30)), headers=FORM)
        assert answer.status_code == 413


def read(house: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses of the requests whose bodies are read from now on."""
    found, stream = list[str](), Request.stream

    def noted(request: Request) -> AsyncGenerator[bytes]:
        found.append(request.url.path)
        return stream(request)

    monkeypatch.setattr(Request, "stream", noted)
    return found


def test_a_form_is_not_read_before_it_is_known_who_sends_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    person, stranger = house.member(), house.browser()
    address, frame = f"/visits/{house.visit}/photos", f"/visits/{house.visit}/live/frame"
    found = read(house, monkeypatch)
    for target in (address, frame, "/sign-out"):
        for cookie in ("", "melascope=guessed"):
            answer = stranger.post(target, content=iter(Body(3)), headers={**FORM, "cookie": cookie})
            assert answer.status_code == 401
    evil = {**FORM, "origin": "https://evil.example"}
    for target, browser in ((address, person.client), ("/sign-in", stranger)):
        assert browser.post(target, content=iter(Body(3)), headers=evil).status_code == 403
    assert found == []
    assert person.upload(house.visit, jpeg(7)).status_code == 303
    assert found == [address]


def test_a_body_is_not_read_before_its_key_is_known(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, found = house.browser(), read(house, monkeypatch)
    bodies = (
        ("POST", f"visits/{house.visit}/photos", FORM),
        ("POST", "patients", {"content-type": "application/json"}),
        ("PUT", f"photos/{house.photo}/scores", {"content-type": "application/json"}),
        ("PUT", f"readings/{house.photo}/photos/{house.photo}", {"content-type": "application/json"}),
    )
    for method, target, headers in bodies:
        for sent in ({}, {"authorization": "Bearer wrong"}):
            address = f"/api/v1/{target}"
            answer = browser.request(method, address, content=iter(Body(3)), headers={**headers, **sent})
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert found == []


def test_a_form_that_anybody_may_send_holds_no_file_and_little_text(house: House) -> None:
    browser = house.browser()
    for target in ("/sign-in", "/start/nothing", "/language"):
        assert browser.post(target, content=iter(Body(1, file=False)), headers=FORM).status_code == 413
        assert browser.post(target, files={"name": ("a", b"x")}).status_code == 400
        long = {"name": "x" * 70_000}
        assert browser.post(target, data=long).status_code == 413


def test_a_name_that_is_not_the_clinics_is_not_answered(house: House) -> None:
    assert house.browser().get("/sign-in", headers={"host": "evil.example"}).status_code == 421


def test_a_sign_in_leads_nowhere_else(house: House) -> None:
    browser = house.browser()
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
        found = TOKEN.search(browser.get("/sign-in", params={"next": target}).text)
        assert found
        data = {"csrf": found[1], "name": "Root", "password": PASSWORD, "next": target}
        assert browser.post("/sign-in", data=data).headers["location"] == "/"


def test_a_page_that_waits_by_itself_keeps_no_session_alive(house: House) -> None:
    from datetime import timedelta

    person = house.member()

    def aged(minutes: int) -> SignIn:
        with house.clinic.database.writing() as db:
            for row in db.scalars(select(SignIn)):
                row.seen -= timedelta(minutes=minutes)
            return row

    aged(20)
    assert person.get(f"/photos/{house.photo}/state").status_code == 200
    aged(11)
    assert person.get(f"/photos/{house.photo}/state").status_code == 303
    person.sign_in("clinician of practice")
    aged(20)
    assert person.get(f"/photos/{house.photo}").status_code == 200  # who looks stays
    aged(11)
    assert person.get(f"/photos/{house.photo}/state").status_code == 200


def test_a_session_ends_when_idle_and_after_its_hours(house: House) -> None:
    from datetime import timedelta

    person = house.member()
    for shift in ({"seen": timedelta(minutes=31)}, {"created": timedelta(hours=13)}):
        person.sign_in("clinician of practice")
        assert person.get("/patients").status_code == 200
        with house.clinic.database.writing() as db:
            for row in db.scalars(select(SignIn)):
                for name, back in shift.items():
                    setattr(row, name, getattr(row, name) - back)
        assert person.get("/patients").status_code == 303


def test_the_log_names_no_person_and_the_audit_log_no_content(house: House, caplog: pytest.LogCaptureFixture) -> None:
    person = house.member()
    with caplog.at_level(logging.INFO, "melascope.clinic"):
        logging.getLogger("melascope.clinic").propagate = True
        person.post("/patients", {"study": house.study, "code": "SECRET-77"})
        person.get("/patients?code=SECRET-77")
        person.post(f"/visits/{house.visit}/edit", {"day": "2026-01-05", "note": "told in confidence", "version": "1"})
    lines = [logs.Lines().format(record) for record in caplog.records]
    assert any('"route": "/patients"' in line and '"status": 303' in line for line in lines)
    written = "\n".join(lines)
    with house.clinic.database.reading() as db:
        written += "\n".join(str(vars(row)) for row in db.scalars(select(Audit)))
    for word in ("SECRET-77", "confidence", "clinician of practice", house.patient[:0] or "testclient"):
        assert word not in written


def test_what_fails_inside_tells_nothing_outside(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret is swordfish")

    person = house.member()
    monkeypatch.setattr("melascope.clinic.patients.find_patients", broken)
    answer = person.get("/patients")
    assert answer.status_code == 500
    assert "swordfish" not in answer.text and "RuntimeError" not in answer.text
    assert answer.headers["content-security-policy"] == POLICY


def test_a_full_disk_is_said_and_leaves_no_row(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import os

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    person = house.member()
    monkeypatch.setattr(os, "fsync", full)
    answer = person.upload(house.visit, jpeg(7))
    assert answer.status_code == 507
    assert "disk is full" in answer.text
    assert count(house, Photo) == 2
    assert not list(Path(house.clinic.settings.data).rglob("*.part"))


def test_metrics_are_for_this_machine_or_for_the_token(house: House) -> None:
    browser = house.browser()
    assert "melascope_requests_total" in browser.get("/metrics").text
    assert browser.get("/metrics", headers={"x-forwarded-for": "10.0.0.9"}).status_code == 403
    assert house.patient not in browser.get("/metrics").text


def test_metrics_are_not_given_by_a_proxy_on_the_same_machine(house: House) -> None:
    from dataclasses import replace

    from fastapi.testclient import TestClient

    from melascope.clinic.app import application

    settings = replace(house.clinic.settings, public_url="https://clinic.example.org")
    app = application(replace(house.clinic, settings=settings))
    browser = TestClient(app)  # of which the connection comes from this machine
    for host, status in (("clinic.example.org", 403), ("localhost:8321", 200), ("[::1]:8321", 200)):
        assert browser.get("/metrics", headers={"host": host}).status_code == status
    app = application(replace(house.clinic, settings=replace(settings, metrics_token="word")))
    headers = {"host": "clinic.example.org", "authorization": "Bearer word"}
    assert TestClient(app).get("/metrics", headers=headers).status_code == 200


def test_settings_refuse_an_address_that_is_none() -> None:
    from melascope.clinic.settings import SettingsError

    with pytest.raises(SettingsError, match="https://clinic"):
        Settings.of(Path("x"), public_url="clinic.example.org", environ={})


def test_two_files_in_one_form_are_two_photographs(house: House) -> None:
    person = house.member()
    parts = [("left", ("a", io.BytesIO(jpeg(3)))), ("close-up", ("b", io.BytesIO(jpeg(4))))]
    assert person.post(f"/visits/{house.visit}/photos", files=parts).status_code == 303
    with house.clinic.database.reading() as db:
        views = sorted(p.view.value for p in db.scalars(select(Photo).where(Photo.visit_id == house.visit)))
    assert views == ["close-up", "frontal", "left"]
    assert person.upload(house.visit, jpeg(3), view="sideways").status_code == 422


def test_one_file_that_cannot_be_taken_keeps_the_whole_form_out(house: House) -> None:
    person = house.member()
    assert person.upload(house.visit, jpeg(3), b"MZ not a photograph").status_code == 422
    parts = [("left", ("a", io.BytesIO(jpeg(3)))), ("sideways", ("b", io.BytesIO(jpeg(4))))]
    assert person.post(f"/visits/{house.visit}/photos", files=parts).status_code == 422
    assert count(house, Photo) == 2
    assert person.upload(house.visit, jpeg(3), jpeg(4)).status_code == 303
    assert count(house, Photo) == 4
