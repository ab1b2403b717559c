"""A frame at a glance: the built-in virtual patients before a camera, well and badly placed and lit."""

from __future__ import annotations

import numpy as np
import pytest

from melascope.analysis import analyze
from melascope.live import CODES, Glance, glance, glance_at
from melascope.photo import Photo
from melascope.skin.regions import find_regions
from melascope.vocabulary import Severity
from tests.camera import jpeg, sample, spoilt

SPOILT = (
    "far",
    "near",
    "off_centre",
    "face_turned",
    "head_tilted",
    "under_exposed",
    "over_exposed",
    "strong_shading",
    "colour_cast",
    "blurred",
    "region_missing",
    "dark",
    "no_skin",
)


def seen(name: str) -> Glance:
    return glance_at(jpeg(spoilt(name)), 1080)


@pytest.mark.parametrize("name", ["dslr", "telephone"])
def test_a_good_frame_is_good_and_its_masi_is_near_that_of_the_whole_analysis(name: str) -> None:
    found = glance_at(jpeg(sample(name)), 1080)
    assert found.good and found.hints == ()
    assert found.face is not None and found.face[0] < 0.5 < found.face[2]
    whole = analyze(sample(name, 768)).masi
    assert whole is not None and whole.masi is not None and found.masi is not None
    assert found.masi == pytest.approx(whole.masi, abs=3.4)  # what re-photographing alone would explain
    assert found.severity is whole.severity


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_wrong_with_a_frame_is_said(what: str) -> None:
    found = seen(what)
    codes = [hint.code for hint in found.hints]
    assert what in codes, codes
    assert not found.good
    assert set(codes) <= set(CODES)
    if what not in ("near", "off_centre"):
        assert found.masi is None
    if what not in ("far", "near", "off_centre"):
        hint = next(hint for hint in found.hints if hint.code == what)
        assert hint.advice  # the sentence of the quality findings


def test_a_face_that_the_camera_resolves_is_not_called_small_for_the_frame_s_sake() -> None:
    frame = jpeg(spoilt("far"))
    assert "too_small_face" in [hint.code for hint in glance_at(frame, 384).hints]
    assert "too_small_face" not in [hint.code for hint in glance_at(frame, 1080).hints]


def test_a_close_up_asks_for_the_whole_face() -> None:
    assert glance_at(jpeg(sample("close-up")), 1080).hints[0].code == "no_face"


def test_what_cannot_be_read_is_said_and_not_raised() -> None:
    assert [hint.code for hint in glance_at(b"\xff\xd8\xff nothing", 1080).hints] == ["unreadable"]
    grey = np.repeat(sample("dslr").mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert glance(Photo.from_array(grey)).hints[0].code == "grey_scale"
    with pytest.raises(ValueError, match="side = 0"):
        glance(Photo.from_array(sample("dslr")), 0)


def test_a_glance_has_the_band_of_its_masi() -> None:
    assert Glance((), masi=33.0).severity is Severity.SEVERE
    assert Glance(()).severity is None


@pytest.mark.parametrize("looks", [0, 4])
def test_a_number_of_looks_that_there_is_not_is_refused(looks: int) -> None:
    with pytest.raises(ValueError, match=f"looks = {looks}"):
        find_regions(sample("dslr"), looks=looks)


def test_fewer_looks_run_the_network_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    from melascope import networks

    network, views = networks.load("skin"), []

    def counted(batch: np.ndarray) -> np.ndarray:
        views.append(len(batch))
        return network(batch)

    monkeypatch.setattr(networks, "load", lambda _name: counted)
    find_regions(sample("telephone"), looks=1, quarters=False, mirrored=False)
    assert views == [1]
    views.clear()
    find_regions(sample("telephone"))
    assert set(views[:-1]) == {2}  # the whole, and the face if it is small in it
    assert views[-1] == 8  # four quarters
