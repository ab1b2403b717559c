"""What must not change when only the file changes: mirroring, compression, size, rotation by tag."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from melascope.analysis import analyze
from melascope.record import Analysis
from melascope.vocabulary import Region, ToneBand
from tests.photo.samples import encode
from tests.whole.faces import ASTRONAUT, held_out_faces, melasma

FACES = [pytest.param(ASTRONAUT, id="astronaut"), *(pytest.param(p, id=p.stem) for p in held_out_faces()[:8])]


def total(analysis: Analysis) -> float:
    assert analysis.masi is not None and analysis.masi.masi is not None, analysis.quality
    return analysis.masi.masi


@pytest.fixture(scope="module", params=FACES)
def face(request: pytest.FixtureRequest) -> tuple[NDArray[np.uint8], Analysis]:
    """A face that may be painted carries melasma, so that there is something to keep."""
    if request.param is ASTRONAUT:
        from skimage import data

        pixels = np.asarray(data.astronaut(), np.uint8)
    else:
        pixels = melasma(np.asarray(Image.open(request.param).convert("RGB"), np.uint8), seed=1)
    analysis = analyze(pixels)
    if analysis.masi is None or not analysis.masi.complete:
        pytest.skip("not a complete face")
    return pixels, analysis


def test_a_mirrored_photograph_exchanges_right_and_left(face: tuple[NDArray[np.uint8], Analysis]) -> None:
    pixels, before = face
    after = analyze(np.ascontiguousarray(pixels[:, ::-1]))
    assert total(after) == pytest.approx(total(before), rel=0.05, abs=0.05)
    assert before.regions and after.regions
    for one, other in (("right_malar", "left_malar"), ("left_malar", "right_malar"), ("forehead", "forehead")):
        here, there = getattr(before.regions, one), getattr(after.regions, other)
        assert there.skin_px == pytest.approx(here.skin_px, rel=0.04)
        assert there.involved_fraction == pytest.approx(here.involved_fraction, abs=0.03)
    codes, mirrored = before.arrays.region_codes, after.arrays.region_codes[:, ::-1]
    right = codes == Region.RIGHT_MALAR
    assert (mirrored[right] == Region.LEFT_MALAR).mean() > 0.9


@pytest.mark.parametrize("tag", [2, 3, 6, 8])
def test_a_photograph_rotated_by_its_tag_gives_the_same_numbers(
    face: tuple[NDArray[np.uint8], Analysis], tag: int
) -> None:
    pixels, before = face
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = tag
    after = analyze(encode(Image.fromarray(pixels).transpose(undo[tag]), "PNG", exif=exif))
    assert total(after) == pytest.approx(total(before), abs=1e-6)


def saved_again(pixels: NDArray[np.uint8], change: str) -> bytes:
    if change == "jpeg80":
        return encode(pixels, "JPEG", quality=80)
    image = Image.fromarray(pixels)
    return encode(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS), "PNG")


def changes(pixels: NDArray[np.uint8], change: str) -> tuple[float, float] | None:
    """How far MASI and ITA move; None if either photograph gives no total (a half-size face may be too small)."""
    before, after = analyze(pixels), analyze(saved_again(pixels, change))
    if any(a.masi is None or not a.masi.complete or a.skin_tone is None for a in (before, after)):
        return None
    assert before.skin_tone and after.skin_tone
    return abs(total(after) - total(before)), abs(after.skin_tone.ita_deg - before.skin_tone.ita_deg)


@pytest.mark.parametrize("change", ["jpeg80", "half"])
def test_the_astronaut_saved_again_gives_the_same_numbers(change: str) -> None:
    from skimage import data

    pixels = np.asarray(Image.fromarray(data.astronaut()).resize((1024, 1024), Image.Resampling.LANCZOS), np.uint8)
    moved = changes(pixels, change)
    assert moved is not None
    assert moved[0] < 0.5
    assert moved[1] < 2.0


@pytest.mark.skipif(not held_out_faces(), reason="../shared/data/synthetic-faces is absent")
@pytest.mark.parametrize("change", ["jpeg80", "half"])
def test_faces_saved_again_give_nearly_the_same_numbers(change: str) -> None:
    """0.5 of MASI and 2 degrees for every one of these; docs/measurement.md, section 9, has all held-out portraits."""
    pictures = [np.asarray(Image.open(path).convert("RGB"), np.uint8) for path in held_out_faces()[:10]]
    healthy = [moved for pixels in pictures if (moved := changes(pixels, change))]
    painted = [moved for pixels in pictures if (moved := changes(melasma(pixels, seed=1), change))]
    assert len(healthy) >= 4 and len(painted) >= 4
    assert np.median([masi for masi, _ in healthy]) < 0.1
    assert max(masi for masi, _ in healthy + painted) < 0.5
    assert max(ita for _, ita in healthy + painted) < 2.0
    assert np.median([masi for masi, _ in painted]) < 0.35


def test_the_astronaut_is_complete_light_and_clear() -> None:
    from skimage import data

    pixels = data.astronaut()
    analysis = analyze(pixels)
    assert analysis.masi is not None and analysis.masi.complete
    assert total(analysis) < 3
    assert analysis.skin_tone is not None
    assert analysis.skin_tone.band in (ToneBand.LIGHT, ToneBand.VERY_LIGHT)
    codes = analysis.arrays.region_codes
    right, left = (np.nonzero(codes == region)[1].mean() for region in (Region.RIGHT_MALAR, Region.LEFT_MALAR))
    nose = np.nonzero(codes == Region.NOSE)[1].mean()
    assert right < nose < left  # the patient's right is on the image's left
