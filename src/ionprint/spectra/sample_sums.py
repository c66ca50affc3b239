"""The summed spectra of each reference compound and of each sample, on the bins of all spectra."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ionprint.spectra.integration import Borders
from ionprint.spectra.search import Peaks
from ionprint.spectra.spectrum import Spectrum

REFERENCE = "reference"


@dataclass(frozen=True)
class SampleSums:
    """Sums of spectra.

    Attributes
    ----------
    groups : DataFrame
        A row a sum: name (the compound of a reference, else the sample), role, spectra (how many
        are in it), total (counts).
    counts : DataFrame
        Columns name, role, bin, counts; only bins with counts.
    start, step : float
        Lower edge of the first bin, and width of a bin (sqrt(u)): those of the sum of all spectra.
    bins : int
    """

    groups: pd.DataFrame
    counts: pd.DataFrame
    start: float
    step: float
    bins: int

    def spectrum(self, name: str, role: str) -> Spectrum | None:
        """Return one of the sums; None where there is none of this name and role."""
        own = self.counts[(self.counts["name"] == name) & (self.counts["role"] == role)]
        if own.empty:
            return None
        counts = np.zeros(self.bins)
        counts[own["bin"]] = own["counts"]
        return Spectrum(name, counts, self.start, self.step)


def sample_sums(spectra: list[Spectrum], samples: pd.DataFrame, total: Spectrum) -> SampleSums:
    """Add up the spectra of each reference compound, and of each mixture and anode.

    Parameters
    ----------
    spectra : list of Spectrum
        Calibrated.
    samples : DataFrame
        A row a spectrum, in the same order: role, compound, sample.
    total : Spectrum
        The sum of all of them, whose bins are used.
    """
    of_reference = samples["role"] == REFERENCE
    names = samples["compound"].where(of_reference, samples["sample"])
    edges = total.start + total.step * np.arange(total.counts.size + 1)
    groups, frames = [], []
    for (name, role), rows in names.groupby([names, samples["role"]], sort=True).indices.items():
        counts = np.zeros(total.counts.size)
        # rounding depends on the order of a sum: the order of the sheet must not matter
        for spectrum in sorted((spectra[row] for row in rows), key=lambda s: s.file):
            counts += np.diff(spectrum.counts_below(edges))
        counts = np.maximum(counts, 0).round(2)
        some = np.flatnonzero(counts)
        groups.append((name, role, len(rows), round(float(counts.sum()), 2)))
        own = {"bin": some.astype("int32"), "counts": counts[some].astype("float32")}
        frames.append(pd.DataFrame({"name": name, "role": role, **own}))
    columns = ["name", "role", "spectra", "total"]
    counts = pd.concat(frames, ignore_index=True)
    scale = (total.start, total.step, total.counts.size)
    return SampleSums(pd.DataFrame(groups, columns=columns), counts, *scale)


def background(spectrum: Spectrum, peaks: Peaks) -> np.ndarray:
    """Return the level beside each peak, counts a bin, as taken off between borders.

    Peaks that touch share the level beside their run. NaN where no room is left between runs.

    Parameters
    ----------
    spectrum : Spectrum
    peaks : Peaks

    Returns
    -------
    ndarray, shape (n_peaks,)
    """
    windows = np.clip(Borders.of(peaks).windows, spectrum.start, spectrum.end)
    long = np.maximum(windows[:, 1] - windows[:, 0], 0).sum(axis=0)
    below = spectrum.counts_below(windows)
    counts = np.maximum(below[:, 1] - below[:, 0], 0).sum(axis=0)
    level = np.full(long.shape, np.nan)
    return np.divide(counts * spectrum.step, long, out=level, where=long > 0)
