"""Log the results as one MLflow run and register the trained model.

Results are files first: when the tracking store is away, they stay, and this stage can be run
again later. The same results are logged once.
"""

from pathlib import Path
from typing import Any

from ionprint.errors import masked
from ionprint.files import fresh_folder, write_yaml


def run(cfg: Any) -> None:
    """Log the results below `cfg.outputs`, register the model, and say where to look.

    Writes `tracking/tracked.yaml`.

    Raises
    ------
    MissingInputError
        A result file is not there.
    TrackingError
        The tracking store or server cannot be used.
    """
    from ionprint.stages.terminal import summary
    from ionprint.tracking.run import log_run
    from ionprint.tracking.store import tracking_uri

    logged = log_run(cfg)
    with fresh_folder(Path(cfg.outputs) / "tracking") as folder:
        tracked = {
            "results": logged.results,
            "experiment": logged.experiment,
            "model": logged.registered.name if logged.registered else None,
        }
        write_yaml(tracked, folder / "tracked.yaml")

    state = "already logged" if logged.already else "logged"
    model, uri = logged.registered, tracking_uri()
    summary(
        "MLflow run",
        [
            ("run", f"{logged.name} ({state})"),
            ("experiment", logged.experiment),
            ("model", model.name if model else ""),
            ("look", masked(uri) if uri.startswith("http") else "make ui"),
        ],
    )
    if model:  # never broken into lines: it can hold a command to copy
        print(model.message)
