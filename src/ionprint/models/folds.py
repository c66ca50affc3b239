"""Cross-validation splits: plain, and grouped so that no pellet stands on both sides."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

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
    n_repeats : int
        Times that the folds were drawn anew; the splits of one draw stand together, and each draw
        tests every spectrum once.
    """

    scheme: str
    splits: list[tuple[np.ndarray, np.ndarray]]
    n_repeats: int = 1

    @property
    def n_splits(self) -> int:
        """Folds of one draw."""
        return len(self.splits) // self.n_repeats


def plain_folds(y: np.ndarray, n_splits: int, seed: int, n_repeats: int = 1) -> Folds:
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
    splits = []
    for draw in range(n_repeats):
        n = min(n_splits, int(counts.min()))
        splitter = StratifiedKFold(n, shuffle=True, random_state=seed + draw)
        splits += splitter.split(np.zeros(len(y)), y)
    return Folds("plain", splits, n_repeats)


def grouped_folds(
    y: np.ndarray,
    groups: np.ndarray,
    n_splits: int,
    seed: int,
    n_repeats: int = 1,
    leave_one_out: bool = False,
) -> Folds | None:
    """Split by groups, so that no group is in training and test of a fold.

    Parameters
    ----------
    groups : ndarray of str, shape (n_spectra,)
        Pellet, foil, measuring run ...
    n_splits : int
        Lowered to the number of groups and to the smallest class's number of spectra, and further
        until every training set has all classes.
    n_repeats : int
        Times to draw the folds anew.
    leave_one_out : bool
        One fold a group instead; there is one such draw only.

    Returns
    -------
    Folds or None
        None where no such split exists, as when each class has one group only.
    """
    rows = np.arange(len(y))
    if leave_one_out:
        if len(np.unique(groups)) < 2:
            return None
        splits = list(LeaveOneGroupOut().split(rows, y, groups))
        return Folds("grouped", splits) if _sound(splits, y) else None
    smallest = int(np.unique(y, return_counts=True)[1].min())
    for n in range(min(n_splits, len(np.unique(groups)), smallest), 1, -1):
        draws = [
            list(
                StratifiedGroupKFold(n, shuffle=True, random_state=seed + draw).split(
                    rows, y, groups
                )
            )
            for draw in range(n_repeats)
        ]
        if all(_sound(splits, y) for splits in draws):
            return Folds("grouped", [split for splits in draws for split in splits], n_repeats)
    return None


def _sound(splits: list[tuple[np.ndarray, np.ndarray]], y: np.ndarray) -> bool:
    """Tell whether every fold tests something and trains on all classes."""
    return all(len(test) and set(y[train]) == set(y) for train, test in splits)


def scoring_folds(
    y: np.ndarray,
    groups: np.ndarray | None,
    n_splits: int,
    seed: int,
    n_repeats: int = 1,
    leave_one_out: bool = False,
) -> tuple[Folds, Folds | None]:
    """Return the plain folds, and the grouped ones where there are any.

    Parameters
    ----------
    groups : ndarray of str or None
        None: plain folds only.
    n_splits, seed, n_repeats, leave_one_out
        As `plain_folds` and `grouped_folds`.
    """
    plain = plain_folds(y, n_splits, seed, n_repeats)
    if groups is None:
        return plain, None
    return plain, grouped_folds(y, groups, n_splits, seed, n_repeats, leave_one_out)


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
            f"repeatability within a {group}, not generalisation: not every compound can be tested "
            f"on a {group} that training has not seen, so spots of one {group} stand in both"
        )
    return (
        "repeatability within a pellet, not generalisation: folds are plain, so spots of one "
        "pellet stand in training and test"
    )
