"""A ball before the camera: its light, its chart and its outline are known from geometry alone."""

from dataclasses import dataclass, fields, replace

import numpy as np
import pytest

pytest.importorskip("mitsuba")

from melascope.cohort import matter, stage
from melascope.cohort.buffers import Buffers, Part
from melascope.cohort.light import Lamp, Room
from melascope.cohort.shot import Backdrop, Shot
from melascope.cohort.sitter import Sitter, placement
from melascope.cohort.smoothing import follow_normals, scatter
from melascope.cohort.studio import render, variant

RADIUS = 60.0
CENTRE = np.array([0.0, -15.0, -60.0])
LAMP = Lamp("disc", (-900.0, 500.0, 1400.0), (0.0, 0.0, 0.0), (40.0, 0.0), 1.0, 6504.0)
SHOT = Shot(
    device="dslr",
    view="frontal",
    target=None,
    yaw_deg=0.0,
    pitch_deg=0.0,
    roll_deg=0.0,
    distance_mm=500.0,
    field_mm=190.0,
    offset_mm=(0.0, 0.0),
    light="test",
    lamps=(LAMP,),
    room=Room(1e-4, 6504.0),
    backdrop=Backdrop("plain", (0.25, 0.25, 0.25)),
    size_px=64,
    seed=7,
)


@dataclass(frozen=True)
class Ball:
    """The head: a ball whose nearest point lies where a face would; its chart is its picture from far away."""

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    chart: np.ndarray
    uv: np.ndarray


@dataclass(frozen=True)
class Box:
    name: str
    kind: str
    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray | None
    colour: object
    roughness: float = 0.6
    glass: bool = False


@dataclass(frozen=True)
class Hairs:
    points: np.ndarray
    radius: np.ndarray


def ball():
    polar, turn = np.meshgrid(np.linspace(0, np.pi, 61), np.arange(80) * 2 * np.pi / 80, indexing="ij")
    normals = np.stack([np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)], -1).reshape(-1, 3)
    row, column = (a.ravel() for a in np.meshgrid(np.arange(60), np.arange(80), indexing="ij"))
    a, b = row * 80 + column, row * 80 + (column + 1) % 80
    faces = np.concatenate([np.stack([a, a + 80, b], 1), np.stack([b, a + 80, b + 80], 1)])
    vertices = normals * RADIUS + CENTRE
    # Only its upper and middle front lie on the chart.
    on = (normals[:, 2] > 0.15) & (normals[:, 1] > -0.6)
    chart = np.where(on[:, None], np.stack([vertices[:, 0], -vertices[:, 1]], 1), np.nan)
    uv = np.where(on[:, None], (chart + 128) / 256, -1.0)
    return Ball(
        vertices.astype(np.float32),
        faces.astype(np.int32),
        normals.astype(np.float32),
        chart.astype(np.float32),
        uv.astype(np.float32),
    )


def square(name, kind, x, y, z, half, colour):
    corners = np.array(
        [[x - half, y - half, z], [x + half, y - half, z], [x + half, y + half, z], [x - half, y + half, z]]
    )
    return Box(name, kind, corners.astype(np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.int32), None, colour)


def sitter():
    """The ball; in front of it an eye at the picture's right and a garment below, and hair upright at the left."""
    # Hairs so thick that they fill their stripe.
    roots = np.linspace(-46, -38, 9)
    points = np.stack([np.stack([np.full(4, x), np.linspace(-40, 10, 4), np.full(4, 12.0)], 1) for x in roots])
    hair = Hairs(points.astype(np.float32), np.full((9, 4), 0.7, np.float32))
    return Sitter(
        head=ball(),
        eyes=[square("right eye", "eye", 40, -15, 10, 6, (0.5, 0.3, 0.1))],
        worn=[square("gown", "worn", 0, -70, 5, 14, (0.2, 0.4, 0.6))],
        hair=hair,
    )


@pytest.fixture(scope="module")
def buffers():
    return render(sitter(), SHOT)


