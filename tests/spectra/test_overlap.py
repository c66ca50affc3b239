"""Overlapping peaks are told apart, their counts are right, and nothing is found that is not."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.errors import DataError
from ionprint.spectra.overlap import Cluster, clusters, resolve
from ionprint.spectra.search import find_peaks, summed
from ionprint.spectra.shape import PeakShape
from ionprint.spectra.spectrum import Spectrum

LONE = {1.0084: 6e4, 12.0005: 2e5, 13.0084: 8e4, 15.9955: 5e5, 17.0033: 1e5, 24.0005: 3e5}
UNIT = 3.6e-4
"""Full width at half maximum of the drawn peaks (sqrt(u)), about three bins."""
STEP = 1.17e-4
SHAPE = PeakShape(UNIT / 2.3548, 0.0, ((0.12, 2.3e-4),))


def beside(mz, widths):
    """Return the m/z some peak widths above another."""
    return (np.sqrt(mz) + widths * UNIT) ** 2


def near(peaks, mz, widths=4):
    return np.flatnonzero(np.abs(np.sqrt(peaks.mz) - np.sqrt(mz)) < widths * UNIT)


def assert_peaks(peaks, expected, sure=4.0):
    """Assert that just these are there: places to 0.15 widths, areas within their errors."""
    at = near(peaks, next(iter(expected)), 2.5)
    assert len(at) == len(expected), peaks.mz[at]
    masses, areas = np.array([*expected]), np.array([*expected.values()])
    assert np.sqrt(peaks.mz[at]) == pytest.approx(np.sqrt(masses), abs=0.15 * UNIT)
    # the ions drawn scatter about the expected ones; that belongs to the error already
    assert (np.abs(peaks.counts[at] - areas) < sure * peaks.errors[at]).all()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("ratio", [1, 10, 100, 0.1])
def test_a_doublet_1_2_widths_apart_is_told_apart(drawn_spectrum, ratio, seed):
    pair = {27.0: 1e6, beside(27.0, 1.2): 1e6 / ratio}
    peaks = find_peaks(drawn_spectrum({**LONE, **pair}, seed=seed), 100, 2.5)
    assert_peaks(peaks, pair)
    at = near(peaks, 27.0, 2.5)
    assert peaks.counts[at] == pytest.approx([*pair.values()], rel=0.12)
    assert (peaks.errors[at] < 0.1 * peaks.counts[at]).all()


def test_three_peaks_in_a_row_and_a_satellite_are_told_apart(drawn_spectrum):
    row = {27.0: 3e4, beside(27.0, 1.4): 2e5, beside(27.0, 2.8): 5e4, beside(27.0, 5.0): 800}
    peaks = find_peaks(drawn_spectrum({**LONE, **row}), 100, 2.5)
    at = near(peaks, 27.0, 6)
    assert len(at) == 4
    assert (np.abs(peaks.counts[at] - [*row.values()]) < 4 * peaks.errors[at]).all()


def test_errors_are_what_areas_scatter_by(drawn_spectrum):
    pair = {27.0: 2e4, beside(27.0, 1.3): 5e3}
    off = []
    for seed in range(12):
        total = drawn_spectrum(pair, seed=seed)
        cluster = clusters(total, SHAPE, UNIT / STEP, np.sqrt([*pair]))[0]
        cluster.fit(cluster.centres)
        off.append((cluster.areas - [*pair.values()]) / cluster.errors)
    assert 0.6 < np.sqrt(np.mean(np.square(off))) < 1.6


@pytest.mark.parametrize("counts", [300, 1e4, 1e6])
def test_a_lone_peak_is_not_split(drawn_spectrum, counts):
    peaks = find_peaks(drawn_spectrum({**LONE, 27.0: counts}), 100, 2.5)
    assert peaks.mz == pytest.approx([*LONE, 27.0], rel=2e-5)
    assert_peaks(peaks, {27.0: counts})


def test_two_peaks_0_3_widths_apart_are_one(drawn_spectrum):
    both = {27.0: 1e5, beside(27.0, 0.3): 5e4}
    peaks = find_peaks(drawn_spectrum({**LONE, **both}), 100, 2.5)
    (at,) = near(peaks, 27.0)
    assert np.sqrt(27.0) < np.sqrt(peaks.mz[at]) < np.sqrt(27.0) + 0.3 * UNIT
    assert peaks.counts[at] == pytest.approx(1.5e5, rel=0.02)


@pytest.mark.parametrize("background", [0.05, 3.0, 30.0])
def test_background_alone_holds_no_peak(drawn_spectrum, background):
    with pytest.raises(DataError, match="no peak"):
        find_peaks(drawn_spectrum({}, background=background), 100, 2.5)


@pytest.mark.parametrize("background", [3.0, 30.0])
def test_background_between_peaks_holds_no_peak(drawn_spectrum, background):
    peaks = find_peaks(drawn_spectrum({**LONE, 27.0: 2e4}, background=background), 100, 5)
    assert peaks.mz == pytest.approx([*LONE, 27.0], rel=2e-5)
    assert_peaks(peaks, {27.0: 2e4})


def test_the_order_of_spectra_changes_nothing(drawn_spectrum):
    pair = {**LONE, 27.0: 4e4, beside(27.0, 1.2): 1e4}
    spectra = [drawn_spectrum(pair, seed=i, name=f"{i}") for i in range(4)]
    spectra = [s.calibrated(1e-5 * i, 1.0) for i, s in enumerate(spectra)]
    one, other = (
        find_peaks(summed(some, 40), 100, 2.5)
        for some in (spectra, [spectra[i] for i in (2, 0, 3, 1)])
    )
    assert one.mz.tolist() == other.mz.tolist()
    for part in ("counts", "errors", "lower", "upper"):
        assert getattr(one, part).tolist() == getattr(other, part).tolist(), part


def noiseless(centres, areas, background=0.05):
    """Return the cluster of peaks whose counts are just as expected, not fitted yet."""
    centres = np.asarray(centres)
    bins = int((centres[-1] - centres[0]) / STEP) + 60
    edges = centres[0] - 18 * STEP + STEP * np.arange(bins)
    nothing = np.zeros(centres.size)
    cluster = Cluster(np.ones(bins - 1), edges, SHAPE, UNIT / STEP, centres, nothing, nothing)
    cluster.counts = cluster.profiles(centres)[0] @ np.asarray(areas) + background
    return cluster


apart = st.lists(st.floats(1.2, 4.0), min_size=1, max_size=4)
weights = st.lists(st.floats(1e3, 1e6), min_size=5, max_size=5)


@settings(max_examples=30, deadline=None)
@given(gaps=apart, areas=weights, shift=st.floats(-0.1, 0.1))
def test_areas_and_centres_of_noiseless_peaks_are_found(gaps, areas, shift):
    centres = np.sqrt(27.0) + np.cumsum([0.0, *gaps]) * UNIT
    areas = np.array(areas[: centres.size])
    cluster = noiseless(centres, areas)
    cluster.fit(centres + shift * UNIT)
    assert cluster.centres == pytest.approx(centres, abs=0.02 * UNIT)
    assert (np.abs(cluster.areas - areas) <= 0.05 * cluster.errors + 1e-3 * areas).all()


@settings(max_examples=30, deadline=None)
@given(gap=st.floats(1.2, 4.0), ratio=st.floats(0.05, 20), factor=st.floats(2, 100))
def test_areas_scale_with_counts(gap, ratio, factor):
    centres = np.sqrt(27.0) + np.array([0.0, gap]) * UNIT
    once = noiseless(centres, [1e4, 1e4 * ratio], background=1.0)
    often = noiseless(centres, [1e4, 1e4 * ratio], background=1.0)
    often.counts = factor * often.counts
    for cluster in (once, often):
        cluster.fit(centres)
    assert often.areas == pytest.approx(factor * once.areas, rel=1e-3)
    assert often.background == pytest.approx(factor * once.background, rel=0.05)


def test_a_missing_peak_is_looked_for_and_an_explained_one_is_not():
    centres = np.sqrt(27.0) + np.array([0.0, 1.3]) * UNIT
    whole = noiseless(centres, [1e5, 1e4])
    whole.fit(centres)
    assert whole.unexplained(100, 2.5).size == 0
    half = noiseless(centres, [1e5, 1e4])
    half.fit(centres[:1])
    (found,) = half.unexplained(100, 2.5)
    assert found == pytest.approx(centres[1], abs=0.6 * UNIT)
    resolve(half, 100, 2.5)
    assert half.centres == pytest.approx(centres, abs=0.02 * UNIT)
    assert half.areas == pytest.approx([1e5, 1e4], rel=0.01)


def test_peaks_too_weak_are_taken_out_and_the_others_fitted_again():
    centres = np.sqrt(27.0) + np.array([0.0, 3.0, 6.0]) * UNIT
    cluster = noiseless(centres, [1e4, 20, 300])
    cluster.fit(centres)
    cluster.drop_weak(100, 2.5)
    assert cluster.centres == pytest.approx(centres[[0, 2]], abs=0.05 * UNIT)
    cluster.drop_weak(1e6, 2.5)
    assert cluster.centres.size == cluster.areas.size == cluster.errors.size == 0


def test_a_peak_that_needs_two_standard_errors_to_reach_the_limit_is_kept():
    cluster = noiseless([np.sqrt(27.0)], [90.0])
    cluster.fit(cluster.centres)
    cluster.drop_weak(100, 2.5)
    assert cluster.areas == pytest.approx([90], abs=3)
    cluster.drop_weak(130, 2.5)
    assert cluster.centres.size == 0


def test_clusters_part_where_no_shape_reaches():
    counts = np.ones(2000)
    total = Spectrum("s", counts, 5.0, STEP)
    at = np.array([200, 210, 230, 400, 1200, 1990])
    found = clusters(total, SHAPE, 3.1, total.start + total.step * (at + 0.5))
    assert [c.centres.size for c in found] == [3, 1, 1, 1]
    assert sum(c.counts.size for c in found) < counts.size
    for before, after in itertools.pairwise(found):
        assert before.edges[-1] <= after.edges[0]
    for cluster in found:
        assert cluster.edges.size == cluster.counts.size + 1
        assert cluster.edges[0] < cluster.centres[0]
        assert cluster.centres[-1] < cluster.edges[-1]
    assert found[-1].edges[-1] == pytest.approx(total.end)
