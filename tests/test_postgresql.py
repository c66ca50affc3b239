"""A study shared through a real PostgreSQL server by processes that start together and die."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ionprint.cli import main

TRIALS = 12


def program(name):
    """Return a program of the server, on PATH or where Debian puts it."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


@pytest.fixture(scope="module")
def server():
    """Start a server on a free port and give the URL of its databases, up to their name."""
    if not program("initdb") or not program("pg_ctl"):
        pytest.skip("needs PostgreSQL's initdb and pg_ctl")
    as_user = []
    if os.geteuid() == 0:  # the server refuses to run as root
        if not shutil.which("runuser"):
            pytest.skip("needs runuser, as PostgreSQL does not run as root")
        as_user = ["runuser", "-u", "postgres", "--"]
    folder = Path(tempfile.mkdtemp(prefix="ionprint-pg-"))  # pytest's own are closed to other users
    if as_user:
        shutil.chown(folder, "postgres")

    def run(*command):
        subprocess.run(
            [*as_user, *command], check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=60
        )

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-F -h 127.0.0.1 -p {port} -c unix_socket_directories=''"
    data = ["-D", f"{folder}/data"]
    try:
        run(program("initdb"), *data, "-U", "ionprint", "-A", "trust", "-N", "-E", "UTF8")
        run(program("pg_ctl"), *data, "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://ionprint:secret@127.0.0.1:{port}"
        finally:
            run(program("pg_ctl"), *data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def url(server, request):
    """Make a new database."""
    import psycopg

    name = request.node.name
    with psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    return f"{server}/{name}"


def worker(url, folder, name):
    """Start `ionprint tune` on the study."""
    command = [sys.executable, "-m", "ionprint.cli", "tune", f"tuning.storage={url}"]
    command += [f"tuning.trials={TRIALS}", f"outputs={name}", f"peaks={folder}/outputs/peaks"]
    return subprocess.Popen(
        [*command, "tuning.workers=1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def states(url):
    """Return study, state and worker of all trials; nothing before the tables are there."""
    import psycopg

    query = """SELECT study_name, state, a.value_json FROM trials
    JOIN studies USING (study_id)
    LEFT JOIN trial_user_attributes a ON a.trial_id = trials.trial_id AND a.key = 'worker'"""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        try:
            return connection.execute(query).fetchall()
        except psycopg.errors.UndefinedTable:
            return []


def ended(*processes):
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors


def same_and_whole(url, *names):
    """Check that all workers have the same results, of all trials and each once."""
    complete = [study for study, state, _ in states(url) if state == "COMPLETE"]
    studies = set(complete)
    assert [complete.count(study) for study in studies] == [TRIALS] * len(studies)
    assert not any(state == "RUNNING" for _, state, _ in states(url))
    first = Path(names[0], "tuning")
    n_folds = len(yaml.safe_load((first / "best.yaml").read_text())["outer"])
    assert len(studies) == 1 + n_folds
    for name in names[1:]:
        for file in first.iterdir():
            assert file.read_bytes() == Path(name, "tuning", file.name).read_bytes()
    trials = pd.read_csv(first / "trials.csv")
    assert trials["trial"].tolist() == list(range(TRIALS))
    assert trials["C"].nunique() == TRIALS
    outer = pd.read_csv(first / "outer_trials.csv")
    assert (outer.groupby("fold")["C"].nunique() == TRIALS).all()


def test_two_workers_at_once_share_the_trials(url, with_results):
    processes = [worker(url, with_results, name) for name in "ab"]
    ended(*processes)
    same_and_whole(url, "a", "b")
    assert len({who for _, _, who in states(url)}) == 2  # both did some


def test_another_worker_does_the_trials_of_a_killed_one(url, with_results):
    processes = [worker(url, with_results, name) for name in "ab"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        under_way = [who or "" for _, state, who in states(url) if state == "RUNNING"]
        if len(states(url)) > 5 and any(f":{processes[0].pid}-" in who for who in under_way):
            break
    os.kill(processes[0].pid, signal.SIGKILL)
    processes[0].communicate()
    assert processes[0].returncode == -signal.SIGKILL
    ended(processes[1])
    assert main(["tune", f"tuning.storage={url}", f"tuning.trials={TRIALS}", "outputs=c",
                 f"peaks={with_results}/outputs/peaks"]) == 0  # fmt: skip
    same_and_whole(url, "b", "c")


def test_a_server_that_is_away_is_told_at_once(with_results, capsys):
    with socket.socket() as mute:  # takes connections and says nothing
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        before = Path("outputs/tuning/best.yaml").stat().st_mtime_ns
        start = time.monotonic()
        url = f"postgresql://ionprint:secret@127.0.0.1:{port}/x"
        assert main(["tune", f"tuning.storage={url}"]) == 2
    assert time.monotonic() - start < 20
    told = capsys.readouterr().err
    assert "cannot be opened" in told
    assert f"127.0.0.1:{port}" in told
    assert "secret" not in told
    assert Path("outputs/tuning/best.yaml").stat().st_mtime_ns == before


@pytest.fixture
def dask_workers(tmp_path):
    """Start a scheduler and two workers, each a process of its own in a folder of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    commands = [["scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]]
    commands += [["worker", address, "--nthreads", "1", "--no-dashboard"]] * 2
    started = []
    for number, words in enumerate(commands):
        place = tmp_path / f"machine{number}"
        place.mkdir()
        with (place / "log").open("w") as log:
            command = [sys.executable, "-m", "dask", *words]
            started.append(subprocess.Popen(command, cwd=place, stdout=log, stderr=log))
    try:
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:  # a busy worker may not hear
                process.kill()
                process.wait()


@pytest.fixture
def mlflow_server(tmp_path):
    """Start a tracking server and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port]
    command += ["--backend-store-uri", "sqlite:///runs.db", "--artifacts-destination", "kept"]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    place = tmp_path / "server"
    place.mkdir()
    with (place / "log").open("w") as log:
        process = subprocess.Popen(
            [*map(str, command), "-w", "1"], cwd=place, env=env, stdout=log, stderr=log
        )
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5):
                    break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def test_a_sweep_runs_on_two_machines(
    url, with_results, dask_workers, mlflow_server, monkeypatch, capsys
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    quick = ("tuning.trials=2", "evaluation.permutations=2", "ranking.resamples=2")
    assert main(
        ["sweep", "model=logistic,lda", *quick, "cross_validation.nested=false",
         "ranking.methods=false", "evaluation.rebuild_peaks=false", f"tuning.storage={url}",
         f"dask.address={dask_workers}"]
    ) == 0, capsys.readouterr().err  # fmt: skip
    board = pd.read_csv("outputs/sweep/leaderboard.csv")
    assert sorted(board["model"]) == ["lda", "logistic"]
    complete = [study for study, state, _ in states(url) if state == "COMPLETE"]
    assert sorted(map(complete.count, set(complete))) == [2, 2]
    assert len({who.partition("-")[0] for _, _, who in states(url)}) == 2  # both did one
    from mlflow import MlflowClient

    client = MlflowClient(mlflow_server)
    places = [one.experiment_id for one in client.search_experiments()]
    names = {run.info.run_name for run in client.search_runs(places)}
    assert {"model=lda", "model=logistic"} <= names


def test_a_sweep_keeps_no_password(url, with_results, contents):
    assert main(["tune", f"tuning.storage={url}", "tuning.trials=1"]) == 0
    assert "tuning.storage=" in Path("logs/ionprint.log").read_text()
    quick = ("tuning.trials=2", "evaluation.permutations=2", "ranking.resamples=2")
    words = ["sweep", "model=dummy,lda", *quick, "cross_validation.nested=false"]
    words += ["ranking.methods=false", "evaluation.rebuild_peaks=false", f"tuning.storage={url}"]
    # in a process of its own, as MLflow keeps the store of another project that it once opened
    env = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_TRACKING")}
    command = [sys.executable, "-m", "ionprint.cli", *words]
    subprocess.run(command, check=True, timeout=300, env=env)
    held = {**contents(with_results / "outputs"), **contents("logs"), **contents("mlruns")}
    assert any("multirun" in name for name in held)
    assert [name for name, data in held.items() if b":secret@" in data] == []
