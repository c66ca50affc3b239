"""Tracked study of 200 trials against a plain script of Optuna and cross_validate, untracked."""

import contextlib
import importlib
import io
import itertools
import os
from pathlib import Path

from benchmarks.measure import compare, scratch_project

for library in ("OPENBLAS", "OMP", "MKL"):  # for both, as the command line does
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

TRIALS = 200


def main() -> None:
    """Measure on the peak table of `data/`, with the same folds and the same seed."""
    root = Path(__file__).resolve().parents[1]
    with scratch_project():
        _measure(root)


def _measure(root: Path) -> None:
    import optuna
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_validate
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    from ionprint.config import compose
    from ionprint.files import read_yaml
    from ionprint.models.normalisation import TotalCounts
    from ionprint.models.tuning import Scorer
    from ionprint.stages import sweep, tune
    from ionprint.stages.problem import load_problem, pipeline_of
    from ionprint.tracking.run import log_run, start_parent

    data = f"dataset.path={root}/data"
    choices = ["cross_validation=stratified", "cross_validation.nested=false"]
    cfg = compose([data, f"tuning.trials={TRIALS}", *choices])
    with contextlib.redirect_stdout(io.StringIO()):
        for stage in ("peaks", *sweep.STAGES):
            importlib.import_module(f"ionprint.stages.{stage}").run(cfg)
    problem = load_problem(cfg)
    best = {}
    rounds = itertools.count()

    def ours() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            tune.run(cfg)
        # a parent of its own makes each round's run a new one
        parent = start_parent(cfg, "round", "benchmark", sweep=f"round {next(rounds)}")
        log_run(cfg, parent_run_id=parent, register=False)
        best["ours"] = read_yaml(Path("outputs/tuning/best.yaml"))["score"]

    def plain() -> None:
        def objective(trial: optuna.Trial) -> float:
            c = trial.suggest_float("C", 1e-3, 1e2, log=True)
            pipeline = make_pipeline(
                TotalCounts(), MinMaxScaler(), LogisticRegression(C=c, max_iter=2000)
            )
            scores = cross_validate(
                pipeline,
                problem.table.areas,
                problem.y,
                cv=problem.folds.splits,
                scoring="neg_log_loss",
            )
            return -scores["test_score"].mean()

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
        study.optimize(objective, n_trials=TRIALS)
        best["plain"], best["params"] = study.best_value, study.best_params

    compare(ours, plain, repeats=3, limit=0.5)
    print(f"  best log loss (simulated data): ours {best['ours']:.6f}, plain {best['plain']:.6f}")
    pipeline = pipeline_of(cfg, problem.table.mz)
    folds = range(len(problem.folds.splits))
    scorer = Scorer(pipeline, problem.inputs, problem.y, [problem.folds], "log_loss")
    same = sum(scorer(0, fold, best["params"])[0] for fold in folds) / len(folds)
    print(f"  the plain script's best trial, scored by ours: {same:.9f} ({best['plain']:.9f})")


if __name__ == "__main__":
    main()
