"""A registered model answers as its folder does, loaded or served, also after a move."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from toy_project import environment, python

import ionprint
from ionprint.errors import ModelFileError, TrackingError
from ionprint.serving.model import ANSWER, Model, to_json
from ionprint.spectra.table import PeakTable
from ionprint.tracking.served_model import SpectraToAnswers

URI = "models:/ionprint-lithium@champion"
LOG = """
from ionprint.cli import main
assert main(["track"]) == 0
"""
LOOK = """
import mlflow
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
client = mlflow.MlflowClient()
(run,) = client.search_runs(["1"])
print(run.info.run_id, *[a.path for a in client.list_artifacts(run.info.run_id, "results")])
"""


@pytest.fixture(scope="module")
def moved(finished, fresh_store, tmp_path_factory):
    """A project that tracked its model and was then moved."""
    old = tmp_path_factory.mktemp("moved") / "old"
    shutil.copytree(finished, old, symlinks=True)
    shutil.copytree(fresh_store, old / "mlruns")
    python(LOG, old)
    new = old.rename(old.with_name("new"))
    yield new
    assert not old.exists()
    assert not (new / "mlflow.db").exists()


@pytest.fixture
def there(moved, monkeypatch):
    """The moved project as working directory, for what asks no store but its own."""
    monkeypatch.chdir(moved)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return moved


@pytest.fixture(scope="module")
def table(finished):
    return PeakTable.read(finished / "outputs/peaks/peak_table.parquet")


@pytest.fixture(scope="module")
def spectra(finished, table):
    """Rows of three spectra: an export's text, its bins, a list of peaks."""
    import gzip

    file = finished / "data" / table.column("file")[-1]
    with gzip.open(file, "rt") as export:
        text = export.read()
    bins = pd.read_csv(file, sep="\t", comment="#").set_axis(["channel", "mz", "counts"], axis=1)
    peaks = {"name": "peaks", "mz": table.mz.tolist(), "area": table.areas[-1].tolist()}
    bins = {"name": "bins", **{column: bins[column].tolist() for column in bins}}
    return [{"name": "export", "export": text}, bins, peaks]


def loaded(root, uri=URI):
    here = Path.cwd()
    os.chdir(root)
    try:
        return ionprint.load(uri)
    finally:
        os.chdir(here)


def test_a_registered_version_is_loaded_by_alias_and_number(there, table):
    by_alias, by_number = loaded(there), loaded(there, "models:/ionprint-lithium/1")
    folder = Model.of_folder("outputs/model")
    assert (
        by_alias.identity
        == by_number.identity
        == {
            "name": "ionprint-lithium",
            "version": "1",
            "id": folder.identity["id"],
        }
    )
    answers = [m.predict(table.areas[:1])[0] for m in (by_alias, by_number, folder)]
    assert answers[0] == answers[1]
    assert answers[0]["compounds"] == answers[2]["compounds"]


def test_it_is_loaded_from_anywhere_in_the_project(there, monkeypatch):
    monkeypatch.chdir(there / "conf" / "model")
    assert ionprint.load(URI).identity["version"] == "1"


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("models:/ionprint-lithium@none", r"Registered are: ionprint-lithium"),
        ("models:/ionprint-lithium/77", r"77.*Registered are"),
        ("models:/other@champion", r"other.*Registered are: ionprint-lithium"),
        ("models:/ionprint-lithium", r"expected models:/NAME@ALIAS or models:/NAME/VERSION"),
        ("models:/m/../../x", r"expected models:/NAME@ALIAS"),
    ],
)
def test_what_is_not_registered_is_told(there, uri, says):
    with pytest.raises(ModelFileError, match=says):
        ionprint.load(uri)


