"""The ablations' arithmetic, held to a slow and literal version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytestmark = pytest.mark.torch

from benchmarks import ablations  # noqa: E402
from benchmarks.ablations import VARIANTS, tally  # noqa: E402

from melascope.lab.skin import train as training  # noqa: E402
from melascope.lab.skin.train import Recipe  # noqa: E402
from melascope.lesions.pigment import OUTLINED  # noqa: E402
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, Region  # noqa: E402

Maps = tuple[np.ndarray, np.ndarray, np.ndarray]


def view(seed: int, *, pigment: bool = True) -> Maps:
    rng = np.random.default_rng(seed)
    labels, codes = (rng.choice([int(region) for region in Region], (20, 24)).astype(np.uint8) for _ in range(2))
    cover = rng.random((20, 24)) * (1.0 if pigment else 0.4)
    return labels, cover, np.stack([codes.astype(float), rng.random((20, 24))])


def test_pixels_of_bare_facial_skin_are_counted_over_views() -> None:
    views = [view(1), view(2), view(3, pigment=False)]
    found = tally(views)
    both = true = called = 0
    errors, alarms = [], []
    for labels, cover, (_, disease) in views:
        skin = lesion = call = 0
        for place in np.ndindex(labels.shape):
            if labels[place] not in FACIAL_SKIN:
                continue
            is_lesion, is_called = cover[place] >= 0.5, disease[place] >= OUTLINED
            skin, lesion, call = skin + 1, lesion + is_lesion, call + is_called
            both += is_lesion and is_called
        true, called = true + lesion, called + call
        errors.append(abs(call - lesion) / skin)
        if not lesion:
            alarms.append(call / skin)
    assert (found.both, found.true, found.called) == (both, true, called)
    assert found.dice == pytest.approx(2 * both / (true + called))
    assert found.share_errors == pytest.approx(errors)
    assert found.alarms == pytest.approx(alarms) and len(alarms) == 1
    assert found.counts.sum(axis=1).tolist() == [found.counts.sum() - true, true]
    overlaps = []
    for region in MASI_REGIONS:
        pairs = [((labels == region), (maps[0] == region)) for labels, _, maps in views]
        overlaps.append(sum((t & f).sum() for t, f in pairs) / sum((t | f).sum() for t, f in pairs))
    assert found.iou == pytest.approx(np.mean(overlaps))


def test_every_variant_changes_the_recipe_in_what_it_says() -> None:
    recipes = {name: Recipe(**changes) for name, changes in VARIANTS.items()}
    whole = recipes.pop("everything")
    assert whole == Recipe()
    assert all(recipe != whole for recipe in recipes.values())
    assert len(set(recipes.values())) == len(recipes)


def test_a_folder_of_other_trainings_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "everything"
    run.mkdir()
    (run / "recipe.json").write_text('{"samples": 12800}', encoding="utf-8")
    (run / "checkpoint.pt").touch()
    for name in ("read_cohort", "read_labelled"):
        monkeypatch.setattr(ablations, name, lambda *_, **__: [])
        monkeypatch.setattr(training, name, lambda *_, **__: [])
    options = {"--faces": "f", "--cohort": "c", "--test": "t", "--weights": __file__, "--out": tmp_path}
    words = [str(word) for pair in options.items() for word in pair]
    monkeypatch.setattr("sys.argv", ["ablations", *words, "--samples", "640", "--threads", "1"])
    with pytest.raises(SystemExit) as ended:
        ablations.main()
    said = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 2
    assert "everything: holds a run with another samples (12800 there, 640 now)" in said
    assert "goes on with the --faces, --cohort, --weights and --samples that it was begun with" in said
