"""Smooth random fields."""

import numpy as np
import pytest
from numpy.typing import NDArray

from melascope.cohort.noise import mirrored, noise, ridges, rise, scattered, threshold, warped


def _correlation_at(field: NDArray[np.float32], lag: int) -> float:
    return float(np.mean(field[:, lag:] * field[:, :-lag]))


@pytest.mark.parametrize("octaves", [1, 3])
def test_noise_has_mean_zero_and_unit_spread(octaves: int) -> None:
    field = noise((120, 90), 7.0, np.random.default_rng(3), octaves=octaves)

    assert field.shape == (120, 90) and field.dtype == np.float32
    assert abs(float(field.mean())) < 1e-4
    assert float(field.std()) == pytest.approx(1.0, abs=1e-3)


def test_noise_is_smooth_within_a_cell_and_forgets_beyond_it() -> None:
    field = noise((300, 300), 20.0, np.random.default_rng(4))

    assert _correlation_at(field, 2) > 0.9
    assert abs(_correlation_at(field, 80)) < 0.25


def test_further_octaves_add_detail() -> None:
    smooth = noise((200, 200), 20.0, np.random.default_rng(4))
    rich = noise((200, 200), 20.0, np.random.default_rng(4), octaves=4, gain=0.7)

    assert np.abs(np.diff(rich)).mean() > 2 * np.abs(np.diff(smooth)).mean()


@pytest.mark.parametrize("cell", [0.5, 1.0, 6.0])
def test_the_same_seed_gives_the_same_noise_to_the_bit(cell: float) -> None:
    first, second = (noise((64, 80), cell, np.random.default_rng(9), octaves=2) for _ in range(2))

    assert np.array_equal(first, second)
    assert not np.array_equal(first, noise((64, 80), cell, np.random.default_rng(10), octaves=2))


@pytest.mark.parametrize("share", [0.05, 0.4, 0.95])
def test_the_share_above_the_threshold_is_the_wished_one(share: float) -> None:
    field = noise((150, 150), 9.0, np.random.default_rng(1))
    where = np.zeros_like(field, bool)
    where[20:130, 10:100] = True

    assert (field[where] > threshold(field, where, share)).mean() == pytest.approx(share, abs=0.002)


def test_no_share_and_nowhere_give_a_threshold_above_everything() -> None:
    field = noise((40, 40), 5.0, np.random.default_rng(1))

    assert not (field > threshold(field, np.ones_like(field, bool), 0.0)).any()
    assert not (field > threshold(field, np.zeros_like(field, bool), 0.5)).any()


def test_ridges_are_thin_where_the_noise_changes_sign() -> None:
    net = ridges((200, 200), 12.0, np.random.default_rng(2))

    assert float(net.mean()) == pytest.approx(0.0, abs=1e-3)
    assert float(net.std()) == pytest.approx(1.0, abs=1e-3)
    # The tops are crowded below a sharp limit, the meshes are deep and few.
    assert float(net.max()) < 1.7 and float(net.min()) < -2.5


def test_mirrored_about_the_middle_is_a_plain_flip() -> None:
    field = noise((30, 41), 6.0, np.random.default_rng(5))

    np.testing.assert_allclose(mirrored(field, 20.5), field[:, ::-1], atol=1e-6)


def test_mirrored_about_another_column() -> None:
    field = np.zeros((1, 40), np.float32)
    field[0, 10] = 1.0

    # The centre of pixel 10 is at 10.5; 3.5 beyond a mirror at 14 it comes to 17.5, the centre of pixel 17.
    assert int(np.argmax(mirrored(field, 14.0))) == 17


def test_warped_moves_an_edge_about_where_it_was() -> None:
    field = np.zeros((200, 200), np.float32)
    field[:, 100:] = 1.0
    bent = warped(field, 20.0, 4.0, np.random.default_rng(6))
    edge = 200 - bent.sum(axis=1)

    assert 2.0 < float(edge.std()) < 8.0
    assert abs(float(edge.mean()) - 100.0) < 5.0


def test_rise_is_a_smooth_step() -> None:
    x = np.linspace(-1.0, 3.0, 101, dtype=np.float32)
    y = rise(x, 0.0, 2.0)

    assert y[x <= 0].max() == 0.0 and y[x >= 2].min() == 1.0
    assert float(rise(np.float32([1.0]), 0.0, 2.0)[0]) == pytest.approx(0.5)
    assert (np.diff(y) >= 0).all()


def test_scattered_keeps_its_limits_and_its_median() -> None:
    rng = np.random.default_rng(7)
    values = [scattered(rng, 5.0, 0.6, 2.0, 9.0) for _ in range(800)]

    assert min(values) == 2.0 and max(values) == 9.0
    assert float(np.median(values)) == pytest.approx(5.0, rel=0.1)
