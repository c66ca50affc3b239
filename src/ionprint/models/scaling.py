"""Scaling: what makes peaks of different intensity comparable.

Min-max, standard and maximum scaling are scikit-learn's own; here are those of the
spectroscopists, and a robust one that counts do not break.
"""

import numpy as np
from scipy.special import ndtri

from ionprint.models.normalisation import CountsTransformer


class SquareRoot(CountsTransformer):
    """Take the square root: x -> sqrt(x), which makes the variance of Poisson counts even.

    See Anscombe, Biometrika 35 (1948) 246.
    """

    def transform(self, X) -> np.ndarray:
        """Return square roots, shape (n_spectra, n_peaks)."""
        return np.sqrt(self._counts(X, fitting=False))


class Log(CountsTransformer):
    """Take the logarithm: x -> ln(1 + x), so that a peak that is not there stays 0."""

    def transform(self, X) -> np.ndarray:
        """Return logarithms, shape (n_spectra, n_peaks)."""
        return np.log1p(self._counts(X, fitting=False))


class Pareto(CountsTransformer):
    """Centre each peak and divide by the square root of its standard deviation.

    x_ij -> (x_ij - mean_j) / sqrt(sd_j), between no scaling and standard scaling. A peak that does
    not vary becomes 0. See van den Berg et al., BMC Genomics 7 (2006) 142.

    Attributes
    ----------
    mean_, scale_ : ndarray, shape (n_peaks,)
    """

    def fit(self, X, y=None):
        """Learn mean and standard deviation of each peak from X, shape (n_spectra, n_peaks)."""
        X = self._counts(X, fitting=True)
        self.mean_ = X.mean(axis=0)
        deviation = X.std(axis=0)
        self.scale_ = np.sqrt(np.where(deviation > 0, deviation, 1.0))
        return self

    def transform(self, X) -> np.ndarray:
        """Return scaled areas, shape (n_spectra, n_peaks)."""
        return (self._counts(X, fitting=False) - self.mean_) / self.scale_


class Robust(CountsTransformer):
    """Centre each peak on its median and divide by the distance of two quantiles.

    x_ij -> (x_ij - median_j) / (high_j - low_j), so that an odd spectrum does not set the scale:
    with tail=25 the quartiles, as in scikit-learn's RobustScaler. Weak peaks are 0 in most spectra,
    their quantiles coincide, and RobustScaler would leave them in counts, far above all others.
    They are divided by the standard deviation instead, times the quantiles' distance of a normal
    distribution (1.349 for quartiles). A peak that does not vary becomes 0. See Huber and
    Ronchetti, Robust Statistics, 2nd ed. (2009).

    Parameters
    ----------
    tail : float
        Percentage of the spectra, at either end, that does not set the scale. An ion that only a
        smaller share of them has, such as those of one compound, is scaled by its background.

    Attributes
    ----------
    center_, scale_ : ndarray, shape (n_peaks,)
    """

    def __init__(self, tail: float = 25.0) -> None:
        self.tail = tail

    def fit(self, X, y=None):
        """Learn median and quantiles of each peak from X, shape (n_spectra, n_peaks)."""
        X = self._counts(X, fitting=True)
        if not 0 <= self.tail < 50:
            raise ValueError(f"tail={self.tail}: expected a percentage from 0 to below 50")
        low, self.center_, high = np.percentile(X, [self.tail, 50, 100 - self.tail], axis=0)
        normal = -2 * ndtri(max(self.tail, 1e-3) / 100)
        # equal quantiles may differ by rounding after a normalisation
        rounding = 1e-12 * X.max(axis=0)
        scale = np.where(high - low > rounding, high - low, normal * X.std(axis=0))
        self.scale_ = np.where(scale > rounding, scale, 1.0)
        return self

    def transform(self, X) -> np.ndarray:
        """Return scaled areas, shape (n_spectra, n_peaks)."""
        return (self._counts(X, fitting=False) - self.center_) / self.scale_


class Poisson(CountsTransformer):
    """Weigh counts by their counting error.

    x_ij -> x_ij / sqrt(g_i h_j), with g_i the spectrum's mean over peaks relative to the mean of
    the training spectra, and h_j the peak's mean over the training spectra: optimal scaling for
    data with Poisson noise, Keenan and Kotula, Surf. Interface Anal. 36 (2004) 203. A peak that the
    training spectra do not have becomes 0.

    Attributes
    ----------
    mean_ : ndarray, shape (n_peaks,)
        h_j.
    """

    def fit(self, X, y=None):
        """Learn the mean of each peak from X, shape (n_spectra, n_peaks)."""
        X = self._counts(X, fitting=True)
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X) -> np.ndarray:
        """Return weighted counts, shape (n_spectra, n_peaks)."""
        X = self._counts(X, fitting=False)
        overall = self.mean_.mean()
        row = X.mean(axis=1, keepdims=True) / (overall if overall > 0 else 1.0)
        row = np.where(row > 0, row, 1.0)
        column = np.where(self.mean_ > 0, self.mean_, np.inf)
        return X / np.sqrt(row * column)
