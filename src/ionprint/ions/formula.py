"""Exact masses of ions, from formulas that are read whole or refused."""

import re
from functools import cache

import numpy as np

from ionprint.errors import FormulaError

ELECTRON = 0.000548579909065
"""Mass of the electron (u), CODATA 2018."""
LIGHTEST_PER_NUCLEON = 1 - 0.001165
HEAVIEST_PER_NUCLEON = 1 + 0.0078251
"""Mass per nucleon (u) of the tightest bound nuclides (56Fe: 55.93494/56) and of 1H (1.007825),
rounded outwards: no singly charged ion lies outside what these allow for its number of nucleons
(AME2020)."""
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


def possible_mass(mz: np.ndarray, tolerance: np.ndarray | float) -> np.ndarray:
    """Tell whether a singly charged ion can have this mass.

    A nuclide's mass lies between its number of nucleons times the mass per nucleon of the tightest
    bound nuclide, 56Fe, and that of a free proton with its electron, 1H; so does a cluster's.

    Parameters
    ----------
    mz : ndarray
        u.
    tolerance : ndarray or float
        u.

    Returns
    -------
    ndarray of bool
    """
    reach = tolerance + ELECTRON  # of its charge
    most = np.floor((mz + reach) / LIGHTEST_PER_NUCLEON)
    return most * HEAVIEST_PER_NUCLEON + reach >= mz
