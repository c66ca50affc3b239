"""Peak search on all spectra together, and the same borders for every spectrum."""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import signal
from scipy.ndimage import gaussian_filter1d, minimum_filter1d, uniform_filter1d

from ionprint.errors import DataError
from ionprint.ions.formula import ELECTRON
from ionprint.spectra.spectrum import LIGHTEST, Spectrum

REACH = 6.0
"""Borders stand at most this many peak widths (FWHM) from the apex."""
FOOT = 0.005
"""A peak ends where it has fallen to this share of its apex, unless a valley comes first."""
LIGHTEST_PER_NUCLEON = 1 - 0.001165
HEAVIEST_PER_NUCLEON = 1 + 0.0078251
"""Mass per nucleon (u) of the tightest bound nuclides (56Fe: 55.93494/56) and of 1H (1.007825),
rounded outwards: no singly charged ion lies outside what these allow for its number of nucleons
(AME2020)."""


@dataclass(frozen=True)
class Peaks:
    """Peaks with borders that hold for all spectra.

    Attributes
    ----------
    mz, lower, upper : ndarray, shape (n_peaks,)
        Centroid and borders (u), rising and not overlapping.
    counts : ndarray, shape (n_peaks,)
        Counts between the borders over all spectra together.
    """

    mz: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    counts: np.ndarray


def counts_between(spectrum: Spectrum, x: np.ndarray) -> np.ndarray:
    """Return the counts below each x, a bin's counts spread evenly over the bin.

    Parameters
    ----------
    x : ndarray
        Borders (sqrt(u)).

    Returns
    -------
    ndarray
        Same shape; differences are the counts between borders.
    """
    return np.interp(spectrum.bin_at(x), np.arange(spectrum.counts.size + 1), spectrum.cumulative())


def summed(spectra: list[Spectrum], mz_max: float, advance: object = None) -> Spectrum:
    """Add all spectra up on one even grid of sqrt(m/z), as fine as the finest of them.

    Parameters
    ----------
    spectra : list of Spectrum
        Calibrated.
    mz_max : float
        Where to stop (u).
    advance : callable, optional
        Called after each spectrum, for a progress bar.
    """
    step = min(s.step for s in spectra)
    start = np.sqrt(LIGHTEST)
    bins = int((np.sqrt(mz_max) - start) / step) + 1
    edges = start + step * np.arange(bins + 1)
    total = np.zeros(bins)
    for spectrum in spectra:
        total += np.diff(counts_between(spectrum, edges))
        if advance:
            advance()
    return Spectrum("all spectra", np.maximum(total, 0), start, step)


def peak_width(total: Spectrum) -> float:
    """Return the usual full width at half maximum of strong peaks, in bins.

    Widths are taken where the counts cross half the apex, for the fifty strongest peaks, and their
    median is returned; in flight time, hence in sqrt(m/z), the width hardly changes with mass.
    """
    apexes, found = signal.find_peaks(total.counts, height=1, prominence=1)
    strong = apexes[np.argsort(-found["prominences"], kind="stable")[:50]]
    if not strong.size:
        raise DataError("no peak stands out of the spectra; are these counts of a mass spectrum?")
    return float(max(np.median(signal.peak_widths(total.counts, strong, rel_height=0.5)[0]), 1.0))


def find_peaks(total: Spectrum, min_counts: float, min_snr: float) -> Peaks:
    """Find peaks and their borders in the summed spectrum.

    The spectrum is smoothed by a Gaussian a third of a peak wide. A maximum is a peak when it
    stands above the higher of the valleys beside it, and above the local background, by `min_snr`
    standard errors of counting, when at least `min_counts` counts lie between its borders, and when
    some number of nucleons can have its mass: between unit masses of light ions there are only
    tails and stray counts.

    Parameters
    ----------
    total : Spectrum
        The sum of all calibrated spectra.
    min_counts : float
        Over all spectra together.
    min_snr : float
        Height in standard errors.

    Returns
    -------
    Peaks

    Raises
    ------
    DataError
        Nothing is found.
    """
    width = peak_width(total)
    sigma = max(width / 3, 0.5)
    smooth = gaussian_filter1d(total.counts, sigma)
    background = _background(total.counts, width)
    # the variance of a Poisson sum under a Gaussian kernel g is counts * sum(g^2)
    gain = 1 / (2 * np.sqrt(np.pi) * sigma)
    apexes, found = signal.find_peaks(smooth, prominence=0)
    noise = np.sqrt(np.maximum(smooth[apexes], background[apexes]) * gain + gain**2)
    above = np.minimum(found["prominences"], smooth[apexes] - background[apexes])
    apexes = apexes[above >= min_snr * noise]
    while apexes.size:
        lower, upper = _borders(smooth, background, apexes, width)
        cumulative = total.cumulative()
        counts = cumulative[upper] - cumulative[lower]
        enough = counts >= min_counts
        if enough.all():
            return _peaks(total, apexes, lower, upper, counts, width)
        apexes = apexes[enough]
    raise DataError(
        f"no peak with {min_counts:g} counts or more in all spectra together; "
        f"lower spectra.search.min_counts or check the spectra"
    )


