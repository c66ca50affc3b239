"""Figures of how the model was tuned, and how good it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ionprint.stages.drawings import Drawing, LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omegaconf import DictConfig

    from ionprint.stages.results import ResultFiles


def tuning(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Score of each trial, in their order and against each hyperparameter."""
    from ionprint.figures.tuning import tuning_figure

    metric = results.best["metric"]
    trials = results.table("tuning/trials.csv", "tune")
    if len(trials) < 2:
        raise LeftOut("No figure of the tuning: there was nothing to tune.")
    yield Drawing(
        "tuning",
        "Search for hyperparameters",
        f"Score of {len(trials)} trials ({metric}), in the order they were tried and against each "
        f"hyperparameter; the best is circled.",
        tuning_figure(trials, metric, results.source),
    )


def scores(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Grouped folds against naive ones and chance."""
    from ionprint.figures.scores import scores_figure

    metrics = results.metrics
    score, gap = metrics["score"], metrics["gap"]
    told = f"plain minus grouped is {gap['accuracy']:+.3f}" if gap else "there are no grouped folds"
    yield Drawing(
        "scores",
        "Naive and grouped cross-validation",
        f"Accuracy and log loss of every scheme of folds with 95 % intervals, each fold as a dot; "
        f"the quoted accuracy is {score['accuracy']:.3f} "
        f"[{score['accuracy_low']:.3f}, {score['accuracy_high']:.3f}], {told}.",
        scores_figure(metrics, results.table("evaluation/folds.csv", "evaluate"), results.source),
    )


def confusion(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Which compounds are taken for which."""
    from ionprint.figures.confusion import confusion_figure

    table = results.table("evaluation/confusion.csv", "evaluate")
    counts = table.drop(columns="compound").to_numpy()
    right, total = int(counts.diagonal().sum()), int(counts.sum())
    yield Drawing(
        "confusion",
        "Predictions out of fold",
        f"True against predicted compounds of the spectra that were left out, with counts and "
        f"shares of each row; {right} of {total} predictions are right.",
        confusion_figure(table, results.metrics["score"]["folds"], results.source),
    )


plans = (tuning, scores, confusion)