@pytest.fixture(scope="module")
def exact(buffers):
    """Normals of the ball where pixels see it, by solving for the rays; NaN elsewhere."""
    across = (np.arange(64) + 0.5) / 64 - 0.5
    x, y = np.meshgrid(across * SHOT.field_mm, -across * SHOT.field_mm)
    rays = np.stack([x, y, np.full_like(x, -SHOT.distance_mm)], -1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    _, shift = placement(ball(), SHOT)
    start = np.array([0, 0, SHOT.distance_mm]) - (CENTRE + shift)
    half = rays @ start
    root = half**2 - start @ start + RADIUS**2
    with np.errstate(invalid="ignore"):
        far = -half - np.sqrt(root)
        normals = (start + far[..., None] * rays) / RADIUS
    bare = buffers.skin_share > 0.999
    # Nothing throws a shadow there.
    y, x = np.mgrid[:64, :64]
    bare &= (x > 28) & (x < 41) & (y > 18) & (y < 40)
    return normals, bare


def test_parts_lie_where_they_stand(buffers):
    def at(x_mm, y_mm):
        return Part(int(buffers.part[round(31.5 - y_mm * 64 / 190), round(31.5 + x_mm * 64 / 190)]))

    assert at(0, 20) == Part.SKIN
    assert at(40, 0) == Part.EYE
    assert at(0, -56) == Part.WORN
    assert at(-42, 0) == Part.HAIR
    assert at(22, -45) == Part.OTHER_SKIN
    assert at(-85, 85) == Part.BACKGROUND
    assert not set(np.unique(buffers.part)) - {0, 1, 2, 3, 4, 8}


def test_the_chart_is_where_the_camera_sees_it(buffers, exact):
    normals, bare = exact
    points = normals * RADIUS + CENTRE
    assert bare.sum() > 200
    assert np.abs(buffers.chart[bare] - points[bare][:, :2] * [1, -1]).max() < 0.8
    assert (
        np.isnan(buffers.chart[buffers.on_chart == 0]).all() and not np.isnan(buffers.chart[buffers.on_chart > 0]).any()
    )


def test_light_is_lamberts(buffers, exact):
    normals, bare = exact
    towards = np.array(LAMP.position_mm) / np.linalg.norm(LAMP.position_mm)
    # The card looks at the camera, the ball lies a little further from the lamp than the card.
    expected = np.maximum(normals @ towards, 0) / towards[2]
    seen = buffers.irradiance[bare]
    assert np.abs(seen[:, 1] / expected[bare] - 1).max() < 0.1
    assert abs(np.mean(seen[:, 1] / expected[bare]) - 1) < 0.03
    assert np.abs(seen / seen.mean(axis=1, keepdims=True) - 1).max() < 0.03


def test_tilts_are_the_change_of_lamberts_law(buffers, exact):
    normals, bare = exact
    towards = np.array(LAMP.position_mm) / np.linalg.norm(LAMP.position_mm)
    right = np.stack([normals[..., 2], 0 * normals[..., 1], -normals[..., 0]], -1)
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    down = np.cross(right, normals)
    base = normals @ towards
    for name, along in (("tilt_x", right), ("tilt_y", np.where(down[..., 1:2] < 0, down, -down))):
        # A surface that rises along a direction looks back against it.
        tipped = normals - 1e-3 * along
        tipped /= np.linalg.norm(tipped, axis=-1, keepdims=True)
        expected = ((tipped @ towards) / base - 1) / 1e-3
        assert np.abs(getattr(buffers, name)[bare] - expected[bare]).mean() < 0.08
        assert np.abs(expected[bare]).mean() > 0.3


def test_scale_and_slant_are_those_of_the_ball(buffers, exact):
    normals, bare = exact
    across = (np.arange(64) + 0.5) / 64 - 0.5
    x, y = np.meshgrid(across * 190 / 500, -across * 190 / 500)
    back = np.stack([-x, -y, np.ones_like(x)], -1)
    cosine = (normals * back).sum(-1) / np.linalg.norm(back, axis=-1)
    depth = SHOT.distance_mm - (normals * RADIUS + CENTRE + placement(ball(), SHOT)[1])[..., 2]
    narrower = 190 / 500 / 64 * depth / np.linalg.norm(back, axis=-1) ** 0.5
    assert np.abs(buffers.mm_per_px[bare] - narrower[bare]).max() < 0.02
    assert np.abs(buffers.cosine[bare] - cosine[bare]).max() < 0.05


def test_things_show_their_colour_and_the_background_its_own(buffers):
    assert buffers.other[2, 2] == pytest.approx([0.25] * 3, rel=0.6)
    gown = buffers.other[round(31.5 + 56 * 64 / 190), 31]
    assert gown[2] > gown[1] > gown[0] > 0.05
    assert buffers.hair[31, round(31.5 - 42 * 64 / 190)].min() > 0.01
    assert buffers.hair[20, 31].max() == 0 and buffers.specular[20, 31].min() > 0
    shares = buffers.skin_share
    assert shares.min() >= 0 and shares.max() <= 1 + 1e-5 and np.all(buffers.on_chart <= shares + 1e-5)


def test_the_same_shot_gives_the_same_bits(buffers):
    again = render(sitter(), SHOT)
    for field in fields(Buffers):
        assert np.array_equal(getattr(buffers, field.name), getattr(again, field.name), equal_nan=True), field.name


def test_a_turn_shows_the_side_it_is_named_for():
    nose = np.array([0.0, -15.0, 0.0])
    for yaw, sign in ((40.0, 1), (-40.0, -1)):
        rotation, shift = placement(ball(), replace(SHOT, yaw_deg=yaw))
        assert np.sign((rotation @ nose + shift)[0]) == sign
        assert np.linalg.det(rotation) == pytest.approx(1)
    rotation, shift = placement(ball(), replace(SHOT, pitch_deg=20.0))
    assert (rotation @ nose + shift)[1] > 15
    rotation, shift = placement(ball(), replace(SHOT, roll_deg=20.0))
    assert (rotation @ np.array([0.0, 60.0, -70.0]) + shift)[0] > 15
    _, shift = placement(ball(), replace(SHOT, offset_mm=(7.0, 3.0)))
    assert shift == pytest.approx(placement(ball(), SHOT)[1] - [7, 3, 0])


def test_without_llvm_the_picture_is_the_same_within_noise(buffers, monkeypatch):
    import mitsuba as mi

    before = variant()
    if before == "scalar_rgb":
        pytest.skip("no LLVM here: scalar_rgb is what all other tests ran")
    for room in (stage, matter):
        monkeypatch.setattr(room, "variant", lambda: "scalar_rgb")
    mi.set_variant("scalar_rgb")
    try:
        other = render(sitter(), SHOT)
    finally:
        mi.set_variant(before)
    assert (other.part == buffers.part).mean() > 0.97
    skin = (buffers.skin_share > 0.99) & (other.skin_share > 0.99)
    assert np.abs(other.irradiance[skin] - buffers.irradiance[skin]).mean() < 0.04
    assert np.abs(other.hair - buffers.hair).mean() < 0.01


def test_quietening_keeps_lamberts_law_and_takes_noise():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:120j, -1:1:120j].astype(np.float32)
    normals = np.stack([0.6 * x, 0.6 * y, np.sqrt(1 - 0.36 * (x * x + y * y))], -1)
    true = normals @ np.array([0.3, 0.2, 0.9], np.float32)
    noisy = (true * rng.normal(1, 0.2, true.shape)).astype(np.float32)[..., None]
    weight = np.ones_like(true)
    weight[:, 100:] = 0
    noisy[:, 100:] = np.nan
    quiet = follow_normals(noisy, weight, normals, normals, half=2)[:, :96, 0]
    assert np.abs(quiet / true[:, :96] - 1).mean() < 0.035
    exactly = follow_normals(true[..., None], weight, normals, normals, half=2, ridge=1e-6)[:, :90, 0]
    assert np.abs(exactly - true[:, :90]).max() < 0.01


