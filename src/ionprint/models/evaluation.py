"""Scores of a pipeline under cross-validation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.pipeline import Pipeline

from ionprint.models.folds import Folds

METRICS = ("accuracy", "f1_macro", "log_loss")


def score(y: np.ndarray, probabilities: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """Return accuracy, macro F1 and log loss.

    Parameters
    ----------
    y : ndarray of str, shape (n,)
    probabilities : ndarray, shape (n, n_classes)
    classes : ndarray of str, shape (n_classes,)
        In the order of the columns.
    """
    predicted = classes[probabilities.argmax(axis=1)]
    # probabilities of 0 would make one mistake weigh infinitely; scikit-learn clips at 1e-16
    return {
        "accuracy": float(accuracy_score(y, predicted)),
        "f1_macro": float(f1_score(y, predicted, average="macro")),
        "log_loss": float(log_loss(y, probabilities, labels=classes)),
    }


@dataclass(frozen=True)
class Evaluation:
    """Cross-validated scores.

    Attributes
    ----------
    folds : DataFrame
        folds (scheme), fold, spectra, accuracy, f1_macro, log_loss.
    probabilities : ndarray, shape (n_spectra, n_classes)
        Out of fold.
    fold : ndarray of int, shape (n_spectra,)
        The fold in which each spectrum was tested.
    classes : ndarray of str
    """

    folds: pd.DataFrame
    probabilities: np.ndarray
    fold: np.ndarray
    classes: np.ndarray

    def summary(self) -> dict[str, float | str]:
        """Return mean and standard deviation of each metric over the folds."""
        result: dict[str, float | str] = {
            "folds": str(self.folds["folds"].iloc[0]),
            "n_folds": len(self.folds),
        }
        for metric in METRICS:
            values = self.folds[metric].to_numpy()
            result[metric] = round(float(values.mean()), 4)
            result[f"{metric}_sd"] = round(float(values.std(ddof=1)), 4)
        return result


def cross_validate(
    pipeline: Pipeline,
    areas: np.ndarray,
    y: np.ndarray,
    folds: Folds,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Fit the whole pipeline anew in every fold and score it on the fold's test spectra.

    Parameters
    ----------
    areas : ndarray, shape (n_spectra, n_peaks)
    y : ndarray of str, shape (n_spectra,)
    """
    classes = np.unique(y)
    probabilities = np.zeros((len(y), len(classes)))
    fold = np.zeros(len(y), dtype=int)
    rows = []
    for number, (train, test) in enumerate(folds.splits, 1):
        fitted = clone(pipeline).fit(areas[train], y[train])
        probabilities[test] = fitted.predict_proba(areas[test])
        fold[test] = number
        scores = score(y[test], probabilities[test], classes)
        rows.append({"folds": folds.scheme, "fold": number, "spectra": len(test), **scores})
        advance()
    return Evaluation(pd.DataFrame(rows), probabilities, fold, classes)


def confusion(y: np.ndarray, evaluation: Evaluation) -> pd.DataFrame:
    """Count true against predicted compounds, out of fold: one row a true compound."""
    predicted = evaluation.classes[evaluation.probabilities.argmax(axis=1)]
    table = pd.crosstab(y, predicted).reindex(
        index=evaluation.classes, columns=evaluation.classes, fill_value=0
    )
    table.columns = list(table.columns)
    return table.rename_axis("compound").reset_index()
