"""Contact sheets of a data set that is drawn for the purpose."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from melascope.cohort.sheet import contact_sheet
from melascope.data import Row, write_manifest
from melascope.data.layout import lesion_mask_path
from melascope.data.pixels import write_mask
from melascope.vocabulary import Lesion, ToneBand

SIDE = 64
COLOURS = {("mel", "light"): (200, 30, 30), ("mel", "dark"): (30, 200, 30), ("fre", "light"): (30, 30, 200)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = []
    (tmp_path / "photos").mkdir()
    for number, ((kind, tone), colour) in enumerate(COLOURS.items()):
        photo = np.full((96, 96, 3), colour, np.uint8)
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), photo[..., ::-1])
        mask = np.zeros((96, 96), np.uint8)
        mask[30:60, 30:60] = 1
        write_mask(lesion_mask_path(tmp_path, str(number)), mask)
        rows.append(
            Row(
                photo_id=str(number),
                patient=f"p{number}",
                file=f"photos/{number}.png",
                kinds=(Lesion(kind),),
                tone_band=ToneBand(tone),
                device="dslr" if number else "phone",
                ita_deg=10.0 * number,
            )
        )
    write_manifest(rows, tmp_path / "manifest.csv")
    return tmp_path


def colours_of(path: Path) -> set[tuple[int, int, int]]:
    sheet = cv2.imread(str(path))[..., ::-1]
    return {
        colour for colour in COLOURS.values() if (np.abs(sheet.astype(int) - colour).max(axis=2) < 12).mean() > 0.02
    }


def test_photographs_stand_in_turn(folder: Path) -> None:
    contact_sheet(folder, folder / "sheet.png", columns=2, rows=1, side=SIDE)
    assert colours_of(folder / "sheet.png") == set(list(COLOURS.values())[:2])
    contact_sheet(folder, folder / "all.png", columns=2, rows=2, side=SIDE)
    assert colours_of(folder / "all.png") == set(COLOURS.values())


def test_rows_and_columns_stand_for_values(folder: Path) -> None:
    contact_sheet(folder, folder / "sheet.png", side=SIDE, by=("kind", "tone"))
    sheet = cv2.imread(str(folder / "sheet.png"))[..., ::-1]
    half_y, half_x = sheet.shape[0] // 2, (sheet.shape[1] + 110) // 2
    quarters = {
        (row, column): part
        for row, rows in (("fre", sheet[:half_y]), ("mel", sheet[half_y:]))
        for column, part in (("light", rows[:, 110:half_x]), ("dark", rows[:, half_x:]))
    }
    for key, part in quarters.items():
        expected = COLOURS.get(key)
        for colour in COLOURS.values():
            present = (np.abs(part.astype(int) - colour).max(axis=2) < 12).mean() > 0.1
            assert present == (colour == expected), (key, colour)


def test_some_photographs_alone_and_with_outlines(folder: Path) -> None:
    contact_sheet(folder, folder / "plain.png", side=SIDE, only={"device": "phone"})
    assert colours_of(folder / "plain.png") == {COLOURS["mel", "light"]}
    contact_sheet(folder, folder / "drawn.png", side=SIDE, only={"device": "phone"}, outlines=True)
    assert (cv2.imread(str(folder / "plain.png")) != cv2.imread(str(folder / "drawn.png"))).any()


def test_nonsense_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="'colour' is nothing to sort by"):
        contact_sheet(folder, folder / "x.png", by=("colour", "tone"))
    with pytest.raises(ValueError, match="no such photograph"):
        contact_sheet(folder, folder / "x.png", only={"device": "film"})
    with pytest.raises(ValueError, match="could not be written"):
        contact_sheet(folder, folder / "none" / "x.png")
    with pytest.raises(FileNotFoundError, match="is not there"):
        contact_sheet(folder / "photos", folder / "x.png")
