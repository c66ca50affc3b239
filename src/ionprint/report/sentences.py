"""What was found in a sample, in sentences a chemist would write."""

from typing import Any, NamedTuple

import pandas as pd

from ionprint.composition.tables import evidence_by_ion
from ionprint.composition.wording import CALLED, called_present
from ionprint.figures.formula import mixture_text, unicode_text

NAMED = 4
"""Ions named as proof of a compound."""


class Finding(NamedTuple):
    """What is said of one sample.

    Attributes
    ----------
    sample, role : str
    spectra : int
    expected : str
        What it was said to hold, formulas typeset; empty where that was not stated.
    holds : str
        Which compounds, and how much of the signal each makes up.
    proof : str
        The ions that prove them.
    absent : str
        The compounds of the model that were not found.
    alarm : str
        What the references do not explain; empty where they explain everything.
    """

    sample: str
    role: str
    spectra: int
    expected: str
    holds: str
    proof: str
    absent: str
    alarm: str


def findings(
    samples: pd.DataFrame, evidence: pd.DataFrame | None, charge: str = "-"
) -> list[Finding]:
    """Return what is said of each mixture and anode.

    Parameters
    ----------
    samples : DataFrame
        From `composition.tables.samples_table`, a row a sample.
    evidence : DataFrame or None
        From `proof`; None where only probabilities were read.
    charge : {"-", "+"}, optional
        The sign of the ions.
    """
    compounds = sorted(c.removeprefix("p_") for c in samples if c.startswith("p_"))
    told = []
    for row in samples[samples["role"] != "reference"].to_dict("records"):
        head = (row["sample"], row["role"], int(row["spectra"]))
        expected = mixture_text(row["expected"], unicode_text)
        if evidence is None:
            told.append(Finding(*head, expected, _probable(row, compounds), "", "", ""))
            continue
        there = called_present(row, compounds)
        own = evidence[evidence["sample"] == row["sample"]]
        told.append(
            Finding(
                *head,
                expected,
                _holds(row, there, compounds),
                " ".join(_proof(row, name, own[own["compound"] == name], charge) for name in there),
                _absent(row, compounds),
                _alarm(row),
            )
        )
    return told


def proof(evidence: pd.DataFrame, ranking: pd.DataFrame | None) -> pd.DataFrame:
    """Gather the evidence of a sample's spectra, and say which ions do not fit their compound.

    Parameters
    ----------
    evidence : DataFrame
        From `composition.tables.evidence_table`, a row an ion and spectrum.
    ranking : DataFrame or None
        The ion ranking, which knows the elements that a compound lacks.

    Returns
    -------
    DataFrame
        That of `composition.tables.evidence_by_ion`, with lacking: the elements of the ion that
        the compound has not, which its references have as impurities.
    """
    gathered = evidence_by_ion(evidence)
    if ranking is None or "lacking" not in ranking:
        return gathered.assign(lacking="")
    lacking = ranking.set_index(["compound", "mz"])["lacking"].fillna("")
    places = pd.MultiIndex.from_frame(gathered[["compound", "mz"]])
    return gathered.assign(lacking=lacking.reindex(places).fillna("").to_numpy())


def ion_name(ion: str, mz: float, charge: str) -> str:
    """Name an ion with its m/z, `LiH₂⁻ (9.032)`, or by its m/z alone."""
    return f"{unicode_text(ion, charge)} (m/z\u00a0{mz:.3f})" if ion else f"m/z\u00a0{mz:.3f}"


def listed(names: list[str], last: str = "and") -> str:
    """Join names as a sentence does: `A, B and C`."""
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def percent(share: float) -> str:
    """Write a share as whole per cent, and a small one as below one."""
    return "< 1" if 0 < share < 0.01 else f"{100 * share:.0f}"


def _holds(row: dict[str, Any], there: list[str], compounds: list[str]) -> str:
    """Say which compounds are there, and how much of the signal each makes up."""
    parts = []
    for name in there:
        low, high = (row[f"fraction_{name}_{end}"] for end in ("low", "high"))
        share = f"{percent(row[f'fraction_{name}'])}\u00a0% of the signal"
        parts.append(f"{unicode_text(name)} ({share}, {percent(low)} to {percent(high)}\u00a0%)")
    none = "None of the compounds of the model is called present."
    text = f"Holds {listed(parts)}." if parts else none
    some = [n for n in compounds if 0 < row[f"present_{n}"] < CALLED]
    if some:
        number = {n: round(row[f"present_{n}"] * row["spectra"]) for n in some}
        counted = [f"{unicode_text(n)} in {number[n]} of {row['spectra']}" for n in some]
        text += f" Called present in fewer than half of the spectra: {listed(counted)}."
    return text


def _proof(row: dict[str, Any], name: str, own: pd.DataFrame, charge: str) -> str:
    """Say how well one compound is proved, and by which ions."""
    own = own[own["side"] == "for"]
    fitting = own[own["lacking"] == ""]
    ions = (own if fitting.empty else fitting).head(NAMED)
    named = [ion_name(ion, mz, charge) for ion, mz in zip(ions["ion"], ions["mz"], strict=True)]
    verdict, formula = row[f"proof_{name}"], unicode_text(name)
    if verdict == "noise" or not named:
        return f"For {formula} no ion stands above what noise and the other compounds give."
    text = f"The proof of {formula} is {verdict}: {listed(named)}"
    if fitting.empty:
        text += f", which hold elements that {formula} lacks: impurities of its references"
    return f"{text}."


def _absent(row: dict[str, Any], compounds: list[str]) -> str:
    """Say which compounds were not found in any spectrum."""
    names = [unicode_text(n) for n in compounds if row[f"present_{n}"] == 0]
    return f"No sign of {listed(names, 'or')}." if names else ""


def _alarm(row: dict[str, Any]) -> str:
    """Say what the references do not explain."""
    if not row["outside"]:
        return ""
    ions = ", ".join(_typeset(part) for part in str(row["unexplained"]).split(", ") if part)
    told = f": {ions}" if ions else ""
    if row["outside"] < CALLED:
        number = round(row["outside"] * row["spectra"])
        spectra = f"{number} of {row['spectra']} spectra"
        return f"In {spectra} there is more than the references explain{told}."
    return f"Holds something that the references do not explain{told}."


def _typeset(part: str) -> str:
    """Typeset one of the ions of an alarm, `18.998 F-`."""
    mz, _, ion = part.partition(" ")
    return f"{unicode_text(ion)} ({mz})" if ion else f"m/z {mz}"


def _probable(row: dict[str, Any], compounds: list[str]) -> str:
    """Say what the classifier holds most probable, where nothing else was read."""
    order = sorted(compounds, key=lambda name: -row[f"p_{name}"])[:2]
    told = [f"{unicode_text(name)} {row[f'p_{name}']:.2f}" for name in order]
    return f"The classifier's largest probabilities are {listed(told)}."
