"""The shape of a peak is a distribution, and is measured as ions were drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ionprint.spectra.calibration import centroids
from ionprint.spectra.search import peak_width
from ionprint.spectra.shape import (
    FEWEST,
    PeakShape,
    Windows,
    cleaned_windows,
    fit_shape,
    lonely_windows,
)

LONE = {1.0084: 6e4, 12.0005: 2e5, 13.0084: 8e4, 15.9955: 5e5, 17.0033: 1e5, 24.0005: 3e5}
UNIT = 3.6e-4
LATE, DELAY = 0.12, 2.3e-4

shapes = st.builds(
    PeakShape,
    pulse=st.floats(5e-5, 5e-4),
    growth=st.floats(0, 2e-4),
    tails=st.tuples(
        st.tuples(st.floats(0, 0.3), st.floats(1e-4, 1e-3)),
        st.tuples(st.floats(0, 0.3), st.floats(-1e-3, -1e-4)),
    ),
)


def bins_of(spectrum, masses):
    return np.floor(spectrum.bin_at(np.sqrt(list(masses)))).astype(int)


def measured(spectrum, masses=LONE):
    width = peak_width(spectrum)
    windows = lonely_windows(spectrum, bins_of(spectrum, masses), width)
    return fit_shape(windows, width * spectrum.step)


@settings(max_examples=50, deadline=None)
@given(shape=shapes, x=st.floats(1, 11))
def test_all_counts_of_a_peak_lie_somewhere(shape, x):
    d = np.linspace(-2e-2, 2e-2, 2001)
    cumulative, density = shape(d, x)
    assert cumulative[[0, -1]] == pytest.approx([0, 1], abs=1e-6)
    assert (np.diff(cumulative) >= -1e-12).all()
    assert (density >= 0).all()
    profiles, _ = shape.profiles(d[:, None], np.zeros(1), x)
    assert profiles.sum() == pytest.approx(1, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(shape=shapes, x=st.floats(1, 11), at=st.floats(-1e-3, 1e-3))
def test_the_density_is_the_slope_of_the_share(shape, x, at):
    small = 1e-7
    below, _ = shape(np.array([at - small, at + small]), x)
    _, density = shape(np.array([at]), x)
    assert density[0] == pytest.approx((below[1] - below[0]) / (2 * small), rel=1e-4, abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(shape=shapes, centre=st.floats(-3e-4, 3e-4))
def test_slopes_tell_how_a_profile_moves_with_its_centre(shape, centre):
    edges, small = np.linspace(-2e-3, 2e-3, 41)[:, None], 1e-8
    _, slopes = shape.profiles(edges, np.array([centre]), 4.0)
    moved = [shape.profiles(edges, np.array([centre + d]), 4.0)[0] for d in (-small, small)]
    assert slopes == pytest.approx((moved[1] - moved[0]) / (2 * small), abs=1.0)


@pytest.mark.parametrize("length", [1e-9, 1e-5, 1.0, -1e-9])
def test_very_short_and_very_long_tails_do_not_overflow(length):
    cumulative, density = PeakShape(1.5e-4, 0.0, ((0.1, length),))(np.linspace(-1, 1, 201), 4.0)
    assert np.isfinite(cumulative).all()
    assert np.isfinite(density).all()


def test_a_symmetric_peak_has_its_centroid_in_the_middle_and_a_late_tail_moves_it():
    x = np.array([1.0, 4.0, 10.0])
    assert PeakShape(1.5e-4, 0.0).centroid(x, 2e-4) == pytest.approx(0, abs=1e-6)
    late = PeakShape(1.5e-4, 0.0, ((0.12, DELAY),)).centroid(x, 2e-4)
    early = PeakShape(1.5e-4, 0.0, ((0.12, -DELAY),)).centroid(x, 2e-4)
    assert (late > 2e-6).all()
    assert early == pytest.approx(-late, abs=1e-6)


def test_a_shape_and_a_spectrum_have_the_same_centroid(drawn_spectrum):
    spectrum = drawn_spectrum({15.9955: 1e6})
    shape = PeakShape(UNIT / 2.3548, 0.0, ((LATE, DELAY),))
    x = np.sqrt([15.9955])
    found, _ = centroids(spectrum, x, 0.6 * UNIT)
    expected = shape.centroid(x, 0.6 * UNIT)
    assert found - x == pytest.approx(expected, abs=0.01 * UNIT)
    assert expected > 0.01 * UNIT


def test_the_measured_shape_is_the_drawn_one(drawn_spectrum):
    shape = measured(drawn_spectrum(LONE))
    assert shape.error < 0.003
    d = np.linspace(-5 * UNIT, 7 * UNIT, 400)
    drawn = stats.norm(scale=UNIT / 2.3548)
    late = stats.exponnorm(DELAY * 2.3548 / UNIT, scale=UNIT / 2.3548)
    true = (1 - LATE) * drawn.cdf(d) + LATE * late.cdf(d)
    # the centre is the fit's own: compare at the same median
    found, _ = shape(d, 4.0)
    shift = np.interp(0.5, found, d) - np.interp(0.5, true, d)
    assert np.interp(d + shift, d, found)[20:-20] == pytest.approx(true[20:-20], abs=0.004)


def test_a_width_that_grows_with_flight_time_is_measured(drawn_spectrum):
    shape = measured(drawn_spectrum(LONE, growth=1e-4))
    for x in (1.0, 5.0):
        assert shape.sigma(x) == pytest.approx(np.hypot(UNIT, 1e-4 * x) / 2.3548, rel=0.03)


def test_few_peaks_tell_no_shape(drawn_spectrum):
    few = dict(list(LONE.items())[: FEWEST - 1])
    assert measured(drawn_spectrum(few), few) is None
    empty = np.empty((0, 30))
    assert fit_shape(Windows(np.empty((0, 31)), empty, empty, np.empty(0)), UNIT) is None


def test_a_peak_with_a_strong_neighbour_or_at_the_rim_does_not_tell_the_shape(drawn_spectrum):
    beside = (np.sqrt(24.0005) + 3 * UNIT) ** 2
    peaks = {**LONE, beside: 3e4}
    spectrum = drawn_spectrum(peaks, mz_max=25)
    windows = lonely_windows(spectrum, bins_of(spectrum, peaks), 3.1)
    assert windows.x**2 == pytest.approx([m for m in LONE if m < 24], rel=1e-4)
    at_the_rim = drawn_spectrum(LONE, mz_max=17.0045)
    inside = [m for m in LONE if m <= 17.1]
    windows = lonely_windows(at_the_rim, bins_of(at_the_rim, inside), 3.1)
    assert windows.x**2 == pytest.approx(inside[:-1], rel=1e-4)


def test_known_neighbours_are_taken_off_before_the_shape_is_measured(drawn_spectrum):
    neighbours = {(np.sqrt(m) + 3 * UNIT) ** 2: 0.1 * n for m, n in LONE.items()}
    spectrum = drawn_spectrum({**LONE, **neighbours}, background=0)
    alone = drawn_spectrum(LONE, background=0)
    masses, counts = np.array([*LONE]), np.array([*LONE.values()])
    true = PeakShape(UNIT / 2.3548, 0.0, ((LATE, DELAY),))

    def others(peak, bins):
        edges = spectrum.start + spectrum.step * np.append(bins, bins[-1] + 1)
        centre = np.sqrt(masses[peak]) + 3 * UNIT
        return true.profiles(edges[:, None], np.array([centre]), 4.0)[0][:, 0] * counts[peak] * 0.1

    disturbed = lonely_windows(spectrum, bins_of(spectrum, LONE), 3.1)
    cleaned = cleaned_windows(spectrum, np.sqrt(masses), counts, others, 3.1)
    assert cleaned.x.size == len(LONE)
    strongest = np.argsort(-counts)
    free = lonely_windows(alone, bins_of(alone, LONE), 3.1)
    rows = [int(np.abs(cleaned.x**2 - masses[i]).argmin()) for i in strongest]
    for row, i in zip(rows, strongest, strict=True):
        same = int(np.abs(free.x**2 - masses[i]).argmin())
        assert cleaned.counts[row].sum() == pytest.approx(free.counts[same].sum(), rel=0.02)
    assert disturbed.counts.sum() > 1.05 * free.counts.sum()
    assert fit_shape(cleaned, UNIT).error < 0.01


def test_a_peak_buried_in_its_neighbours_is_not_used(drawn_spectrum):
    spectrum = drawn_spectrum(LONE)
    masses, counts = np.array([*LONE]), np.array([*LONE.values()])
    buried = 2

    def others(peak, bins):
        return np.full(bins.size, counts[peak] if peak == buried else 0.0)

    windows = cleaned_windows(spectrum, np.sqrt(masses), counts, others, 3.1)
    assert np.abs(windows.x**2 - masses[buried]).min() > 0.5
    assert windows.x.size == len(LONE) - 1
