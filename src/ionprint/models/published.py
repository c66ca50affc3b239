"""A published list of characteristic ions, held against a ranking."""

import numpy as np
import pandas as pd

from ionprint.ions.formula import ion_mz


def find_published(
    published: pd.DataFrame, ions: pd.DataFrame, peaks: pd.DataFrame, first: int, charge: int = -1
) -> pd.DataFrame:
    """Look for the ions of a published list among the first ions of a ranking.

    An ion is looked for by its formula's exact m/z, for printed ones are rounded; its peak is the
    one between whose borders it lies.

    Parameters
    ----------
    published : DataFrame
        compound, rank, ion, mz (as printed, u).
    ions : DataFrame
        compound, rank, mz (u), ion, family_rank.
    peaks : DataFrame
        mz, lower, upper (u).
    first : int
        Ranks that count as found.
    charge : int
        -1 or +1.

    Returns
    -------
    DataFrame
        The rows of `published` whose compound is ranked, with exact_mz (u), peak (its m/z, NaN
        where no peak has the ion), here (the peak's rank), family_here (its family's) and found. A
        peak that two published ions of a compound share is found once.
    """
    known = published[published["compound"].isin(ions["compound"])].reset_index(drop=True)
    exact = np.array([ion_mz(ion, charge) for ion in known["ion"]])
    at = np.searchsorted(peaks["lower"].to_numpy(), exact, side="right") - 1
    at = np.maximum(at, 0)
    inside = (exact >= peaks["lower"].to_numpy()[at]) & (exact <= peaks["upper"].to_numpy()[at])
    known["exact_mz"] = exact
    known["peak"] = np.where(inside, peaks["mz"].to_numpy()[at], np.nan)
    places = ions[["compound", "mz", "rank", "family_rank"]].rename(
        columns={"mz": "peak", "rank": "here", "family_rank": "family_here"}
    )
    known = known.merge(places, on=["compound", "peak"], how="left")
    again = known.duplicated(["compound", "peak"])
    known["found"] = (known["here"] <= first) & ~again
    return known
