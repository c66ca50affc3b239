"""What the page draws itself, as plain numbers: spectra of samples, raw spectra around ions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ionprint.composition.wording import CALLED, called_present
from ionprint.figures.formula import unicode_text
from ionprint.figures.profiles import Proof, curves, reach
from ionprint.figures.style import ALARM, Look

MILLION = 1e6


def charts(
    explained: pd.DataFrame,
    samples: pd.DataFrame,
    looks: dict[str, Look],
    charge: str,
    proofs: Mapping[str, Proof],
    most: int,
) -> dict[str, Any]:
    """Return the numbers behind the charts of the proof.

    Parameters
    ----------
    explained : DataFrame
        From `composition.tables.explained_table`.
    samples : DataFrame
        From `composition.tables.samples_table`.
    looks : dict of str to Look
        Of each compound.
    charge : {"-", "+"}
        The sign of the ions.
    proofs : mapping of str to Proof
        Raw spectra around the ions that speak for the compounds of each sample; without those of
        imported areas.
    most : int
        Samples that are shown at most, the first ones.

    Returns
    -------
    dict
        mz (u) and ions of all peaks; alarm (colour); samples: for each its name, the places of
        its peaks in these lists, counts per million, whether they are foreign, the parts that each
        compound explains, and the compounds that it is said to hold with their ions as they were
        measured (counts per million a bin).
    """
    peaks = explained[["mz", "ion"]].drop_duplicates("mz").sort_values("mz")
    place = dict(zip(peaks["mz"], range(len(peaks)), strict=True))
    compounds = [c.removeprefix("explained_") for c in explained if c.startswith("explained_")]
    shown = []
    for row in samples[samples["role"] != "reference"].head(most).to_dict("records"):
        own = explained[explained["sample"] == row["sample"]]
        scale = MILLION / own["counts"].sum()
        parts = [
            {
                "name": unicode_text(name),
                "color": looks[name].color,
                "counts": _short(own[f"explained_{name}"] * scale),
            }
            for name in compounds
            if own[f"explained_{name}"].any()
        ]
        claims = [
            {
                "name": name,
                "title": unicode_text(name),
                "verdict": row[f"proof_{name}"] or "not judged",
                "color": looks[name].color,
                "ions": _ions(proofs.get(row["sample"]), name, charge),
            }
            for name in called_present(row, compounds)
        ]
        shown.append(
            {
                "name": row["sample"],
                "places": [place[mz] for mz in own["mz"]],
                "counts": _short(own["counts"] * scale),
                "foreign": (own["foreign"] >= CALLED).tolist(),
                "parts": parts,
                "claims": claims,
            }
        )
    return {
        "mz": [round(float(mz), 4) for mz in peaks["mz"]],
        "ions": [unicode_text(ion, charge) if ion else "" for ion in peaks["ion"]],
        "alarm": ALARM,
        "samples": shown,
    }


def _ions(proof: Proof | None, compound: str, charge: str) -> list[dict[str, Any]]:
    """Return the raw spectra around the ions that speak for one compound."""
    if proof is None:
        return []
    sample, found = proof.spectrum, []
    claims = proof.claims[proof.claims["compound"] == compound]
    lines = curves(sample, proof.references, proof.parts, compound)
    for ion in claims[claims["mz"].notna()].itertuples():
        ends, bins = reach(sample, ion.mz, ion.lower, ion.upper, proof.width)
        measured, own, rest = (None if line is None else _short(line[bins]) for line in lines)
        lower, upper = ends**2
        found.append(
            {
                "ion": unicode_text(ion.ion, charge) if ion.ion else "",
                "mz": round(float(ion.mz), 4),
                "lower": round(float(lower), 5),
                "upper": round(float(upper), 5),
                "x": np.round(sample.centres(bins.start, bins.stop) ** 2, 5).tolist(),
                "sample": measured,
                "own": own,
                "others": rest,
            }
        )
    return found


def _short(values: Any) -> list[float]:
    """Return numbers with four digits, which is more than a screen can show."""
    values = np.asarray(values, dtype=float)
    return [float(f"{v:.4g}") for v in values]
