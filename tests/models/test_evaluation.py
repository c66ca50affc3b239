"""Scores are scikit-learn's own, out of fold, with intervals over what is independent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, f1_score, log_loss
from sklearn.model_selection import cross_val_predict, cross_validate

from ionprint.models import evaluation
from ionprint.models.evaluation import METRICS, shuffled, summary, units
from ionprint.models.folds import grouped_folds, plain_folds, scoring_folds


@pytest.fixture
def problem(choose, pellets):
    areas, y, _ = pellets(signal=0.06, effect=0.2, peaks=20)
    return choose(), areas, y, plain_folds(y, 5, 0)


def each_spectrum(y):
    return units(y, None, None)


def test_scores_of_folds_are_those_of_scikit_learn(problem):
    pipeline, areas, y, folds = problem
    names = {"accuracy": "accuracy", "f1_macro": "f1_macro", "log_loss": "neg_log_loss"}
    theirs = cross_validate(pipeline, areas, y, cv=folds.splits, scoring=list(names.values()))
    ours = evaluation.cross_validate("plain", pipeline, areas, y, folds)
    assert 0.3 < ours.folds["accuracy"].mean() < 1
    for name, scorer in names.items():
        assert ours.folds[name].to_numpy() == pytest.approx(np.abs(theirs[f"test_{scorer}"]))


def test_the_summary_is_over_all_spectra(problem):
    pipeline, areas, y, folds = problem
    ours = evaluation.cross_validate("plain", pipeline, areas, y, folds)
    p, predicted = ours.probabilities[0], ours.predicted[0]
    expected = {
        "accuracy": accuracy_score(y, predicted),
        "f1_macro": f1_score(y, predicted, average="macro"),
        "log_loss": log_loss(y, p, labels=ours.classes),
        "brier": brier_score_loss(y, p, labels=ours.classes, scale_by_half=False),
    }
    got = summary(ours, each_spectrum(y), 500, 0)
    for metric, value in expected.items():
        assert got[metric] == pytest.approx(value, abs=5e-5)
        assert got[f"{metric}_low"] < got[metric] < got[f"{metric}_high"]
    assert got == summary(ours, each_spectrum(y), 500, 0)
    assert got != summary(ours, each_spectrum(y), 500, 1)


def test_probabilities_are_out_of_fold(problem):
    pipeline, areas, y, folds = problem
    ours = evaluation.cross_validate("plain", pipeline, areas, y, folds)
    theirs = cross_val_predict(pipeline, areas, y, cv=folds.splits, method="predict_proba")
    assert ours.probabilities[0] == pytest.approx(theirs)
    for number, (_, test) in enumerate(folds.splits, 1):
        assert (ours.fold[0, test] == number).all()


def test_every_fold_may_have_its_own_pipeline(problem, choose):
    _, areas, y, folds = problem
    each = [choose(params={"C": c}) for c in (1e-3, 1, 1, 1, 1)]
    mixed = evaluation.cross_validate("nested", each, areas, y, folds)
    same = evaluation.cross_validate("plain", each[1], areas, y, folds)
    changed = (mixed.probabilities != same.probabilities).any(axis=2)[0]
    assert changed.tolist() == (mixed.fold[0] == 1).tolist()


def test_repeated_folds_are_averaged(problem):
    pipeline, areas, y, _ = problem
    twice = evaluation.cross_validate("plain", pipeline, areas, y, plain_folds(y, 5, 0, 2))
    draws = [
        evaluation.cross_validate("plain", pipeline, areas, y, plain_folds(y, 5, seed))
        for seed in (0, 1)
    ]
    assert (twice.probabilities == np.concatenate([d.probabilities for d in draws])).all()
    both, single = (
        [summary(e, each_spectrum(y), 10, 0) for e in evaluations]
        for evaluations in ([twice], draws)
    )
    for metric in METRICS:
        assert both[0][metric] == pytest.approx(np.mean([s[metric] for s in single]), abs=1e-4)
    assert both[0]["n_folds"] == 10


def test_the_confusion_counts_every_spectrum(problem):
    pipeline, areas, y, folds = problem
    ours = evaluation.cross_validate("plain", pipeline, areas, y, folds)
    table = evaluation.confusion(ours).set_index("compound")
    assert table.to_numpy().tolist() == confusion_matrix(y, ours.predicted[0]).tolist()
    assert list(table.index) == list(table.columns) == list(ours.classes)


def made(y, probabilities):
    y, p = np.array(y), np.array(probabilities, dtype=float)
    fold = np.ones((1, len(y)), dtype=int)
    folds = evaluation.pd.DataFrame({"fold": [1]})
    return evaluation.Evaluation("made", folds, p[None], fold, np.unique(y), y)


def test_a_class_never_predicted_has_its_column():
    done = made(["a", "b", "c"], [[1, 0, 0], [0, 1, 0], [1, 0, 0]])
    assert evaluation.confusion(done)["c"].tolist() == [0, 0, 0]


def test_intervals_are_as_wide_as_groups_make_them():
    # ten pellets, four spots each, a pellet all right or all wrong
    y = np.repeat(["a", "b"], 20)
    pellet = np.repeat(np.arange(10).astype(str), 4)
    right = np.isin(pellet, ["0", "1", "2", "5", "6", "7", "8"])
    truth = np.eye(2)[np.searchsorted(["a", "b"], y)]
    done = made(y, np.where(right[:, None], truth, 1 - truth))
    by_pellet = summary(done, units(y, pellet, "pellet"), 4000, 0)
    by_spot = summary(done, each_spectrum(y), 4000, 0)
    width = {
        k: s["accuracy_high"] - s["accuracy_low"]
        for k, s in (("pellet", by_pellet), ("spot", by_spot))
    }
    assert width["pellet"] == pytest.approx(2 * width["spot"], rel=0.25)
    assert (by_pellet["unit"], by_pellet["units"], by_pellet["mistaken"]) == ("pellet", 10, 3)


@given(mistaken=st.integers(0, 12))
def test_the_share_of_mistaken_units_is_bounded_exactly(mistaken):
    y = np.repeat(["a", "b"], 6)
    truth = np.eye(2)[np.searchsorted(["a", "b"], y)]
    wrong = np.arange(12) < mistaken
    got = summary(made(y, np.where(wrong[:, None], 1 - truth, truth)), each_spectrum(y), 10, 0)
    exact = binomtest(mistaken, 12, alternative="less").proportion_ci(0.95, "exact").high
    assert got["mistaken_at_most"] == pytest.approx(exact, abs=1e-4)


@settings(max_examples=50, deadline=None)
@given(
    pellets=st.lists(st.integers(2, 4), min_size=2, max_size=4),
    spots=st.integers(1, 3),
    crossed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_resamples_keep_what_was_independent(pellets, spots, crossed, seed):
    labels = [
        (f"c{c}", f"p{p}" if crossed else f"c{c}p{p}")
        for c, n in enumerate(pellets)
        for p in range(n)
    ]
    y, groups = np.array([label for label in labels for _ in range(spots)]).T
    drawn = units(y, groups, "pellet")
    times = drawn.draw(20, np.random.default_rng(seed))
    assert (times.sum(axis=1) == len(drawn)).all()
    if not crossed:  # a pellet is of one compound: each keeps its number of pellets
        for c in np.unique(y):
            own = np.unique(drawn.of[y == c])
            assert (times[:, own].sum(axis=1) == len(own)).all()


def test_one_group_a_class_leaves_single_spectra():
    y = np.repeat(["a", "b"], 5)
    assert units(y, y, "pellet").kind == "spectrum"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), spots=st.integers(1, 3))
def test_shuffling_keeps_spots_of_a_pellet_together(seed, spots):
    y = np.repeat(["a", "a", "b", "b", "c", "c"], spots)
    groups = np.repeat(list("123456"), spots)
    got = shuffled(y, groups, np.random.default_rng(seed))
    assert sorted(got) == sorted(y)
    assert all(len(set(got[groups == g])) == 1 for g in "123456")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999))
def test_shuffling_within_runs_that_hold_all_compounds(seed):
    y = np.tile(np.repeat(["a", "b", "c"], 2), 4)
    runs = np.repeat(list("1234"), 6)
    got = shuffled(y, runs, np.random.default_rng(seed))
    for run in "1234":
        assert sorted(got[runs == run]) == sorted(y[runs == run])
        assert got[runs == run][::2].tolist() == got[runs == run][1::2].tolist()


def permuted(*problem):
    return evaluation.permutation_test(*problem, 60, 0)


def test_permutation_finds_a_signal_and_none_in_a_pellet_effect(choose, pellets):
    pipeline = choose("model=lda")
    small = {"classes": 3, "per_class": 4, "spots": 3, "peaks": 30}
    areas, y, groups = pellets(signal=0.6, effect=0.1, **small)
    folds = grouped_folds(y, groups, 3, 0)
    assert permuted(pipeline, areas, y, groups, folds)["p_value"] == pytest.approx(1 / 61, abs=1e-4)
    found = []
    for seed in range(8):
        areas, y, groups = pellets(signal=0.0, effect=0.5, seed=seed, **small)
        folds = grouped_folds(y, groups, 3, 0)
        found.append(permuted(pipeline, areas, y, groups, folds)["p_value"])
    assert np.median(found) > 0.2 and min(found) > 1 / 61 + 1e-3
    # spots shuffled one by one would call the pellet effect a proof
    plain = plain_folds(y, 3, 0)
    assert permuted(pipeline, areas, y, None, plain)["p_value"] < 0.05


def test_noise_with_a_pellet_effect_fools_plain_folds_only(choose, pellets):
    areas, y, groups = pellets(signal=0.0, effect=0.5)
    plain, grouped = scoring_folds(y, groups, 5, 0)
    drawn = units(y, groups, "pellet")
    scores = {
        name: summary(evaluation.cross_validate(name, choose(), areas, y, f), drawn, 500, 0)
        for name, f in (("plain", plain), ("grouped", grouped))
    }
    assert scores["plain"]["accuracy"] > 0.95
    assert scores["grouped"]["accuracy_low"] < 0.2 + 0.05
    assert scores["grouped"]["accuracy"] < 0.4
