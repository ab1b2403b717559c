"""What probabilities become regions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from melascope.skin.places import SURE_SIDE, decide, sided
from melascope.vocabulary import SKIN, Region


@pytest.mark.parametrize(("cheek", "named"), [(SURE_SIDE + 0.05, True), (SURE_SIDE - 0.05, False)])
def test_a_cheek_of_uncertain_side_is_skin_of_uncertain_place(cheek: float, named: bool) -> None:
    maps = np.zeros((len(Region), 20, 20), np.float32)
    maps[Region.BACKGROUND, :, :5] = 1.0
    maps[Region.LEFT_MALAR, :, 5:15], maps[Region.RIGHT_MALAR, :, 5:15] = cheek, 1 - cheek
    maps[Region.NOSE, :, 15:] = SURE_SIDE - 0.05
    maps[Region.UPPER_LIP, :, 15:] = 1 - maps[Region.NOSE, :, 15:]
    codes, confidence = decide(maps, 20, 20)
    assert (codes[:, 5:15] == (Region.LEFT_MALAR if named else Region.OTHER_SKIN)).all()
    assert (Region.LEFT_MALAR in confidence) == named
    assert (codes[:, 15:] == Region.NOSE).all()
    assert (codes[:, :5] == Region.BACKGROUND).all()


def test_regions_are_decided_as_told_pixel_by_pixel() -> None:
    """Against the rule, written down slowly: skin by the sum of its places, its place by the most probable of them."""
    rng = np.random.default_rng(3)
    maps = rng.gamma(0.15, size=(len(Region), 15, 20)).astype(np.float32)
    maps /= maps.sum(axis=0)
    codes, confidence = decide(maps, 40, 30)
    large = np.stack([cv2.resize(one, (40, 30), interpolation=cv2.INTER_LINEAR) for one in maps])
    expected, chances = np.zeros((30, 40), int), np.zeros((30, 40))
    for y, x in np.ndindex(30, 40):
        chance = large[:, y, x]
        skin = sum(chance[region] for region in SKIN)
        place = max(SKIN, key=lambda region: chance[region])
        chances[y, x] = chance[place] / skin
        if skin > 0.5:
            expected[y, x] = place if chances[y, x] >= 0.5 else Region.OTHER_SKIN
        else:
            best = int(chance.argmax())
            expected[y, x] = Region.BACKGROUND if best in SKIN else best
    means = {region: chances[expected == region].mean() for region in SKIN if (expected == region).any()}
    for cheek in (Region.RIGHT_MALAR, Region.LEFT_MALAR):
        if means[cheek] < SURE_SIDE:
            expected[expected == cheek] = Region.OTHER_SKIN
            del means[cheek]
    assert len(np.unique(expected)) > 12
    assert (codes == expected).all()
    assert confidence == pytest.approx(means, abs=1e-6)


def drawn() -> np.ndarray:
    """Forehead above, the nose in the middle, lips below; both cheeks beside the nose."""
    codes = np.full((120, 120), Region.OTHER_SKIN, np.uint8)
    codes[:30], codes[40:80, 52:68], codes[90:100, 40:80] = Region.FOREHEAD, Region.NOSE, Region.LIPS
    codes[45:85, 5:45], codes[45:85, 75:115] = Region.RIGHT_MALAR, Region.LEFT_MALAR
    return codes


def test_a_patch_beyond_the_nose_belongs_to_the_other_cheek() -> None:
    codes = drawn()
    wrong = codes.copy()
    wrong[60:85, 75:115] = Region.RIGHT_MALAR
    assert (sided(codes) == codes).all()
    assert (sided(wrong) == codes).all()


def test_sides_are_left_alone_without_a_nose_or_upside_down() -> None:
    exchanged = drawn()[:, ::-1].copy()
    assert (sided(exchanged) == drawn()).all()
    for nose in (0, 8):
        little = exchanged.copy()
        little[40 + nose : 80] = np.where(
            little[40 + nose : 80] == Region.NOSE, Region.OTHER_SKIN, little[40 + nose : 80]
        )
        assert (sided(little) == little).all()
    upside_down = exchanged[::-1].copy()
    assert (sided(upside_down) == upside_down).all()
