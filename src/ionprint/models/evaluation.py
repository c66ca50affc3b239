"""Scores of a pipeline under cross-validation, with intervals over independent groups."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ionprint.models.folds import Folds

METRICS = ("accuracy", "f1_macro", "log_loss", "brier")
LEVEL = 0.95
"""Of all intervals."""


@dataclass(frozen=True)
class Evaluation:
    """Out-of-fold predictions of one scheme of folds.

    Attributes
    ----------
    name : str
        nested, grouped, plain or dummy.
    folds : DataFrame
        folds (the name), fold, spectra, then METRICS of each fold's test spectra.
    probabilities : ndarray, shape (n_repeats, n_spectra, n_classes)
        Each spectrum's when it was tested, once a draw of the folds.
    fold : ndarray of int, shape (n_repeats, n_spectra)
        The fold in which it was tested, from 1.
    classes : ndarray of str
        In the order of the columns.
    y : ndarray of str, shape (n_spectra,)
    """

    name: str
    folds: pd.DataFrame
    probabilities: np.ndarray
    fold: np.ndarray
    classes: np.ndarray
    y: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The most probable compound, shape (n_repeats, n_spectra)."""
        return self.classes[self.probabilities.argmax(axis=2)]


def cross_validate(
    name: str,
    pipelines: Pipeline | Sequence[Pipeline],
    X: np.ndarray,
    y: np.ndarray,
    folds: Folds,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Fit the whole pipeline anew in every fold and predict the fold's test spectra.

    Parameters
    ----------
    name : str
        What the evaluation is called.
    pipelines : Pipeline, or one for each split
        One for each split where the hyperparameters were tuned inside the folds.
    X : ndarray, shape (n_spectra, n_inputs)
        What the pipeline reads: peak areas (counts).
    y : ndarray of str, shape (n_spectra,)
    """
    if isinstance(pipelines, Pipeline):
        pipelines = [pipelines] * len(folds.splits)
    return predicted_with(
        name,
        lambda i, train, test: clone(pipelines[i]).fit(X[train], y[train]).predict_proba(X[test]),
        y,
        folds,
        advance,
    )


def predicted_with(
    name: str,
    predict: Callable[[int, np.ndarray, np.ndarray], np.ndarray],
    y: np.ndarray,
    folds: Folds,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Evaluate by a function of fold number, training rows and test rows.

    Parameters
    ----------
    predict : callable
        Gives the test rows' probabilities, shape (n_test, n_classes), classes in sorted order;
        every training set has all classes.
    """
    classes, codes = np.unique(y, return_inverse=True)
    probabilities = np.zeros((folds.n_repeats, len(y), len(classes)))
    fold = np.zeros((folds.n_repeats, len(y)), dtype=int)
    rows = []
    for i, (train, test) in enumerate(folds.splits):
        draw = i // folds.n_splits
        probabilities[draw, test] = predict(i, train, test)
        fold[draw, test] = i + 1
        losses = _Losses(codes[test], probabilities[draw, test])
        scores = losses.means(np.ones((1, len(test))))
        row = {metric: float(scores[metric][0]) for metric in METRICS}
        rows.append({"folds": name, "fold": i + 1, "spectra": len(test), **row})
        advance()
    return Evaluation(name, pd.DataFrame(rows), probabilities, fold, classes, y)


class _Losses:
    """What each spectrum adds to the scores, so that resamples are sums of products.

    Brier's score is his own (Monthly Weather Review 78 (1950) 1): the squared differences summed
    over the classes, from 0 to 2. Probabilities are clipped at the machine's precision, as
    scikit-learn does, so that one mistake does not weigh infinitely.
    """

    def __init__(self, codes: np.ndarray, probabilities: np.ndarray) -> None:
        n, k = probabilities.shape
        eps = np.finfo(float).eps
        truth = np.eye(k)[codes]
        own = (probabilities * truth).sum(axis=1) / probabilities.sum(axis=1)
        self.log_loss = -np.log(np.clip(own, eps, 1 - eps))
        self.brier = ((probabilities - truth) ** 2).sum(axis=1)
        self.confusion = np.zeros((n, k * k))
        self.confusion[np.arange(n), codes * k + probabilities.argmax(axis=1)] = 1.0
        self.k = k

    def means(self, times: np.ndarray) -> dict[str, np.ndarray]:
        """Return the metrics of resamples.

        Parameters
        ----------
        times : ndarray, shape (n_resamples, n_spectra)
            How often each spectrum is in each resample.
        """
        n = times.sum(axis=1)
        confusion = (times @ self.confusion).reshape(-1, self.k, self.k)
        right = np.diagonal(confusion, axis1=1, axis2=2)
        total = confusion.sum(axis=1) + confusion.sum(axis=2)
        # as scikit-learn: the mean over the classes that are there or were predicted
        f1 = np.where(total > 0, 2 * right / np.where(total > 0, total, 1), 0.0)
        return {
            "accuracy": right.sum(axis=1) / n,
            "f1_macro": f1.sum(axis=1) / np.maximum((total > 0).sum(axis=1), 1),
            "log_loss": times @ self.log_loss / n,
            "brier": times @ self.brier / n,
        }


@dataclass(frozen=True)
class Units:
    """What may be drawn anew: groups where there are several a class, else single spectra.

    Attributes
    ----------
    kind : str
        The sheet's column that holds the groups, or `spectrum`.
    of : ndarray of int, shape (n_spectra,)
        The unit of each spectrum.
    stratum : ndarray of int, shape (n_units,)
        Units with the same compounds are one stratum; resamples draw within strata, so that each
        compound keeps its weight.
    """

    kind: str
    of: np.ndarray
    stratum: np.ndarray

    def __len__(self) -> int:
        return len(self.stratum)

    def draw(self, resamples: int, rng: np.random.Generator) -> np.ndarray:
        """Draw units with replacement: how often each is drawn, shape (resamples, n_units)."""
        times = np.zeros((resamples, len(self)))
        for stratum in np.unique(self.stratum):
            members = np.flatnonzero(self.stratum == stratum)
            even = np.full(len(members), 1 / len(members))
            times[:, members] = rng.multinomial(len(members), even, size=resamples)
        return times


def units(y: np.ndarray, groups: np.ndarray | None, kind: str | None) -> Units:
    """Say what is independent of what.

    Parameters
    ----------
    groups : ndarray of str, shape (n_spectra,), or None
    kind : str or None
        The groups' column.

    Returns
    -------
    Units
        Groups, unless none are given or some compounds are in one group only: then nothing can be
        said of another group, and single spectra are drawn.
    """
    if groups is not None:
        names, of = np.unique(groups, return_inverse=True)
        held = [sorted(set(y[of == u])) for u in range(len(names))]
        if min(sum(c in h for h in held) for c in np.unique(y)) > 1:
            stratum = np.unique([repr(h) for h in held], return_inverse=True)[1]
            if np.unique(stratum, return_counts=True)[1].min() == 1:
                stratum = np.zeros_like(stratum)  # no two groups are alike: draw among all
            return Units(str(kind), of, stratum)
    return Units("spectrum", np.arange(len(y)), np.unique(y, return_inverse=True)[1])


def summary(evaluation: Evaluation, drawn: Units, resamples: int, seed: int) -> dict[str, Any]:
    """Return the metrics over all out-of-fold predictions, each with its interval.

    Percentile bootstrap over units (Efron and Tibshirani, An Introduction to the Bootstrap (1993),
    chapter 13): predictions are kept, units are drawn with replacement. With several draws of the
    folds, metrics are averaged over the draws. An interval has no width where no unit holds a
    mistake; what that is worth is said by `mistaken_at_most`, the upper end of the exact one-sided
    interval (Clopper and Pearson, Biometrika 26 (1934) 404) of the share of units with a mistake.

    Returns
    -------
    dict
        folds, n_folds, METRICS each with `_low` and `_high`, units, unit, mistaken,
        mistaken_at_most.
    """
    from scipy.stats import beta

    codes = np.searchsorted(evaluation.classes, evaluation.y)
    times = drawn.draw(resamples, np.random.default_rng(seed))[:, drawn.of]
    once = np.ones((1, len(codes)))
    losses = [_Losses(codes, p) for p in evaluation.probabilities]
    values = [part.means(once) for part in losses]
    bootstrap = [part.means(times) for part in losses]
    tail = 100 * (1 - LEVEL) / 2
    result: dict[str, Any] = {"folds": evaluation.name, "n_folds": len(evaluation.folds)}
    for metric in METRICS:
        result[metric] = round(float(np.mean([v[metric] for v in values])), 4)
        spread = np.mean([b[metric] for b in bootstrap], axis=0)
        low, high = np.percentile(spread, [tail, 100 - tail])
        result[f"{metric}_low"], result[f"{metric}_high"] = round(low, 4), round(high, 4)
    wrong = (evaluation.predicted != evaluation.y).any(axis=0)
    mistaken, n = len(np.unique(drawn.of[wrong])), len(drawn)
    upper = beta.ppf(LEVEL, mistaken + 1, n - mistaken) if mistaken < n else 1.0
    return {
        **result,
        "unit": drawn.kind,
        "units": n,
        "mistaken": mistaken,
        "mistaken_at_most": round(float(upper), 4),
    }


def shuffled(y: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Shuffle the compounds as if they had nothing to do with the spectra.

    Spectra of one group and compound keep together, for they are no independent evidence. Where a
    group is of one compound, the compounds are shuffled among all groups; where groups hold
    several, among the compounds of each group.
    """
    if groups is None:
        return rng.permutation(y)
    cells, of = np.unique(np.array([groups, y]), axis=1, return_inverse=True)
    held, labels = cells[0], cells[1].copy()
    nested = len(np.unique(held)) == len(held)
    for group in [None] if nested else np.unique(held):
        rows = np.arange(len(held)) if group is None else np.flatnonzero(held == group)
        labels[rows] = labels[rng.permutation(rows)]
    return labels[of.ravel()]


def permutation_test(
    pipeline: Pipeline,
    X: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray | None,
    folds: Folds,
    permutations: int,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Compare the accuracy with that for shuffled compounds.

    Ojala and Garriga, J. Mach. Learn. Res. 11 (2010) 1833, test 1, with `shuffled`. The
    hyperparameters are held. Nothing before the classifier looks at compounds, so that is fitted
    once a fold.

    Returns
    -------
    dict
        p_value: how often shuffled compounds are told as well or better, (1 + hits) /
        (1 + permutations); accuracy; shuffled_accuracy: the mean for shuffled ones; permutations.
    """
    rng = np.random.default_rng(seed)
    classes = np.unique(y)
    prepared = []
    for train, test in folds.splits:
        steps = clone(pipeline[:-1]).fit(X[train])
        prepared.append((train, steps.transform(X[train]), test, steps.transform(X[test])))

    def accuracy(y: np.ndarray) -> float:
        codes = np.searchsorted(classes, y)  # numbers: text labels cost as much as a fit
        right = [
            clone(pipeline[-1]).fit(X_train, codes[train]).predict(X_test) == codes[test]
            for train, X_train, test, X_test in prepared
        ]
        return float(np.concatenate(right).mean())

    observed = accuracy(y)
    chance = []
    for _ in range(permutations):
        chance.append(accuracy(shuffled(y, groups, rng)))
        advance()
    hits = int(np.sum(np.array(chance) >= observed - 1e-12))
    return {
        "p_value": round((1 + hits) / (1 + permutations), 4),
        "permutations": permutations,
        "accuracy": round(observed, 4),
        "shuffled_accuracy": round(float(np.mean(chance)), 4),
    }


def confusion(evaluation: Evaluation) -> pd.DataFrame:
    """Count true against predicted compounds, out of fold: one row a true compound.

    With several draws of the folds every spectrum counts once a draw.
    """
    draws = len(evaluation.predicted)
    table = pd.crosstab(np.tile(evaluation.y, draws), evaluation.predicted.ravel()).reindex(
        index=evaluation.classes, columns=evaluation.classes, fill_value=0
    )
    table.columns = list(table.columns)
    return table.rename_axis("compound").reset_index()
