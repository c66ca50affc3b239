"""Other ways to rank ions, to hold the weights against."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from ionprint.models.folds import Folds

REPEATS = 5
"""Times that each peak is permuted in the test spectra of each fold."""
TREES = 300
"""Of each compound's forest."""
COMPONENTS = 10
"""Principal components among which each compound's is looked for, at most."""
VALUES = 4_000_000
"""Numbers given to the classifier at once."""


def rank_by_all(
    pipeline: Pipeline,
    areas: np.ndarray,
    y: np.ndarray,
    folds: Folds,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, np.ndarray]:
    """Return how much each peak says for each compound, by three methods besides the weights.

    Parameters
    ----------
    advance : callable, optional
        Called after each fold that is permuted in and each compound's forest.

    Returns
    -------
    dict of str to ndarray, shape (n_classes, n_peaks)
        permutation, forest, pca: the larger, the more the peak speaks for the compound's presence.
    """
    scaled = clone(pipeline[:-1]).fit_transform(areas, y)
    toward = direction(scaled, y)
    lost = permutation_importance(pipeline, areas, y, folds, seed, advance)
    return {
        # a peak that marks absence must not rank first, whether its loss is real or noise
        "permutation": np.where(toward > 0, lost, -np.abs(lost)),
        "forest": toward * forest_importance(scaled, y, seed, advance),
        "pca": pca_loadings(scaled, y),
    }


def ranks(values: np.ndarray) -> np.ndarray:
    """Rank the peaks of each compound, the largest value first, from 1."""
    order = np.argsort(-values, axis=1, kind="stable")
    found = np.empty_like(order)
    np.put_along_axis(found, order, np.arange(1, values.shape[1] + 1)[None], axis=1)
    return found


def direction(scaled: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the sign of each compound's mean minus the others', shape (n_classes, n_peaks)."""
    return np.array(
        [np.sign(scaled[y == c].mean(axis=0) - scaled[y != c].mean(axis=0)) for c in np.unique(y)]
    )


def permutation_importance(
    pipeline: Pipeline,
    areas: np.ndarray,
    y: np.ndarray,
    folds: Folds,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Return by how much the log loss of each compound against the rest grows without each peak.

    As `sklearn.inspection.permutation_importance` (Breiman, Machine Learning 45 (2001) 5): in the
    held-out spectra of each fold the scaled values of one peak are shuffled among the spectra.
    Many shuffled copies are predicted in one call, without which a forest takes minutes.

    Returns
    -------
    ndarray, shape (n_classes, n_peaks)
        Mean over `REPEATS` shufflings and the folds, in nats.
    """
    rng = np.random.default_rng(seed)
    lost = []
    for train, test in folds.splits:
        fitted = clone(pipeline).fit(areas[train], y[train])
        lost.append(_permuted(fitted[-1], fitted[:-1].transform(areas[test]), y[test], rng))
        advance()
    return np.mean(lost, axis=0)


def _permuted(
    classifier: ClassifierMixin, scaled: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the growth of the loss for one fold's test spectra."""
    spectra, peaks = scaled.shape
    before = _losses(classifier, scaled, y, 1)
    at_once = max(1, VALUES // scaled.size)
    jobs = np.tile(np.arange(peaks), REPEATS)
    grown = np.zeros((before.shape[1], peaks))
    for start in range(0, len(jobs), at_once):
        columns = jobs[start : start + at_once]
        copies = np.repeat(scaled[None], len(columns), axis=0)
        shuffled = rng.permuted(scaled[:, columns], axis=0)
        copies[np.arange(len(columns)), :, columns] = shuffled.T
        after = _losses(classifier, copies.reshape(-1, peaks), y, len(columns))
        np.add.at(grown.T, columns, after - before)
    return grown / REPEATS


def _losses(classifier: ClassifierMixin, scaled: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
    """Return the mean log loss of each class against the rest in `n` copies, shape (n, classes)."""
    probabilities = classifier.predict_proba(scaled).reshape(n, len(y), -1)
    true = y[:, None] == classifier.classes_
    right = np.where(true, probabilities, 1 - probabilities)
    return -np.log(np.maximum(right, np.finfo(float).eps)).mean(axis=1)


def forest_importance(
    scaled: np.ndarray, y: np.ndarray, seed: int, advance: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Return a random forest's importances, each compound against the rest."""
    found = []
    for c in np.unique(y):
        forest = RandomForestClassifier(TREES, random_state=seed).fit(scaled, y == c)
        found.append(forest.feature_importances_)
        advance()
    return np.array(found)


def pca_loadings(scaled: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the loadings of the component that tells each compound best from the others.

    The one with the largest difference of mean scores in standard deviations within the two, of
    the first ten; signed so that the compound's scores are the higher ones.
    """
    pca = PCA(min(COMPONENTS, *scaled.shape), svd_solver="full")
    scores = pca.fit_transform(scaled)
    loadings = []
    for c in np.unique(y):
        own, rest = scores[y == c], scores[y != c]
        difference = own.mean(axis=0) - rest.mean(axis=0)
        spread = np.sqrt(own.var(axis=0) + rest.var(axis=0))
        best = np.argmax(np.abs(difference) / np.maximum(spread, 1e-12))
        loadings.append(np.sign(difference[best]) * pca.components_[best])
    return np.array(loadings)


def ranking_table(
    values: dict[str, np.ndarray], compounds: np.ndarray, mz: np.ndarray
) -> pd.DataFrame:
    """Lay the ranks by all methods side by side.

    Parameters
    ----------
    values : dict of str to ndarray, shape (n_classes, n_peaks)
        By method; rows are sorted by the first one.

    Returns
    -------
    DataFrame
        compound, mz (u), and a column of ranks (from 1) for each method; besides the first method's
        empty where the value is 0, for then the method says nothing of the peak: no tree uses it,
        or shuffling it changes no probability.
    """
    first = next(iter(values))
    table = pd.DataFrame(
        {"compound": np.repeat(compounds, len(mz)), "mz": np.tile(mz, len(compounds))}
    )
    for name, v in values.items():
        table[name] = pd.array(ranks(v).ravel(), dtype="Int64")
        if name != first:
            table.loc[v.ravel() == 0, name] = pd.NA
    return table.sort_values(["compound", first], kind="stable", ignore_index=True)


def overlap(table: pd.DataFrame, first: int) -> pd.DataFrame:
    """Count how many of each method's first ions are among the first method's.

    Parameters
    ----------
    table : DataFrame
        From `ranking_table`.
    first : int
        Ions of a compound that are compared.

    Returns
    -------
    DataFrame
        A row a compound, a column a method.
    """
    reference, *others = table.columns[table.columns.get_loc("mz") + 1 :]
    own = table[reference] <= first
    both = {name: own & (table[name] <= first).fillna(False) for name in others}
    return pd.DataFrame(both, index=table.index).groupby(table["compound"]).sum()
