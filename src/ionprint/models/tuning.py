"""Hyperparameters chosen by Optuna under cross-validation."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import f1_score
from sklearn.pipeline import Pipeline

from ionprint.config import MINIMISED
from ionprint.errors import ConfigError, DataError
from ionprint.models.folds import Folds, scoring_folds
from ionprint.models.pipeline import fitting
from ionprint.models.study import Draws, Study, Trial

POLL = 0.2  # seconds between two looks at what other machines have finished


@dataclass(frozen=True)
class Tuning:
    """What a study found.

    Attributes
    ----------
    params : dict
        The best hyperparameters.
    score : float
        Their mean score over the folds.
    trials : DataFrame
        trial, score, score_se (standard error over the folds), then a column a hyperparameter, in
        the order they were drawn.
    stopped : int
        Fits that ended before they converged.
    """

    params: dict[str, Any]
    score: float
    trials: pd.DataFrame
    stopped: int


class Scorer:
    """Scores of the folds of one or several problems, with few repetitions.

    Normalisation and scaling are done once a fold, since no hyperparameter touches them. They are
    still fitted on each fold's training spectra alone.

    Parameters
    ----------
    inputs : ndarray, shape (n_spectra, n_peaks)
        What the pipeline reads.
    y : ndarray of str, shape (n_spectra,)
        Compounds.
    problems : sequence of Folds
        Folds in rows of `inputs`, of the tuning and of those within its outer folds.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        inputs: np.ndarray,
        y: np.ndarray,
        problems: Sequence[Folds],
        metric: str,
    ) -> None:
        self.pipeline = pipeline
        self.inputs = inputs
        # numbers for classes: scikit-learn's look at text labels costs as much as a fit
        self.codes = np.unique(y, return_inverse=True)[1]
        self.problems = problems
        self.metric = metric
        self._prepared: dict[tuple[int, int], tuple] = {}

    def __call__(self, problem: int, fold: int, params: Mapping[str, Any]) -> tuple[float, int]:
        """Return a fold's score and the number of its fits that ended before they converged."""
        train, y_train, test, y_test = self._fold(problem, fold)
        with fitting() as stopped:
            fitted = clone(self.pipeline[-1]).set_params(**params).fit(train, y_train)
            score = fold_score(self.metric, y_test, fitted.predict_proba(test))
        if not np.isfinite(score):
            raise DataError(
                f"{type(fitted).__name__} with {dict(params)} gives a {self.metric} of {score}; "
                f"narrow its search_space or choose a scaling"
            )
        return score, len(stopped)

    def _fold(self, problem: int, fold: int) -> tuple:
        if (problem, fold) not in self._prepared:
            # one problem's folds at a time: those of all would be many copies of the table
            for key in [key for key in self._prepared if key[0] != problem]:
                del self._prepared[key]
            train, test = self.problems[problem].splits[fold]
            steps = clone(self.pipeline[:-1])
            with fitting():
                prepared = steps.fit_transform(self.inputs[train], self.codes[train])
                self._prepared[problem, fold] = (
                    *(prepared, self.codes[train]),
                    *(steps.transform(self.inputs[test]), self.codes[test]),
                )
        return self._prepared[problem, fold]

    def seconds_a_fit(self) -> float:
        """Time one fit of the model as it is."""
        self(0, 0, {})
        start = time.perf_counter()
        self(0, 0, {})
        return time.perf_counter() - start


def fold_score(metric: str, codes: np.ndarray, probabilities: np.ndarray) -> float:
    """Return one metric of one fold, as `evaluation.score` has it.

    Parameters
    ----------
    metric : str
        log_loss, accuracy or f1_macro.
    codes : ndarray of int, shape (n,)
        The true classes as columns of `probabilities`.
    probabilities : ndarray, shape (n, n_classes)
    """
    if metric == "log_loss":
        eps = np.finfo(probabilities.dtype).eps
        share = probabilities[np.arange(len(codes)), codes] / probabilities.sum(axis=1)
        return float(-np.log(np.clip(share, eps, 1 - eps)).mean())
    predicted = probabilities.argmax(axis=1)
    if metric == "accuracy":
        return float((predicted == codes).mean())
    return float(f1_score(codes, predicted, average="macro"))


