"""A time-of-flight spectrometer: ions in, counts per time bin out. No disk, no chemistry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionprint.errors import ConfigError
from ionprint.spectra.dead_time import correct_dead_time

FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))
CYCLE = 2.0**22
"""Channels from pulse to pulse, longer than any flight; short enough that a million pulses laid end
to end leave a thousandth of a channel in double precision."""


@dataclass(frozen=True)
class Instrument:
    """Settings of the spectrometer and of its export; units as in conf/simulation/lithium.yaml."""

    channel_ns: float
    binning: int
    k: float
    t0: float
    k_drift_ppm: float
    t0_drift: float
    pulse_fwhm_ns: float
    energy_width: float
    tail_fraction: float
    tail_ns: float
    background: float
    mz_start: float
    mz_limit: float
    pulses: int
    dead_time_ns: float
    dead_time_correction: bool = True
    nonlinearity_ns: float = 0.0
    full_rows: bool = False

    def __post_init__(self) -> None:
        """Refuse settings no spectrometer can have."""
        for name in ("channel_ns", "binning", "k", "pulse_fwhm_ns", "mz_start"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"simulation.instrument.{name} must be above zero")
        if type(self.pulses) is not int or self.pulses < 1:
            raise ConfigError("simulation.instrument.pulses must be a whole number above zero")
        for name in (
            *("t0", "k_drift_ppm", "t0_drift", "energy_width", "tail_ns", "background"),
            *("dead_time_ns", "nonlinearity_ns"),
        ):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"simulation.instrument.{name} must not be below zero")
        if not 0 <= self.tail_fraction <= 1:
            raise ConfigError("simulation.instrument.tail_fraction must lie between 0 and 1")
        if not self.mz_limit > self.mz_start:
            raise ConfigError("simulation.instrument.mz_limit must lie above mz_start")
        if not self.k * np.sqrt(self.mz_limit) + self.t0 < CYCLE / 2:
            raise ConfigError(f"simulation.instrument: flights to mz_limit take {CYCLE / 2:.0f} "
                              "channels or more")  # fmt: skip
        if not isinstance(self.dead_time_correction, bool):
            raise ConfigError("simulation.instrument.dead_time_correction must be true or false")


@dataclass(frozen=True)
class FlightTime:
    """The true k (channels per sqrt(u)) and t0 (channels) of one measurement."""

    k: float
    t0: float


def draw_flight_time(instrument: Instrument, rng: np.random.Generator) -> FlightTime:
    """Draw the true flight-time constants of one spot, drifted from the instrument's own.

    Parameters
    ----------
    instrument : Instrument
        Gives the nominal k and t0 and their drifts.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    FlightTime
        k in channels per sqrt(u), t0 in channels.
    """
    return FlightTime(
        k=instrument.k * (1 + 1e-6 * instrument.k_drift_ppm * rng.standard_normal()),
        t0=instrument.t0 + instrument.t0_drift * rng.standard_normal(),
    )


def bin_range(instrument: Instrument) -> tuple[int, int]:
    """Return the first bin of the export and the one after its last.

    Parameters
    ----------
    instrument : Instrument
        Its nominal k, t0, binning and m/z range count.

    Returns
    -------
    tuple of int
        Bin numbers from time zero; a bin belongs to the export if its centre's m/z does.
    """
    ends = instrument.k * np.sqrt([instrument.mz_start, instrument.mz_limit]) + instrument.t0
    first, end = np.ceil((ends - instrument.binning // 2) / instrument.binning).astype(int)
    return int(first), int(end)


def bin_centres(instrument: Instrument) -> np.ndarray:
    """Return the centres of the exported bins, in channels (2, 6, 10 ... for bins of 4).

    Parameters
    ----------
    instrument : Instrument
        Gives binning and range.

    Returns
    -------
    numpy.ndarray
        Channels.
    """
    first, end = bin_range(instrument)
    return np.arange(first, end) * instrument.binning + instrument.binning // 2


def nominal_mz(instrument: Instrument, channel: np.ndarray) -> np.ndarray:
    """Return the exported m/z of channels, by the instrument's own (not the true) constants.

    Parameters
    ----------
    instrument : Instrument
        Gives k and t0.
    channel : numpy.ndarray
        Time, channels.

    Returns
    -------
    numpy.ndarray
        m/z = ((t - t0) / k)^2, u.
    """
    return ((np.asarray(channel) - instrument.t0) / instrument.k) ** 2


def peak_fwhm(instrument: Instrument, time: np.ndarray) -> np.ndarray:
    """Return the width of the symmetric part of a peak.

    Parameters
    ----------
    instrument : Instrument
        Gives the pulse width and the energy width.
    time : numpy.ndarray
        Flight time, channels.

    Returns
    -------
    numpy.ndarray
        FWHM = sqrt(pulse^2 + (energy width x time)^2), channels. The usual sum of independent
        widths; mass resolution is time / (2 FWHM).
    """
    return np.hypot(
        instrument.pulse_fwhm_ns / instrument.channel_ns, instrument.energy_width * time
    )


def arrival_time(instrument: Instrument, flight: FlightTime, mz: np.ndarray) -> np.ndarray:
    """Return the mean arrival time of ions.

    Parameters
    ----------
    instrument : Instrument
        Gives the deviation from the law of flight, a property of its own.
    flight : FlightTime
        The spot's true constants.
    mz : numpy.ndarray
        m/z, u.

    Returns
    -------
    numpy.ndarray
        k sqrt(m/z) + t0 + 4 n u (1 - u), channels; n is the largest deviation and u the time as
        a share of the time of the instrument's m/z limit.
    """
    time = flight.k * np.sqrt(mz) + flight.t0
    share = time / (instrument.k * np.sqrt(instrument.mz_limit) + instrument.t0)
    return time + 4 * instrument.nonlinearity_ns / instrument.channel_ns * share * (1 - share)


def registered(
    arrivals: np.ndarray, pulses: int, dead: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the arrival times of those ions that the detector registers.

    Parameters
    ----------
    arrivals : numpy.ndarray
        Time of each ion after its pulse, channels, less than CYCLE.
    pulses : int
        Pulses the ions come from, each from any of them.
    dead : float
        Dead time after a registered ion, channels; lost ions do not prolong it.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    numpy.ndarray
        Times in channels, by pulse.
    """
    # pulses laid end to end, further apart than the dead time: one sort does for all
    time = np.sort(rng.integers(pulses, size=len(arrivals)) * CYCLE + arrivals)
    follows = np.diff(time, prepend=-np.inf) < dead
    keep = ~follows
    # clusters of ions, each nearer than the dead time to the one before: their second ions are
    # lost, their third ones may come late enough after the first, and so on
    first = np.flatnonzero(keep[:-1] & follows[1:])
    last, here = time[first], first + 1
    while len(here):
        new = time[here] - last >= dead
        keep[here[new]] = True
        last = np.where(new, time[here], last)
        here = here + 1
        goes_on = here < len(time)
        goes_on[goes_on] = follows[here[goes_on]]
        here, last = here[goes_on], last[goes_on]
    return time[keep] % CYCLE


