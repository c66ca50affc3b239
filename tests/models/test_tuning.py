"""Tuning: a stopped study ends as one that was never stopped."""

import numpy as np
import pandas as pd
import pytest

from ionprint.errors import ConfigError
from ionprint.models import tuning
from ionprint.models.evaluation import cross_validate, score
from ionprint.models.folds import plain_folds
from ionprint.models.tuning import fold_score, open_study, suggest, tune

SPACE = {"C": {"type": "float", "low": 1e-3, "high": 1e3, "log": True}}


@pytest.fixture
def search(choose, pellets, tmp_path):
    """Run a search in a journal of the given name."""
    areas, y, _ = pellets(signal=0.1, effect=0.1, classes=3, peaks=20)

    def run(
        journal, *, space=SPACE, trials=14, metric="log_loss", seed=0, model="logistic", **more
    ):
        study = open_study("s", metric, tmp_path / journal, None)
        return tune(
            choose(f"model={model}"),
            areas,
            y,
            plain_folds(y, 3, 0),
            space,
            trials=trials,
            metric=metric,
            seed=seed,
            study=study,
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


@pytest.mark.parametrize(
    ("metric", "best"), [("log_loss", min), ("accuracy", max), ("f1_macro", max)]
)
def test_the_best_trial_is_chosen_and_its_score_is_real(search, choose, metric, best):
    found = search("j", metric=metric, trials=5)
    assert found.score == best(found.trials["score"])
    row = found.trials[found.trials["score"] == found.score].iloc[0]
    assert found.params == {"C": row["C"]}
    areas, y = search.problem
    again = cross_validate(choose(params=found.params), areas, y, plain_folds(y, 3, 0))
    assert found.score == pytest.approx(again.folds[metric].mean())


@pytest.mark.parametrize("metric", ["log_loss", "accuracy", "f1_macro"])
def test_a_fold_is_scored_as_in_the_evaluation(metric):
    rng = np.random.default_rng(0)
    classes = np.array(["a", "b", "c", "d"])
    for _ in range(20):
        codes = rng.integers(rng.integers(1, 5), size=9)
        p = rng.dirichlet(np.full(4, 0.3), size=9)
        expected = score(classes[codes], p, classes)[metric]
        assert fold_score(metric, codes, p) == pytest.approx(expected)
    certain = np.eye(4)[[0, 1, 1]]
    wrong = np.array([0, 1, 2])
    expected = score(classes[wrong], certain, classes)[metric]
    assert fold_score(metric, wrong, certain) == pytest.approx(expected)


def test_the_seed_decides_the_trials(search):
    tables = [search(f"j{n}", seed=seed, trials=3).trials for n, seed in enumerate((0, 0, 1))]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not np.isin(tables[2]["C"], tables[0]["C"]).all()


def test_nothing_to_tune_is_one_trial(search):
    found = search("j", space={}, model="dummy", trials=50)
    assert found.params == {}
    assert found.trials.columns.tolist() == ["trial", "score"]
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
def test_a_bad_search_space_is_refused_by_name(tmp_path, entry):
    trial = open_study("s", "accuracy", tmp_path / "j", None).ask()
    with pytest.raises(ConfigError, match=r"search_space\.C"):
        suggest(trial, {"C": entry})


def test_a_name_that_is_no_hyperparameter_is_refused(search):
    with pytest.raises(ConfigError, match="D"):
        search("j", space={"D": SPACE["C"]})


def test_all_kinds_of_entries_are_drawn_within_their_limits(tmp_path):
    space = {
        "a": {"type": "int", "low": 2, "high": 4},
        "b": {"type": "categorical", "choices": ["x", "y"]},
        "c": {"type": "float", "low": 0.1, "high": 0.2},
    }
    study = open_study("s", "accuracy", tmp_path / "j", None)
    for _ in range(20):
        drawn = suggest(study.ask(), space)
        assert drawn["a"] in (2, 3, 4)
        assert drawn["b"] in ("x", "y")
        assert 0.1 <= drawn["c"] <= 0.2


def test_a_database_that_does_not_answer_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"tuning\.storage=.*cannot be opened"):
        open_study("s", "accuracy", tmp_path / "j", "sqlite:////no/such/folder/x.db")
