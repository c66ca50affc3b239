"""One run from the result files: whole, once, and later when the server was away."""

import json
import re
import shutil
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image
from toy_project import COMPOUNDS, write_results

from ionprint.errors import DataError, MissingInputError, ModelFileError, TrackingError
from ionprint.files import read_table
from ionprint.models.sealing import seal
from ionprint.processes import this_host
from ionprint.stages import track
from ionprint.tracking.run import finish_parent, log_run, start_parent


def runs_of(cfg):
    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(cfg.tracking.experiment)
    return client.search_runs([experiment.experiment_id])


def artifact(run, name):
    return Path(run.info.artifact_uri) / name


def test_a_run_holds_the_results(results):
    logged = log_run(results, name="first")
    (run,) = runs_of(results)
    assert (logged.run_id, logged.name, logged.already) == (run.info.run_id, "first", False)
    assert run.info.status == "FINISHED"
    assert run.data.params["model"] == "logistic"
    assert run.data.params["best.C"] == "0.5"
    assert run.data.params["seed"] == "0"
    assert run.data.metrics["grouped/accuracy"] == 0.95
    assert run.data.metrics["rebuilt_peaks/difference/accuracy"] == 0.1
    choices = {k: run.data.tags[k] for k in ("normalisation", "scaling", "model")}
    assert choices == {"normalisation": "total_counts", "scaling": "minmax", "model": "logistic"}
    assert run.data.tags["ionprint.meaning"] == "nothing, it is a toy"
    assert run.data.tags["ionprint.data"] == "a" * 64
    assert run.data.tags["ionprint.source"] == "simulated"
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("toy", "a" * 36)
    for name in ("config.yaml", "figures/ranking.png", "results/evaluation/folds.csv"):
        assert artifact(run, name).is_file()


def test_folds_and_trials_are_series(results):
    import mlflow

    logged = log_run(results)
    client = mlflow.MlflowClient()
    folds = client.get_metric_history(logged.run_id, "fold/grouped/accuracy")
    assert [m.step for m in folds] == [0, 1, 2, 3, 4]
    trials = pd.read_csv(Path(results.outputs) / "tuning/trials.csv")
    best = client.get_metric_history(logged.run_id, "tuning/best_score")
    assert [m.value for m in best] == trials["score"].cummin().tolist()


def test_the_ranking_table_has_a_row_for_each_compound_and_rank(results):
    log_run(results)
    (run,) = runs_of(results)
    table = json.loads(artifact(run, "ranking/top_ions.json").read_text())
    assert table["columns"][:4] == ["rank", "named", "mz", "ion"]
    row = dict(zip(table["columns"], table["data"][0], strict=True))
    assert row["named"] == f"{row['ion']} {row['mz']:.4f}".strip()
    first = [row[0] for row in table["data"]]
    assert first == [f"{c} {r:02d}" for c in COMPOUNDS for r in range(1, 16)]


def test_the_description_begins_with_the_finding(results):
    log_run(results)
    (run,) = runs_of(results)
    note = run.data.tags["mlflow.note.content"].splitlines()
    assert note[0] == "**anode 1: Li2CO3 0.70, LiF 0.25.** Simulated data."
    row = "0.950 [0.930, 0.960] | 0.940 [0.920, 0.950] | 0.200 [0.180, 0.210]"
    assert any(line.startswith(f"| **grouped** (quoted) | {row}") for line in note)
    assert any("The quoted score means: nothing, it is a toy." in line for line in note)
    assert any(line.endswith("No check failed.") for line in note)
    assert any(line.startswith("| LiF | LiO1 (15.0955), 24.1760,") for line in note)


def test_the_description_shows_two_small_pictures_of_the_run(results):
    folder = Path(results.outputs) / "figures"
    for name in ("ions/ranking", "validation/scores", "composition/composition"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3000, 1500)).save(folder / f"{name}.png")
    log_run(results)
    (run,) = runs_of(results)
    note = run.data.tags["mlflow.note.content"]
    shown = re.findall(r"!\[\w+\]\(get-artifact\?path=(\S+)&run_uuid=(\w+)\)", note)
    run_id = run.info.run_id
    assert shown == [(f"description/{n}.png", run_id) for n in ("composition", "ranking")]
    for name, _ in shown:
        with Image.open(artifact(run, name)) as picture:
            assert picture.width <= 800


