"""Dead time: lost as a detector loses, and given back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ionprint.errors import SpectrumError
from ionprint.simulation.dataset import Settings
from ionprint.simulation.instrument import (
    FlightTime,
    arrival_time,
    bin_centres,
    detect,
    nominal_mz,
    registered,
)
from ionprint.spectra.dead_time import correct_dead_time

CONF = Path(__file__).parents[2] / "conf" / "simulation" / "lithium.yaml"


@pytest.fixture(scope="module")
def instrument():
    return Settings.from_mapping(OmegaConf.to_container(OmegaConf.load(CONF))).instrument


def areas(instrument, mz, expected, seed=3, spectra=4):
    """Return mean areas of ions that stand alone, over a few spectra."""
    flight = FlightTime(instrument.k, instrument.t0)
    axis = nominal_mz(instrument, bin_centres(instrument))
    total = np.zeros(len(mz))
    for number in range(spectra):
        rng = np.random.default_rng([seed, number])
        counts = detect(instrument, flight, np.array(mz), np.array(expected), rng)
        total += [counts[np.abs(axis - m) < 0.012].sum() for m in mz]
    return total / spectra


def test_strong_peaks_are_given_back(instrument):
    mz, expected = [16.0, 16.03, 40.0], [0.7 * instrument.pulses, 20000.0, 5000.0]
    error = areas(instrument, mz, expected) / expected - 1
    assert (abs(error) < 0.01 + 2 / np.sqrt(np.array(expected) * 4)).all()


def test_without_correction_they_are_too_small(instrument):
    instrument = replace(instrument, dead_time_correction=False)
    mz, expected = [16.0, 16.03, 40.0], [0.7 * instrument.pulses, 20000.0, 5000.0]
    found = areas(instrument, mz, expected) / expected
    # a pulse without any ion of the strong peak has the chance exp(-0.7)
    assert found[0] == pytest.approx((1 - np.exp(-0.7)) / 0.7, abs=0.01)
    assert found[1] == pytest.approx(np.exp(-0.7), abs=0.04)
    assert found[2] == pytest.approx(1, abs=0.04)


@given(
    st.lists(st.integers(0, 300), max_size=40),
    st.integers(1, 4),
    st.floats(0, 100),
    st.integers(0, 99),
)
def test_registered_ions_are_those_that_one_by_one_would_be(times, pulses, dead, seed):
    arrivals = np.array(times, dtype=float)
    found = registered(arrivals, pulses, dead, np.random.default_rng(seed))
    pulse = np.random.default_rng(seed).integers(pulses, size=len(arrivals))
    slow = []
    for number in range(pulses):
        last = -np.inf
        for time in np.sort(arrivals[pulse == number]):
            if time - last >= dead:
                slow.append(time)
                last = time
    assert found.tolist() == slow


def test_one_bin_follows_the_formula():
    corrected = correct_dead_time(np.array([0, 100, 0, 200, 50]), 1000, 2)
    expected = [0, 100, 0, 200, 50]
    expected[1] = -1000 * np.log(1 - 100 / 1000)
    expected[3] = -1000 * np.log(1 - 200 / (1000 - 100))
    expected[4] = -1000 * np.log(1 - 50 / (1000 - 200))
    assert corrected == pytest.approx(expected)


def test_half_a_bin_of_dead_time_counts_half():
    corrected = correct_dead_time(np.array([100, 0, 200]), 1000, 1.5)
    assert corrected[2] == pytest.approx(-1000 * np.log(1 - 200 / (1000 - 50)))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.floats(0, 40))
def test_correction_never_takes_away(counts, dead_bins):
    counts = np.array(counts)
    corrected = correct_dead_time(counts, 1000, dead_bins)
    assert (corrected >= counts - 1e-9).all()
    assert (corrected[counts == 0] == 0).all()


@pytest.mark.parametrize("counts", [[100], [60, 40], [0, 60, 50]])
def test_saturation_is_refused(counts):
    with pytest.raises(SpectrumError, match="saturated"):
        correct_dead_time(np.array(counts), 100, 10)


@pytest.mark.parametrize(("pulses", "dead"), [(0, 1), (-5, 1), (100, -1), (100, np.nan)])
def test_impossible_detectors_are_refused(pulses, dead):
    with pytest.raises(SpectrumError, match="pulses"):
        correct_dead_time(np.array([1]), pulses, dead)


def test_flight_times_bend_by_what_is_set(instrument):
    straight = replace(instrument, nonlinearity_ns=0.0)
    flight = FlightTime(instrument.k, instrument.t0)
    mz = np.linspace(0.001, instrument.mz_limit, 2000)
    bend = arrival_time(instrument, flight, mz) - arrival_time(straight, flight, mz)
    most = instrument.nonlinearity_ns / instrument.channel_ns
    assert bend.max() == pytest.approx(most, rel=1e-3)
    assert mz[bend.argmax()] == pytest.approx(instrument.mz_limit / 4, rel=0.02)
    assert bend[-1] == pytest.approx(0, abs=1e-9)
