"""What speaks for an ion besides its weight: where it is most intense, and its chemistry."""

import numpy as np
import pandas as pd

from ionprint.ions.compatibility import lacking

TIMES, ERRORS = 2.0, 3.0
"""An ion is a compound's own where it is this many times as intense as in the next compound, and by
this many standard errors of the difference: the scatter of a few pellets must not make it so."""
MOST = 999.0
"""Ratios and differences are written up to here."""


def firm_groups(y: np.ndarray, groups: np.ndarray | None) -> np.ndarray | None:
    """Return the groups where every class has two or more, else None: spectra then count alone."""
    if groups is None:
        return None
    each = pd.Series(groups).groupby(y).nunique()
    return groups if (each >= 2).all() else None


def intensities(
    normalised: np.ndarray, y: np.ndarray, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return each compound's mean intensities with their standard errors.

    Parameters
    ----------
    normalised : ndarray, shape (n_spectra, n_peaks)
        Normalised areas, not scaled.
    y : ndarray of str, shape (n_spectra,)
    groups : ndarray of str or None
        From `firm_groups`. The standard error is that of the groups' means, for spots of a pellet
        are not independent; None: of the spectra.

    Returns
    -------
    ndarray, ndarray, shape (n_classes, n_peaks)
    """
    cells = np.arange(len(y)) if groups is None else groups
    means = pd.DataFrame(normalised).groupby([y, cells]).mean().groupby(level=0)
    return means.mean().to_numpy(), means.sem().to_numpy()


def evidence(
    mz: np.ndarray, ions: np.ndarray, classes: np.ndarray, mean: np.ndarray, error: np.ndarray
) -> pd.DataFrame:
    """Sort the ions of each compound as Table 1 of the paper does by its fonts.

    Parameters
    ----------
    mz : ndarray, shape (n_peaks,)
        u.
    ions : ndarray of str, shape (n_peaks,)
        Formulas, empty where there is none.
    classes : ndarray of str, shape (n_classes,)
    mean, error : ndarray, shape (n_classes, n_peaks)
        From `intensities`.

    Returns
    -------
    DataFrame
        A row for each compound and peak. evidence: `specific` (no other compound's mean is as
        high, and the elements fit), `compatible` (the elements fit), `incompatible`, or empty where
        peak or compound has no formula; lacking: elements of the ion that the compound lacks;
        highest_in: the compound with the highest mean; ratio: this compound's mean over the highest
        of the others; above: their difference in standard errors; own: specific, with a ratio of
        `TIMES` and `ERRORS` standard errors above.
    """
    columns = np.arange(len(mz))
    top = mean.argmax(axis=0)
    parts = []
    for row, compound in enumerate(classes):
        others = mean.copy()
        others[row] = -np.inf
        rival = others.argmax(axis=0)
        next_mean, next_error = mean[rival, columns], error[rival, columns]
        difference = mean[row] - next_mean
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.minimum(np.nan_to_num(mean[row] / next_mean, posinf=MOST), MOST)
            above = difference / np.hypot(error[row], next_error)
        above = np.clip(np.where(difference == 0, 0.0, above), -MOST, MOST)
        absent = [lacking(ion, str(compound)) for ion in ions]
        highest = difference > 0
        kinds = [
            "" if a is None else "incompatible" if a else "specific" if high else "compatible"
            for a, high in zip(absent, highest, strict=True)
        ]
        specific = np.array(kinds) == "specific"
        parts.append(
            pd.DataFrame(
                {
                    "compound": compound,
                    "mz": mz,
                    "evidence": kinds,
                    "lacking": [" ".join(a or []) for a in absent],
                    "highest_in": classes[top],
                    "ratio": ratio,
                    "above": above,
                    "own": specific & (ratio >= TIMES) & (above >= ERRORS),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