def _background(counts: np.ndarray, width: float) -> np.ndarray:
    """Return a smooth lower envelope: between peaks the background, under them a bridge."""
    span = int(12 * width) | 1
    mean = uniform_filter1d(counts, max(int(2 * width), 3))
    return uniform_filter1d(minimum_filter1d(mean, span), span)


def _borders(
    smooth: np.ndarray, background: np.ndarray, apexes: np.ndarray, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bin edges of each peak's borders: valley, foot or reach, what comes first."""
    reach = int(np.ceil(REACH * width))
    valleys = [
        left + int(np.argmin(smooth[left:right])) for left, right in itertools.pairwise(apexes)
    ]
    first = np.array([0, *valleys])
    last = np.array([*valleys, smooth.size - 1])
    lower, upper = np.empty_like(apexes), np.empty_like(apexes)
    for i, apex in enumerate(apexes):
        foot = background[apex] + max(
            FOOT * (smooth[apex] - background[apex]), np.sqrt(background[apex] + 0.1)
        )
        left = max(first[i], apex - reach)
        below = np.flatnonzero(smooth[left:apex] <= foot)
        lower[i] = left + below[-1] if below.size else left
        right = min(last[i], apex + reach)
        below = np.flatnonzero(smooth[apex + 1 : right + 1] <= foot)
        upper[i] = apex + 1 + below[0] if below.size else right
    return lower, upper


def _peaks(
    total: Spectrum,
    apexes: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    counts: np.ndarray,
    width: float,
) -> Peaks:
    """Return peaks with centroids around the apex, within the borders, in u."""
    half = max(round(width), 1)
    mz = np.empty(apexes.size)
    for i, apex in enumerate(apexes):
        first, last = max(apex - half, lower[i]), min(apex + half + 1, upper[i])
        inside = total.counts[first:last]
        mz[i] = ((inside * total.centres(first, last)).sum() / inside.sum()) ** 2
    lower_mz, upper_mz = ((total.start + total.step * b) ** 2 for b in (lower, upper))
    tolerance = width * total.step * np.sqrt(mz)  # half a peak width, dm = 2 sqrt(m) dx
    keep = possible_mass(mz, tolerance)
    return _distinct(Peaks(mz[keep], lower_mz[keep], upper_mz[keep], counts[keep]))


def possible_mass(mz: np.ndarray, tolerance: np.ndarray | float) -> np.ndarray:
    """Tell whether a singly charged ion can have this mass.

    A nuclide's mass lies between its number of nucleons times the mass per nucleon of the tightest
    bound nuclide, 56Fe, and that of a free proton with its electron, 1H; so does a cluster's.

    Parameters
    ----------
    mz : ndarray
        u.
    tolerance : ndarray or float
        u.

    Returns
    -------
    ndarray of bool
    """
    reach = tolerance + ELECTRON  # of its charge
    most = np.floor((mz + reach) / LIGHTEST_PER_NUCLEON)
    return most * HEAVIEST_PER_NUCLEON + reach >= mz


def _distinct(peaks: Peaks) -> Peaks:
    """Leave out the weaker of two peaks that four decimals cannot tell apart."""
    names = np.round(peaks.mz, 4)
    order = np.argsort(-peaks.counts, kind="stable")
    _, first = np.unique(names[order], return_index=True)
    keep = np.sort(order[first])
    return Peaks(names[keep], peaks.lower[keep], peaks.upper[keep], peaks.counts[keep])


def integrate(spectrum: Spectrum, peaks: Peaks) -> np.ndarray:
    """Return the counts of a spectrum between the borders of each peak.

    A bin that a border cuts gives its counts in proportion, so neighbouring peaks share no count
    and the areas of a partition add up to all counts.

    Returns
    -------
    ndarray, shape (n_peaks,)
    """
    borders = np.sqrt(np.stack([peaks.lower, peaks.upper]))
    below = counts_between(spectrum, borders)
    return np.maximum(below[1] - below[0], 0.0)
