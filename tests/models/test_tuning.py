"""Tuning: a stopped study ends as one that was never stopped."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from ionprint.errors import ConfigError, DataError
from ionprint.models import tuning
from ionprint.models.evaluation import cross_validate
from ionprint.models.folds import Folds, plain_folds
from ionprint.models.study import Draws, JournalStudy, distributions
from ionprint.models.tuning import Scorer, check_space, fold_score, inner_folds, tune

SPACE = {"C": {"type": "float", "low": 1e-3, "high": 1e3, "log": True}}


@pytest.fixture
def search(choose, pellets, tmp_path):
    """Run a search in a journal of the given name."""
    areas, y, _ = pellets(signal=0.1, effect=0.1, classes=3, peaks=20)

    def run(
        journal, *, space=SPACE, trials=14, metric="log_loss", seed=0, model="logistic", **more
    ):
        pipeline = choose(f"model={model}")
        check_space(pipeline, space)
        scorer = Scorer(pipeline, areas, y, [plain_folds(y, 3, 0)], metric)
        return tune(
            lambda params: [scorer(0, fold, params) for fold in range(3)],
            space,
            trials=trials,
            metric=metric,
            seed=seed,
            study=JournalStudy(tmp_path / journal, metric),
            **more,
        )

    run.problem = areas, y
    return run


class Stopped(Exception):
    pass


def stop_after(number):
    done = []

    def advance():
        done.append(1)
        if len(done) == number:
            raise Stopped

    return advance


@pytest.mark.parametrize("stops", [[1], [11], [2, 12], [14]])
def test_a_stopped_study_goes_on_to_the_same_trials(search, stops):
    whole = search("whole")
    for number in stops:
        with pytest.raises(Stopped):
            search("stopped", advance=stop_after(number))
    resumed = search("stopped")
    pd.testing.assert_frame_equal(resumed.trials, whole.trials)
    assert (resumed.params, resumed.score) == (whole.params, whole.score)


def test_a_study_stopped_within_a_trial_goes_on_to_the_same_trials(search, monkeypatch):
    whole = search("whole")
    true, calls = tuning.fold_score, []

    def failing(*args):
        calls.append(1)
        if len(calls) == 35:  # the second fold of the twelfth trial
            raise Stopped
        return true(*args)

    monkeypatch.setattr(tuning, "fold_score", failing)
    with pytest.raises(Stopped):
        search("stopped")
    monkeypatch.undo()
    pd.testing.assert_frame_equal(search("stopped").trials, whole.trials)


def test_more_trials_go_on_from_those_that_were(search):
    few = search("j", trials=3)
    more = search("j", trials=5)
    pd.testing.assert_frame_equal(more.trials.head(3), few.trials)
    assert len(more.trials) == 5


def test_fewer_trials_are_those_that_few_would_have_been(search):
    few = search("few", trials=3)
    search("j", trials=5)
    fewer = search("j", trials=3)
    pd.testing.assert_frame_equal(fewer.trials, few.trials)
    assert (fewer.params, fewer.score) == (few.params, few.score)


@pytest.mark.parametrize(
    ("metric", "best"), [("log_loss", min), ("accuracy", max), ("f1_macro", max)]
)
def test_the_best_trial_is_chosen_and_its_score_is_real(search, choose, metric, best):
    found = search("j", metric=metric, trials=5)
    assert found.score == best(found.trials["score"])
    row = found.trials[found.trials["score"] == found.score].iloc[0]
    assert found.params == {"C": row["C"]}
    areas, y = search.problem
    again = cross_validate("plain", choose(params=found.params), areas, y, plain_folds(y, 3, 0))
    assert found.score == pytest.approx(again.folds[metric].mean())


@pytest.mark.parametrize("metric", ["log_loss", "accuracy", "f1_macro"])
def test_a_fold_is_scored_as_scikit_learn_does(metric):
    def expected(codes, p):
        labels = np.arange(p.shape[1])
        if metric == "log_loss":
            return log_loss(codes, p, labels=labels)
        if metric == "accuracy":
            return accuracy_score(codes, p.argmax(axis=1))
        return f1_score(codes, p.argmax(axis=1), average="macro")

    rng = np.random.default_rng(0)
    for _ in range(20):
        codes = rng.integers(rng.integers(1, 5), size=9)
        p = rng.dirichlet(np.full(4, 0.3), size=9)
        assert fold_score(metric, codes, p) == pytest.approx(expected(codes, p))
    certain = np.eye(4)[[0, 1, 1]]
    wrong = np.array([0, 1, 2])
    assert fold_score(metric, wrong, certain) == pytest.approx(expected(wrong, certain))


def test_the_seed_decides_the_trials(search):
    tables = [search(f"j{n}", seed=seed, trials=3).trials for n, seed in enumerate((0, 0, 1))]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not np.isin(tables[2]["C"], tables[0]["C"]).all()


def test_nothing_to_tune_is_one_trial(search):
    found = search("j", space={}, model="dummy", trials=50)
    assert found.params == {}
    assert found.trials.columns.tolist() == ["trial", "score", "score_se"]
    assert len(found.trials) == 1


def test_every_finished_trial_is_told_once(search):
    told = []
    search("j", trials=3, advance=lambda: told.append(1))
    assert len(told) == 3
    search("j", trials=5, advance=lambda: told.append(1))
    assert len(told) == 8


@pytest.mark.parametrize(
    "entry",
    [
        {"low": 1, "high": 2},
        {"type": "real", "low": 1, "high": 2},
        {"type": "float", "low": 2, "high": 1},
        {"type": "float", "low": 0, "high": 1, "log": True},
        {"type": "float", "low": 1},
        {"type": "int", "low": 1, "high": 2, "base": 10},
        {"type": "categorical"},
        {"type": "categorical", "choices": []},
        {"type": "float", "low": "a", "high": "b"},
        3,
    ],
)
def test_a_bad_search_space_is_refused_by_name(entry):
    with pytest.raises(ConfigError, match=r"search_space\.C"):
        distributions({"C": entry})


def test_a_name_that_is_no_hyperparameter_is_refused(search):
    with pytest.raises(ConfigError, match="D"):
        search("j", space={"D": SPACE["C"]})


def test_all_kinds_of_entries_are_drawn_within_their_limits():
    space = {
        "a": {"type": "int", "low": 2, "high": 4},
        "b": {"type": "categorical", "choices": ["x", "y"]},
        "c": {"type": "float", "low": 0.1, "high": 0.2},
    }
    draws = Draws(space, "accuracy")
    for seed in range(20):
        drawn = draws.draw([], seed)
        assert drawn["a"] in (2, 3, 4)
        assert drawn["b"] in ("x", "y")
        assert 0.1 <= drawn["c"] <= 0.2


def test_the_standard_error_is_that_of_the_folds(search, choose):
    found = search("j", trials=2)
    areas, y = search.problem
    pipeline = choose(params={"C": found.trials["C"][1]})
    again = cross_validate("plain", pipeline, areas, y, plain_folds(y, 3, 0))
    expected = again.folds["log_loss"].std(ddof=1) / np.sqrt(3)
    assert found.trials["score_se"][1] == pytest.approx(expected)


def test_unconverged_fits_are_counted_and_outlive_a_stop(search, choose):
    areas, y = search.problem
    pipeline = choose("model.estimator.max_iter=1")
    scorer = Scorer(pipeline, areas, y, [plain_folds(y, 3, 0)], "log_loss")
    score, stopped = scorer(0, 1, {"C": 100.0})
    assert np.isfinite(score)
    assert stopped == 1


def test_a_score_that_is_no_number_is_refused(search, choose, monkeypatch):
    monkeypatch.setattr(tuning, "fold_score", lambda *args: float("nan"))
    with pytest.raises(DataError, match=r"LogisticRegression with .* gives a log_loss of nan"):
        search("j", trials=1)


def test_the_folds_of_several_problems_are_kept_apart(search, choose):
    areas, y = search.problem
    problems = [plain_folds(y, 3, seed) for seed in (0, 1)]
    scorer = Scorer(choose(), areas, y, problems, "log_loss")
    mixed = [scorer(problem, 1, {"C": 1.0}) for problem in (0, 1, 0)]
    alone = Scorer(choose(), areas, y, problems[1:], "log_loss")(0, 1, {"C": 1.0})
    assert mixed[0] == mixed[2] != mixed[1] == alone


def test_inner_folds_hold_training_rows_alone_and_keep_groups_together(pellets):
    _, y, groups = pellets(signal=1, effect=0)
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(len(y))
    y, groups = y[shuffled], groups[shuffled]
    outer = plain_folds(y, 4, 0, n_repeats=2)
    inner = inner_folds(y, groups, outer, 3, 0)
    assert len(inner) == 8
    for (train, _), folds in zip(outer.splits, inner, strict=True):
        assert folds.scheme == "grouped"
        assert len(folds.splits) == 3
        assert folds.n_repeats == 1
        for a, b in folds.splits:
            assert set(a) | set(b) == set(train)
            assert not set(groups[a]) & set(groups[b])
            assert set(y[a]) == set(y)


def test_inner_folds_are_plain_where_groups_allow_none(pellets):
    _, y, groups = pellets(signal=1, effect=0, per_class=2)
    one_of_two = np.isin(groups, groups[::8])
    outer = Folds("grouped", [(np.flatnonzero(one_of_two), np.flatnonzero(~one_of_two))])
    assert inner_folds(y, groups, outer, 3, 0)[0].scheme == "plain"


def test_inner_folds_of_too_few_spectra_are_refused_with_the_fold():
    y = np.array(["a", "b"] * 2)
    outer = Folds("plain", [(np.arange(3), np.array([3]))])
    with pytest.raises(DataError, match=r"outer fold 1: .*nested=false"):
        inner_folds(y, None, outer, 3, 0)
