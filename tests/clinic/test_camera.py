"""A browser with a camera that shows a virtual patient: it says what to change, and takes the photograph."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no chromium on the PATH", allow_module_level=True)

import uvicorn  # noqa: E402

from melascope.clinic import accounts, patients, visits  # noqa: E402
from melascope.clinic.access import actor_of  # noqa: E402
from melascope.clinic.app import application, open_clinic  # noqa: E402
from melascope.clinic.desk import Clinic  # noqa: E402
from melascope.clinic.live import Live  # noqa: E402
from melascope.clinic.settings import Settings  # noqa: E402
from melascope.clinic.tables import Photo  # noqa: E402
from melascope.live import glance_at  # noqa: E402
from tests.camera import jpeg, lit, sample  # noqa: E402
from tests.clinic.accessible import lacks  # noqa: E402
from tests.clinic.made import PASSWORD, QuickHasher, drawn  # noqa: E402

WIDTH, HEIGHT = 640, 480


@pytest.fixture
def served(tmp_path: Path, migrated: Path) -> Iterator[tuple[str, str, Clinic]]:
    """Address of a running clinic, a visit in it, and the clinic; the administrator's name is Dr Adler."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(migrated, data / "clinic.sqlite")
    settings = Settings(data=data, database_url=f"sqlite:///{data / 'clinic.sqlite'}", public_url=url)
    clinic = replace(open_clinic(settings, work=drawn, keeper=QuickHasher()), live=Live(glance_at))
    clinic.runner._run = lambda: None  # type: ignore[method-assign]
    with clinic.database.writing() as db:
        secret = accounts.first_link(db)
        assert secret
        user = accounts.redeem(db, clinic.keeper, secret, "Dr Adler", PASSWORD)
        db.flush()
        study = accounts.add_study(db, actor_of(db, user), "Practice").id
        db.flush()
        actor = actor_of(db, user)
        patient = patients.add_patient(db, actor, study, {})
        visit = visits.add_visit(db, actor, patient.id, {"day": "2026-01-05"}).id
    server = uvicorn.Server(uvicorn.Config(application(clinic), log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield url, visit, clinic
    server.should_exit = True
    thread.join(20)


def filmed(path: Path) -> Path:
    """Three seconds of a virtual patient in the dark, then twelve in good light; Y4M, four pictures a second."""
    edge = (WIDTH - HEIGHT) // 2
    good = cv2.copyMakeBorder(sample("telephone", HEIGHT), 0, 0, edge, edge, cv2.BORDER_REPLICATE)
    pictures = [lit(np.asarray(good, np.uint8), 0.06)] * 12 + [np.asarray(good, np.uint8)] * 48
    with path.open("wb") as film:
        film.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F4:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            film.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


def test_the_camera_says_what_to_change_and_takes_the_photograph(
    served: tuple[str, str, Clinic], tmp_path: Path
) -> None:
    url, visit, clinic = served
    film = filmed(tmp_path / "patient.y4m")
    with playwright.sync_playwright() as started:
        camera = (
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={film}",
        )
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *camera])
        page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB").new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.set_default_timeout(60_000)
        page.goto(f"{url}/sign-in")
        page.fill("#name", "Dr Adler")
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        page.goto(f"{url}/visits/{visit}")
        page.click("text=Use the camera")
        assert lacks(page) == []

        page.click("text=Start the camera")
        page.wait_for_selector("text=Too dark: add light from the front.")
        light = page.locator("[data-codes*=under_exposed]")
        assert light.get_attribute("data-state") == "change"
        assert page.inner_text("[data-about]") == "–"
        page.wait_for_selector("text=Ready: take the photograph.")
        assert "primary" in page.get_attribute("[data-take]", "class")
        assert light.get_attribute("data-state") == "fine"
        about = float(page.inner_text("[data-about]").removeprefix("≈ "))
        assert about == pytest.approx(28.0, abs=4.0)
        assert lacks(page) == []

        page.keyboard.press("Enter")  # the button has the focus
        page.wait_for_selector("[data-keep]")
        assert page.is_visible(".live-still")
        page.click("text=Take another one")
        page.wait_for_selector("[data-state=ready]")
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-keep]")
        page.keyboard.press("Enter")
        page.wait_for_selector(".gallery li")
        assert page.url == f"{url}/visits/{visit}#photos"
        # A frame that a busy server lets go is answered by 503, as it is meant to be; nothing else may be said.
        assert [said for said in complaints if "503" not in said] == []
        browser.close()
    with clinic.database.reading() as db:
        (photo,) = db.query(Photo).all()
        assert (photo.visit_id, photo.view.value) == (visit, "frontal")
        data = clinic.store.get(photo.visit.patient_id, f"{photo.sha256}.original")
    taken = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert taken.shape[0] * taken.shape[1] >= WIDTH * HEIGHT  # the camera's own size, not the frames'
    assert glance_at(jpeg(np.ascontiguousarray(taken[..., ::-1])), HEIGHT).face is not None
    runs = [path for path in clinic.settings.data.rglob("*") if path.is_file() and "sqlite" not in path.name]
    assert [path.name for path in runs] == [f"{photo.sha256}.original"]  # of the frames nothing is kept
