import dataclasses
import json

import numpy as np
import pytest

from melascope.cohort.complexion import in_tone
from melascope.cohort.optics import melanin_for_ita, skin_colour
from melascope.cohort.places import places_of
from melascope.cohort.skin import SkinParameters, lay, sample_day, sample_skin
from melascope.photo.light import to_lab
from melascope.vocabulary import Region
from tests.cohort.oval import oval_chart

REGIONS = (Region.NOSE, Region.FOREHEAD, Region.LIPS, Region.CHIN)
TONES = ((58.0, "female", 25), (45.0, "male", 70), (-15.0, "female", 60), (-52.0, "male", 40))


def drawn(seed=1, *, age_years=40, sex="female", ita_deg=30.0, **changes):
    return dataclasses.replace(
        sample_skin(np.random.default_rng(seed), age_years=age_years, sex=sex, ita_deg=ita_deg), **changes
    )


def colour(maps, where):
    return np.median(
        skin_colour(maps.melanin[where][::5], maps.dermal[where][::5], maps.blood[where][::5], maps.oxygen), axis=0
    )


def ita_by_hand(rgb):
    """CIE 1976 lightness and b* of linear sRGB under D65, then atan2((L* - 50) / b*)."""
    matrix = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = matrix @ np.asarray(rgb, float) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return float(np.rad2deg(np.arctan2(116 * f[1] - 16 - 50, 200 * (f[1] - f[2]))))


def red_density(maps, region):
    """Optical density in green above that in red: how red a region is."""
    where = oval_chart().codes == region
    rgb = colour(maps, where)
    return float(np.log10(rgb[0] / rgb[1]))


@pytest.mark.parametrize(("ita_deg", "sex", "age_years"), TONES)
def test_cheeks_have_the_wished_tone_and_maps_are_physical(ita_deg, sex, age_years):
    chart = oval_chart()
    skin = drawn(3, age_years=age_years, sex=sex, ita_deg=ita_deg)
    maps = lay(skin, chart)
    assert ita_by_hand(colour(maps, places_of(chart).cheeks)) == pytest.approx(ita_deg, abs=2.0)
    for name in ("melanin", "blood", "dermal", "mole", "height_mm", "gloss"):
        values = getattr(maps, name)
        assert values.shape == chart.codes.shape and values.dtype == np.float32, name
        assert np.isfinite(values).all(), name
        assert name == "height_mm" or values.min() >= 0, name
    assert maps.melanin.min() >= 0.003 and maps.melanin.max() <= 0.45
    assert maps.blood.min() >= 0.002 and maps.blood.max() <= 0.12
    assert abs(maps.height_mm).max() < 3


@pytest.mark.parametrize("ita_deg", [50.0, -20.0])
def test_lips_are_redder_than_the_chin_and_the_nose_than_the_forehead(ita_deg):
    maps = lay(drawn(1, ita_deg=ita_deg, age_years=35), oval_chart())
    assert red_density(maps, Region.LIPS) > red_density(maps, Region.CHIN) + 0.01
    medians = {region: np.median(maps.blood[oval_chart().codes == region]) for region in REGIONS}
    assert medians[Region.NOSE] > 1.1 * medians[Region.FOREHEAD]
    assert medians[Region.LIPS] > 3 * medians[Region.CHIN]
    assert np.median(maps.blood[places_of(oval_chart()).cheeks]) > medians[Region.FOREHEAD]


def test_redness_reddens_nose_and_cheeks_and_leaves_the_jaw():
    chart = oval_chart()
    skin = drawn(5, ita_deg=50.0, redness=0.0, vessels=0, papules=0)
    plain, red = lay(skin, chart), lay(dataclasses.replace(skin, redness=1.0), chart)
    rise = red.blood / plain.blood
    assert np.median(rise[chart.codes == Region.NOSE]) > 1.5
    assert np.median(rise[chart.codes == Region.TEMPLE]) < 1.15


def test_the_same_parameters_give_the_same_bits_and_another_seed_does_not():
    skin = drawn(8, sex="female", foundation=0.4, lipstick=0.5)
    one, again = lay(skin, oval_chart()), lay(skin, oval_chart())
    other = lay(dataclasses.replace(skin, seed=skin.seed + 1), oval_chart())
    for field in ("melanin", "blood", "dermal", "mole", "height_mm", "gloss"):
        assert getattr(one, field).tobytes() == getattr(again, field).tobytes()
    assert one.makeup is not None and again.makeup is not None
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one.makeup, again.makeup, strict=True))
    assert one.look_alikes == again.look_alikes
    assert one.height_mm.tobytes() != other.height_mm.tobytes()


def test_one_feature_does_not_move_the_others():
    skin = drawn(9, sex="male", age_years=30, mole_diameters_mm=(2.0, 3.0), papules=0, vessels=0, beard_shadow=0.8)
    shaved = dataclasses.replace(skin, beard_shadow=0.0, stubble=0.0)
    one, other = lay(skin, oval_chart()), lay(shaved, oval_chart())
    assert one.look_alikes == other.look_alikes
    assert one.melanin.tobytes() == other.melanin.tobytes()


