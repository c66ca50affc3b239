"""Normalisation: what makes spectra of different total intensity comparable."""

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class CountsTransformer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Base of transformers of peak areas: counts, hence finite and not negative."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def _counts(self, X, *, fitting: bool) -> np.ndarray:
        if not fitting:
            check_is_fitted(self)
        X = validate_data(self, X, reset=fitting, dtype=np.float64, ensure_min_features=1)
        if X.min(initial=0.0) < 0:
            raise ValueError(
                f"Negative values in data passed to {type(self).__name__}: got counts "
                f"down to {X.min():g}, expected none below 0"
            )
        return X

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")

    def fit(self, X, y=None):
        """Check the peak areas; nothing is learned.

        Parameters
        ----------
        X : array-like, shape (n_spectra, n_peaks)
            Peak areas (counts).
        """
        self._counts(X, fitting=True)
        return self


class TotalCounts(CountsTransformer):
    """Divide each spectrum by its total counts over all peaks.

    x_ij -> 1e6 x_ij / sum_j x_ij: counts per million. Only the spectrum itself is used, so a
    spectrum measured alone is treated as one among many. A spectrum without counts stays 0.
    See Graham and Castner, Biointerphases 7 (2012) 49.
    """

    def transform(self, X) -> np.ndarray:
        """Return counts per million, shape (n_spectra, n_peaks)."""
        X = self._counts(X, fitting=False)
        total = X.sum(axis=1, keepdims=True)
        return 1e6 * X / np.where(total > 0, total, 1.0)
