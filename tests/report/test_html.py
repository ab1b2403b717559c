"""The HTML report: what stands in it for each kind of photograph, and that it is safe and self-contained."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from melascope.record import Analysis
from melascope.report import words as sentences
from melascope.report.html import html
from melascope.vocabulary import DISCLAIMER, MOST_LESIONS
from tests.report.synthetic import CASES, measured, refused

SECTIONS = {
    "complete": {"overlay", "regions", "tone", "patches", "remarks", "maps", "method", "glossary", "versions"},
    "refused": {"remarks", "versions"},
}
SECTIONS |= {case: SECTIONS["complete"] | {"reading"} for case in ("read", "apart")}
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Reader(HTMLParser):
    """Checks that tags match and collects text, sections and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "title"}:
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.text))


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: html(analysis) for name, analysis in CASES.items()}


@pytest.mark.parametrize("case", CASES)
def test_page_is_whole_accessible_and_asks_nobody(pages: dict[str, str], case: str) -> None:
    page = pages[case]
    reader = read(page)
    assert len(page) < 3_000_000
    assert ("html", {"lang": "en"}) in reader.tags
    sections = {attributes["id"] for tag, attributes in reader.tags if tag == "section"}
    assert sections == SECTIONS.get(case, SECTIONS["complete"])
    for tag, attributes in reader.tags:
        assert tag not in {"script", "link", "iframe", "object"}
        if tag == "img":
            assert attributes["alt"]
            assert str(attributes["src"]).startswith("data:image/jpeg;base64,")
        if tag == "th":
            assert attributes["scope"] in {"col", "row"}
    assert not re.search(r"https?://|url\(|@import", page)
    assert sum(tag == "h1" for tag, _ in reader.tags) == 1
    assert reader.words.count(DISCLAIMER) == 1


@pytest.mark.parametrize(
    ("case", "said", "unsaid"),
    [
        (
            "complete",
            [
                "Whole face, usable",
                "MASI 10.8 (90 % interval 9.1 to 12.9): mild.",
                "mMASI 4.7",
                "Monk tone 3",
                "Points",
            ],
            ["No MASI", "Not scored"],
        ),
        (
            "unsure",
            ["unsure: melasma, none of the six, nevus of Ota or Hori's nevus", "rules no skin cancer out"],
            ["None bears a name"],
        ),
        (
            "incomplete",
            ["usable with reservations", "No MASI: left malar could not be scored.", "Strong shading, left malar"],
            ["mMASI 4", "Points"],
        ),
        ("close_up", ["Close-up, usable", "No MASI: a close-up shows only part of a face.", "Right malar"], ["Chin 0"]),
        (
            "refused",
            ["Nothing was measured: blurred.", "Hold the camera still", "measured 0.021, limit 0.06"],
            ["Regions", "Monk", "How it was measured"],
        ),
        ("grey", ["No skin tone was measured", "Grey scale"], ["Monk tone 3"]),
        ("clear", ["MASI 0.0", "No patch stands out"], ["Contrast OD"]),
        ("named", ["Kind", "melasma"], ["does not name"]),
        (
            "read",
            [
                "Read by the severity network: moderate",
                "It reads a MASI of 13.0 (90 % interval 9.0 to 18.0), which agrees with the measured one, 10.8",
                "Mild12 %",
                "Moderate63 %",
                "Severe25 %",
                "trained on virtual patients only",
                "Relevance: what each place adds",
            ],
            ["disagree"],
        ),
        (
            "apart",
            ["lies in this band. The two instruments disagree: see the face.", "has no value in common with it"],
            ["agrees with", "Readings disagree"],
        ),
    ],
)
def test_each_kind_of_photograph_says_its_own(
    pages: dict[str, str], case: str, said: list[str], unsaid: list[str]
) -> None:
    words = read(pages[case]).words
    for text in said:
        assert text in words
    for text in unsaid:
        assert text not in words


def test_lesion_table_stops_at_twelve_and_counts_the_rest(pages: dict[str, str]) -> None:
    page = pages["complete"]
    assert len(re.findall(r'<th scope="row">\d+</th>', page)) == 12
    assert "3 smaller patches not listed." in page
    assert "Share of region" not in page  # a patch may reach into several regions


def test_a_list_of_patches_that_was_cut_is_not_told_to_be_whole() -> None:
    patch = CASES["complete"].lesions[0]
    whole, cut = (
        CASES["complete"].model_copy(update={"lesions": (patch,) * number})
        for number in (MOST_LESIONS - 1, MOST_LESIONS)
    )
    arrays = CASES["complete"].arrays
    assert "187 smaller patches not listed." in html(whole) and "or more" not in html(whole.with_arrays(arrays))
    page = html(cut.with_arrays(arrays))
    assert "188 or more smaller patches not listed." in page and "200 or more patches of excess pigment" in page
    assert f"; {MOST_LESIONS} at most" in " ".join(Analysis.schema()["properties"]["lesions"]["description"].split())


def test_a_photograph_that_was_not_decoded_has_no_size() -> None:
    assert "could not be decoded" in read(html(refused(width=0, height=0))).words


def test_without_a_severity_network_a_page_does_not_speak_of_one(pages: dict[str, str]) -> None:
    for case in set(CASES) - {"read", "apart"}:
        words = read(pages[case]).words.lower()
        assert "severity network" not in words and "relevance" not in words


def test_both_instruments_stand_on_one_scale(pages: dict[str, str]) -> None:
    section = pages["apart"].split('id="reading"')[1].split("</section>")[0]
    places = [float(x) for x in re.findall(r'class="value" style="left:([\d.]+)%"', section)]
    totals, reading = CASES["apart"].masi, CASES["apart"].severity_reading
    assert totals is not None and reading is not None and totals.masi is not None
    assert places == pytest.approx([totals.masi / 0.48, reading.masi / 0.48], abs=0.01)
    bars = [float(x) for x in re.findall(r'<i style="width:([\d.]+)%">', section)]
    assert bars == [12.0, 63.0, 25.0]
    assert sentences.READING_WHAT in section
    assert "rater" not in section.replace(sentences.reading_caution(reading), "")


@pytest.mark.parametrize("name", ["<script>alert(1)</script>.jpg", '"><img src=x onerror=alert(1)>.jpg', "a&b<i>.jpg"])
def test_file_name_is_text(name: str) -> None:
    for analysis in (refused(name), measured(name, width=60, height=80)):
        page = html(analysis)
        reader = read(page)
        assert name in reader.words
        assert all("onerror" not in attributes for _, attributes in reader.tags)
        assert all(tag not in {"script", "i"} or tag == "i" for tag, _ in reader.tags)


def test_glossary_explains_every_abbreviation_that_is_used(pages: dict[str, str]) -> None:
    for case in ("complete", "incomplete", "close_up", "grey"):
        page = pages[case]
        before, glossary = page.split('id="glossary"')
        terms = " ".join(re.findall(r"<dt>(.*?)</dt>", glossary))
        text = read(before[: before.rindex("<section")].replace("<main>", "").replace("<body>", "") + "</html>").words
        for word in ("MASI", "mMASI", "ITA", "OD", "Monk", "Fitzpatrick", "90 % interval"):
            if re.search(rf"\b{re.escape(word)}", text):
                assert word in terms, (case, word)


def test_record_without_arrays_gives_a_page_without_pictures() -> None:
    stored = type(CASES["complete"]).model_validate_json(CASES["complete"].to_json())
    reader = read(html(stored))
    assert all(tag != "img" for tag, _ in reader.tags)
    assert "MASI 10.8" in reader.words
