"""Spectra in few dimensions: principal components, and the classifier between spectra."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.pipeline import Pipeline

from ionprint.errors import DataError
from ionprint.spectra.table import peak_names

LEAST = 3
"""Spectra that principal components need: two always lie on one line."""
_AT_ONCE = 20_000_000  # numbers that are handed to a classifier in one go


@dataclass(frozen=True)
class Projection:
    """Principal components of scaled spectra.

    Attributes
    ----------
    centre : ndarray, shape (n_peaks,)
        Mean of the spectra it was fitted to.
    loadings : ndarray, shape (n_components, n_peaks)
        Of unit length; the largest entry of each, by size, is positive, for else their sign would
        be open.
    shares : ndarray, shape (n_components,)
        Of the variance that each explains, 0 to 1.
    """

    centre: np.ndarray
    loadings: np.ndarray
    shares: np.ndarray

    def scores(self, scaled: np.ndarray) -> np.ndarray:
        """Project spectra: shape (n, n_peaks) to (n, n_components)."""
        return (scaled - self.centre) @ self.loadings.T

    def restored(self, scores: np.ndarray, components: tuple[int, ...]) -> np.ndarray:
        """Map scores back to scaled spectra, X = S W^T, all other components at 0.

        Parameters
        ----------
        scores : ndarray, shape (n, k)
        components : tuple of int, length k
            From 1.

        Returns
        -------
        ndarray, shape (n, n_peaks)
        """
        return self.centre + scores @ self.loadings[np.array(components) - 1]


def scaled_by(pipeline: Pipeline, inputs: np.ndarray) -> np.ndarray:
    """Return what the model's classifier sees: all steps of the pipeline but the last.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    inputs : ndarray, shape (n, n_inputs)

    Returns
    -------
    ndarray, shape (n, n_peaks)
    """
    return np.asarray(pipeline[:-1].transform(inputs)) if len(inputs) else np.empty((0, 0))


def fit_projection(scaled: np.ndarray, most: int = 3) -> Projection:
    """Find the principal components of the references.

    Mixtures and anodes are projected into the space of the references alone. The paper does not
    say what its components were fitted to; fitted so they stay the same whatever is projected.

    Parameters
    ----------
    scaled : ndarray, shape (n_spectra, n_peaks)
        References, from `scaled_by`.
    most : int
        Components to keep, as far as there are any.

    Raises
    ------
    DataError
        There are fewer than three spectra, or they are all the same.
    """
    from sklearn.decomposition import PCA

    if len(scaled) < LEAST:
        raise DataError(
            f"principal components need {LEAST} reference spectra, there are {len(scaled)}."
        )
    if np.ptp(scaled, axis=0).max() == 0:
        raise DataError("all reference spectra are the same to this model.")
    least = min(most, len(scaled) - 1, scaled.shape[1])
    fitted = PCA(n_components=least, svd_solver="full").fit(scaled)
    loadings = fitted.components_
    largest = np.abs(loadings).argmax(axis=1)
    signs = np.where(loadings[np.arange(least), largest] < 0, -1.0, 1.0)
    return Projection(fitted.mean_, signs[:, None] * loadings, fitted.explained_variance_ratio_)


def window(references: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Return the part of one component that a figure shows.

    A sample of something unknown may lie so far out that the references would shrink to a dot:
    beyond the references there is room for once their own range on either side, no more.

    Parameters
    ----------
    references, others : ndarray
        Scores on this component.
    """
    low, high = references.min(), references.max()
    width = high - low or 1.0
    every = np.clip(np.append(others, [low, high]), low - width, high + width)
    room = 0.08 * (np.ptp(every) or 1.0)
    return float(every.min() - room), float(every.max() + room)


def decision_map(
    projection: Projection,
    classifier: ClassifierMixin,
    compound: str,
    plane: tuple[int, int],
    ends: tuple[tuple[float, float], tuple[float, float]],
    steps: int = 150,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the probability of a compound on a grid in the plane of two principal components.

    Each point of the grid is mapped back to scaled intensities, all other components at 0, and
    classified (paper, section 3.3.1). What is mapped back need not be a spectrum that exists.

    Parameters
    ----------
    classifier : estimator
        The last step of the pipeline, which reads scaled intensities.
    compound : str
    plane : tuple of int
        Two components, from 1: across and up.
    ends : tuple of (float, float)
        Of the grid, across and up.
    steps : int
        Points of the grid in each direction.

    Returns
    -------
    across, up : ndarray, shape (steps,)
    probability : ndarray, shape (steps, steps)
        Rows go up.

    Raises
    ------
    DataError
        The model does not know the compound.
    """
    classes = [str(c) for c in classifier.classes_]
    if compound not in classes:
        raise DataError(f"the model knows no {compound!r}; it knows {', '.join(classes)}.")
    across, up = (np.linspace(low, high, steps) for low, high in ends)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    parts = np.array_split(grid, -(-grid.shape[0] * projection.centre.size // _AT_ONCE))
    found = [classifier.predict_proba(projection.restored(part, plane)) for part in parts]
    probability = np.concatenate(found)[:, classes.index(compound)]
    return across, up, probability.reshape(steps, steps)


def strongest_loadings(
    projection: Projection, mz: np.ndarray, ranking: pd.DataFrame, first: int = 8
) -> pd.DataFrame:
    """Return the peaks of the largest loadings beside their weights for each compound.

    Parameters
    ----------
    mz : ndarray, shape (n_peaks,)
        u.
    ranking : DataFrame
        Columns compound, mz (u), ion and weight.
    first : int
        Peaks a component.

    Returns
    -------
    DataFrame
        component (from 1), share (of the variance), mz, ion, loading, strongest (the compound of
        the largest weight), and w_<compound> for each; sorted by component and falling size of the
        loading.
    """
    keyed = ranking.assign(peak=peak_names(ranking["mz"]))
    weights = keyed.pivot(index="peak", columns="compound", values="weight").reindex(peak_names(mz))
    names = keyed.drop_duplicates("peak").set_index("peak")["ion"].reindex(weights.index).fillna("")
    parts = []
    for number, loading in enumerate(projection.loadings):
        rows = np.argsort(-np.abs(loading), kind="stable")[:first]
        own = weights.iloc[rows].reset_index(drop=True)
        parts.append(
            pd.DataFrame(
                {
                    "component": number + 1,
                    "share": projection.shares[number],
                    "mz": mz[rows],
                    "ion": names.iloc[rows].to_numpy(),
                    "loading": loading[rows],
                    "strongest": own.fillna(-np.inf).idxmax(axis=1),
                }
            ).join(own.add_prefix("w_"))
        )
    return pd.concat(parts, ignore_index=True)
