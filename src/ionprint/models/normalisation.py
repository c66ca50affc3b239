"""Normalisation: what makes spectra of different total intensity comparable."""

from collections.abc import Iterable

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ionprint.errors import ConfigError, DataError, FormulaError
from ionprint.ions.formula import ion_mz

NEAR = 0.01
"""Distance (u) within which a peak is taken for a named ion."""
NEAR_NOMINAL = 0.3
"""The same where peaks are nominal masses: no two of them are nearer to each other than this."""
PRIMARY_IONS = 1e8
"""Primary ions of one spectrum in Zhao, Otto et al. 2023: 1e12 ions/cm2 on 100 x 100 um2."""


class CountsTransformer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Base of transformers of peak areas: counts, hence finite and not negative."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def _counts(self, X, *, fitting: bool, least_columns: int = 1) -> np.ndarray:
        if not fitting:
            check_is_fitted(self)
        X = validate_data(
            self, X, reset=fitting, dtype=np.float64, ensure_min_features=least_columns
        )
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


class SumOfPeaks(CountsTransformer):
    """Divide each spectrum by its counts in chosen peaks: a reference ion, or the sum of some.

    x_ij -> 1e6 x_ij / sum_(k in peaks) x_ik: counts per million counts of the chosen ions. What
    the chosen ions say of a spectrum is given up; in return no other ion can pull on the rest, as a
    strong one does in total counts. See Graham and Castner, Biointerphases 7 (2012) 49.

    Parameters
    ----------
    peaks : tuple of int, optional
        Columns of the chosen peaks; None: all, which is total counts.
    """

    def __init__(self, peaks: tuple[int, ...] | None = None) -> None:
        self.peaks = peaks

    def fit(self, X, y=None):
        """Check that the chosen peaks are there; nothing is learned."""
        X = self._counts(X, fitting=True)
        if self.peaks is not None:
            outside = [k for k in self.peaks if not 0 <= k < X.shape[1]]
            if outside or not self.peaks:
                raise ValueError(f"peaks={self.peaks}: expected columns from 0 to {X.shape[1] - 1}")
        return self

    def transform(self, X) -> np.ndarray:
        """Return counts per million of the chosen ions, shape (n_spectra, n_peaks).

        Raises
        ------
        DataError
            A spectrum has no counts in the chosen peaks.
        """
        X = self._counts(X, fitting=False)
        chosen = X if self.peaks is None else X[:, list(self.peaks)]
        total = chosen.sum(axis=1, keepdims=True)
        if self.peaks is None:
            total = np.where(total > 0, total, 1.0)  # an empty spectrum stays 0, as in TotalCounts
        _refuse_zero(
            total,
            "no counts in the ions to divide by. Name ions that every spectrum has, "
            "normalisation.ions=[...]",
        )
        return 1e6 * X / total