def test_without_a_registry_it_says_so(project, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    empty = project / "empty"
    empty.mkdir(exist_ok=True)
    monkeypatch.chdir(empty)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlruns/none.db")
    with pytest.raises(TrackingError, match="no registry at"):
        ionprint.load(URI)
    assert not (empty / "mlruns").exists()


def test_files_changed_in_the_registry_are_refused(there, tmp_path):
    from ionprint.models.sealing import seal

    copy = tmp_path / "copy"
    shutil.copytree(there, copy, symlinks=True)
    (folder,) = (copy / "mlruns").rglob("artifacts/model")
    (folder / "config.yaml").write_text("changed: yes\n")
    with pytest.raises(ModelFileError, match=r"config\.yaml is not what was saved"):
        loaded(copy)
    seal(folder)  # who changes a file can write its sum too, but not what was registered
    with pytest.raises(ModelFileError, match=r"registered was \w+; they were changed"):
        loaded(copy)


@pytest.fixture
def served(there):
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{there}/mlruns/mlflow.db")
    yield mlflow.pyfunc.load_model(URI)
    mlflow.set_tracking_uri(before)


def test_mlflow_answers_as_ionprint_does(there, served, spectra, table):
    ours = ionprint.load(URI)
    for rows in (pd.DataFrame(spectra), pd.DataFrame(spectra[2:])):
        found = served.predict(rows)
        assert found.columns.tolist() == list(ANSWER)
        assert to_json(found.to_dict("records")) == ours.predict(rows).json()
    frame = pd.DataFrame(table.areas[:2], columns=table.columns)
    unwrapped = served.unwrap_python_model()
    found = unwrapped.predict(None, frame).to_dict("records")
    assert to_json(found) == ours.predict(frame).json()


def test_the_signature_names_the_inputs(served):
    names = served.metadata.signature.inputs.input_names()
    assert {"name", "export", "mz", "counts", "area"} <= set(names)
    metadata = served.metadata.metadata
    assert set(metadata) >= {"ionprint.model", "ionprint.data", "ionprint.source"}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"mz": [1.0, "x"], "area": [1.0, 2.0]}], "mz"),
        ([{"mz": [1.0, 2.0], "area": [1.0]}], "expected one for each"),
        ([{"mz": [1.0, 2.0], "area": [1.0, -1.0]}], r"area\[1\]: got -1"),
        ([{"export": "nothing"}], "cut off|header|line"),
        ([{"name": "a"}], "got none of them, expected `export`"),
    ],
)
def test_what_is_no_spectrum_is_refused_shortly(served, rows, says):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=says) as refused:
        served.predict(pd.DataFrame(rows))
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert len(str(refused.value)) < 400


def test_what_is_no_table_is_refused(served):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="expected a table with named columns, got list"):
        SpectraToAnswers().predict(None, [1, 2])


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
        for _ in range(600):
            assert process.poll() is None, (root / "server.log").read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(url + health, timeout=5):
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def post(url, rows):
    """Return the text of each answer."""
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(
        f"{url}/invocations", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["predictions"]


def test_a_moved_model_is_served(there, spectra):
    serve = ["models", "serve", "-m", URI, "--env-manager", "local"]
    direct = ionprint.load(URI).predict(spectra)
    with server(serve, there, "/ping") as url:
        assert to_json(post(url, spectra)) == direct.json()
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(url, [{"mz": [1.0, 2.0], "area": [1.0]}])
        with refused.value as response:
            assert response.code == 400
            assert "expected one for each" in response.read().decode()


def test_a_moved_run_shows_its_artifacts(there):
    run_id, *_ = python(LOOK, there).split()
    store = ["--backend-store-uri", "sqlite:///mlruns/mlflow.db"]
    with server(["ui", "-w", "1", "--host", "127.0.0.1", *store], there, "/health") as url:
        path = f"{url}/get-artifact?path=results/checks/checks.csv&run_uuid={run_id}"
        with urllib.request.urlopen(path, timeout=20) as answer:
            assert answer.read() == (there / "outputs/checks/checks.csv").read_bytes()
