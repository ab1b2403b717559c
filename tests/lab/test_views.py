"""Views of a drawn face: replayable, and their truth goes wherever the pixels go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from melascope.lab.skin.faces import TruePigment
from melascope.lab.skin.paint import NOTHING, Paint
from melascope.lab.skin.teacher import IGNORE, SOME_SKIN
from melascope.lab.skin.views import LOOK_ALIKE, SIZE, View, ViewParameters, mirror_labels, render, sample
from melascope.vocabulary import SKIN, Region
from tests.lab.drawn import drawn_face

PLAIN = ViewParameters(
    centre=(150.0, 160.0),
    side=260.0,
    rotation_deg=0.0,
    stretch=1.0,
    shear=0.0,
    mirrored=False,
    tone=0.0,
    paint=NOTHING,
    spectral=True,
    look_alikes=True,
    gains=(1.0, 1.0, 1.0),
    gamma=1.0,
    exposure=1.0,
    shade=(0.0, 0.0),
    grey=False,
    background=0,
    covering=0,
    coarse=1.0,
    blur=0.0,
    noise=0.0,
    jpeg=0,
    seed=5,
)
PATCHES = Paint("patches", 0.2, 0.0, 0.4, 0.2, 0.05, (0.5, 0.5, 1.0), 9)


def same(one: View, other: View) -> bool:
    fields = ("pixels", "labels", "cover", "density", "kinds", "depth")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in fields)


def change(one: View, other: View) -> np.ndarray:
    return np.abs(one.pixels.astype(int) - other.pixels).max(axis=2)


def test_mirrored_labels_exchange_right_and_left() -> None:
    labels = np.array([[Region.RIGHT_MALAR, Region.LEFT_MALAR, Region.CHIN, SOME_SKIN, IGNORE]], np.uint8)
    expected = [[IGNORE, SOME_SKIN, Region.CHIN, Region.RIGHT_MALAR, Region.LEFT_MALAR]]
    before = labels.copy()
    assert mirror_labels(labels).tolist() == expected
    assert (labels == before).all()


def test_mirroring_twice_gives_the_labels_back() -> None:
    labels = np.random.default_rng(0).choice([*Region, SOME_SKIN, IGNORE], (40, 50)).astype(np.uint8)
    assert (mirror_labels(mirror_labels(labels)) == labels).all()
    assert (mirror_labels(labels) != labels).any()


def test_a_view_can_be_replayed() -> None:
    face = drawn_face()
    pixels, labels = face.pixels.copy(), face.labels.copy()
    rng = np.random.default_rng(4)
    for _ in range(40):
        drawn = sample(face, rng)
        view = render(face, drawn)
        assert same(view, render(face, drawn))
        assert view.pixels.shape == (SIZE, SIZE, 3) == (224, 224, 3)
        assert view.labels.shape == view.cover.shape == view.density.shape == (SIZE, SIZE)
        assert (view.pixels.dtype, view.labels.dtype) == (np.uint8, np.uint8)
        assert (view.cover.dtype, view.density.dtype) == (np.float32, np.float32)
        assert set(np.unique(view.labels)) <= {*Region, SOME_SKIN, IGNORE}
        assert 0 <= view.cover.min() <= view.cover.max() <= 1
        assert not view.density[~np.isin(view.labels, (*SKIN, Region.COVERING))].any()
    assert (face.pixels == pixels).all()
    assert (face.labels == labels).all()


def test_the_same_generator_draws_the_same_views() -> None:
    face = drawn_face()
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    assert [sample(face, one) for _ in range(5)] == [sample(face, other) for _ in range(5)]


@pytest.mark.parametrize("rotation", [0.0, 50.0, -80.0])
@pytest.mark.parametrize("side", [90.0, 500.0])
def test_a_view_shows_its_centre(rotation: float, side: float) -> None:
    face = drawn_face()
    for region in (Region.FOREHEAD, Region.RIGHT_MALAR, Region.LEFT_MALAR, Region.CHIN):
        rows, columns = np.nonzero(face.labels == region)
        centre = (float(np.median(columns)), float(np.median(rows)))
        view = render(face, replace(PLAIN, centre=centre, side=side, rotation_deg=rotation))
        assert view.labels[SIZE // 2, SIZE // 2] == region


def test_a_mirrored_view_is_the_mirror_image() -> None:
    face = drawn_face()
    one = render(face, replace(PLAIN, paint=PATCHES, rotation_deg=20.0))
    other = render(face, replace(PLAIN, paint=PATCHES, rotation_deg=20.0, mirrored=True))
    assert (other.pixels == one.pixels[:, ::-1]).all()
    assert (other.labels == mirror_labels(one.labels)).all()
    assert (other.cover == one.cover[:, ::-1]).all()
    assert (other.density == one.density[:, ::-1]).all()
    assert (other.kinds == one.kinds[:, ::-1]).all()


@pytest.mark.parametrize("covering", range(1, 7))
@pytest.mark.parametrize("seed", range(4))
def test_what_is_covered_is_labelled_so(covering: int, seed: int) -> None:
    face = drawn_face()
    bare = render(face, replace(PLAIN, paint=PATCHES, seed=seed))
    view = render(face, replace(PLAIN, paint=PATCHES, seed=seed, covering=covering))
    covered = view.labels == Region.COVERING
    assert covered.any()
    assert not change(view, bare)[~covered].any()
    assert (view.labels[~covered] == bare.labels[~covered]).all()
    assert not view.cover[covered].any()
    assert not view.density[covered].any()
    assert (view.cover[~covered] == bare.cover[~covered]).all()


def test_hair_over_the_face_is_labelled_hair() -> None:
    face = drawn_face()
    changed = 0
    for seed in range(8):
        bare = render(face, replace(PLAIN, seed=seed))
        view = render(face, replace(PLAIN, seed=seed, covering=7))
        relabelled = view.labels != bare.labels
        assert set(np.unique(view.labels[relabelled])) <= {Region.HAIR, IGNORE}
        changed += int(relabelled.sum())
    assert changed > 100


@pytest.mark.parametrize(("mirrored", "spectral"), [(False, True), (True, True), (False, False)])
@pytest.mark.parametrize("pattern", ["patches", "reticulate", "diffuse", "spots", "field"])
def test_the_truth_lies_where_the_pixels_change(pattern: str, mirrored: bool, spectral: bool) -> None:
    face = drawn_face()
    healthy = replace(PLAIN, mirrored=mirrored, spectral=spectral, look_alikes=False)
    before = render(face, healthy)
    after = render(face, replace(healthy, paint=replace(PATCHES, pattern=pattern)))
    assert (after.cover > 0.5).sum() > 50
    assert not after.cover[~np.isin(after.labels, SKIN)].any()
    assert not before.cover.any()
    assert not before.density.any()
    darkening = before.pixels.astype(int) - after.pixels
    assert not darkening[after.cover == 0].any()
    assert (darkening[after.density > 0.03].min(axis=1) > 0).all()
    # Blue loses most and red least, and more where the density is higher.
    strong = after.density > 0.08
    assert (darkening[strong][:, 2] > darkening[strong][:, 0]).all()
    assert np.corrcoef(after.density[after.cover > 0], darkening[after.cover > 0][:, 1])[0, 1] > 0.95


def test_nothing_is_ever_painted_on_people_who_have_not_agreed() -> None:
    face, rng = drawn_face(paintable=False), np.random.default_rng(2)
    for number in range(200):
        drawn = sample(face, rng)
        assert (drawn.paint, drawn.tone, drawn.covering) == (NOTHING, 0.0, 0)
        if number % 10 == 0:
            view = render(face, drawn)
            assert not view.cover.any()
            assert not view.density.any()
            assert Region.COVERING not in view.labels


def test_a_virtual_patients_own_pigment_goes_where_the_pixels_go() -> None:
    face = drawn_face()
    kinds = np.zeros(face.labels.shape, np.uint8)
    kinds[170:190, 95:125] = 3
    density = (kinds > 0).astype(np.uint16) * np.uint16(1500)
    pigment = TruePigment(kinds, density, (0.0, 0.0, 0.0, 0.7, 0.0, 0.0, 0.0))
    virtual = replace(face, pigment=pigment, face_px=160.0)
    for change in ({}, {"mirrored": True}, {"rotation_deg": 70.0}, {"side": 900.0}, {"side": 120.0}):
        view = render(virtual, replace(PLAIN, centre=(115.0, 180.0), **change))
        where = view.kinds == 3
        middle = view.kinds[SIZE // 2, SIZE // 2 - 4 : SIZE // 2 + 4]
        assert (middle == 3).any(), change
        scale = SIZE / replace(PLAIN, **change).side
        assert where.sum() == pytest.approx(600 * scale**2, rel=0.25, abs=15)
        assert (view.depth[where & (view.cover > 0.5)] == np.float32(0.7)).all()
        assert np.median(view.density[where]) == pytest.approx(0.15, abs=0.03)
        assert not view.cover[~np.isin(view.labels, SKIN)].any()
    painted = [sample(virtual, np.random.default_rng(n)) for n in range(100)]
    assert 0.05 < np.mean([view.paint.pattern != "none" for view in painted]) < 0.5
    assert all(view.tone == 0 for view in painted)


def test_others_are_painted_tinted_and_covered() -> None:
    face, rng = drawn_face(), np.random.default_rng(2)
    views = [sample(face, rng) for _ in range(200)]
    assert 0.6 < np.mean([view.paint.pattern != "none" for view in views]) < 0.9
    assert 0.3 < np.mean([view.tone != 0 for view in views]) < 0.7
    assert {view.covering for view in views} == set(range(8))


def test_look_alikes_are_left_out_where_they_are_not_wished() -> None:
    face = drawn_face()
    with_them, without = (
        [render(face, sample(face, np.random.default_rng(seed), look_alikes=wished)) for seed in range(25)]
        for wished in (True, False)
    )
    assert any((view.kinds == LOOK_ALIKE).any() for view in with_them)
    assert not any((view.kinds == LOOK_ALIKE).any() for view in without)
