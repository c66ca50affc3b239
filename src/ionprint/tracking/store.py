"""Where runs are kept: one SQLite file and its artifacts below `mlruns/`, or a server.

Everything is addressed from the project root, which is the working directory of every command:
a folder that is moved or copied keeps its runs, artifacts and models.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ionprint.errors import IonprintError, TrackingError

LOCAL_URI = "sqlite:///mlruns/mlflow.db"
_SQLITE = "sqlite:///"
_ANSWER_WITHIN = 3  # seconds a server has to answer


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI when it is set, else the store of this project."""
    return os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_URI


def ready_store(experiment: str | None = None, outputs: str | Path = "outputs") -> str | None:
    """Make the store if it is not there yet, and the experiment in it.

    Any number of processes may call this at once on a store that does not exist.

    Parameters
    ----------
    experiment : str, optional
        Name of the experiment. Without it only the store is made.
    outputs : str or Path
        Where results are; named in the message when a server does not answer.

    Returns
    -------
    str or None
        The experiment's id.

    Raises
    ------
    TrackingError
        The server does not answer, or the SQLite file cannot be used.
    """
    quiet_mlflow()
    uri = tracking_uri()
    if uri.startswith(("http://", "https://")):
        _must_answer(uri, outputs)
    with usable_store():
        import mlflow

        mlflow.set_tracking_uri(uri)
        path = _sqlite_path(uri)
        if path is None:
            return None if experiment is None else _experiment_id(experiment)
        with only_one("store"):
            if not path.exists() or path.stat().st_size == 0:
                _create(path)
            _must_be_a_store(path)
            if experiment is None:
                return None
            experiment_id = _experiment_id(experiment)
            _address_from_root(path, experiment_id)
            return experiment_id


@contextlib.contextmanager
def only_one(what: str) -> Iterator[None]:
    """Let one process of this project at a time do `what`; a killed process lets go."""
    from filelock import FileLock

    folder = Path("mlruns")
    folder.mkdir(exist_ok=True)
    with FileLock(folder / (".lock" if what == "store" else f".{what}.lock")):
        yield


@contextlib.contextmanager
def usable_store() -> Iterator[None]:
    """Turn what MLflow raises about its store into a TrackingError that says what to do."""
    import sqlalchemy.exc
    from mlflow.exceptions import MlflowException

    try:
        yield
    except IonprintError:
        raise
    except ModuleNotFoundError as error:
        raise TrackingError(
            f"the tracking store {tracking_uri()} needs the Python package {error.name!r}, which "
            f"is not installed: pip install {DRIVERS.get(error.name or '', error.name)}"
        ) from error
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        reason = str(error).strip().splitlines()[0][:300]
        raise TrackingError(
            f"the tracking store {tracking_uri()} cannot be used: {reason}. {_advice(reason)}"
        ) from error


DRIVERS = {"psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient", "pyodbc": "pyodbc"}
"""Packages of the drivers that database addresses without one ask for."""
ADVICE = {
    ("is locked", "is busy"): (
        "It is in use by another process: nothing was changed; try again when that has ended."
    ),
    ("is full", "No space left", "quota exceeded", "too large", "disk I/O"): (
        "Make room on the disk and run the command again; results stay where they are."
    ),
    ("readonly", "Read-only", "Permission denied", "not permitted", "unable to open"): (
        "It may not be written there: see who owns the folder; results stay where they are."
    ),
    ("malformed", "not a database", "no such table", "no such column", "Can't locate revision"): (
        "Results stay where they are; move the damaged store away and run `ionprint track` again: "
        "a new one is made."
    ),
}
"""What to do, by words of a reason."""


def _advice(reason: str) -> str:
    for words, advice in ADVICE.items():
        if any(word.lower() in reason.lower() for word in words):
            return advice
    return "Results stay where they are; mend the store and run the command again."


def quiet_mlflow() -> None:
    """Set what MLflow reads once at its import: no telemetry, no chatter, no long retries."""
    import logging

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING", "false")
    for name in ("mlflow", "alembic"):
        if logging.getLogger(name).level < logging.WARNING:
            logging.getLogger(name).setLevel(logging.WARNING)


def _must_answer(uri: str, outputs: str | Path) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        answer = http_request(
            get_default_host_creds(uri.rstrip("/")),
            "/health",
            "GET",
            max_retries=0,
            timeout=_ANSWER_WITHIN,
            raise_on_status=False,
        )
        if answer.status_code < 500:
            return
    except MlflowException:
        pass
    raise TrackingError(
        f"the tracking server at {uri} does not answer: results stay in {outputs}; "
        f"run `ionprint track` when it is back"
    )


def _sqlite_path(uri: str) -> Path | None:
    if not uri.startswith(_SQLITE):
        return None
    return Path(uri.removeprefix(_SQLITE).split("?")[0])


def _create(path: Path) -> None:
    """Make an empty store beside `path` and put it in place when it is whole."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(".new-*.db*"):  # of a process that was killed here
        left.unlink()
    new = path.parent / f".new-{os.getpid()}.db"
    quiet_mlflow()  # importing the store resets log levels
    store = SqlAlchemyStore(f"{_SQLITE}{new.as_posix()}", path.parent.as_posix())
    store.engine.dispose()
    _address_from_root(new, "0")
    new.replace(path)


def _must_be_a_store(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        try:
            database.execute("select version_num from alembic_version").fetchone()
            database.execute("select artifact_location from experiments").fetchone()
        except sqlite3.Error as error:
            raise TrackingError(
                f"{path} cannot be used as an MLflow store: {error}. {_advice(str(error))}"
            ) from error


def _experiment_id(name: str) -> str:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the experiment {name!r} was deleted from the tracking store. Restore it with "
            f"`mlflow experiments restore --experiment-id {found.experiment_id}`, or choose "
            f"another name: tracking.experiment=..."
        )
    return found.experiment_id


def _address_from_root(path: Path, experiment_id: str) -> None:
    """Keep the experiment's artifacts beside the database, under a path of the same kind.

    MLflow makes every location absolute when an experiment is made; a relative one is taken as
    it is by all that comes after.
    """
    place = (path.parent / "artifacts" / experiment_id).as_posix()
    with contextlib.closing(sqlite3.connect(path, timeout=20)) as database, database:
        database.execute(
            "update experiments set artifact_location = ? "
            "where experiment_id = ? and artifact_location != ?",
            (place, int(experiment_id), place),
        )
