import dataclasses
from functools import cache

import numpy as np
import pytest

from melascope.cohort.complexion import sample_skin
from melascope.cohort.places import places_of
from melascope.cohort.relief import lines_net, pits, relief
from melascope.vocabulary import Region
from tests.cohort.oval import oval_chart

WRINKLES = (
    "forehead_lines",
    "frown_lines",
    "crows_feet",
    "under_eye_lines",
    "nasolabial_folds",
    "mouth_folds",
    "lip_lines",
    "cheek_lines",
)
CODES = oval_chart().codes


def skin_of(**changes):
    skin = sample_skin(np.random.default_rng(4), age_years=45, sex="female", ita_deg=40.0)
    return dataclasses.replace(skin, **changes)


def relief_of(**changes):
    return relief(skin_of(**changes), places_of(oval_chart()))


@cache
def smooth(**changes):
    return relief_of(**(dict.fromkeys(WRINKLES, 0.0) | changes))


def test_wrinkles_grow_with_age():
    depths = []
    for age in (20, 40, 60, 80):
        skin = sample_skin(np.random.default_rng(7), age_years=age, sex="male", ita_deg=45.0)
        crease = relief(skin, places_of(oval_chart())).crease
        depths.append(float(np.quantile(crease[CODES == Region.FOREHEAD], 0.97)))
    assert np.all(np.diff(depths) > 0), depths


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("forehead_lines", Region.FOREHEAD),
        ("crows_feet", Region.TEMPLE),
        ("under_eye_lines", Region.PERIORBITAL),
        ("lip_lines", Region.UPPER_LIP),
        ("cheek_lines", Region.LEFT_MALAR),
    ],
)
def test_each_wrinkle_lies_where_its_name_says(name, region):
    plain, lined = smooth(), smooth(**{name: 1.0})
    depth = np.maximum(plain.height_mm - lined.height_mm, 0)
    inside = [float(depth[one == CODES].sum()) for one in Region]
    assert depth.max() > 0.04
    # Under-eye lines run on below the lid's region; the others lie mostly in theirs.
    assert inside[region] > 0.2 * sum(inside)


def test_wrinkles_are_grooves_and_leave_the_skin_around_level():
    plain, lined = smooth(), smooth(forehead_lines=1.0)
    change = lined.height_mm - plain.height_mm
    groove = lined.crease > 0.5
    assert change[groove].mean() < -0.05
    assert abs(change[CODES == Region.FOREHEAD].mean()) < 0.02


def test_pores_are_pits_and_largest_on_the_nose():
    none, large = smooth(pores=0.0), smooth(pores=1.0)
    nose, temple = CODES == Region.NOSE, CODES == Region.TEMPLE
    assert none.pore.max() == 0
    assert large.pore[nose].mean() > 2 * large.pore[temple].mean()
    assert (large.height_mm - none.height_mm)[large.pore > 0.5].mean() < -0.02


def test_pores_are_as_many_and_as_wide_as_in_skin():
    tile = pits()
    peak = (tile[1:-1, 1:-1] > 0.25).copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dy or dx:
                peak &= tile[1:-1, 1:-1] >= tile[1 + dy : tile.shape[0] - 1 + dy, 1 + dx : tile.shape[1] - 1 + dx]
    per_mm2 = peak.sum() / (256 * 256)
    assert 0.4 < per_mm2 < 1.5
    assert 0.02 < (tile > 0.5).mean() < 0.2


def test_the_net_of_lines_is_normed_and_made_once():
    net = lines_net()
    assert abs(float(net.mean())) < 0.05 and float(net.std()) == pytest.approx(1.0, abs=0.01)
    assert lines_net() is net


def test_people_do_not_share_their_pores():
    one, other = smooth(pores=1.0), smooth(pores=1.0, seed=99)
    nose = CODES == Region.NOSE
    assert abs(np.corrcoef(one.pore[nose], other.pore[nose])[0, 1]) < 0.2
