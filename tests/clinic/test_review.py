"""Reviewing proposed boxes: the queue's way in and out, who made what, conflicts, bad queues."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import zipfile
from contextlib import closing
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import event, select
from typer.testing import CliRunner

from melascope.cli.app import app
from melascope.clinic import review
from melascope.clinic.access import Invalid
from melascope.clinic.review import State
from melascope.clinic.review_queue import LIST, Origin, origin_of, read_queue
from melascope.clinic.tables import Audit, Review, ReviewPhoto
from melascope.data import Row, write_manifest
from melascope.data.coco import CocoImage, CocoWriter
from melascope.detection import loop
from melascope.detection.predictions import write
from tests.clinic.made import House, Person
from tests.detection.simulated import predictions

SIZE = (200, 100)


def entry(kind: str, x: float, y: float, width: float, height: float, **more: Any) -> dict[str, Any]:
    """A rectangle in percent."""
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [kind]}
    return {"value": value, "type": "rectanglelabels", **more}


def task(name: str, *entries: dict[str, Any], model: str = "net") -> dict[str, Any]:
    data = {"image": name, "width": SIZE[0], "height": SIZE[1], "gain": 1.5, "uncertainty_bits": 2.25}
    return {"data": data, "predictions": [{"model_version": model, "result": list(entries)}]}


def photograph(shade: int = 99, size: tuple[int, int] = SIZE) -> bytes:
    return bytes(cv2.imencode(".png", np.full((size[1], size[0], 3), shade, np.uint8))[1])


def zipped(tasks: Any, photographs: dict[str, bytes] | None = None) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr(LIST, tasks if isinstance(tasks, str) else json.dumps(tasks))
        for name, data in (photographs or {}).items():
            archive.writestr(name, data)
    return memory.getvalue()


def damaged() -> bytes:
    """A queue whose list cannot be unpacked."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(LIST, json.dumps([task("a.png")] * 20))
    data = bytearray(memory.getvalue())
    begin = 30 + len(LIST)
    data[begin : begin + 12] = b"\xff" * 12
    return bytes(data)


TASKS = [
    task("photos/a.png", entry("mel", 10, 10, 20, 30, score=0.95), entry("fre", 50, 50, 5, 10, score=0.55)),
    task("photos/b.png"),
]
QUEUE = zipped(TASKS, {"photos/a.png": photograph(), "photos/b.png": photograph(120)})


def taken_in(person: Person, study: str, data: bytes = QUEUE, name: str = "Round 1") -> str:
    answer = person.post(
        "/reviews",
        {"study": study, "name": name},
        files=[("file", ("review.zip", io.BytesIO(data), "application/zip"))],
    )
    assert answer.status_code == 303, re.findall(r'role="alert">([^<]+)', answer.text)
    return str(answer.headers["location"]).rpartition("/")[2]


def items(house: House, batch: str) -> list[str]:
    with house.clinic.database.reading() as db:
        return list(db.scalars(select(ReviewPhoto.id).where(ReviewPhoto.batch_id == batch).order_by(ReviewPhoto.place)))


def state(house: House, item: str) -> State:
    with house.clinic.database.reading() as db:
        return review.state_of(db.get_one(ReviewPhoto, item))


def shown(person: Person, item: str) -> tuple[list[dict[str, Any]], str]:
    """Boxes and what they are based on, as the page holds them."""
    page = person.get(f"/review-photos/{item}").text
    found = [re.search(rf'name="{name}" value="([^"]*)"', page) for name in ("boxes", "based")]
    assert found[0] and found[1]
    return json.loads(unescape(found[0][1])), found[1][1]


def sent(person: Person, item: str, boxes: list[dict[str, Any]], based: str = "", **more: str) -> Any:
    return person.post(f"/review-photos/{item}", {"boxes": json.dumps(boxes), "based": based, **more})


