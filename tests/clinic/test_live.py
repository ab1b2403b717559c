"""Live mode's service and pages: guidance, roles, what is no frame, limits, and that nothing of a frame stays."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from melascope.clinic.access import Invalid
from melascope.clinic.app import application
from melascope.clinic.live import MOST_BYTES, MOST_SIDE, PER_SECOND, Broken, Busy, Live, TooMany, check_frame, side_of
from melascope.clinic.pages.live import CHECKS
from melascope.clinic.texts import LANGUAGES, texts
from melascope.clinic.worker import TookTooLong, WorkerFailed
from melascope.live import CODES, Glance, Hint, _ordered, glance_at
from tests.camera import jpeg, sample, spoilt
from tests.clinic.made import House, Person

GOOD = Glance((), (0.3, 0.2, 0.7, 0.8), 28.0)
SMALL = jpeg(np.full((64, 64, 3), 120, np.uint8))


def clinician(house: House, look: Callable[[bytes, int], Glance] = lambda _data, _side: GOOD) -> Person:
    house.app = application(replace(house.clinic, live=Live(look)))
    return house.member()


def frames(house: House) -> str:
    return f"/visits/{house.visit}/live/frame?side=1080"


def test_frames_are_answered_with_what_to_change_and_a_rough_masi(house: House) -> None:
    person = clinician(house, glance_at)
    good = person.send(frames(house), jpeg(sample("telephone"))).json()
    assert good["good"] is True and good["hints"] == []
    assert good["masi"] == pytest.approx(31.3, abs=2.0)  # which is true of the sample
    assert good["severity"] == "moderate"
    dark = person.send(frames(house), jpeg(spoilt("under_exposed"))).json()
    assert dark["good"] is False and dark["masi"] is None
    assert dark["hints"][0]["code"] == "under_exposed"
    assert dark["hints"][0]["say"] == "Too dark: add light from the front."
    assert "raise the exposure" in dark["hints"][0]["advice"]


def test_frames_are_looked_at_in_a_process_of_its_own() -> None:
    live = Live()
    try:
        assert live.see("somebody", jpeg(sample("dslr")), 768).good
    finally:
        live.stop()


def test_both_languages_name_every_hint_and_every_hint_has_its_line() -> None:
    for code in LANGUAGES:
        assert {name for name in CODES if f"live_say.{name}" not in texts(code).sentences} == set()
    assert sorted(code for codes in CHECKS.values() for code in codes) == sorted(CODES)


def test_only_the_camera_s_page_may_use_the_camera(house: House) -> None:
    person = house.member()
    page = person.get(f"/visits/{house.visit}/live")
    assert page.status_code == 200
    assert "camera=(self)" in page.headers["permissions-policy"]
    for address in (f"/visits/{house.visit}", f"/photos/{house.photo}", "/patients", "/static/live.js", "/nothing"):
        assert "camera=()" in person.get(address).headers["permissions-policy"]
    assert f'href="/visits/{house.visit}/live"' in person.get(f"/visits/{house.visit}").text
    reader = house.person("read-only of practice")
    assert "/live" not in reader.get(f"/visits/{house.visit}").text


def test_a_frame_of_another_site_or_without_the_token_is_not_looked_at(house: House) -> None:
    looked: list[int] = []

    def look(_data: bytes, side: int) -> Glance:
        looked.append(side)
        return GOOD

    person = clinician(house, look)
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert person.send(frames(house), SMALL, **headers).status_code == 403
    for token in ("", "wrong", "é".encode().decode("latin-1")):
        answer = person.client.post(frames(house), content=SMALL, headers={"x-csrf": token.encode("latin-1")})
        assert answer.status_code == 403
    person.client.cookies.clear()
    assert person.send(frames(house), SMALL).status_code == 401
    assert looked == []


def test_who_may_not_write_sends_no_frame(house: House) -> None:
    clinician(house)
    assert house.person("read-only of practice").send(frames(house), SMALL).status_code == 403
    assert house.person("annotator of practice").send(frames(house), SMALL).status_code == 403
    assert house.person("clinician of elsewhere").send(frames(house), SMALL).status_code == 404
    assert house.member().send(frames(house), SMALL).status_code == 200


def test_what_is_no_small_jpeg_is_refused_before_it_is_decoded(house: House) -> None:
    person = clinician(house)
    large = jpeg(np.zeros((MOST_SIDE + 8, 64, 3), np.uint8))
    for data in (b"", b"\x89PNG\r\n\x1a\n" + bytes(40), b"MZ not a picture", SMALL[:30], large):
        answer = person.send(frames(house), data)
        assert answer.status_code == 422
        assert "JPEG" in answer.json()["say"]
    assert person.send(frames(house), SMALL + bytes(MOST_BYTES)).status_code == 413
    for side in ("", "0", "-4", "1e9", "999999", "²"):
        assert person.send(f"/visits/{house.visit}/live/frame?side={side}", SMALL).status_code == 422
        with pytest.raises(Invalid):
            side_of(side)
    check_frame(SMALL)


def test_an_account_that_sends_too_many_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [100.0]
    monkeypatch.setattr("melascope.clinic.live.time.monotonic", lambda: moment[0])
    live = Live(lambda _data, _side: GOOD)
    for _ in range(PER_SECOND):
        live.see("one", SMALL, 1080)
    with pytest.raises(TooMany):
        live.see("one", SMALL, 1080)
    live.see("another", SMALL, 1080)
    moment[0] += 1.5 / PER_SECOND
    live.see("one", SMALL, 1080)
    with pytest.raises(TooMany):
        live.see("one", SMALL, 1080)


def test_a_slow_server_turns_frames_away_and_queues_none() -> None:
    begun, go_on, looked = threading.Event(), threading.Event(), []

    def slow(data: bytes, _side: int) -> Glance:
        looked.append(data)
        begun.set()
        assert go_on.wait(20)
        return GOOD

    live = Live(slow)
    first = threading.Thread(target=live.see, args=("one", SMALL, 1080))
    first.start()
    assert begun.wait(20)
    for user in ("one", "another"):
        with pytest.raises(Busy):
            live.see(user, SMALL, 1080)
    go_on.set()
    first.join(20)
    assert looked == [SMALL]
    assert live.see("another", SMALL, 1080) == GOOD


def failing(error: WorkerFailed) -> Callable[[bytes, int], Glance]:
    def look(_data: bytes, _side: int) -> Glance:
        raise error

    return look


def test_a_look_that_fails_is_told_as_an_error_and_one_that_is_slow_as_busy(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Busy):
        Live(failing(TookTooLong("took more than 60 s"))).see("somebody", SMALL, 1080)
    broken = failing(WorkerFailed("ValueError"))
    with pytest.raises(Broken), caplog.at_level("INFO", "melascope.clinic"):
        Live(broken).see("somebody", SMALL, 1080)
    assert [record.message for record in caplog.records] == ["frame_failed"]
    answer = clinician(house, broken).send(frames(house), SMALL)
    assert answer.status_code == 500 and answer.json()["say"] == texts("en")("error.frame_failed")


def test_a_hint_that_nobody_ranked_comes_last_and_is_said(house: House) -> None:
    hints = _ordered([Hint("of_tomorrow", "Do this."), Hint("blurred"), Hint("of_tomorrow"), Hint("dark")])
    assert [hint.code for hint in hints] == ["dark", "blurred", "of_tomorrow"]
    found = clinician(house, lambda _data, _side: Glance(hints)).send(frames(house), SMALL).json()
    assert found["hints"][-1] == {
        "code": "of_tomorrow",
        "say": texts("en")("live.other"),
        "advice": "Do this.",
        "blocks": True,
    }


def test_nothing_of_a_frame_stays(house: House, caplog: pytest.LogCaptureFixture) -> None:
    person = clinician(house, lambda _data, _side: Glance((Hint("far"),), (0.1, 0.2, 0.3, 0.4)))
    data = house.clinic.settings.data
    before = {path: path.stat().st_size for path in Path(data).rglob("*") if "sqlite" not in path.name}
    with caplog.at_level(logging.INFO, "melascope.clinic"):
        logging.getLogger("melascope.clinic").propagate = True
        for _ in range(3):
            assert person.send(frames(house), SMALL).status_code == 200
        person.get("/patients")
    assert {path: path.stat().st_size for path in Path(data).rglob("*") if "sqlite" not in path.name} == before
    routes = [getattr(record, "fields", {}).get("route") for record in caplog.records]
    assert "/patients" in routes and not any("live" in str(route) for route in routes)
    assert 'route="/visits/{visit}/live/frame",status="200"} 3' in house.browser().get("/metrics").text


def test_a_camera_that_runs_does_not_keep_a_session_from_ending(house: House) -> None:
    from datetime import timedelta

    from sqlalchemy import select

    from melascope.clinic.tables import SignIn

    person = clinician(house)
    with house.clinic.database.writing() as db:
        for row in db.scalars(select(SignIn)):
            row.seen -= timedelta(minutes=20)
    assert person.send(frames(house), SMALL).status_code == 200
    with house.clinic.database.writing() as db:
        for row in db.scalars(select(SignIn)):
            row.seen -= timedelta(minutes=11)
    assert person.send(frames(house), SMALL).status_code == 401


def test_the_process_of_frames_ends_also_when_the_rest_met_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest that ran out while a frame was looked at begins anew."""
    monkeypatch.setattr("melascope.clinic.live._REST_S", 0.1)
    ended, begun = threading.Event(), threading.Event()

    class Fake:
        def __call__(self, _data: bytes, _side: int) -> Glance:
            if not begun.is_set():
                begun.set()
                return GOOD
            time.sleep(0.3)  # the rest of the first frame runs out meanwhile
            return GOOD

        def stop(self) -> None:
            ended.set()

    live = Live()
    live._worker = live._look = Fake()  # type: ignore[assignment]
    live.see("somebody", SMALL, 1080)
    live.see("somebody", SMALL, 1080)
    assert ended.wait(10)
    live.stop()


def test_a_clinic_that_stops_ends_the_process_of_frames(house: House) -> None:
    stopped: list[bool] = []
    live = Live(lambda _data, _side: GOOD)
    live.stop = lambda: stopped.append(True)  # type: ignore[method-assign]
    with TestClient(application(replace(house.clinic, live=live)), base_url="http://localhost"):
        assert stopped == []
    assert stopped == [True]
