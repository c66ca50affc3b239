"""Search the model's hyperparameters with Optuna."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ionprint.files import fresh_folder, required, write_table, write_yaml
from ionprint.stages.problem import chosen, load_problem, warn_stopped
from ionprint.stages.progress import counter

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(cfg: "DictConfig") -> None:
    """Tune on the references and write `tuning/`.

    The trials are kept in a journal beside the results until the study is done, so that the same
    command goes on after a kill.
    """
    from ionprint.models.pipeline import build, fitting
    from ionprint.models.tuning import open_study, tune

    problem = load_problem(cfg)
    pipeline = build(cfg.normalisation, cfg.scaling, cfg.model)
    space = dict(cfg.model.search_space)
    name = study_name(cfg)
    journal = Path(cfg.outputs) / ".studies" / f"{name}.journal"
    study = open_study(name, cfg.tuning.metric, journal, cfg.tuning.storage)
    trials = cfg.tuning.trials if space else 1
    with counter(trials, "tuning") as advance, fitting() as stopped:
        result = tune(
            pipeline,
            problem.table.areas,
            problem.y,
            problem.folds,
            space,
            trials=trials,
            metric=cfg.tuning.metric,
            seed=cfg.seed,
            study=study,
            advance=advance,
        )
    best = {
        **chosen(cfg),
        "folds": problem.folds.scheme,
        "metric": cfg.tuning.metric,
        "trials": len(result.trials),
        "score": round(result.score, 6),
        "params": result.params,
    }
    with fresh_folder(Path(cfg.outputs) / "tuning") as out:
        write_table(result.trials, out / "trials.csv", {"score": 6})
        write_yaml(best, out / "best.yaml")
    for file in (journal, Path(f"{journal}.lock")):  # other studies' journals stay
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty, or made by nobody: a database was used
        journal.parent.rmdir()

    warn_stopped(stopped)
    params = ", ".join(
        f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in result.params.items()
    )
    print(
        f"{cfg.model.name} on {cfg.scaling.name} scaling: best of {len(result.trials)} trials "
        f"{params or '(nothing to tune)'}; {cfg.tuning.metric} {result.score:.4f} over "
        f"{len(problem.folds.splits)} {problem.folds.scheme} folds ({problem.table.source} data)"
    )


def study_name(cfg: "DictConfig") -> str:
    """Name a study by all that decides its trials, so that only the same study is gone on with."""
    from omegaconf import OmegaConf

    table = required(Path(cfg.peaks) / "peak_table.parquet", "peaks")
    parts = {
        group: OmegaConf.to_container(cfg[group])
        for group in ("normalisation", "scaling", "model", "cross_validation")
    }
    parts |= {"metric": cfg.tuning.metric, "seed": cfg.seed}
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode() + table.read_bytes())
    return f"{cfg.dataset.name}-{cfg.model.name}-{digest.hexdigest()[:16]}"
