"""Peak-area tables made elsewhere: a door into the pipeline behind the peak search."""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ionprint.errors import DataError, SheetError, listed

if TYPE_CHECKING:
    import pandas as pd
    from pandera.pandas import DataFrameSchema

MZ_TITLES = {"m/z", "mz", "mass", "center mass", "exact mass"}
AREA_TITLES = {"area", "areas", "peak area", "counts", "intensity"}
SPECTRUM_TITLES = {"file", "file name", "filename", "spectrum", "sample", "measurement", "spot"}
OF_A_PEAK = {"", "ion", "ion name", "peak", "peak name", "name", "label", "assignment", "formula"}
OF_A_PEAK |= {"no", "no.", "lower", "upper", "lower mass", "upper mass"}
"""Titles beside m/z that describe the peak of a row: no spectrum."""
UNIT = re.compile(r"\s*(?:(?<![a-z])(?:u|amu|da)|[(\[](?:u|amu|da)[)\]])$", re.IGNORECASE)
DIGITS = r"(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?"
NUMBER = re.compile(rf"[+-]?(?:{DIGITS}|nan|inf|infinity)", re.IGNORECASE | re.ASCII)
MZ = re.compile(rf"(?:(?:m/z|mz|mass)\s*[=:_]?)?\s*({DIGITS})", re.IGNORECASE | re.ASCII)
NAMED_MZ = re.compile(r".+[(\[]([^()\[\]]*[.,][^()\[\]]*)[)\]]")
"""A name with an m/z in brackets; with a decimal sign, for `C(13)` is an isotope."""
HEAVIEST = 1e5
"""m/z (u) above which nothing is measured."""

Problems = list[tuple[int, str]]
"""What is wrong, with its line."""
Cells = list[tuple[int, str, str, str, str]]
"""Line, column (none in a long table), spectrum, m/z and area, all but the line as written."""


@dataclass(frozen=True)
class AreaTable:
    """Peak areas of spectra.

    Attributes
    ----------
    spectra : list of str
        Names of the spectra, each once.
    mz : ndarray, shape (n_peaks,)
        m/z of the peaks (u), rising.
    areas : ndarray, shape (n_spectra, n_peaks)
        Counts, or whatever unit the table has; finite and not negative.
    simulated : bool
        Whether a comment line of the table says so.
    """

    spectra: list[str]
    mz: np.ndarray
    areas: np.ndarray
    simulated: bool = False

    def __post_init__(self) -> None:
        if self.areas.shape != (len(self.spectra), len(self.mz)):
            raise DataError(
                f"area table of shape {self.areas.shape}, expected ({len(self.spectra)}, "
                f"{len(self.mz)}): its spectra and peaks"
            )
        if len(set(self.spectra)) < len(self.spectra):
            raise DataError("a spectrum stands twice in an area table; expected each once")
        if not np.all(np.diff(self.mz) > 0):
            raise DataError("the peaks of an area table must rise in m/z, each once")
        if not (np.isfinite(self.areas).all() and (self.areas >= 0).all()):
            raise DataError("peak areas must be finite and not negative")


def read_area_table(source: str | Path | bytes, name: str | None = None) -> AreaTable:
    """Read a table of peak areas.

    Parameters
    ----------
    source : str, Path or bytes
        Where the file is, or its content. Text with tabs, semicolons or commas between the cells,
        decimal point or comma, `#` comment lines above the header row; one of

        - peaks in rows: a column `m/z` (`mz`, `mass`, `Mass (u)`), beside it columns that describe
          the peak, if any (`Ion`, `Assignment`, `Lower mass` ...), then one column a spectrum;
        - peaks in columns: first `file` or `spectrum`, then one column a peak whose title holds
          its m/z (`16.9996`, `m/z 16.9996`, `16.9996 u`, `OH- (17.003)`);
        - long: columns `file` or `spectrum`, `m/z` or `mz`, and `area`, `counts` or `intensity`;
          others are left out. A peak that other spectra have and this one has not is 0.
    name : str, optional
        How to call it in messages; its path when left out.

    Returns
    -------
    AreaTable
        Spectra in the order of the file, peaks rising.

    Raises
    ------
    SheetError
        With every problem of the table, each with its line.
    """
    path = name or str(source)
    lines = _lines(source, path)
    line, titles, rows, separator, problems = _rows(lines, path)
    layout, cells, more = _cells(titles, line, rows)
    problems += more
    frame, more = _numbers(cells, separator)
    problems += more
    if not problems and frame.empty:
        problems.append((line, "no areas below and beside the titles: the table is empty"))
    problems += _impossible(frame) + _doubled(frame, layout, line)
    if problems:
        told = dict.fromkeys(f"line {n}: {what}" for n, what in sorted(problems))
        raise SheetError(f"{path} needs mending:\n{listed(list(told))}")
    spectra = list(dict.fromkeys(frame["spectrum"]))
    row = {name: i for i, name in enumerate(spectra)}
    mz, column = np.unique(frame["mz"].to_numpy(), return_inverse=True)
    areas = np.zeros((len(spectra), mz.size))
    areas[[row[name] for name in frame["spectrum"]], column] = frame["area"]
    simulated = any(text.startswith("#") and "simulated" in text.lower() for text in lines)
    return AreaTable(spectra, mz, areas, simulated)


