"""Exports without dead-time correction are corrected, or refused with what is missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionprint.errors import SpectrumError
from ionprint.spectra.dead_time import correct_dead_time, without_dead_time
from ionprint.spectra.spectrum import Spectrum

COUNTS = np.array([0.0, 400, 0, 100, 0, 0, 50])
OFF = {"Deadtime Correction": "off", "Binning": "4 channels"}
ALL = {"pulses": 1000, "dead_time_ns": 0.9, "channel_ns": 0.1}


def spectrum(**metadata):
    return Spectrum("a/b.txt", COUNTS.copy(), 1.0, 0.1, metadata)


def exported(state):
    return spectrum(**OFF | {"Deadtime Correction": state})


def test_an_uncorrected_export_is_corrected_by_the_bins_of_its_dead_time():
    found = without_dead_time(exported("off"), **ALL)
    # 0.9 ns are two and a quarter bins of four channels
    assert found.counts == pytest.approx(correct_dead_time(COUNTS, 1000, 2.25))
    assert found.counts[3] == pytest.approx(-1000 * np.log(1 - 100 / 600))
    assert (found.pulses, found.file, found.step) == (1000, "a/b.txt", 0.1)


@pytest.mark.parametrize("state", ["OFF", "Off"])
def test_off_may_be_written_in_any_case(state):
    assert without_dead_time(exported(state), **ALL).counts[1] > 400


@pytest.mark.parametrize("metadata", [OFF | {"Deadtime Correction": "on"}, {}])
@pytest.mark.parametrize("given_", [ALL, dict.fromkeys(ALL)])
def test_a_corrected_export_is_left_as_it_is(metadata, given_):
    found = without_dead_time(spectrum(**metadata), **given_)
    assert found.counts.tolist() == COUNTS.tolist()
    assert found.pulses == (given_["pulses"] or np.inf)


@pytest.mark.parametrize("missing", [["pulses"], ["dead_time_ns", "channel_ns"], list(ALL)])
def test_what_a_correction_lacks_is_told_with_where_to_give_it(missing):
    with pytest.raises(SpectrumError) as caught:
        without_dead_time(exported("off"), **ALL | dict.fromkeys(missing))
    message = str(caught.value)
    assert message.startswith("a/b.txt: exported without dead-time correction")
    assert f"to correct it {', '.join(missing)} is missing" in message
    assert "spectra.dead_time" in message
    assert "export with the correction on" in message


@pytest.mark.parametrize("binning", [{}, {"Binning": "?"}])
def test_bins_of_unknown_width_are_refused(binning):
    with pytest.raises(SpectrumError, match=r"a/b\.txt: .*'# Binning: \.\.\. channels' is missing"):
        without_dead_time(spectrum(**{"Deadtime Correction": "off"}, **binning), **ALL)


def test_a_saturated_spectrum_is_named():
    with pytest.raises(SpectrumError, match=r"a/b\.txt: bin 1: .*saturated"):
        without_dead_time(exported("off"), **ALL | {"pulses": 400})


def test_the_errors_of_corrected_areas_grow_with_the_counts_a_pulse():
    known = without_dead_time(exported("on"), **ALL)
    over = known.overdispersion(np.array([0.0, 1.0, 100.0, 1000.0, 2000.0]))
    assert over[:2] == pytest.approx([1, 1], abs=1e-3)
    assert over[3] == pytest.approx(np.e - 1)
    assert over[4] == pytest.approx((np.e**2 - 1) / 2)
    assert (np.diff(over) > 0).all()
    assert exported("on").overdispersion(np.array([0.0, 1e9])) == pytest.approx([1, 1], abs=1e-6)


@given(rate=st.floats(0.01, 2.0), seed=st.integers(0, 99))
def test_corrected_areas_scatter_as_much_as_told(rate, seed):
    # a pulse registers at most one of a Poisson number of ions
    pulses = 2000
    registered = np.random.default_rng(seed).binomial(pulses, -np.expm1(-rate), 2000)
    areas = -pulses * np.log1p(-np.minimum(registered, pulses - 1) / pulses)
    told = Spectrum("s", COUNTS, 1.0, 0.1, pulses=pulses).overdispersion(np.array([rate * pulses]))
    assert areas.var() / (rate * pulses) == pytest.approx(told[0], rel=0.2)