def test_the_samples_table_tells_first_what_each_holds(results):
    path = Path(results.outputs) / "composition/samples.csv"
    table = read_table(path)
    for n in (c.removeprefix("p_") for c in table if c.startswith("p_")):
        columns = {f"present_{n}": 1.0, f"proof_{n}": "strong", f"fraction_{n}": table[f"p_{n}"]}
        table = table.assign(**columns, **{f"fraction_{n}_low": 0.0, f"fraction_{n}_high": 1.0})
    table.assign(outside=1.0, unexplained="18.998 F-").to_csv(path, index=False)
    log_run(results)
    (run,) = runs_of(results)
    told = json.loads(artifact(run, "composition/samples.json").read_text())
    assert told["columns"][:2] == ["sample", "holds"]
    holds = {row[0]: row[1] for row in told["data"]}
    assert holds["anode 1"].startswith("Li2CO3 0.70 [0.00, 1.00]; LiF 0.25")
    assert holds["anode 1"].endswith("OUTSIDE: 18.998 F-")


def test_results_without_ranking_mixtures_and_groups_are_logged(results):
    outputs = Path(results.outputs)
    (outputs / "ranking/ions.csv").unlink()
    (outputs / "composition/samples.csv").unlink()
    metrics = json.loads((outputs / "evaluation/metrics.json").read_text())
    metrics["grouped"] = metrics["gap"] = metrics["permutation"] = None
    (outputs / "evaluation/metrics.json").write_text(json.dumps(metrics))
    log_run(results)
    (run,) = runs_of(results)
    assert "grouped/accuracy" not in run.data.metrics
    assert "| grouped | not possible | | | |" in run.data.tags["mlflow.note.content"]


def test_the_same_results_are_logged_once(results):
    first = log_run(results)
    again = log_run(results)
    assert (again.run_id, again.already) == (first.run_id, True)
    assert again.registered.version == first.registered.version == 1
    assert len(runs_of(results)) == 1

    ranking = Path(results.outputs) / "ranking/ions.csv"
    ranking.write_text(ranking.read_text() + "LiF,21,99.0,,,0.0,0.0\n")
    assert not log_run(results).already
    assert len(runs_of(results)) == 2


def test_a_run_that_a_kill_left_unfinished_does_not_count(results):
    import mlflow

    first = log_run(results)
    client = mlflow.MlflowClient()
    client.update_run(first.run_id, status="RUNNING")
    client.set_tag(first.run_id, "ionprint.worker", f"{this_host()}:4194303-1")
    second = log_run(results)
    assert not second.already
    assert [r.info.run_id for r in runs_of(results)] == [second.run_id]
    served = mlflow.MlflowClient().get_model_version(results.tracking.model_name, "1")
    assert served.tags["ionprint.results"] == second.results


def test_a_run_that_another_process_is_logging_is_waited_for(results):
    import mlflow

    first = log_run(results)
    client = mlflow.MlflowClient()
    client.update_run(first.run_id, status="RUNNING")  # by this process, which lives

    def end():
        time.sleep(1)
        client.update_run(first.run_id, status="FINISHED")

    thread = threading.Thread(target=end)
    thread.start()
    again = log_run(results)
    thread.join()
    assert (again.run_id, again.already) == (first.run_id, True)
    assert len(runs_of(results)) == 1


@pytest.mark.parametrize("folder", ["evaluation", "model"])
def test_results_of_two_models_are_not_logged_as_one(root, results, folder):
    name = {"evaluation": "metrics.json", "model": "model.yaml"}[folder]
    path = Path(results.outputs) / folder / name
    path.write_text(path.read_text().replace("logistic", "svm_linear"))
    if folder == "model":
        seal(path.parent)
    with pytest.raises(DataError, match=f"{folder}/ was made with model=svm_linear"):
        log_run(results)
    import mlflow

    assert mlflow.MlflowClient().get_experiment_by_name(results.tracking.experiment) is None


def test_a_sweep_is_a_run_with_runs_in_it(root, results):
    import mlflow

    parent = start_parent(results, "sweep", "all of them", "one")
    assert start_parent(results, "sweep", "all of them", "one") == parent  # gone on with
    assert start_parent(results, "sweep", "all of them", "two") != parent
    child = log_run(results, parent_run_id=parent, register=False)
    assert child.registered is None
    finish_parent(
        parent, pd.DataFrame({"model": ["logistic"], "score": [0.9]}), {"best": 0.9}, "simulated"
    )
    alone = log_run(results)
    assert not alone.already
    client = mlflow.MlflowClient()
    assert client.get_run(child.run_id).data.tags["mlflow.parentRunId"] == parent
    assert client.get_run(parent).info.status == "FINISHED"
    assert artifact(client.get_run(parent), "leaderboard.csv").is_file()


