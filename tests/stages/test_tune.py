"""The tune stage: a killed run goes on to the same result."""

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ionprint.cli import main
from ionprint.models import workers as workers_module
from ionprint.stages import tune


def test_a_killed_tuning_goes_on_to_the_same_results(with_results, contents):
    choices = ["tuning.trials=15", f"peaks={with_results}/outputs/peaks"]
    command = [sys.executable, "-m", "ionprint.cli", "tune", *choices, "outputs=killed"]
    studies = Path("killed") / ".studies"
    # in the study of all references, at a change of studies, within those of the outer folds
    for moment in (3, 15, 40):
        process = subprocess.Popen(command, start_new_session=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if sum(f.read_bytes().count(b"\n") for f in studies.glob("*.journal")) >= moment:
                break
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert list(studies.glob("*.journal"))
        assert not Path("killed/tuning").exists()

    assert main(["tune", *choices, "outputs=killed"]) == 0
    assert main(["tune", *choices, "outputs=whole"]) == 0
    assert contents("killed/tuning") == contents("whole/tuning")
    assert not studies.exists()


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_gives_the_same_results(with_results, contents, monkeypatch, workers):
    monkeypatch.setattr(workers_module, "cores", lambda: workers)
    monkeypatch.setattr(tune, "WORTHWHILE", {True: 0.0, False: 0.0})
    choices = ["tune", "tuning.trials=3", f"peaks={with_results}/outputs/peaks"]
    assert main([*choices, "outputs=one", "tuning.workers=1"]) == 0
    assert main([*choices, "outputs=many"]) == 0
    assert contents("many/tuning") == contents("one/tuning")
    assert not multiprocessing.active_children()


def test_a_second_process_waits_and_finds_the_tuning_done(with_results):
    command = [sys.executable, "-m", "ionprint.cli", "tune", "tuning.trials=20", "outputs=same"]
    command.append(f"peaks={with_results}/outputs/peaks")
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = "".join(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    if "waiting for it" in told:  # they met
        assert "its results stand" in told
    assert not Path("same/.studies").exists()


def outer(folder="outputs"):
    return yaml.safe_load(Path(folder, "tuning/best.yaml").read_text())["outer"]


def test_each_outer_fold_is_tuned_on_its_training_spectra(with_results):
    from ionprint.config import compose
    from ionprint.stages.problem import load_problem

    choices = ["tuning.trials=5", f"peaks={with_results}/outputs/peaks"]
    assert main(["tune", *choices, "outputs=clean"]) == 0
    _, test = load_problem(compose([])).folds.splits[1]

    def poisoned(cfg):
        problem = load_problem(cfg)
        areas = problem.inputs.copy()
        areas[test] = np.random.default_rng(0).permuted(areas[test], axis=1)
        return dataclasses.replace(problem, inputs=areas)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tune, "load_problem", poisoned)
        assert main(["tune", *choices, "outputs=poisoned"]) == 0
    clean, other = outer("clean"), outer("poisoned")
    assert [fold["fold"] for fold in clean] == list(range(1, len(clean) + 1))
    assert all(list(fold) == ["fold", "folds", "score", "params"] for fold in clean)
    assert other[1] == clean[1]
    assert all(other[i]["score"] != clean[i]["score"] for i in range(len(clean)) if i != 1)
    trials = pd.read_csv("clean/tuning/outer_trials.csv")
    assert trials.columns.tolist() == ["fold", "trial", "score", "score_se", "C"]
    for fold, rows in trials.groupby("fold"):
        assert rows["trial"].tolist() == list(range(5))
        best = rows.loc[rows["score"].idxmin()]
        assert clean[fold - 1]["score"] == pytest.approx(best["score"])
        assert clean[fold - 1]["params"]["C"] == pytest.approx(best["C"])


def test_without_nesting_there_are_no_outer_folds(with_results, contents):
    choices = ["tuning.trials=3", f"peaks={with_results}/outputs/peaks"]
    assert main(["tune", *choices, "cross_validation.nested=false", "outputs=flat"]) == 0
    assert sorted(contents("flat/tuning")) == ["best.yaml", "trials.csv"]
    assert outer("flat") == []
    assert main(["tune", *choices, "outputs=nested"]) == 0
    assert contents("flat/tuning")["trials.csv"] == contents("nested/tuning")["trials.csv"]


def test_unconverged_fits_are_counted_over_all_studies(with_results, capsys):
    assert main(["tune", "tuning.trials=2", "model.estimator.max_iter=1"]) == 0
    best = yaml.safe_load(Path("outputs/tuning/best.yaml").read_text())
    n_folds = len(best["outer"])
    assert best["stopped"] >= 2 * 2 * n_folds
    assert f"{best['stopped']} fits stopped" in capsys.readouterr().out


def test_trials_and_the_best_of_them_are_written(with_results):
    trials = pd.read_csv("outputs/tuning/trials.csv")
    best = yaml.safe_load(Path("outputs/tuning/best.yaml").read_text())
    assert trials.columns.tolist() == ["trial", "score", "score_se", "C"]
    assert trials["trial"].tolist() == [0, 1, 2, 3]
    assert best["score"] == pytest.approx(trials["score"].min())
    assert best["params"]["C"] in trials["C"].tolist()
    named = {k: best[k] for k in ("normalisation", "scaling", "model", "folds", "metric", "trials")}
    assert named == {
        "normalisation": "total_counts",
        "scaling": "minmax",
        "model": "logistic",
        "folds": "grouped",
        "metric": "log_loss",
        "trials": 4,
    }


def test_nothing_to_tune_is_one_trial(with_results):
    assert main(["tune", "model=dummy"]) == 0
    assert len(pd.read_csv("outputs/tuning/trials.csv")) == 1
    assert yaml.safe_load(Path("outputs/tuning/best.yaml").read_text())["params"] == {}
    assert all(fold["params"] == {} and fold["score"] is None for fold in outer())
    assert pd.read_csv("outputs/tuning/outer_trials.csv").empty


def test_a_finished_study_leaves_the_journals_of_others(with_results):
    other = Path("outputs/.studies/another.journal")
    other.parent.mkdir(exist_ok=True)
    other.write_text("kept")
    assert main(["tune", "tuning.trials=2"]) == 0
    assert [p.name for p in other.parent.iterdir()] == ["another.journal"]
