import dataclasses
from functools import cache

import numpy as np
import pytest

from melascope.cohort.complexion import sample_skin
from melascope.cohort.optics import skin_colour
from melascope.cohort.places import places_of
from melascope.cohort.skin import lay
from melascope.cohort.tone import beard_zone
from melascope.vocabulary import FACIAL_SKIN, Region
from tests.cohort.oval import oval_chart

CODES = oval_chart().codes
NOTHING = {
    "mole_diameters_mm": (),
    "papulosa_diameters_mm": (),
    "papules": 0,
    "marks": 0,
    "scars": 0,
    "vessels": 0,
    "beard_shadow": 0.0,
    "stubble": 0.0,
    "foundation": 0.0,
    "blush": 0.0,
    "lipstick": 0.0,
    "eye_shadow": 0.0,
    "eye_liner": 0.0,
}


@cache
def laid(ita_deg=40.0, sex="female", **changes):
    skin = sample_skin(np.random.default_rng(11), age_years=35, sex=sex, ita_deg=ita_deg)
    return lay(dataclasses.replace(skin, **(NOTHING | changes)), oval_chart())


def at(field, x_mm, y_mm):
    return float(field[int((y_mm + 128) * 4), int((x_mm + 128) * 4)])


def ring(field, x_mm, y_mm, radius_mm):
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.array([at(field, x_mm + radius_mm * np.cos(a), y_mm + radius_mm * np.sin(a)) for a in angles])


def test_skin_without_anything_has_no_look_alikes():
    maps = laid()
    assert maps.look_alikes == () and maps.makeup is None
    assert maps.mole.max() == 0


def test_moles_are_dark_where_the_list_says_and_as_wide():
    sizes = (0.8, 1.5, 2.5, 4.0, 6.0)
    maps = laid(mole_diameters_mm=sizes)
    assert [name for name, *_ in maps.look_alikes] == ["mole"] * len(sizes)
    for (_, x, y, radius), size in zip(maps.look_alikes, sizes, strict=True):
        assert 2 * radius == pytest.approx(size)
        middle = at(maps.mole, x, y)
        assert middle > 0.03
        assert np.median(ring(maps.mole, x, y, 0.5 * radius)) > 0.5 * middle
        assert np.median(ring(maps.mole, x, y, 1.5 * radius + 0.5)) < 0.1 * middle
        assert CODES[int((y + 128) * 4), int((x + 128) * 4)] in FACIAL_SKIN


def test_spots_do_not_lie_on_one_another():
    maps = laid(ita_deg=-40.0, mole_diameters_mm=(3.0,) * 10, papulosa_diameters_mm=(1.5,) * 20, papules=10)
    spots = np.array([spot[1:] for spot in maps.look_alikes])
    assert len(spots) > 30
    apart = np.hypot(*(spots[:, None, :2] - spots[None, :, :2]).transpose(2, 0, 1))
    touch = spots[:, None, 2] + spots[None, :, 2]
    assert (apart > touch)[~np.eye(len(spots), dtype=bool)].all()


def test_papules_are_red_and_raised():
    plain, maps = laid(), laid(papules=12)
    assert {name for name, *_ in maps.look_alikes} == {"papule"}
    for _, x, y, radius in maps.look_alikes:
        assert np.median(ring(maps.blood / plain.blood, x, y, 0.6 * radius)) > 1.2
        assert at(maps.height_mm - plain.height_mm, x, y) > 0.05


def test_marks_are_red_in_light_skin_and_brown_in_dark_skin():
    light, dark = laid(55.0, marks=8), laid(-30.0, marks=8)
    plain_light, plain_dark = laid(55.0), laid(-30.0)
    red = [at(light.blood / plain_light.blood, x, y) for _, x, y, _ in light.look_alikes]
    less = [at(dark.blood / plain_dark.blood, x, y) for _, x, y, _ in dark.look_alikes]
    assert min(red) > 1.1 and np.mean(red) > np.mean(less)
    assert np.mean([at(dark.mole, x, y) for _, x, y, _ in dark.look_alikes]) > 0.015
    assert max(at(light.mole, x, y) for _, x, y, _ in light.look_alikes) < 0.01


def test_scars_are_dents_and_vessels_thin_red_lines():
    plain, maps = laid(), laid(scars=6, vessels=10)
    scars = [spot for spot in maps.look_alikes if spot[0] == "scar"]
    vessels = [spot for spot in maps.look_alikes if spot[0] == "vessel"]
    assert len(scars) == 6 and len(vessels) == 10
    assert all(at(maps.height_mm - plain.height_mm, x, y) < -0.03 for _, x, y, _ in scars)
    rise = maps.blood - plain.blood
    for _, x, y, radius in vessels:
        rows, columns = (slice(int((v - radius + 128) * 4), int((v + radius + 128) * 4) + 1) for v in (y, x))
        assert rise[rows, columns].max() > 0.003
    assert (rise > 0.003).mean() < 0.003


def test_a_shaved_beard_is_grey_below_and_absent_above():
    plain, shaved = laid(sex="male"), laid(sex="male", beard_shadow=1.0)
    zone = oval_chart().codes == Region.CHIN
    above = (oval_chart().codes == Region.FOREHEAD) | (oval_chart().codes == Region.LIPS)
    assert np.median(shaved.dermal[zone]) > np.median(plain.dermal[zone]) + 0.001
    assert (shaved.dermal - plain.dermal)[CODES == Region.FOREHEAD].max() < 1e-5
    assert np.median((shaved.dermal - plain.dermal)[above]) < 1e-4
    before, after = (
        np.median(skin_colour(m.melanin[zone], m.dermal[zone], m.blood[zone], m.oxygen), axis=0)
        for m in (plain, shaved)
    )
    # Darker, and bluer: blue loses the smallest share.
    assert (after < before).all()
    assert after[2] / before[2] > after[0] / before[0]
    covered = beard_zone(places_of(oval_chart()))
    assert covered.min() >= 0 and covered.max() <= 1


def test_make_up_is_a_film_of_skin_colour_with_red_lips():
    maps = laid(foundation=0.6, lipstick=0.8, lipstick_rgb=(0.3, 0.03, 0.05), blush=0.2, eye_liner=0.8, eye_shadow=0.4)
    assert maps.makeup is not None
    opacity, colour = maps.makeup
    assert opacity.shape == CODES.shape and colour.shape == (*CODES.shape, 3)
    assert opacity.min() >= 0 and opacity.max() <= 1
    assert colour.min() >= 0 and colour.max() <= 1
    cheek = places_of(oval_chart()).cheeks
    assert np.median(opacity[cheek]) == pytest.approx(0.6, abs=0.12)
    skin = np.median(skin_colour(maps.melanin[cheek], maps.dermal[cheek], maps.blood[cheek], maps.oxygen), axis=0)
    assert np.abs(np.log(np.median(colour[cheek], axis=0) / skin)).max() < 0.35
    lips = np.median(colour[CODES == Region.LIPS], axis=0)
    assert lips == pytest.approx([0.3, 0.03, 0.05], abs=0.02)
    assert np.median(opacity[CODES == Region.LIPS]) > 0.7
    assert opacity[~oval_chart().valid].max() < 0.2


def test_lipstick_alone_leaves_the_skin_bare():
    maps = laid(lipstick=0.7)
    assert maps.makeup is not None
    assert np.median(maps.makeup[0][CODES == Region.LIPS]) > 0.6
    assert maps.makeup[0][CODES == Region.FOREHEAD].max() < 1e-3
