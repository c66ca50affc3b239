"""The shape of a peak, measured on the strong peaks of the spectra themselves.

A Gaussian whose width grows with flight time, with exponential tails to later and earlier times:
the hyper-exponentially modified Gaussian of time-of-flight peaks (Purushothaman et al., Int. J.
Mass Spectrom. 421 (2017) 245). All lengths are on the axis x = sqrt(m/z), hence in flight time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

from ionprint.spectra.spectrum import Spectrum

STRONGEST = 20
"""Peaks the shape is measured on at most."""
FEWEST = 5
"""Peaks it takes to measure a shape."""
BEFORE, AFTER = 4.0, 8.0
"""How far from its centre a peak reaches, in widths (FWHM): tails are longer to later times."""
LONELY = 0.01
"""Share of a peak's height that a neighbour may have where the shape is measured."""
CLEAN = 0.2
"""Counts that known neighbours may have, of its own, where a peak is to tell the shape."""
NEIGHBOUR_ERROR = 0.05
"""Share of a known neighbour's counts by which they may be wrong."""
FIRST_ERROR, LEAST_ERROR = 0.005, 0.001
"""Share of a peak's counts in a bin by which the shape may miss them: while it is fitted, and in
the end at least."""
TAILS = (0.5, 2.0, -0.5)
"""Mean lengths, in widths, that the tails are first tried with."""
LEAST_TAIL = 1e-4
"""Share of the counts below which a tail is left out."""
PRECISION = {"xtol": 1e-4, "ftol": 1e-5, "gtol": 1e-5, "tr_solver": "lsmr"}
ROUNDS = 2
CENTRING = 10