def test_a_photograph_is_shown_with_its_boxes_the_least_certain_first(house: House) -> None:
    person = house.member()
    batch = taken_in(person, house.study)
    first, second = items(house, batch)
    boxes, based = shown(person, first)
    assert [(box["kind"], box["box"]) for box in boxes] == [("fre", [100, 50, 110, 60]), ("mel", [20, 10, 60, 40])]
    assert based == "" and [box["source"] for box in boxes] == [0, 1]
    picture = person.get(f"/review-photos/{first}/display.jpg")
    assert picture.headers["content-type"] == "image/jpeg" and picture.content[:2] == b"\xff\xd8"
    for address in ("/reviews", f"/reviews/{batch}", f"/review-photos/{second}"):
        page = person.get(address)
        assert page.status_code == 200
        assert not re.search(r"<script(?! src=\"/static/)|\son\w+=|\sstyle=|<style|javascript:", page.text)
    with house.clinic.database.reading() as db:
        actions = list(db.scalars(select(Audit.action).where(Audit.action.startswith("review"))))
    assert {"review.import", "review.view", "review.photo"} <= set(actions)


def test_every_box_keeps_who_made_it(house: House) -> None:
    person = house.member()
    first, _ = items(house, taken_in(person, house.study))
    boxes, based = shown(person, first)
    boxes[0]["box"] = [101, 50, 113, 60]  # moved a little
    boxes.append({"kind": "hori", "box": [5, 5, 15, 15], "source": None})
    assert sent(person, first, boxes, based).status_code == 303
    with house.clinic.database.reading() as db:
        photo = db.get_one(ReviewPhoto, first)
        made = [origin_of(box, photo.proposed["boxes"]) for box in photo.reviews[0].made["boxes"]]
    assert made == [Origin.CORRECTED, Origin.LEFT, Origin.PERSON]
    again, based = shown(person, first)
    assert again == boxes
    sent(person, first, again, based)  # looked at once more, and left
    with house.clinic.database.reading() as db:
        assert len(db.get_one(ReviewPhoto, first).reviews) == 1
    far = {**boxes[1], "box": [150, 60, 190, 90]}
    assert origin_of(far, TASKS_BOXES) is Origin.PERSON


TASKS_BOXES = [{"kind": "fre", "box": [100, 50, 110, 60]}, {"kind": "mel", "box": [20, 10, 60, 40]}]


def test_what_is_put_aside_comes_back_to_who_did_it(house: House) -> None:
    anna, ben = house.member(), house.person("annotator of practice")
    batch = taken_in(anna, house.study)
    first, second = items(house, batch)
    boxes, based = shown(anna, first)
    answer = sent(anna, first, boxes[:1], based, deed="aside", to="next")
    assert answer.headers["location"] == f"/review-photos/{second}"
    assert state(house, first) is State.OPEN
    assert shown(anna, first)[0] == boxes[:1] and shown(ben, first)[0] == boxes
    answer = sent(anna, second, [], deed="aside", to="previous")
    assert answer.headers["location"] == f"/review-photos/{first}"
    sent(anna, first, boxes[:1])
    assert state(house, first) is State.DONE
    assert sent(anna, second, []).headers["location"] == f"/reviews/{batch}"  # the last one leads back
    with house.clinic.database.reading() as db:
        assert [row.done for row in db.scalars(select(Review))] == [True, True]


def test_two_windows_of_one_reviewer_lose_no_draft(house: House) -> None:
    anna = house.member()
    first, _ = items(house, taken_in(anna, house.study))
    boxes, based = shown(anna, first)
    assert sent(anna, first, boxes[:1], based, draft="", deed="aside").status_code == 303
    for deed in ("aside", "done"):  # the other window knows nothing of it
        late = sent(anna, first, boxes[1:], based, draft="", deed=deed)
        assert late.status_code == 409 and "in another window" in late.text
    assert shown(anna, first)[0] == boxes[:1] and state(house, first) is State.OPEN
    assert sent(anna, first, boxes[:1], based, draft="", deed="aside").status_code == 303  # the same is no conflict
    hidden = {
        name: unescape(value) for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', late.text)
    }
    assert anna.post(f"/review-photos/{first}", hidden).status_code == 303
    assert shown(anna, first)[0] == boxes[1:] and state(house, first) is State.DONE
    again = sent(anna, first, boxes, based, draft="", deed="aside")  # nothing waits aside any more
    assert again.status_code == 303 and state(house, first) is State.DONE