def _lines(source: str | Path | bytes, path: str) -> list[str]:
    try:
        raw = source if isinstance(source, bytes) else Path(source).read_bytes()
    except FileNotFoundError:
        raise SheetError(f"{path} is not there; expected a table of peak areas") from None
    except OSError as exc:
        raise SheetError(f"{path} cannot be read ({exc.strerror})") from exc
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in raw:
        raise SheetError(f"{path}: UTF-16, or no text at all; save it as plain text or UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _rows(
    lines: list[str], path: Path
) -> tuple[int, list[str], list[tuple[int, list[str]]], str, Problems]:
    """Return the header row's line and titles, the rows below, the separator, and bad rows."""
    filled = (n for n, r in enumerate(lines) if r.strip(' \t;,"') and not r.startswith("#"))
    header = next(filled, None)
    if header is None:
        raise SheetError(f"{path} is empty; expected a header row and peak areas below it")
    # names may hold commas, and numbers do where tabs or semicolons separate
    separator = next((s for s in "\t;," if s in lines[header]), ",")
    between = lines[header].count(separator)
    problems = [
        (n, "begins with '#' but has as many cells as the header row; is it the header?")
        for n, text in enumerate(lines[:header], 1)
        if text.startswith("#") and 1 < between <= text.count(separator)
    ]
    titles: list[str] = []
    rows = []
    reader = csv.reader((text + "\n" for text in lines[header:]), delimiter=separator, strict=True)
    try:
        for found in reader:
            row = [cell.strip() for cell in found]
            # some exports end every row with a separator
            while row and not row[-1] and (not titles or len(row) > len(titles)):
                row.pop()
            if not titles:
                titles = row
            elif any(row) and len(row) == len(titles):
                rows.append((header + reader.line_num, row))
            elif any(row):
                what = f"{len(row)} cells, expected {len(titles)} as in the header row"
                problems.append((header + reader.line_num, what))
    except csv.Error as exc:
        problems.append((header + reader.line_num, f"cannot be split into cells ({exc})"))
    return header + 1, titles, rows, separator, problems


def _cells(
    titles: list[str], line: int, rows: list[tuple[int, list[str]]]
) -> tuple[str, Cells, Problems]:
    """Return the layout, the areas as text, and what is wrong with the titles."""
    plain = [UNIT.sub("", t).lower() for t in titles]
    kinds = {"spectrum": SPECTRUM_TITLES, "m/z": MZ_TITLES, "area": AREA_TITLES}
    found = {kind: [i for i, t in enumerate(plain) if t in kinds[kind]] for kind in kinds}
    long = all(found.values())
    if not found["m/z"]:
        return "columns", *_peaks_in_columns(titles, plain, line, rows)
    doubled = [
        (line, f"{' and '.join(repr(titles[i]) for i in places)} both name the {kind}; keep one")
        for kind, places in found.items()
        if len(places) > 1 and (long or kind == "m/z")
    ]
    if long:
        name, mz, area = (places[0] for places in found.values())
        return "long", [(n, "", r[name], r[mz], r[area]) for n, r in rows], doubled
    mz, first = found["m/z"][0], 0
    while first < len(titles) and plain[first] in MZ_TITLES | OF_A_PEAK:
        first += 1
    spectra = range(first, len(titles))
    problems = [
        (line, f"column {i + 1} is called {titles[i]!r}, expected the name of a spectrum")
        for i in spectra
        if not titles[i] or plain[i] in MZ_TITLES
    ]
    if not spectra:
        problems.append((line, f"no spectra; got {titles}, expected a column for each"))
    cells = [(n, str(i + 1), titles[i], r[mz], r[i]) for n, r in rows for i in spectra]
    return "rows", cells, doubled + problems


