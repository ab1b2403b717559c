"""The arithmetic of the instrument's benchmark, held to slow and literal versions of the formulas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import tallies
from benchmarks.instrument import cohort_part, held_out
from benchmarks.instrument_tables import aims, density_name, even_table, gap, groups, kind_table
from benchmarks.photo_figures import (
    BINS,
    MISSED,
    NO_LESION,
    NO_NAME,
    Held,
    PhotoFigures,
    Pigment,
    Seen,
    count_pigment,
    count_regions,
    look_alikes,
    name_lesions,
)
from numpy.typing import NDArray

from melascope.lab.skin.faces import is_held_out
from melascope.record import LesionRecord
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, SKIN, Lesion, Region, ToneBand


def pictures(seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float32]]:
    """Random codes, lesions, calls and probabilities of 40 by 50 pixels."""
    rng = np.random.default_rng(seed)
    codes = rng.choice([int(r) for r in Region], (40, 50)).astype(np.uint8)
    lesion = np.zeros((40, 50), bool)
    lesion[5:15, 8:20] = True
    called = rng.random((40, 50)) < 0.3
    probability = np.clip(0.5 * lesion + rng.random((40, 50)) * 0.6, 0, 1).astype(np.float32)
    return codes, lesion, called, probability


def photo(name: str = "a", *, seed: int = 0, **what: object) -> PhotoFigures:
    codes, lesion, called, probability = pictures(seed)
    overlaps, swapped = count_regions(codes, np.roll(codes, 1, axis=1))
    pigment = count_pigment(codes, lesion, called, probability)
    seen = Seen(pigment, overlaps, swapped, {"forehead": (0.2, 0.3), "chin": (0.5, None)}, (), ())
    whole = PhotoFigures(photo=name, head=name, band="tan", device="dslr", view="frontal", kinds=("mel",), seen=seen)
    return replace(whole, **what)  # type: ignore[arg-type]


def with_called(name: str, called: int, *, true: int = 0, both: int = 0, **what: object) -> PhotoFigures:
    pigment = Pigment(1000, true, called, both, 1000, called, 0, np.zeros((2, BINS), np.int64))
    return photo(name, seen=Seen(pigment, {}, 0, {}, (), ()), **what)


def test_pixels_are_counted_on_truly_bare_facial_skin() -> None:
    codes, lesion, called, probability = pictures()
    found = count_pigment(codes, lesion, called, probability)
    skin = true = both = calls = off = 0
    for y in range(40):
        for x in range(50):
            here = codes[y, x] in [int(r) for r in FACIAL_SKIN]
            skin += here
            true += here and lesion[y, x]
            calls += here and called[y, x]
            both += here and lesion[y, x] and called[y, x]
            off += called[y, x] and codes[y, x] not in [int(r) for r in SKIN]
    assert (found.skin, found.true, found.called, found.both, found.off) == (skin, true, calls, both, off)
    assert found.histogram.sum() == skin and found.histogram[1].sum() == true
    assert found.away_called <= found.away < skin - true


def test_overlap_is_pooled_over_photographs() -> None:
    photos = [photo("a", seed=1), photo("b", seed=2)]
    values = tallies.iou(photos)
    for region in MASI_REGIONS:
        both = either = 0
        for seed in (1, 2):
            true = pictures(seed)[0]
            found = np.roll(true, 1, axis=1)
            code = int(region)
            for t, f in zip(true.ravel().tolist(), found.ravel().tolist(), strict=True):
                both += t == code and f == code
                either += t == code or f == code
        assert values[region.key] == pytest.approx(both / either)
    assert tallies.mean_iou(photos) == pytest.approx(sum(values.values()) / 4)


def test_exchanged_cheeks_are_noticed() -> None:
    codes = np.zeros((40, 60), np.uint8)
    codes[:, :30], codes[:, 30:] = Region.RIGHT_MALAR, Region.LEFT_MALAR
    assert count_regions(codes, codes)[1] == 0
    assert count_regions(codes, np.ascontiguousarray(codes[:, ::-1]))[1] == 2


def test_dice_is_that_of_the_definition() -> None:
    photos = [with_called("a", 200, true=100, both=60), with_called("b", 10, true=40, both=10)]
    assert tallies.dice(photos) == pytest.approx(2 * 70 / (140 + 210))
    assert tallies.dice_by_photo(photos) == pytest.approx((120 / 300 + 20 / 50) / 2)


def test_average_precision_and_best_dice_go_through_every_threshold() -> None:
    codes, lesion, called, probability = pictures(3)
    counts = count_pigment(codes, lesion, called, probability).histogram
    skin = np.isin(codes, FACIAL_SKIN)
    steps, truth = np.floor(probability[skin] * BINS).clip(0, BINS - 1), lesion[skin]
    total, recall, area, best = truth.sum(), 0.0, 0.0, 0.0
    for threshold in sorted(set(steps.tolist()), reverse=True):
        above = steps >= threshold
        hits = (above & truth).sum()
        area += (hits / total - recall) * (hits / above.sum())
        recall = hits / total
        best = max(best, 2 * hits / (above.sum() + total))
    assert tallies.average_precision(counts) == pytest.approx(area)
    assert tallies.best_dice(counts) == pytest.approx(best)
    assert np.isnan(tallies.average_precision(np.array([[3, 4], [0, 0]])))


def test_what_a_probability_is_worth_counts_pixels_by_band() -> None:
    counts = np.zeros((2, 10), np.int64)
    counts[0, 1], counts[1, 1] = 90, 10  # 0.1 to 0.2: one in ten
    counts[1, 9] = 100
    low, middle, high = tallies.reliability(counts, (0, 0.2, 0.5, 1))
    assert low == pytest.approx((0.5, 0.15, 0.1)) and high == pytest.approx((0.5, 0.95, 1.0))
    assert middle[0] == 0 and np.isnan(middle[1:]).all()


def test_errors_of_shares_leave_out_and_count_what_was_not_measured() -> None:
    found = tallies.shares([photo("a"), photo("b")])
    assert (found.regions, found.missing) == (2, 2)
    assert found.absolute == pytest.approx(0.1) and found.bias == pytest.approx(0.1)
    assert tallies.shares([photo("a")], "chin").regions == 0


def test_false_alarms_look_at_photographs_without_a_lesion() -> None:
    photos = [with_called("a", 50), with_called("b", 51), with_called("c", 900, true=500), photo("d", seen=None)]
    found = tallies.alarms(photos)
    assert (found.photos, found.within) == (2, 0.5)
    assert found.mean == pytest.approx(0.0505) and found.worst == pytest.approx(0.051)


def test_cover_counts_what_lies_in_its_interval() -> None:
    held = (
        Held("MASI", "", 1.0, 2.0, 1.0, True),
        Held("MASI", "", 1.0, 2.0, 2.1, True),
        Held("MASI", "", 0.0, 1.0, 0.0, False),
        Held("darkness", "chin", 0.0, 1.0, 9.0, True),
    )
    base = photo()
    assert base.seen
    photos = [replace(base, seen=replace(base.seen, held=held))]
    assert tallies.cover(photos, "MASI") == (3, pytest.approx(2 / 3), pytest.approx(1.0))
    assert tallies.cover(photos, "MASI", pigmented=True)[:2] == (2, 0.5)
    assert tallies.cover(photos, "homogeneity")[0] == 0


def test_intervals_draw_whole_heads() -> None:
    same = [with_called(f"{head}{n}", 10 * head, head=f"h{head}") for head in range(6) for n in range(3)]
    low, high = tallies.by_heads(same, lambda p: tallies.alarms(p).mean, draws=100)
    wide = high - low
    apart = [replace(p, head=p.photo) for p in same]
    low, high = tallies.by_heads(apart, lambda p: tallies.alarms(p).mean, draws=100)
    assert wide > 1.3 * (high - low)
    assert np.isnan(tallies.by_heads(same[:3], tallies.dice)[0])


def test_the_gap_is_between_the_best_and_the_worst_band_with_enough_photographs() -> None:
    photos = [
        with_called(f"{band}{i}", called, band=band.value)
        for band, called, n in ((ToneBand.LIGHT, 10, 5), (ToneBand.DARK, 90, 5), (ToneBand.TAN, 500, 2))
        for i in range(n)
    ]
    assert gap(photos, lambda p: tallies.alarms(p).mean) == pytest.approx(0.08)
    names = [name for name, _ in groups(photos)]
    assert names == ["all", "light", "tan", "dark"]


def test_densities_have_names() -> None:
    assert density_name(0.0299).startswith("barely")
    assert density_name(0.03).startswith("slight")
    assert density_name(0.5).startswith("maximum")


def record(kind: Lesion | None, box: tuple[int, int, int, int]) -> LesionRecord:
    return LesionRecord(
        kind=kind, box=box, score=0.9, area_px=1, contrast=0.1, edge_sharpness=0.5, blueness=0.0, region="forehead"
    )


def test_lesions_are_named_by_the_outline_that_covers_most_of_them() -> None:
    kinds = np.zeros((60, 80), np.uint8)
    instances = np.zeros((60, 80), np.uint16)
    called = np.zeros((60, 80), bool)
    places = {1: (5, 5, 15, 15, 3), 2: (30, 5, 40, 15, 1), 3: (60, 5, 70, 15, 2), 4: (5, 40, 7, 42, 2)}
    for number, (x0, y0, x1, y1, code) in places.items():
        instances[y0:y1, x0:x1], kinds[y0:y1, x0:x1] = number, code
    called[4:16, 4:16] = True  # on the melasma, named rightly
    called[5:12, 30:40] = True  # on the lentigo, without a name
    called[5:7, 60:70] = True  # on a fifth of the freckle: too little
    called[40:50, 40:50] = True  # on nothing
    records = (
        record(Lesion.MELASMA, (4, 4, 16, 16)),
        record(None, (30, 5, 40, 12)),
        record(Lesion.NEVUS_OF_OTA, (40, 40, 50, 50)),
    )
    found = name_lesions(kinds, instances, called, records)
    assert sorted(found) == sorted([("mel", "mel"), ("sl", NO_NAME), ("fre", MISSED), (NO_LESION, "ota")])
    nothing = name_lesions(kinds, instances, np.zeros_like(called), ())
    assert [name for _, name in nothing] == [MISSED] * 3


def test_what_looks_alike_is_told_from_the_parameters() -> None:
    skin = {
        "mole_diameters_mm": [2.5],
        "papulosa_diameters_mm": [],
        "papules": 1,
        "marks": 1,
        "redness": 0.1,
        "beard_shadow": 0.5,
        "periorbital_tone": 0.0,
        "perioral_tone": 0.0,
        "eye_shadows": 0.0,
        "foundation": 0.0,
        "blush": 0.0,
    }
    cast = {"hair": {"beard": "none"}, "worn": {"frame": "none", "cover": "none"}}
    assert look_alikes({"visit": {"skin": skin}, "cast": cast}) == ("moles", "shaved beard")
    assert look_alikes({"truth": {}}) == ()


def test_the_page_is_written_of_few_photographs_too() -> None:
    sparse = [
        photo("a"),
        photo("b", view="close-up", band="dark"),
        photo("c", seen=None),
        with_called("d", 3, kinds=()),
    ]
    text = cohort_part([*sparse[:3], replace(sparse[3], healthy=True, look_alikes=("moles",))])
    assert "4 photographs, 4 heads, 3 of whole faces and 1 close-ups; 1 were refused" in text
    assert "| with moles | 1 | 0.3 % | 100.0 % | 0.3 % |" in text
    assert "nan" not in text
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1


def test_an_aim_is_reached_or_not() -> None:
    right, wrong = (with_called(name, 100, true=100, both=both) for name, both in (("a", 100), ("b", 0)))
    row = "| pigment: Dice, pooled | {} |  | {} | >= 0.80 | {} |"
    assert row.format("1.000", 1, "yes") in aims([right], rendered=True)
    assert row.format("0.500", 2, "no") in aims([right, wrong], rendered=True)


def test_kinds_are_tabled_with_and_without_names() -> None:
    base = photo()
    assert base.seen
    nameless = replace(base, seen=replace(base.seen, names=(("mel", NO_NAME), ("mel", MISSED))))
    assert "gives no names" in kind_table([nameless])
    named = replace(base, seen=replace(base.seen, names=(("mel", "mel"), ("mel", "ota"), (NO_LESION, "sl"))))
    text = kind_table([named])
    assert "| mel | 2 |  |  | 1 |  | 1 |  |  |  |" in text and "right for 0.50 of 2" in text


def test_canvases_of_the_training_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "canvases"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.jpg").touch()
    (folder / "about.txt").touch()
    chosen = held_out(folder)
    assert [p for p in sorted(folder.glob("*.jpg")) if is_held_out(f"canvases-{p.stem}")] == chosen
    assert 0 < len(chosen) < 30


def test_tone_bands_are_compared_at_equal_densities() -> None:
    """Light skin has a faint lesion beside a dark one, tan skin two faint ones and a dark one; each Dice is known."""
    dice = {("light", 0.05): 0.4, ("light", 0.15): 0.9, ("tan", 0.05): 0.5, ("tan", 0.15): 0.8}
    photos = []
    for (band, density), value in dice.items():
        for n in range(2 if (band, density) == ("tan", 0.05) else 1):
            both = round(100 * value)
            photos.append(with_called(f"{band}{n}", 100, true=100, both=both, band=band, density=density))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in even_table(photos).splitlines()]
    assert rows[0] == ["", "slight, 0.03 to 0.08", "marked, 0.14 to 0.22", "at equal densities"]
    told = {row[0]: row[1:] for row in rows[2:]}
    assert told["light"] == ["0.40 (1)", "0.90 (1)", f"{(3 * 0.4 + 2 * 0.9) / 5:.3f}"]
    assert told["tan"] == ["0.50 (2)", "0.80 (1)", f"{(3 * 0.5 + 2 * 0.8) / 5:.3f}"]
    assert told["best band less worst"][-1] == f"{abs((3 * 0.4 + 2 * 0.9) - (3 * 0.5 + 2 * 0.8)) / 5:.3f}"


def test_a_density_that_a_band_lacks_is_left_out_of_the_comparison() -> None:
    photos = [
        with_called("a", 100, true=100, both=90, band="light", density=0.15),
        with_called("b", 100, true=100, both=40, band="tan", density=0.05),
        with_called("c", 100, true=100, both=80, band="tan", density=0.15),
    ]
    lines = even_table(photos).splitlines()
    assert lines[0] == "|  | slight, 0.03 to 0.08 * | marked, 0.14 to 0.22 | at equal densities |"
    told = {line.split("|")[1].strip(): line.split("|")[-2].strip() for line in lines[2:]}
    assert told == {"all": "0.850", "light": "0.900", "tan": "0.800", "best band less worst": "0.100"}
    assert even_table(photos[1:]).splitlines()[-1].endswith("|  |")  # one band alone differs from none
    assert even_table([]) == even_table(photos[:2]) == "No density that every tone band has."
