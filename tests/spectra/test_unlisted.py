"""Peaks beside a list are found; tails, background and stray counts are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.spectra.spectrum import Spectrum
from ionprint.spectra.unlisted import unlisted_peaks

WIDTH, STEP = 3.6e-4, 1.2e-4
LISTED = np.array([15.9954, 16.9988, 32.0])


def spectrum(peaks, background=0.0, tail=0.0, seed=0):
    """Return counts up to m/z 45 with Gaussian peaks, some with a late tail."""
    x = 0.9 + STEP * (np.arange(int(5.8 / STEP)) + 0.5)
    expected = np.full(x.size, background)
    for mz, counts in peaks.items():
        away = x - np.sqrt(mz)
        shape = np.exp(-0.5 * (away / (WIDTH / 2.355)) ** 2)
        late = np.where(away > 0, np.exp(-np.abs(away) / (2 * WIDTH)), 0)
        shape = shape / shape.sum() + tail * late / late.sum()
        expected += counts * shape
    counts = np.random.default_rng(seed).poisson(expected).astype(float)
    return Spectrum("s", counts, 0.9, STEP)


def borders(mz, widths=3.0):
    x = np.sqrt(np.append(mz, 44.0))
    return (x - widths * WIDTH) ** 2, (x + widths * WIDTH) ** 2


def beside(peaks, min_counts=100, **of):
    return unlisted_peaks(spectrum(peaks, **of), *borders(LISTED), WIDTH, min_counts)


def test_a_peak_beside_the_list_is_found_with_its_mass_and_counts():
    found = beside({15.9954: 1e5, 18.9989: 5000, 35.0: 800}, background=0.2)
    assert found.mz == pytest.approx([18.9989, 35.0], rel=1e-5)
    assert found.areas == pytest.approx([5000, 800], rel=0.15)
    assert found.errors == pytest.approx(np.sqrt(found.areas), rel=0.5)


def test_listed_peaks_and_few_counts_are_not_told():
    assert not beside({15.9954: 1e5, 16.9988: 1e3, 32.0: 1e4}).mz.size
    assert not beside({18.9989: 60}).mz.size


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    counts=st.floats(1e3, 3e5),
    tail=st.floats(0, 0.2),
    background=st.floats(0, 30),
)
def test_no_tail_or_background_is_taken_for_a_peak(seed, counts, tail, background):
    found = beside(dict.fromkeys(LISTED, counts), background=background, tail=tail, seed=seed)
    assert found.mz.size <= 1  # of sixteen thousand windows one may stand out by five errors


def test_masses_that_no_ion_has_are_not_told():
    assert not beside({20.5: 3000}).mz.size


def test_nothing_is_looked_for_beyond_the_list():
    lower, upper = borders(LISTED)
    lower, upper = lower[:-1], upper[:-1]
    assert not unlisted_peaks(spectrum({35.0: 5000}), lower, upper, WIDTH, 100).mz.size
