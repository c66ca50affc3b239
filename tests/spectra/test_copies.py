"""A measurement is known again under any name, and two measurements are never taken for one."""

import numpy as np
import pandas as pd
import pytest

from ionprint.errors import SheetError
from ionprint.spectra.copies import copied_areas, copied_spectra, set_aside, sketch
from ionprint.spectra.reading import read_spectrum

IONS = {"H": 3000, "[6Li]": 400, "[7Li]": 4000, "C": 300, "O": 3000, "OH": 2500, "O2": 800}


@pytest.fixture(scope="module")
def surface(drawn_spectrum):
    """Ten measurements of one surface."""
    return [drawn_spectrum(IONS, seed=seed).counts for seed in range(10)]


def changed(counts, number, seed=0):
    some = np.random.default_rng(seed).choice(np.flatnonzero(counts), number, replace=False)
    return counts + np.isin(np.arange(counts.size), some)


CHANGES = {
    "the same": lambda c: c,
    "empty rows before it": lambda c: np.concatenate([np.zeros(77), c, np.zeros(5)]),
    "one count more": lambda c: changed(c, 1),
    "ten counts changed": lambda c: changed(c, 10),
    "begins later": lambda c: c[c.size // 3 :],
    "ends sooner": lambda c: c[: c.size // 2],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found_whatever_was_done_to_it(surface, change):
    sketches = [sketch(counts) for counts in [*surface, CHANGES[change](surface[4])]]
    assert copied_spectra(sketches) == [(4, 10)]


def test_two_copies_of_one_are_named_with_the_first(surface):
    sketches = [sketch(surface[row]) for row in (3, 0, 0, 3, 0)]
    assert sorted(copied_spectra(sketches)) == [(0, 3), (1, 2), (1, 4)]


@pytest.mark.parametrize(
    "made", [{"channel": False}, {"comma": True}, {"gz": True}, {"sparse": True}, {"end": "\n"}]
)
def test_a_copy_is_found_however_it_is_written(export, made):
    counts = np.random.default_rng(1).poisson(20, 60) * (np.arange(60) % 3 > 0)
    whole, other = read_spectrum(export(counts)), read_spectrum(export(counts, **made))
    assert copied_spectra([sketch(whole.counts), sketch(other.counts)]) == [(0, 1)]


def test_measurements_of_one_surface_are_never_copies(surface, measured):
    rng = np.random.default_rng(0)
    found = shared = 0
    for counts in (50, 300, 3000, 30_000, 300_000):
        drawn = rng.poisson(surface[0] * counts / surface[0].sum(), (60, surface[0].size))
        sketches = [sketch(row) for row in drawn]
        found += len(copied_spectra(sketches))
        shared += sum(np.intersect1d(a, sketches[0]).size for a in sketches[1:])
    measured("independent measurements taken for copies, of 8,850 pairs", found, 0)
    assert not found and not shared


def test_a_spectrum_that_is_practically_empty_is_no_copy():
    assert copied_spectra([sketch(np.zeros(100))] * 3) == []
    assert copied_spectra([sketch(np.eye(1, 100)[0])] * 3) == []
    assert copied_spectra([sketch(np.ones(31))] * 2) == []


@pytest.mark.parametrize("unit", [1, 1e-5])
def test_rows_of_areas_are_compared_in_any_unit(unit):
    areas = np.random.default_rng(0).poisson(100, (6, 30)) * unit
    assert copied_areas(areas) == []
    assert copied_areas(areas[[0, 1, 2, 1]]) == [(1, 3)]


def test_few_small_areas_may_be_equal_by_chance():
    assert copied_areas(np.array([[0, 1, 3.0], [0, 1, 3.0], [0, 0, 0], [0, 0, 0]])) == []
    # rounded so far that they say little
    assert copied_areas(np.array([[0.1, 0.2, 0.7]] * 2)) == []


ROW = {"file": "a", "spot": "1", "sample": "A", "role": "reference", "compound": "LiH", "ion": "Bi"}


def test_rows_that_agree_are_told_and_rows_at_odds_are_refused():
    rows = [ROW, ROW | {"file": "b", "spot": "2"}]
    places, told = set_aside([(0, 1)], pd.DataFrame(rows), "samples.csv")
    assert places == [1]
    assert told == [
        "b (sample A, LiH) is the same measurement as a (sample A, LiH), count for count"
    ]
    for other in ({"sample": "B"}, {"compound": "Li2O"}, {"role": "mixture"}, {"ion": "Bi3"}):
        with pytest.raises(SheetError, match=f"a .sample A, LiH. and b .* differ in {[*other][0]}"):
            set_aside([(0, 1)], pd.DataFrame([ROW, rows[1] | other]), "samples.csv")
