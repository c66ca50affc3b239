"""Peaks are found on all spectra together; areas share every count out once."""

import numpy as np
import pytest

from ionprint.errors import DataError
from ionprint.ions.formula import ion_mz, possible_mass
from ionprint.spectra.calibration import centroids
from ionprint.spectra.integration import integration
from ionprint.spectra.search import find_peaks, peak_width, summed
from ionprint.spectra.spectrum import Spectrum
from ionprint.spectra.table import peak_names

IONS = {7.0165: 3000, 12.0005: 800, 15.9955: 4000, 17.0033: 900, 31.9904: 500}


def found(spectra, min_counts=100, min_snr=5, mz_max=40):
    return find_peaks(summed(spectra, mz_max), min_counts, min_snr)


def areas_of(spectra, peaks, method="auto"):
    integrate = integration(method, summed(spectra, 40), peaks)
    return np.stack([integrate(s)[0] for s in spectra])


def nearest_ppm(peaks, mz):
    return np.abs(peaks.mz / mz - 1).min() * 1e6


def test_the_peaks_are_found_with_their_counts(peaks_spectrum):
    peaks = found([peaks_spectrum(IONS)])
    assert len(peaks.mz) == len(IONS)
    assert peaks.mz == pytest.approx(list(IONS), rel=5e-6)
    assert peaks.counts == pytest.approx(list(IONS.values()), rel=0.02)


def test_borders_are_sorted_and_disjoint_on_noisy_spectra(peaks_spectrum):
    rng = np.random.default_rng(0)
    nucleons = rng.integers(2, 39, 150)
    masses = nucleons * rng.uniform(0.999, 1.0078, 150)
    many = dict(zip(masses, 10 ** rng.uniform(2, 5, 150), strict=True))
    clean = peaks_spectrum(many)
    noisy = [
        Spectrum(str(i), rng.poisson(clean.counts + 0.05).astype(float), clean.start, clean.step)
        for i in range(3)
    ]
    peaks = found(noisy)
    assert len(peaks.mz) > 60
    assert (peaks.lower < peaks.mz).all()
    assert (peaks.mz < peaks.upper).all()
    assert (peaks.upper[:-1] <= peaks.lower[1:] + 1e-12).all()
    assert (np.diff(peaks.mz) > 0).all()
    assert len(set(peak_names(peaks.mz))) == len(peaks.mz)
    total = sum(s.counts.sum() for s in noisy)
    assert areas_of(noisy, peaks).sum() == pytest.approx(total, rel=0.02)
    between = areas_of(noisy, peaks, "borders")
    assert (between.sum(axis=1) <= [s.counts.sum() for s in noisy]).all()


def test_a_doublet_of_7_mda_is_split(peaks_spectrum):
    lone, other = 16.048, 16.055
    spectra = [
        peaks_spectrum({**IONS, lone: 3000}, width=1.5),
        peaks_spectrum({**IONS, other: 2000}, width=1.5),
    ]
    peaks = found(spectra)
    assert nearest_ppm(peaks, lone) < 20
    assert nearest_ppm(peaks, other) < 20
    first, second = (int(np.abs(peaks.mz - m).argmin()) for m in (lone, other))
    areas = areas_of(spectra, peaks)
    assert areas[:, first] == pytest.approx([3000, 0], abs=100)
    assert areas[:, second] == pytest.approx([0, 2000], abs=100)


def test_a_peak_of_one_spectrum_alone_is_found(peaks_spectrum):
    spectra = [peaks_spectrum(IONS)] * 9 + [peaks_spectrum({**IONS, 25.0084: 300})]
    peaks = found(spectra)
    assert nearest_ppm(peaks, 25.0084) < 10
    at = int(np.abs(peaks.mz - 25.0084).argmin())
    areas = areas_of(spectra, peaks)
    assert areas[0, at] == 0
    assert areas[9, at] == pytest.approx(300, rel=0.03)


def test_peaks_below_the_limits_are_not_found(peaks_spectrum):
    spectrum = peaks_spectrum({**IONS, 25.0084: 60})
    assert nearest_ppm(found([spectrum]), 25.0084) > 1000
    assert nearest_ppm(found([spectrum], min_counts=50), 25.0084) < 20
    assert nearest_ppm(found([spectrum], min_counts=50, min_snr=20), 25.0084) > 1000


def test_nothing_is_found_above_mz_max(peaks_spectrum):
    peaks = found([peaks_spectrum(IONS)], mz_max=20)
    assert peaks.mz == pytest.approx([m for m in IONS if m < 20], rel=5e-6)


def test_a_weak_peak_far_from_strong_ones_is_found_on_a_background(drawn_spectrum):
    strong = dict.fromkeys((12.0005, 13.0084, 15.9955, 17.0033, 31.9904), 1e5)
    for seed in range(3):
        spectrum = drawn_spectrum({**strong, 25.0084: 200}, background=60, seed=seed)
        peaks = found([spectrum], min_snr=2.5)
        at = int(np.abs(peaks.mz - 25.0084).argmin())
        assert nearest_ppm(peaks, 25.0084) < 100
        assert peaks.counts[at] / peaks.errors[at] < 10
        assert abs(peaks.counts[at] - 200) < 4 * peaks.errors[at]