@dataclass(frozen=True)
class PeakShape:
    """How a peak's counts lie about its centre.

    Attributes
    ----------
    pulse : float
        Standard deviation of the Gaussian at time zero (sqrt(u)).
    growth : float
        What x adds to it in quadrature, relative to x.
    tails : tuple of (share, length)
        Share of the counts in an exponential tail and its mean length (sqrt(u)); a negative length
        is a tail to earlier times.
    error : float
        Share of a peak's counts in a bin by which the shape misses them, beyond counting.
    """

    pulse: float
    growth: float
    tails: tuple[tuple[float, float], ...] = ()
    error: float = LEAST_ERROR

    def sigma(self, x: np.ndarray | float) -> np.ndarray:
        """Return the standard deviation of the Gaussian at x (sqrt(u))."""
        return np.hypot(self.pulse, self.growth * np.asarray(x, dtype=float))

    def __call__(self, d: np.ndarray, x: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Return the share of a peak's counts below its Gaussian's centre + d, and its density.

        Parameters
        ----------
        d : ndarray
            sqrt(u).
        x : ndarray or float
            Where the peak stands (sqrt(u)); broadcast with `d`.

        Returns
        -------
        cumulative, density : ndarray
            The density is the derivative of the share by d (per sqrt(u)).
        """
        sigma = self.sigma(x)
        z = d / sigma
        gauss = np.exp(-0.5 * z * z) / (sigma * np.sqrt(2 * np.pi))
        cumulative = special.ndtr(z)
        density = gauss * (1 - sum(share for share, _ in self.tails))
        for share, length in self.tails:
            side = np.sign(length)
            tail = share * _tail(side * z, sigma / abs(length))
            cumulative -= side * tail
            density += tail / abs(length)
        return cumulative, density

    def profiles(self, edges: np.ndarray, centres: np.ndarray, x: np.ndarray | float) -> tuple:
        """Return the share of peaks in bins, and its change with the centre (per sqrt(u)).

        Parameters
        ----------
        edges : ndarray, shape (..., n_bins + 1, n_peaks)
            Of the bins (sqrt(u)), or to be broadcast with `centres`.
        centres : ndarray, shape (..., n_peaks)
            sqrt(u).

        Returns
        -------
        profiles, slopes : ndarray, shape (..., n_bins, n_peaks)
        """
        cumulative, density = self(edges - centres, x)
        return np.diff(cumulative, axis=-2), -np.diff(density, axis=-2)

    def centroid(self, x: np.ndarray, halfwidth: float) -> np.ndarray:
        """Return how far a peak's centroid lies from its Gaussian's centre (sqrt(u)).

        The centroid of a window of +-halfwidth that is moved until it is centred on it: the scale
        is fitted to such centroids, so peaks must be told by them too.
        """
        d = np.linspace(-2 * halfwidth, 2 * halfwidth, 401)
        middle = np.zeros(x.shape)
        _, density = self(d, x[:, None])
        for _ in range(CENTRING):
            inside = density * (np.abs(d - middle[:, None]) <= halfwidth)
            middle = (inside * d).sum(axis=1) / inside.sum(axis=1)
        return middle


def _tail(z: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Return exp(r^2/2 - r z) Phi(z - r), r = sigma / length, without overflow."""
    return np.exp(0.5 * ratio * ratio - ratio * z + special.log_ndtr(z - ratio))


@dataclass(frozen=True)
class Windows:
    """Strong peaks that the shape is fitted to.

    Attributes
    ----------
    edges : ndarray, shape (n_peaks, n_bins + 1)
        sqrt(u).
    counts, variances : ndarray, shape (n_peaks, n_bins)
        Counts less those of known neighbours.
    x : ndarray, shape (n_peaks,)
        Where the peaks stand (sqrt(u)).
    """

    edges: np.ndarray
    counts: np.ndarray
    variances: np.ndarray
    x: np.ndarray


def lonely_windows(total: Spectrum, apexes: np.ndarray, width: float) -> Windows:
    """Return the strongest maxima without a neighbour that would disturb them.

    Parameters
    ----------
    total : Spectrum
        The sum of all calibrated spectra.
    apexes : ndarray of int
        Bins of all maxima.
    width : float
        Usual full width at half maximum, in bins.
    """
    left, right = int(BEFORE * width), int(AFTER * width)
    chosen = []
    for apex in apexes[np.argsort(-total.counts[apexes], kind="stable")]:
        if apex < left or apex + right + 1 >= total.counts.size:
            continue
        near = (apexes > apex - left - 2 * width) & (apexes < apex + right + width)
        near &= apexes != apex
        if (total.counts[apexes[near]] <= LONELY * total.counts[apex]).all():
            chosen.append(apex)
        if len(chosen) == STRONGEST:
            break
    bins = np.array(sorted(chosen), dtype=int)
    return _windows(total, bins, left, right, 0.0)


def cleaned_windows(
    total: Spectrum, centres: np.ndarray, areas: np.ndarray, others: Callable, width: float
) -> Windows:
    """Return the strongest peaks with what is known of their neighbours taken off.

    Parameters
    ----------
    centres, areas : ndarray, shape (n_peaks,)
        Of fitted peaks (sqrt(u); counts).
    others : callable
        others(peak, bins) returns the counts of all other peaks in some bins, shape (n_bins,).
    """
    left, right = int(BEFORE * width), int(AFTER * width)
    bins = np.floor(total.bin_at(centres)).astype(int)
    chosen, neighbours = [], []
    for peak in np.argsort(-areas, kind="stable"):
        if bins[peak] < left or bins[peak] + right + 1 >= total.counts.size:
            continue
        beside = others(peak, np.arange(bins[peak] - left, bins[peak] + right + 1))
        near = slice(left - int(width), left + int(2 * width) + 1)
        if beside[near].sum() <= CLEAN * areas[peak]:
            chosen.append(peak)
            neighbours.append(beside)
        if len(chosen) == STRONGEST:
            break
    return _windows(total, bins[chosen], left, right, np.reshape(neighbours, (len(chosen), -1)))


def _windows(
    total: Spectrum, bins: np.ndarray, left: int, right: int, beside: np.ndarray | float
) -> Windows:
    counts = total.counts[bins[:, None] + np.arange(-left, right + 1)]
    edges = bins[:, None] - left + np.arange(left + right + 2)
    variances = np.maximum(counts, 1) + (FIRST_ERROR * (counts - beside)) ** 2
    variances = variances + (NEIGHBOUR_ERROR * beside) ** 2
    x = total.start + total.step * (bins + 0.5)
    return Windows(total.start + total.step * edges, counts - beside, variances, x)


def fit_shape(windows: Windows, unit: float, first: PeakShape | None = None) -> PeakShape | None:
    """Fit the shape to strong peaks.

    Centres, heights and a flat background are each peak's own; the shape is common to all. Large
    residuals count less (soft L1 loss): a hidden neighbour must not bend the shape.

    Parameters
    ----------
    unit : float
        Usual full width at half maximum (sqrt(u)).
    first : PeakShape, optional
        Where to start.

    Returns
    -------
    PeakShape or None
        None where fewer than `FEWEST` peaks are given.
    """
    if windows.x.size < FEWEST:
        return None
    tails: tuple[float, ...] = ()
    p, centres = np.array([0.4, 0.01]), windows.x
    if first:
        tails = tuple(float(np.sign(length)) for _, length in first.tails)
        lengths = [part for share, length in first.tails for part in (share, abs(length) / unit)]
        p = np.array([first.pulse / unit, first.growth / unit, *lengths])
    for start in () if first else TAILS:
        # the parameters so far, then one more tail: all at once find a poorer optimum
        p, tails = np.append(p, [0.05, abs(start)]), (*tails, float(np.sign(start)))
        centres, _, _ = _fitted(_shape(p, tails, unit), windows, centres)
        p = _optimum(p, tails, unit, windows, centres)
    for _ in range(ROUNDS if first else 1):
        centres, _, _ = _fitted(_shape(p, tails, unit), windows, centres)
        p = _optimum(p, tails, unit, windows, centres)
    found = _shape(p, tails, unit)
    _, peaks, background = _fitted(found, windows, centres)
    real = tuple(tail for tail in found.tails if tail[0] >= LEAST_TAIL)
    return replace(found, tails=real, error=_error(windows.counts, peaks, background))


def _optimum(
    p: np.ndarray, tails: tuple[float, ...], unit: float, windows: Windows, centres: np.ndarray
) -> np.ndarray:
    """Return the parameters that fit all windows best."""
    return optimize.least_squares(
        lambda p: _residuals(_shape(p, tails, unit), windows, centres),
        p,
        bounds=(np.array([0.05, 0.0] + [0.0, 0.3] * len(tails)),
                np.array([2.0, 0.5] + [0.6, 5.0] * len(tails))),
        loss="soft_l1",
        x_scale=np.maximum(p, 1e-3),
        **PRECISION,
    ).x  # fmt: skip


def _shape(p: np.ndarray, tails: tuple[float, ...], unit: float) -> PeakShape:
    """Return the shape of fit parameters: widths in units of the usual width, shares."""
    lengths = [(share, side * length * unit)
               for side, share, length in zip(tails, p[2::2], p[3::2], strict=True)]  # fmt: skip
    return PeakShape(p[0] * unit, p[1] * unit, tuple(lengths))


def _residuals(shape: PeakShape, windows: Windows, centres: np.ndarray) -> np.ndarray:
    """Return what a shape leaves over, in standard errors; heights, backgrounds and small shifts of
    the centres are each window's best."""
    _, model, _ = _linear(shape, windows, centres)
    return ((windows.counts - model) / np.sqrt(windows.variances)).ravel()


def _linear(
    shape: PeakShape, windows: Windows, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit peak, its change with the centre, and background to each window.

    Returns
    -------
    parameters : ndarray, shape (n_peaks, 3)
        Counts, counts times shift (sqrt(u)), background a bin.
    model, peaks : ndarray, shape (n_peaks, n_bins)
        Counts of all three, and of the peak alone.
    """
    profile, slope = (
        part[..., 0]
        for part in shape.profiles(
            windows.edges[..., None], centres[:, None, None], windows.x[:, None, None]
        )
    )
    # both of the size of a share, else the normal equations are ill-conditioned
    scale = shape.sigma(0.0)
    design = np.stack([profile, slope * scale, np.full(profile.shape, 1e-3)], axis=2)
    weighted = design / windows.variances[:, :, None]
    normal = np.einsum("pbi,pbj->pij", weighted, design)
    found = np.linalg.solve(normal, np.einsum("pbi,pb->pi", weighted, windows.counts)[..., None])
    model = (design @ found)[..., 0]
    found = found[..., 0] * [1.0, scale, 1e-3]
    return found, model, found[:, :1] * profile


def _fitted(
    shape: PeakShape, windows: Windows, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Move the centres to where the shape fits best; return them, peaks and backgrounds."""
    step = windows.edges[0, 1] - windows.edges[0, 0]
    for _ in range(ROUNDS):
        found, _, peaks = _linear(shape, windows, centres)
        shift = found[:, 1] / np.maximum(found[:, 0], 1.0)
        centres = centres + np.clip(shift, -step / 2, step / 2)
    return centres, peaks, found[:, 2:]


def _error(counts: np.ndarray, peak: np.ndarray, background: np.ndarray) -> float:
    """Return the usual relative misfit beyond counting, in bins where counting is surer than 1 %.

    The median, for some bins hold neighbours that were not seen.
    """
    sure = peak > 1e4
    if np.count_nonzero(sure) < 10:
        return FIRST_ERROR
    model = (peak + background)[sure]
    excess = ((counts[sure] - model) ** 2 - model) / peak[sure] ** 2
    # of a squared normal deviate the median is 0.455
    return float(np.sqrt(max(np.median(excess) / 0.455, LEAST_ERROR**2)))
