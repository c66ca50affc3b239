"""The mass scale is put right where it can be, kept where it cannot, refused where it is wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.errors import CalibrationError
from ionprint.ions.formula import ion_mz
from ionprint.spectra.calibration import calibrate
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
