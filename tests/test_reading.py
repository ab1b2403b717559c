"""What the severity network reads: as shown, as said, where it looked; and nothing where it knows nothing."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from melascope import analysis, networks, reading
from melascope.analysis import _reading, analyze
from melascope.cli.app import app
from melascope.lesions.pigment import map_pigment
from melascope.photo import Photo, read_photo
from melascope.photo.colour import _COLOUR_FROM_INKS
from melascope.reading import Angle, half_widths, read_severity, seen
from melascope.record import Masi
from melascope.skin.framing import face_box, framed_square
from melascope.skin.regions import RegionMap, find_regions
from melascope.vocabulary import MASI_REGIONS, Severity, View
from tests.networks.severity_file import BIAS, CARD, GRID, SIDE, VIEWS, by_hand, installation, put, severity_onnx

__all__ = ["installation"]

PHOTO = Path(str(files("melascope.cli"))) / "samples" / "dslr.jpg"


@pytest.fixture(scope="module")
def photo() -> Photo:
    return read_photo(PHOTO)


@pytest.fixture(scope="module")
def regions(photo: Photo) -> RegionMap:
    return find_regions(photo.pixels)


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def shown(pixels: NDArray[np.uint8], frame: str = "face") -> NDArray[np.uint8]:
    """(views, SIDE, SIDE, 3) as the laboratory shows photos to a network."""
    square = framed_square(pixels, SIDE, 0.1 if frame == "face" else None)
    return np.stack([seen(square, Angle(**view)) for view in VIEWS])


def test_without_a_network_nothing_is_read(installation: Path, photo: Photo, regions: RegionMap) -> None:
    assert not networks.ships("severity")
    assert read_severity(photo.pixels, regions) is None


def test_a_reading_is_the_mean_over_the_views(installation: Path, photo: Photo, regions: RegionMap) -> None:
    put(installation)
    found = read_severity(photo.pixels, regions)
    assert found is not None
    scores, maps = by_hand(shown(photo.pixels))
    chances = softmax(scores[:, :3]).mean(axis=0)
    masi = float(np.clip(16 + 8 * scores[:, 3], 0, 48).mean())
    assert found.probabilities == pytest.approx(chances.tolist(), abs=1e-5)
    assert found.severity is tuple(Severity)[int(chances.argmax())]
    assert found.masi == pytest.approx(masi, abs=1e-3)
    below, above = half_widths(CARD["interval"]["knots"], masi)
    assert found.masi_low == pytest.approx(max(0, masi - below), abs=1e-3)
    assert found.masi_high == pytest.approx(min(48, masi + above), abs=1e-3)
    read = int(chances.argmax())
    both = (maps[0] + maps[1, ..., ::-1]) / 2  # the photo and its mirror image: VIEWS[0] and VIEWS[1]
    assert found.relevance == pytest.approx(both[read] - both[:3].mean(axis=0), abs=1e-5)
    explained = float(found.relevance.sum()) + BIAS[read] - BIAS[:3].mean()
    said = scores[:2].mean(axis=0)
    assert explained == pytest.approx(said[read] - said[:3].mean(), abs=1e-4)
    assert found.virtual_only and networks.load("severity").sha256.startswith(found.network)


def test_the_square_is_where_the_network_looked(installation: Path, photo: Photo, regions: RegionMap) -> None:
    put(installation)
    found = read_severity(photo.pixels, regions)
    assert found is not None
    x0, y0, x1, y1 = found.square
    padded = cv2.copyMakeBorder(photo.pixels, 900, 900, 900, 900, cv2.BORDER_CONSTANT)
    again = cv2.resize(padded[900 + y0 : 900 + y1, 900 + x0 : 900 + x1], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(again, framed_square(photo.pixels, SIDE, 0.1))
    box = face_box(photo.pixels)
    assert box is not None and x0 < box[0] and box[2] < x1


def test_the_whole_photo_may_be_the_frame(installation: Path, photo: Photo, regions: RegionMap) -> None:
    put(installation, frame={"what": "whole", "margin": 0.0, "side": SIDE})
    found = read_severity(photo.pixels, regions)
    assert found is not None and found.square == (0, 0, photo.width, photo.height)
    scores, _ = by_hand(shown(photo.pixels, "whole"))
    assert found.probabilities == pytest.approx(softmax(scores[:, :3]).mean(axis=0).tolist(), abs=1e-5)


def test_probabilities_may_be_calibrated_and_the_masi_implied_outside_the_network(
    installation: Path, photo: Photo, regions: RegionMap
) -> None:
    middles = [5.0, 22.0, 38.0]
    put(installation, severity_onnx(masi=False, maps=False), temperature=0.5, masi_of_classes=middles)
    found = read_severity(photo.pixels, regions)
    assert found is not None and found.relevance is None
    raised = softmax(by_hand(shown(photo.pixels))[0][:, :3]).mean(axis=0) ** 0.5
    chances = raised / raised.sum()
    assert found.probabilities == pytest.approx(chances.tolist(), abs=1e-5)
    assert found.masi == pytest.approx(float(chances @ middles), abs=1e-4)
    assert found.relevance_on((0, 0, 10, 10), (5, 5)) is None


def test_findings_widen_the_interval(installation: Path, photo: Photo, regions: RegionMap) -> None:
    put(installation, interval={"knots": [{"at": 10.0, "below": 1.0, "above": 2.0}]})
    plain = read_severity(photo.pixels, regions)
    assert plain is not None and plain.masi > 2
    wide = plain.widened(1.5)
    assert plain.masi == wide.masi
    assert wide.masi - wide.masi_low == pytest.approx(1.5)
    assert wide.masi_high - wide.masi == pytest.approx(3.0)


def test_little_normal_skin_widens_both_instruments(
    installation: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(installation, interval={"knots": [{"at": 10.0, "below": 1.0, "above": 2.0}]})
    plain = analyze(photo)
    monkeypatch.setattr(analysis, "map_pigment", lambda regions: replace(map_pigment(regions), normal_share=0.0))
    wide = analyze(photo)
    found, before = ({f.code for f in one.quality.findings} for one in (wide, plain))
    # Wider intervals may have a value in common that narrower ones had not.
    assert found - {"readings_disagree"} == (before | {"little_normal_skin"}) - {"readings_disagree"}
    reads = plain.severity_reading, wide.severity_reading
    assert reads[0] is not None and reads[1] is not None
    assert reads[1].masi_high - reads[1].masi == pytest.approx(2 * (reads[0].masi_high - reads[0].masi))
    assert plain.regions is not None and wide.regions is not None
    assert wide.regions.forehead.involved_high > plain.regions.forehead.involved_high  # type: ignore[operator]


def test_a_guess_at_the_colours_widens_the_intervals(photo: Photo) -> None:
    guessed = replace(photo, notes=(_COLOUR_FROM_INKS,))
    plain, wide = analyze(photo), analyze(guessed)
    assert plain.masi is not None and wide.masi is not None and plain.skin_tone is not None and wide.skin_tone
    assert wide.masi.masi == plain.masi.masi
    assert wide.masi.masi_high > plain.masi.masi_high  # type: ignore[operator]
    assert wide.skin_tone.ita_high > plain.skin_tone.ita_high


@pytest.mark.parametrize(
    "change",
    [
        {"view": View.CLOSE_UP},
        {"view": View.NONE},
        {"faces": 2},
        {"visible": frozenset(MASI_REGIONS[:3])},
        {"codes": np.zeros((200, 200), np.uint8)},
    ],
    ids=["close-up", "no skin", "two faces", "a region missing", "no face"],
)
def test_what_the_network_does_not_know_is_not_read(
    installation: Path, photo: Photo, regions: RegionMap, change: dict[str, object]
) -> None:
    put(installation)
    assert read_severity(photo.pixels, replace(regions, **change)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(("yaw", "roll", "read"), [(24.0, 0.0, True), (-26.0, 0.0, False), (0.0, 31.0, False)])
def test_faces_turned_further_than_the_card_says_are_not_read(
    installation: Path,
    photo: Photo,
    regions: RegionMap,
    monkeypatch: pytest.MonkeyPatch,
    yaw: float,
    roll: float,
    read: bool,
) -> None:
    from melascope.photo.geometry import Face

    put(installation)
    monkeypatch.setattr(reading, "face_geometry", lambda _codes: Face(300.0, roll, yaw))
    assert (read_severity(photo.pixels, regions) is not None) is read


def test_relevance_lies_on_the_photo_where_it_belongs(installation: Path, photo: Photo, regions: RegionMap) -> None:
    put(installation)
    found = read_severity(photo.pixels, regions)
    assert found is not None and found.relevance is not None
    x0, y0, x1, y1 = found.square
    # A frame of exactly the square, one cell of the result for each cell of the grid: the map itself.
    same = found.relevance_on(found.square, (GRID, GRID))
    assert same == pytest.approx(found.relevance, abs=1e-6)
    # A frame that reaches a square further to the left: nothing is known there.
    wide = found.relevance_on((2 * x0 - x1, y0, x1, y1), (GRID, 2 * GRID))
    assert wide is not None and np.isnan(wide[:, :GRID]).all()
    assert wide[:, GRID:] == pytest.approx(found.relevance, abs=1e-6)


@pytest.mark.parametrize("missing", ["frame", "views", "interval", "knows", "temperature", "data"])
def test_a_card_that_lacks_something_is_a_damaged_installation(
    installation: Path, photo: Photo, regions: RegionMap, missing: str
) -> None:
    put(installation, **{missing: None})
    with pytest.raises(networks.NetworkError, match=r"its card cannot be read .*`melascope severity ship`"):
        read_severity(photo.pixels, regions)


def test_half_a_network_is_a_damaged_installation(installation: Path, photo: Photo, regions: RegionMap) -> None:
    put(installation)
    (installation / "severity.onnx").unlink()
    assert networks.ships("severity")
    with pytest.raises(networks.NetworkError, match="severity"):
        read_severity(photo.pixels, regions)


def test_a_damaged_installation_blames_no_photograph(installation: Path, tmp_path: Path) -> None:
    put(installation)
    (installation / "severity.onnx").write_bytes(b"other")
    result = CliRunner().invoke(app, ["analyze", str(PHOTO), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2 and not (tmp_path / "out").exists()
    assert result.stderr.startswith("Error: network 'severity': the file's SHA-256 is ")


def test_the_record_holds_the_reading_and_says_when_the_instruments_disagree(
    installation: Path, photo: Photo, regions: RegionMap
) -> None:
    put(installation, interval={"knots": [{"at": 10.0, "below": 0.1, "above": 0.1}]})
    found, expected = analyze(photo), read_severity(photo.pixels, regions)
    read, totals = found.severity_reading, found.masi
    assert read is not None and expected is not None and totals is not None and totals.masi is not None
    assert (read.mild, read.moderate, read.severe) == expected.probabilities
    assert (read.masi, read.masi_low, read.masi_high) == (expected.masi, expected.masi_low, expected.masi_high)
    assert found.arrays.relevance is not None and found.arrays.relevance.shape == found.arrays.melanin.shape
    assert found.versions["severity network"] == expected.network
    said = [finding for finding in found.quality.findings if finding.code == "readings_disagree"]
    assert read.disagrees is (read.masi_low > (totals.masi_high or 0) or read.masi_high < (totals.masi_low or 0))
    assert len(said) == int(read.disagrees)
    for finding in said:
        assert finding.effect == "note" and finding.advice.startswith("The two instruments disagree: the measured MASI")
        assert f"{totals.masi:.1f}" in finding.advice and f"{read.masi:.1f}" in finding.advice


@pytest.mark.parametrize(
    ("low", "high", "apart"), [(0.0, 9.9, True), (0.0, 10.0, False), (10.5, 11.0, False), (12.1, 20.0, True)]
)
def test_disagreement_is_two_intervals_without_a_common_value(
    installation: Path, photo: Photo, regions: RegionMap, low: float, high: float, apart: bool
) -> None:
    put(installation)
    found = read_severity(photo.pixels, regions)
    assert found is not None
    moved = replace(found, masi=(low + high) / 2, below=(high - low) / 2, above=(high - low) / 2)
    common = {"mmasi": 5.0, "severity": Severity.MILD, "complete": True, "missing": ()}
    assert _reading(moved, Masi(masi=11.0, masi_low=10.0, masi_high=12.0, **common)).disagrees is apart  # type: ignore[arg-type]
    absent = Masi(masi=None, mmasi=None, severity=None, complete=False, missing=("chin",))
    assert _reading(moved, absent).disagrees is None
