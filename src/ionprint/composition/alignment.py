"""Spectra with a peak list of their own, brought onto that of the references."""

from typing import TYPE_CHECKING

import numpy as np

from ionprint.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from ionprint.spectra.table import PeakTable


def align(
    references: "PeakTable", spectra: "PeakTable", ppm: float
) -> "tuple[PeakTable, PeakTable]":
    """Give two peak tables the same peaks.

    Parameters
    ----------
    references, spectra : PeakTable
    ppm : float
        Two peaks this near to each other are the same; of several the nearest, each once.

    Returns
    -------
    references, spectra : PeakTable
        Both on all peaks of either: those of the references at their m/z, and those that only the
        spectra have. What a table does not have is zero.
    """
    from ionprint.spectra.table import PeakTable

    if np.array_equal(references.mz, spectra.mz):
        return references, spectra
    old, new = matches(references.mz, spectra.mz, ppm)
    extra = np.setdiff1d(np.arange(spectra.mz.size), new)
    # a peak of its own that rounds to a peak of the references would be the same column
    extra = extra[~np.isin(spectra.mz[extra], references.mz)]
    mz = np.concatenate([references.mz, spectra.mz[extra]])
    order = np.argsort(mz)
    place = np.argsort(order)  # where each of `mz` ends up
    size = references.mz.size

    def spread(table: PeakTable, to: np.ndarray, columns: np.ndarray) -> PeakTable:
        areas = np.zeros((len(table.samples), mz.size))
        areas[:, to] = table.areas[:, columns]
        return PeakTable(table.samples, mz[order], areas)

    both = np.concatenate([place[old], place[size:]])
    return (
        spread(references, place[:size], np.arange(size)),
        spread(spectra, both, np.concatenate([new, extra])),
    )


def matches(first: np.ndarray, second: np.ndarray, ppm: float) -> tuple[np.ndarray, np.ndarray]:
    """Pair peaks that are each other's nearest, and near enough.

    Parameters
    ----------
    first, second : ndarray
        m/z (u), rising, each once.
    ppm : float

    Returns
    -------
    ndarray of int, ndarray of int
        Places in `first` and in `second`.
    """
    if not first.size or not second.size:
        return np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    # distances on a logarithmic axis are relative
    a, b = np.log(first), np.log(second)
    there, back = _nearest(a, b), _nearest(b, a)
    mutual = (back[there] == np.arange(first.size)) & (np.abs(b[there] - a) <= ppm * 1e-6)
    return np.flatnonzero(mutual), there[mutual]


def _nearest(points: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return the place of the nearest of rising numbers to each point."""
    after = np.clip(np.searchsorted(among, points), 1, max(among.size - 1, 1))
    before = after - 1
    after = np.minimum(after, among.size - 1)
    return np.where(points - among[before] <= among[after] - points, before, after)


def signal_weight(references: "PeakTable") -> np.ndarray:
    """Return what each peak of the references weighs in their signal; sums to 1.

    Parameters
    ----------
    references : PeakTable

    Returns
    -------
    ndarray, shape (n_peaks,)
        As the square root of its mean share of counts, as in the alarm, so that the strongest few
        do not decide alone.
    """
    shares = references.areas / np.maximum(references.areas.sum(axis=1, keepdims=True), 1)
    weight = np.sqrt(shares.mean(axis=0))
    return weight / weight.sum()


def coverage(references: "PeakTable", mz: np.ndarray, ppm: float) -> float:
    """Return how much of the references' signal a peak list has a place for.

    Parameters
    ----------
    references : PeakTable
    mz : ndarray
        The peak list, u.
    ppm : float

    Returns
    -------
    float
        0 to 1, by `signal_weight`.
    """
    found, _ = matches(references.mz, mz, ppm)
    return min(float(signal_weight(references)[found].sum()), 1.0)


def refuse_uncovered(covered: float, least: float, where: str) -> None:
    """Raise DataError where too few of the references' peaks are there.

    Parameters
    ----------
    covered, least : float
        From `coverage`, and what is asked.
    where : str
        The peak table, for the message.
    """
    if covered < least:
        raise DataError(
            f"{where} has peaks for {covered:.0%} of the references' signal, expected "
            f"{least:.0%} or more (composition.coverage). Were the spectra cut at a lower m/z, or "
            f"badly calibrated? Search their peaks with those of the references: "
            f"spectra.peak_list=<peaks.csv of the references>"
        )


def names_of(mz: np.ndarray, peaks: "pd.DataFrame", ppm: float) -> np.ndarray:
    """Return the ion of each peak from a list of named peaks, empty where there is none.

    Parameters
    ----------
    mz : ndarray
        u.
    peaks : DataFrame
        Columns mz (u) and ion, by rising m/z.
    ppm : float
    """
    names = np.full(mz.size, "", dtype=object)
    here, there = matches(mz, peaks["mz"].to_numpy(dtype=float), ppm)
    names[here] = peaks["ion"].to_numpy(dtype=object)[there]
    return names
