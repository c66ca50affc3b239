"""Search the model's hyperparameters with Optuna, for all references and within each outer fold."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.files import fresh_folder, read_yaml, write_table, write_yaml
from ionprint.stages.problem import chosen, load_problem, pipeline_of, warn_stopped
from ionprint.stages.progress import counter
from ionprint.stages.terminal import summary

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig

    from ionprint.models.folds import Folds
    from ionprint.models.study import Study
    from ionprint.models.tuning import Tuning
    from ionprint.stages.problem import Problem

WORTHWHILE = {True: 1.0, False: 20.0}
"""Seconds of fitting from which more processes pay: copies of this one, or fresh ones."""


def run(cfg: "DictConfig") -> None:
    """Tune on the references and write `tuning/`.

    With `cross_validation.nested` the training spectra of each outer fold are tuned on alone too,
    so that the score of a fold owes nothing to its test spectra.

    Trials are kept beside the results until these are written, or in a database: the same command
    goes on after a kill.
    """
    from ionprint.models.tuning import Scorer, check_space, inner_folds

    problem = load_problem(cfg)
    pipeline = pipeline_of(cfg, problem.table.mz)
    space = dict(cfg.model.search_space)
    check_space(pipeline, space)
    inner: list[Folds] = []
    if cfg.cross_validation.nested:
        n_splits = cfg.cross_validation.n_splits
        inner = inner_folds(problem.y, problem.groups, problem.folds, n_splits, cfg.seed)
    name = study_name(cfg, problem)
    with kept(cfg, name) as open_study:
        if open_study is None:
            print("another process has just finished this tuning; its results stand")
            return
        # nothing to tune: the same model in every fold
        problems = [problem.folds, *(inner if space else [])]
        scorer = Scorer(pipeline, problem.inputs, problem.y, problems, cfg.tuning.metric)
        names = [name, *(f"{name}-outer{i}" for i in range(1, len(problems)))]
        found = _tune_all(cfg, scorer, space, [open_study(name) for name in names])
        best = _best(cfg, problem, inner, found)
        with fresh_folder(Path(cfg.outputs) / "tuning") as out:
            write_table(found[0].trials, out / "trials.csv", {"score": 6, "score_se": 6})
            if inner:
                write_table(
                    _outer_trials(found[1:]), out / "outer_trials.csv", {"score": 6, "score_se": 6}
                )
            write_yaml(best, out / "best.yaml")

    warn_stopped([None] * best["stopped"])
    params = ", ".join(
        f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in best["params"].items()
    )
    again = f"within each of {len(inner)} outer folds, on its training spectra alone"
    summary(
        f"Tuning of {cfg.model.name} on {cfg.scaling.name} scaling ({problem.table.source} data)",
        [
            ("best", params or "nothing to tune"),
            ("of", f"{best['trials']} trials"),
            (cfg.tuning.metric, f"{best['score']:.4f}"),
            ("over", f"{len(problem.folds.splits)} {problem.folds.scheme} folds"),
            ("tuned anew", again if len(found) > 1 else ""),
            ("written to", f"{cfg.outputs}/tuning"),
        ],
    )


def _tune_all(
    cfg: "DictConfig", scorer: Any, space: dict[str, Any], studies: "list[Study]"
) -> "list[Tuning]":
    """Run the studies of all problems one after another, their folds side by side."""
    from ionprint.models.tuning import tune
    from ionprint.models.workers import shared_out

    trials = cfg.tuning.trials if space else 1
    found = []
    fits = sum(
        max(trials - len(study.finished), 0) * len(folds.splits)
        for study, folds in zip(studies, scorer.problems, strict=True)
    )
    with (
        # before the bar is drawn, whose thread would not be copied
        shared_out(scorer, _processes(cfg.tuning.workers, scorer, fits)) as scores,
        counter(trials * len(studies), "tuning") as advance,
    ):
        for number, study in enumerate(studies):
            n_folds = len(scorer.problems[number].splits)
            text = f"tuning, outer fold {number} of {len(studies) - 1}" if number else "tuning"
            found.append(
                tune(
                    lambda params, number=number, n=n_folds: scores(number, n, params),
                    space,
                    trials=trials,
                    metric=cfg.tuning.metric,
                    seed=cfg.seed,
                    study=study,
                    advance=lambda text=text: advance(text),
                )
            )
    return found


def _processes(workers: int | None, scorer: Any, fits: int) -> int:
    """Return how many processes are worth while for so many fits."""
    from ionprint.models.workers import cores, forks

    workers = min(workers or cores(), cores()) if workers != 1 else 1
    if workers == 1 or fits * scorer.seconds_a_fit() < WORTHWHILE[forks()]:
        return 1
    return min(max(len(folds.splits) for folds in scorer.problems), 2 * workers + 1)


def _best(
    cfg: "DictConfig", problem: "Problem", inner: "list[Folds]", found: "list[Tuning]"
) -> dict[str, Any]:
    result, within = found[0], found[1:]
    outer = [
        {
            "fold": number,
            "folds": folds.scheme,
            "score": round(within[number - 1].score, 6) if within else None,
            "params": within[number - 1].params if within else {},
        }
        for number, folds in enumerate(inner, 1)
    ]
    return {
        **chosen(cfg),
        "folds": problem.folds.scheme,
        "metric": cfg.tuning.metric,
        "trials": len(result.trials),
        "score": round(result.score, 6),
        "params": result.params,
        "stopped": sum(tuning.stopped for tuning in found),
        "outer": outer,
    }


def _outer_trials(found: "list[Tuning]") -> "pd.DataFrame":
    import pandas as pd

    if not found:
        return pd.DataFrame(columns=["fold", "trial", "score", "score_se"])
    tables = [tuning.trials.assign(fold=number) for number, tuning in enumerate(found, 1)]
    table = pd.concat(tables, ignore_index=True)
    return table[["fold", *table.columns.drop("fold")]]


@contextlib.contextmanager
def kept(cfg: "DictConfig", name: str) -> "Iterator[Callable[[str], Study] | None]":
    """Give what opens a study, and drop its trials when the block, which writes results, ends well.

    In files one process at a time is at work on a study. In a database many are, and the trials
    stay for those that come later.

    Yields
    ------
    callable or None
        None where another process has finished the same study while this one was waiting.
    """
    from filelock import FileLock, Timeout

    from ionprint.models.study import JournalStudy

    folder = Path(cfg.outputs) / ".studies"
    if cfg.tuning.storage:
        from ionprint.models.shared_study import DatabaseStudy, connect

        storage = connect(cfg.tuning.storage)
        try:
            yield lambda study: DatabaseStudy(storage, study, cfg.tuning.metric)
        finally:
            storage.remove_session()
            storage.engine.dispose()
        return
    lock = FileLock(folder / f"{name}.lock")
    before = _results(cfg)
    waited = False
    while not lock.is_locked:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=waited)
        except Timeout:
            print("another process is at work on this tuning; waiting for it", flush=True)
            waited = True
        except FileNotFoundError:  # the other one has just removed the folder
            continue
    try:
        if waited and _results(cfg) != before and _asked(cfg):
            yield None
        else:
            yield lambda study: JournalStudy(folder / f"{study}.journal", cfg.tuning.metric)
            for file in folder.glob(f"{name}*.journal"):  # other studies' journals stay
                file.unlink()
        Path(lock.lock_file).unlink(missing_ok=True)
    finally:
        lock.release()
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()


def _results(cfg: "DictConfig") -> int | None:
    """Return when the results were written."""
    path = Path(cfg.outputs) / "tuning" / "best.yaml"
    return path.stat().st_mtime_ns if path.exists() else None


def _asked(cfg: "DictConfig") -> bool:
    """Tell whether the results are of the tuning that was asked for."""
    best = read_yaml(Path(cfg.outputs) / "tuning" / "best.yaml")
    asked = {**chosen(cfg), "metric": cfg.tuning.metric}
    if cfg.model.search_space:
        asked["trials"] = cfg.tuning.trials
    same = all(best.get(key) == value for key, value in asked.items())
    return same and bool(best["outer"]) == cfg.cross_validation.nested


def study_name(cfg: "DictConfig", problem: "Problem") -> str:
    """Name a study by all that decides its trials, so that only the same study is gone on with."""
    import numpy as np
    from omegaconf import OmegaConf

    parts = {g: OmegaConf.to_container(cfg[g]) for g in ("normalisation", "scaling", "model")}
    # whether folds within folds are tuned too changes neither study
    parts["cross_validation"] = {k: v for k, v in cfg.cross_validation.items() if k != "nested"}
    parts |= {"metric": cfg.tuning.metric, "seed": cfg.seed, "compounds": problem.y.tolist()}
    parts["groups"] = None if problem.groups is None else problem.groups.tolist()
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    for numbers in (problem.table.mz, problem.inputs):
        digest.update(np.ascontiguousarray(numbers, dtype=float).tobytes())
    return f"{cfg.dataset.name}-{cfg.model.name}-{digest.hexdigest()[:16]}"
