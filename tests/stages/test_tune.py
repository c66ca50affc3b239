"""The tune stage: a killed run goes on to the same result."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ionprint.cli import main


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_tuning_goes_on_to_the_same_trials(with_results, tmp_path, capsys):
    choices = ["tuning.trials=30", f"peaks={with_results}/outputs/peaks"]
    command = [sys.executable, "-m", "ionprint.cli", "tune", *choices, "outputs=killed"]
    process = subprocess.Popen(command, start_new_session=True)
    studies = Path("killed") / ".studies"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        journals = list(studies.glob("*.journal"))
        if journals and journals[0].read_bytes().count(b"\n") > 20:
            break
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(studies.glob("*.journal"))
    assert not Path("killed/tuning").exists()

    assert main(["tune", *choices, "outputs=killed"]) == 0
    assert main(["tune", *choices, "outputs=whole"]) == 0
    for name in ("trials.csv", "best.yaml"):
        assert Path("killed/tuning", name).read_bytes() == Path("whole/tuning", name).read_bytes()
    assert not studies.exists()


def test_trials_and_the_best_of_them_are_written(with_results):
    trials = pd.read_csv("outputs/tuning/trials.csv")
    best = yaml.safe_load(Path("outputs/tuning/best.yaml").read_text())
    assert trials.columns.tolist() == ["trial", "score", "C"]
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


def test_a_finished_study_leaves_the_journals_of_others(with_results):
    other = Path("outputs/.studies/another.journal")
    other.parent.mkdir(exist_ok=True)
    other.write_text("kept")
    assert main(["tune", "tuning.trials=2"]) == 0
    assert [p.name for p in other.parent.iterdir()] == ["another.journal"]
