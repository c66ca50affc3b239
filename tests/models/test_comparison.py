"""Two rankings side by side; the tables here are made by hand."""

import pandas as pd
import pytest

from ionprint.errors import DataError
from ionprint.models.comparison import agreement, compare_rankings
from ionprint.models.families import with_families

ATOMS = ("LiH", "LiO", "LiN", "LiC", "")


def ranking(order, compound="LiOH", shift_ppm=0.0):
    """Rank peaks at m/z 10, 20, ... in the order given, named as in ATOMS."""
    rows = [
        (compound, rank, round(10.0 * (i + 1) * (1 + shift_ppm * 1e-6), 6), ATOMS[i])
        for rank, i in enumerate(order, 1)
    ]
    return pd.DataFrame(rows, columns=["compound", "rank", "mz", "ion"])


def changes(table):
    return dict(zip(table["ion"], table["change"], strict=True))


def test_a_row_for_each_ion_that_is_first_in_either():
    table = compare_rankings(ranking([0, 1, 2, 3, 4]), ranking([2, 0, 4, 1, 3]), 3)
    assert table["ion"].tolist() == ["LiH", "LiN", "LiO", ""]
    assert table["rank_a"].tolist() == [1, 3, 2, 5]
    assert table["rank_b"].tolist() == [2, 1, 4, 3]
    assert table["change"].tolist() == [-1, 2, -2, 2]  # places won in b
    assert table["both_first"].tolist() == [True, True, False, False]
    assert table["mz_a"].equals(table["mz_b"])


def test_agreement_is_what_is_shared_and_its_order():
    same = compare_rankings(ranking([0, 1, 2, 3, 4]), ranking([0, 1, 2, 4, 3]), 3)
    assert agreement(same, 3).to_dict("records") == [
        {"compound": "LiOH", "shared": 3, "first": 3, "tau": 1.0}
    ]
    turned = agreement(compare_rankings(ranking([0, 1, 2]), ranking([2, 1, 0]), 15), 15)
    assert (turned["first"][0], turned["tau"][0]) == (3, -1.0)
    apart = agreement(compare_rankings(ranking([0, 1, 2, 3]), ranking([3, 2, 1, 0]), 1), 1)
    assert apart["shared"][0] == 0 and apart["tau"].isna().all()


@pytest.mark.parametrize(("shift", "matched"), [(0.0, True), (40.0, True), (60.0, False)])
def test_peaks_of_two_tables_are_matched_within_the_tolerance(shift, matched):
    table = compare_rankings(ranking([0, 1]), ranking([1, 0], shift_ppm=shift), 5)
    assert len(table) == (2 if matched else 4)
    assert table["rank_b"].isna().sum() == (0 if matched else 2)
    assert table["change"].isna().sum() == (0 if matched else 4)


def test_a_neighbour_of_another_formula_is_another_ion():
    other = ranking([0, 1], shift_ppm=5.0).replace({"ion": {"LiO": "LiC"}})
    table = compare_rankings(ranking([0, 1]), other, 5)
    assert changes(table)["LiH"] == 0
    assert table.loc[table["ion"].isin(["LiO", "LiC"]), "change"].isna().all()
    named = ranking([0, 1]).replace({"ion": {"LiO": ""}})  # the same peak, named in one run alone
    assert changes(compare_rankings(named, ranking([0, 1]), 5)) == {"LiH": 0, "LiO": 0}


def test_the_nearest_peak_is_taken_and_none_twice():
    a = pd.DataFrame({"compound": "LiH", "rank": [1, 2], "mz": [50.0, 50.002], "ion": ""})
    b = pd.DataFrame({"compound": "LiH", "rank": [1, 2], "mz": [50.0018, 50.0005], "ion": ""})
    table = compare_rankings(a, b, 5)
    assert table["mz_b"].tolist() == [50.0005, 50.0018]
    assert table["change"].tolist() == [-1, 1]


def test_a_family_whose_parent_has_no_peak_is_one_ion_whichever_satellite_is_first():
    rows = {"compound": "LiH", "mz": [16.0, 17.0, 30.0], "ion": ["[6Li]A", "[6Li]B", "O"]}
    a = pd.DataFrame({**rows, "satellite_of": ["LiC", "LiC", ""]})
    tables = [with_families(a.assign(rank=ranks)) for ranks in ([1, 2, 3], [3, 2, 1])]
    table = compare_rankings(*tables, 5)
    assert table["change"].tolist() == [-1, 1]


def test_only_shared_compounds_are_compared():
    b = pd.concat([ranking([1, 0]), ranking([0], compound="Li2O")])
    assert set(compare_rankings(ranking([0, 1]), b, 5)["compound"]) == {"LiOH"}
    with pytest.raises(DataError, match="no compound in common: LiOH and LiH"):
        compare_rankings(ranking([0]), ranking([0], compound="LiH"), 5)
