"""Discriminant analysis by partial least squares, the chemometrician's classifier."""

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data


class PLSDiscriminant(ClassifierMixin, BaseEstimator):
    """Regress class membership on the peaks through a few latent components.

    Y is 1 in the column of a spectrum's class, else 0. PLS2 regression of the centred Y on the
    centred X predicts y_k(x) = x B_k + b_k, the largest of which names the class: Barker and
    Rayens, J. Chemometrics 17 (2003) 166. X is not scaled; that is the pipeline's work.

    Predictions scatter about the corners of Y. With normal scatter of variance s2, the same in all
    directions, and equal prior probabilities, Bayes' rule gives

        p_k = exp(y_k / s2) / sum_l exp(y_l / s2),

    for |y - corner_k|^2 = |y|^2 - 2 y_k + 1. s2 is the mean square of Y - y over spectra that were
    left out of the regression (five folds): that of fitted spectra goes to 0 with the number of
    components and would make every probability 0 or 1.

    Parameters
    ----------
    n_components : int
        Latent components; as many as the spectra allow where they are fewer.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    coef_ : ndarray, shape (n_classes, n_peaks)
        B: what one unit of a peak adds to a class's predicted membership.
    intercept_ : ndarray, shape (n_classes,)
    variance_ : float
        s2.
    """

    def __init__(self, n_components: int = 4) -> None:
        self.n_components = n_components

    def fit(self, X, y):
        """Fit the regression and its scatter.

        Parameters
        ----------
        X : array-like, shape (n_spectra, n_peaks)
        y : array-like, shape (n_spectra,)
            Classes.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"one class only ({self.classes_[0]}); expected two or more")
        if self.n_components < 1:
            raise ValueError(f"n_components={self.n_components}: expected 1 or more")
        member = np.eye(len(self.classes_))[codes]
        self.coef_, self.intercept_ = self._regress(X, member)
        self.variance_ = max(self._scatter(X, member, codes), np.finfo(float).eps)
        return self

    def predict_proba(self, X) -> np.ndarray:
        """Return the probability of each class, shape (n_spectra, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return softmax((X @ self.coef_.T + self.intercept_) / self.variance_, axis=1)

    def predict(self, X) -> np.ndarray:
        """Return the most probable class of each spectrum."""
        most = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most]

    def _regress(self, X: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        components = min(self.n_components, len(X) - 1, X.shape[1])
        fitted = PLSRegression(components, scale=False).fit(X, member)
        # scikit-learn's intercept belongs to centred peaks
        return fitted.coef_, fitted.intercept_ - fitted.coef_ @ X.mean(axis=0)

    def _scatter(self, X: np.ndarray, member: np.ndarray, codes: np.ndarray) -> float:
        n_splits = min(5, np.bincount(codes).min())
        if n_splits < 2:  # a class of one spectrum: the fitted residuals, by degrees of freedom
            residual = member - X @ self.coef_.T - self.intercept_
            free = max(len(X) - 1 - self.n_components, 1)
            return float((residual**2).sum() / free / member.shape[1])
        left_out = np.empty_like(member)
        for train, test in StratifiedKFold(n_splits).split(X, codes):
            coefficients, intercept = self._regress(X[train], member[train])
            left_out[test] = X[test] @ coefficients.T + intercept
        return float(np.mean((member - left_out) ** 2))
