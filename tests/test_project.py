"""The whole project as people drive it: real DVC, real MLflow store, real processes."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
ENV = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
ENV.pop("MLFLOW_TRACKING_URI", None)


def run(root, *command, code=0):
    """Run a command in the project's folder and return what it printed."""
    done = subprocess.run(command, cwd=root, env=ENV, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture
def project(repeated):
    """The project after one `dvc repro`; what a test changes in it, it puts back."""
    return repeated


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def changed_stages(root):
    """Stages that DVC would rerun because of what they read themselves, not by way of others."""
    status = json.loads(run(root, "dvc", "status", "--json"))
    return set(status)


def runs(root, **tags):
    """Finished runs of the store, asked in a process of its own."""
    script = (
        "import json, mlflow; from ionprint.tracking.store import ready_store; ready_store();"
        "found = mlflow.search_runs(search_all_experiments=True, output_format='list');"
        "print(json.dumps([{'name': r.info.run_name, 'status': r.info.status, 'tags': r.data.tags,"
        "'metrics': r.data.metrics, 'params': r.data.params} for r in found]))"
    )
    return json.loads(run(root, sys.executable, "-c", script).strip().splitlines()[-1])


def count_runs(root):
    with contextlib.closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as store:
        return store.execute("select count(*) from runs").fetchone()[0]


def test_one_command_gives_every_output_and_a_registered_run(project):
    outputs = project / "outputs"
    expected = (
        "peaks/peak_table.parquet peaks/area_errors.parquet peaks/peaks.csv peaks/calibration.csv "
        "peaks/scales.csv peaks/sum_spectrum.json peaks/sum_spectrum.parquet tuning/trials.csv "
        "tuning/best.yaml evaluation/metrics.json evaluation/predictions.csv "
        "evaluation/confusion.csv ranking/ions.csv model/model.skops composition/spectra.csv "
        "composition/samples.csv figures/ions/ranking.svg figures/composition/samples.png "
        "figures/spectra/calibration.svg figures/spectra/overlap.svg figures/validation/tuning.pdf "
        "checks/checks.csv tuning/outer_trials.csv "
        "ranking/methods.csv ranking/published.csv ranking/summary.json "
        "peaks/sample_spectra.parquet composition/explained.parquet report/report.html"
    )
    for name in expected.split():
        assert (outputs / name).stat().st_size > 0, name
    logged = [r for r in runs(project) if "mlflow.parentRunId" not in r["tags"]]
    assert len(logged) == 1
    assert logged[0]["status"] == "FINISHED"
    assert logged[0]["tags"]["ionprint.source"] == "simulated"
    score = json.loads((outputs / "evaluation/metrics.json").read_text())["score"]
    assert logged[0]["metrics"]["score/accuracy"] == score["accuracy"]


def test_a_second_repro_does_nothing(project):
    before = {p: p.stat().st_mtime_ns for p in (project / "outputs").rglob("*")}
    assert "up to date" in run(project, "dvc", "repro")
    assert before == {p: p.stat().st_mtime_ns for p in (project / "outputs").rglob("*")}


def test_tracking_again_logs_nothing(project):
    number = count_runs(project)
    assert "already" in run(project, "ionprint", "track")
    assert count_runs(project) == number


@pytest.mark.parametrize(
    ("file", "old", "new", "stages"),
    [
        ("spectra/default.yaml", "min_counts: 100", "min_counts: 120", "peaks evaluate train"),
        ("tuning/default.yaml", "trials: 4", "trials: 5", "tune train"),
        ("scaling/minmax.yaml", "MinMaxScaler}", "MaxAbsScaler}", "tune evaluate rank check train"),
        (
            "ions/default.yaml",
            "scale_error_ppm: null",
            "scale_error_ppm: 5",
            "peaks evaluate train",
        ),
        ("tracking/default.yaml", "register: true", "register: false", "track"),
        ("config.yaml", "scaling: minmax", "scaling: standard", "tune evaluate rank check train"),
        ("config.yaml", "seed: 0", "seed: 1", "tune evaluate rank check train composition"),
        ("composition/default.yaml", "truncation: 1.0", "truncation: 2.0", "train composition"),
        ("figures/default.yaml", "profile_ions: 4", "profile_ions: 3", "figures report"),
        ("figures/default.yaml", "circle_ions: 5", "circle_ions: 4", "figures"),
        ("model/svm_linear.yaml", "C: 1.0", "C: 2.0", ""),
        ("simulation/lithium.yaml", "pellets: 3", "pellets: 4", ""),
    ],
)
def test_a_changed_value_in_conf_reruns_what_reads_it(project, file, old, new, stages):
    path = project / "conf" / file
    text = path.read_text()
    try:
        replace(path, old, new)
        assert changed_stages(project) == set(stages.split())
    finally:
        path.write_text(text)


def test_metrics_and_plots_are_dvcs(project):
    assert "score.accuracy" in run(project, "dvc", "metrics", "show", "--md")
    made = run(project, "dvc", "plots", "show", "--out", "plots")
    assert "index.html" in made


def test_a_sweep_tells_what_failed_and_keeps_the_rest(project):
    values = "model.estimator.strategy=prior,foresight"
    said = run(project, "ionprint", "sweep", "model=dummy", values, code=2)
    assert "1 of 2 runs failed" in said
    assert "model.estimator.strategy=foresight: the model cannot be fitted" in said
    assert len(pd.read_csv(project / "outputs/sweep/leaderboard.csv")) == 1
    (child,) = [r for r in runs(project) if "mlflow.parentRunId" in r["tags"]]
    assert "score/accuracy" in child["metrics"]
    assert child["params"]["model"] == child["tags"]["model"] == "dummy"
    assert "up to date" in run(project, "dvc", "status")


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("model=logistic,svm_liner", "svm_linear"),
        ("dataset=lithium,folder", "cannot be swept"),
        ("sweep=scalings,models", "cannot be swept"),
        ("sweep=scaling", "scalings"),
        ("hydra/launcher=joblb", "joblib"),
    ],
)
def test_a_wrong_sweep_stops_before_anything_runs(project, choice, said):
    number = count_runs(project)
    choices = [choice] if "launcher" not in choice else [choice, "model=logistic,dummy"]
    assert said in run(project, "ionprint", "sweep", *choices, code=2)
    assert count_runs(project) == number


def test_a_fresh_clone_pulls_its_data_from_any_folder(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing to clone")
    clone = tmp_path / "some where" / "clone"
    run(tmp_path, "git", "clone", "--quiet", str(ROOT), str(clone))
    run(clone, "dvc", "pull")
    sheet = pd.read_csv(clone / "data/samples.csv")
    assert len(sheet) == 120
    assert all((clone / "data" / file).is_file() for file in sheet["file"])
    assert run(clone, "git", "status", "--porcelain") == ""
