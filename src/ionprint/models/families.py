"""Isotope families: an ion and its satellites are one piece of evidence, not several."""

import pandas as pd

OF_BEST = ("rank", "weight", "weight_sd", "in_first")
"""What a family has from the member that ranks first; the rest is its parent's."""


def with_families(ions: pd.DataFrame) -> pd.DataFrame:
    """Put each peak of a ranking into its family.

    Parameters
    ----------
    ions : DataFrame
        compound, rank (from 1), mz (u), ion, satellite_of (the parent's formula without
        a sign, or "").

    Returns
    -------
    DataFrame
        With `family`, the parent's formula, or the m/z where the peak has no name, and
        `family_rank`, the families' order by the first rank among their members, from 1. Sorted by
        compound and family; in a family the parent first, then by rank.
    """
    parent = ions["ion"].astype(str).str.removesuffix("+")  # satellite_of has no sign
    named = ions["satellite_of"].where(ions["satellite_of"] != "", parent)
    family = named.where(named != "", ions["mz"].map("{:.4f}".format))
    best = ions.groupby([ions["compound"], family])["rank"].transform("min")
    order = best.groupby(ions["compound"]).rank(method="dense").astype(int)
    return (
        ions.assign(family=family, family_rank=order, _minor=ions["satellite_of"] != "")
        .sort_values(["compound", "family_rank", "_minor", "rank"], kind="stable")
        .drop(columns="_minor")
        .reset_index(drop=True)
    )


def families(ions: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each compound and family, by `family_rank`.

    Parameters
    ----------
    ions : DataFrame
        From `with_families`; where these columns are missing every peak is a family.

    Returns
    -------
    DataFrame
        Name and m/z are those of the parent, or of the first satellite where the parent has no
        peak; rank and weight those of the member that ranks first. `satellites` counts the
        satellites besides.
    """
    if "family" not in ions or "satellite_of" not in ions:
        single = ions.assign(family_rank=ions["rank"], satellites=0)
        return single.sort_values(["compound", "rank"], kind="stable", ignore_index=True)
    ions = ions.assign(satellites=(ions["satellite_of"] != "").astype(int))
    by = ["compound", "family_rank"]
    heads = ions.sort_values([*by, "satellites", "rank"], kind="stable").drop_duplicates(by)
    heads = heads.set_index(by)
    heads["satellites"] = ions.groupby(by)["satellites"].sum() - heads["satellites"]
    best = ions.sort_values([*by, "rank"], kind="stable").drop_duplicates(by).set_index(by)
    for column in OF_BEST:
        if column in heads:
            heads[column] = best[column]
    return heads.reset_index()
