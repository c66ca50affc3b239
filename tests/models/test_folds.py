"""Folds: no pellet on both sides, every class in training, honest scores on noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.errors import DataError
from ionprint.models.folds import grouped_folds, meaning, plain_folds, scoring_folds


@settings(max_examples=60, deadline=None)
@given(
    pellets=st.lists(st.integers(1, 5), min_size=2, max_size=6),
    spots=st.integers(1, 4),
    n_splits=st.integers(2, 6),
    seed=st.integers(0, 5),
)
def test_grouped_folds(pellets, spots, n_splits, seed):
    labels = [(f"c{c}", f"c{c}p{p}") for c, n in enumerate(pellets) for p in range(n)]
    y, groups = np.array([label for label in labels for _ in range(spots)]).T
    folds = grouped_folds(y, groups, n_splits, seed)
    if min(pellets) == 1:
        assert folds is None
        return
    assert folds is not None
    assert folds.scheme == "grouped"
    assert 2 <= len(folds.splits) <= n_splits
    for train, test in folds.splits:
        assert not set(groups[train]) & set(groups[test])
        assert set(y[train]) == set(y)
        assert len(test)
    assert sorted(np.concatenate([test for _, test in folds.splits])) == list(range(len(y)))


def test_plain_folds_share_each_class_out():
    y = np.repeat(["a", "b"], [10, 15])
    folds = plain_folds(y, 5, 0)
    assert [np.unique(y[test], return_counts=True)[1].tolist() for _, test in folds.splits] == [
        [2, 3]
    ] * 5


def test_plain_folds_are_as_many_as_the_smallest_class():
    assert len(plain_folds(np.repeat(["a", "b"], [3, 15]), 5, 0).splits) == 3


@pytest.mark.parametrize("counts", [[1, 5], [6]])
def test_too_few_spectra_are_refused_with_their_numbers(counts):
    y = np.repeat(["a", "b"][: len(counts)], counts)
    with pytest.raises(DataError, match=f"a: {counts[0]}"):
        plain_folds(y, 5, 0)


def test_the_seed_decides_the_folds():
    y = np.repeat(["a", "b"], 20)
    tests = [
        np.concatenate([t for _, t in plain_folds(y, 5, s).splits]).tolist() for s in (0, 0, 1)
    ]
    assert tests[0] == tests[1] != tests[2]


def test_the_meaning_says_which_folds_were_had():
    y = np.repeat(["a", "b"], 4)
    plain, grouped = scoring_folds(y, y, 5, 0)
    assert grouped is None
    assert "repeatability within a pellet, not generalisation" in meaning(grouped, "pellet")
    plain, grouped = scoring_folds(y, np.tile(["p", "q"], 4), 5, 0)
    assert "of a pellet never seen" in meaning(grouped, "pellet")
    assert scoring_folds(y, None, 5, 0)[1] is None


@pytest.mark.parametrize("draws", [1, 3])
def test_repeated_folds_test_every_spectrum_once_a_draw(draws):
    y, groups = np.repeat(["a", "b"], 12), np.repeat(list("ABCDEFGH"), 3)
    for folds in scoring_folds(y, groups, 4, 0, n_repeats=draws):
        assert (folds.n_repeats, folds.n_splits) == (draws, 4)
        for draw in range(draws):
            tests = [t for _, t in folds.splits[4 * draw : 4 * draw + 4]]
            assert sorted(np.concatenate(tests)) == list(range(24))
    assert draws == 1 or tests[0].tolist() != folds.splits[0][1].tolist()


def test_leave_one_group_out():
    y, groups = np.tile(["a", "b"], 8), np.repeat(list("ABCD"), 4)
    folds = grouped_folds(y, groups, 2, 0, leave_one_out=True)
    assert [set(groups[test]) for _, test in folds.splits] == [{"A"}, {"B"}, {"C"}, {"D"}]
    assert grouped_folds(y, y, 2, 0, leave_one_out=True) is None
