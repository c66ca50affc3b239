"""Peaks that overlap, told apart by fitting the measured peak shape.

As in photometry of crowded star fields (Stetson, PASP 99 (1987) 191): fit all known peaks of a
cluster together, look for what they leave over, add it as a peak, fit again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.optimize import nnls

from ionprint.spectra.shape import AFTER, BEFORE, PeakShape
from ionprint.spectra.spectrum import Spectrum

NEAREST = 0.7
"""Peak widths (FWHM) below which two peaks are not told apart."""
APART = 3.0
"""Peak widths between two peaks that are added in one round."""
MERGED = 0.5
"""Peak widths below which a peak only mends the shape of a stronger one."""
BORDERLINE = 2.0
"""Standard errors by which a peak may have fewer counts than asked."""
REACH = 0.5
"""Peak widths a centre may move from where it was put."""
TABLED = 24
"""Points a bin of the table of the shape; interpolation between them is good to 1e-4."""
ROUNDS = 20
"""Rounds of a fit, and of looking for further peaks, at most."""
FEW_ROUNDS = 3
"""Rounds of a fit while peaks are still looked for."""
SETTLED = 0.02
"""Bins by which no centre moves any more when a fit ends."""
LEAST_VARIANCE = 0.3
"""Variance of an empty bin (counts^2): no count where hardly one is expected is no certainty."""


@dataclass
class Cluster:
    """Neighbouring peaks and the bins they lie in.

    Attributes
    ----------
    counts : ndarray, shape (n_bins,)
        Of the summed spectrum.
    edges : ndarray, shape (n_bins + 1,)
        sqrt(u).
    centres : ndarray, shape (n,)
        Of the peaks' Gaussians (sqrt(u)), rising.
    areas, errors : ndarray, shape (n,)
        Counts of each peak and their standard error, shape error included.
    background : float
        Counts a bin.
    home : ndarray, shape (n,)
        Where the centres were put (sqrt(u)); they do not move far from there.
    """

    counts: np.ndarray
    edges: np.ndarray
    shape: PeakShape
    width: float
    centres: np.ndarray
    areas: np.ndarray
    errors: np.ndarray
    background: float = 0.0
    home: np.ndarray = field(default_factory=lambda: np.empty(0))

    @cached_property
    def middle(self) -> float:
        """x in the middle of the bins: here the width is taken (sqrt(u))."""
        return float(self.edges[0] + self.edges[-1]) / 2

    @cached_property
    def step(self) -> float:
        """Width of a bin (sqrt(u))."""
        return float(self.edges[-1] - self.edges[0]) / self.counts.size

    def profiles(self, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the share of each peak in each bin, and its change with the centre.

        Returns
        -------
        profiles, slopes : ndarray, shape (n_bins, n)
            Slopes are per sqrt(u).
        """
        cumulative, density = self.outline(self.edges[:, None] - centres)
        return np.diff(cumulative, axis=0), -np.diff(density, axis=0)

    @cached_property
    def outline(self) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """The shape at this place (its share below a distance, and its density), from a table.

        The functions themselves would take most of a search's time.
        """
        fine = self.step / TABLED
        reach = np.array([-BEFORE, AFTER]) * self.width * self.step
        d = np.arange(2 * reach[0], 2 * reach[1], fine)
        table = np.stack(self.shape(d, self.middle), axis=1)
        slopes = np.diff(table, axis=0)

        def outline(distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            at = np.clip((distance - d[0]) / fine, 0, d.size - 1.001)
            below = at.astype(np.intp)
            found = table[below] + (at - below)[..., None] * slopes[below]
            return found[..., 0], found[..., 1]

        return outline

    def variance(self, profiles: np.ndarray) -> np.ndarray:
        """Return the variance of each bin: counting, and what the shape may miss."""
        model = profiles @ self.areas + self.background
        missed = ((self.shape.error * profiles * self.areas) ** 2).sum(axis=1)
        return np.maximum(model, LEAST_VARIANCE) + missed

    def fit(self, centres: np.ndarray) -> None:
        """Fit centres, areas and background to the counts, starting at `centres` (sqrt(u))."""
        self.start(centres)
        self.settle(ROUNDS)
        self.estimate_errors()

    def start(self, centres: np.ndarray) -> None:
        """Put peaks at `centres` (sqrt(u)) and give them the areas that fit best there."""
        self.centres = self.home = centres
        profiles, _ = self.profiles(centres)
        root = np.sqrt(np.maximum(self.counts, 1))[:, None]
        design = np.hstack([profiles, np.ones((self.counts.size, 1))])
        areas, _ = nnls(design / root, self.counts / root[:, 0])
        self.areas, self.background = np.maximum(areas[:-1], 1.0), float(areas[-1])

    def settle(self, rounds: int) -> None:
        """Move centres, areas and background to where all fit best, in so many steps at most.

        Gauss-Newton steps with the variance of the model; areas and background stay positive.
        """
        n, reach = self.centres.size, REACH * self.width * self.step
        profiles, slopes = self.profiles(self.centres)
        for _ in range(rounds):
            normal, jacobian, missing = self._normal(profiles, slopes)
            move = np.linalg.solve(normal, jacobian.T @ missing)
            shift = np.clip(move[n:-1], -0.5, 0.5) * self.step
            before = self.centres
            self.centres = np.clip(before + shift, self.home - reach, self.home + reach)
            self.areas = np.maximum(self.areas + move[:n], np.maximum(0.1 * self.areas, 1.0))
            self.background = max(self.background + float(move[-1]), 0.0)
            profiles, slopes = self.profiles(self.centres)
            if np.abs(self.centres - before).max() < SETTLED * self.step:
                break

    def estimate_errors(self) -> None:
        """Tell how well the areas are known beside their neighbours."""
        normal, _, _ = self._normal(*self.profiles(self.centres))
        self.errors = np.sqrt(np.linalg.inv(normal).diagonal()[: self.centres.size])

    def _normal(
        self, profiles: np.ndarray, slopes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the normal equations' matrix, a little damped, and what `_weighted` returns."""
        jacobian, missing = self._weighted(profiles, slopes)
        normal = jacobian.T @ jacobian
        normal[np.diag_indices_from(normal)] += 1e-9 * normal.diagonal() + 1e-12
        return normal, jacobian, missing

    def _weighted(self, profiles: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return derivatives by areas, centres (in bins) and background, and what is left over,
        both in standard errors."""
        root, n = np.sqrt(self.variance(profiles)), self.centres.size
        jacobian = np.empty((self.counts.size, 2 * n + 1))
        jacobian[:, :n], jacobian[:, -1] = profiles, 1.0
        jacobian[:, n:-1] = slopes * (self.areas * self.step)
        jacobian /= root[:, None]
        missing = (self.counts - profiles @ self.areas - self.background) / root
        return jacobian, missing

    def unexplained(self, min_counts: float, min_snr: float) -> np.ndarray:
        """Return where a further peak is missing, the surest first.

        What is left over is compared with the peak shape at every bin. What the known peaks
        could take over themselves, by moving or growing, does not count.
        """
        trials = np.arange(self.edges[0], self.edges[-1], self.step)
        unit = self.width * self.step
        if self.centres.size:
            far = np.abs(trials[:, None] - self.centres).min(axis=1) > NEAREST * unit
            trials = trials[far]
        profiles, slopes = self.profiles(self.centres)
        jacobian, missing = self._weighted(profiles, slopes)
        wanted = self.profiles(trials)[0] / np.sqrt(self.variance(profiles))[:, None]
        known, _ = np.linalg.qr(jacobian)
        wanted = wanted - known @ (known.T @ wanted)
        information = np.maximum((wanted**2).sum(axis=0), 1e-12)
        areas = wanted.T @ missing / information
        sure = areas * np.sqrt(information)
        found: list[float] = []
        for i in np.argsort(-sure, kind="stable"):
            if sure[i] < min_snr:
                break
            if areas[i] >= min_counts and all(abs(trials[i] - f) > APART * unit for f in found):
                found.append(float(trials[i]))
        return np.array(found)

    def drop_weak(self, min_counts: float, min_snr: float) -> None:
        """Take out the peaks that are too weak, the weakest first, and fit the others again."""
        while self.centres.size:
            few = self.areas + BORDERLINE * self.errors < min_counts
            weak = few | (self.areas < min_snr * self.errors) | self._on_stronger()
            if not weak.any():
                return
            keep = np.arange(weak.size) != np.where(weak, self.areas / self.errors, np.inf).argmin()
            if not keep.any():
                self.centres, self.areas, self.errors = np.empty((3, 0))
                return
            self.fit(self.centres[keep])

    def _on_stronger(self) -> np.ndarray:
        """Tell which peaks have moved onto a stronger one: they only mend its shape."""
        apart = np.diff(self.centres) < MERGED * self.width * self.step
        right_weaker = self.areas[1:] < self.areas[:-1]
        on = np.zeros(self.centres.size, dtype=bool)
        on[1:] |= apart & right_weaker
        on[:-1] |= apart & ~right_weaker
        return on


def clusters(total: Spectrum, shape: PeakShape, width: float, centres: np.ndarray) -> list[Cluster]:
    """Gather peaks whose shapes reach into each other.

    Parameters
    ----------
    total : Spectrum
        The sum of all calibrated spectra.
    width : float
        Full width at half maximum in bins.
    centres : ndarray
        sqrt(u), rising.

    Returns
    -------
    list of Cluster
        Not fitted yet: areas are 0.
    """
    before, after = int(BEFORE * width), int(AFTER * width)
    bins = np.floor(total.bin_at(centres)).astype(int)
    found = []
    for group in np.split(centres, np.flatnonzero(np.diff(bins) > before + after) + 1):
        first = max(int(total.bin_at(group[0])) - before, 0)
        last = min(int(total.bin_at(group[-1])) + after + 1, total.counts.size)
        edges = total.start + total.step * np.arange(first, last + 1)
        nothing = np.zeros(group.size)
        found.append(
            Cluster(total.counts[first:last], edges, shape, width, group, nothing, nothing)
        )
    return found


def resolve(cluster: Cluster, min_counts: float, min_snr: float) -> None:
    """Find all peaks of a cluster.

    Parameters
    ----------
    min_counts : float
        Counts a peak must have.
    min_snr : float
        The same in standard errors.
    """
    cluster.start(cluster.centres)
    cluster.settle(FEW_ROUNDS)
    for _ in range(ROUNDS):
        # a peak's counts are known better once it is fitted
        found = cluster.unexplained(0.8 * min_counts, min_snr)
        if not found.size:
            break
        cluster.start(np.sort(np.concatenate([cluster.centres, found])))
        cluster.settle(FEW_ROUNDS)
    cluster.settle(ROUNDS)
    cluster.estimate_errors()
    cluster.drop_weak(min_counts, min_snr)