def test_names_of_files_are_shown_only_to_who_takes_them_back(house: House) -> None:
    batch = taken_in(house.member(), house.study)
    first, _ = items(house, batch)
    for person, known in ((house.person("annotator of practice"), False), (house.member(), True)):
        assert ("photos/a.png" in person.get(f"/reviews/{batch}").text) is known
        assert "photos/a.png" not in person.get(f"/review-photos/{first}").text


def test_two_reviewers_at_once_get_a_conflict_and_nothing_is_lost(house: House) -> None:
    anna, ben = house.member(), house.person("annotator of practice")
    batch = taken_in(anna, house.study)
    first, _ = items(house, batch)
    boxes, based = shown(anna, first)
    mine = [boxes[1], {**boxes[0], "kind": "hori"}, {"kind": "sl", "box": [150.0, 5.0, 160.0, 15.0], "source": None}]
    theirs = [boxes[1], boxes[0], {"kind": "caf", "box": [5.0, 70.0, 15.0, 80.0], "source": None}]
    assert sent(anna, first, mine, based).headers["location"] != f"/review-photos/{first}/conflict"
    assert sent(ben, first, theirs, based).headers["location"] == f"/review-photos/{first}/conflict"
    assert state(house, first) is State.CONFLICT
    page = anna.get(f"/review-photos/{first}/conflict").text
    assert page.count("<fieldset") == 3 and "clinician of practice" in page and "annotator of practice" in page
    pair = re.search(r'name="based" value="([^"]+)"', page)
    assert pair
    address = f"/review-photos/{first}/conflict"
    assert ben.post(address, {"based": pair[1], "d0": "first", "d1": "first"}).status_code == 422
    assert ben.post(address, {"based": "1,2,3", "d0": "first"}).status_code == 422
    assert state(house, first) is State.CONFLICT
    answer = ben.post(address, {"based": pair[1], "d0": "first", "d1": "second", "d2": "second"})
    assert answer.headers["location"] == f"/reviews/{batch}"
    kept = {(box["kind"], *box["box"]) for box in shown(anna, first)[0]}
    assert kept == {("mel", 20, 10, 60, 40), ("hori", 100, 50, 110, 60), ("caf", 5, 70, 15, 80)}
    with house.clinic.database.reading() as db:
        rows = db.get_one(ReviewPhoto, first).reviews
        assert [row.made["boxes"] for row in rows[:2]] == [mine, theirs]  # both are still there
    assert ben.post(address, {"based": pair[1]}).status_code == 303  # settled already: the photograph is shown


def test_two_who_say_the_same_are_no_conflict(house: House) -> None:
    anna, ben = house.member(), house.person("annotator of practice")
    first, _ = items(house, taken_in(anna, house.study))
    boxes, based = shown(anna, first)
    for person, order in ((anna, boxes), (ben, boxes[::-1])):
        assert not sent(person, first, order, based).headers["location"].endswith("/conflict")
    assert state(house, first) is State.DONE
    boxes, based = shown(anna, first)
    assert not sent(anna, first, boxes[1:], based).headers["location"].endswith("/conflict")
    assert state(house, first) is State.DONE  # it replaces what both said
    assert len(shown(ben, first)[0]) == len(boxes) - 1


def test_a_wrong_box_is_refused_and_what_was_entered_stays(house: House) -> None:
    person = house.member()
    first, _ = items(house, taken_in(person, house.study))
    for change, says in (
        ({"kind": "wart"}, "none of the six"),
        ({"kind": ["mel"]}, "none of the six"),
        ({"box": [0, 0, 10**400, 50]}, "outside"),
        ({"box": [0, 0, 1, 50]}, "smaller than"),
        ({"box": [300, 0, 400, 50]}, "outside"),
        ({"box": ["a", 0, 1, 2]}, "outside"),
        ({"box": [0, 0, float("nan"), 2]}, "outside"),
        ({"source": 7}, "Load the page anew"),
        ({"kind": "mel", "box": [20, 10, 60, 40], "source": None}, "the same"),
    ):
        boxes, _ = shown(person, first)
        boxes[0] |= change
        answer = sent(person, first, boxes)
        assert answer.status_code == 422 and says in answer.text
        assert state(house, first) is State.OPEN
        assert json.dumps(boxes).replace('"', "&#34;") in answer.text


