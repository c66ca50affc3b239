"""From where to where a spectrum was measured is told by its own counts and by what others have."""

from dataclasses import replace

import numpy as np
import pytest

from ionprint.spectra.extent import extent, short_of, unmeasured
from ionprint.spectra.reading import read_spectrum
from ionprint.spectra.spectrum import Spectrum

IONS = {"H": 3000, "[6Li]": 400, "[7Li]": 4000, "C": 300, "O": 3000, "OH": 2500, "O2": 800}
MZ = np.array([1.0084, 6.0157, 7.0165, 12.0005, 15.9955, 17.0033, 31.9904])
WIDTH, LAST = 3.6e-4, np.sqrt(35)


def cut(spectrum, low=0.0, high=1e9):
    """Leave out what lies outside a range (u), and rows without counts at the ends."""
    mz = spectrum.centres() ** 2
    some = np.flatnonzero((spectrum.counts > 0) & (mz > low) & (mz < high))
    first, last = some[0], some[-1] + 1
    start = spectrum.start + first * spectrum.step
    return replace(spectrum, counts=spectrum.counts[first:last].copy(), start=start)


@pytest.fixture(scope="module")
def few(drawn_spectrum):
    """Spectra with a background of one count in fifty bins, whose export left out empty rows."""
    drawn = [drawn_spectrum(IONS, seed=s, background=0.02, name=f"s{s}") for s in range(6)]
    return [replace(cut(spectrum), sparse=True) for spectrum in drawn]


def test_a_reader_says_whether_rows_were_left_out(export):
    counts = [0, 3, 0, 0, 7, 1, 0, 2, 9, 0, 0, 0, 4]
    assert not read_spectrum(export(counts)).sparse
    assert read_spectrum(export(counts, sparse=True)).sparse


def test_all_rows_say_themselves_where_they_begin_and_end(few):
    whole = replace(few[0], sparse=False)
    assert extent(whole, 1.0, 6.0) == (whole.start, whole.end)


@pytest.mark.parametrize("seed", range(6))
def test_a_gap_that_chance_makes_is_no_cut(few, seed):
    begins, ends = extent(few[seed], np.sqrt(MZ[0]), np.sqrt(MZ[-1]))
    assert (begins, ends) == (-np.inf, np.inf)


@pytest.mark.parametrize("low", [10, 13, 20])
def test_a_gap_that_chance_does_not_make_is_one(few, low):
    short = cut(few[0], low)
    extents = extent(short, np.sqrt(MZ[0]), np.sqrt(MZ[-1]))
    assert extents[0] ** 2 == pytest.approx(low, abs=0.1)
    assert extents[1] == np.inf
    below, above = unmeasured(extents, MZ)
    assert below.tolist() == (low > MZ).tolist() and not above.any()


def test_rows_that_were_written_without_counts_for_long_are_not_measured(few):
    blank = few[0].counts * (few[0].centres() > np.sqrt(10))
    extents = extent(replace(few[0], counts=blank, sparse=False), np.sqrt(MZ[0]), 3.0)
    assert extents[0] ** 2 == pytest.approx(10, abs=0.1)


def test_few_counts_tell_nothing(few):
    one = Spectrum("one", np.array([1.0]), 3.0, 1e-4, sparse=True)
    assert extent(one, 1.0, 6.0) == (-np.inf, np.inf)


@pytest.mark.parametrize(("low", "high"), [(1.1, 99), (2, 99), (10, 99), (0, 31), (5, 18)])
def test_others_tell_what_a_short_gap_hides(few, low, high):
    spectra = [*few[:5], cut(few[5], low, high)]
    found = short_of(spectra, MZ, WIDTH, LAST)
    assert list(found) == ["s5"]
    for side, at in (("begins", low), ("ends", high)):
        assert (f"{side} at m/z" in found["s5"]) == (1 < at < 99)
    missing = MZ[(low > MZ) | (high < MZ)]
    assert all(f"{mz:.4f}" in found["s5"] for mz in missing)


def test_a_whole_set_and_one_that_begins_late_as_a_whole_are_good(few):
    assert not short_of(few, MZ, WIDTH, LAST)
    late = [cut(spectrum, 10) for spectrum in few]
    assert not short_of(late, MZ[MZ > 10], WIDTH, LAST)
    assert len(short_of(late, MZ, WIDTH, LAST)) == len(few)


@pytest.mark.parametrize("counts", [100, 1000, 10_000])
def test_spectra_of_few_counts_are_not_called_cut(few, counts, measured):
    rng = np.random.default_rng(counts)
    called = 0
    for _ in range(10):
        drawn = [rng.binomial(s.counts.astype(int), min(counts / s.counts.sum(), 1)) for s in few]
        thin = [cut(replace(s, counts=c * 1.0)) for s, c in zip(few, drawn, strict=True)]
        for row, one in enumerate(thin):
            called += len(short_of([*few[:row], one, *few[row + 1 :]], MZ, WIDTH, LAST))
        called += len(short_of(thin, MZ, WIDTH, LAST))
    measured(f"whole spectra of {counts} counts called cut, of 120", called, 0)
    assert not called
