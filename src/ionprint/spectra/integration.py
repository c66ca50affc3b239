"""Peak areas of single spectra, with their counting errors.

Both ways are linear in the counts and the same for every spectrum: borders, or the measured peak
shape, hold for the whole set, so areas can be compared.
"""

from typing import Protocol

import numpy as np
from scipy.optimize import nnls

from ionprint.errors import DataError
from ionprint.spectra.overlap import LEAST_VARIANCE, Cluster, clusters
from ionprint.spectra.search import Peaks
from ionprint.spectra.spectrum import Spectrum

GAP, BESIDE = 1.5, 4.0
"""The background of a peak is taken this many widths (FWHM) off its borders, over so many."""
FIT, BORDERS = "fit", "borders"


class Integration(Protocol):
    """What gives the areas of one spectrum."""

    method: str

    def __call__(self, spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
        """Return areas and their standard errors, counts, shape (n_peaks,) each."""


def integration(method: str, total: Spectrum, peaks: Peaks) -> Integration:
    """Return the integration for a peak list.

    Parameters
    ----------
    method : str
        `borders`, or `fit`, or `auto`: by a fit where the shape of peaks could be measured.
    total : Spectrum
        The sum of all calibrated spectra.

    Raises
    ------
    DataError
        A fit is asked of spectra whose bins are too wide for it.
    """
    if method == FIT and peaks.shape is None:
        raise DataError(
            "spectra.integration=fit: peaks are too few bins wide, or too few stand alone, to "
            "measure their shape; choose spectra.integration=borders"
        )
    return Borders(peaks) if method == BORDERS or peaks.shape is None else Fit(total, peaks)


class Borders:
    """Counts between the borders, less the background beside the peak.

    A bin that a border cuts gives its counts in proportion, so neighbours share no count.
    """

    method = BORDERS

    def __init__(self, peaks: Peaks) -> None:
        self.lower, self.upper = np.sqrt(peaks.lower), np.sqrt(peaks.upper)
        gap, beside = GAP * peaks.width, BESIDE * peaks.width
        # peaks that touch have their background where their run ends
        starts = np.concatenate([[True], self.lower[1:] - self.upper[:-1] > 2 * gap])
        run = np.cumsum(starts) - 1
        first, last = self.lower[starts], self.upper[np.concatenate([starts[1:], [True]])]
        before = np.concatenate([[-np.inf], last[:-1]]) + gap
        after = np.concatenate([first[1:], [np.inf]]) - gap
        left = np.stack([np.maximum(before, first - gap - beside), first - gap])
        right = np.stack([last + gap, np.minimum(after, last + gap + beside)])
        self.windows = np.stack([left, right])[:, :, run]

    def __call__(self, spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
        """Return areas and their standard errors, counts."""
        windows = np.clip(self.windows, spectrum.start, spectrum.end)
        long = np.maximum(windows[:, 1] - windows[:, 0], 0).sum(axis=0)
        borders = np.stack([self.lower, self.upper])
        below = spectrum.counts_below(np.concatenate([borders[None], windows]))
        between = np.maximum(below[:, 1] - below[:, 0], 0)
        inside, beside = between[0], between[1:].sum(axis=0)
        share = np.divide(self.upper - self.lower, long, out=np.zeros_like(long), where=long > 0)
        areas = np.maximum(inside - share * beside, 0)
        return areas, np.sqrt((inside + share**2 * beside) * spectrum.overdispersion(areas))


class Fit:
    """Counts of each peak by weighted least squares on the peak shapes of its cluster.

    Centres, shape and weights come from the sum of all spectra, so that each spectrum's areas are
    one and the same linear function of its counts; a flat background is fitted along.
    """

    method = FIT

    def __init__(self, total: Spectrum, peaks: Peaks) -> None:
        from scipy.sparse import block_diag

        width = peaks.width / total.step
        found = clusters(total, peaks.shape, width, peaks.centres)
        self.edges = np.concatenate([c.edges for c in found])
        # between the last edge of a cluster and the first of the next lies no bin
        ends = np.cumsum([c.edges.size for c in found])[:-1] - 1
        self.bins = np.delete(np.arange(self.edges.size - 1), ends)
        self.operator = block_diag([_least_squares(c) for c in found], format="csr")
        self.squared = self.operator.power(2)

    def __call__(self, spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
        """Return areas and their standard errors, counts."""
        counts = np.diff(spectrum.counts_below(self.edges))[self.bins]
        areas = np.maximum(self.operator @ counts, 0)
        variances = self.squared @ counts
        return areas, np.sqrt(variances * spectrum.overdispersion(areas))


def _least_squares(cluster: Cluster) -> np.ndarray:
    """Return the matrix that takes a cluster's counts to its peaks' areas."""
    profiles, _ = cluster.profiles(cluster.centres)
    design = np.hstack([profiles, np.ones((cluster.counts.size, 1))])
    root = np.sqrt(np.maximum(cluster.counts, 1))
    start, _ = nnls(design / root[:, None], cluster.counts / root)
    variance = np.maximum(design @ start, LEAST_VARIANCE)
    variance += ((cluster.shape.error * design * start) ** 2).sum(axis=1)
    weighted = design / variance[:, None]
    return np.linalg.solve(design.T @ weighted, weighted.T)[:-1]