def test_stray_counts_are_not_taken_for_the_width_of_few_peaks(drawn_spectrum):
    few = drawn_spectrum({15.9955: 5e4, 17.0033: 1e4}, background=0.5)
    assert peak_width(few) == pytest.approx(3.6e-4 / few.step, rel=0.15)
    # counts of a spectrum that holds nothing else still have a width
    assert peak_width(drawn_spectrum({15.9955: 8}, background=0)) >= 1


def test_the_shape_is_measured_where_bins_are_narrow_enough(peaks_spectrum):
    assert found([peaks_spectrum(IONS)]).shape is not None
    coarse = found([peaks_spectrum(IONS, step=6e-4, width=0.6)])
    assert coarse.shape is None
    assert coarse.mz == pytest.approx(list(IONS), rel=1e-4)
    assert coarse.counts == pytest.approx(list(IONS.values()), rel=0.02)
    assert coarse.errors == pytest.approx(np.sqrt(coarse.counts))


def test_the_peaks_of_coarse_spectra_have_borders_in_the_valleys(peaks_spectrum):
    pair = {**IONS, 20.0: 3000, 20.04: 1000}
    peaks = found([peaks_spectrum(pair, step=6e-4, width=0.6)])
    left, right = (int(np.abs(peaks.mz - m).argmin()) for m in (20.0, 20.04))
    assert right == left + 1
    assert peaks.upper[left] <= peaks.lower[right]
    areas = areas_of([peaks_spectrum(pair, step=6e-4, width=0.6)], peaks)[0]
    assert areas[[left, right]] == pytest.approx([3000, 1000], rel=0.03)


def test_a_peak_is_told_by_the_centroid_that_the_scale_is_fitted_to(drawn_spectrum):
    planted = dict.fromkeys((7.0165, 12.0005, 15.9955, 17.0033, 24.0005, 31.9904), 3e5)
    spectrum = drawn_spectrum(planted)
    peaks = found([spectrum])
    x, _ = centroids(summed([spectrum], 40), np.sqrt(list(planted)), 0.6 * peaks.width)
    assert np.sqrt(peaks.mz) == pytest.approx(x, abs=0.03 * peaks.width)
    assert (np.diff(peaks.centres - np.sqrt(peaks.mz)) < 1e-6).all()
    assert (peaks.centres < np.sqrt(peaks.mz)).all()


def test_errors_of_mz_are_those_of_scale_counting_and_overlap(peaks_spectrum):
    peaks = found([peaks_spectrum(IONS)])
    sure = peaks.mz_errors(0.0)
    assert (sure > 0.03 * peaks.widths).all()
    assert (sure < 0.05 * peaks.widths).all()
    assert peaks.mz_errors(100.0) == pytest.approx(np.hypot(sure, 1e-4 * peaks.mz))


def test_some_peaks_are_taken_with_all_that_is_known_of_them(peaks_spectrum):
    peaks = found([peaks_spectrum(IONS)])
    some = peaks.take(np.array([False, True, False, True, False]))
    assert some.mz.tolist() == peaks.mz[[1, 3]].tolist()
    assert some.counts.tolist() == peaks.counts[[1, 3]].tolist()
    assert some.errors.tolist() == peaks.errors[[1, 3]].tolist()
    assert some.shape is peaks.shape
    assert some.widths == pytest.approx(2 * np.sqrt(some.mz) * peaks.width)


@pytest.mark.parametrize("counts", [np.zeros(1000), np.ones(1000)])
def test_nothing_found_is_an_error(counts):
    with pytest.raises(DataError, match="no peak"):
        found([Spectrum("s", counts, 1.0, 1e-3)], mz_max=4)


def test_too_high_a_limit_is_an_error_that_names_the_setting(peaks_spectrum):
    with pytest.raises(DataError, match=r"spectra\.search\.min_counts"):
        found([peaks_spectrum(IONS)], min_counts=1e9)


def test_spectra_with_different_bins_add_up_without_loss(peaks_spectrum):
    coarse, fine = peaks_spectrum(IONS, step=1.7e-4), peaks_spectrum(IONS, step=1.1e-4)
    total = summed([coarse, fine], 40)
    assert total.step == fine.step
    assert total.counts.sum() == pytest.approx(coarse.counts.sum() + fine.counts.sum())


def test_a_bump_where_no_ion_can_be_is_no_peak(peaks_spectrum):
    peaks = found([peaks_spectrum({**IONS, 12.55: 3000, 12.09: 3000})])
    assert nearest_ppm(peaks, 12.09) < 20  # twelve hydrogen atoms would weigh 12.0939
    assert nearest_ppm(peaks, 12.55) > 1000


@pytest.mark.parametrize("charge", [-1, 1])
def test_every_ion_has_a_possible_mass(charge):
    formulas = ["H", "[2H]", "H3", "[6Li]", "Li", "Li4H5", "CH4", "O2", "S", "Cl", "Ni", "[62Ni]"]
    formulas += ["IrO2", "Fe", "Fe3O4", "PdCl", "Br2", "Bi", "U"]
    masses = np.array([ion_mz(f, charge) for f in formulas])
    assert possible_mass(masses, 0.0).all()
    assert not possible_mass(np.array([0.9, 1.5, 12.55, 40.6]), 0.01).any()


def test_the_hydrogen_ion_is_a_peak(peaks_spectrum):
    peaks = found([peaks_spectrum({**IONS, ion_mz("H"): 5000})])
    assert nearest_ppm(peaks, ion_mz("H")) < 30