def test_photographs_are_named_as_they_are_or_by_their_address(house: House) -> None:
    tasks = [task("photos/a%20b.png"), task("a%2Bb #1.png"), task("photos/c%20d.png")]
    data = zipped(
        tasks, {"photos/a b.png": photograph(), "a%2Bb #1.png": photograph(9), "photos/c%20d.png": photograph(50)}
    )
    names = [one.name for one, _ in read_queue(data, house.clinic.settings)]
    assert names == ["photos/a b.png", "a%2Bb #1.png", "photos/c%20d.png"]


def test_a_queue_that_cannot_be_taken_is_refused_with_a_reason(house: House) -> None:
    person = house.member()
    for data, says in (
        (b"no zip", "no queue"),
        (zipped("{"), "no queue"),
        (zipped([]), "1 to 1000"),
        (zipped(TASKS, {"photos/a.png": photograph()}), "lacks 1 photographs"),
        (zipped([{"data": {}}]), "Task 1"),
        (zipped([task("a.png", entry("wart", 1, 1, 2, 2))]), "Task 1"),
        (zipped([task("a.png", entry("mel", 90, 1, 20, 2))]), "Task 1"),
        (zipped([task("a.png", entry("mel", 1, 1, 2, 2, score=3))]), "Task 1"),
        (zipped([task("a.png", entry("mel", 1, 1, 2, 2, score="0.5"))]), "lacks 1"),  # a number all the same
        (zipped([task("a.png", entry("mel", 10**400, 1, 2, 2))]), "Task 1"),
        (damaged(), "no queue"),
        (zipped([task("a.png")], {"a.png": b"text"}), "known format"),
    ):
        files = [("file", ("review.zip", io.BytesIO(data), "application/zip"))]
        answer = person.post("/reviews", {"study": house.study, "name": "x"}, files=files)
        assert answer.status_code == 422 and says in answer.text
    assert "No queues yet" in person.get("/reviews").text


def test_a_bomb_is_refused_before_it_is_unpacked(house: House) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(LIST, json.dumps([task("a.png")]))
        archive.writestr("a.png", bytes(60_000_000))
    with pytest.raises(Invalid, match="file_large"):
        list(read_queue(memory.getvalue(), house.clinic.settings))
    names = [f"{number}.png" for number in range(6)]  # each small enough, together more than a request may hold
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(LIST, json.dumps([task(name) for name in names]))
        for name in names:
            archive.writestr(name, photograph() + bytes(35_000_000))
    taken = iter(read_queue(memory.getvalue(), house.clinic.settings))
    with pytest.raises(Invalid, match="file_large"):
        next(taken)


