"""The explanation's page: tables, drawings and heat maps in one HTML file, and all of them as files beside it."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup
from PIL import Image

import melascope
from melascope.data.layout import write_whole
from melascope.lab.lrp import DEFAULT
from melascope.lab.severity import explain_figures as figures
from melascope.lab.severity import explain_pictures as pictures
from melascope.lab.severity import explain_tables as tables
from melascope.lab.severity.explain import Measured, heat_map_path
from melascope.lab.severity.explain_methods import METHODS, PAPER
from melascope.severity.intervals import Interval
from melascope.severity.prediction import CLASSES
from melascope.severity.sheets import Cell, Sheet, csv_text, shown
from melascope.vocabulary import DISCLAIMER

__all__ = ["PAGE", "write_explanation"]

PAGE: Final = "explain.html"
_LITTLE: Final = 5.0
"""Per cent of a score from pixels below which a warning is due."""
_A_CLASS: Final = 2
"""Photos of each class whose heat maps stand on the page, for each network."""


def write_explanation(
    rows: Sequence[Measured], out: Path, command: str, *, data: str, part: str, virtual: bool
) -> Path:
    """Write the page, its tables as CSV and its drawings as SVG; the heat maps lie there already.

    Args:
        rows: Of every network, from `explain_run`.
        out: Folder.
        command: What was typed; printed on the page.
        data: What the photos are, in words.
        part: Of the split.
        virtual: Whether the patients are virtual.

    Returns:
        The page.
    """
    sheets = {sheet.key: sheet for sheet in tables.every_sheet(rows)}
    for sheet in sheets.values():
        write_whole(out / f"{sheet.key}.csv", csv_text(sheet))
    bars = {m: figures.bars(rows, m) for m in (PAPER, DEFAULT) if m in tables.methods_of(rows)}
    drawings = {
        **{f"bars_{method}": drawing for method, drawing in bars.items()},
        "places": figures.places(rows) if any(row.places for row in rows) else "",
        "flipping": figures.curves(rows),
        "sanity": figures.sanity(rows),
    }
    for name, drawing in drawings.items():
        if drawing:
            write_whole(out / "figures" / f"{name}.svg", drawing)
    patients = len({row.patient for row in rows})
    photos = len({row.photo for row in rows})
    networks = tables.networks_of(rows)
    text = _template().render(
        headline=_headline(rows, sheets["places"]),
        about=f"{photos} photos of {patients} {'virtual ' if virtual else ''}patients, part {part} of {data}.",
        sentences=_sentences(rows, sheets),
        tables={key: _laid_out(sheet) for key, sheet in sheets.items() if key != "photos"},
        drawings={name: Markup(drawing) for name, drawing in drawings.items()},  # noqa: S704 - escaped by svg
        bars=[f"bars_{method}" for method in bars],
        strips=[(network, _strips(rows, network, out)) for network in networks],
        beside=_beside(rows, out) if len(networks) > 1 else [],
        bar=_embedded(Image.fromarray(pictures.colour_bar())),
        methods=[(name, METHODS[name]) for name in tables.methods_of(rows)],
        paper=PAPER,
        default=DEFAULT,
        checked=sum(bool(row.sanity) for row in tables.of(rows, networks[0])),
        masks=any(row.places for row in rows),
        command=command,
        disclaimer=DISCLAIMER,
        version=melascope.__version__,
    )
    write_whole(out / PAGE, text)
    return out / PAGE


def _headline(rows: Sequence[Measured], places: Sheet) -> str:
    count = len(tables.networks_of(rows))
    subject = "one network" if count == 1 else f"{count} networks"
    found = [row for row in places.rows if row[1] == DEFAULT and isinstance(row[2], Interval)]
    values = [row[2].value for row in found if isinstance(row[2], Interval) and math.isfinite(row[2].value)]
    if not values:
        return f"What {subject} looked at"
    ends = f"{min(values):.0f}" if len(values) == 1 else f"{min(values):.0f} to {max(values):.0f}"
    return f"What {subject} looked at: {ends} % of the positive relevance lies in the true melasma"


def _sentences(rows: Sequence[Measured], sheets: dict[str, Sheet]) -> list[str]:
    """What the tables say, in words."""
    found = []
    account = {(row[0], row[1]): row for row in sheets["account"].rows}
    where = {(row[0], row[1]): row for row in sheets["places"].rows}
    for network in tables.networks_of(rows):
        ranked = [(_value(row[4]), row[1]) for row in sheets["flipping"].rows if row[0] == network]
        known = [(value, method) for value, method in ranked if math.isfinite(value)]
        if known:
            value, method = max(known)
            found.append(
                f"{network}: covering photos cell by cell bears out {method} best "
                f"({value:+.2f} between the two curves; 0 is chance)."
            )
        area, lrp = where.get((network, tables.EVENLY)), where.get((network, DEFAULT))
        if area and lrp:
            found.append(
                f"{network}, {DEFAULT}: {_value(lrp[2]):.0f} % of the positive relevance lies in the true melasma, "
                f"which covers {_value(area[2]):.0f} % of the picture; {_value(lrp[8]):.0f} % lies outside the face, "
                f"which is {_value(area[8]):.0f} %."
            )
        if (network, DEFAULT) in account:
            pixels = _value(account[network, DEFAULT][2])
            found.append(f"{network}: {pixels:.0f} % of the class score come from pixels, the rest from biases.")
            if pixels < _LITTLE:
                found[-1] += (
                    " These rules give nearly all of it to biases, above all those that batch norms leave: the map "
                    "shows the little that remains, and does not tell how much the network looks at its photo."
                )
    gaps = [_value(row[5]) for row in sheets["account"].rows]
    if gaps:
        found.append(f"All LRP maps: pixels, biases and stabilisers add up to the score within {max(gaps):.5f} %.")
    return found


def _value(cell: Cell) -> float:
    if isinstance(cell, Interval):
        return cell.value
    return float(cell) if isinstance(cell, int | float) else math.nan


def _chosen(rows: Sequence[Measured], network: str) -> list[Measured]:
    """For each class the photos of which the network is surest, right ones first."""
    chosen: list[Measured] = []
    for k in range(len(CLASSES)):
        graded = [row for row in tables.of(rows, network) if row.truth == k]
        graded.sort(key=lambda row: (row.explained != k, -row.probability, row.photo))
        chosen += graded[:_A_CLASS]
    return chosen


def _strips(rows: Sequence[Measured], network: str, out: Path) -> list[tuple[str, str]]:
    found = []
    for row in _chosen(rows, network):
        with Image.open(heat_map_path(out, network, row.photo)) as picture:
            said = f"called {CLASSES[row.explained].value} with probability {row.probability:.2f}"
            found.append((f"{row.photo}: rated {CLASSES[row.truth].value}, {said}", _embedded(picture.convert("RGB"))))
    return found


def _beside(rows: Sequence[Measured], out: Path) -> list[tuple[str, str]]:
    """One photo of each class with the default method's map of every network: cut out of the strips."""
    networks, method = tables.networks_of(rows), next(iter(m for m in tables.methods_of(rows)))
    column = 1 + tables.methods_of(rows).index(method)
    found = []
    for k in range(len(CLASSES)):
        graded = [row for row in tables.of(rows, networks[0]) if row.truth == k]
        if not graded:
            continue
        sure = {photo.photo: 0.0 for photo in graded}
        for row in rows:
            if row.photo in sure and row.explained == k:
                sure[row.photo] += row.probability
        photo = max(sure, key=lambda name: (sure[name], name))
        tiles: list[Image.Image] = []
        for network in networks:
            with Image.open(heat_map_path(out, network, photo)) as opened:
                picture = opened.convert("RGB")
            count = 1 + len(tables.methods_of(rows))
            width = (picture.width + 8) // count
            if not tiles:
                tiles.append(picture.crop((0, 0, width - 8, width - 8)))
            left = column * width
            tiles.append(picture.crop((left, 0, left + width - 8, width - 8)))
        side = tiles[0].width
        sheet = Image.new("RGB", (len(tiles) * (side + 8) - 8, side), "white")
        for number, tile in enumerate(tiles):
            sheet.paste(tile.resize((side, side)), (number * (side + 8), 0))
        words = ", ".join(networks)
        found.append((f"{photo}, rated {CLASSES[k].value}; {method}, from the left: {words}", _embedded(sheet)))
    return found


def _embedded(picture: Image.Image) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(pictures.jpeg(picture)).decode()


def _laid_out(sheet: Sheet) -> dict[str, Any]:
    spans: list[list[Any]] = []
    for column in sheet.columns:
        if spans and spans[-1][0] == column.group:
            spans[-1][1] += 1
        else:
            spans.append([column.group, 1, column.printed])
    cells = shown(sheet)
    numbers = [any(row[k].number for row in cells) or bool(c.group) for k, c in enumerate(sheet.columns)]
    return {
        "title": sheet.title,
        "spans": spans if any(span[0] for span in spans) else [],
        "heads": [(c.label, number, c.printed) for c, number in zip(sheet.columns, numbers, strict=True)],
        "rows": [
            [(cell, number, c.printed) for cell, number, c in zip(row, numbers, sheet.columns, strict=True)]
            for row in cells
        ],
    }


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("melascope.lab.severity", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("explain.html.j2")
