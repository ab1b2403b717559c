import cv2
import numpy as np
import pytest

from melascope.cohort.chart import PX_MM, SIDE, Chart, face_chart, mm_to_px
from melascope.cohort.flatten import chart_of_skin
from melascope.cohort.isometry import flatten
from melascope.cohort.morphs import neutral_head_mm
from melascope.cohort.surface import head_surface
from melascope.vocabulary import Region


@pytest.fixture(scope="module")
def chart() -> Chart:
    return face_chart()


def _triangles() -> tuple[np.ndarray, np.ndarray]:
    """Twice the signed areas on the chart, twice the areas on the neutral head, of the skin's triangles."""
    surface, place = head_surface(), chart_of_skin()
    space = surface.refinement.apply(neutral_head_mm()[surface.base])
    faces = surface.faces[~np.isnan(place[surface.faces, 0]).any(axis=1)]
    a, b, c = (place[faces[:, k]] for k in range(3))
    flat = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    p, q, r = (space[faces[:, k]] for k in range(3))
    centre = (a + b + c) / 3
    return np.concatenate([flat[:, None], centre], axis=1), np.linalg.norm(np.cross(q - p, r - p), axis=1)


def test_scale_and_origin() -> None:
    assert (SIDE, PX_MM) == (1024, 4.0)
    np.testing.assert_allclose(mm_to_px(np.array((-127.875, -127.875))), (0, 0))


def test_no_triangle_is_folded_over() -> None:
    flat, _ = _triangles()
    assert (flat[:, 0] < 0).all()  # y runs down: counter-clockwise from outside becomes clockwise


def test_the_visible_skin_is_covered_once(chart: Chart) -> None:
    flat, _ = _triangles()
    area = -flat[:, 0].sum() / 2
    assert area == pytest.approx(chart.valid.sum() / PX_MM**2, rel=0.005)


def test_areas_are_nearly_kept_on_forehead_cheeks_and_chin(chart: Chart) -> None:
    flat, space = _triangles()
    pixel = np.round(mm_to_px(flat[:, 1:])).astype(int)
    code = chart.codes[pixel[:, 1], pixel[:, 0]]
    for region in (Region.FOREHEAD, Region.RIGHT_MALAR, Region.LEFT_MALAR, Region.CHIN):
        here = code == region
        ratio = -flat[here, 0] / space[here]
        total = -flat[here, 0].sum() / space[here].sum()
        assert 0.8 < total < 1.2
        assert np.average(np.abs(ratio - total) < 0.2, weights=space[here]) > 0.9


def test_left_and_right_mirror_each_other(chart: Chart) -> None:
    mirrored = chart.codes[:, ::-1].copy()
    right, left = mirrored == Region.RIGHT_MALAR, mirrored == Region.LEFT_MALAR
    mirrored[right], mirrored[left] = Region.LEFT_MALAR, Region.RIGHT_MALAR
    assert (mirrored != chart.codes).mean() < 0.001
    both = chart.valid & chart.valid[:, ::-1]
    assert both.sum() > 0.995 * chart.valid.sum()
    error = chart.position_mm[:, ::-1][both] * (-1, 1, 1) - chart.position_mm[both]
    assert np.percentile(np.abs(error), 99) < 0.3


def test_x_runs_to_the_patients_left_and_y_down(chart: Chart) -> None:
    left = chart.position_mm[chart.codes == Region.LEFT_MALAR]
    right = chart.position_mm[chart.codes == Region.RIGHT_MALAR]
    assert np.nanmax(right[:, 0]) < 1 < np.nanmean(left[:, 0])
    assert np.nanmean(chart.position_mm[chart.codes == Region.FOREHEAD, 1]) > 20
    assert np.nanmean(chart.position_mm[chart.codes == Region.CHIN, 1]) < -70


def test_every_region_is_there_in_one_piece_a_side(chart: Chart) -> None:
    pieces = {
        Region.FOREHEAD: 1,
        Region.RIGHT_MALAR: 1,
        Region.LEFT_MALAR: 1,
        Region.CHIN: 1,
        Region.NOSE: 1,
        Region.UPPER_LIP: 1,
        Region.LIPS: 1,
        Region.TEMPLE: 2,
        Region.PERIORBITAL: 2,
        Region.BROW: 2,
        Region.EYE: 2,
        Region.NOSTRIL: 2,
    }
    for region, expected in pieces.items():
        count, _, stats, _ = cv2.connectedComponentsWithStats((chart.codes == region).astype(np.uint8))
        large = [area for area in stats[1:count, cv2.CC_STAT_AREA] if area > 40]
        assert len(large) == expected, (region, large)
    assert set(np.unique(chart.codes)) <= {*pieces, Region.BACKGROUND, Region.NECK, Region.OTHER_SKIN}


def test_codes_and_surface_agree(chart: Chart) -> None:
    assert (chart.codes[chart.valid] != Region.BACKGROUND).all()
    off = chart.codes[~chart.valid]
    assert np.isin(off, (Region.BACKGROUND, Region.EYE, Region.LIPS)).all()
    np.testing.assert_array_equal(chart.valid, np.isfinite(chart.position_mm).all(axis=2))


def test_landmarks_lie_where_they_say(chart: Chart) -> None:
    def code(name: str) -> int:
        column, row = np.round(mm_to_px(chart.landmarks[name])).astype(int)
        return int(chart.codes[row, column])

    expected = {
        "nose_tip": Region.NOSE,
        "mouth": Region.LIPS,
        "upper_lip": Region.UPPER_LIP,
        "forehead": Region.FOREHEAD,
        "glabella": Region.FOREHEAD,
        "chin": Region.CHIN,
    }
    for side, malar in (("left", Region.LEFT_MALAR), ("right", Region.RIGHT_MALAR)):
        expected |= {
            f"{side}_eye": Region.EYE,
            f"{side}_nose_wing": Region.NOSE,
            f"{side}_mouth_corner": Region.LIPS,
            f"{side}_cheekbone": malar,
            f"{side}_jaw": malar,
            f"{side}_temple": Region.TEMPLE,
        }
    assert {name: code(name) for name in expected} == expected
    assert chart.landmarks["left_eye"][0] > 0 > chart.landmarks["right_eye"][0]


def test_a_bowl_flattens_without_folds_and_nearly_keeps_its_size() -> None:
    across, down = np.meshgrid(np.linspace(-1, 0, 6), np.linspace(-1, 1, 11))
    x, y = across.ravel(), down.ravel()
    points = np.stack([x, y, -0.3 * (x**2 + y**2)], axis=1)
    corner = np.array([6 * r + c for r in range(10) for c in range(5)])
    triangles = np.concatenate(
        [np.stack([corner, corner + 1, corner + 7], axis=1), np.stack([corner, corner + 7, corner + 6], axis=1)]
    )
    start = np.stack([3 * x, 0.2 * y], axis=1)
    plane = flatten(points, triangles, start, x == 0, np.ones(len(triangles)))
    assert (plane[x == 0, 0] == 0).all()
    a, b, c = (plane[triangles[:, k]] for k in range(3))
    p, q, r = (points[triangles[:, k]] for k in range(3))
    flat = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / np.linalg.norm(
        np.cross(q - p, r - p), axis=1
    )
    assert flat.min() > 0.7
    assert flat.max() < 1.35
    with pytest.raises(ValueError, match="folds"):
        flatten(points, triangles, start * (-1, 1), x == 0, np.ones(len(triangles)))
