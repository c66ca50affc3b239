"""Amounts by regression on pseudo-mixtures, beside those by unmixing."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ionprint.composition.held_out import lessons_of
from ionprint.composition.intervals import Intervals
from ionprint.composition.presence import log_intensities
from ionprint.composition.pseudo_mixtures import PseudoMixtures
from ionprint.composition.references import References

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


class Regressions:
    """All kinds of regression with their intervals, for comparison with the fractions.

    Parameters
    ----------
    references : References
    number : int
        Pseudo-mixtures in one draw.
    seed : int
    advance : callable, optional
        Called after each of `STEPS` steps.

    Attributes
    ----------
    intervals : dict of str to Intervals
        By kind.
    """

    STEPS = len(KINDS)

    def __init__(
        self,
        references: References,
        number: int,
        seed: int,
        advance: Callable[[], None] = lambda: None,
    ) -> None:
        held_out, lessons = lessons_of(references, number, seed)
        true = np.concatenate([part.exam.shares for part in held_out])
        self.intervals, self._fitted = {}, {}
        for kind in KINDS:
            read = np.concatenate(
                [Regression(kind, seed).fit(p.lesson).shares(p.exam.counts) for p in held_out]
            )
            self.intervals[kind] = Intervals(read, true)
            self._fitted[kind] = Regression(kind, seed).fit(lessons[0])
            advance()

    def amounts(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Return the shares of each compound by each kind, shape (n_spectra, n_classes)."""
        return {kind: model.shares(counts) for kind, model in self._fitted.items()}
