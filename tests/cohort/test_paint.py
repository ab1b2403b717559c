"""Lesions grown on a photograph: where they lie, how dark they are, and that all else stays."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("mitsuba", reason="the extra `cohort` is not installed")

from melascope.cohort import paint
from melascope.cohort.chart import PX_MM, SIDE, face_chart
from melascope.cohort.growth import DENSITIES, LesionParameters, sample_lesion
from melascope.cohort.paint import PaintError, paint_canvases, paint_photo, to_chart
from melascope.photo.light import to_linear
from melascope.skin.regions import RegionMap
from melascope.vocabulary import FACIAL_SKIN, Lesion, Region, ToneBand, View

SCALE = 0.5


@pytest.fixture(scope="module")
def flat_face() -> RegionMap:
    """A photograph that is the chart itself at half its size: its place on the chart is known exactly."""
    chart = face_chart()
    size = round(SIDE * SCALE)
    codes = cv2.resize(chart.codes, (size, size), interpolation=cv2.INTER_NEAREST)
    pixels = np.full((size, size, 3), (200, 160, 140), np.uint8)
    return RegionMap(
        codes=np.asarray(codes, np.uint8),
        pixels=pixels,
        frame=(0, 0, size, size),
        view=View.FACE,
        confidence={},
        visible=frozenset(),
        faces=1,
        disease=np.zeros((size, size), np.float32),
        density=np.zeros((size, size), np.float32),
        kinds=np.zeros((7, 8, 8), np.float32),
        depth=np.zeros((8, 8), np.float32),
        outline=np.zeros((8, 8), np.uint8),
    )


def test_the_chart_is_found_where_it_is(flat_face: RegionMap) -> None:
    place = to_chart(flat_face, face_chart())
    assert place is not None
    ys, xs = np.nonzero(np.isin(flat_face.codes, FACIAL_SKIN))
    for axis, pixels in ((0, xs), (1, ys)):
        true = (pixels + 0.5) / SCALE / PX_MM - SIDE / PX_MM / 2
        assert np.abs(place[ys, xs, axis] - true).max() < 2.5  # mm


def test_pigment_darkens_as_much_as_it_says_and_nothing_else_changes(flat_face: RegionMap) -> None:
    lesion = sample_lesion(np.random.default_rng(4), Lesion.MELASMA, severity=0.6)
    painting = paint_photo(flat_face, [lesion], face_chart(), 30.0)
    assert painting is not None
    dark = painting.density > 0.05
    assert dark.sum() > 500
    red = to_linear(painting.pixels)[..., 0][dark] / to_linear(flat_face.pixels)[..., 0][dark]
    assert np.median(np.abs(-np.log10(red) - painting.density[dark])) < 0.01
    assert (painting.pixels[painting.density == 0] == flat_face.pixels[painting.density == 0]).all()
    assert not painting.density[~np.isin(flat_face.codes, FACIAL_SKIN)].any()
    assert (painting.kinds[dark] == 3).mean() > 0.9


def test_a_face_of_which_little_is_seen_is_left_out(flat_face: RegionMap) -> None:
    codes = np.where(np.isin(flat_face.codes, [Region.FOREHEAD, Region.NOSE]), flat_face.codes, np.uint8(0))
    hidden = RegionMap(**{**vars(flat_face), "codes": codes})
    assert to_chart(hidden, face_chart()) is None


@pytest.mark.parametrize("each", [1, 3, 4])
def test_all_kinds_come_about_equally_often_though_few_are_painted_on_each(each: int) -> None:
    kinds = tuple(Lesion)
    digests = [hashlib.sha256(bytes([number])).digest() for number in range(120)]
    turns = [[paint._kind(kinds, digest, index) for index in range(each)] for digest in digests]
    assert all(len(set(turn)) == each for turn in turns)
    counts = Counter(kind for turn in turns for kind in turn)
    assert set(counts) == set(kinds)
    assert max(counts.values()) < 1.5 * 120 * each / len(kinds)
    assert min(counts.values()) > 0.6 * 120 * each / len(kinds)
    assert {paint._kind(("ota",), digest, 2) for digest in digests} == {Lesion.NEVUS_OF_OTA}


def test_a_record_names_its_photograph_by_digest_and_no_file_name_stops_a_run(
    flat_face: RegionMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paint, "find_regions", lambda _: flat_face)
    monkeypatch.setattr(paint, "ProcessPoolExecutor", lambda jobs, **_: ThreadPoolExecutor(jobs))
    picture = cv2.imencode(".png", flat_face.pixels[..., ::-1])[1].tobytes()
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/faces \xe9"))
    try:
        folder.mkdir()
        (folder / os.fsdecode(b"Jane Roe \xe9.png")).write_bytes(picture)
    except OSError:
        pytest.skip("this file system takes no such name")
    asked: list[bool] = []
    lesions = paint._lesions

    def spied(*given: Any, any_density: bool) -> list[LesionParameters]:
        asked.append(any_density)
        return lesions(*given, any_density=any_density)

    monkeypatch.setattr(paint, "_lesions", spied)
    report = paint_canvases(folder, folder / "out", each=2, seed=7, kinds=tuple(Lesion), jobs=1, any_density=True)
    assert asked == [True, True]
    assert json.loads((folder / "out" / "dataset.json").read_text(encoding="utf-8"))["generator"]["any_density"] is True
    assert report.encode().startswith(b"2 paintings of 1 photographs")
    painted = []
    for record in sorted((folder / "out" / "records").iterdir()):
        text = record.read_text(encoding="utf-8")
        told = json.loads(text)
        assert told["canvas"] == hashlib.sha256(picture).hexdigest()
        assert "Jane" not in text
        painted += [lesion["kind"] for lesion in told["lesions"]]
    digest = hashlib.sha256(flat_face.pixels.tobytes()).digest()
    assert painted == [paint._kind(tuple(Lesion), digest, index) for index in (0, 1)]


def test_a_density_drawn_by_itself_does_not_go_with_the_extent() -> None:
    together = []
    for any_density in (False, True):
        rng = np.random.default_rng(7)
        drawn = [paint._lesions(rng, Lesion.MELASMA, ToneBand.LIGHT, any_density=any_density)[0] for _ in range(200)]
        together.append(np.corrcoef([one.severity for one in drawn], np.log([one.density for one in drawn]))[0, 1])
    assert together[0] > 0.8
    assert abs(together[1]) < 0.2
    low, high = DENSITIES
    assert low <= min(one.density for one in drawn) < 0.035
    assert 0.2 < max(one.density for one in drawn) <= high


def test_every_format_that_is_read_is_taken(tmp_path: Path) -> None:
    for name in ("a.heic", "b.jfif", "c.MPO", "notes.txt"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(PaintError, match="in the 3 photographs"):
        paint_canvases(tmp_path, tmp_path / "out", each=1, seed=0, kinds=(), jobs=1)


def test_folders_that_cannot_serve_are_told(tmp_path: Path) -> None:
    with pytest.raises(PaintError, match="holds no photograph"):
        paint_canvases(tmp_path, tmp_path / "out", each=1, seed=0, kinds=(), jobs=1)
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes())
    with pytest.raises(PaintError, match="'wart' is unknown"):
        paint_canvases(tmp_path, tmp_path / "out", each=1, seed=0, kinds=("wart",), jobs=1)
    with pytest.raises(PaintError, match="no whole, healthy face"):
        paint_canvases(tmp_path, tmp_path / "out", each=1, seed=0, kinds=(), jobs=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(PaintError, match="is not empty"):
        paint_canvases(tmp_path, tmp_path / "full", each=1, seed=0, kinds=(), jobs=1)
