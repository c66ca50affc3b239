"""The store is made once and whole, whoever comes first, and says when it cannot be used."""

import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from toy_project import environment, python

from ionprint.errors import TrackingError
from ionprint.tracking.store import ready_store, tracking_uri

MAKE = "from ionprint.tracking.store import ready_store; ready_store('toy')"
EIGHT = """
import os
import mlflow.store.tracking.sqlalchemy_store
from ionprint.tracking.store import ready_store
def work(number):
    experiment = ready_store(f"toy {number % 2}")
    mlflow.MlflowClient().create_run(experiment, run_name=str(number))
children = []
for number in range(8):
    child = os.fork()
    if child == 0:
        try:
            work(number)
        except BaseException as error:
            print(number, repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
assert [os.waitpid(c, 0)[1] for c in children] == [0] * 8
"""


def test_eight_processes_meet_a_store_whose_first_maker_was_killed(tmp_path):
    maker = subprocess.Popen([sys.executable, "-c", MAKE], cwd=tmp_path, env=environment())
    while not list(tmp_path.glob("mlruns/.new-*.db")):
        assert maker.poll() is None
        time.sleep(0.01)
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    assert not (tmp_path / "mlruns/mlflow.db").exists()

    assert python(EIGHT, tmp_path) == ""
    database = sqlite3.connect(tmp_path / "mlruns/mlflow.db")
    names = database.execute("select name, artifact_location from experiments").fetchall()
    assert sorted(n for n, _ in names) == ["Default", "toy 0", "toy 1"]
    assert all(place.startswith("mlruns/artifacts/") for _, place in names)
    assert database.execute("select count(*) from runs").fetchone() == (8,)
    database.close()
    assert not list(tmp_path.glob("mlruns/.new-*"))
    assert [p.name for p in tmp_path.iterdir()] == ["mlruns"]


def test_the_address_is_the_project_s_own_or_the_one_that_is_set(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri() == "sqlite:///mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert tracking_uri() == "http://elsewhere"


def test_the_same_experiment_has_one_id(root):
    assert ready_store("one experiment") == ready_store("one experiment")


def test_a_deleted_experiment_is_named(root):
    import mlflow

    deleted = ready_store("soon deleted")
    mlflow.MlflowClient().delete_experiment(deleted)
    with pytest.raises(TrackingError, match=r"soon deleted.*restore"):
        ready_store("soon deleted")


@pytest.mark.parametrize("content", [b"no database" * 100, None])
def test_a_file_that_is_no_store_is_left_as_it_is(root, tmp_path, monkeypatch, content):
    file = tmp_path / "other.db"
    if content is None:
        database = sqlite3.connect(file)
        database.execute("create table mine (a)")
        database.commit()
        database.close()
    else:
        file.write_bytes(content)
    before = file.read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")
    with pytest.raises(
        TrackingError, match=r"cannot be used as an MLflow store.*move the damaged store away"
    ):
        ready_store("toy")
    assert file.read_bytes() == before
