"""Peaks are found on all spectra together; areas share every count out once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.errors import DataError
from ionprint.ions.formula import ion_mz
from ionprint.spectra.search import Peaks, find_peaks, integrate, possible_mass, summed
from ionprint.spectra.spectrum import Spectrum
from ionprint.spectra.table import peak_names

IONS = {7.0165: 3000, 12.0005: 800, 15.9955: 4000, 17.0033: 900, 31.9904: 500}


def found(spectra, min_counts=100, min_snr=5, mz_max=40):
    return find_peaks(summed(spectra, mz_max), min_counts, min_snr)


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
    areas = np.stack([integrate(s, peaks) for s in noisy])
    assert areas.sum(axis=0) == pytest.approx(peaks.counts)


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
    areas = np.stack([integrate(s, peaks) for s in spectra])
    assert areas[:, first] == pytest.approx([3000, 0], abs=100)
    assert areas[:, second] == pytest.approx([0, 2000], abs=100)


def test_a_peak_of_one_spectrum_alone_is_found(peaks_spectrum):
    spectra = [peaks_spectrum(IONS)] * 9 + [peaks_spectrum({**IONS, 25.0084: 300})]
    peaks = found(spectra)
    assert nearest_ppm(peaks, 25.0084) < 10
    at = int(np.abs(peaks.mz - 25.0084).argmin())
    assert integrate(spectra[0], peaks)[at] == 0
    assert integrate(spectra[9], peaks)[at] == pytest.approx(300, rel=0.02)


def test_peaks_below_the_limits_are_not_found(peaks_spectrum):
    spectrum = peaks_spectrum({**IONS, 25.0084: 90})
    assert nearest_ppm(found([spectrum]), 25.0084) > 1000
    assert nearest_ppm(found([spectrum], min_counts=50), 25.0084) < 20


def test_nothing_is_found_above_mz_max(peaks_spectrum):
    peaks = found([peaks_spectrum(IONS)], mz_max=20)
    assert peaks.mz == pytest.approx([m for m in IONS if m < 20], rel=5e-6)


@pytest.mark.parametrize("counts", [np.zeros(1000), np.ones(1000)])
def test_nothing_found_is_an_error(counts):
    with pytest.raises(DataError, match="no peak"):
        found([Spectrum("s", counts, 1.0, 1e-3)], mz_max=4)


def test_too_high_a_limit_is_an_error_that_names_the_setting(peaks_spectrum):
    with pytest.raises(DataError, match=r"spectra\.search\.min_counts"):
        found([peaks_spectrum(IONS)], min_counts=1e9)


counts_lists = st.lists(st.integers(0, 1000), min_size=5, max_size=60)


@settings(max_examples=60, deadline=None)
@given(counts=counts_lists, cuts=st.lists(st.floats(1.0, 2.0), min_size=1, max_size=20))
def test_areas_of_a_partition_add_up_to_all_counts(counts, cuts):
    spectrum = Spectrum("s", np.array(counts, float), 1.0, 1.0 / len(counts))
    edges = np.unique([1.0, *np.square(cuts), 4.0])
    middle = (edges[:-1] + edges[1:]) / 2
    partition = Peaks(middle, edges[:-1], edges[1:], np.ones_like(middle))
    assert integrate(spectrum, partition).sum() == pytest.approx(sum(counts))


@settings(max_examples=60, deadline=None)
@given(counts=counts_lists, factor=st.integers(1, 50), shift=st.integers(0, 100))
def test_areas_are_linear_in_counts(counts, factor, shift):
    def area(values):
        return integrate(Spectrum("s", values, 1.0, 1.0 / len(counts)), peaks)

    peaks = Peaks(np.array([1.5, 3.0]), np.array([1.1, 2.2]), np.array([2.2, 3.7]), np.ones(2))
    values = np.array(counts, float)
    assert area(factor * values) == pytest.approx(factor * area(values))
    both = area(values + shift)
    assert both == pytest.approx(area(values) + area(np.full_like(values, shift)))


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