def detect(
    instrument: Instrument,
    flight: FlightTime,
    mz: np.ndarray,
    expected: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw one spectrum.

    Parameters
    ----------
    instrument : Instrument
        Peak shape, background, dead time, range.
    flight : FlightTime
        The spot's true constants.
    mz : numpy.ndarray
        m/z of each ion, u.
    expected : numpy.ndarray
        Expected counts of each ion before losses in the dead time.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    numpy.ndarray
        Counts per bin of `bin_centres`: whole numbers, or to 0.001 with dead-time correction.
        Ions are Poisson; an ion arrives at `arrival_time` + a normal deviate, some of them with
        an exponential delay on top.
    """
    first, end = bin_range(instrument)
    numbers = rng.poisson(expected)
    times = arrival_time(instrument, flight, mz)
    sigmas = peak_fwhm(instrument, times) / FWHM_PER_SIGMA
    arrivals = np.repeat(times, numbers)
    arrivals += np.repeat(sigmas, numbers) * rng.standard_normal(len(arrivals))
    late = rng.random(len(arrivals)) < instrument.tail_fraction
    arrivals[late] += rng.exponential(instrument.tail_ns / instrument.channel_ns, late.sum())
    dead = instrument.dead_time_ns / instrument.channel_ns
    arrivals = registered(arrivals, instrument.pulses, dead, rng)
    bins = np.floor(arrivals / instrument.binning).astype(np.int64) - first
    inside = (bins >= 0) & (bins < end - first)
    counts = np.bincount(bins[inside], minlength=end - first)
    counts += rng.poisson(instrument.background, end - first)
    if not instrument.dead_time_correction:
        return counts
    return correct_dead_time(counts, instrument.pulses, dead / instrument.binning).round(3)