def test_what_was_logged_can_be_registered_later(results):
    first = log_run(results, register=False)
    later = log_run(results)
    assert (first.registered, later.already, later.registered.version) == (None, True, 1)


def test_a_folder_that_cannot_be_written_is_a_tracking_error(results, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/file/mlflow.db")
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match="cannot be used"):
        log_run(results)


def test_a_store_that_is_in_use_is_not_to_be_moved_away(root, results):
    import sqlite3

    log_run(results, register=False)
    (Path(results.outputs) / "checks/checks.csv").write_text("name,result,finding,accepted\n")
    other = sqlite3.connect(root / "mlruns/mlflow.db")
    try:
        other.execute("begin exclusive")
        with pytest.raises(TrackingError, match="in use by another process.*try again") as told:
            log_run(results, register=False)
        assert "move" not in str(told.value)
    finally:
        other.rollback()
        other.close()
    log_run(results, register=False)


def test_a_driver_that_is_missing_is_named(results, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mysql://anna:secret@127.0.0.1/runs")
    with pytest.raises(TrackingError, match="pip install mysqlclient") as told:
        log_run(results)
    assert "secret" not in str(told.value)


HOSTILE = "a_*b*<img src=x onerror=alert(1)> [x](javascript:alert(1)) | `c`\n# d"


def test_names_are_no_markup_in_descriptions(results):
    import mlflow

    path = Path(results.outputs) / "composition/samples.csv"
    table = read_table(path)
    table["sample"] = HOSTILE
    table.to_csv(path, index=False)
    logged = log_run(results, register=False)
    run = mlflow.MlflowClient().get_run(logged.run_id)
    note = run.data.tags["mlflow.note.content"]
    assert "onerror" in note and "<img" not in note.replace("\\<", "")
    assert "](javascript" not in note and "\n# d" not in note
    rows = [line for line in note.splitlines() if "onerror" in line and line.startswith("| ")]
    assert rows and all(line.replace("\\|", "").count("|") == rows[0].replace("\\|", "").count("|")
                        for line in rows)  # fmt: skip


def test_a_project_in_a_folder_of_any_name(fresh_store, tmp_path, monkeypatch):
    """`?`, `%` and `#` mean something in an address: a database was made outside the project."""
    import ionprint

    root = tmp_path / "a?b%41 c#d"
    (root / "conf").mkdir(parents=True)
    (root / "conf/config.yaml").touch()
    (root / "dvc.yaml").touch()
    shutil.copytree(fresh_store, root / "mlruns")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(root)
    with pytest.raises(ModelFileError, match="Registered are: none"):
        ionprint.load("models:/nobody@champion")
    assert [path.name for path in tmp_path.iterdir()] == [root.name]
    assert {path.name for path in root.iterdir()} == {"conf", "dvc.yaml", "mlruns"}


def test_a_missing_file_names_the_stage_that_writes_it(results):
    (Path(results.outputs) / "evaluation/metrics.json").unlink()
    with pytest.raises(MissingInputError, match=r"metrics.json.*ionprint evaluate"):
        log_run(results)


def test_a_server_that_is_away_costs_seconds_and_no_results(root, monkeypatch):
    cfg = write_results(root, "server_away")
    before = {p: p.read_bytes() for p in Path("server_away").rglob("*") if p.is_file()}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(TrackingError, match=r"127.0.0.1:9 does not answer: results stay in serv"):
        track.run(cfg)
    assert time.monotonic() - start < 10
    assert {p: p.read_bytes() for p in Path("server_away").rglob("*") if p.is_file()} == before

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlruns/mlflow.db")
    track.run(cfg)
    track.run(cfg)
    assert len(runs_of(cfg)) == 1


def test_the_stage_writes_the_same_bytes_and_says_where_to_look(results, capsys):
    track.run(results)
    file = Path(results.outputs) / "tracking/tracked.yaml"
    first = file.read_bytes()
    out = capsys.readouterr()
    assert out.err == ""
    assert "version 1 is champion" in out.out
    assert "make ui" in out.out
    track.run(results)
    assert file.read_bytes() == first
    assert set(yaml.safe_load(first)) == {"results", "experiment", "model"}
    assert "already logged" in capsys.readouterr().out
