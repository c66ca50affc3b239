"""One MLflow run from the result files of one trained model."""

import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ionprint
from ionprint.files import csv_text
from ionprint.tracking import note, registry, store
from ionprint.tracking import results as of
from ionprint.tracking.compare import RANKED, RANKING
from ionprint.tracking.fetch import ID

_AT_ONCE = 1000  # metrics that MLflow takes in one call
RESULTS, WORKER = "ionprint.results", "ionprint.worker"
_PICTURE = 720  # pixels at most, of the pictures in a run's description
PATIENCE = 60.0  # seconds that another machine has to end a run
LOOK_EVERY = 0.5  # seconds


@dataclass(frozen=True)
class LoggedRun:
    """A run in the tracking store.

    Attributes
    ----------
    run_id, name, experiment : str
    results : str
        Hash of the result files it holds.
    already : bool
        Whether these results had been logged before; then nothing was logged now.
    registered : Registered or None
        The model's version in the registry, None when it was not to be registered.
    """

    run_id: str
    name: str
    experiment: str
    results: str
    already: bool
    registered: registry.Registered | None


def log_run(
    cfg: Any,
    *,
    name: str | None = None,
    parent_run_id: str | None = None,
    register: bool | None = None,
) -> LoggedRun:
    """Log the results below `cfg.outputs` as one run, once.

    Parameters
    ----------
    cfg : DictConfig
        Where results are (`outputs`, `peaks`), `dataset.path`, and `tracking`.
    name : str, optional
        The run's name; data set, model and scaling when not given.
    parent_run_id : str, optional
        The sweep that this run belongs to.
    register : bool, optional
        Whether to register the model; `cfg.tracking.register` when not given.

    Raises
    ------
    MissingInputError
        A result file is not there.
    TrackingError
        The store cannot be used; results stay.
    """
    results = of.read_results(cfg.outputs, cfg.peaks)
    experiment = str(cfg.tracking.experiment)
    experiment_id = store.ready_store(experiment, cfg.outputs)
    if name is None:
        name = f"{results.dataset['name']} {results.best['model']} {results.best['scaling']}"
    tags = _tags(results, str(cfg.dataset.path), parent_run_id)
    with store.usable_store(), store.only_one("runs"):
        found = _finished(experiment_id, tags["ionprint.results"])
        run = found or _log(results, experiment_id, name, tags)
        registered = None
        if cfg.tracking.register if register is None else register:
            wanted = registry.version_tags(
                tags,
                results.metrics["score"],
                of.failed_checks(results),
                of.accepted_checks(results),
                of.composition_figures(results),
            )
            registered = registry.register(
                str(cfg.tracking.model_name), _model_id(run), run.info.run_id, wanted
            )
    return LoggedRun(
        run.info.run_id,
        run.info.run_name,
        experiment,
        tags["ionprint.results"],
        found is not None,
        registered,
    )


def start_parent(cfg: Any, name: str, description: str, sweep: str) -> str:
    """Begin the run that holds the runs of a sweep, or go on with it, and return its id.

    Parameters
    ----------
    cfg : DictConfig
        Its `tracking`, and `outputs` for messages.
    name, description : str
    sweep : str
        What the sweep is known by when it is started again.
    """
    from mlflow import MlflowClient

    experiment_id = store.ready_store(str(cfg.tracking.experiment), cfg.outputs)
    with store.usable_store(), store.only_one("runs"):
        client = MlflowClient()
        if found := _runs_of(client, experiment_id, "ionprint.sweep", sweep):
            return found[0].info.run_id
        tags = {
            **_made_by(),
            "mlflow.note.content": note.plain(description),
            "ionprint.kind": "sweep",
            "ionprint.sweep": sweep,
        }
        run = client.create_run(experiment_id, tags=tags, run_name=name)
        first = _runs_of(client, experiment_id, "ionprint.sweep", sweep)[0]
        if first.info.run_id != run.info.run_id:  # another machine began it at the same time
            client.delete_run(run.info.run_id)
    return first.info.run_id


