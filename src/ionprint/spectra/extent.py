"""From where to where a spectrum was measured: nothing outside may be taken for zero counts.

An export with all rows says so itself. One that leaves out rows without counts begins with its
first count, be it that nothing lighter came or that the spectrum was cut there. What comes by
chance, and what other spectra have there, tell which.
"""

from collections.abc import Sequence

import numpy as np

from ionprint.spectra.spectrum import Spectrum

GAPS = 3.0
"""Times the longest gap between a spectrum's counts. Of n gaps between counts that come by chance,
one more is longer than k times the longest with a chance of about n^-k: 1e-6 for 100 and k = 3. The
background thins out to both ends, so that of more gaps k is not less: before the first count of
the 120 simulated spectra gaps are up to 1.5 times the longest."""
CHANCE = 1e-6
"""Of calling a spectrum cut that is whole, where it has fewer gaps and k is larger."""
EXPECTED = 20.0
"""Counts expected where there is none: the chance of that is exp(-20), 2e-9. The spectrum's own
share of them may be a third of that of the others, and it is still 1e-3."""
UNSEEN = 3.0
"""Counts that may be expected where others have none: with 3, none comes in 1 of 20 (exp(-3))."""
BESIDE = 2.0
"""Peak widths (FWHM) from the first or last count to what is expected beyond: nearer there are the
flanks of its own peak, moved by what scales and resolutions differ."""

NAMED = 4
"""Peaks named in a message."""


def extent(
    spectrum: Spectrum, first: float, last: float, below: float = 0.0, above: float = 0.0
) -> tuple[float, float]:
    """Return from where to where a spectrum was measured, as far as it can be told.

    Parameters
    ----------
    spectrum : Spectrum
    first, last : float
        Between which peaks are asked for (sqrt(u)).
    below, above : float
        Counts that are expected before its first and behind its last count.

    Returns
    -------
    begins, ends : float
        sqrt(u). Its first and last row; where those without counts are left out infinite, unless
        the gap to `first` or `last`, or the counts expected there, are too many for chance: then,
        and where rows are empty for as long, its first and last count.
    """
    begins, ends = (-np.inf, np.inf) if spectrum.sparse else (spectrum.start, spectrum.end)
    low, high = counted(spectrum)
    likely = likely_gap(spectrum)
    if low - first > likely or below > EXPECTED:
        begins = low
    if last - high > likely or above > EXPECTED:
        ends = high
    return begins, ends


def counted(spectrum: Spectrum) -> tuple[float, float]:
    """Return where the first count begins and the last ends (sqrt(u)); all of it if there is none.

    Parameters
    ----------
    spectrum : Spectrum
    """
    some = np.flatnonzero(spectrum.counts)
    if not some.size:
        return spectrum.start, spectrum.end
    return (
        spectrum.start + spectrum.step * float(some[0]),
        spectrum.start + spectrum.step * float(some[-1] + 1),
    )


def longest_gap(spectrum: Spectrum) -> float:
    """Return the longest way from one bin with counts to the next (sqrt(u)).

    Infinite where there are fewer than two: nothing tells how long gaps are.
    """
    some = np.flatnonzero(spectrum.counts)
    return float(np.diff(some).max() * spectrum.step) if some.size > 1 else np.inf


def likely_gap(spectrum: Spectrum) -> float:
    """Return the longest gap before the first or behind the last count that chance makes (sqrt(u)).

    `GAPS` times the longest between two counts, or more where there are few gaps to tell from;
    bins beside each other have none.
    """
    some = np.flatnonzero(spectrum.counts)
    number = np.count_nonzero(np.diff(some) > 1)
    times = max(GAPS, -np.log(CHANCE) / np.log(number)) if number > 1 else np.inf
    return float(times) * longest_gap(spectrum)


def expected_outside(
    spectra: Sequence[Spectrum], width: float, last: float, cut: np.ndarray
) -> np.ndarray:
    """Return the counts that each spectrum should have before its first and behind its last count.

    They follow from the least share that any spectrum has there which reaches further out by a gap
    of the usual length.

    Parameters
    ----------
    spectra : sequence of Spectrum
        Calibrated.
    width : float
        Full width at half maximum of a peak (sqrt(u)).
    last : float
        How far out counts are looked at (sqrt(u)).
    cut : ndarray of bool, shape (2, n_spectra)
        Whose beginnings and ends are known to say nothing of the others.

    Returns
    -------
    ndarray, shape (2, n_spectra)
        Counts; 0 where no spectrum reaches further.
    """
    low, high = np.array([counted(s) for s in spectra]).T
    high = np.minimum(high, last)
    gap = np.array([longest_gap(s) for s in spectra])
    least = np.full((2, len(spectra)), np.inf)
    own = np.zeros(len(spectra))
    edges = np.concatenate([low - BESIDE * width, np.minimum(high + BESIDE * width, last), [last]])
    for row, spectrum in enumerate(spectra):
        below = spectrum.counts_below(edges)
        to_low, to_high, total = np.split(below, [low.size, 2 * low.size])
        inside = to_high - to_low
        own[row] = inside[row]
        outside = np.stack([to_low, total - to_high])
        further = np.stack([low[row] <= low - gap, high[row] >= high + gap])
        further &= ~cut[:, [row]]
        share = (outside + UNSEEN) / np.maximum(inside, 1)
        least = np.where(further, np.minimum(least, share), least)
    return np.where(np.isfinite(least), least * own, 0.0)