class PerDose(CountsTransformer):
    """Divide each spectrum by its primary ions, which stand in the last column.

    x_ij -> 1e8 x_ij / n_i: counts per 1e8 primary ions, and the last column is dropped. Unlike the
    other normalisations it keeps how bright a compound is; topography and charging, which change
    that too, stay in.
    """

    def fit(self, X, y=None):
        """Check areas and primary ions, shape (n_spectra, n_peaks + 1); nothing is learned."""
        self._counts(X, fitting=True, least_columns=2)
        return self

    def transform(self, X) -> np.ndarray:
        """Return counts per 1e8 primary ions, shape (n_spectra, n_peaks).

        Raises
        ------
        DataError
            A spectrum has no primary ions.
        """
        X = self._counts(X, fitting=False)
        _refuse_zero(X[:, -1], "their number of primary ions is 0")
        return PRIMARY_IONS * X[:, :-1] / X[:, -1:]

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Return the names of the peaks, without that of the primary ions."""
        return super().get_feature_names_out(input_features)[:-1]


class ProbabilisticQuotient(TotalCounts):
    """Divide each spectrum by its typical quotient to a reference spectrum.

    With t_ij the counts per million of `TotalCounts` and r_j their median over the training
    spectra, x_ij -> t_ij / median_j (t_ij / r_j), over the peaks with r_j > 0 and t_ij > 0. A few
    ions that are far stronger than elsewhere lower all others in total counts, but not here: the
    median quotient is that of the peaks that stay. See Dieterle, Ross, Schlotterbeck and Senn,
    Anal. Chem. 78 (2006) 4281.

    Attributes
    ----------
    reference_ : ndarray, shape (n_peaks,)
        r_j, counts per million.
    """

    def fit(self, X, y=None):
        """Learn the reference spectrum from X, shape (n_spectra, n_peaks)."""
        super().fit(X)
        self.reference_ = np.median(super().transform(X), axis=0)
        return self

    def transform(self, X) -> np.ndarray:
        """Return counts per million on the scale of the reference, shape (n_spectra, n_peaks).

        A spectrum that shares no peak with the reference stays in counts per million.
        """
        shares = super().transform(X)
        # peaks that a spectrum lacks have the quotient 0 whatever its brightness: in tables with
        # many weak peaks they would be the median
        use = (shares > 0) & (self.reference_ > 0)
        quotients = np.full(shares.shape, np.nan)
        np.divide(shares, self.reference_, out=quotients, where=use)
        typical = np.ones(len(shares))
        some = use.any(axis=1)
        typical[some] = np.nanmedian(quotients[some], axis=1)
        return shares / typical[:, None]


def _refuse_zero(divisors: np.ndarray, told: str) -> None:
    empty = int((divisors == 0).sum())
    if empty:
        raise DataError(f"{empty} of {len(divisors)} spectra cannot be normalised: {told}")


def nearest_peaks(ions: Iterable[str | float], mz: np.ndarray, charge: int = -1) -> tuple[int, ...]:
    """Return the peaks of named ions.

    Parameters
    ----------
    ions : iterable of str or float
        Formulas without charge (O, OH, [6Li]H2), or m/z (u).
    mz : ndarray, shape (n_peaks,)
        m/z of the peaks (u).
    charge : int
        Of the ions, -1 or +1.

    Returns
    -------
    tuple of int
        Columns of the peaks nearest to the ions, in the ions' order.

    Raises
    ------
    ConfigError
        An ion is no formula, has no peak near it, or shares its peak with another.
    """
    mz = np.asarray(mz, dtype=float)
    nominal = len(mz) > 1 and np.diff(np.sort(mz)).min() > NEAR_NOMINAL
    limit = NEAR_NOMINAL if nominal else NEAR
    found: dict[int, str] = {}
    for ion in map(str, ions):
        try:
            exact = _mz_of(ion, charge)
        except FormulaError as exc:
            raise ConfigError(f"normalisation.ions: {exc}") from exc
        order = np.argsort(np.abs(mz - exact), kind="stable")
        nearest = int(order[0])
        # half of a ten-thousandth: peaks are named with four decimals
        if abs(mz[nearest] - exact) > limit + 5e-5:
            near = ", ".join(f"{m:.4f}" for m in np.sort(mz[order[:3]]))
            raise ConfigError(
                f"normalisation.ions: the peak table has no peak within {limit:g} u of {ion} (m/z "
                f"{exact:.4f}); the nearest are {near}. Name ions or m/z that it has."
            )
        if nearest in found:
            raise ConfigError(
                f"normalisation.ions: {found[nearest]} and {ion} are one peak of the table, m/z "
                f"{mz[nearest]:.4f}; name it once"
            )
        found[nearest] = ion
    if not found:
        raise ConfigError("normalisation.ions names no ion; expected e.g. [O, OH]")
    return tuple(found)


def _mz_of(ion: str, charge: int) -> float:
    try:
        return float(ion)
    except ValueError:
        return ion_mz(ion, charge)