def finish_parent(run_id: str, leaderboard: Any, metrics: dict[str, float], source: str) -> None:
    """End a sweep's run with its table of all runs and its best numbers.

    Parameters
    ----------
    run_id : str
        From `start_parent`.
    leaderboard : pandas.DataFrame or None
        A row for each run of the sweep, the best first; None marks the sweep as failed.
    metrics : dict of str to float
        What the sweep shows in lists of runs.
    source : str
        simulated or measured.
    """
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    with store.usable_store():
        client = MlflowClient()
        if leaderboard is None:
            client.set_terminated(run_id, "FAILED")
            return
        # no table of MLflow's kind: its view of tables would open on it instead of the rankings
        client.log_text(run_id, csv_text(leaderboard), "leaderboard.csv")
        client.set_tag(run_id, "mlflow.note.content", note.leaderboard(leaderboard, source))
        now = _now()
        client.log_batch(run_id, [Metric(k, float(v), now, 0) for k, v in metrics.items()])
        client.set_terminated(run_id)


def results_hash(results: of.Results, parent_run_id: str | None = None) -> str:
    """Return what tells logged results apart: their own hash, and within a sweep its run."""
    if parent_run_id is None:
        return results.sha256
    return hashlib.sha256(f"{results.sha256}\n{parent_run_id}\n".encode()).hexdigest()


def _log(results: of.Results, experiment_id: str, name: str, tags: dict[str, str]) -> Any:
    """Write everything of a run; it counts as logged when it is finished."""
    import mlflow

    from ionprint.processes import this_worker

    client = mlflow.MlflowClient()
    tags = {**tags, WORKER: this_worker()}
    run_id = client.create_run(experiment_id, tags=tags, run_name=name).info.run_id
    first = _runs_of(client, experiment_id, RESULTS, tags[RESULTS])[0]
    if first.info.run_id != run_id:  # another machine began it at the same time
        client.delete_run(run_id)
        return _finished(experiment_id, tags[RESULTS]) or _log(results, experiment_id, name, tags)
    client.set_tag(run_id, "mlflow.note.content", note.description(results, run_id))
    # nested: a caller may have a run of its own going on
    with mlflow.start_run(run_id=run_id, nested=True):
        _log_tables(client, run_id, results)  # slower once the run has many metrics
        _log_numbers(client, run_id, results)
        _log_data(client, run_id, results, tags)
        _log_files(client, run_id, results)
        _log_model(results, tags)
    return client.get_run(run_id)


def _log_numbers(client: Any, run_id: str, results: of.Results) -> None:
    from mlflow.entities import Metric, Param

    now = _now()
    metrics = [Metric(key, value, now, 0) for key, value in of.scores(results).items()]
    metrics += [Metric(key, value, now, step) for key, value, step in of.series(results)]
    params = [Param(key, value) for key, value in of.choices(results).items()]
    client.log_batch(run_id, metrics[:_AT_ONCE], params[:100])
    for start in range(_AT_ONCE, len(metrics), _AT_ONCE):
        client.log_batch(run_id, metrics[start : start + _AT_ONCE])