def test_maps_fade_to_the_base_at_the_border_of_the_chart():
    chart = oval_chart()
    maps = lay(drawn(4, ita_deg=0.0, mole_diameters_mm=(), papulosa_diameters_mm=()), chart)
    outside = ~chart.valid
    assert np.median(maps.melanin[outside]) == pytest.approx(maps.base[0], rel=0.25)
    assert np.median(maps.blood[outside]) == pytest.approx(maps.base[1], rel=0.05)


def test_parameters_survive_json():
    skin = drawn(2)
    read = json.loads(json.dumps(dataclasses.asdict(skin)))
    again = SkinParameters(**{k: tuple(v) if isinstance(v, list) else v for k, v in read.items()})
    assert again == skin


def test_only_men_have_beards_and_only_women_make_up():
    rng = np.random.default_rng(0)
    women = [sample_skin(rng, age_years=30, sex="female", ita_deg=40.0) for _ in range(60)]
    men = [sample_skin(rng, age_years=30, sex="male", ita_deg=40.0) for _ in range(60)]
    assert all(one.beard_shadow == 0 and one.stubble == 0 for one in women)
    assert np.mean([one.beard_shadow > 0.2 for one in men]) > 0.5
    worn = [max(one.foundation, one.blush, one.lipstick, one.eye_shadow, one.eye_liner) > 0 for one in women]
    assert 0.1 < np.mean(worn) < 0.6
    assert not any(max(one.foundation, one.blush, one.lipstick) for one in men)


def test_redness_and_papulosa_follow_tone_and_wrinkles_age():
    def many(age, ita):
        rng = np.random.default_rng(1)
        return [sample_skin(rng, age_years=age, sex="female", ita_deg=ita) for _ in range(150)]

    light, dark, young = many(60, 50.0), many(60, -45.0), many(22, 50.0)
    assert np.mean([s.redness for s in light]) > 1.5 * np.mean([s.redness for s in dark])
    assert sum(len(s.papulosa_diameters_mm) for s in light) == 0 < sum(len(s.papulosa_diameters_mm) for s in dark)
    assert np.mean([s.crows_feet for s in light]) > 4 * np.mean([s.crows_feet for s in young])
    assert np.mean([s.papules for s in young]) > 2 * np.mean([s.papules for s in light])


def test_another_day_keeps_the_person():
    skin = drawn(6, papules=4)
    later = sample_day(np.random.default_rng(2), skin)
    assert later.day != skin.day and later.seed == skin.seed
    assert later.mole_diameters_mm == skin.mole_diameters_mm and later.ita_deg == skin.ita_deg


@pytest.mark.parametrize(
    ("change", "word"), [({"sex": "x"}, "sex"), ({"age_years": 12}, "age_years"), ({"ita_deg": 80.0}, "ita_deg")]
)
def test_impossible_people_are_refused(change, word):
    with pytest.raises(ValueError, match=word):
        sample_skin(np.random.default_rng(0), **({"age_years": 40, "sex": "female", "ita_deg": 30.0} | change))


@pytest.mark.parametrize(("own", "other"), [(55.0, -45.0), (-45.0, 55.0), (30.0, 0.0)])
def test_in_another_tone_a_skin_is_as_those_of_that_tone_are(own: float, other: float) -> None:
    rng = np.random.default_rng(11)
    here = [sample_skin(rng, age_years=40, sex="female", ita_deg=own) for _ in range(500)]
    there = [sample_skin(rng, age_years=40, sex="female", ita_deg=other) for _ in range(500)]
    moved = [in_tone(one, other) for one in here]
    for name in ("unevenness", "mottling"):  # wrinkles stay, which unevenness goes with, too
        after, theirs = (np.array([getattr(one, name) for one in some]) for some in (moved, there))
        assert after.mean() == pytest.approx(theirs.mean(), rel=0.12)
    regions = ("forehead", "temple", "nose", "perioral", "periorbital", "neck", "crease", "lip")
    for name in (f"{region}_tone" for region in regions):
        before, after, theirs = (np.array([getattr(one, name) for one in some]) for some in (here, moved, there))
        assert after.mean() == pytest.approx(theirs.mean(), abs=4 * theirs.std() / np.sqrt(500) * np.sqrt(2))
        assert np.all(np.diff(after[np.argsort(before)]) >= 0)  # the darkest lids stay the darkest
    assert in_tone(here[0], own) == here[0]


def test_mottles_differ_alike_in_colour_from_light_to_dark_skin_and_less_on_very_light() -> None:
    differences = {}
    for tone in (58.5, 50.0, 35.0, 20.0, -5.0, -30.0, -50.0):
        skin = in_tone(drawn(3, ita_deg=30.0), tone)
        melanin = melanin_for_ita(tone, 0.009, 0.72) * np.exp([-skin.mottling, skin.mottling])
        low, high = to_lab(skin_colour(melanin, 0.0, 0.009, 0.72).astype(np.float64))
        differences[tone] = np.linalg.norm(high - low) / 2
    very_light = differences.pop(58.5)
    assert max(differences.values()) <= 1.45 * min(differences.values())
    assert 0.5 * max(differences.values()) < very_light < min(differences.values())