def test_nobody_waits_while_photographs_are_written(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    database = house.clinic.database
    if not database.sqlite:
        pytest.skip("PostgreSQL has many writers")
    inner, free = house.clinic.store.inner, []
    put = type(inner).put

    def looked(self: Any, patient: str, name: str, data: bytes) -> None:
        with closing(sqlite3.connect(house.clinic.settings.data / "clinic.sqlite", timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
                free.append(True)
            except sqlite3.OperationalError:
                free.append(False)
        put(self, patient, name, data)

    monkeypatch.setattr(type(inner), "put", looked)
    taken_in(house.member(), house.study)
    assert free == [True, True]


def test_the_page_of_a_queue_asks_the_database_no_more_the_longer_it_is(house: House) -> None:
    person, asked = house.member(), []
    names = [f"{number}.png" for number in range(12)]
    long = zipped([task(name) for name in names], {name: photograph(at) for at, name in enumerate(names, 40)})
    batches = [taken_in(person, house.study), taken_in(person, house.study, long)]
    event.listen(house.clinic.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    counts = []
    for batch in batches:
        [first, *_] = items(house, batch)
        asked.clear()
        assert person.get(f"/review-photos/{first}").status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_a_photograph_of_another_size_is_said(house: House) -> None:
    person = house.member()
    data = zipped([task("a.png")], {"a.png": photograph(size=(90, 100))})
    [item] = items(house, taken_in(person, house.study, data))
    answer = person.get(f"/review-photos/{item}/display.jpg")
    assert answer.status_code == 422 and "another size" in answer.text


def test_a_deleted_queue_takes_its_files_along_and_a_start_keeps_those_of_others(house: House) -> None:
    person = house.person("administrator of practice")
    batch, other = taken_in(person, house.study), taken_in(person, house.study, name="Round 2")
    assert {batch, other} <= set(house.clinic.store.patients())
    assert person.post(f"/reviews/{batch}/delete").status_code == 303
    assert batch not in set(house.clinic.store.patients())
    assert person.get(f"/reviews/{batch}").status_code == 404
    from fastapi.testclient import TestClient

    folder = house.clinic.store.inner.root / other[:2] / other
    import os

    os.utime(folder, (0, 0))
    with TestClient(house.app):  # a start sweeps what belongs to nobody
        assert folder.is_dir()


def call(*arguments: object) -> str:
    found = CliRunner().invoke(app, ["lesions", "annotate", *map(str, arguments)])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_from_the_loop_to_the_clinic_and_back(house: House, tmp_path: Path) -> None:
    made = predictions(24, skill=0.9)
    # Names that mean something else in an address.
    named = (replace(one, photo=f"photos/50%25 #{k}+a.jpg") for k, one in enumerate(made.photos))
    made = replace(made, photos=tuple(named))
    data, folder = tmp_path / "data", tmp_path / "loop"
    (data / "photos").mkdir(parents=True)
    rows = []
    with CocoWriter(data / "annotations.coco.json") as coco:
        for number, one in enumerate(made.photos):
            Image.fromarray(np.full((640, 640, 3), 99, np.uint8)).save(data / one.photo)
            name = f"{number:04}"
            rows.append(Row(photo_id=name, patient=one.patient, file=one.photo, width=640, height=640))
            if one.part != "test":
                coco.add(CocoImage(one.photo, 640, 640, name), [])
    write_manifest(rows, data / "manifest.csv")
    write(made, tmp_path / "net/predictions.json")
    assert CliRunner().invoke(app, ["lesions", "annotate", "queue", str(folder), "x", "--with-photos"]).exit_code == 2
    call("queue", folder, tmp_path / "net", "--data", data, "--count", 4, "--with-photos")

    anna, ben = house.member(), house.person("annotator of practice")
    batch = taken_in(anna, house.study, (folder / "review.zip").read_bytes())
    waiting = items(house, batch)
    assert len(waiting) == 4
    before = {one.photo: one for one in loop.read_loop(folder / "loop.json").photos}
    expected: dict[str, list[str]] = {}
    for place, item in enumerate(waiting):
        boxes, based = shown(anna, item)
        with house.clinic.database.reading() as db:
            photo = db.get_one(ReviewPhoto, item)
            proposed, name = photo.proposed["boxes"], photo.name
        known = sorted((m.kind.value, m.chance, m.box) for m in before[name].boxes)
        for told, (kind, chance, corners) in zip(
            sorted((b["kind"], b["chance"], b["box"]) for b in proposed), known, strict=True
        ):
            assert told[:2] == (kind, chance) and told[2] == pytest.approx(corners, abs=1e-5)
        assert all(b["chance"] is not None for b in proposed) and photo.model == "net"
        if place == 1 and boxes:
            boxes[0]["box"][2] += 0.2 * (boxes[0]["box"][2] - boxes[0]["box"][0])  # corrected
            boxes[0]["box"][2] = min(640.0, boxes[0]["box"][2])
        if place == 2:
            boxes = [*boxes[1:], {"kind": "ota", "box": [2.0, 3.0, 40.5, 50.25], "source": None}]
        expected[name] = sorted(origin_of(box, proposed).value for box in boxes)
        sent(ben if place == 3 else anna, item, boxes, based)
    with house.clinic.database.reading() as db:
        people = {row.user.name: row.by for row in db.scalars(select(Review))}
    assert len(people) == 2
    for number, (name, user) in enumerate(sorted(people.items())):
        answer = anna.get(f"/reviews/{batch}/export.json?by={user}")
        (tmp_path / f"{number}.json").write_bytes(answer.content)
        call("merge", folder, tmp_path / f"{number}.json", "--person", name)
    after = {one.photo: one for one in loop.read_loop(folder / "loop.json").photos}
    for name, origins in expected.items():
        assert after[name].state == "reviewed"
        assert sorted(made.origin for made in after[name].boxes) == origins
    assert {made.person for name in expected for made in after[name].boxes} <= set(people)
    assert "4 reviewed" in call("status", folder)
