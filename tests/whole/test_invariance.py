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

FACES = [pytest.param(ASTRONAUT, id="astronaut"), *(pytest.param(p, id=p.stem) for p in held_out_faces()[:12])]


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


@pytest.mark.parametrize("change", ["jpeg80", "half", *(f"exif{tag}" for tag in (2, 3, 6, 8))])
def test_the_same_photograph_in_another_file_gives_the_same_numbers(
    face: tuple[NDArray[np.uint8], Analysis], change: str
) -> None:
    pixels, before = face
    image = Image.fromarray(pixels)
    if change == "jpeg80":
        photo = encode(pixels, "JPEG", quality=80)
    elif change == "half":
        photo = encode(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS), "PNG")
    else:
        undo = {
            2: Image.Transpose.FLIP_LEFT_RIGHT,
            3: Image.Transpose.ROTATE_180,
            6: Image.Transpose.ROTATE_90,
            8: Image.Transpose.ROTATE_270,
        }
        tag = int(change[-1])
        exif = Image.Exif()
        exif[0x0112] = tag
        stored = image.transpose(undo[tag])
        photo = encode(stored, "PNG", exif=exif)
    after = analyze(photo)
    if after.masi is None or not after.masi.complete:
        assert change == "half"  # a small face may become too small, and says so
        assert after.quality.findings
        return
    assert total(after) == pytest.approx(total(before), abs=0.5)
    assert before.skin_tone and after.skin_tone
    assert after.skin_tone.ita_deg == pytest.approx(before.skin_tone.ita_deg, abs=2.0)


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
