"""The same measurement under two names, found by its counts.

Two measurements, of the same spot even, are never alike count for count. Two independent counts
of a mean c are equal with a chance of 1 / sqrt(4 pi c) (two Poisson numbers; Skellam, J. R. Stat.
Soc. 109 (1946) 296), so that a stretch of bins tells with ln sqrt(4 pi c) for each bin with counts.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ionprint.errors import SheetError, listed

STRETCH = 40.0
"""What a stretch of bins has to tell: chance makes two alike once in exp(40) = 2e17 times, among
the stretches kept of 1,200 spectra (2e11 pairs) in 1e-6 cases. Bins of one count each have told it
after 32 of them: a spectrum with counts in fewer bins is practically empty."""
SKETCH = 512
"""Stretches kept of a spectrum: of those it shares with another, the share is known to 2 %."""
SHARED = 0.5
"""Of the stretches, from which two spectra are one: most of a copy is the same whatever was cut off
or changed in it, and independent measurements share none."""
ROW = 25.0
"""What a row of areas has to tell: 1,200 rows (7e5 pairs) give two alike by chance in 1e-5 cases.
Twelve different areas do, however they were scaled."""
BASE = np.uint64(0x9E3779B97F4A7C15)
INVERSE = np.uint64(pow(int(BASE), -1, 1 << 64))
"""A sum of numbers times the powers of an odd one, modulo 2^64, is moved along by its inverse."""


def sketch(counts: np.ndarray) -> np.ndarray:
    """Return a spectrum's stretches of bins in brief: the smallest of their hashes.

    A stretch begins at any bin with counts and is as long as it has to be to tell `STRETCH`. Where
    it lies does not matter, nor what is at the ends of the spectrum.

    Parameters
    ----------
    counts : ndarray, shape (n_bins,)
        As exported.

    Returns
    -------
    ndarray of uint64, shape (n,)
        Rising; `SKETCH` of them at most, none of a spectrum that is practically empty.
    """
    at = np.flatnonzero(counts)
    told = np.concatenate([[0.0], np.cumsum(_information(counts[at]))])
    last = np.searchsorted(told, told[:-1] + STRETCH)
    first = np.flatnonzero(last < told.size)
    last = last[first]
    if not first.size:
        return np.zeros(0, np.uint64)
    with np.errstate(over="ignore"):
        power = np.multiply.accumulate(np.full(at.size, BASE))
        inverse = np.multiply.accumulate(np.full(at.size, INVERSE))
        values = _mixed(np.ascontiguousarray(counts[at], float).view(np.uint64)) * power
        gaps = _mixed(np.diff(at, prepend=at[0]).astype(np.uint64)) * power
        values, gaps = (
            np.concatenate([np.zeros(1, np.uint64), np.cumsum(part, dtype=np.uint64)])
            for part in (values, gaps)
        )
        # the way to a stretch's first bin is not of it
        found = values[last] - values[first] + gaps[last] - gaps[first + 1]
        return np.unique(_mixed(found * inverse[first]))[:SKETCH]


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Scatter numbers over all of 64 bits (splitmix64: Steele, Lea and Flood, OOPSLA 2014)."""
    numbers = numbers + BASE
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _information(counts: np.ndarray) -> np.ndarray:
    return 0.5 * np.log(4 * np.pi * np.maximum(counts, 1.0))


def copied_spectra(sketches: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Return which spectra hold the same measurement, wholly or for the most part.

    Parameters
    ----------
    sketches : sequence of ndarray
        From `sketch`.

    Returns
    -------
    list of (int, int)
        Places, the first of equal ones before each of the others.
    """

    owner = np.repeat(np.arange(len(sketches)), [s.size for s in sketches])
    hashes = np.concatenate([np.zeros(0, np.uint64), *sketches])
    order = np.argsort(hashes, kind="stable")
    hashes, owner = hashes[order], owner[order]
    again = np.flatnonzero(hashes[1:] == hashes[:-1]) + 1
    first = np.searchsorted(hashes, hashes[again])
    pairs = set(zip(owner[first].tolist(), owner[again].tolist(), strict=True))
    found: dict[int, int] = {}
    for one, other in sorted(pairs):
        if other not in found and _alike(sketches[one], sketches[other]):
            found[other] = one
    return [(one, other) for other, one in found.items()]


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    # below this both are complete
    end = min((s[-1] for s in (a, b) if s.size == SKETCH), default=np.iinfo(np.uint64).max)
    a, b = a[a <= end], b[b <= end]
    return np.intersect1d(a, b, assume_unique=True).size >= SHARED * max(min(a.size, b.size), 1)


def copied_areas(areas: np.ndarray) -> list[tuple[int, int]]:
    """Return which rows of a table of areas are the same.

    Parameters
    ----------
    areas : ndarray, shape (n_spectra, n_peaks)
        Counts, or in any unit: then an area counts as the least it can be, its rank in the row.

    Returns
    -------
    list of (int, int)
        As `copied_spectra`.
    """
    first: dict[bytes, int] = {}
    found = []
    for place, row in enumerate(areas + 0.0):  # no -0.0
        before = first.setdefault(row.tobytes(), place)
        some = row[row > 0]
        if (some != np.rint(some)).any():
            some = np.arange(1.0, np.unique(some).size + 1)
        if before != place and _information(some).sum() >= ROW:
            found.append((before, place))
    return found


def set_aside(
    pairs: list[tuple[int, int]], sheet: pd.DataFrame, where: str
) -> tuple[list[int], list[str]]:
    """Return the rows of a sheet that only repeat others, and say so.

    Parameters
    ----------
    pairs : list of (int, int)
        Places in the sheet, from `copied_spectra` or `copied_areas`.
    sheet : DataFrame
        From `read_sheet`.
    where : str
        The sheet's name.

    Returns
    -------
    places : list of int
        Rows that say of a measurement what an earlier row says of it, but for file and spot.
    told : list of str
        A line for each.

    Raises
    ------
    SheetError
        Two rows say different things of one measurement: nothing tells which is right.
    """

    def named(place: int) -> str:
        row = sheet.iloc[place]
        return f"{row['file']} (sample {row['sample']}, {row['compound'] or row['role']})"

    said = sheet.drop(columns=["file", "spot"])
    at_odds = [
        f"{named(one)} and {named(other)} differ in "
        f"{', '.join(said.columns[said.iloc[one] != said.iloc[other]])}"
        for one, other in pairs
        if (said.iloc[one] != said.iloc[other]).any()
    ]
    if at_odds:
        raise SheetError(
            f"{where} names one measurement twice, for two are never alike count for count:\n"
            f"{listed(at_odds)}\nKeep the row that is right, and find the spectrum that is missing."
        )
    return [other for _, other in pairs], [
        f"{named(other)} is the same measurement as {named(one)}, count for count"
        for one, other in pairs
    ]
