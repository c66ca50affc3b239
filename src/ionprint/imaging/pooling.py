"""Pixels brought together: binned, or smoothed so that counts stay counts."""

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

REACH = 3.0
"""A Gaussian is cut off at so many standard deviations."""


def binning(size: tuple[int, int, int], bins: tuple[int, int, int]) -> "csr_array":
    """Return what sums blocks of pixels, shape (n_bins, n_pixels).

    Parameters
    ----------
    size : tuple of int
        Scans, rows, columns; the last bins may be smaller.
    bins : tuple of int
        Pixels brought together, along each.
    """
    from scipy.sparse import csr_array, kron

    parts = []
    for n, step in zip(size, bins, strict=True):
        place = np.arange(n)
        shape = (-(-n // step), n)
        parts.append(csr_array((np.ones(n, np.float32), (place // step, place)), shape=shape))
    return csr_array(reduce(lambda a, b: kron(a, b, format="csr"), parts))


def reach(sigma: float) -> int:
    """Return how far a Gaussian of a standard deviation (pixels) reaches, in whole pixels."""
    return int(np.ceil(REACH * sigma))


def smoothing(inside: tuple[slice, slice], size: tuple[int, int], sigma: float) -> "csr_array":
    """Return what smooths a piece of an image, shape (n_pixels inside, n_pixels).

    Parameters
    ----------
    inside : tuple of slice
        Rows and columns that are wanted, of `size`: the piece with its surroundings.
    size : tuple of int
        Rows, columns.
    sigma : float
        Standard deviation of the Gaussian (pixels).

    Notes
    -----
    Weights are g sum(g) / sum(g^2), g the Gaussian. Where the counts they are laid over are Poisson
    around one mean m, the weighted sum has the mean m sum(g)^2 / sum(g^2) and the same variance: it
    is as good as so many counts, and is read as such. At the edge of the image g ends.
    """
    from scipy.sparse import csr_array, kron

    parts = []
    for own, n in zip(inside, size, strict=True):
        first, last, _ = own.indices(n)
        far = np.arange(n) - np.arange(first, last)[:, None]
        kernel = np.where(np.abs(far) <= reach(sigma), np.exp(-0.5 * (far / sigma) ** 2), 0.0)
        # of rows and columns together both sums are products
        kernel *= kernel.sum(axis=1, keepdims=True) / (kernel**2).sum(axis=1, keepdims=True)
        parts.append(csr_array(kernel))
    return csr_array(kron(*parts, format="csr")).astype(np.float32)
