"""Amounts by regression on pseudo-mixtures, beside those by unmixing."""

from typing import Any

import numpy as np

from ionprint.composition.presence import log_intensities
from ionprint.composition.pseudo_mixtures import PseudoMixtures

KINDS = ("forest", "kernel")


class Regression:
    """A regression of shares of the signal on log intensities.

    Parameters
    ----------
    kind : str
        `forest`: random forest, as Zhao, Otto et al. 2023, section S11; `kernel`: kernel ridge
        regression, which reads amounts between those it was taught better than the mean of leaves.
    seed : int
    """

    def __init__(self, kind: str, seed: int) -> None:
        self.kind, self.seed = kind, seed

    def fit(self, lesson: PseudoMixtures) -> "Regression":
        """Learn from mixtures with known shares."""
        logs = log_intensities(lesson.counts)
        self._mean = logs.mean(axis=0)
        self._model: Any
        if self.kind == "forest":
            from sklearn.ensemble import RandomForestRegressor

            self._model = RandomForestRegressor(
                n_estimators=100,
                max_features="sqrt",
                min_samples_leaf=2,
                random_state=self.seed,
                n_jobs=-1,
            )
        else:
            from sklearn.kernel_ridge import KernelRidge

            # as wide as the mixtures themselves are spread
            width = 2 * logs.var(axis=0).sum()
            self._model = KernelRidge(alpha=0.1, kernel="rbf", gamma=1 / width)
        self._model.fit(logs - self._mean, lesson.shares)
        if self.kind == "forest":
            self._model.n_jobs = 1  # several threads add up the trees in any order
        return self

    def shares(self, counts: np.ndarray) -> np.ndarray:
        """Return the share of each compound in the signal, shape (n_spectra, n_classes).

        Negative shares are set to zero; rows sum to 1.
        """
        found = np.maximum(self._model.predict(log_intensities(counts) - self._mean), 0)
        return found / np.maximum(found.sum(axis=1, keepdims=True), np.finfo(float).tiny)