def _peaks_in_columns(
    titles: list[str], plain: list[str], line: int, rows: list[tuple[int, list[str]]]
) -> tuple[Cells, Problems]:
    peaks = [i for i, t in enumerate(titles) if i and _mz_text(t)]
    if not peaks or plain[0] not in SPECTRUM_TITLES:
        shown = ", ".join(repr(t) for t in titles[:6])
        what = "no column 'm/z', and not 'file' or 'spectrum' first and then peaks named by m/z, "
        return [], [(line, f"{what}such as '16.9996' or 'OH- (17.003)'; got {shown}")]
    problems = [
        (
            line,
            f"column {i + 1} is called {t!r}, expected the m/z of a peak such as '16.9996' or "
            f"'OH- (17.003)'; take the column out if it is no peak",
        )
        for i, t in enumerate(titles)
        if i and i not in peaks
    ]
    cells = [(n, str(i + 1), r[0], titles[i], r[i]) for n, r in rows for i in peaks]
    return cells, problems


@lru_cache(maxsize=1 << 14)
def _mz_text(text: str) -> str | None:
    """Return the number in a peak's name, or None."""
    text = UNIT.sub("", text)
    named = NAMED_MZ.fullmatch(text)
    found = MZ.fullmatch(UNIT.sub("", named[1]) if named else text)
    return found[1] if found else None


def _numbers(cells: Cells, separator: str) -> tuple["pd.DataFrame", Problems]:
    """Return line, column, spectrum, m/z and area of each area, and what is no number."""
    import pandas as pd

    decimal = _decimal(cells, separator)
    other = "." if decimal == "," else ","
    good, problems = [], []
    for line, column, spectrum, mz, area in cells:
        told = f"area of {spectrum!r}" if column else "area"
        where = _mz_text(mz)
        bad = [("m/z", mz)] if where is None or other in where else []
        if not NUMBER.fullmatch(area) or other in area:
            bad.append((told, area))
        problems += [
            (line, f"{what} is {text[:40]!r}, expected a number (decimal {decimal!r})")
            for what, text in bad
        ]
        if not bad:
            numbers = float(where.replace(",", ".")), float(area.replace(",", "."))
            good.append((line, column, spectrum, *numbers))
    types = {"line": int, "column": str, "spectrum": str, "mz": float, "area": float}
    return pd.DataFrame(good, columns=list(types)).astype(types), problems


def _decimal(cells: Cells, separator: str) -> str:
    """Return the decimal sign: that of the first m/z that has one.

    A comma in areas alone could separate thousands; only where commas cannot separate cells, and
    no area has a point, it is taken for the decimal sign.
    """
    for _, _, _, mz, _ in cells:
        where = _mz_text(mz) or ""
        if "," in where or "." in where:
            return "," if "," in where else "."
    return "," if separator == ";" and not any("." in cell[4] for cell in cells) else "."


@cache
def _schema() -> "DataFrameSchema":
    """Say what the numbers of a table have to be; an error's text is what was expected."""
    from pandera.pandas import Check, Column, DataFrameSchema

    def column(kind: type, good: Callable[["pd.Series"], "pd.Series"], expected: str) -> Column:
        # NaN is left to the check, which refuses it
        return Column(kind, Check(good, error=expected, ignore_na=False), nullable=True)

    return DataFrameSchema(
        {
            "line": Column(int),
            "column": Column(str),
            "spectrum": column(str, lambda s: s != "", "the name of a spectrum"),
            "mz": column(float, lambda m: (m > 0) & (m <= HEAVIEST), f"0 to {HEAVIEST:,.0f} u"),
            "area": column(float, lambda a: np.isfinite(a) & (a >= 0), "finite, not negative"),
        },
        strict=True,
    )


