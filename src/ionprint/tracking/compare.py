"""Logged runs found again by name or id, their rankings, and what a comparison leaves with them."""

import re
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from ionprint.config import near
from ionprint.errors import TrackingError
from ionprint.files import read_table
from ionprint.tracking import store

RANKING = "results/ranking/ions.csv"
RANKED = "ionprint.ranking"
"""Tag of a run: the hash of the ranking it was logged with."""
SHORT = 8  # letters of an id that tell runs of one name apart
_LISTED = 8
_PAGE = 1000


def find_runs(wanted: tuple[str, ...], outputs: str) -> list[Any]:
    """Find logged runs in the tracking store.

    Parameters
    ----------
    wanted : tuple of str
        Of each run its name, its id or the beginning of its id.
    outputs : str
        Where results are, for messages.

    Returns
    -------
    list of mlflow.entities.Run

    Raises
    ------
    TrackingError
        There is no such run, or several are meant; the message names them or those near. Or the
        store cannot be used.
    """
    store.ready_store(outputs=outputs)
    with store.usable_store():
        known, experiments = _all_runs()
        return [_found(text, known, experiments) for text in wanted]


def read_ranking(run: Any) -> Any:
    """Read the ion ranking that a run was logged with.

    Raises
    ------
    TrackingError
        The run has none, or it is not the one that was logged.
    """
    import hashlib

    from mlflow import MlflowClient

    client = MlflowClient()
    with store.usable_store(), tempfile.TemporaryDirectory() as folder:
        held = [f.path for f in client.list_artifacts(run.info.run_id, "results/ranking")]
        if RANKING not in held:
            sweep = run.data.tags.get("ionprint.kind") == "sweep"
            why = "is a sweep: give two of its runs" if sweep else "has no ion ranking to compare"
            raise TrackingError(
                f"the run {told(run)} {why}. Rankings are logged by `ionprint track` and "
                f"`ionprint sweep` for models with weights."
            )
        path = Path(client.download_artifacts(run.info.run_id, RANKING, folder))
        if run.data.tags.get(RANKED) != hashlib.sha256(path.read_bytes()).hexdigest():
            raise TrackingError(
                f"the ion ranking of the run {told(run)} is not the one that was logged: its hash "
                f"is another than the tag {RANKED}. Log the results again with `ionprint track`"
            )
        ions = read_table(path)
    if ions.empty:
        raise TrackingError(f"the ion ranking of the run {told(run)} has no rows")
    return ions


def log_comparison(run: Any, other: Any, tables: dict[str, Any], files: list[Path]) -> str:
    """Put a comparison with another run beside a run; of an earlier one nothing is left.

    Parameters
    ----------
    run, other : mlflow.entities.Run
    tables : dict of str to DataFrame
        By file name, `ranks.json`.
    files : list of Path
        Pictures.

    Returns
    -------
    str
        The folder among the run's artifacts.
    """
    from mlflow import MlflowClient

    client, run_id = MlflowClient(), run.info.run_id
    folder = f"compared/{_safe(told(other))}"
    with store.usable_store(), store.only_one("runs"):
        held = {f.path for f in client.list_artifacts(run_id, folder)}
        for name, table in tables.items():
            place = f"{folder}/{name}"
            # plain objects, as MLflow looks at them
            table = table.astype(dict.fromkeys(table.select_dtypes(["string"]).columns, object))
            if place in held:  # log_table would append; in its format, so the UI shows it as before
                client.log_text(run_id, table.to_json(orient="split", index=False), place)
            else:
                client.log_table(run_id, table, place)
        for file in files:
            client.log_artifact(run_id, str(file), folder)
    return folder


def told(run: Any) -> str:
    """Name a run with the beginning of its id, as several may have one name."""
    return f"{run.info.run_name} ({run.info.run_id[:SHORT]})"


def _safe(name: str) -> str:
    """Return a name that is one folder in every kind of store; MLflow refuses some letters."""
    return re.sub(r"[^\w.=+() -]", " ", name)


def _all_runs() -> tuple[list[Any], dict[str, str]]:
    """Return all runs, the latest first, and the experiments' names by their ids."""
    from mlflow import MlflowClient

    client = MlflowClient()
    experiments = {e.experiment_id: e.name for e in client.search_experiments()}
    runs, token = [], None
    while True:
        page = client.search_runs(
            list(experiments), max_results=_PAGE, order_by=["start_time DESC"], page_token=token
        )
        runs += page
        token = page.token
        if not token:
            return runs, experiments


def _found(text: str, known: list[Any], experiments: dict[str, str]) -> Any:
    """Choose the one run that is meant: by its id, its name, or the beginning of its id."""
    for matches in (
        [run for run in known if run.info.run_id == text],
        [run for run in known if run.info.run_name == text],
        [run for run in known if text and run.info.run_id.startswith(text)],
    ):
        if len(matches) > 1:
            lines = [f"  {_line(run, experiments)}" for run in matches[:_LISTED]]
            if len(matches) > _LISTED:
                lines.append(f"  ... and {len(matches) - _LISTED} more")
            raise TrackingError(
                f"{len(matches)} runs are meant by {text!r}; give the beginning of an id:\n"
                + "\n".join(lines)
            )
        if matches:
            return matches[0]
    if not known:
        raise TrackingError(
            f"there is no run {text!r}: {store.tracking_uri()} holds no runs yet. "
            f"`ionprint track` logs one."
        )
    names = list(dict.fromkeys(run.info.run_name for run in known))
    lines = "\n".join(f"  {_line(run, experiments)}" for run in known[:_LISTED])
    raise TrackingError(f"there is no run {text!r}.{near(text, names)} The latest:\n{lines}")


def _line(run: Any, experiments: dict[str, str]) -> str:
    begun = datetime.fromtimestamp(run.info.start_time / 1000).strftime("%Y-%m-%d %H:%M")
    return (
        f"{run.info.run_id[:SHORT]}  {begun}  {experiments[run.info.experiment_id]}: "
        f"{run.info.run_name}"
    )
