"""Sweeps as people launch them, killed and started again: nothing lost, nothing done twice."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, nullcontext
from pathlib import Path

import pandas as pd

from ionprint.cli import main
from ionprint.config import compose, groups
from ionprint.stages import sweep
from ionprint.stages.progress import silence

MODELS = ("logistic", "naive_bayes")
CHOICES = [f"model={','.join(MODELS)}", "tuning.trials=3"]
CHOICES += ["evaluation.permutations=5", "evaluation.rebuild_peaks=false", "ranking.resamples=5"]
NAMES = {f"model={model}" for model in MODELS}


def launched(*arguments):
    command = [sys.executable, "-m", "ionprint.cli", "sweep", *(arguments or CHOICES)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **quiet, text=True, start_new_session=True)


def swept(*arguments):
    """Sweep in a process of its own, as MLflow keeps one store a process."""
    process = launched(*arguments)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors


def children():
    """Name, status and parent of the runs in the store."""
    query = """SELECT name, status, t.value FROM runs
    LEFT JOIN tags t ON t.run_uuid = runs.run_uuid AND t.key = 'mlflow.parentRunId'
    WHERE lifecycle_stage = 'active'"""
    with closing(sqlite3.connect("mlruns/mlflow.db")) as store:
        return [row for row in store.execute(query) if row[2]]


def stages_done():
    found = {}
    for path in sorted((Path("outputs") / "sweep").glob("*/record.json")):
        found[path.parent.name] = len(json.loads(path.read_text())["stages"])
    return found


def written():
    """When the results of each run were written."""
    return {
        p: p.stat().st_mtime_ns
        for p in Path("outputs/sweep").glob("*/*/*")
        if p.name in ("best.yaml", "metrics.json", "ions.csv", "model.skops")
    }


def test_killed_and_started_again(with_results):
    process = launched()
    started = time.monotonic()
    # while the runs are being tuned, ranked and so on
    while process.poll() is None and time.monotonic() - started < 120:
        if sum(stages_done().values()) >= 3:
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = {path: at for path, at in written().items() if _recorded(path)}
    assert before
    swept()
    assert before.items() <= written().items()
    assert stages_done() == dict.fromkeys(NAMES, len(sweep.STAGES))
    logged = children()
    assert sorted(name for name, _, _ in logged) == sorted(NAMES)  # none twice
    assert {status for _, status, _ in logged} == {"FINISHED"}
    assert len({parent for _, _, parent in logged}) == 1
    board = pd.read_csv("outputs/sweep/leaderboard.csv")
    assert len(board) == 2
    assert board["accuracy"].is_monotonic_decreasing
    for kind in ("svg", "pdf", "png"):  # the heat map, here and with the sweep's run
        drawn = Path(f"outputs/sweep/heatmap.{kind}").read_bytes()
        (kept,) = Path("mlruns/artifacts").glob(f"*/{logged[0][2]}/artifacts/figures/*.{kind}")
        assert kept.read_bytes() == drawn

    at = written()
    swept(*CHOICES, "hydra/launcher=basic")  # all is there
    assert written() == at
    assert sorted(children()) == sorted(logged)


def _recorded(path):
    """Whether the stage that wrote the file is in the record of its run."""
    stages = {"tuning": "tune", "evaluation": "evaluate", "ranking": "rank", "model": "train"}
    record = path.parents[1] / "record.json"
    done = json.loads(record.read_text())["stages"] if record.exists() else []
    return stages[path.parent.name] in done


def test_where_all_is_silent_only_failed_runs_are_told(tmp_path, capsys):
    score = {"score": {"accuracy": 0.9, "log_loss": 0.1}}
    (tmp_path / "good" / "evaluation").mkdir(parents=True)
    (tmp_path / "good" / "evaluation" / "metrics.json").write_text(json.dumps(score))
    record = {"fingerprint": "mark", "stages": [], "logged": ["parent"]}
    (tmp_path / "good" / sweep.RECORD).write_text(json.dumps(record))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / sweep.ERROR).write_text("no")
    prints = {"good": "mark", "bad": ""}
    for all_told, context in ((True, nullcontext()), (False, silence())):
        with context, sweep.watching(tmp_path, prints):
            pass
        lines = capsys.readouterr().err.splitlines()
        assert "bad: failed" in lines
        assert ("good: accuracy 0.900, log loss 0.100" in lines) == all_told


def test_what_changes_results_changes_the_mark_of_a_run(with_results):
    root = Path.cwd()
    mark = sweep.fingerprint(compose([], root))
    for same in ("tracking.register=false", "tuning.workers=1", "tuning.storage=sqlite:///x.db"):
        assert sweep.fingerprint(compose([same], root)) == mark
    for other in ("scaling=sqrt", "seed=1", "tuning.trials=7", "evaluation.resamples=50"):
        assert sweep.fingerprint(compose([other], root)) != mark
    table = Path("outputs/peaks/peak_table.parquet")
    table.write_bytes(table.read_bytes() + b" ")
    assert sweep.fingerprint(compose([], root)) != mark


def test_the_preset_is_swept_where_nothing_else_is(with_results):
    Path("conf/sweep/two.yaml").write_text(
        "over: {model: [dummy, naive_bayes], scaling: [minmax, log]}\nsettings: [tuning.trials=1]\n"
    )
    root = Path.cwd()
    plan = dict(sweep.planned(["sweep=two", "scaling=sqrt"], root))
    assert plan["model"] == ["dummy", "naive_bayes"]
    assert (plan["scaling"], plan["tuning.trials"]) == (["sqrt"], ["1"])
    assert dict(sweep.planned(["sweep=two", "model=lda,knn"], root))["model"] == ["lda", "knn"]
    assert "scaling" not in dict(sweep.planned(["sweep=two", "model=lda,knn"], root))


def test_a_tracking_server_that_is_away_is_told_before_anything_runs(
    with_results, monkeypatch, capsys
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert main(["sweep", *CHOICES]) == 2
    assert "does not answer" in capsys.readouterr().err
    assert not Path("outputs/sweep").exists()


def test_every_sweep_of_conf_composes(with_results):
    root = Path.cwd()
    known = groups(root / "conf")
    for name in known["sweep"]:
        plan = sweep.planned([f"sweep={name}"], root)
        assert all(set(values) <= set(known[key]) for key, values in plan if key in known)
        assert compose([f"{key}={values[0]}" for key, values in plan], root)
