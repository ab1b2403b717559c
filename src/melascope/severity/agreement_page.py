"""What `melascope severity agreement` writes: a page with figures, its numbers as CSV, and the photos to re-read."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from melascope.data.cells import harmless
from melascope.data.layout import write_whole
from melascope.masi import Agreement
from melascope.severity.agreement import COMPONENTS, Report
from melascope.severity.agreement_figures import bands_figure, bland_altman, cumulative, drift_figure, signed, spread
from melascope.severity.intervals import RESAMPLES, Interval
from melascope.vocabulary import DISCLAIMER, MASI_REGIONS, Severity

__all__ = ["COLUMNS", "between", "figures", "grade", "html", "number", "reread_rows", "signed", "write"]

COLUMNS: Final = ("figure", "of", "and", "region", "value", "low", "high", "n")
"""Of agreement.csv: one row a figure."""
_LISTED: Final = 60
_GRADES: Final = ((0.5, "poor"), (0.75, "moderate"), (0.9, "good"), (math.inf, "excellent"))


def write(report: Report, source: str, out: Path) -> tuple[Path, Path, Path]:
    """Write agreement.html, agreement.csv and reread.csv, and return their paths.

    Raises:
        OSError: The folder cannot be written to.
    """
    page, table, again = (out / name for name in ("agreement.html", "agreement.csv", "reread.csv"))
    write_whole(table, _csv([COLUMNS, *figures(report)]))
    write_whole(again, _csv(reread_rows(report)))
    write_whole(page, html(report, source))
    return page, table, again


def html(report: Report, source: str) -> str:
    """The page: self-contained, without scripts.

    Args:
        report: From `melascope.severity.agreement.agreement`.
        source: What the ratings are called on the page: the table's or the folder's name.
    """
    table = report.readings
    return _template().render(
        report=report,
        source=source,
        n=len(table.subjects),
        people=table.people,
        photos=sum(map(len, table.photos)),
        raters=table.raters,
        single=report.single,
        mean=report.mean,
        resamples=RESAMPLES,
        cumulative=Markup(cumulative(report)),  # noqa: S704 - our own drawing, whose words are escaped
        bars=Markup(bands_figure(report)),  # noqa: S704
        pairs=[(pair, Markup(bland_altman(report, pair))) for pair in report.pairs],  # noqa: S704
        drifts=[(one, Markup(drift_figure(report, one))) for one in report.drifts],  # noqa: S704
        spread=Markup(spread(report)),  # noqa: S704
        parts=_parts(report),
        listed=report.reread[:_LISTED],
        differing=sum(len(set(one.bands)) > 1 for one in report.reread),
        bands=tuple(Severity),
        disclaimer=DISCLAIMER,
        version=version("melascope"),
    )


def figures(report: Report) -> Iterator[tuple[object, ...]]:
    """Rows of agreement.csv after its header, in `COLUMNS`; numbers to their last digit."""
    n = len(report.readings.subjects)
    if report.icc is not None:
        yield from _icc_rows(report.icc)
    yield from _drawn_rows((report.icc_single, report.icc_mean), n)
    if report.icc_affected is not None:
        affected = "MASI of readings with melasma"
        yield from _icc_rows(report.icc_affected, affected)
        yield from _drawn_rows(
            (report.affected_single, report.affected_mean), report.icc_affected.subjects, of=affected
        )
    for part in report.parts:
        if part.icc is not None:
            yield from _icc_rows(part.icc, part.component, part.region.key)
            yield from _drawn_rows((part.icc_single, part.icc_mean), n, part.component, part.region.key)
    for rater in report.raters:
        yield ("mean MASI", rater.name, "", "", rater.mean, "", "", n)
        yield ("standard deviation of MASI", rater.name, "", "", rater.deviation, "", "", n)
        yield ("difference from the mean of the others", rater.name, "", "", *_cells(rater.bias), n)
        for band, count in zip(Severity, rater.bands, strict=True):
            yield (f"readings {band.value}", rater.name, "", "", count, "", "", n)
    for pair in report.pairs:
        for name, value in (
            ("bias", pair.bias),
            ("lower limit of agreement", pair.lower),
            ("upper limit of agreement", pair.upper),
            ("kappa, linear weights", pair.kappa_linear),
            ("kappa, quadratic weights", pair.kappa_quadratic),
            ("share in the same band", pair.same_band),
        ):
            yield (name, pair.first, pair.second, "", *_cells(value), n)
        yield ("standard deviation of differences", pair.first, pair.second, "", pair.deviation, "", "", n)
    for drift in report.drifts:
        yield ("drift, MASI points per 100 readings", drift.rater, "", "", *_cells(drift.slope), n)
    yield ("readings to read again", "", "", "", len(report.reread), "", "", n)


def reread_rows(report: Report) -> Iterator[tuple[object, ...]]:
    """Header and rows of reread.csv, farthest apart first."""
    yield ("photos", "patient", *(f"{name} MASI" for name in report.readings.raters), "mean MASI", "apart", "why")
    for one in report.reread:
        scores = (round(score, 3) for score in one.scores)
        why = "; ".join(one.reasons)
        yield (";".join(one.photos), one.patient, *scores, round(one.mean, 3), round(one.apart, 3), why)


def number(value: float, digits: int = 2) -> str:
    """A figure for people, a true minus, and ``n/a`` for what does not exist."""
    if not math.isfinite(value):
        return "n/a"
    return signed(value, digits, plus=False)


def between(low: float, high: float, digits: int = 2) -> str:
    """``0.75 to 0.86``."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "no interval"
    return f"{number(low, digits)} to {number(high, digits)}"


def grade(low: float, high: float) -> str:
    """Words of Koo & Li 2016 for the interval of an intraclass correlation.

    Example:
        >>> grade(0.72, 0.86), grade(0.91, 0.95)
        ('moderate to good', 'excellent')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    first, last = (next(word for limit, word in _GRADES if value < limit) for value in (low, high))
    return first if first == last else f"{first} to {last}"


def _icc_rows(found: Agreement, of: str = "MASI", region: str = "") -> Iterator[tuple[object, ...]]:
    yield ("ICC(2,1)", of, "", region, found.single, found.single_low, found.single_high, found.subjects)
    yield ("ICC(2,k)", of, "", region, found.mean, found.mean_low, found.mean_high, found.subjects)


def _drawn_rows(
    found: tuple[Interval | None, Interval | None], n: int, of: str = "MASI", region: str = ""
) -> Iterator[tuple[object, ...]]:
    for name, one in zip(("ICC(2,1), patients drawn", "ICC(2,k), patients drawn"), found, strict=True):
        if one is not None:
            yield (name, of, "", region, *_cells(one), n)


def _parts(report: Report) -> list[tuple[str, list[Interval | None]]]:
    """(region, ICC(2,1) of each of `COMPONENTS`)."""
    found = {(part.region, part.component): part.single for part in report.parts}
    return [(region.label, [found[region, name] for name in COMPONENTS]) for region in MASI_REGIONS] if found else []


def _cells(value: Interval) -> tuple[object, ...]:
    return value.value, value.low, value.high


def _csv(rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return stream.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else ""
    return harmless(str(value))


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("melascope.severity", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals |= {"number": number, "between": between, "grade": grade, "signed": signed}
    return environment.get_template("agreement.html.j2")
