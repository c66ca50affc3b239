"""Peak areas of single spectra, with their counting errors.

Both ways are linear in the counts and the same for every spectrum: borders, or the measured peak
shape, hold for the whole set, so areas can be compared.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ionprint.errors import DataError
from ionprint.spectra.spectrum import Spectrum

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from ionprint.spectra.overlap import Cluster
    from ionprint.spectra.search import Peaks

GAP, BESIDE = 1.5, 4.0
"""The background of a peak is taken this many widths (FWHM) off its borders, over so many."""
FIT, BORDERS = "fit", "borders"


class Integration(Protocol):
    """What gives the areas of one spectrum."""

    method: str

    def __call__(self, spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
        """Return areas and their standard errors, counts, shape (n_peaks,) each."""

    def weights_of(self, spectrum: Spectrum) -> "csr_array":
        """Return what one count in each bin adds to each area, shape (n_bins, n_peaks).

        An area is the sum of these over all counts; only below zero it is cut off.
        """


def integration(method: str, total: Spectrum, peaks: "Peaks") -> Integration:
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
    return Borders.of(peaks) if method == BORDERS or peaks.shape is None else Fit.of(total, peaks)


@dataclass(frozen=True)
class Borders:
    """Counts between the borders, less the background beside the peak.

    A bin that a border cuts gives its counts in proportion, so neighbours share no count.

    Attributes
    ----------
    lower, upper : ndarray, shape (n_peaks,)
        Borders (sqrt(u)).
    windows : ndarray, shape (2, 2, n_peaks)
        Where the background is taken, before and after: begin and end (sqrt(u)).
    """

    lower: np.ndarray
    upper: np.ndarray
    windows: np.ndarray
    method = BORDERS

    @classmethod
    def of(cls, peaks: "Peaks") -> "Borders":
        """Take the borders of a peak list, and find where its background is."""
        lower, upper = np.sqrt(peaks.lower), np.sqrt(peaks.upper)
        gap, beside = GAP * peaks.width, BESIDE * peaks.width
        # peaks that touch have their background where their run ends
        starts = np.concatenate([[True], lower[1:] - upper[:-1] > 2 * gap])
        run = np.cumsum(starts) - 1
        first, last = lower[starts], upper[np.concatenate([starts[1:], [True]])]
        before = np.concatenate([[-np.inf], last[:-1]]) + gap
        after = np.concatenate([first[1:], [np.inf]]) - gap
        left = np.stack([np.maximum(before, first - gap - beside), first - gap])
        right = np.stack([last + gap, np.minimum(after, last + gap + beside)])
        return cls(lower, upper, np.stack([left, right])[:, :, run])

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

    def weights_of(self, spectrum: Spectrum) -> "csr_array":
        """Return what one count in each bin adds to each area; see `Integration`."""
        windows = np.clip(self.windows, spectrum.start, spectrum.end)
        long = np.maximum(windows[:, 1] - windows[:, 0], 0).sum(axis=0)
        share = np.divide(self.upper - self.lower, long, out=np.zeros_like(long), where=long > 0)
        beside = sum(_parts(spectrum, begin, end) for begin, end in windows)
        return _parts(spectrum, self.lower, self.upper) - beside * share[None]


@dataclass(frozen=True)
class Fit:
    """Counts of each peak by weighted least squares on the peak shapes of its cluster.

    Centres, shape and weights come from the sum of all spectra, so that each spectrum's areas are
    one and the same linear function of its counts; a flat background is fitted along.

    Attributes
    ----------
    edges : ndarray
        Of the bins of all clusters (sqrt(u)).
    bins : ndarray of int, shape (n_bins,)
        Those intervals between the edges that are bins of a cluster.
    taken : ndarray of int
        For each peak in turn, the places in `bins` that its area is a sum over.
    first : ndarray of int, shape (n_peaks,)
        Where each peak's begin in `taken`.
    weights : ndarray, shape of `taken`
        What a count there is worth.
    """

    edges: np.ndarray
    bins: np.ndarray
    taken: np.ndarray
    first: np.ndarray
    weights: np.ndarray
    method = FIT

    @classmethod
    def of(cls, total: Spectrum, peaks: "Peaks") -> "Fit":
        """Fit the clusters of a peak list to the sum of all spectra."""
        from ionprint.spectra.overlap import clusters

        found = clusters(total, peaks.shape, peaks.width / total.step, peaks.centres)
        edges = np.concatenate([c.edges for c in found])
        # between the last edge of a cluster and the first of the next lies no bin
        ends = np.cumsum([c.edges.size for c in found])[:-1] - 1
        bins = np.delete(np.arange(edges.size - 1), ends)
        taken, weights, sizes, begin = [], [], [], 0
        for operator in map(_least_squares, found):
            n_peaks, n_bins = operator.shape
            taken.append(np.tile(np.arange(begin, begin + n_bins), n_peaks))
            weights.append(operator.ravel())
            sizes += [n_bins] * n_peaks
            begin += n_bins
        first = np.cumsum([0, *sizes[:-1]])
        return cls(edges, bins, np.concatenate(taken), first, np.concatenate(weights))

    def __call__(self, spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
        """Return areas and their standard errors, counts."""
        counts = np.diff(spectrum.counts_below(self.edges))[self.bins][self.taken]
        areas = np.maximum(np.add.reduceat(self.weights * counts, self.first), 0)
        variances = np.add.reduceat(self.weights**2 * counts, self.first)
        return areas, np.sqrt(variances * spectrum.overdispersion(areas))

    def weights_of(self, spectrum: Spectrum) -> "csr_array":
        """Return what one count in each bin adds to each area; see `Integration`."""
        from scipy.sparse import csr_array

        parts = _parts(spectrum, self.edges[self.bins], self.edges[self.bins + 1])
        sizes = np.diff(self.first, append=self.taken.size)
        peak = np.repeat(np.arange(self.first.size), sizes)
        shape = self.bins.size, self.first.size
        return csr_array(parts @ csr_array((self.weights, (self.taken, peak)), shape=shape))


def _parts(spectrum: Spectrum, begin: np.ndarray, end: np.ndarray) -> "csr_array":
    """Return which part of each bin lies between each begin and end, shape (n_bins, n_spans)."""
    from scipy.sparse import csr_array

    size = spectrum.counts.size
    first, last = np.clip(spectrum.bin_at(np.stack([begin, end])), 0, size)
    last = np.maximum(first, last)
    low = np.minimum(first.astype(np.intp), size - 1)
    number = np.minimum(last.astype(np.intp), size - 1) - low + 1
    span = np.repeat(np.arange(begin.size), number)
    bins = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number - low, number)
    part = np.minimum(last[span], bins + 1) - np.maximum(first[span], bins)
    found = csr_array((np.maximum(part, 0), (bins, span)), shape=(size, begin.size))
    found.eliminate_zeros()
    return found


def _least_squares(cluster: "Cluster") -> np.ndarray:
    """Return the matrix that takes a cluster's counts to its peaks' areas."""
    from scipy.optimize import nnls

    from ionprint.spectra.overlap import LEAST_VARIANCE

    profiles, _ = cluster.profiles(cluster.centres)
    design = np.hstack([profiles, np.ones((cluster.counts.size, 1))])
    root = np.sqrt(np.maximum(cluster.counts, 1))
    start, _ = nnls(design / root[:, None], cluster.counts / root)
    variance = np.maximum(design @ start, LEAST_VARIANCE)
    variance += ((cluster.shape.error * design * start) ** 2).sum(axis=1)
    weighted = design / variance[:, None]
    return np.linalg.solve(design.T @ weighted, weighted.T)[:-1]
