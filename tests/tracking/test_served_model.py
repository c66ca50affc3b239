"""A logged model answers by column name, loaded or served, also after its folder was moved."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_project import environment, python, write_results

from ionprint.models.storage import load_model
from ionprint.tracking.run import log_run

LOG = """
from toy_project import write_results
from ionprint.tracking.run import log_run
log_run(write_results(".", "outputs"))
"""
LOOK = """
import mlflow
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
mlflow.pyfunc.load_model("models:/outputs@champion")
client = mlflow.MlflowClient()
(run,) = client.search_runs(["1"])
print(run.info.run_id, *[a.path for a in client.list_artifacts(run.info.run_id, "figures")])
"""


@pytest.fixture
def model(root):
    import mlflow

    name = "served"
    if not Path(name).exists():
        log_run(write_results(root, name))
    return mlflow.pyfunc.load_model(f"models:/{name}@champion")


@pytest.fixture
def areas():
    columns = load_model("served/model").columns
    return pd.DataFrame([np.arange(1, 13), np.arange(12, 0, -1)], columns=columns)


def test_the_order_and_number_of_columns_is_free(model, areas):
    direct = load_model("served/model").probabilities(areas)
    for table in (areas, areas[areas.columns[::-1]], areas.assign(note="x"), areas.astype(float)):
        pd.testing.assert_frame_equal(model.predict(table), direct)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda a: a.drop(columns=a.columns[:7]), "7 of 12 peak columns are missing: 6.0151, "),
        (lambda a: a.assign(**{"6.0151": np.nan}), "not a number in 6.0151"),
        (lambda a: a.assign(**{"6.0151": "many"}), "not a number in 6.0151"),
        (lambda a: a.assign(**{"6.0151": -1}), "negative peak area in 6.0151"),
    ],
)
def test_what_is_no_peak_table_is_refused_shortly(model, areas, spoil, says):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=says) as refused:
        model.predict(spoil(areas))
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert len(str(refused.value)) < 200


@pytest.fixture
def by_dose():
    """Make the served side of a model that divides by the primary ions, and a table for it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from ionprint.models.normalisation import PerDose
    from ionprint.models.storage import TrainedModel
    from ionprint.tracking.served_model import PeakAreasToProbabilities

    inputs = np.array([[1.0, 0, 1e8], [4, 0, 2e8], [0, 1, 1e8], [0, 4, 2e8]])
    pipeline = make_pipeline(PerDose(), LogisticRegression()).fit(inputs, ["a", "a", "b", "b"])
    served = PeakAreasToProbabilities()
    served.model = TrainedModel(pipeline, np.array([7.0165, 9.0322]), {"dose_column": "ions"})
    return served, pd.DataFrame(inputs, columns=served.model.inputs)


def test_primary_ions_are_asked_for_by_name(by_dose):
    served, table = by_dose
    answer = served.predict(None, table[table.columns[::-1]])
    pd.testing.assert_frame_equal(answer, served.model.probabilities(table))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda t: t.drop(columns="ions"), "the column 'ions' is missing: the primary ions"),
        (lambda t: t.assign(ions=[1e8, 0, 1e8, 1e8]), "number of primary ions is 0"),
        (lambda t: t.assign(ions=np.nan), "not a number in ions"),
        (lambda t: t.assign(ions=-1), "negative .* in ions"),
        (lambda t: t[["7.0165"]], "2 of 3 columns are missing: 9.0322, ions"),
    ],
)
def test_a_table_without_primary_ions_is_refused(by_dose, spoil, says):
    from mlflow.exceptions import MlflowException

    served, table = by_dose
    with pytest.raises(MlflowException, match=says) as refused:
        served.predict(None, spoil(table))
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"


@contextlib.contextmanager
def server(arguments, root, health):
    """Run `mlflow ...` at `root` on a free port until it answers at `health`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = environment(
        MLFLOW_TRACKING_URI="sqlite:///mlruns/mlflow.db", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"
    )
    command = [sys.executable, "-m", "mlflow", *arguments, "--port", str(port)]
    with (root / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=root, env=env, stdout=log, stderr=log, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            assert process.poll() is None, (root / "server.log").read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(url + health, timeout=5):
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def post(url, table):
    body = json.dumps({"dataframe_split": table.to_dict("split", index=False)}).encode()
    request = urllib.request.Request(
        f"{url}/invocations", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return pd.DataFrame(json.load(answer)["predictions"])


@pytest.fixture(scope="module")
def moved(project, tmp_path_factory):
    """A project that logged a run and was then moved, and that run's id."""
    old = tmp_path_factory.mktemp("moved") / "old"
    shutil.copytree(project / "template", old / "mlruns")
    python(LOG, old)
    new = old.rename(old.with_name("new"))
    run_id, *figures = python(LOOK, new).split()
    assert figures == ["figures/ranking.png", "figures/ranking.svg"]
    yield new, run_id
    assert not old.exists()
    assert not (new / "mlflow.db").exists()


def test_a_moved_model_is_served(moved):
    root, _ = moved
    serve = ["models", "serve", "-m", "models:/outputs@champion", "--env-manager", "local"]
    direct = load_model(root / "outputs/model")
    row = pd.DataFrame([np.arange(1.0, 13.0)], columns=direct.columns)
    with server(serve, root, "/ping") as url:
        answer = post(url, row[row.columns[::-1]])
        pd.testing.assert_frame_equal(answer, direct.probabilities(row))
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(url, row.drop(columns=row.columns[0]))
        with refused.value as response:
            assert response.code == 400
            assert "1 of 12 peak columns are missing: 6.0151" in response.read().decode()


def test_a_moved_run_shows_its_artifacts(moved):
    root, run_id = moved
    store = ["--backend-store-uri", "sqlite:///mlruns/mlflow.db"]
    with server(["ui", "-w", "1", "--host", "127.0.0.1", *store], root, "/health") as url:
        path = f"{url}/get-artifact?path=figures/ranking.png&run_uuid={run_id}"
        with urllib.request.urlopen(path, timeout=20) as answer:
            assert answer.read() == b"picture"
