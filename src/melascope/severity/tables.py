"""Tables as people send them: CSV of several kinds, Excel, Parquet; every cell as text, every row with its number."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

__all__ = ["Table", "TableError", "read_table"]

_SEPARATORS: Final = (",", ";", "\t")
_UNPACKED: Final = 400_000_000
"""Bytes that a spreadsheet may unpack to."""
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"
_WIDEST: Final = 2000


@dataclass(frozen=True)
class Table:
    """Cells as text, stripped of blanks."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    """(row as a spreadsheet counts, cells), as wide as the header; empty rows are left out."""
    problems: tuple[tuple[int, str], ...] = ()
    """(row, what is wrong) of rows that do not fit the header; they are left out."""


class TableError(ValueError):
    """A file that is no table, or not one that can be read; with everything that is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


def read_table(path: Path) -> Table:
    """Read a .csv, .tsv, .txt, .xlsx, .xlsm or .parquet file.

    CSV is UTF-8 with or without a mark, or UTF-16 with one; cells are parted by comma, semicolon or tab, whichever the
    header holds most of. Of a workbook the sheet ``ratings`` is read, or else its only sheet that is not empty.

    Raises:
        TableError: The file cannot be read as a table.
    """
    try:
        if not path.is_file():
            raise TableError(["is no file; name a table (.csv, .xlsx, .parquet) or a data set's folder"])
        with path.open("rb") as stream:
            head = stream.read(8)
        if path.stat().st_size == 0:
            raise TableError(["is empty (0 bytes); export the table again"])
        ending = path.suffix.lower()
        if head.startswith(_OLD_OFFICE):
            raise TableError(
                ["is locked by a password, or an old .xls; open it, save it as .xlsx without a password, or as CSV"]
            )
        if ending in {".xlsx", ".xlsm"}:
            return _excel(path)
        if head.startswith(b"PK\x03\x04"):
            raise TableError([f"is a workbook with the ending {ending or '(none)'}; give it the ending .xlsx"])
        if ending == ".parquet" or head.startswith(b"PAR1"):
            return _parquet(path)
        if ending in {".csv", ".tsv", ".txt"}:
            return _csv(path.read_bytes())
    except OSError as error:
        raise TableError([f"cannot be read ({error.strerror or error}); see its permissions"]) from None
    raise TableError([f"has the ending {ending or '(none)'}; tables are .csv, .tsv, .txt, .xlsx or .parquet"])


def _csv(data: bytes) -> Table:
    text = _decoded(data)
    lines = text.splitlines()
    first = 1
    separator = None
    if lines and lines[0].lower().startswith("sep=") and len(lines[0]) == 5:
        # A line for Excel, which does not show it.
        separator, text = lines[0][4], text[text.index("\n") + 1 :] if "\n" in text else ""
    if separator is None:
        header = next((line for line in lines if line.strip()), "")
        counts = {sign: _outside_quotes(header, sign) for sign in _SEPARATORS}
        separator = max(_SEPARATORS, key=lambda sign: counts[sign])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows = []
    row = first - 1
    try:
        for row, cells in enumerate(reader, start=first):
            rows.append((row, cells))
    except csv.Error as error:
        why = "a quotation mark is opened and not closed" if "end of data" in str(error) else str(error)
        raise TableError([f"row {row + 1}: is no CSV ({why}); correct the row, or export the table again"]) from None
    return _table(rows, separator)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            raise TableError(["begins like UTF-16 and is not; save the table as 'CSV UTF-8'"]) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        why = f"holds the byte {data[error.start]:#04x}, which is not UTF-8 (it may be Windows-1252, GBK or the like)"
        raise TableError([f"row {row}: {why}; save the table as 'CSV UTF-8'"]) from None
    if "\x00" in text:
        row = text[: text.index("\x00")].count("\n") + 1
        raise TableError([f"row {row}: holds zero bytes, so it is no text; save the table as 'CSV UTF-8'"])
    return text


def _outside_quotes(line: str, sign: str) -> int:
    return sum(part.count(sign) for part in line.split('"')[::2])


def _excel(path: Path) -> Table:
    try:
        import openpyxl
        from openpyxl.utils.exceptions import InvalidFileException
    except ModuleNotFoundError:
        raise TableError(
            ["needs the package openpyxl: pip install openpyxl, or save the table as 'CSV UTF-8'"]
        ) from None
    broken = "is no workbook that can be read; open it and save it again as .xlsx, or as 'CSV UTF-8'"
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(item.file_size for item in packed.infolist()) > _UNPACKED:
                raise TableError(
                    [f"unpacks to more than {_UNPACKED // 10**6} MB; keep the ratings in a file of their own"]
                )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and drop-down lists that openpyxl does not keep
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                sheets = {
                    sheet.title: [
                        (number, [_text(value) for value in cells[:_WIDEST]])
                        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1)
                    ]
                    for sheet in book.worksheets
                }
            finally:
                book.close()
    except TableError:
        raise
    except (
        zipfile.BadZipFile,
        InvalidFileException,
        KeyError,
        ValueError,
        TypeError,
        SyntaxError,
        EOFError,
        OSError,
    ) as e:
        raise TableError([f"{broken} ({type(e).__name__})"]) from None
    filled = {name: rows for name, rows in sheets.items() if any(any(cells) for _, cells in rows)}
    if not filled:
        raise TableError(["holds no cells; the first row must name the columns"])
    named = [name for name in filled if name.strip().casefold() == "ratings"]
    if len(filled) > 1 and not named:
        raise TableError([f"holds the sheets {', '.join(map(repr, filled))}; name the one with the ratings 'ratings'"])
    return _table(filled[named[0] if named else next(iter(filled))], None)


def _parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError:
        raise TableError(["needs the package pyarrow: pip install pyarrow, or save the table as 'CSV UTF-8'"]) from None
    try:
        content = parquet.read_table(path)
        columns = [[_text(value) for value in column.to_pylist()] for column in content.columns]
    except (ArrowException, OSError, ValueError) as error:
        raise TableError([f"is no Parquet file that can be read ({type(error).__name__}); write it again"]) from None
    rows = [(1, list(content.column_names))]
    rows += [(number, list(cells)) for number, cells in enumerate(zip(*columns, strict=True), start=2)]
    return _table(rows, None)


def _table(rows: Iterable[tuple[int, Sequence[str]]], separator: str | None) -> Table:
    filled = [(number, [_stripped(cell) for cell in cells]) for number, cells in rows]
    filled = [(number, cells) for number, cells in filled if any(cells)]
    if not filled:
        raise TableError(["is empty; the first row must name the columns"])
    header = filled[0][1]
    while header and not header[-1]:
        header.pop()
    problems: list[tuple[int, str]] = []
    table = []
    for number, cells in filled[1:]:
        if any(cells[len(header) :]):
            hint = ""
            if separator is not None:
                hint = f"; put text and numbers that hold a {_sign(separator)} in quotation marks"
            problems.append((number, f"has {len(cells)} cells where the header has {len(header)}{hint}"))
            continue
        table.append((number, tuple((cells + [""] * len(header))[: len(header)])))
    return Table(tuple(header), tuple(table), tuple(problems))


def _sign(separator: str) -> str:
    return {",": "comma (a decimal comma, too)", ";": "semicolon", "\t": "tab"}.get(separator, repr(separator))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _stripped(cell: str) -> str:
    """Without blanks around it, be they of any width or of none."""
    return cell.strip(" \t\r\n\v\f\u00a0\u2007\u202f\u2009\u3000\u200b\u200c\u200d\u2060\ufeff")
