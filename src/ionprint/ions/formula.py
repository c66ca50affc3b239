"""Exact masses of ions, from formulas that are read whole or refused."""

import re
from functools import cache

from ionprint.errors import FormulaError

ELECTRON = 0.000548579909065
"""Mass of the electron (u), CODATA 2018."""
PARTS = re.compile(r"([A-Z][a-z]?|\[\d+[A-Z][a-z]?\]|[()]|(?<=[\w)\]])\d+)+")
"""What formulas are made of; molmass by itself also reads charges, fractions and more."""


@cache
def ion_mz(formula: str, charge: int = -1) -> float:
    """Return the exact m/z of a singly charged ion.

    Parameters
    ----------
    formula : str
        Atoms, e.g. ``"Li2H3"``, ``"[6Li]H2"`` (a named isotope in brackets), ``"C(OH)2"``. An
        element without a mass number means its most abundant isotope.
    charge : int
        -1 or +1.

    Returns
    -------
    float
        m/z (u): the atoms' masses (molmass, from NIST's tables) with the electron added or taken.

    Raises
    ------
    FormulaError
        The text is not a formula.
    """
    from molmass import Formula
    from molmass.molmass import FormulaError as MolmassError

    if not formula.strip():
        raise FormulaError("a formula is empty; expected e.g. Li2H3 or [6Li]H2")
    if not PARTS.fullmatch(formula):
        raise FormulaError(
            f"{formula!r} is not a formula of atoms and numbers without a charge; expected e.g. "
            f"Li2H3 or [6Li]H2"
        )
    try:
        mass = Formula(formula).monoisotopic_mass
    except MolmassError as exc:
        reason = str(exc).splitlines()[0]
        raise FormulaError(
            f"{formula!r} is not a formula ({reason}); expected e.g. Li2H3 or [6Li]H2"
        ) from exc
    return mass - charge * ELECTRON
