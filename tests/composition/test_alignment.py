"""Peak lists of new spectra brought onto that of the references."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionprint.composition.alignment import align, coverage, matches, names_of, refuse_uncovered
from ionprint.errors import DataError
from ionprint.spectra.table import PeakTable

KNOWN = np.array([7.0166, 17.0033, 59.9853])


def table(mz, areas):
    areas = np.atleast_2d(np.array(areas, dtype=float))
    samples = pd.DataFrame({"file": [f"{i}" for i in range(len(areas))], "role": "mixture"})
    return PeakTable(samples, np.array(mz), areas)


def test_peaks_near_to_each_other_are_the_same_and_others_stand_beside():
    references = table(KNOWN, [[1, 2, 3]])
    spectra = table([7.0164, 18.9990, 59.9860], [[10, 20, 30]])
    known, new = align(references, spectra, 100)
    assert known.mz.tolist() == new.mz.tolist() == [7.0166, 17.0033, 18.9990, 59.9853]
    assert known.areas.tolist() == [[1, 2, 0, 3]]
    assert new.areas.tolist() == [[10, 0, 20, 30]]


def test_beyond_the_tolerance_a_peak_is_another_one():
    known, new = align(table(KNOWN, [[1, 2, 3]]), table([7.0166, 17.0060], [[4, 5]]), 100)
    assert new.mz.tolist() == [7.0166, 17.0033, 17.0060, 59.9853]
    assert new.areas.tolist() == [[4, 0, 5, 0]]


def test_the_same_list_is_left_as_it_is():
    references, spectra = table(KNOWN, [[1, 2, 3]]), table(KNOWN, [[4, 5, 6]])
    assert align(references, spectra, 100) == (references, spectra)


@given(
    st.lists(st.integers(60_000, 900_000), min_size=1, max_size=30, unique=True),
    st.lists(st.integers(60_000, 900_000), min_size=1, max_size=30, unique=True),
    st.floats(1, 500),
)
def test_no_counts_are_lost_or_made(first, second, ppm):
    first, second = np.sort(first) / 1e4, np.sort(second) / 1e4
    references = table(first, [np.arange(1.0, first.size + 1)])
    spectra = table(second, [np.arange(1.0, second.size + 1)])
    known, new = align(references, spectra, ppm)
    assert known.areas.sum() == references.areas.sum()
    assert known.on(first).areas.tolist() == references.areas.tolist()
    # a peak beyond the tolerance that is named as one of the references is left out
    assert new.areas.sum() <= spectra.areas.sum()
    old, there = matches(first, second, ppm)
    assert new.on(first).areas[0, old].tolist() == spectra.areas[0, there].tolist()
    assert len(set(old)) == len(old)
    assert len(set(there)) == len(there)


def test_coverage_is_the_part_of_the_signal_that_has_a_peak():
    references = table(KNOWN, [[81, 9, 0], [81, 9, 0]])
    assert coverage(references, KNOWN, 100) == 1
    # square roots of 0.9 and 0.1 stand as 3 to 1
    assert coverage(references, KNOWN[:1], 100) == pytest.approx(0.75)
    assert coverage(references, np.array([30.0]), 100) == 0


def test_too_little_coverage_is_refused_with_the_way_out():
    refuse_uncovered(0.8, 0.8, "peaks")
    with pytest.raises(DataError, match=r"has peaks for 79% (?s:.*)expected 80%(?s:.*)peak_list="):
        refuse_uncovered(0.79, 0.8, "peaks")


def test_peaks_take_the_ions_of_the_nearest_named_ones():
    named = pd.DataFrame({"mz": [7.0166, 59.9853], "ion": ["Li", "CO3"]})
    found = names_of(np.array([7.0165, 18.999, 59.9850]), named, 100)
    assert found.tolist() == ["Li", "", "CO3"]
