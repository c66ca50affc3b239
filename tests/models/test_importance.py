"""Rankings beside the weights: each finds a planted ion, and means what it says."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.inspection import permutation_importance as reference

from ionprint.models.folds import plain_folds
from ionprint.models.importance import (
    forest_importance,
    overlap,
    pca_loadings,
    permutation_importance,
    rank_by_all,
    ranking_table,
    ranks,
)


@pytest.fixture
def problem(pellets):
    areas, y, _ = pellets(signal=0.05, effect=0.1, classes=3, peaks=30)
    areas[:, 11] = np.where(y == "c1", 5000, 5)
    areas[:, 5] = np.where(y == "c1", 5, 5000)
    return areas, y, plain_folds(y, 3, 0)


def test_a_planted_ion_is_among_the_first_by_every_method(choose, problem):
    areas, y, folds = problem
    values = rank_by_all(choose(), areas, y, folds, 0)
    assert list(values) == ["permutation", "forest", "pca"]
    for name, value in values.items():
        assert value.shape == (3, 30), name
        assert ranks(value)[1, 11] <= 3, name
        # a peak that marks absence stands in the last half
        assert ranks(value)[1, 5] > 15, name


def test_the_same_seed_gives_the_same_ranks(choose, problem):
    areas, y, folds = problem
    one, other = (rank_by_all(choose(), areas, y, folds, 3) for _ in range(2))
    assert all((one[name] == other[name]).all() for name in one)


def test_permutation_is_that_of_scikit_learn(choose, problem, monkeypatch):
    areas, y, folds = problem
    monkeypatch.setattr("ionprint.models.importance.REPEATS", 100)
    pipeline = choose(params={"C": 0.05})
    found = permutation_importance(pipeline, areas, y, folds, 0)

    def losses(classifier, scaled, true):
        right = np.where(
            true[:, None] == classifier.classes_,
            classifier.predict_proba(scaled),
            1 - classifier.predict_proba(scaled),
        )
        return dict(enumerate(np.log(right).mean(axis=0)))

    expected = np.zeros_like(found)
    for train, test in folds.splits:
        fitted = clone(pipeline).fit(areas[train], y[train])
        scaled = fitted[:-1].transform(areas[test])
        each = reference(fitted[-1], scaled, y[test], scoring=losses, n_repeats=100, random_state=1)
        expected += [each[c].importances_mean / len(folds.splits) for c in range(3)]
    assert found == pytest.approx(expected, abs=0.1 * np.abs(expected).max())


def test_permutation_does_not_depend_on_how_much_is_done_at_once(choose, problem, monkeypatch):
    areas, y, folds = problem
    at_once = permutation_importance(choose(), areas, y, folds, 0)
    monkeypatch.setattr("ionprint.models.importance.VALUES", 1)
    singly = permutation_importance(choose(), areas, y, folds, 0)
    assert at_once.shape == singly.shape
    # other shufflings of few spectra: the sizes agree, not the digits
    assert np.corrcoef(at_once.ravel(), singly.ravel())[0, 1] > 0.8


def test_loadings_point_to_the_compound():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], 10)
    scaled = rng.normal(0, 0.01, (30, 4))
    scaled[y == "a", 0] += 1
    scaled[y == "b", 1] += 1
    scaled[:, 3] += np.tile([0.0, 5.0], 15)  # the largest variance tells nothing apart
    assert pca_loadings(scaled, y).argmax(axis=1)[:2].tolist() == [0, 1]


def test_a_forest_is_asked_of_one_compound_at_a_time(problem):
    areas, y, _ = problem
    found = forest_importance(areas, y, 0)
    assert found.shape == (3, 30)
    assert found.sum(axis=1) == pytest.approx(np.ones(3))


def test_ranks_and_their_overlap():
    values = {
        "weight": np.array([[3.0, 2, 1, 0], [0, 1, 2, 3]]),
        "other": np.array([[3.0, 0, 1, 2], [3, 2, 1, 0]]),
    }
    table = ranking_table(values, np.array(["a", "b"]), np.array([1.0, 2, 3, 4]))
    assert table["mz"].tolist() == [1, 2, 3, 4, 4, 3, 2, 1]
    assert table["weight"].tolist() == [1, 2, 3, 4] * 2
    # a value of 0 says nothing, and has no rank
    assert table["other"].fillna(0).tolist() == [1, 0, 3, 2, 0, 3, 2, 1]
    assert overlap(table, 2)["other"].to_dict() == {"a": 1, "b": 0}
    assert overlap(table, 3)["other"].to_dict() == {"a": 2, "b": 2}
