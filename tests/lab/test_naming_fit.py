"""The network that names patches: labels from masks, weights, a fit on people it can tell apart, and its file."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytestmark = pytest.mark.torch

from benchmarks.naming import _told  # noqa: E402

from melascope import analyze, cli, networks  # noqa: E402
from melascope.data.box import KIND_CODES  # noqa: E402
from melascope.data.manifest import write_manifest  # noqa: E402
from melascope.data.row import Row  # noqa: E402
from melascope.lab.naming.facts import OTHER, Facts, draw_facts, label_of, read_facts  # noqa: E402
from melascope.lab.naming.fit import Recipe, chances_of, fit, measured, ship, weights_of  # noqa: E402
from melascope.lab.skin.people import FACTORS, FIGURES, part_of  # noqa: E402
from melascope.lesions.naming import FACTS, LEARNT_FROM  # noqa: E402
from melascope.vocabulary import Lesion  # noqa: E402
from tests.report.synthetic import CASES  # noqa: E402

INSTALLED = {"skin": networks.load(LEARNT_FROM).sha256}
SMALL = Recipe(hidden=16, members=2, epochs=200, batch=256)


def made_up(count: int = 1400, source: str = "cohort", seed: int = 1) -> Facts:
    """Patches whose facts tell the kind but for noise: seven kinds in turn, ten patches a photo."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) // 10 % 7
    facts = rng.normal(0, 1, (count, len(FACTS))).astype(np.float32)
    facts[np.arange(count), labels] += 4
    photos = np.arange(count) // 10
    return Facts(
        facts, labels.astype(np.int64), rng.uniform(0.001, 0.1, count).astype(np.float32),
        np.array([f"{source}{photo}.jpg" for photo in photos]), np.array([f"g{photo}" for photo in photos]),
        np.array(["train", "train", "validation", "test"])[photos // 7 % 4], np.full(count, source),
        np.full(count, "frontal"), np.full(count, "tan"),
    )  # fmt: skip


def test_a_patch_is_what_most_of_its_pixels_on_lesions_are() -> None:
    codes = np.array([[0, 0, 0, 3], [6, 6, 0, 0]], np.uint8)
    everything = np.ones((2, 4), bool)
    assert label_of(codes, everything) == list(Lesion).index(Lesion.HORI_NEVUS)
    assert label_of(codes, np.array([[1, 1, 1, 1], [0, 0, 0, 0]], bool)) == list(Lesion).index(Lesion.MELASMA)
    assert label_of(codes, np.array([[1, 1, 1, 1], [0, 0, 1, 0]], bool)) == OTHER  # a fifth lies on a lesion


def test_each_photo_counts_alike_and_photos_of_nothing_more() -> None:
    facts = made_up(70)
    nothing = replace(made_up(20, "pad", 2), labels=np.full(20, OTHER, np.int64))
    both = Facts(*(np.concatenate(pair) for pair in zip(vars(facts).values(), vars(nothing).values(), strict=True)))
    weights = weights_of(both, none_weight=3.0)
    sums = [weights[both.photos == photo].sum() for photo in np.unique(both.photos)]
    assert sums == pytest.approx([1.0] * 7 + [3.0] * 2)


def test_heads_of_one_seed_are_one_in_whatever_folder(tmp_path: Path) -> None:
    files = []
    for name, part, seed in (
        ("a", "train", "seed7"),
        ("b", "test", "seed7"),
        ("c", "test", "seed8"),
        ("d", "test", ""),
    ):
        facts = made_up(20, name)
        told = {**vars(facts), "parts": np.full(20, part), "groups": np.full(20, "head0003"), "names": np.array(FACTS)}
        np.savez(tmp_path / f"{name}.npz", **told, **INSTALLED, seed=np.array(seed))
        files.append(tmp_path / f"{name}.npz")
    assert len(read_facts([files[0], *files[2:]]).labels) == 60
    with pytest.raises(ValueError, match=r"seed7/head0003 of ancestry 0 is in the parts test, train: nobody may be in"):
        read_facts(files)
    old = dict(np.load(files[1]))
    del old["seed"]
    np.savez(files[1], **old)
    assert len(read_facts(files).groups) == 80  # an older version told no seed


def test_heads_of_one_seed_are_one_where_their_tones_give_them_the_same_ancestry(tmp_path: Path) -> None:
    def drawn(part: str, tones: str | None) -> Path:
        facts = {**vars(made_up(20)), "parts": np.full(20, part), "groups": np.full(20, "head0003")}
        told = {} if tones is None else {"tones": np.array(tones)}
        path = tmp_path / f"{part}-{tones}.npz"
        np.savez(path, **facts, names=np.array(FACTS), **INSTALLED, seed=np.array("seed7"), **told)
        return path

    assert len(read_facts([drawn("train", ""), drawn("test", "brown")]).labels) == 40
    for train, test in (("brown", "dark,brown"), (None, ""), ("", "tan,intermediate")):  # older files tell no tones
        with pytest.raises(ValueError, match=r"seed7/head0003 of ancestry \d is in the parts test, train"):
            read_facts([drawn("train", train), drawn("test", test)])


def test_what_can_be_told_apart_is_named_and_the_file_says_what_torch_says(tmp_path: Path) -> None:
    import onnxruntime

    facts = made_up()
    told: list[str] = []
    namer = fit(facts, SMALL, told.append)
    tested = facts.where(facts.parts == "test")
    figures = measured(tested, chances_of(namer, tested))
    assert figures["photos"] == 35
    assert figures["lesions_named"] > 0.9
    assert figures["lesions_named_rightly"] > 0.97
    assert figures["others_named"] < 0.1
    assert figures["lesions_told_none"] < 0.1 < 0.5 < figures["others_told_none"]
    model, card = ship(namer, facts, SMALL, {"licence": "none"}, tmp_path, ["Of tests alone."])
    session = onnxruntime.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    (said,) = session.run(None, {"facts": tested.facts})
    np.testing.assert_allclose(said[:, :OTHER], chances_of(namer, tested), atol=1e-5)
    known = json.loads(card.read_text(encoding="utf-8"))
    assert known["figures"]["cohort"]["all"] == figures
    assert "Of tests alone." in known["limits"]
    again = fit(facts, SMALL)
    assert all(torch.equal(a, b) for a, b in zip(namer.parameters(), again.parameters(), strict=True))


def test_what_cannot_be_fitted_is_told() -> None:
    facts = made_up()
    with pytest.raises(ValueError, match="no patch of the training part is of the kind hori"):
        fit(facts.where(facts.labels != 5), SMALL)
    with pytest.raises(ValueError, match="no patches of the training part"):
        fit(facts.where(facts.parts == "test"), SMALL)


def test_facts_are_drawn_of_photos_whose_kinds_are_known(tmp_path: Path) -> None:
    rows = []
    (tmp_path / "masks" / "lesions").mkdir(parents=True)
    (tmp_path / "photos").mkdir()
    sample = min((Path(cli.__file__).parent / "samples").glob("*.jpg"))
    height, width = cv2.imread(str(sample)).shape[:2]
    for i, kinds in enumerate(((Lesion.MELASMA,), (), None)):
        shutil.copy(sample, tmp_path / "photos" / f"{i}.jpg")
        if kinds:  # melasma in the left half, Hori's nevus in the right one
            mask = np.full((height, width), KIND_CODES[Lesion.MELASMA], np.uint8)
            mask[:, width // 2 :] = KIND_CODES[Lesion.HORI_NEVUS]
            cv2.imwrite(str(tmp_path / "masks" / "lesions" / f"{i}.png"), mask)
        rows.append(Row(photo_id=f"{i}", patient=f"p{i}", file=f"photos/{i}.jpg", kinds=kinds, view="frontal"))
    write_manifest(rows, tmp_path / "manifest.csv")
    out = tmp_path / "facts.npz"
    count = draw_facts(tmp_path, out, jobs=1)
    facts = read_facts([out])
    assert len(facts.labels) == count > 0
    assert set(facts.photos.tolist()) == {"photos/0.jpg", "photos/1.jpg"}  # of the third nothing is known
    dealt = {"p0": part_of("p0"), "p1": part_of("p1")}  # as for the regional network
    named = {who: "test" if n in FIGURES else "validation" if n in FACTORS else "train" for who, n in dealt.items()}
    assert dict(zip(facts.groups.tolist(), facts.parts.tolist(), strict=True)) == named
    first = facts.photos == "photos/0.jpg"
    patches = analyze(sample).lesions
    halves = [list(Lesion).index(Lesion.MELASMA if (p.box[0] + p.box[2]) / 2 < width / 2 else Lesion.HORI_NEVUS)
              for p in patches]  # fmt: skip
    aside = [abs((p.box[0] + p.box[2]) / 2 - width / 2) > (p.box[2] - p.box[0]) / 2 for p in patches]
    assert 2 in halves and 5 in halves
    assert facts.labels[first][aside].tolist() == np.array(halves)[aside].tolist()
    assert (facts.labels[~first] == OTHER).all()
    assert str(np.load(out)["seed"]) == ""
    about = {"name": "a cohort", "generator": {"seed": 7, "patients": 3, "tones": ["tan", "dark"]}}
    (tmp_path / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    draw_facts(tmp_path, tmp_path / "virtual.npz", jobs=1)
    assert str(np.load(tmp_path / "virtual.npz")["seed"]) == "seed7"
    assert str(np.load(tmp_path / "virtual.npz")["tones"]) == "tan,dark"
    torn = dict(np.load(out))
    torn["parts"] = np.where(np.arange(count) % 2, "test", "train")
    np.savez(tmp_path / "torn.npz", **torn)
    with pytest.raises(ValueError, match="is in the parts test, train"):
        read_facts([tmp_path / "torn.npz"])
    stored = dict(np.load(out))
    for changed in ({"skin": np.array("of another")}, {"names": np.array(["x"])}):
        np.savez(out, **(stored | changed))
        with pytest.raises(ValueError, match="another version or with another skin network"):
            read_facts([out])
    del stored["skin"]  # it does not say which
    np.savez(out, **stored)
    with pytest.raises(ValueError, match="another version or with another skin network"):
        read_facts([out])


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("named", ("named", ["mel"])),
        ("unsure", ("two kinds, or unsure which", ["hori", "mel", "ota"])),
        ("complete", ("nothing said", [])),
        ("clear", ("nothing outlined", [])),
    ],
)
def test_what_a_photograph_is_told_to_show_is_counted_with_its_doubts(case: str, told: tuple[str, list[str]]) -> None:
    assert _told(CASES[case]) == told


def test_a_photograph_is_like_none_of_the_six_if_all_its_patches_are() -> None:
    none = CASES["complete"].lesions[0].model_copy(update={"other_probability": 0.9})
    found = CASES["complete"].model_copy(update={"lesions": (none, none)})
    assert _told(found) == ("like none of the six", [])
    mixed = found.model_copy(update={"lesions": (none, CASES["unsure"].lesions[0])})
    assert _told(mixed)[0] == "two kinds, or unsure which"
