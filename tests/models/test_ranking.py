"""Characteristic ions: in the order of the weights, whatever the order of the peaks."""

import numpy as np
import pandas as pd
import pytest

from ionprint.errors import DataError
from ionprint.models.folds import plain_folds
from ionprint.models.ranking import rank_ions, resample, share_in_first, weights


@pytest.fixture
def problem(pellets):
    areas, y, _ = pellets(signal=0.5, effect=0.1, classes=3, peaks=30)
    return areas, y, np.linspace(7, 100, 30).round(4), plain_folds(y, 3, 0)


@pytest.mark.parametrize("model", ["logistic", "svm_linear", "random_forest"])
def test_a_planted_ion_is_first(choose, problem, model):
    areas, y, mz, folds = problem
    areas[:, 11] = np.where(y == "c1", 5000, 5)
    table = rank_ions(choose(f"model={model}"), areas, y, mz, folds)
    assert len(table) == 3 * 30
    own = table[table["compound"] == "c1"]
    assert own["rank"].tolist() == list(range(1, 31))
    assert (own["weight"].diff().dropna() <= 0).all()
    assert mz[11] in own["mz"].head(3).tolist()
    others = table[(table["compound"] != "c1") & (table["mz"] == mz[11])]
    assert (others["weight"] < 0).all()


def test_permuted_peaks_give_the_permuted_ranking(choose, problem):
    areas, y, mz, folds = problem
    pipeline = choose(params={"C": 0.1})
    order = np.random.default_rng(0).permutation(len(mz))
    one = rank_ions(pipeline, areas, y, mz, folds)
    other = rank_ions(pipeline, areas[:, order], y, mz[order], folds)
    merged = one.merge(other, on=["compound", "mz"])
    assert len(merged) == len(one)
    assert merged["weight_x"].to_numpy() == pytest.approx(merged["weight_y"], abs=1e-3)
    assert one.head(3)["mz"].tolist() == other.head(3)["mz"].tolist()


def test_the_mean_and_spread_are_those_over_the_folds(choose, problem):
    areas, y, mz, folds = problem
    table = rank_ions(choose(), areas, y, mz, folds)
    coefficients = [choose().fit(areas[t], y[t])[-1].coef_ for t, _ in folds.splits]
    for row, compound in enumerate(["c0", "c1", "c2"]):
        own = table[table["compound"] == compound].sort_values("mz")
        assert own["weight"].to_numpy() == pytest.approx(np.mean(coefficients, axis=0)[row])
        assert own["weight_sd"].to_numpy() == pytest.approx(
            np.std(coefficients, axis=0, ddof=1)[row]
        )


def test_two_classes_have_opposite_weights(choose, pellets):
    areas, y, _ = pellets(signal=0.5, effect=0.1, classes=2, peaks=10)
    found = weights(choose().fit(areas, y), areas, y)
    assert found.shape == (2, 10)
    assert found[0].tolist() == (-found[1]).tolist()
    assert (
        weights(choose().fit(areas, y), areas, y)[1]
        @ (areas[y == "c1"].mean(axis=0) / areas[y == "c0"].mean(axis=0) - 1)
        > 0
    )


def test_a_model_without_weights_is_refused(choose, problem):
    areas, y, mz, folds = problem
    with pytest.raises(DataError, match="DummyClassifier has no weights"):
        rank_ions(choose("model=dummy"), areas, y, mz, folds)


def test_ranks_do_not_depend_on_the_order_of_spectra(choose, problem):
    areas, y, mz, folds = problem
    back = [(len(y) - 1 - a, len(y) - 1 - b) for a, b in folds.splits]
    one = rank_ions(choose(), areas, y, mz, folds)
    other = rank_ions(choose(), areas[::-1], y[::-1], mz, type(folds)("plain", back))
    merged = pd.merge(one, other, on=["compound", "mz"])
    assert merged["weight_x"].to_numpy() == pytest.approx(merged["weight_y"], abs=1e-3)


def test_a_planted_ion_is_always_among_the_first(choose, pellets):
    areas, y, groups = pellets(signal=0.1, effect=0.3, classes=3, peaks=30)
    areas[:, 11] = np.where(y == "c1", 5000, 5)
    counted = []
    share = share_in_first(choose(), areas, y, groups, 5, 20, 0, advance=lambda: counted.append(1))
    assert share.shape == (3, 30)
    assert share[1, 11] == 1.0
    assert share.sum(axis=1) == pytest.approx([5.0] * 3)
    assert 0 < np.sort(share[1])[-5] < 1
    assert len(counted) == 20
    again = share_in_first(choose(), areas, y, groups, 5, 20, 0)
    assert (again == share).all()
    assert (share_in_first(choose(), areas, y, groups, 5, 20, 1) != share).any()


def test_pellets_are_drawn_whole_and_within_their_compound(pellets):
    _, y, groups = pellets(signal=0, effect=0, classes=3, peaks=2)
    rng = np.random.default_rng(0)
    sizes = set()
    for _ in range(50):
        rows = resample(y, groups, rng)
        assert pd.Series(y[rows]).value_counts().to_dict() == {"c0": 12, "c1": 12, "c2": 12}
        drawn = pd.Series(rows).value_counts()
        for pellet in np.unique(groups):
            times = set(drawn.reindex(np.flatnonzero(groups == pellet), fill_value=0))
            assert len(times) == 1
        sizes.add(len(set(groups[rows])))
    assert min(sizes) < 9  # some pellet is left out


def test_groups_that_compounds_share_are_drawn_whole_and_no_compound_is_missing():
    y = np.array(["a", "a", "b", "a", "b", "c"])
    groups = np.array(["g1", "g2", "g1", "g3", "g3", "g2"])
    rng = np.random.default_rng(0)
    for _ in range(50):
        rows = resample(y, groups, rng)
        assert set(y[rows]) == {"a", "b", "c"}
        drawn = pd.Series(rows).value_counts()
        for group in set(groups[rows]):
            assert len(set(drawn.reindex(np.flatnonzero(groups == group)))) == 1


def test_without_groups_spectra_are_drawn_within_their_compound():
    y = np.repeat(["a", "b"], [3, 5])
    rows = resample(y, None, np.random.default_rng(0))
    assert pd.Series(y[rows]).value_counts().to_dict() == {"a": 3, "b": 5}
