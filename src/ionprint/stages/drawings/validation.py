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


plans = (tuning,)
