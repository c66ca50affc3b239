"""Peaks of one spectrum that a given peak list has no place for."""

from dataclasses import dataclass

import numpy as np

from ionprint.ions.formula import possible_mass
from ionprint.spectra.spectrum import Spectrum

CLEAR = 5.0
"""Standard errors by which a window must hold more than those beside it."""
HALF = 0.75
"""Half of a window, in peak widths (FWHM): nearly all of a peak."""
APART = 2.0
"""Peak widths between the windows compared, and between two peaks."""


@dataclass(frozen=True)
class Unlisted:
    """Peaks beside a list.

    Attributes
    ----------
    mz : ndarray, shape (n,)
        u, rising.
    areas, errors : ndarray, shape (n,)
        Counts less the background beside, and their standard errors.
    """

    mz: np.ndarray
    areas: np.ndarray
    errors: np.ndarray


def unlisted_peaks(
    spectrum: Spectrum, lower: np.ndarray, upper: np.ndarray, width: float, min_counts: float
) -> Unlisted:
    """Find peaks that lie between the borders of no listed peak.

    A window a peak and a half wide moves along the flight times. Where it holds more than the
    fuller of the windows two widths before and after, by 5 standard errors, is a peak: beside a
    strong one the counts fall off all along, and nothing stands out.

    Parameters
    ----------
    spectrum : Spectrum
        Calibrated.
    lower, upper : ndarray, shape (n_peaks,)
        Borders of the listed peaks (u), rising.
    width : float
        Full width at half maximum of a peak (sqrt(u)).
    min_counts : float
        Counts a peak must have, less those beside it.
    """
    half = max(round(HALF * width / spectrum.step), 1)
    apart = max(round(APART * width / spectrum.step), 2 * half)
    nothing = Unlisted(*np.zeros((3, 0)))
    # the scale extrapolates beyond the listed peaks, and the list ends there for all spectra
    last = min(int(spectrum.bin_at(np.sqrt(upper[-1]))), spectrum.counts.size)
    if not last > 2 * (half + apart):
        return nothing
    middles = np.arange(half + apart, last - half - apart)
    below = spectrum.cumulative()
    window = below[2 * half + 1 :] - below[: -2 * half - 1]  # of the bin half further on
    here = window[middles - half]
    beside = np.maximum(window[middles - half - apart], window[middles - half + apart])
    stands_out = (here - beside >= CLEAR * np.sqrt(here + beside)) & (here - beside >= min_counts)
    x = spectrum.start + spectrum.step * (middles + 0.5)
    place = np.searchsorted(lower, x**2) - 1
    listed = (place >= 0) & (x**2 <= upper[np.maximum(place, 0)])
    free = np.flatnonzero(stands_out & ~listed)
    found: list[int] = []
    for candidate in free[np.argsort(-here[free], kind="stable")]:
        if all(abs(candidate - other) > apart for other in found):
            found.append(candidate)
    at = np.sort(np.array(found, dtype=int))
    first = middles[at, None] - half + np.arange(2 * half + 1)
    counts = spectrum.counts[first]
    centre = (counts * (first + 0.5)).sum(axis=1) / here[at]
    mz = (spectrum.start + spectrum.step * centre) ** 2
    good = possible_mass(mz, np.sqrt(mz) * width)
    # the slope of a listed peak's foot can be steep enough to leave its window on the border
    good &= np.abs(centre - middles[at] - 0.5) < half / 2
    areas, errors = (here - beside)[at], np.sqrt((here + beside)[at])
    return Unlisted(mz[good].round(4), areas[good], errors[good])
