"""One spectrum: counts on an even grid of flight time."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ionprint.errors import SpectrumError

LIGHTEST = 0.5
"""m/z (u) below which no ion can be; H- is at 1.008."""

PULSES = (
    "Correct `pulses` in the sheet, or spectra.dead_time.pulses: shots of the whole measurement, "
    "all pixels and frames"
)
"""What to do about pulses that cannot be."""


def most_ions(pulses: float) -> float:
    """Return how many ions of a kind can have come where one pulse in all registered none.

    With N pulses and n < N registered, -N ln(1 - n / N) came (see `correct_dead_time`), so N ln(N)
    at most; with n = N nothing tells how many.
    """
    return pulses * math.log(max(pulses, 1.0)) if math.isfinite(pulses) else math.inf


@dataclass(frozen=True)
class Spectrum:
    """Counts of one spot on an even grid of x = sqrt(m/z).

    A time-of-flight axis obeys t = k sqrt(m) + t0, so bins of equal time are bins of equal x, and
    a mass calibration is a straight line in x: nothing is resampled until areas are taken.

    Attributes
    ----------
    file : str
        Where it was read, as the sample sheet names it.
    counts : ndarray of float64, shape (n_bins,)
        Counts of every bin; bins the export left out hold 0.
    start : float
        x of the lower edge of the first bin (sqrt(u)).
    step : float
        Width of a bin in x (sqrt(u)).
    metadata : dict of str to str
        The export's comment lines.
    pulses : float
        Primary-ion pulses of the measurement, where known: a pulse gives a peak one count at most.
    sparse : bool
        Whether the export left out rows, so that it may have been measured beyond its first and
        last one.
    """

    file: str
    counts: np.ndarray
    start: float
    step: float
    metadata: dict[str, str] = field(default_factory=dict)
    pulses: float = math.inf
    sparse: bool = False

    def __post_init__(self) -> None:
        if self.counts.ndim != 1 or not self.counts.size:
            raise SpectrumError(f"{self.file}: expected a row of counts, got none")
        if not (np.isfinite(self.counts).all() and (self.counts >= 0).all()):
            raise SpectrumError(f"{self.file}: counts must be finite and not negative")
        if not (np.isfinite(self.start) and self.step > 0):
            raise SpectrumError(f"{self.file}: the mass axis does not rise")
        self.counts.setflags(write=False)

    @property
    def simulated(self) -> bool:
        """Whether the export says that it was simulated."""
        return "simulated" in self.metadata.get("Source", "").lower()

    @property
    def end(self) -> float:
        """x of the upper edge of the last bin (sqrt(u))."""
        return self.start + self.step * self.counts.size

    def centres(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """x of the middles of the bins from `first` up to `last` (sqrt(u))."""
        last = self.counts.size if last is None else last
        return self.start + self.step * (np.arange(first, last) + 0.5)

    def bin_at(self, x: float | np.ndarray) -> np.ndarray:
        """Position of x on the bins: 0 at the lower edge of the first bin."""
        return (np.asarray(x) - self.start) / self.step

    def cumulative(self) -> np.ndarray:
        """Counts below each bin edge, shape (n_bins + 1,)."""
        return np.concatenate([[0.0], np.cumsum(self.counts)])

    def counts_below(self, x: np.ndarray) -> np.ndarray:
        """Return the counts below each x (sqrt(u)), a bin's counts spread evenly over the bin."""
        # faster than np.interp, which does not know that the bins are even
        at = np.clip(self.bin_at(x), 0, self.counts.size)
        bins = np.minimum(at.astype(np.intp), self.counts.size - 1)
        return self.cumulative()[bins] + (at - bins) * self.counts[bins]

    def overdispersion(self, areas: np.ndarray) -> np.ndarray:
        """Return how much the variance of areas corrected for dead time exceeds Poisson's.

        With N pulses and at most one count a pulse, an area A has been -N ln(1 - n / N) of n counts
        with a binomial error, hence the variance N (exp(A / N) - 1).

        Parameters
        ----------
        areas : ndarray
            Corrected counts.

        Returns
        -------
        ndarray
            Variance over area; 1 where the pulses are not known.

        Raises
        ------
        SpectrumError
            An area is more than the pulses can have given, see `most_ions`.
        """
        if np.max(areas, initial=0.0) > most_ions(self.pulses):
            raise SpectrumError(
                f"{self.file}: {np.max(areas):.6g} ions in one peak from {self.pulses:.10g} "
                f"primary-ion pulses, each of which gives it one count at most. {PULSES}"
            )
        rate = np.maximum(areas / self.pulses, 1e-9)
        return np.expm1(rate) / rate

    def calibrated(self, offset: float, slope: float) -> "Spectrum":
        """Return the spectrum with its scale moved to offset + slope * x."""
        return replace(self, start=offset + slope * self.start, step=slope * self.step)
