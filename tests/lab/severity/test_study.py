"""Which photos are learnt from, their labels, and reading them once."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from melascope.lab.severity.recipe import Picture, read_recipe
from melascope.lab.severity.sources import SourceError, names_of, read_source
from melascope.lab.severity.study import Study, StudyError, class_probabilities, gather
from melascope.severity.ratings import RatingsError
from melascope.severity.sharing import MAJORITY
from tests.lab.severity.faces import drawn, study


def cohort(folder: Path, count: int = 30) -> Path:
    """A data set with two photos of each patient: from the front by DSLR, from the right by telephone."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    columns = ("photo_id", "patient", "file", "view", "device", "tone_band", "masi")
    columns += tuple(f"rater{k}_masi" for k in (1, 2, 3))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for i in range(count):
            masi = round(2 + 44 * ((7 * i) % count) / count, 2)
            for view, device in (("frontal", "dslr"), ("right45", "phone")):
                name = f"a{i:02}-{device}"
                cv2.imwrite(str(photos / f"{name}.png"), drawn(masi, i)[..., ::-1])
                raters = (masi, masi + 1, masi - 1)
                writer.writerow((name, f"P{i}", f"photos/{name}.png", view, device, "tan", masi + 0.25, *raters))
    about = {"schema_version": "1.0", "name": "drawn", "generator": {"seed": 3, "patients": count}}
    (folder / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def test_a_cohort_gives_labels_parts_and_what_is_known(tmp_path: Path) -> None:
    found = gather(cohort(tmp_path / "c"), view="frontal", device="DSLR", majority=None, seed=2)
    assert len(found.photos) == 30 and found.virtual and found.identity == "seed 3, 30 patients"
    assert found.left_out == "30 of 60 photos (view frontal, device DSLR)"
    parts = [len(found.part(name)) for name in ("train", "validation", "test")]
    assert sum(parts) == 30 and 15 <= parts[0] <= 21 and parts[2] >= 1
    photo = found.photos[4]
    known = found.known[photo]
    assert (known.view, known.device, known.tone_band) == ("frontal", "dslr", "tan")
    assert known.true_masi == pytest.approx(found.ratings.mean_masi(photo) + 0.25)
    assert found.truth([photo])[0] == int(found.masi([photo])[0] >= 16) + int(found.masi([photo])[0] >= 32)


def test_class_shares_are_the_papers_unless_asked_otherwise(tmp_path: Path) -> None:
    folder = cohort(tmp_path / "c")
    chosen = gather(folder, view="frontal", seed=2)
    mild = float((chosen.truth(chosen.photos) == 0).mean())
    assert len(chosen.photos) < 30
    assert mild == pytest.approx(MAJORITY, abs=0.03)
    assert len(gather(folder, majority=None, seed=2).photos) == 60


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"view": "left45"}, "no photo is of view 'left45'; there are: frontal by dslr, right45 by phone"),
        ({"majority": 2.0}, "must lie between 0 and 1"),
    ],
)
def test_nothing_left_is_said(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        gather(cohort(tmp_path / "c"), **options)  # type: ignore[arg-type]


def test_a_table_without_photos_asks_for_their_folder(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("photo,patient,masi\na,x,3\nb,y,20\nc,z,40\n", encoding="utf-8")
    with pytest.raises(SourceError, match="--photos"):
        gather(path)


def test_the_truth_of_each_picture_stands_in_for_raters(tmp_path: Path) -> None:
    folder = cohort(tmp_path / "c", 20)
    found = gather(folder, labels="truth", majority=None, seed=2)
    raters = gather(folder, majority=None, seed=2)
    assert found.labels == "truth" and found.ratings.raters == ("truth",)
    photo = found.photos[7]
    assert found.ratings.mean_masi(photo) == found.known[photo].true_masi
    assert found.ratings.mean_masi(photo) == pytest.approx(raters.ratings.mean_masi(photo) + 0.25)


def test_what_raters_scored_of_a_visit_is_held_against_the_whole_face(tmp_path: Path) -> None:
    folder = cohort(tmp_path / "c", 3)
    lines = (folder / "manifest.csv").read_text(encoding="utf-8").splitlines()
    lines = [f"{line},{'patient_masi' if i == 0 else 11.5}" for i, line in enumerate(lines)]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [f"P{i},1,{rater},10" for i in range(3) for rater in ("x", "y")]
    rated = "\n".join(["patient,visit,rater,masi", *rows]) + "\n"
    (folder / "ratings.csv").write_text(rated, encoding="utf-8")
    by_visit, by_picture = read_source(folder), read_source(folder, labels="truth")
    assert {one.true_masi for one in by_visit.known.values()} == {11.5}
    assert 11.5 not in {one.true_masi for one in by_picture.known.values()}


def reseeded(folder: Path, seed: int) -> Path:
    """The same cohort as if another seed had made it."""
    about = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    about["generator"]["seed"] = seed
    (folder / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def grouped(folder: Path, ids: Callable[[int], str]) -> Path:
    """The same data set with a column of groups, by the patient's number."""
    lines = (folder / "manifest.csv").read_text(encoding="utf-8").splitlines()
    groups = ["group", *(ids(int(line.split(",")[1][1:])) for line in lines[1:])]
    text = "\n".join(f"{line},{group}" for line, group in zip(lines, groups, strict=True))
    (folder / "manifest.csv").write_text(f"{text}\n", encoding="utf-8")
    return folder


def parts_of(found: Study, who: Callable[[str], str]) -> dict[str, set[str]]:
    """The parts in which each person is."""
    parts: dict[str, set[str]] = {}
    for photo in found.photos:
        parts.setdefault(who(photo), set()).add(found.split[photo])
    return parts


def test_several_data_sets_are_one(tmp_path: Path) -> None:
    first, second = cohort(tmp_path / "one", 20), reseeded(cohort(tmp_path / "two", 20), 4)
    clinic = grouped(cohort(tmp_path / "clinic", 20), lambda i: f"family{i // 2}")
    photographed = cohort(tmp_path / "photographed", 20)
    for folder in (clinic, photographed):
        (folder / "dataset.json").unlink()
    found = gather([first, second, clinic, photographed], labels="truth", majority=None, seed=2)
    assert len(found.photos) == 4 * 40 and not found.virtual
    assert gather([first, second], labels="truth", majority=None, seed=2).virtual
    # Virtual people of two seeds are different ones; the same name elsewhere is taken for the same person.
    assert found.ratings.patient("one/a03-dslr") == "one/P3" and found.ratings.patient("two/a03-dslr") == "two/P3"
    assert found.ratings.patient("clinic/a03-dslr") == found.ratings.patient("photographed/a03-dslr") == "P3"
    assert all(found.ratings.path(photo).is_file() for photo in found.photos)

    def family(photo: str) -> str:
        folder, name = photo.split("/")
        number = int(name[1:3])
        return f"{folder}{number}" if folder in {"one", "two"} else f"family{number // 2}"

    parts = parts_of(found, family)
    assert len(parts) == 50 and all(len(each) == 1 for each in parts.values())
    with pytest.raises(SourceError, match="one: two of the data sets"):
        gather([first, first / "manifest.csv"], labels="truth")


def test_a_person_without_a_family_in_one_set_has_it_from_the_other(tmp_path: Path) -> None:
    """Whichever comes first: nobody of a family is divided, and everybody bears its name."""
    photographed = cohort(tmp_path / "photographed", 20)
    clinic = grouped(cohort(tmp_path / "clinic", 20), lambda i: f"family{i // 2}")
    for folder in (clinic, photographed):
        (folder / "dataset.json").unlink()
    found = gather([photographed, clinic], labels="truth", majority=None, seed=2)
    for photo in found.photos:
        assert found.ratings.group(photo) == f"family{int(found.ratings.patient(photo)[1:]) // 2}"


def test_two_cohorts_of_one_seed_hold_the_same_people(tmp_path: Path) -> None:
    first, second = (grouped(cohort(tmp_path / name, 20), lambda i: f"head{i // 2}") for name in ("a", "b"))
    for seed in range(3):
        found = gather([first, second], labels="truth", majority=None, seed=seed)
        assert all(len(each) == 1 for each in parts_of(found, lambda photo: photo.split("/")[1][1:3]).values())
    alone = gather(first, labels="truth", majority=None, seed=1)
    assert set(alone.people.values()) & set(found.people.values()) == {f"seed3/head{i}" for i in range(10)}


@pytest.mark.parametrize(("one", "other"), [((60, 5), (120, 10)), ((30, 2), (60, 4))])
def test_cohorts_of_one_seed_with_other_patients_on_a_head_are_refused(
    tmp_path: Path, one: tuple[int, int], other: tuple[int, int]
) -> None:
    """A number's skin and lesions may be on two heads there: ties would chain everybody to everybody."""
    folders = []
    for name, (patients, each) in (("a", one), ("b", other)):
        folders.append(grouped(cohort(tmp_path / name, patients), lambda i, each=each: f"head{i // each}"))  # type: ignore[misc]
    with pytest.raises(SourceError, match=r"has another head .* render one of them with another --seed"):
        gather(folders, labels="truth", majority=None, seed=1)
    found = gather([folders[0], reseeded(folders[1], 4)], labels="truth", majority=None, seed=1)
    assert all(len(each) == 1 for each in parts_of(found, lambda photo: found.people[photo]).values())
    assert names_of("seed3/head4", "b/P9") == ("seed3/head4", "seed3/P9")


def test_a_person_in_six_tones_is_the_one_whom_another_cohort_of_the_seed_has_once(tmp_path: Path) -> None:
    def numbered(name: str, patients: int, head: int) -> Path:
        folder = grouped(cohort(tmp_path / name, patients), lambda i: f"head{i // head}")
        text = (folder / "manifest.csv").read_text(encoding="utf-8")
        text = re.sub(r",P(\d+),", lambda found: f",p{int(found[1]):05d},", text)
        (folder / "manifest.csv").write_text(text, encoding="utf-8")
        return folder

    once, six = numbered("once", 12, 2), numbered("six", 72, 12)
    about = json.loads((six / "dataset.json").read_text(encoding="utf-8"))
    about["generator"]["each_tone"] = True
    (six / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    found = gather([once, six], labels="truth", majority=None, seed=1)

    def person(photo: str) -> int:
        folder, name = photo.split("/")
        number = int(name[1 : name.index("-")])
        return number if folder == "once" else number // 6

    assert all(len(each) == 1 for each in parts_of(found, lambda photo: str(person(photo))).values())
    for photo in found.photos:
        named = names_of(found.people[photo], found.ratings.patient(photo))
        assert named == (f"seed3/head{person(photo) // 2}", named[1])
        assert int(named[1].removeprefix("seed3/")[1:]) == person(photo)
    assert read_source(six).identity != read_source(once).identity
    other = numbered("other", 72, 6)
    with pytest.raises(SourceError, match="has another head"):
        gather([other, six], labels="truth", majority=None, seed=1)


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 5}'])
def test_a_damaged_description_is_said(tmp_path: Path, text: str) -> None:
    folder = cohort(tmp_path / "c", 4)
    (folder / "dataset.json").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=r"dataset.json: .*; correct it"):
        read_source(folder)


def test_a_folder_with_a_semicolon_is_refused_beside_others(tmp_path: Path) -> None:
    folders = [cohort(tmp_path / name, 4) for name in ("a", "b;c")]
    with pytest.raises(SourceError, match="b;c: a semicolon parts raters in predictions"):
        gather(folders, labels="truth")


def test_the_digest_follows_labels_and_files(tmp_path: Path) -> None:
    found = study(tmp_path / "photos")
    assert study(tmp_path / "photos").digest == found.digest
    rows = (replace(found.ratings.rows[0], masi=40.0), *found.ratings.rows[1:])
    assert replace(found, ratings=replace(found.ratings, rows=rows)).digest != found.digest
    path = next(iter(found.ratings.files.values()))
    path.write_bytes(path.read_bytes() + b"another picture")
    assert replace(found).digest != found.digest  # a copy has not been digested yet


def test_raters_of_two_panels_are_not_one(tmp_path: Path) -> None:
    first, second = cohort(tmp_path / "one", 20), reseeded(cohort(tmp_path / "two", 20), 4)
    found = gather([first, second], majority=None, seed=2)
    assert {rating.rater for rating in found.ratings.of("two/a03-dslr")} == {f"two/rater{k}" for k in (1, 2, 3)}
    assert found.raters_sd() == pytest.approx(1.0)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    folders = [reseeded(cohort(tmp_path / name, 20), k) for k, name in enumerate(("one", "two"))]
    lines = (folders[0] / "manifest.csv").read_text(encoding="utf-8").splitlines()
    cells = lines[1].split(",")
    lines[1] = ",".join([*cells[:6], "", *cells[7:]])
    (folders[0] / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = gather(folders, labels="truth", seed=2)
    assert "one: 1 of 40 photos of the manifest have no MASI" in found.left_out
    assert "mild 45.3% of them, none of MASI 0" in found.left_out


def test_a_table_has_no_truth(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("photo,patient,masi\na.png,x,3\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"has no manifest\.csv"):
        gather(tmp_path, labels="truth")


def test_a_wrong_masi_of_the_whole_face_is_said(tmp_path: Path) -> None:
    folder = cohort(tmp_path / "c", 2)
    lines = (folder / "manifest.csv").read_text(encoding="utf-8").splitlines()
    lines = [f"{line},{'patient_masi' if i == 0 else 'n/a'}" for i, line in enumerate(lines)]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "ratings.csv").write_text("patient,visit,rater,masi\nP0,1,x,3\nP1,1,x,9\n", encoding="utf-8")
    with pytest.raises(RatingsError, match="'a00-dslr', column patient_masi: 'n/a' must be a number from 0 to 48"):
        read_source(folder)


@pytest.mark.parametrize(
    ("fault", "said"),
    [("no masi", "no photo with a masi"), ("no file", "is not there"), ("wrong", "row 3")],
)
def test_a_truth_that_cannot_be_learnt_is_said(tmp_path: Path, fault: str, said: str) -> None:
    folder = cohort(tmp_path / "c", 4)
    text = (folder / "manifest.csv").read_text(encoding="utf-8")
    if fault == "no masi":
        (folder / "manifest.csv").write_text(text.replace(",masi,", ",other,", 1), encoding="utf-8")
    elif fault == "no file":
        (folder / "photos" / "a02-dslr.png").unlink()
    else:
        lines = text.splitlines()
        lines[2] = lines[2].replace(",tan,", ",tan,99", 1)
        (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(RatingsError, match=said):
        read_source(folder, labels="truth")


def test_soft_labels_are_the_normal_distribution_between_the_borders() -> None:
    for mean, error in ((15.0, 2.0), (31.0, 0.5), (3.0, 4.0)):
        x = np.linspace(-60, 120, 360_001)
        density = np.exp(-0.5 * ((x - mean) / error) ** 2) / (error * math.sqrt(2 * math.pi))
        cut = [float(density[(x >= low) & (x < high)].sum() * (x[1] - x[0])) for low, high in
               ((-60, 16), (16, 32), (32, 121))]  # fmt: skip
        assert class_probabilities(mean, error) == pytest.approx(cut, abs=2e-3)
        assert sum(class_probabilities(mean, error)) == pytest.approx(1)


def test_raters_spread_is_pooled_over_the_training_part(tmp_path: Path) -> None:
    found = study(tmp_path)
    assert found.raters_sd() == pytest.approx(1.0)  # every photo: -1, 0, +1 around its mean
    near = min(found.photos, key=lambda photo: abs(found.ratings.mean_masi(photo) - 16))
    soft = found.soft([near])[0]
    assert soft == pytest.approx(class_probabilities(found.ratings.mean_masi(near), 1 / math.sqrt(3)), abs=1e-6)


def test_predictions_carry_everything_that_is_known(tmp_path: Path) -> None:
    found = study(tmp_path)
    photo = found.photos[3]
    row = found.predictions([photo], np.array([[1.0, 2.0, 1.0]]), np.array([60.0]))[0]
    assert row.probabilities == (0.25, 0.5, 0.25)
    assert row.predicted_masi == 48.0  # no MASI is beyond it
    assert (row.part, row.device, row.tone_band, row.true_masi) == (
        found.split[photo], "dslr", "tan", found.ratings.mean_masi(photo),
    )  # fmt: skip
    assert row.raters.keys() == {"rater1", "rater2", "rater3"}
    assert found.predictions([photo], np.array([[1.0, 2.0, 1.0]]), None)[0].predicted_masi is None
    assert row.group == ""
    heads = gather(grouped(cohort(tmp_path / "heads", 20), lambda i: f"head{i // 4}"), majority=None, seed=2)
    for row in heads.predictions(heads.photos, np.ones((len(heads.photos), 3)), None):
        assert row.group == f"head{int(row.patient[1:]) // 4}"


class TestReadPhotos:
    """The kept photos."""

    PICTURE = Picture(32, "whole", 0.0, "weights")

    @pytest.fixture(autouse=True)
    def _filelock(self) -> None:
        pytest.importorskip("filelock", reason="filelock is not installed: `make lab` adds it with torch")

    def test_a_photo_is_resized_and_found_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from melascope.lab.severity import photos

        files = study(tmp_path / "p", count=5).ratings.files
        seen: list[tuple[int, int]] = []
        first = photos.keep(files, self.PICTURE, tmp_path / "cache", advance=lambda *pair: seen.append(pair))
        assert first.pixels.shape == (5, 32, 32, 3) and seen[-1] == (5, 5)
        name = first.names[2]
        whole = cv2.imread(str(files[name]))[..., ::-1].astype(float)
        blocks = whole.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
        assert np.abs(first.pixels[first.rows([name])[0]].astype(float) - blocks).max() <= 0.51

        def never(*_: object) -> None:
            raise AssertionError("read again")

        monkeypatch.setattr(photos, "read_framed", never)
        again = photos.keep(files, self.PICTURE, tmp_path / "cache")
        assert np.array_equal(again.pixels, first.pixels) and again.digests == first.digests

    def test_what_was_stopped_goes_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from melascope.lab.severity import photos

        monkeypatch.setattr(photos, "_AT_ONCE", 2)
        files = study(tmp_path / "p", count=6).ratings.files

        def stop(done: int, of: int) -> None:
            if done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            photos.keep(files, self.PICTURE, tmp_path / "cache", advance=stop)
        done: list[int] = []
        kept = photos.keep(files, self.PICTURE, tmp_path / "cache", advance=lambda n, _: done.append(n))
        assert done == [6]
        fresh = photos.keep(files, self.PICTURE, tmp_path / "other")
        assert np.array_equal(kept.pixels, fresh.pixels)

    def test_photos_that_cannot_be_read_are_all_named(self, tmp_path: Path) -> None:
        from melascope.lab.severity.photos import PhotosError, keep

        files = dict(study(tmp_path / "p", count=4).ratings.files)
        for name in list(files)[:2]:
            files[name].write_bytes(b"no picture")
        with pytest.raises(PhotosError, match="2 of 4 photos cannot be read") as caught:
            keep(files, self.PICTURE, tmp_path / "cache")
        assert all(name in str(caught.value) for name in list(files)[:2])

    def test_the_square_around_a_face(self) -> None:
        from melascope.skin.framing import cut_square

        pixels = np.zeros((60, 80, 3), np.uint8)
        pixels[10:30, 20:30] = 255
        seen = cut_square(pixels, (20, 10, 30, 30), margin=0.1)
        assert seen.shape == (24, 24, 3)
        rows, columns = np.nonzero(seen[..., 0])
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 21, 7, 16)

    def test_no_face_leaves_the_whole_photo(self) -> None:
        from melascope.lab.severity.photos import framed

        noise = np.random.default_rng(1).integers(0, 255, (96, 96, 3)).astype(np.uint8)
        face = read_recipe("melascope").picture
        whole = Picture(face.side, "whole", 0.0, "weights")
        assert np.array_equal(framed(noise, face), framed(noise, whole))
