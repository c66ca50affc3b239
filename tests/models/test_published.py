"""A published list beside a ranking."""

import pandas as pd
import pytest

from ionprint.models.published import find_published

PEAKS = pd.DataFrame(
    {"mz": [8.03, 16.0482, 16.0553], "lower": [8.0, 16.04, 16.052], "upper": [8.06, 16.052, 16.06]}
)
IONS = pd.DataFrame(
    {
        "compound": "LiH",
        "rank": [1, 2, 3],
        "mz": [16.0553, 8.03, 16.0482],
        "family_rank": [1, 2, 3],
    }
)


def listed(*ions, compound="LiH"):
    numbers = range(1, len(ions) + 1)
    return pd.DataFrame({"compound": compound, "rank": numbers, "ion": ions, "mz": 16.05})


def test_ions_are_found_by_exact_mass_between_the_borders():
    found = find_published(listed("Li2H2", "[6Li]LiH3", "[6Li]H2", "C2"), IONS, PEAKS, first=2)
    assert found["peak"].tolist()[:3] == [16.0482, 16.0553, 8.03]
    assert found["peak"].isna().tolist() == [False, False, False, True]
    assert found["here"].tolist()[:3] == [3, 1, 2]
    assert found["found"].tolist() == [False, True, True, False]
    assert found["exact_mz"][0] == pytest.approx(16.0482, abs=5e-5)


def test_a_peak_is_found_once():
    found = find_published(listed("[6Li]LiH3", "[6Li]LiH3"), IONS, PEAKS, first=2)
    assert found["here"].tolist() == [1, 1]
    assert found["found"].tolist() == [True, False]


def test_two_ions_without_a_peak_are_both_not_found():
    found = find_published(listed("C2", "C4"), IONS, PEAKS, first=2)
    assert found["found"].tolist() == [False, False]


def test_compounds_that_are_not_ranked_are_left_out():
    assert find_published(listed("LiH", compound="Li2O"), IONS, PEAKS, first=2).empty