def inner_folds(
    y: np.ndarray, groups: np.ndarray | None, outer: Folds, n_splits: int, seed: int
) -> list[Folds]:
    """Split the training rows of each outer fold anew.

    One draw of `n_splits` folds each, however often the outer ones are drawn and whether or not
    they leave one group out: they choose hyperparameters and are not quoted.

    Returns
    -------
    list of Folds
        Grouped where the rows allow it, else plain; in rows of `y`.

    Raises
    ------
    DataError
        The training rows of a fold cannot be split.
    """
    inner = []
    for number, (train, _) in enumerate(outer.splits, 1):
        held = None if groups is None else groups[train]
        try:
            plain, grouped = scoring_folds(y[train], held, n_splits, seed)
        except DataError as exc:
            raise DataError(
                f"tuning within outer fold {number}: {exc}. Add spectra, or set "
                f"cross_validation.nested=false (its score flatters)"
            ) from exc
        chosen = grouped or plain
        splits = [(train[a], train[b]) for a, b in chosen.splits]
        inner.append(Folds(chosen.scheme, splits))
    return inner


def check_space(pipeline: Pipeline, space: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ConfigError where the search space names what is no hyperparameter of the model."""
    for name in space:
        if name not in pipeline[-1].get_params():
            raise ConfigError(
                f"search_space.{name}: {type(pipeline[-1]).__name__} has no such hyperparameter"
            )


def tune(
    scores: Callable[[Mapping[str, Any]], list[tuple[float, int]]],
    space: Mapping[str, Mapping[str, Any]],
    *,
    trials: int,
    metric: str,
    seed: int,
    study: Study,
    advance: Callable[[], None] = lambda: None,
) -> Tuning:
    """Search for the hyperparameters with the best mean score over the folds.

    A study that was stopped goes on, and several processes may share one: each trial draws from a
    sampler seeded by its slot and fed with the finished trials alone, so that a stopped and
    resumed study ends as one that was not.

    Parameters
    ----------
    scores : callable
        Takes hyperparameters, returns each fold's score and number of unconverged fits.
    space : mapping
        As in conf/model; empty: one trial of the model as it is.
    trials : int
        How many in all, those of an earlier start and of other processes included.
    metric : str
        log_loss (lower is better), accuracy or f1_macro.
    study : Study
        Where trials are kept.
    advance : callable
        Called once for each finished trial, those of an earlier start and of others included.

    Raises
    ------
    ConfigError
        The search space cannot be drawn from.
    """
    draws = Draws(space, metric)
    study.space = draws.space
    trials = trials if space else 1
    told = 0
    while True:
        slot = study.claim(trials)
        if slot is not None:
            try:
                params = draws.draw(study.finished, seed + slot) if space else {}
                study.finish(slot, _trial(params, scores(params)))
            except BaseException:
                study.give_back(slot)
                raise
        for _ in range(told, len(study.finished)):
            advance()
        told = max(told, len(study.finished))
        if slot is None:
            if told >= trials:
                break
            time.sleep(POLL)
    finished = study.finished[:trials]
    frame = pd.DataFrame(
        [
            {"trial": i, "score": t.score, "score_se": t.score_se, **t.params}
            for i, t in enumerate(finished)
        ]
    )
    best = frame["score"].idxmin() if metric in MINIMISED else frame["score"].idxmax()
    stopped = sum(t.stopped for t in finished)
    return Tuning(dict(finished[best].params), finished[best].score, frame, stopped)


def _trial(params: dict[str, Any], scores: list[tuple[float, int]]) -> Trial:
    values = [score for score, _ in scores]
    error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    return Trial(params, float(np.mean(values)), error, sum(stopped for _, stopped in scores))
