"""Peak search on all spectra together, and the same borders for every spectrum."""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import signal
from scipy.ndimage import gaussian_filter1d, minimum_filter1d, uniform_filter1d

from ionprint.errors import DataError, MissingInputError
from ionprint.ions.formula import possible_mass
from ionprint.spectra.overlap import Cluster, clusters, resolve
from ionprint.spectra.shape import (
    STRONGEST,
    PeakShape,
    cleaned_windows,
    fit_shape,
    lonely_windows,
)
from ionprint.spectra.spectrum import LIGHTEST, Spectrum

REACH = 6.0
"""Borders stand at most this many peak widths (FWHM) from the apex."""
FOOT = 0.005
"""A peak ends where it has fallen to this share of its apex, unless its neighbour comes first."""
RESOLVED = 2.5
"""Bins a peak's width must have for its shape to be measured."""
WINDOW = 0.6
"""A peak's m/z is its centroid within this many widths to each side, as a calibrant's."""
MAXIMUM_SNR = 5.0
"""Standard errors by which a maximum must stand above what is beside it."""
FIRST_SNR = 10.0
"""Standard errors of the peaks that are taken off before the shape is measured again."""
OVERLAP = 0.03
"""Part of its width by which ions that cannot be told apart may move a peak."""
FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian in standard deviations."""


@dataclass(frozen=True)
class Peaks:
    """Peaks with borders that hold for all spectra.

    Attributes
    ----------
    mz, lower, upper : ndarray, shape (n_peaks,)
        Centroid and borders (u), rising and not overlapping.
    counts, errors : ndarray, shape (n_peaks,)
        Counts over all spectra together, and their standard error.
    width : float
        Full width at half maximum (sqrt(u)).
    shape : PeakShape or None
        What overlapping peaks were told apart by; None where bins are too wide to measure it.
    """

    mz: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    counts: np.ndarray
    errors: np.ndarray
    width: float
    shape: PeakShape | None = None

    def take(self, keep: np.ndarray) -> "Peaks":
        """Return some of the peaks."""
        parts = ("mz", "lower", "upper", "counts", "errors")
        return replace(self, **{name: getattr(self, name)[keep] for name in parts})

    @property
    def widths(self) -> np.ndarray:
        """Full widths at half maximum (u): dm = 2 sqrt(m) dx."""
        return 2 * np.sqrt(self.mz) * self.width

    def mz_errors(self, scale_ppm: float) -> np.ndarray:
        """Return standard errors of `mz` (u): of the scale, of counting, and of overlap.

        Parameters
        ----------
        scale_ppm : float
            Standard error of the mass scale.
        """
        counting = self.widths / FWHM * self.errors / np.maximum(self.counts, 1)
        scale = 1e-6 * scale_ppm * self.mz
        return np.sqrt(counting**2 + scale**2 + (OVERLAP * self.widths) ** 2)

    @property
    def centres(self) -> np.ndarray:
        """Centres of the fitted Gaussians (sqrt(u)), from the centroids."""
        x = np.sqrt(self.mz)
        return x - self.shape.centroid(x, WINDOW * self.width)


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
    # rounding depends on the order of a sum: the order of the sheet must not matter
    for spectrum in sorted(spectra, key=lambda s: s.file):
        total += np.diff(spectrum.counts_below(edges))
        if advance:
            advance()
    return Spectrum("all spectra", np.maximum(total, 0), start, step)


def peak_width(total: Spectrum) -> float:
    """Return the usual full width at half maximum of strong peaks, in bins.

    Widths are taken where the counts cross half the apex, for the fifty strongest peaks, and their
    median is returned; in flight time, hence in sqrt(m/z), the width hardly changes with mass.
    """
    apexes, found = signal.find_peaks(total.counts, height=1, prominence=1)
    # stray counts are maxima too, and would be the width where fewer than fifty peaks are
    sure = found["prominences"] >= MAXIMUM_SNR * np.sqrt(found["peak_heights"])
    order = np.argsort(-found["prominences"], kind="stable")[:50]
    strong = apexes[order[sure[order]] if sure.any() else order]
    if not strong.size:
        raise DataError("no peak stands out of the spectra; are these counts of a mass spectrum?")
    return float(max(np.median(signal.peak_widths(total.counts, strong, rel_height=0.5)[0]), 1.0))


def find_peaks(
    total: Spectrum, min_counts: float, min_snr: float, overlapping: bool = True
) -> Peaks:
    """Find peaks and their borders in the summed spectrum.

    Maxima come first. Where bins are narrow enough, the shape of a peak is measured and the peaks
    of each cluster are fitted together, looking for what they leave over, so that shoulders and
    satellites beside strong peaks are found. A peak needs `min_counts` counts, `min_snr` times its
    standard error, and a mass that some number of nucleons can have: between unit masses of light
    ions there are only tails and stray counts.

    Parameters
    ----------
    total : Spectrum
        The sum of all calibrated spectra.
    min_counts : float
        Over all spectra together.
    min_snr : float
        Counts of a fitted peak in their standard errors; maxima need `MAXIMUM_SNR` at least.
    overlapping : bool
        Whether to fit; else maxima are peaks, which is quick and good enough to know strong ones.

    Returns
    -------
    Peaks

    Raises
    ------
    DataError
        Nothing is found.
    """
    width = peak_width(total)
    smooth = gaussian_filter1d(total.counts, max(width / 3, 0.5))
    background = _background(total.counts, width)
    apexes = _maxima(smooth, background, width, max(min_snr, MAXIMUM_SNR))
    found = resolved(total, apexes, width, min_counts, min_snr) if overlapping else []
    if found:
        peaks = _fitted(found)
    else:
        peaks = _bordered(total, smooth, background, apexes, width, min_counts)
    peaks = peaks.take(possible_mass(peaks.mz, peaks.widths / 2))
    if not peaks.mz.size:
        raise DataError(
            f"no peak with {min_counts:g} counts or more in all spectra together; "
            f"lower spectra.search.min_counts or check the spectra"
        )
    return _distinct(peaks)


def _maxima(smooth: np.ndarray, background: np.ndarray, width: float, min_snr: float) -> np.ndarray:
    """Return the bins of maxima that stand above the valleys beside them and the background.

    The spectrum is smoothed by a Gaussian a third of a peak wide.
    """
    sigma = max(width / 3, 0.5)
    # the variance of a Poisson sum under a Gaussian kernel g is counts * sum(g^2)
    gain = 1 / (2 * np.sqrt(np.pi) * sigma)
    apexes, found = signal.find_peaks(smooth, prominence=0)
    noise = np.sqrt(np.maximum(smooth[apexes], background[apexes]) * gain + gain**2)
    above = np.minimum(found["prominences"], smooth[apexes] - background[apexes])
    return apexes[above >= min_snr * noise]


def resolved(
    total: Spectrum, apexes: np.ndarray, width: float, min_counts: float, min_snr: float
) -> list[Cluster]:
    """Find the peaks of all clusters by the shape of a peak.

    The shape is measured on peaks that seem to stand alone, then again on all strong ones with the
    neighbours found by then taken off: in spectra full of satellites hardly a peak stands alone.

    Returns
    -------
    list of Cluster
        Empty where bins are too wide, or too few peaks strong enough, to measure a shape.
    """
    if width < RESOLVED:
        return []
    shape = fit_shape(lonely_windows(total, apexes, width), width * total.step)
    if shape is None:
        return []
    maxima = total.start + total.step * (apexes + 0.5)
    strong = np.sort(total.counts[apexes])[-STRONGEST:].min()
    first, rest = split_clusters(total, shape, width, maxima, strong)
    for cluster in first:
        resolve(cluster, min_counts, max(FIRST_SNR, min_snr))
    first = [c for c in first if c.centres.size]
    if first:
        shape = remeasured(total, first) or shape
    centres = np.concatenate([rest, *(c.centres for c in first)])
    # maxima that were too weak for now are asked again
    near = np.abs(maxima[:, None] - centres).min(axis=1, initial=np.inf)
    centres = np.sort(np.concatenate([centres, maxima[near > width * total.step]]))
    found = clusters(total, shape, width, centres)
    for cluster in found:
        resolve(cluster, min_counts, min_snr)
    return [c for c in found if c.centres.size]


def split_clusters(
    total: Spectrum, shape: PeakShape, width: float, centres: np.ndarray, strong: float
) -> tuple[list[Cluster], np.ndarray]:
    """Return the clusters that reach some height (counts a bin), and the centres of the others."""
    every = clusters(total, shape, width, centres)
    first = [c for c in every if c.counts.max() >= strong]
    rest = [c.centres for c in every if c.counts.max() < strong]
    return first, np.concatenate([np.empty(0), *rest])


def remeasured(total: Spectrum, found: list[Cluster]) -> PeakShape | None:
    """Return the shape of the strongest peaks, their fitted neighbours taken off."""
    centres, areas = (np.concatenate([getattr(c, n) for c in found]) for n in ("centres", "areas"))
    first, shape = found[0], found[0].shape

    def others(peak: int, bins: np.ndarray) -> np.ndarray:
        edges = total.start + total.step * np.append(bins, bins[-1] + 1)
        reach = edges[-1] - edges[0]
        near = np.abs(centres - centres[peak]) < 2 * reach
        near[peak] = False
        return shape.profiles(edges[:, None], centres[near], centres[peak])[0] @ areas[near]

    windows = cleaned_windows(total, centres, areas, others, first.width)
    return fit_shape(windows, first.width * first.step, shape)


def _fitted(found: list[Cluster]) -> Peaks:
    """Return the peaks of fitted clusters."""
    unit, shape = found[0].width * found[0].step, found[0].shape
    centres, areas, errors = (
        np.concatenate([getattr(c, name) for c in found]) for name in ("centres", "areas", "errors")
    )
    x = centres + shape.centroid(centres, WINDOW * unit)
    lower, upper = (np.concatenate(b) for b in zip(*map(fitted_borders, found), strict=True))
    return Peaks(x**2, lower**2, upper**2, areas, errors, unit, shape)


def fitted_borders(cluster: Cluster) -> tuple[np.ndarray, np.ndarray]:
    """Return the borders of a cluster's peaks (sqrt(u)).

    Between neighbours it is where their fitted shapes cross, a quarter of a width from either
    centre at least. A peak that is buried under its neighbour, weaker than it even at its own
    centre, begins half a width before its centre, or half-way. Else a border is the foot.
    """
    unit = cluster.width * cluster.step
    d = np.linspace(-REACH, REACH, 1201) * unit
    _, outline = cluster.outline(d)
    above = np.flatnonzero(outline >= FOOT * outline.max())
    lower, upper = cluster.centres + d[above[0]], cluster.centres + d[above[-1]]
    for i, (left, right) in enumerate(itertools.pairwise(cluster.centres)):
        x = np.linspace(left, right, 101)
        first, second = (
            area * cluster.outline(x - centre)[1]
            for area, centre in zip(cluster.areas[i : i + 2], (left, right), strict=True)
        )
        if first[-1] >= second[-1]:
            border = max((left + right) / 2, right - unit / 2)
        elif second[0] >= first[0]:
            border = min((left + right) / 2, left + unit / 2)
        else:
            border = x[int((second > first).argmax())]
        border = float(np.clip(border, left + unit / 4, max(right - unit / 4, left + unit / 4)))
        upper[i], lower[i + 1] = min(upper[i], border), max(lower[i + 1], border)
    return lower, upper


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


def _bordered(
    total: Spectrum,
    smooth: np.ndarray,
    background: np.ndarray,
    apexes: np.ndarray,
    width: float,
    min_counts: float,
) -> Peaks:
    """Return the maxima as peaks, with valleys as borders."""
    cumulative = total.cumulative()
    while True:
        lower, upper = _borders(smooth, background, apexes, width)
        counts = cumulative[upper] - cumulative[lower]
        enough = counts >= min_counts
        if enough.all():
            break
        apexes = apexes[enough]
    half = max(round(width), 1)
    mz = np.empty(apexes.size)
    for i, apex in enumerate(apexes):
        first, last = max(apex - half, lower[i]), min(apex + half + 1, upper[i])
        inside = total.counts[first:last]
        mz[i] = ((inside * total.centres(first, last)).sum() / inside.sum()) ** 2
    lower_mz, upper_mz = ((total.start + total.step * b) ** 2 for b in (lower, upper))
    return Peaks(mz, lower_mz, upper_mz, counts, np.sqrt(counts), width * total.step)


def _distinct(peaks: Peaks) -> Peaks:
    """Leave out the weaker of two peaks that four decimals cannot tell apart."""
    peaks = replace(peaks, mz=np.round(peaks.mz, 4))
    order = np.argsort(-peaks.counts, kind="stable")
    _, first = np.unique(peaks.mz[order], return_index=True)
    return peaks.take(np.sort(order[first]))


def read_borders(path: str | Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the m/z and borders of a peak list (u).

    Parameters
    ----------
    path : str or Path
        CSV with columns mz, lower and upper (u), as `peaks.csv` of an earlier set.

    Raises
    ------
    DataError
        The file is no such list, or its peaks overlap or do not rise.
    MissingInputError
        It is not there.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingInputError(f"spectra.peak_list={path}: the file is not there")
    try:
        frame = pd.read_csv(path)
        mz, lower, upper = (frame[c].to_numpy(dtype=float) for c in ("mz", "lower", "upper"))
    except (KeyError, ValueError) as exc:
        raise DataError(
            f"{path}: expected a CSV with the columns mz, lower and upper (u), as peaks.csv: {exc}"
        ) from exc
    mz = np.round(mz, 4)
    good = (lower < mz) & (mz < upper) & (np.diff(mz, prepend=0.0) > 0)
    # borders have four decimals; an empty one is told with its own line
    good &= np.append(~(upper[:-1] > lower[1:] + 1e-4), True)
    if not (mz.size and good.all()):
        line = int(np.argmin(good)) + 2 if mz.size else 2
        raise DataError(
            f"{path}, line {line}: expected peaks that rise and do not overlap, lower < mz < upper"
        )
    return mz, lower, upper


def given_peaks(path: str | Path, total: Spectrum) -> Peaks:
    """Take peaks from a list, to bring new spectra onto the peaks of an earlier set.

    Parameters
    ----------
    path : str or Path
        See `read_borders`.
    total : Spectrum
        The sum of the new spectra: its counts, and the shape of its peaks.

    Raises
    ------
    DataError
        The list is not as it must be, or reaches beyond the spectra.
    """
    mz, lower, upper = read_borders(path)
    if mz[0] < LIGHTEST or mz[-1] > total.end**2:  # a border may lie beyond: there are no counts
        raise DataError(
            f"{path}: peaks from m/z {mz[0]:g} to {mz[-1]:g}, but the spectra are read from "
            f"{LIGHTEST:g} to {total.end**2:g}; raise dataset.mz_max or shorten the list"
        )
    found = find_peaks(total, 1.0, FIRST_SNR)
    counts = np.diff(total.counts_below(np.sqrt(np.stack([lower, upper]))), axis=0)[0]
    return Peaks(mz, lower, upper, counts, np.sqrt(counts), found.width, found.shape)
