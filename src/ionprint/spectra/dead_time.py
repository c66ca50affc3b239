"""Counts lost in a detector's dead time, given back."""

import re
from dataclasses import replace

import numpy as np

from ionprint.errors import SpectrumError
from ionprint.spectra.spectrum import PULSES, Spectrum, most_ions


def correct_dead_time(counts: np.ndarray, pulses: float, dead_bins: float) -> np.ndarray:
    """Return counts corrected for the dead time after each registered ion.

    Parameters
    ----------
    counts : ndarray, shape (n_bins,)
        Registered counts of each bin, added up over all pulses.
    pulses : float
        Primary-ion pulses of the spectrum.
    dead_bins : float
        Dead time in bins; a fraction counts that share of one bin more.

    Returns
    -------
    ndarray of float64, shape (n_bins,)
        N_c(i) = -N_p ln(1 - N_e(i) / (N_p - sum of N_e over the dead_bins bins before i)).

    Raises
    ------
    SpectrumError
        As many counts as live pulses, so that nothing tells how many ions came; or the number of
        pulses or the dead time cannot be.

    Notes
    -----
    For a dead time that further ions do not prolong, with at most one ion of a kind registered
    after a pulse and ions that arrive by chance: Stephan, Zehnpfenning, Benninghoven,
    J. Vac. Sci. Technol. A 12 (1994) 405.
    """
    if not (pulses > 0 and np.isfinite(dead_bins) and dead_bins >= 0):
        raise SpectrumError(
            f"dead time of {dead_bins:g} bins and {pulses:g} pulses: expected a dead time of 0 or "
            f"more and a number of pulses above 0"
        )
    counts = np.asarray(counts, dtype=float)
    below = np.concatenate([[0.0], np.cumsum(counts)])
    edges = np.arange(counts.size)
    before = below[:-1] - np.interp(edges - dead_bins, np.arange(counts.size + 1), below)
    live = pulses - before
    full = counts >= live
    if full.any():
        bin_ = int(np.argmax(full))
        raise SpectrumError(
            f"bin {bin_}: {counts[bin_]:g} counts from {live[bin_]:g} live pulses: the detector is "
            f"saturated, which no dead-time correction mends"
        )
    return -pulses * np.log1p(-counts / live)


def without_dead_time(
    spectrum: Spectrum,
    pulses: float | None,
    dead_time_ns: float | None,
    channel_ns: float | None,
) -> Spectrum:
    """Return the spectrum with its lost counts given back, if its export says that they lack.

    Parameters
    ----------
    pulses : float, optional
        Primary-ion pulses of the measurement.
    dead_time_ns, channel_ns : float, optional
        Dead time of the detector and width of a time channel (ns).

    Returns
    -------
    Spectrum
        With `pulses` known where they are given.

    Raises
    ------
    SpectrumError
        The export says `Deadtime Correction: off` and what a correction needs is not known; or
        there are fewer pulses than ions registered in one bin.
    """
    if pulses:
        spectrum = replace(spectrum, pulses=float(pulses))
        _refuse_too_few(spectrum)
    if spectrum.metadata.get("Deadtime Correction", "").lower() != "off":
        return spectrum
    binning = re.match(r"\d+", spectrum.metadata.get("Binning", ""))
    needed = {"pulses": pulses, "dead_time_ns": dead_time_ns, "channel_ns": channel_ns}
    missing = [name for name, value in needed.items() if not value]
    if missing or not binning:
        what = ", ".join(missing) or "the line '# Binning: ... channels'"
        raise SpectrumError(
            f"{spectrum.file}: exported without dead-time correction, and to correct it {what} is "
            f"missing. Give columns {', '.join(needed)} in the sheet, or spectra.dead_time in "
            f"conf/, or export with the correction on."
        )
    bins = dead_time_ns / (channel_ns * int(binning[0]))
    try:
        counts = correct_dead_time(spectrum.counts, pulses, bins)
    except SpectrumError as exc:
        raise SpectrumError(f"{spectrum.file}: {exc}") from exc
    return replace(spectrum, counts=counts)


def _refuse_too_few(spectrum: Spectrum) -> None:
    """Raise SpectrumError where one bin has more ions than the pulses can have given."""
    most = float(spectrum.counts.max())
    # of an export that was corrected, the ions that came are known, not those registered
    if most > most_ions(spectrum.pulses):
        raise SpectrumError(
            f"{spectrum.file}: {most:.6g} ions in one bin from {spectrum.pulses:.10g} primary-ion "
            f"pulses, each of which gives it one count at most. {PULSES}"
        )
