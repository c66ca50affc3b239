"""Areas are linear in the counts, right, and their errors are what they scatter by."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.errors import DataError
from ionprint.spectra.integration import Borders, Fit, integration
from ionprint.spectra.search import Peaks, find_peaks
from ionprint.spectra.shape import PeakShape
from ionprint.spectra.spectrum import Spectrum

UNIT, STEP = 3.6e-4, 1.17e-4
SHAPE = PeakShape(UNIT / 2.3548, 0.0, ((0.12, 2.3e-4),))
CENTRES = 4.0 + UNIT * np.array([0, 1.3, 30, 34, 80])
AREAS = np.array([20_000.0, 4_000, 300, 50_000, 1_000])


def peaks_at(centres, areas, shape=SHAPE, reach=2.5):
    """Return peaks with borders half-way to the next one, or some widths off."""
    middle = (centres[:-1] + centres[1:]) / 2
    lower = np.maximum(np.append(-np.inf, middle), centres - reach * UNIT)
    upper = np.minimum(np.append(middle, np.inf), centres + reach * UNIT)
    x = centres + shape.centroid(centres, 0.6 * UNIT)
    errors = np.sqrt(areas)
    return Peaks(x**2, lower**2, upper**2, areas, errors, UNIT, shape)


def expected_counts(areas, background=0.05, start=3.98, bins=700, step=STEP, name="s"):
    edges = start + step * np.arange(bins + 1)
    profiles, _ = SHAPE.profiles(edges[:, None], CENTRES, 4.0)
    # far below a peak the shape is 0 but for rounding
    counts = np.maximum(profiles @ np.asarray(areas) + background * step / STEP, 0)
    return Spectrum(name, counts, start, step)


PEAKS = peaks_at(CENTRES, AREAS)
FIT = Fit.of(expected_counts(AREAS), PEAKS)
BORDERS = Borders.of(PEAKS)


def drawn(spectrum, rng):
    return Spectrum("s", rng.poisson(spectrum.counts).astype(float), spectrum.start, spectrum.step)


def test_a_fit_gives_back_what_was_planted():
    assert FIT(expected_counts(AREAS))[0] == pytest.approx(AREAS, rel=0.003)
    other = AREAS[::-1]
    assert FIT(expected_counts(other))[0] == pytest.approx(other, rel=0.003)


def test_a_fit_parts_what_borders_share():
    only_first = expected_counts([20_000, 0, 0, 0, 0], background=0)
    assert FIT(only_first)[0][1] < 20
    assert BORDERS(only_first)[0][1] > 500


def test_borders_hold_nearly_all_of_a_lone_peak():
    areas, _ = BORDERS(expected_counts(AREAS))
    assert areas[[3, 4]] == pytest.approx(AREAS[[3, 4]], rel=0.03)
    assert areas[:2].sum() == pytest.approx(AREAS[:2].sum(), rel=0.03)


@pytest.mark.parametrize("integrate", [FIT, BORDERS])
def test_a_flat_background_adds_nothing(integrate):
    without, errors_without = integrate(expected_counts(AREAS, background=0))
    on, errors_on = integrate(expected_counts(AREAS, background=20))
    assert on == pytest.approx(without, rel=1e-6, abs=0.1)
    assert (errors_on > errors_without).all()


@pytest.mark.parametrize("integrate", [FIT, BORDERS])
def test_a_spectrum_with_other_bins_gives_the_same_areas(integrate):
    ours, _ = integrate(expected_counts(AREAS))
    finer, _ = integrate(expected_counts(AREAS, start=3.9803, bins=1400, step=0.5 * STEP))
    assert finer == pytest.approx(ours, rel=0.01)
    shifted, _ = integrate(expected_counts(AREAS, start=3.98 + 0.3 * STEP))
    assert shifted == pytest.approx(ours, rel=0.03)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    factor=st.floats(0, 50),
    integrate=st.sampled_from([FIT, BORDERS]),
)
def test_areas_are_linear_in_counts(seed, factor, integrate):
    rng = np.random.default_rng(seed)
    one, other = (drawn(expected_counts(rng.uniform(500, 5000, 5)), rng) for _ in range(2))
    both = Spectrum("s", one.counts + factor * other.counts, one.start, one.step)
    assert integrate(both)[0] == pytest.approx(integrate(one)[0] + factor * integrate(other)[0])


@pytest.mark.parametrize("integrate", [FIT, BORDERS])
@pytest.mark.parametrize("background", [0.05, 5.0])
def test_errors_are_what_areas_scatter_by(integrate, background):
    rng = np.random.default_rng(0)
    clean = expected_counts(AREAS, background=background)
    areas, errors = (np.array(a) for a in zip(*(integrate(drawn(clean, rng)) for _ in range(300)),
                                              strict=True))  # fmt: skip
    assert np.sqrt((errors**2).mean(axis=0)) == pytest.approx(areas.std(axis=0), rel=0.2)
    exact, _ = integrate(clean)
    assert (abs(areas.mean(axis=0) - exact) < 4 * areas.std(axis=0) / np.sqrt(300)).all()


@pytest.mark.parametrize("integrate", [FIT, BORDERS])
def test_areas_corrected_for_dead_time_have_larger_errors(integrate):
    spectrum = expected_counts(AREAS)
    known = Spectrum("s", spectrum.counts, spectrum.start, spectrum.step, pulses=40_000)
    areas, errors = integrate(spectrum)
    same, more = integrate(known)
    assert same.tolist() == areas.tolist()
    rate = areas / 40_000
    assert more / errors == pytest.approx(np.sqrt(np.expm1(rate) / rate))


@pytest.mark.parametrize("integrate", [FIT, BORDERS])
def test_a_spectrum_without_counts_has_no_areas(integrate):
    empty = expected_counts(np.zeros(5), background=0)
    areas, errors = integrate(empty)
    assert areas.tolist() == errors.tolist() == [0] * 5


@pytest.mark.parametrize("integrate", [FIT, BORDERS])
def test_a_spectrum_that_ends_early_has_nothing_beyond_its_end(integrate):
    short = expected_counts(AREAS, bins=230)
    areas, errors = integrate(short)
    assert areas[4] == errors[4] == 0
    assert np.isfinite(areas).all()
    assert areas[0] == pytest.approx(integrate(expected_counts(AREAS))[0][0], rel=1e-6)


counts_lists = st.lists(st.integers(0, 1000), min_size=5, max_size=60)


def between(edges, width=1e-3):
    """Return peaks that fill all room between edges (u)."""
    middle, ones = (edges[:-1] + edges[1:]) / 2, np.ones(edges.size - 1)
    return Peaks(middle, edges[:-1], edges[1:], ones, ones, width)


@settings(max_examples=60, deadline=None)
@given(counts=counts_lists, cuts=st.lists(st.floats(1.0, 2.0), min_size=1, max_size=20))
def test_areas_of_a_partition_add_up_to_all_counts(counts, cuts):
    spectrum = Spectrum("s", np.array(counts, float), 1.0, 1.0 / len(counts))
    partition = between(np.unique([1.0, *np.square(cuts), 4.0]))
    areas, errors = Borders.of(partition)(spectrum)
    assert areas.sum() == pytest.approx(sum(counts))
    assert errors == pytest.approx(np.sqrt(areas))


def test_peaks_that_touch_take_their_background_where_their_run_ends():
    # two peaks side by side on a flat background of 1 a bin of 0.001
    counts = np.ones(1000)
    counts[480:500], counts[500:520] = 101, 11
    spectrum = Spectrum("s", counts, 4.0, 1e-3)
    pair = between(np.square([4.48, 4.5, 4.52]), width=5e-3)
    areas, errors = Borders.of(pair)(spectrum)
    assert areas == pytest.approx([2000, 200])
    # 20 bins in 40 of background, whose error counts with the square of their share
    beside = np.sqrt(np.array([2020, 220]) + 0.5**2 * 40)
    assert errors == pytest.approx(beside)


COARSE = Peaks(PEAKS.mz, PEAKS.lower, PEAKS.upper, AREAS, np.sqrt(AREAS), UNIT)


@pytest.mark.parametrize(
    ("method", "peaks", "told"),
    [
        ("auto", PEAKS, "fit"),
        ("fit", PEAKS, "fit"),
        ("borders", PEAKS, "borders"),
        ("auto", COARSE, "borders"),
        ("borders", COARSE, "borders"),
    ],
)
def test_a_fit_is_chosen_where_a_shape_is_known(method, peaks, told):
    chosen = integration(method, expected_counts(AREAS), peaks)
    assert chosen.method == told
    assert chosen(expected_counts(AREAS))[0] == pytest.approx(
        (FIT if told == "fit" else BORDERS)(expected_counts(AREAS))[0]
    )


def test_a_fit_without_a_shape_is_refused():
    with pytest.raises(DataError, match=r"spectra\.integration=fit: .*=borders"):
        integration("fit", expected_counts(AREAS), COARSE)


def test_areas_of_single_spectra_add_up_to_those_of_the_sum(drawn_spectrum):
    planted = {1.0084: 6e4, 12.0005: 2e5, 13.0084: 8e4, 15.9955: 5e5, 17.0033: 1e5, 24.0005: 3e5}
    spectra = [drawn_spectrum(planted, seed=i) for i in range(3)]
    total = Spectrum("all", sum(s.counts for s in spectra), spectra[0].start, spectra[0].step)
    peaks = find_peaks(total, 100, 2.5)
    for method in ("fit", "borders"):
        integrate = integration(method, total, peaks)
        areas = [integrate(s)[0] for s in spectra]
        assert np.sum(areas, axis=0) == pytest.approx(peaks.counts, rel=0.02)


WIDE = expected_counts([0] * 5, background=0)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    mean=st.sampled_from([1e-4, 0.01, 1.0, 300.0]),
    start=st.floats(3.97, 4.03),
    bins=st.integers(1, 900),
    binning=st.sampled_from([0.5, 1.0, 3.3]),
    integrate=st.sampled_from([FIT, BORDERS]),
)
def test_areas_are_weighted_sums_of_the_counts_cut_off_at_zero(
    seed, mean, start, bins, binning, integrate
):
    counts = np.random.default_rng(seed).poisson(mean, bins).astype(float)
    spectrum = Spectrum("s", counts, start, binning * STEP)
    weights = integrate.weights_of(spectrum)
    assert weights.shape == (bins, CENTRES.size)
    expected, _ = integrate(spectrum)
    scale = 1e-9 * max(1.0, counts.sum())
    assert np.maximum(counts @ weights, 0) == pytest.approx(expected, rel=1e-9, abs=scale)


@pytest.mark.parametrize("integrate", [FIT, BORDERS])
def test_weights_are_few_and_do_not_depend_on_the_counts(integrate):
    empty, full = (integrate.weights_of(s) for s in (WIDE, expected_counts(AREAS)))
    assert (empty != full).nnz == 0
    assert full.nnz < 0.5 * np.prod(full.shape)
