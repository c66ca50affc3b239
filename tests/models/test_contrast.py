import numpy as np
import pandas as pd
import pytest

from ionprint.errors import DataError
from ionprint.models.contrast import compared_ions, most_alike, per_million, scaled_together


def test_scaling_together_and_per_million():
    values = np.array([[0.0, 3.0], [2.0, 3.0], [1.0, 3.0]])
    assert scaled_together(values).tolist() == [[0, 0], [1, 0], [0.5, 0]]
    assert per_million(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist() == [[250_000, 750_000], [0, 0]]


AREAS = np.array([[80, 15, 5], [82, 13, 5], [60, 30, 10], [62, 28, 10], [5, 5, 90], [5, 7, 88.0]])
COMPOUNDS = np.repeat(["a", "b", "c"], 2)


@pytest.fixture
def ranking():
    rows = [(c, r, 10.0 * r, "", 1.0 / r) for c in "abc" for r in (1, 2, 3)]
    return pd.DataFrame(rows, columns=["compound", "rank", "mz", "ion", "weight"])


def test_most_alike_are_the_nearest_mean_spectra():
    assert most_alike(AREAS, COMPOUNDS) == ("a", "b")
    assert most_alike(AREAS[2:], COMPOUNDS[2:]) == ("b", "c")
    with pytest.raises(DataError, match="one compound alone"):
        most_alike(AREAS[:2], COMPOUNDS[:2])


def test_compared_ions_are_means_over_spectra_with_their_spread(ranking):
    mz = np.array([10.0, 20.0, 30.0])
    table = compared_ions(AREAS, COMPOUNDS, None, mz, ranking, ("b", "c"), first=2)
    assert table["of"].tolist() == ["b", "b", "c", "c"]
    assert table["mz"].tolist() == [10, 20, 10, 20]
    assert table["mean_1"].tolist() == pytest.approx([610_000, 290_000] * 2)
    assert table["mean_2"].tolist() == pytest.approx([50_000, 60_000] * 2)
    assert table["sd_1"][0] == pytest.approx(np.sqrt(2) * 10_000)
    assert table["others"].tolist() == pytest.approx([810_000, 140_000] * 2)
    assert table["own"].tolist() == [False, True, False, False]
    with pytest.raises(DataError, match="not two of the compounds a, b, c"):
        compared_ions(AREAS, COMPOUNDS, None, mz, ranking, ("b", "d"))


def test_an_ion_of_foreign_elements_is_not_its_own(ranking):
    mz = np.array([10.0, 20.0, 30.0])
    ranking["evidence"] = "incompatible"
    assert not compared_ions(AREAS, COMPOUNDS, None, mz, ranking, ("b", "c"))["own"].any()


def test_spread_is_that_of_the_groups_where_there_are_two_each(ranking):
    mz = np.array([10.0, 20.0, 30.0])
    areas = np.repeat(AREAS, 2, axis=0) + np.tile([[0.0], [1.0]], (6, 3))
    y, groups = np.repeat(COMPOUNDS, 2), np.repeat(list("uvwxyz"), 2)
    by_group = compared_ions(areas, y, groups, mz, ranking, ("a", "b"))
    means = per_million(areas)[:4, 0].reshape(2, 2).mean(axis=1)
    assert by_group["sd_1"][0] == pytest.approx(means.std(ddof=1))
    alone = compared_ions(areas, y, y, mz, ranking, ("a", "b"))
    assert alone["sd_1"][0] == pytest.approx(per_million(areas)[:4, 0].std(ddof=1))
