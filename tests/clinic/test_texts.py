"""The catalogue: both languages say the same things, and the pages ask for nothing that is not there."""

from __future__ import annotations

import re
import string
from importlib.resources import files

import pytest

from melascope.clinic.texts import LANGUAGES, texts
from tests.clinic.made import House


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_both_languages_have_the_same_sentences_with_the_same_values() -> None:
    english = texts("en").sentences
    for code in LANGUAGES:
        other = texts(code).sentences
        assert set(other) == set(english)
        assert {n for n in english if places(english[n]) != places(other[n])} == set()
    same = [name for name in english if english[name] == texts("zh").sentences[name]]
    assert len(same) <= 3, same


def test_what_templates_and_services_ask_for_is_there() -> None:
    room = files("melascope.clinic")
    wanted = set()
    for folder, pattern in (
        ("templates", r"\bt\([\"']([a-z_.-]+)[\"']"),
        ("", r"Invalid\(\"([a-z_.]+)\""),
        ("pages", r"Invalid\(\"([a-z_.]+)\""),
    ):
        for file in (room / folder if folder else room).iterdir():
            if file.name.endswith((".html", ".py")):
                wanted |= set(re.findall(pattern, file.read_text(encoding="utf-8")))
    assert len(wanted) > 150
    assert {name for name in wanted if not name.endswith(".")} - set(texts("en").sentences) == set()


@pytest.mark.parametrize("code", ["en", "zh"])
def test_every_page_can_be_read_in_both_languages(house: House, code: str) -> None:
    person, root = house.person("administrator of practice"), house.person("Root")
    for one in (person, root):
        assert one.post("/language", {"language": code, "next": "/account"}).headers["location"] == "/account"
    addresses = ["/patients", "/patients/new", "/account", "/audit", "/administration"]
    addresses += [f"/patients/{house.patient}{end}" for end in ("", "/edit", "/delete", "/compare")]
    addresses += [f"/visits/{house.visit}", f"/visits/{house.visit}/live", f"/photos/{house.photo}"]
    for address in addresses:
        page = person.get(address)
        assert page.status_code == 200
        assert f'<html lang="{code}">' in page.text
        assert texts(code)("disclaimer") in page.text
        assert page.text.count(texts(code)("disclaimer")) == 1
    assert root.get("/administration").status_code == 200
    assert person.post("/language", {"language": "xx"}).status_code == 404