def test_light_spreads_further_in_red_and_none_is_lost():
    light = np.zeros((101, 101, 3), np.float32)
    light[50, 50] = 1
    spread = scatter(light, np.ones((101, 101), np.float32), 0.3)
    assert spread.sum(axis=(0, 1)) == pytest.approx([1, 1, 1], abs=0.01)
    far = (np.mgrid[:101, :101] - 50).astype(float)
    reach = [np.sqrt((spread[..., c] * (far**2).sum(axis=0)).sum() / 2) * 0.3 for c in range(3)]
    assert reach[0] > 1.8 * reach[1] > 1.8 * reach[2]
    even = scatter(np.ones((20, 20, 3), np.float32), np.pad(np.ones((10, 10), np.float32), 5), 0.3)
    assert even[5:15, 5:15] == pytest.approx(np.ones((10, 10, 3)), abs=1e-4)


def test_glass_mirrors_a_lamp_beside_the_lens():
    flash = Lamp("disc", (0.0, 0.0, 500.0), (0.0, 0.0, 0.0), (60.0, 0.0), 1.0, 6504.0)
    corners = np.array([[-30, -30, 0], [30, -30, 0], [30, 30, 0], [-30, 30, 0]], np.float32)
    pane = (corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), None)
    seen = stage.mirror((pane,), replace(SHOT, lamps=(flash,)), 32)
    # A flat mirror half as large as the lamp shows all of it, around the middle.
    assert seen[15, 15, :3].min() > 10 * seen[11, 11, :3].max() > 0
    assert seen[15, 15, 3] == pytest.approx(500, rel=0.01) and seen[2, 2].max() == 0
