"""Make the results that the gallery shows beside those of the pipeline, in outputs/examples.

A depth profile of the extended simulated set, a sweep with its heat map, and two of its runs
compared. Needs the results of `make run`; what is there already is not made again.
"""

import json
import shutil
import sys
from pathlib import Path

from ionprint.cli import main as ionprint

OUT = Path("outputs/examples")
SPECTRA = OUT / "extended"
CHOICES = ["tuning.trials=10", "peaks=outputs/peaks"]


def run(*words: str) -> None:
    """Run an ionprint command, and stop where it fails."""
    if code := ionprint(list(words)):
        sys.exit(code)


def logged(name: str) -> str:
    """Return the id of a run of the sweep: runs of other sweeps may have its name."""
    from mlflow import MlflowClient

    from ionprint.tracking.store import ready_store

    experiment = ready_store("ionprint-lithium")
    parent = json.loads((OUT / "sweep" / name / "record.json").read_text())["logged"][-1]
    found = MlflowClient().search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    return next(r.info.run_id for r in found if r.info.run_name == name)


def main() -> None:
    """Make the examples."""
    if not (OUT / "depth" / "composition").exists():
        if not (SPECTRA / "samples.csv").exists():
            run("simulate", "simulation=extended", f"dataset.path={SPECTRA}")
        shutil.copytree("outputs/model", OUT / "depth" / "model", dirs_exist_ok=True)
        for stage in ("peaks", "composition"):
            run(stage, f"dataset.path={SPECTRA}", f"outputs={OUT / 'depth'}")
    if not (OUT / "sweep" / "heatmap.png").exists():
        scalings = ["minmax", "standard", "sqrt"]
        run("sweep", f"scaling={','.join(scalings)}", "model=logistic,svm_linear", *CHOICES,
            f"outputs={OUT}")  # fmt: skip
    if not (OUT / "compared").exists():
        run("compare", *(logged(f"model=logistic,scaling={s}") for s in ("minmax", "sqrt")),
            f"outputs={OUT}")  # fmt: skip


if __name__ == "__main__":
    main()
