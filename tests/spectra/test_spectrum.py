"""What a spectrum is, and what it never is."""

import numpy as np
import pytest

from ionprint.errors import SpectrumError
from ionprint.spectra.spectrum import Spectrum


@pytest.fixture
def spectrum():
    return Spectrum("s.txt", np.array([1.0, 2, 3]), 2.0, 0.5, {"Source": "Simulated by hand"})


def test_bins_and_scale_belong_together(spectrum):
    assert spectrum.end == 3.5
    assert spectrum.centres().tolist() == [2.25, 2.75, 3.25]
    assert spectrum.centres(1, 2).tolist() == [2.75]
    assert spectrum.bin_at(spectrum.centres()).tolist() == [0.5, 1.5, 2.5]
    assert spectrum.cumulative().tolist() == [0, 1, 3, 6]
    assert spectrum.simulated


def test_a_calibration_moves_the_scale_and_no_count(spectrum):
    moved = spectrum.calibrated(0.1, 1.01)
    assert moved.centres() == pytest.approx(0.1 + 1.01 * spectrum.centres())
    assert moved.counts is spectrum.counts
    assert moved.metadata == spectrum.metadata


def test_counts_cannot_be_changed(spectrum):
    with pytest.raises(ValueError, match="read-only"):
        spectrum.counts[0] = 5


@pytest.mark.parametrize(
    ("counts", "start", "step"),
    [
        ([], 1.0, 0.1),
        ([[1.0]], 1.0, 0.1),
        ([1.0, -1.0], 1.0, 0.1),
        ([1.0, np.nan], 1.0, 0.1),
        ([1.0, np.inf], 1.0, 0.1),
        ([1.0], 1.0, 0.0),
        ([1.0], 1.0, -0.1),
        ([1.0], np.nan, 0.1),
    ],
)
def test_impossible_spectra_are_refused(counts, start, step):
    with pytest.raises(SpectrumError, match=r"s\.txt"):
        Spectrum("s.txt", np.array(counts), start, step)
