"""Cross-validation splits: plain, and grouped so that no pellet stands on both sides."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from ionprint.errors import DataError


@dataclass(frozen=True)
class Folds:
    """Splits of the reference spectra.

    Attributes
    ----------
    scheme : str
        `grouped` or `plain`.
    splits : list of (ndarray, ndarray)
        Training and test rows of each fold.
    """

    scheme: str
    splits: list[tuple[np.ndarray, np.ndarray]]


def plain_folds(y: np.ndarray, n_splits: int, seed: int) -> Folds:
    """Split at random, each class evenly over the folds, as the paper does.

    Parameters
    ----------
    y : ndarray of str, shape (n_spectra,)
        Compounds.
    n_splits : int
        Lowered to the smallest class's number of spectra.

    Raises
    ------
    DataError
        There is one class only, or a class has one spectrum.
    """
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2 or counts.min() < 2:
        raise DataError(
            f"cross-validation needs two classes or more with two spectra or more each; got "
            f"{', '.join(f'{c}: {n}' for c, n in zip(classes, counts, strict=True))}"
        )
    splitter = StratifiedKFold(min(n_splits, int(counts.min())), shuffle=True, random_state=seed)
    return Folds("plain", list(splitter.split(np.zeros(len(y)), y)))


def grouped_folds(y: np.ndarray, groups: np.ndarray, n_splits: int, seed: int) -> Folds | None:
    """Split by groups, so that no group is in training and test of a fold.

    Parameters
    ----------
    groups : ndarray of str, shape (n_spectra,)
        Pellet, foil, measuring run ...
    n_splits : int
        Lowered to the number of groups and to the smallest class's number of spectra, and further
        until every training set has all classes.

    Returns
    -------
    Folds or None
        None where no such split exists, as when each class has one group only.
    """
    rows = np.arange(len(y))
    smallest = int(np.unique(y, return_counts=True)[1].min())
    for n in range(min(n_splits, len(np.unique(groups)), smallest), 1, -1):
        splitter = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
        splits = list(splitter.split(rows, y, groups))
        if all(len(test) and set(y[train]) == set(y) for train, test in splits):
            return Folds("grouped", splits)
    return None


def scoring_folds(
    y: np.ndarray, groups: np.ndarray | None, n_splits: int, seed: int
) -> tuple[Folds, Folds | None]:
    """Return the plain folds, and the grouped ones where there are any.

    Parameters
    ----------
    groups : ndarray of str or None
        None: plain folds only.
    """
    plain = plain_folds(y, n_splits, seed)
    return plain, None if groups is None else grouped_folds(y, groups, n_splits, seed)


def meaning(grouped: Folds | None, group: str | None) -> str:
    """Say what the quoted score is worth.

    Parameters
    ----------
    grouped : Folds or None
        The grouped folds, None where there are none.
    group : str or None
        The sheet's column that was to hold the groups, None where plain folds were asked for.
    """
    if grouped:
        return f"how well spectra of a {group} never seen in training are recognised"
    if group:
        return (
            f"repeatability, not generalisation: no class can be tested on a {group} that training "
            f"has not seen, so spots of the same {group} stand in both"
        )
    return (
        "repeatability, not generalisation: folds are plain, so spots of the same pellet stand in "
        "training and test"
    )
