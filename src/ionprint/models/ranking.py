"""Characteristic ions: each compound's peaks in the order of their weights."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ionprint.errors import NoWeightsError
from ionprint.models.folds import Folds
from ionprint.models.importance import direction


def weights(fitted: Pipeline, areas: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return what each peak says for each compound.

    Linear models have signed weights on the scaled peaks. A forest has importances only, the same
    for all compounds; they are given the sign of the compound's mean minus the others' mean on the
    scaled peaks.

    Parameters
    ----------
    fitted : Pipeline
    areas : ndarray, shape (n_spectra, n_peaks)
        Training spectra.
    y : ndarray of str, shape (n_spectra,)

    Returns
    -------
    ndarray, shape (n_classes, n_peaks)

    Raises
    ------
    NoWeightsError
        The model has neither weights nor importances.
    """
    classifier = fitted[-1]
    inner = getattr(classifier, "calibrated_classifiers_", None)
    model = inner[0].estimator if inner else classifier
    if hasattr(model, "coef_"):
        coefficients = model.coef_
        return np.vstack([-coefficients, coefficients]) if len(coefficients) == 1 else coefficients
    if hasattr(model, "feature_importances_"):
        return direction(fitted[:-1].transform(areas), y) * model.feature_importances_
    raise NoWeightsError(
        f"{type(model).__name__} has no weights to rank ions by; choose another model, "
        f"e.g. model=logistic"
    )


def rank_ions(
    pipeline: Pipeline, areas: np.ndarray, y: np.ndarray, mz: np.ndarray, folds: Folds
) -> pd.DataFrame:
    """Rank the peaks of each compound by their signed weight, averaged over the folds.

    A large positive weight marks presence; a large negative one would mark absence and stands at
    the end (paper, section 3.2: feature importance averaged over the 5-fold cross-validation).

    Returns
    -------
    DataFrame
        compound, rank (from 1), mz (u), weight, weight_sd (over the folds).
    """
    found = []
    for train, _ in folds.splits:
        fitted = clone(pipeline).fit(areas[train], y[train])
        found.append(weights(fitted, areas[train], y[train]))
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    parts = []
    for row, compound in enumerate(np.unique(y)):
        order = np.argsort(-mean[row], kind="stable")
        parts.append(
            pd.DataFrame(
                {
                    "compound": compound,
                    "rank": np.arange(1, len(mz) + 1),
                    "mz": mz[order],
                    "weight": mean[row][order],
                    "weight_sd": spread[row][order],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def share_in_first(
    pipeline: Pipeline,
    areas: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray | None,
    first: int,
    resamples: int,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Return how often each peak is among a compound's first ones when the spectra are redrawn.

    The whole pipeline is fitted anew on each bootstrap resample (Efron and Gong, American
    Statistician 37 (1983) 36).

    Parameters
    ----------
    groups : ndarray of str or None
        What is drawn as a whole, see `resample`; None: spectra.
    first : int
        Peaks of a compound that count as its first.
    resamples : int
        1 or more.
    advance : callable
        Called after each resample.

    Returns
    -------
    ndarray, shape (n_classes, n_peaks)
        Shares from 0 to 1.
    """
    rng = np.random.default_rng(seed)
    hits: np.ndarray | float = 0.0
    for _ in range(resamples):
        rows = resample(y, groups, rng)
        values = weights(clone(pipeline).fit(areas[rows], y[rows]), areas[rows], y[rows])
        order = np.argsort(-values, axis=1, kind="stable")[:, :first]
        hit = np.zeros(values.shape)
        np.put_along_axis(hit, order, 1.0, axis=1)
        hits = hits + hit
        advance()
    return np.asarray(hits) / resamples


def resample(y: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Draw as many groups as there are, with replacement, so that every class is there.

    Where each group has one class, its groups are drawn within each class; where classes share
    groups, whole groups are drawn until no class is missing. Without groups spectra are drawn
    within each class.

    Returns
    -------
    ndarray of int
        Rows, repeated as often as their group was drawn.
    """
    groups = np.arange(len(y)) if groups is None else groups
    names, of = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(of == i) for i in range(len(names))]
    if all(len(set(y[rows])) == 1 for rows in members):
        held = np.array([y[rows[0]] for rows in members])
        pools = [np.flatnonzero(held == c) for c in np.unique(y)]
    else:
        pools = [np.arange(len(names))]
    while True:
        drawn = [i for pool in pools for i in rng.choice(pool, len(pool))]
        rows = np.concatenate([members[i] for i in drawn])
        if len(set(y[rows])) == len(set(y)):
            return rows
