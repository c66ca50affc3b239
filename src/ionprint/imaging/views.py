"""What is shown of finished maps: maps made small enough to look at, and views that know no model.

The views, PCA and NMF, are drawn beside the model's maps for comparison. Counts are scaled before
as Keenan and Kotula do (Surf. Interface Anal. 36 (2004) 203): divided by the square roots of the
mean image and of the mean spectrum, so that each count has about the same Poisson noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import zarr

BATCH = 512
"""Pixels that a view learns from at once."""
PASSES = 4
"""How often a factorisation sees all pixels; a PCA needs them once."""
SPARE = 8
"""Components kept between batches beyond those that are asked for: faint ones build up slowly."""
LEAST = 0.01
"""Mean counts of a peak from which on it is looked at: few counts, scaled up, drown all others."""
STEP = 1 << 24
"""Values of a map that are made small at once."""


@dataclass(frozen=True)
class View:
    """Pixels and peaks as a sum of few components.

    Attributes
    ----------
    method : str
        PCA or NMF.
    scores : ndarray of float32, shape (n_rows, n_columns, n_components)
        How much of each component is in a pixel of the overview, NaN where there are no counts. Of
        NMF in counts; of PCA deviations from the mean, along loadings of length 1.
    loadings : ndarray, shape (n_components, n_peaks)
        Of NMF each sums to 1; of PCA the largest is positive.
    clear : ndarray, shape (n_components, n_peaks)
        Loadings on what was scaled: how far an ion stands out of the noise.
    share : ndarray, shape (n_components,)
        Of NMF the part of the counts, of PCA of the variance of what was scaled. Falling.
    """

    method: str
    scores: np.ndarray
    loadings: np.ndarray
    clear: np.ndarray
    share: np.ndarray

    def strongest(self, component: int, number: int = 6) -> list[int]:
        """Return the peaks that stand out most, whatever their sign, the first one most."""
        size = np.abs(self.clear[component])
        order = np.argsort(-size, kind="stable")[:number]
        return [int(peak) for peak in order if size[peak] > 0]


def views_of(store: "zarr.Group", number: int, seed: int) -> list[View]:
    """Return a PCA and an NMF of the overview of finished maps, all layers together.

    Parameters
    ----------
    store : zarr.Group
        Of `maps.read_block`.
    number : int
        Components; fewer where there are fewer pixels or peaks with counts.
    seed : int
        Of the order of pixels; the same seed, the same views.

    Returns
    -------
    list of View
        Empty where there are no components to find.
    """
    overview = store["overview"]
    total = np.zeros(overview.shape[1:], np.float32)
    high = overview.chunks[1]
    for layer in range(overview.shape[0]):
        for top in range(0, total.shape[0], high):
            total[top : top + high] += np.nan_to_num(overview[layer, top : top + high])
    counts = total.reshape(-1, total.shape[2])
    seen = np.flatnonzero(counts.mean(axis=0) > LEAST)
    np.maximum(counts, 0, out=counts)  # where peaks overlap, see `Columns.areas`
    pixels, peaks = counts[:, seen].sum(axis=1) / max(seen.size, 1), counts.mean(axis=0)
    there = np.flatnonzero(pixels > 0)
    number = min(number, there.size - 1, seen.size - 1)
    if number < 1:
        return []
    rows, columns = np.sqrt(pixels[there])[:, None], np.sqrt(peaks[seen])
    scaled = counts[np.ix_(there, seen)]
    scaled /= rows
    scaled /= columns
    order = np.random.default_rng(seed).permutation(there.size)
    views = []
    for method, find in (("PCA", _pca), ("NMF", _nmf)):
        scores, clear, share = find(scaled, order, number, seed)
        scores, loadings = scores * rows, clear * columns
        # what a component is multiplied by is free: of one loadings sum to 1, of the other squares
        size = np.linalg.norm(loadings, ord=2 if method == "PCA" else 1, axis=1)
        size = np.where(size > 0, size, 1)
        if method == "PCA":  # and so is the sign
            most = np.abs(loadings).argmax(axis=1)[:, None]
            size *= np.sign(np.take_along_axis(loadings, most, axis=1))[:, 0]
        scores, loadings, clear = scores * size, loadings / size[:, None], clear / size[:, None]
        if share is None:
            share = scores.sum(axis=0) / scores.sum()
        best = np.argsort(-share, kind="stable")
        whole = np.full((counts.shape[0], number), np.nan, np.float32)
        whole[there] = scores[:, best]
        spread = np.zeros((2, number, counts.shape[1]))
        spread[:, :, seen] = loadings[best], clear[best]
        views.append(View(method, whole.reshape(*total.shape[:2], number), *spread, share[best]))
    return views


def _batches(order: np.ndarray, least: int) -> Iterator[np.ndarray]:
    """Return pixels in turn; the last ones come together where they are few."""
    starts = list(range(0, max(order.size - max(least, BATCH // 2), 0) + 1, BATCH))
    for start, end in zip(starts, [*starts[1:], order.size], strict=True):
        yield order[start:end]


def _pca(
    scaled: np.ndarray, order: np.ndarray, number: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from sklearn.decomposition import IncrementalPCA

    kept = min(number + SPARE, *scaled.shape)
    model = IncrementalPCA(kept)
    for some in _batches(order, kept):
        model.partial_fit(scaled[some])
    scores = (scaled - model.mean_.astype(np.float32)) @ model.components_[:number].T
    return scores, model.components_[:number], model.explained_variance_ratio_[:number]


def _nmf(
    scaled: np.ndarray, order: np.ndarray, number: int, seed: int
) -> tuple[np.ndarray, np.ndarray, None]:
    from sklearn.decomposition import MiniBatchNMF

    model = MiniBatchNMF(number, batch_size=BATCH, random_state=seed, init="nndsvda")
    for _ in range(PASSES):
        for some in _batches(order, number):
            model.partial_fit(scaled[some])
    return model.transform(scaled), model.components_, None


def shrunk(store: "zarr.Group", name: str, layer: int, factor: int) -> np.ndarray:
    """Return one layer of a map, `factor` x `factor` pixels brought together.

    Parameters
    ----------
    store : zarr.Group
        Of `maps.read_block`.
    name : str
        Of its array. Of a state the largest counts: a pixel is as good as the best in it. All else
        is the mean over what is no NaN.
    layer, factor : int

    Returns
    -------
    ndarray of float32 or uint8, shape (n_rows, n_columns, ...)
    """
    array = store[name]
    high = max(1, STEP // int(np.prod(array.shape[2:])) // array.chunks[1]) * array.chunks[1]
    high = -(-high // factor) * factor
    strips = [array[layer, top : top + high] for top in range(0, array.shape[1], high)]
    return np.concatenate([together(strip, factor, name == "state") for strip in strips])


def together(values: np.ndarray, factor: int, largest: bool = False) -> np.ndarray:
    """Bring `factor` x `factor` pixels together: their largest, or the mean of what is no NaN."""
    if factor == 1:
        return values
    rows, columns = (np.arange(0, n, factor) for n in values.shape[:2])

    def summed(of: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.add.reduceat(of, rows, axis=0), columns, axis=1)

    if largest:
        return np.maximum.reduceat(np.maximum.reduceat(values, rows, axis=0), columns, axis=1)
    known = ~np.isnan(values)
    number = summed(known.astype(np.float32))
    total = summed(np.where(known, values, 0).astype(np.float64))
    return np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)