def _log_data(client: Any, run_id: str, results: of.Results, tags: dict[str, str]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = results.dataset
    source = {"uri": tags["ionprint.data_path"], "kind": data["source"]}
    profile = {key: data[key] for key in ("spectra", "peaks", "mz_max") if key in data}
    dataset = Dataset(
        name=data["name"],
        digest=data["sha256"][:36],
        source_type="local",
        source=json.dumps(source),
        profile=json.dumps(profile),
    )
    marks = [InputTag("mlflow.data.context", "training"), InputTag("source", data["source"])]
    if "ionprint.data_dvc" in tags:
        marks.append(InputTag("dvc", tags["ionprint.data_dvc"]))
    client.log_inputs(run_id, [DatasetInput(dataset, marks)])


def _log_tables(client: Any, run_id: str, results: of.Results) -> None:
    tables = {
        "ranking/top_ions.json": of.top_ions(results),  # the first is what the UI opens
        "composition/samples.json": of.samples_read(results),
        "tuning/trials.json": results.table("tuning/trials.csv"),
    }
    for name, table in tables.items():
        if table is not None and len(table):
            client.log_table(run_id, _plain(table), name)


def _plain(table: Any) -> Any:
    """Return the table with its texts as plain objects, which MLflow looks at."""
    texts = [c for c in table.columns if table[c].dtype == "str"]
    return table.astype(dict.fromkeys(texts, object))


def _log_files(client: Any, run_id: str, results: of.Results) -> None:
    """Put figures, report, result files and the composed configuration beside the run."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        for name, path in results.files.items():
            if name == "model/config.yaml":
                target = "config.yaml"
            elif name.startswith(("figures/", "report/")):
                target = name
            elif name.startswith("model/"):
                continue  # the logged model holds it
            else:
                target = f"results/{name}"
            place = Path(folder) / target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        for name, path in note.pictures(results).items():
            place = Path(folder) / name
            place.parent.mkdir(exist_ok=True)
            with Image.open(path) as picture:
                picture.thumbnail((_PICTURE, _PICTURE))
                picture.save(place)
        client.log_artifacts(run_id, folder)


def _log_model(results: of.Results, tags: dict[str, str]) -> None:
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    from ionprint.serving.given import FIELDS
    from ionprint.serving.model import ANSWER

    signature = ModelSignature(
        # any: the model checks its input itself, takes whole counts too, and answers shortly
        inputs=Schema([ColSpec(AnyType(), name, required=False) for name in FIELDS]),
        outputs=Schema([ColSpec(AnyType(), name) for name in ANSWER]),
    )
    kept = (ID, "ionprint.data", "ionprint.source", "mlflow.source.git.commit")
    with warnings.catch_warnings():
        # an example would be run through the model; the signature says as much
        warnings.filterwarnings("ignore", ".*input example was not provided.*")
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={"model": str(results.files["model/config.yaml"].parent)},
            signature=signature,
            pip_requirements=[f"ionprint=={ionprint.__version__}"],
            metadata={key: tags[key] for key in kept if key in tags},
            tags={"ionprint.results": tags["ionprint.results"]},
        )


def _tags(results: of.Results, data_path: str, parent_run_id: str | None) -> dict[str, str]:
    tags = {
        **_made_by(),
        "ionprint.results": results_hash(results, parent_run_id),
        "ionprint.data": results.dataset["sha256"],
        ID: results.model_id,
        "ionprint.data_path": data_path,
        "ionprint.source": results.dataset["source"],
        "ionprint.meaning": results.metrics["meaning"],
        **{key: results.best[key] for key in ("normalisation", "scaling", "model")},
    }
    if path := results.files.get(RANKING.removeprefix("results/")):
        tags[RANKED] = hashlib.sha256(path.read_bytes()).hexdigest()
    if failed := of.failed_checks(results):
        tags[registry.FAILED] = ", ".join(failed)
    if accepted := of.accepted_checks(results):
        tags[registry.ACCEPTED] = accepted
    if (version := of.data_version(data_path)) is not None:
        tags["ionprint.data_dvc"] = version
    if parent_run_id is not None:
        tags["mlflow.parentRunId"] = parent_run_id
    return tags


def _made_by() -> dict[str, str]:
    tags = {"mlflow.source.name": "ionprint", "mlflow.source.type": "LOCAL"}
    if user := os.environ.get("USER"):
        tags["mlflow.user"] = user
    commit, dirty = of.code_version()
    if commit is not None:
        tags["mlflow.source.git.commit"] = commit
    if dirty:
        tags["ionprint.dirty"] = "true"
    return tags


def _finished(experiment_id: str, results: str) -> Any:
    """Return the finished run of these results, None where there is none.

    What a killed process left of one is taken away; the end of one that another process is
    logging, perhaps on another machine, is waited for.
    """
    from mlflow import MlflowClient

    from ionprint.processes import worker_gone

    client = MlflowClient()
    give_up = time.monotonic() + PATIENCE
    while True:
        waiting = False
        for run in _runs_of(client, experiment_id, RESULTS, results):
            if run.info.status == "FINISHED":
                return run
            if worker_gone(run.data.tags.get(WORKER, "")) or time.monotonic() > give_up:
                client.delete_run(run.info.run_id)
            else:
                waiting = True
        if not waiting:
            return None
        time.sleep(LOOK_EVERY)


def _runs_of(client: Any, experiment_id: str, tag: str, value: str) -> list[Any]:
    """Return the runs with a tag, in the same order for every process that asks."""
    found = client.search_runs([experiment_id], f"tags.`{tag}` = '{value}'")
    return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))


def _model_id(run: Any) -> str:
    return run.outputs.model_outputs[0].model_id


def _now() -> int:
    return int(time.time() * 1000)
