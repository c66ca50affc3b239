"""Characteristic ions: each compound's peaks in the order of their weights."""

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ionprint.errors import NoWeightsError
from ionprint.models.folds import Folds


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
        scaled = fitted[:-1].transform(areas)
        signs = [
            np.sign(scaled[y == c].mean(axis=0) - scaled[y != c].mean(axis=0))
            for c in classifier.classes_
        ]
        return np.array(signs) * model.feature_importances_
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
