"""A fitted pipeline as plain arrays, where it is an affine map of normalised areas and a softmax.

A spectrum is then read by numpy alone: neither the seconds that importing scikit-learn takes, nor
the checks it makes on every call. The numbers are those of the pipeline.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ionprint.errors import DataError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

DIVISORS = ("none", "peaks", "dose")
FUNCTIONS = {"identity": lambda x: x, "sqrt": np.sqrt, "log1p": np.log1p}
PER_MILLION = 1e6


@dataclass(frozen=True)
class LinearModel:
    """Divide, take a function, multiply and add, clip, weigh, softmax.

    Attributes
    ----------
    divisor : str
        What each spectrum is divided by: `none`, its counts in some `peaks`, or its `dose`, the
        primary ions in the last column.
    peaks : ndarray of int
        The peaks to divide by.
    factor : float
        What quotients are multiplied by.
    function : str
        identity, sqrt or log1p.
    gain, shift : ndarray, shape (n_peaks,)
        Of the scaling.
    ends : ndarray, shape (2,)
        Scaled intensities are clipped to these; infinite where they are not.
    weights : ndarray, shape (n_classes, n_peaks)
    intercept : ndarray, shape (n_classes,)
    """

    divisor: str
    peaks: np.ndarray
    factor: float
    function: str
    gain: np.ndarray
    shift: np.ndarray
    ends: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray

    @classmethod
    def of(cls, pipeline: "Pipeline") -> "LinearModel | None":
        """Take a fitted pipeline apart; None where it is not of this kind."""
        normalise, scale, classify = pipeline
        n_peaks = getattr(scale, "n_features_in_", pipeline.n_features_in_)
        divided = _divided(normalise, n_peaks)
        scaled = _scaled(scale, n_peaks)
        weighed = _weighed(classify)
        if divided is None or scaled is None or weighed is None:
            return None
        return cls(*divided, *scaled, *weighed)

    def scaled(self, inputs: np.ndarray) -> np.ndarray:
        """Return normalised and scaled intensities, shape (n_spectra, n_peaks).

        Parameters
        ----------
        inputs : ndarray, shape (n_spectra, n_inputs)
            Peak areas (counts), and last the primary ions where it divides by them.

        Raises
        ------
        DataError
            A spectrum has nothing to divide by.
        """
        areas = inputs
        if self.divisor == "dose":
            areas, divisor = inputs[:, :-1], inputs[:, -1:]
        elif self.divisor == "peaks":
            every = self.peaks.size == areas.shape[1]
            divisor = (areas if every else areas[:, self.peaks]).sum(axis=1, keepdims=True)
            if every:
                divisor = np.where(divisor > 0, divisor, 1.0)  # an empty spectrum stays empty
        if self.divisor != "none":
            if not (divisor > 0).all():
                raise DataError(
                    f"{int((divisor <= 0).sum())} of {len(areas)} spectra cannot be normalised: "
                    f"{'no primary ions' if self.divisor == 'dose' else 'no counts'} to divide by"
                )
            areas = self.factor * areas / divisor
        return np.clip(FUNCTIONS[self.function](areas) * self.gain + self.shift, *self.ends)

    def classified(self, scaled: np.ndarray) -> np.ndarray:
        """Return the probability of each compound, shape (n_spectra, n_classes)."""
        odds = scaled @ self.weights.T + self.intercept
        odds = np.exp(odds - odds.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all of it as arrays, to be stored."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "LinearModel":
        """Take what `arrays` returned."""
        kinds = {"divisor": str, "function": str, "factor": float}
        return cls(**{name: kinds.get(name, np.asarray)(value) for name, value in arrays.items()})


def _divided(normalise: object, n_peaks: int) -> tuple[str, np.ndarray, float] | None:
    from sklearn.preprocessing import FunctionTransformer

    from ionprint.models.normalisation import PRIMARY_IONS, PerDose, SumOfPeaks, TotalCounts

    every = np.arange(n_peaks)
    if type(normalise) is TotalCounts:
        return "peaks", every, PER_MILLION
    if type(normalise) is SumOfPeaks:
        peaks = every if normalise.peaks is None else np.array(normalise.peaks)
        return "peaks", peaks, PER_MILLION
    if type(normalise) is PerDose:
        return "dose", every[:0], PRIMARY_IONS
    if type(normalise) is FunctionTransformer and normalise.func is None:
        return "none", every[:0], 1.0
    return None


def _scaled(scale: object, n_peaks: int) -> tuple[str, np.ndarray, np.ndarray, np.ndarray] | None:
    from sklearn import preprocessing as sk

    from ionprint.models import scaling as own

    one, zero, open_ = np.ones(n_peaks), np.zeros(n_peaks), np.array([-np.inf, np.inf])
    kind = type(scale)
    if kind is own.SquareRoot:
        return "sqrt", one, zero, open_
    if kind is own.Log:
        return "log1p", one, zero, open_
    if kind is sk.FunctionTransformer and scale.func is None:
        return "identity", one, zero, open_
    if kind is sk.MinMaxScaler:
        ends = np.array(scale.feature_range, dtype=float) if scale.clip else open_
        return "identity", scale.scale_, scale.min_, ends
    if kind is sk.MaxAbsScaler:
        return "identity", 1 / scale.scale_, zero, open_
    if kind is sk.StandardScaler and scale.with_mean and scale.with_std:
        return "identity", 1 / scale.scale_, -scale.mean_ / scale.scale_, open_
    if kind is own.Pareto:
        return "identity", 1 / scale.scale_, -scale.mean_ / scale.scale_, open_
    if kind is own.Robust:
        return "identity", 1 / scale.scale_, -scale.center_ / scale.scale_, open_
    return None


def _weighed(classify: object) -> tuple[np.ndarray, np.ndarray] | None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression

    if type(classify) not in (LogisticRegression, LinearDiscriminantAnalysis):
        return None
    weights, intercept = classify.coef_, classify.intercept_
    if len(weights) == 1:  # of two classes the second against the first
        weights, intercept = np.vstack([0 * weights, weights]), np.append(0.0, intercept)
    return weights, intercept
