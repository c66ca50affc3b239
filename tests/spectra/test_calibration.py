"""The mass scale is put right where it can be, kept where it cannot, refused where it is wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.errors import CalibrationError
from ionprint.ions.formula import ion_mz
from ionprint.spectra.calibration import calibrate, centroids, refine
from ionprint.spectra.spectrum import Spectrum

CALIBRANTS = ["[6Li]", "[7Li]", "O", "OH", "O2"]
LIMITS = {
    "window_ppm": 1000,
    "min_counts": 40,
    "min_ions": 3,
    "max_error_ppm": 50,
    "max_bin_ppm": 400,
}
STRONG = dict.fromkeys(CALIBRANTS, 5000)


def errors(result):
    return np.array([row["error_after_ppm"] for row in result.rows if row["used"]])


@settings(max_examples=25, deadline=None)
@given(offset=st.floats(-4e-4, 4e-4), drift_ppm=st.floats(-200, 200))
def test_a_known_offset_and_slope_are_removed(peaks_spectrum, offset, drift_ppm):
    slope = 1 + drift_ppm * 1e-6
    spectrum = peaks_spectrum(STRONG, offset=offset, slope=slope)
    result = calibrate(spectrum, CALIBRANTS, **LIMITS)
    assert result.result == "calibrated"
    assert np.abs(errors(result)).max() < 2
    assert result.spectrum.start == pytest.approx(offset + slope * spectrum.start, abs=2e-5)
    assert result.spectrum.step == pytest.approx(slope * spectrum.step, rel=1e-5)


def test_the_errors_before_and_after_are_told(peaks_spectrum):
    result = calibrate(peaks_spectrum(STRONG, slope=1.0001), CALIBRANTS, **LIMITS)
    assert [row["ion"] for row in result.rows] == CALIBRANTS
    for row in result.rows:
        assert row["error_before_ppm"] == pytest.approx(-200, abs=3)
        assert row["error_after_ppm"] == pytest.approx(0, abs=3)
        assert row["mz"] == ion_mz(row["ion"])
        assert row["counts"] == pytest.approx(5000, rel=0.5)


@pytest.mark.parametrize("bins", [1.3, 2.6, 5.2])
def test_finer_bins_lose_no_precision(peaks_spectrum, bins):
    # the same peaks, binned as wide, half and a quarter as wide; 200 counts tell about 5 ppm
    rng = np.random.default_rng(0)
    after = []
    for _ in range(10):
        clean = peaks_spectrum(dict.fromkeys(CALIBRANTS, 10000), width=bins, step=1.5e-4 / bins)
        counts = rng.poisson(clean.counts / 50).astype(float)
        noisy = Spectrum("s", counts, clean.start, clean.step)
        after.append(errors(calibrate(noisy, CALIBRANTS, **LIMITS)))
    assert np.sqrt(np.mean(np.square(after))) < 10


def test_a_missing_calibrant_is_done_without(peaks_spectrum):
    some = {ion: n for ion, n in STRONG.items() if ion != "O"}
    result = calibrate(peaks_spectrum(some, slope=1.0001), CALIBRANTS, **LIMITS)
    missing = result.rows[CALIBRANTS.index("O")]
    assert not missing["used"]
    assert np.isnan(missing["mz_found"])
    assert len(errors(result)) == 4
    assert np.abs(errors(result)).max() < 3


def test_a_peak_that_is_no_calibrant_is_left_out(peaks_spectrum):
    peaks = {**STRONG, "OH": 0, ion_mz("OH") * (1 + 700e-6): 5000}
    result = calibrate(peaks_spectrum(peaks), CALIBRANTS, **LIMITS)
    used = {row["ion"]: row["used"] for row in result.rows}
    assert used == {**dict.fromkeys(CALIBRANTS, True), "OH": False}
    assert np.abs(errors(result)).max() < 3


@pytest.mark.parametrize("stronger", [0.3, 1.0, 3.0])
def test_the_right_neighbour_is_chosen(peaks_spectrum, stronger):
    # [6Li]H stands 1000 ppm above [7Li], and a drift moves the wrong one to the right place
    peaks = {**STRONG, "[6Li]H": 5000 * stronger}
    result = calibrate(peaks_spectrum(peaks, slope=1.0003, width=2), CALIBRANTS, **LIMITS)
    assert result.rows[1]["used"]
    assert np.abs(errors(result)).max() < 5
    assert result.spectrum.step == pytest.approx(1.0003 * 1.2e-4, rel=1e-5)


def test_no_calibrant_names_file_ions_and_what_to_do(peaks_spectrum):
    with pytest.raises(CalibrationError) as caught:
        calibrate(peaks_spectrum({"C2": 5000, "O": 5000}, name="x.txt"), CALIBRANTS, **LIMITS)
    assert str(caught.value).startswith("x.txt: 1 of 5 calibrant ions found")
    assert "Not found: [6Li], [7Li], OH, O2" in str(caught.value)
    assert "dataset.calibrants" in str(caught.value)


def test_calibrants_that_fit_no_scale_are_refused(peaks_spectrum):
    shift = {"[6Li]": 400e-6, "O": -600e-6, "O2": 500e-6}
    peaks = {ion_mz(ion) * (1 + by): 5000 for ion, by in shift.items()}
    with pytest.raises(CalibrationError, match=r"s: calibrant .+ misses its mass by"):
        calibrate(peaks_spectrum(peaks), CALIBRANTS, **LIMITS)


def test_wide_bins_keep_the_scale_of_the_export(peaks_spectrum):
    spectrum = peaks_spectrum(STRONG, step=2e-3, width=0.7)
    result = calibrate(spectrum, CALIBRANTS, **LIMITS)
    assert result.result == "kept"
    assert result.spectrum is spectrum
    assert {row["result"] for row in result.rows} == {"kept"}
    assert not any(row["used"] for row in result.rows)


ADDED = ["C", "CH", "C2", "CO3", "Li2O3H3", "C6H", "C8H", "C9H"]
"""Ions up to m/z 109."""
REFINE = {"min_counts": 40, "min_ions": 3, "max_error_ppm": 50}
WIDTH = 3.6e-4
"""Full width at half maximum of the drawn peaks (sqrt(u))."""


def added(*more):
    return {ion: ion_mz(ion) for ion in (*ADDED, *more)}


def scale_error_ppm(result, true_offset, true_slope, mz):
    """Return how far a scale misses the truth at m/z."""
    x = (np.sqrt(mz) - true_offset) / true_slope
    return ((result.scale.offset + result.scale.slope * x) ** 2 / mz - 1) * 1e6


def drifted(drawn_spectrum, counts, seed=0, offset=1e-4, slope=1.0001):
    """Return ions drawn by a spectrometer whose scale is off: exported x is (sqrt(m) - o) / s."""
    moved = {((np.sqrt(ion_mz(i)) - offset) / slope) ** 2: n for i, n in counts.items()}
    return drawn_spectrum(moved, seed=seed, mz_max=125)


PLANTED = {**dict.fromkeys(CALIBRANTS, 3000), **dict.fromkeys(ADDED, 2000)}


def test_more_ions_make_a_scale_that_also_holds_where_no_calibrant_is(drawn_spectrum):
    before, after = [], []
    for seed in range(10):
        spectrum = drifted(drawn_spectrum, PLANTED | dict.fromkeys(CALIBRANTS, 300), seed)
        first = calibrate(spectrum, CALIBRANTS, **LIMITS)
        again = refine(spectrum, first, added(), WIDTH, **REFINE)
        before.append(scale_error_ppm(first, 1e-4, 1.0001, 120.0))
        after.append(scale_error_ppm(again, 1e-4, 1.0001, 120.0))
        assert again.scale.ions == len(CALIBRANTS) + len(ADDED)
    rms = [np.sqrt(np.mean(np.square(some))) for some in (before, after)]
    assert rms[1] < 5
    assert rms[1] < rms[0] / 2


def test_the_parameters_have_honest_errors(drawn_spectrum):
    off = []
    for seed in range(25):
        spectrum = drifted(drawn_spectrum, PLANTED, seed)
        first = calibrate(spectrum, CALIBRANTS, **LIMITS)
        scale = refine(spectrum, first, added(), WIDTH, **REFINE).scale
        off.append((scale.slope - 1.0001) / scale.slope_error)
        assert 0 < scale.offset_error < 2e-5
    # the slope is free of the shift that a late tail gives to all centroids
    assert 0.6 < np.sqrt(np.mean(np.square(off))) < 1.6


def test_rows_tell_calibrants_added_ions_and_what_was_found(drawn_spectrum):
    spectrum = drifted(drawn_spectrum, {**PLANTED, "CO3": 0})
    first = calibrate(spectrum, CALIBRANTS, **LIMITS)
    again = refine(spectrum, first, added(), WIDTH, **REFINE)
    rows = {row["ion"]: row for row in again.rows}
    assert len(rows) == len(again.rows) == len(CALIBRANTS) + len(ADDED)
    assert [row["kind"] for row in rows.values()] == ["calibrant"] * 5 + ["added"] * 8
    assert {row["result"] for row in rows.values()} == {"calibrated"}
    assert not rows["CO3"]["used"]
    assert np.isnan(rows["CO3"]["mz_found"])
    assert again.scale.ions == sum(row["used"] for row in rows.values()) == 12
    assert np.abs(errors(again)).max() < 30
    assert again.spectrum.start == pytest.approx(again.scale.offset + 0.7 * again.scale.slope)


def test_an_added_ion_at_a_wrong_place_is_left_out(drawn_spectrum):
    spectrum = drifted(drawn_spectrum, PLANTED)
    first = calibrate(spectrum, CALIBRANTS, **LIMITS)
    good = refine(spectrum, first, added(), WIDTH, **REFINE)
    # what stands there is another ion: a sixth of a width away, and far stronger than the others
    wrong = added() | {"C6H": ion_mz("C6H") * (1 + 60e-6)}
    found = refine(spectrum, first, wrong, WIDTH, **REFINE)
    used = {row["ion"]: row["used"] for row in found.rows}
    assert used == {**dict.fromkeys([*CALIBRANTS, *ADDED], True), "C6H": False}
    assert found.scale.ions == good.scale.ions - 1
    mz = 120.0
    assert scale_error_ppm(found, 1e-4, 1.0001, mz) == pytest.approx(
        scale_error_ppm(good, 1e-4, 1.0001, mz), abs=4
    )


def test_an_ion_with_a_stronger_neighbour_does_not_pull_the_scale(drawn_spectrum):
    beside = (np.sqrt(ion_mz("C8H")) + 0.8 * WIDTH) ** 2
    moved = ((np.sqrt(beside) - 1e-4) / 1.0001) ** 2
    drawn = drifted(drawn_spectrum, PLANTED)
    neighbour = drawn_spectrum({moved: 8000}, seed=1, mz_max=125, background=0)
    spectrum = Spectrum("s", drawn.counts + neighbour.counts, drawn.start, drawn.step)
    first = calibrate(spectrum, CALIBRANTS, **LIMITS)
    found = refine(spectrum, first, added(), WIDTH, **REFINE)
    assert not {row["ion"]: row["used"] for row in found.rows}["C8H"]
    assert abs(scale_error_ppm(found, 1e-4, 1.0001, 120.0)) < 10


def test_a_kept_scale_is_not_refined(peaks_spectrum):
    spectrum = peaks_spectrum(STRONG, step=2e-3, width=0.7)
    first = calibrate(spectrum, CALIBRANTS, **LIMITS)
    assert refine(spectrum, first, added(), 3e-3, **REFINE) is first


def test_a_calibrant_that_the_refined_scale_misses_raises(drawn_spectrum):
    spectrum = drifted(drawn_spectrum, PLANTED)
    first = calibrate(spectrum, CALIBRANTS, **LIMITS)
    with pytest.raises(CalibrationError, match=r"^s: calibrant .* misses its mass by .* 13 ions"):
        refine(spectrum, first, added(), WIDTH, **REFINE | {"max_error_ppm": 0.1})


def test_with_too_few_ions_left_the_first_scale_stays(drawn_spectrum):
    spectrum = drifted(drawn_spectrum, PLANTED)
    first = calibrate(spectrum, CALIBRANTS, **LIMITS)
    assert refine(spectrum, first, added(), WIDTH, **REFINE | {"min_ions": 14}) is first


def test_the_order_of_added_ions_changes_nothing(drawn_spectrum):
    spectrum = drifted(drawn_spectrum, PLANTED)
    first = calibrate(spectrum, CALIBRANTS, **LIMITS)
    one = refine(spectrum, first, added(), WIDTH, **REFINE)
    other = refine(spectrum, first, dict(reversed(added().items())), WIDTH, **REFINE)
    assert other.scale.slope == pytest.approx(one.scale.slope, rel=1e-12)
    assert other.scale.ions == one.scale.ions


def test_centroids_are_where_ions_were_drawn_and_nan_where_none_is(drawn_spectrum):
    spectrum = drawn_spectrum({"O": 1e5}, background=0)
    at = np.sqrt([ion_mz("O"), 30.0])
    x, counts = centroids(spectrum, at, 0.6 * WIDTH)
    # a late tail moves the centroid by a few hundredths of a width
    assert x[0] == pytest.approx(at[0], abs=0.05 * WIDTH)
    assert counts[0] == pytest.approx(0.8e5, rel=0.1)
    assert np.isnan(x[1])
    assert not counts[1] > 0
