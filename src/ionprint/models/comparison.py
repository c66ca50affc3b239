"""Two ion rankings beside each other: which ions changed rank."""

import numpy as np
import pandas as pd

from ionprint.errors import DataError
from ionprint.models.families import families

COLUMNS = ("compound", "ion", "mz_a", "mz_b", "rank_a", "rank_b", "change", "both_first")


def compare_rankings(
    a: pd.DataFrame, b: pd.DataFrame, first: int, tolerance: float = 50.0
) -> pd.DataFrame:
    """Put the first ions of two rankings side by side, satellites with their parent.

    A peak of one ranking is that of the other where their m/z are equal; else the nearest one of
    the same formula within `tolerance`.

    Parameters
    ----------
    a, b : DataFrame
        compound, rank (from 1), mz (u), ion; family, family_rank and satellite_of where peaks are
        grouped.
    first : int
        Ions of a compound that count as its first ones.
    tolerance : float
        ppm, the most that the m/z of one peak may differ where the rankings are not of one peak
        table.

    Returns
    -------
    DataFrame
        A row for each ion that is among the first ones of a compound in either ranking, of the
        compounds that both have: compound, ion, mz_a, mz_b (u), rank_a, rank_b (empty where the
        peak is not in that ranking), change (places won in b, negative where lost), both_first.
        Sorted by compound and the better of both ranks.

    Raises
    ------
    DataError
        The rankings have no compound in common.
    """
    heads_a, heads_b = _heads(a), _heads(b)
    shared = sorted(set(heads_a["compound"]) & set(heads_b["compound"]))
    if not shared:
        raise DataError(
            f"the rankings have no compound in common: {', '.join(sorted(set(a['compound'])))} "
            f"and {', '.join(sorted(set(b['compound'])))}"
        )
    parts = []
    for compound in shared:
        one = heads_a[heads_a["compound"] == compound].reset_index(drop=True)
        two = heads_b[heads_b["compound"] == compound].reset_index(drop=True)
        parts.append(_side_by_side(one, two, tolerance))
    table = pd.concat(parts, ignore_index=True)
    in_a, in_b = (table[f"rank_{side}"].le(first).fillna(False) for side in "ab")
    table["change"] = table["rank_a"] - table["rank_b"]
    table["both_first"] = (in_a & in_b).astype(bool)
    better = table[["rank_a", "rank_b"]].min(axis=1)
    table = table.assign(_better=better)[(in_a | in_b).astype(bool)]
    table = table.sort_values(["compound", "_better", "rank_a", "rank_b"], kind="stable")
    return table[list(COLUMNS)].reset_index(drop=True)


def agreement(table: pd.DataFrame, first: int) -> pd.DataFrame:
    """Say for each compound how far two rankings agree.

    Parameters
    ----------
    table : DataFrame
        From `compare_rankings`.
    first : int
        The same as there.

    Returns
    -------
    DataFrame
        compound; shared, how many ions are among the first ones of both; first, how many can be;
        tau, Kendall's for the order of the shared ones (1 the same, -1 reversed), NaN below two.
    """
    from scipy.stats import kendalltau

    rows = []
    for compound, own in table.groupby("compound", sort=True):
        both = own[own["both_first"]]
        ranks = [both[f"rank_{side}"].to_numpy(dtype=float) for side in "ab"]
        tau = float(kendalltau(*ranks).statistic) if len(both) > 1 else np.nan
        most = min(first, max((own[f"rank_{side}"] <= first).sum() for side in "ab"))
        rows.append({"compound": compound, "shared": len(both), "first": int(most), "tau": tau})
    return pd.DataFrame(rows)


def _heads(ions: pd.DataFrame) -> pd.DataFrame:
    """Return the families, each by a peak that does not depend on the ranks.

    A family without its parent's peak is else shown by the satellite that ranks first, which may
    be another one in each ranking.
    """
    heads = families(ions)
    if "family" not in ions or "satellite_of" not in ions:
        return heads
    by = ["compound", "family_rank"]
    ordered = ions.assign(_minor=ions["satellite_of"] != "").sort_values([*by, "_minor", "mz"])
    named = ordered.drop_duplicates(by).set_index(by)[["ion", "mz"]]
    return heads.drop(columns=["ion", "mz"]).join(named, on=by)


def _side_by_side(a: pd.DataFrame, b: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """Join two rankings of one compound, rows of one side alone at the end."""
    partner = _matched(a, b, tolerance)
    other = b.reindex(partner).set_axis(a.index)
    alone = b.drop(index=partner[partner >= 0])
    return pd.DataFrame(
        {
            "compound": [*a["compound"], *alone["compound"]],
            "ion": [*a["ion"].where(a["ion"] != "", other["ion"].fillna("")), *alone["ion"]],
            "mz_a": [*a["mz"], *np.full(len(alone), np.nan)],
            "mz_b": [*other["mz"], *alone["mz"]],
            "rank_a": pd.array([*a["family_rank"], *[pd.NA] * len(alone)], dtype="Int64"),
            "rank_b": pd.array(
                [*other["family_rank"].astype("Int64"), *alone["family_rank"]], dtype="Int64"
            ),
        }
    )


def _matched(a: pd.DataFrame, b: pd.DataFrame, tolerance: float) -> np.ndarray:
    """Return for each row of `a` the place of the same peak in `b`, -1 where there is none."""
    order = np.argsort(b["mz"].to_numpy(), kind="stable")
    masses = b["mz"].to_numpy()[order]
    ions_a, ions_b = a["ion"].tolist(), b["ion"].tolist()
    pairs = []
    for i, mz in enumerate(a["mz"].to_numpy()):
        reach = mz * tolerance * 1e-6
        start = int(np.searchsorted(masses, mz - reach, side="left"))
        for place in range(start, int(np.searchsorted(masses, mz + reach, side="right"))):
            j = int(order[place])
            distance = abs(float(masses[place]) - mz)
            if distance == 0 or ions_a[i] == ions_b[j]:
                pairs.append((distance, i, j))
    partner = np.full(len(a), -1)
    taken: set[int] = set()
    for _, i, j in sorted(pairs):  # the nearest first
        if partner[i] < 0 and j not in taken:
            partner[i] = j
            taken.add(j)
    return partner