def extent_by(
    shares: np.ndarray, mz: np.ndarray, width: float, areas: np.ndarray, spectrum: Spectrum
) -> tuple[float, float]:
    """Return from where to where a spectrum was measured, by what compounds have at its ends.

    Parameters
    ----------
    shares : ndarray, shape (n_compounds, n_peaks)
        Of each peak in the counts of each compound, of which the least is expected.
    mz : ndarray, shape (n_peaks,)
        u, rising.
    width : float
        Full width at half maximum of a peak (sqrt(u)).
    areas : ndarray, shape (n_peaks,)
        Counts of the spectrum.
    spectrum : Spectrum
        Calibrated.

    Returns
    -------
    begins, ends : float
        As `extent`.
    """
    x = np.sqrt(mz)
    low, high = counted(spectrum)
    outside = x < low - BESIDE * width, x > high + BESIDE * width
    inside = ~(outside[0] | outside[1])
    # areas of few counts are noise that never is below zero
    own = min(areas[inside].sum(), spectrum.counts.sum())
    of_inside = np.maximum(shares[:, inside].sum(axis=1), 1e-9)
    below, above = (float((shares[:, o].sum(axis=1) / of_inside).min() * own) for o in outside)
    return extent(spectrum, float(x[0]), float(x[-1]), below, above)


def unmeasured(
    extents: tuple[float, float] | np.ndarray, mz: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return which peaks have their middle before the beginning or behind the end of a spectrum.

    Parameters
    ----------
    extents : tuple of float, or ndarray, shape (2, n_spectra, 1)
        From `extent`.
    mz : ndarray, shape (n_peaks,)
        u.

    Returns
    -------
    below, above : ndarray of bool, shape (n_peaks,) or (n_spectra, n_peaks)
    """
    x = np.sqrt(mz)
    return x < extents[0], x > extents[1]


def unmeasured_of_all(
    spectra: Sequence[Spectrum], mz: np.ndarray, width: float, last: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which peaks of a list each spectrum of a set did not measure.

    Parameters
    ----------
    spectra : sequence of Spectrum
        Calibrated.
    mz : ndarray, shape (n_peaks,)
        u, rising.
    width : float
        Full width at half maximum of a peak (sqrt(u)).
    last : float
        End of the set's range (sqrt(u)).

    Returns
    -------
    extents : ndarray, shape (n_spectra, 2)
        As `extent`.
    below, above : ndarray of bool, shape (n_spectra, n_peaks)
    """
    first, highest = np.sqrt(mz[[0, -1]])
    cut = np.zeros((2, len(spectra)), dtype=bool)
    while True:
        expected = expected_outside(spectra, width, last, cut).T
        extents = np.array(
            [extent(s, first, highest, *out) for s, out in zip(spectra, expected, strict=True)]
        )
        found = unmeasured(extents.T[..., None], mz)
        # one that is cut hides others that are cut a little further in
        more = np.array([missing.any(axis=1) for missing in found])
        if (more <= cut).all():
            return extents, *found
        cut |= more


def short_of(
    spectra: Sequence[Spectrum], mz: np.ndarray, width: float, last: float
) -> dict[str, str]:
    """Return the spectra that did not measure all peaks of a list, each with what is missing.

    Parameters
    ----------
    spectra, mz, width, last
        As `unmeasured_of_all`.
    """
    extents, below, above = unmeasured_of_all(spectra, mz, width, last)
    ranges = np.array([counted(s) for s in spectra]) ** 2
    found = {}
    for row in np.flatnonzero((below | above).any(axis=1)):
        told = []
        for side, missing, verb in ((0, below, "begins"), (1, above, "ends")):
            peaks = mz[missing[row]]
            if not peaks.size:
                continue
            others = ranges[~missing.any(axis=1), side]
            beside = f" (the others at {np.median(others):.2f})" if others.size else ""
            some = ", ".join(f"{m:.4f}" for m in peaks[:NAMED])
            told.append(
                f"{verb} at m/z {extents[row, side] ** 2:.2f}{beside}, without {peaks.size} of the "
                f"peaks: {some}{', ...' * (peaks.size > NAMED)}"
            )
        found[spectra[row].file] = f"{spectra[row].file} {' and '.join(told)}"
    return found
