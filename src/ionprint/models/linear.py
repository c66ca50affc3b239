"""A fitted pipeline as plain arrays, where it is an affine map of normalised areas and a softmax.

A spectrum is then read by numpy alone: neither the seconds that importing scikit-learn takes, nor
the checks it makes on every call. The numbers are those of the pipeline.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ionprint.errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sklearn.pipeline import Pipeline

DIVISORS = ("none", "peaks", "dose")
FUNCTIONS = {"identity": lambda x: x, "sqrt": np.sqrt, "log1p": np.log1p}
PER_MILLION = 1e6
DENSE_ROWS, SPARSE_ROWS = 512, 10_000
"""Spectra taken at once."""


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
        return softmax(scaled @ self.weights.T + self.intercept)

    def of_counts(
        self, counts: "np.ndarray | csr_array", primary_ions: float | None = None
    ) -> np.ndarray:
        """Return the probability of each compound in many spectra of counts, as pixels are.

        Parameters
        ----------
        counts : ndarray or csr_array, shape (n_spectra, n_peaks)
            What is not stored in a sparse array costs nothing.
        primary_ions : float, optional
            Of each spectrum, for a model that divides by them.

        Returns
        -------
        ndarray of float32, shape (n_spectra, n_classes)
            NaN where there is nothing to divide by.

        Raises
        ------
        DataError
            The model divides by primary ions, and they are not given.
        """
        if self.divisor == "dose" and primary_ions is None:
            raise DataError(
                "this model divides by primary ions, and how many each spectrum had is not given"
            )
        bent = self.function != "identity" or np.isfinite(self.ends).any()
        odds_of = self._bent() if bent else self._affine()
        found = np.empty((counts.shape[0], len(self.weights)), np.float32)
        for some, rows in _blocks(counts):
            if self.divisor == "dose":
                divisor = np.full(some.shape[0], primary_ions)
            elif self.divisor == "none":
                divisor = np.ones(some.shape[0])
            else:
                divisor = None
            found[rows] = softmax(odds_of(some, divisor))
        return found

    def _affine(self) -> Callable:
        """Return what gives log odds where these are an affine function of normalised areas.

        Scaling is folded into the weights, and a column of ones beside them gives the divisor in
        the same product. Of the odds only differences count: the last compound has none.
        """
        weights, intercept = self.weights - self.weights[-1], self.intercept - self.intercept[-1]
        shift = weights @ self.shift + intercept
        columns = (weights * self.gain).T
        columns[:, -1] = 0.0
        columns[self.peaks, -1] = 1.0

        def odds(counts: "np.ndarray | csr_array", divisor: np.ndarray | None) -> np.ndarray:
            found = counts @ columns
            factor = self._factor(found[:, -1].copy() if divisor is None else divisor)
            found[:, -1] = 0.0
            found *= factor[:, None]
            found += shift
            return found

        return odds

    def _bent(self) -> Callable:
        """Return what gives log odds where a function or an end comes before the weights.

        Every ion is first taken to have no counts; those that have some are then moved.
        """
        from scipy.sparse import csr_array

        function, nothing = FUNCTIONS[self.function], np.clip(self.shift, *self.ends)
        base = self.weights @ nothing + self.intercept

        def odds(counts: "np.ndarray | csr_array", divisor: np.ndarray | None) -> np.ndarray:
            some = csr_array(counts)
            factor = self._factor(some[:, self.peaks].sum(axis=1) if divisor is None else divisor)
            ion = some.indices
            scaled = function(some.data * np.repeat(factor, np.diff(some.indptr)))
            scaled = np.clip(scaled * self.gain[ion] + self.shift[ion], *self.ends)
            moved = csr_array((scaled - nothing[ion], ion, some.indptr), shape=some.shape)
            return moved @ self.weights.T + base + 0.0 * factor[:, None]

        return odds

    def _factor(self, divisor: np.ndarray) -> np.ndarray:
        """Return what counts are multiplied by; NaN where there is nothing to divide by."""
        nothing = np.full_like(divisor, np.nan)
        return np.divide(self.factor, divisor, out=nothing, where=divisor > 0)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all of it as arrays, to be stored."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "LinearModel":
        """Take what `arrays` returned."""
        kinds = {"divisor": str, "function": str, "factor": float}
        return cls(**{name: kinds.get(name, np.asarray)(value) for name, value in arrays.items()})


def softmax(odds: np.ndarray) -> np.ndarray:
    """Return probabilities of log odds, shape (n_spectra, n_classes)."""
    odds = np.ascontiguousarray(odds.T)  # compounds are few: rows would be walked in small steps
    odds -= odds.max(axis=0)
    np.exp(odds, out=odds)
    odds /= odds.sum(axis=0)
    return odds.T


def _blocks(counts: "np.ndarray | csr_array") -> Iterator[tuple["np.ndarray | csr_array", slice]]:
    """Yield some rows at a time, as float64, so that they stay in the processor's cache."""
    n = counts.shape[0]
    if isinstance(counts, np.ndarray):
        for start in range(0, n, DENSE_ROWS):
            rows = slice(start, min(start + DENSE_ROWS, n))
            yield counts[rows].astype(float, copy=False), rows
        return
    from scipy.sparse import csr_array

    for start in range(0, n, SPARSE_ROWS):
        rows = slice(start, min(start + SPARSE_ROWS, n))
        ends = counts.indptr[start : rows.stop + 1]
        own = slice(ends[0], ends[-1])
        parts = counts.data[own].astype(float, copy=False), counts.indices[own], ends - ends[0]
        yield csr_array(parts, shape=(rows.stop - start, counts.shape[1])), rows


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