def _impossible(frame: "pd.DataFrame") -> Problems:
    """Return the numbers that the schema refuses."""
    from pandera.errors import SchemaErrors

    try:
        _schema().validate(frame, lazy=True)
    except SchemaErrors as exc:
        failures = exc.failure_cases
    else:
        return []
    rows = frame.loc[failures["index"]].itertuples(index=False)
    problems = []
    for row, what, expected in zip(rows, failures["column"], failures["check"], strict=True):
        told = {
            "spectrum": "no spectrum is named",
            "mz": f"m/z is {row.mz:g}",
            "area": f"area of {row.spectrum!r} is {row.area:g}",
        }[what]
        problems.append((row.line, f"{told}, expected {expected}"))
    return problems


def _doubled(frame: "pd.DataFrame", layout: str, title_line: int) -> Problems:
    """Return peaks and spectra that stand twice, with both places."""
    first: dict[tuple[str, float], tuple[int, str]] = {}
    problems = []
    for line, column, spectrum, mz, _ in frame.itertuples(index=False):
        before, beside = first.setdefault((spectrum, mz), (line, column))
        if (before, beside) == (line, column):
            continue
        if before == line:
            what = f"spectrum {spectrum!r}" if layout == "rows" else f"peak m/z {mz:.10g}"
            told = f"{what} has columns {beside} and {column}; keep one"
            problems.append((title_line, told))
        else:
            of = {"rows": f"peak m/z {mz:.10g}", "columns": f"spectrum {spectrum!r}"}
            what = of.get(layout, f"m/z {mz:.10g} of {spectrum!r}")
            problems.append((line, f"{what} stands on line {before} already; keep one"))
    return list(dict.fromkeys(problems))


def align(table: AreaTable, mz: np.ndarray, tolerance_ppm: float) -> tuple[np.ndarray, list[str]]:
    """Bring the columns of a table onto a given list of peaks.

    Parameters
    ----------
    table : AreaTable
    mz : ndarray, shape (n,)
        The list (u), rising.
    tolerance_ppm : float
        How far a column may lie from its peak (ppm of the peak's m/z).

    Returns
    -------
    areas : ndarray, shape (n_spectra, n)
        Areas of columns that fall on one peak are added; a peak without a column has 0.
    warnings : list of str
        What was added, what could belong to two peaks, what fell on none, and what is missing.

    Raises
    ------
    DataError
        The list does not rise, or the tolerance is no positive number.
    """
    mz = np.asarray(mz, dtype=float)
    if mz.ndim != 1 or not (np.isfinite(mz).all() and (mz > 0).all() and (np.diff(mz) > 0).all()):
        raise DataError("expected a list of peaks (u) above 0 and rising, each once")
    if not (np.isfinite(tolerance_ppm) and tolerance_ppm > 0):
        raise DataError(f"tolerance is {tolerance_ppm!r}, expected ppm above 0")
    areas = np.zeros((len(table.spectra), mz.size))
    on: dict[int, list[int]] = {}
    split, lost = [], []
    for column, at in enumerate(table.mz):
        off = np.abs(at / mz - 1) * 1e6
        near = np.flatnonzero(off <= tolerance_ppm)
        if not near.size:
            lost.append(at)
            continue
        peak = int(near[np.argmin(off[near])])
        if near.size > 1:
            split.append(
                f"column {at:.4f} lies within {tolerance_ppm:g} ppm of peaks {_named(mz[near])}: "
                f"it goes to the nearest, {mz[peak]:.4f}"
            )
        on.setdefault(peak, []).append(column)
        areas[:, peak] += table.areas[:, column]
    warnings = [
        f"columns {_named(table.mz[columns])} fall on one peak, {mz[peak]:.4f}: their areas are "
        f"added"
        for peak, columns in on.items()
        if len(columns) > 1
    ]
    warnings += split
    if lost:
        told = f"{len(lost)} columns lie on no peak of the list within {tolerance_ppm:g} ppm"
        warnings.append(f"{told} and are left out: {_named(lost)}")
    missing = [m for peak, m in enumerate(mz) if peak not in on]
    if missing:
        told = f"{len(missing)} peaks of the list have no column within {tolerance_ppm:g} ppm"
        warnings.append(f"{told} and are 0 in all spectra: {_named(missing)}")
    return areas, warnings


def _named(mz: np.ndarray | list[float]) -> str:
    names = [f"{m:.4f}" for m in mz]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
