"""Tracked sweep of 9 scalings by 6 models by 30 trials against the bare fits of its models."""

import itertools
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.measure import scratch_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omegaconf import DictConfig

for library in ("OPENBLAS", "OMP", "MKL"):  # for both, as the command line does
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

SCALINGS = ("none", "minmax", "standard", "robust", "maxabs", "pareto", "poisson", "sqrt", "log")
MODELS = ("logistic", "pls_da", "naive_bayes", "knn", "tree", "svm_rbf")
"""Those with the quickest fits: whatever surrounds a fit weighs most on them."""
TRIALS = 30
LIMIT = 1.1


class Spent(NamedTuple):
    """Seconds on the clock and of processor time, which other work stretches less."""

    wall: float
    cpu: float


def main(
    trials: int = TRIALS, scalings: tuple[str, ...] = SCALINGS, models: tuple[str, ...] = MODELS
) -> None:
    """Measure on the peak table of `data/`.

    Parameters
    ----------
    trials, scalings, models
        Fewer trials, or the first few scalings or models (two or more), take less time.
    """
    root = Path(__file__).resolve().parents[1]
    with scratch_project():
        _measure(f"dataset.path={root}/data", trials, scalings, models)


def _measure(data: str, trials: int, scalings: tuple[str, ...], models: tuple[str, ...]) -> None:
    from ionprint.config import compose
    from ionprint.models.workers import cores

    combinations = list(itertools.product(models, scalings))
    print(
        f"  {len(combinations)} runs on simulated data, {len(scalings)} scalings by {len(models)} "
        f"models ({', '.join(models)}), {trials} trials each for all references and again within "
        f"each outer fold"
    )
    _ionprint("peaks", data)
    swept = [f"scaling={','.join(scalings)}", f"model={','.join(models)}"]
    sweep = _ionprint("sweep", *swept, f"tuning.trials={trials}", data)
    print(f"  sweep, {cores()} cores    {_told(sweep)}", flush=True)

    fits, error = 0, 0.0
    bare = dict.fromkeys(models, Spent(0, 0))
    for model, scaling in combinations:
        cfg = compose([f"model={model}", f"scaling={scaling}", data])
        tuning = Path("outputs/sweep") / f"model={model},scaling={scaling}" / "tuning"
        for spent, n, off in _bare(cfg, tuning):
            bare[model] = Spent(*np.add(bare[model], spent))
            fits, error = fits + n, max(error, off)
    total = Spent(*np.sum(list(bare.values()), axis=0))
    print(f"  bare fits, 1 core   {_told(total)}, {fits} fits")
    print(f"    of these          {', '.join(f'{m} {s.wall:.1f}' for m, s in bare.items())} s")
    print(
        "  bare: clone, set_params, fit and predict_proba with the hyperparameters of every trial "
        "of the sweep,\n  on folds scaled before, one after another in one process; no search, no "
        f"tracking, no files\n  (log losses agree with the sweep's to {error:.0e})"
    )
    print(f"  sweep / bare sum        {sweep.wall / total.wall:5.2f} (limit {LIMIT:g})")
    print(
        f"  sweep / (bare sum / {cores()})  {sweep.wall / total.wall * cores():5.2f} "
        f"(1: {cores()} cores that do nothing but fit)"
    )
    print(f"  the same in processor time, all cores together: {sweep.cpu / total.cpu:.2f}")
    _tell_rest(len(combinations), sweep, total)


def _ionprint(*words: str) -> Spent:
    """Run a command in a process of its own, against the store of this folder."""
    kept = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    start, before = time.perf_counter(), os.times()
    subprocess.run(
        [sys.executable, "-m", "ionprint.cli", *words], check=True, capture_output=True, env=kept
    )
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system
    return Spent(wall, cpu - before.children_user - before.children_system)


def _bare(cfg: "DictConfig", tuning: Path) -> "Iterator[tuple[Spent, int, float]]":
    """Fit anew what a run fitted while it tuned.

    Yields
    ------
    Spent, int, float
        For all references and for each outer fold: time of the fits, their number, and the largest
        difference between the log loss of a trial and the sweep's.
    """
    from sklearn.base import clone

    from ionprint.files import read_table
    from ionprint.models.tuning import fold_score, inner_folds
    from ionprint.stages.problem import load_problem, pipeline_of

    problem = load_problem(cfg)
    pipeline = pipeline_of(cfg, problem.table.mz)
    codes = np.unique(problem.y, return_inverse=True)[1]
    n_splits = cfg.cross_validation.n_splits
    inner = inner_folds(problem.y, problem.groups, problem.folds, n_splits, cfg.seed)
    outer = read_table(tuning / "outer_trials.csv")
    tables = [read_table(tuning / "trials.csv").assign(fold=0)]
    tables += [outer[outer["fold"] == number] for number in range(1, len(inner) + 1)]
    for folds, table in zip([problem.folds, *inner], tables, strict=True):
        prepared = []
        for train, test in folds.splits:
            steps = clone(pipeline[:-1]).fit(problem.inputs[train], codes[train])
            X_train, X_test = (steps.transform(problem.inputs[rows]) for rows in (train, test))
            prepared.append((X_train, codes[train], X_test, codes[test]))
        drawn = table.drop(columns=["fold", "trial", "score", "score_se"]).to_dict("records")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start, busy = time.perf_counter(), time.process_time()
            found = [
                clone(pipeline[-1]).set_params(**params).fit(X, y).predict_proba(X_test)
                for params in drawn
                for X, y, X_test, _ in prepared
            ]
            spent = Spent(time.perf_counter() - start, time.process_time() - busy)
        truths = [y_test for _, _, _, y_test in prepared] * len(drawn)
        scores = [fold_score("log_loss", y, p) for y, p in zip(truths, found, strict=True)]
        means = np.mean(np.reshape(scores, (len(drawn), -1)), axis=1)
        yield spent, len(found), float(np.abs(means - table["score"]).max())


def _tell_rest(runs: int, sweep: Spent, bare: Spent) -> None:
    """Say what a run costs beside the fits of its tuning."""
    rest = (sweep.cpu - bare.cpu) / runs
    print(
        f"  beside these fits a run takes {rest:.1f} s of processor time: draws and scores of its "
        f"trials,\n  evaluation, ranking, checks, the model, mixtures, a figure, the tracked run, "
        f"its share of the\n  start. Models with slower fits (lda, forests) take no more beside "
        f"theirs, and come nearer to 1"
    )


def _told(spent: Spent) -> str:
    return f"{spent.wall:7.1f} s ({spent.cpu:.1f} s of processor time)"


if __name__ == "__main__":
    main()
