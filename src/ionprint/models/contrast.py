"""How far two compounds differ, ion by ion."""

from itertools import combinations

import numpy as np
import pandas as pd

from ionprint.errors import DataError
from ionprint.models.evidence import ERRORS, TIMES, firm_groups
from ionprint.models.families import families


def per_million(areas: np.ndarray) -> np.ndarray:
    """Return areas as counts per 10^6 counts of their spectrum; without counts 0."""
    total = areas.sum(axis=1, keepdims=True)
    return 1e6 * areas / np.where(total > 0, total, 1.0)


def scaled_together(values: np.ndarray) -> np.ndarray:
    """Scale each peak to 0 to 1 over all spectra; a peak that is the same in all becomes 0."""
    low, high = values.min(axis=0), values.max(axis=0)
    return (values - low) / np.where(high > low, high - low, 1.0)


def most_alike(areas: np.ndarray, y: np.ndarray) -> tuple[str, str]:
    """Return the two compounds with the most similar mean spectra, by name.

    Alike is what has the smallest squared Hellinger distance, 1 - sum_j sqrt(p_j q_j) of the mean
    shares of counts p and q, which a few strong peaks do not decide alone.

    Raises
    ------
    DataError
        There are fewer than two compounds.
    """
    names = np.unique(y)
    if len(names) < 2:
        raise DataError("there is one compound alone.")
    shares = per_million(areas) / 1e6
    roots = {name: np.sqrt(shares[y == name].mean(axis=0)) for name in names}
    first, second = max(combinations(names, 2), key=lambda pair: roots[pair[0]] @ roots[pair[1]])
    return str(first), str(second)


def compared_ions(
    areas: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray | None,
    mz: np.ndarray,
    ranking: pd.DataFrame,
    pair: tuple[str, str],
    first: int = 8,
) -> pd.DataFrame:
    """Return how intense the first ions of two compounds are in both.

    Parameters
    ----------
    areas : ndarray, shape (n_spectra, n_peaks)
        Counts of the references.
    y : ndarray of str, shape (n_spectra,)
    groups : ndarray of str or None
        Pellets, see `firm_groups`.
    mz : ndarray, shape (n_peaks,)
        u, rising.
    ranking : DataFrame
        Columns compound, rank, mz, ion, weight; isotope families and evidence where there are any.
    pair : tuple of str
    first : int
        Ion families of each compound.

    Returns
    -------
    DataFrame
        of (whose ion it is), mz, ion, satellites; mean_1, sd_1, mean_2, sd_2 (counts per 10^6) of
        the two compounds over the groups, or over the spectra where a compound has one group alone;
        others (highest mean of any other compound, NaN without one); own: `TIMES` times as intense
        as in any other compound, by `ERRORS` standard errors, and of no element that the compound
        lacks.

    Raises
    ------
    DataError
        They are not two of the compounds.
    """
    names = sorted({str(name) for name in y})
    if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(names):
        raise DataError(f"{list(pair)} are not two of the compounds {', '.join(names)}.")
    firm = firm_groups(y, groups)
    cells = np.arange(len(y)) if firm is None else firm
    each = pd.DataFrame(per_million(areas)).groupby([y, cells]).mean().groupby(level=0)
    # of a single spectrum no spread is known
    mean, spread, error = each.mean(), each.std(), each.sem()
    heads = families(ranking)
    parts = []
    for name in pair:
        rows = heads[heads["compound"] == name].head(first).reset_index(drop=True)
        at = np.abs(mz[:, None] - rows["mz"].to_numpy(float)).argmin(axis=0)
        here, rest = mean.loc[name, at].to_numpy(), mean.drop(index=name)[at].to_numpy()
        rival = rest.argmax(axis=0), np.arange(len(at))
        errors = np.hypot(
            error.loc[name, at].to_numpy(), error.drop(index=name)[at].to_numpy()[rival]
        )
        own = (here >= TIMES * rest[rival]) & (here - rest[rival] >= ERRORS * errors)
        if "evidence" in rows:
            own &= (rows["evidence"] != "incompatible").to_numpy()
        part = rows[["mz", "ion", "satellites"]].assign(of=name)
        for i, one in enumerate(pair, start=1):
            part[f"mean_{i}"] = mean.loc[one, at].to_numpy()
            part[f"sd_{i}"] = spread.loc[one, at].to_numpy()
        others = mean.drop(index=list(pair))[at].to_numpy()
        parts.append(part.assign(others=others.max(axis=0) if len(others) else np.nan, own=own))
    return pd.concat(parts, ignore_index=True)
