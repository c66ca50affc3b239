"""Whether an ion's elements fit a compound, as Table 1 of the paper tells by its fonts."""

import re
from functools import cache

from ionprint.errors import FormulaError
from ionprint.ions.formula import ion_mz

EVERYWHERE = frozenset({"H"})
"""Elements that every surface shows: hydrogen, from water and from residual gas."""
SYMBOL = re.compile(r"[A-Z][a-z]?")
NAME = re.compile(r"(?:[A-Z][a-z]?|\d+|[()\[\]\-])+")
"""Compounds as formulas (LiNO3) or as lists of elements (Ru-Pt-Pd)."""


@cache
def elements_of(compound: str) -> frozenset[str] | None:
    """Return the elements of a compound.

    Parameters
    ----------
    compound : str
        A formula, ``"Li2CO3"``, or elements joined by hyphens, ``"Ru-Pt-Pd"``.

    Returns
    -------
    frozenset of str or None
        None for a name that is no formula, as ``"NMC 811"``, ``"foil"``.
    """
    from molmass import ELEMENTS

    symbols = SYMBOL.findall(compound)
    known = {element.symbol for element in ELEMENTS}
    if not NAME.fullmatch(compound) or not symbols or not known.issuperset(symbols):
        return None
    return frozenset(symbols)


@cache
def atoms_of(ion: str) -> dict[str, int]:
    """Return the atoms of an ion, isotopes counted as their element.

    Parameters
    ----------
    ion : str
        ``"[6Li]LiH3"``, with or without a sign at its end.

    Raises
    ------
    FormulaError
        The text is not a formula.
    """
    from molmass import Formula

    text = ion.rstrip("+-")
    ion_mz(text)
    atoms: dict[str, int] = {}
    for part in Formula(text).composition().values():
        symbol = part.symbol.lstrip("0123456789")
        atoms[symbol] = atoms.get(symbol, 0) + part.count
    return atoms


def lacking(ion: str, compound: str) -> list[str] | None:
    """Return the elements of an ion that a compound lacks.

    Two things do not count as lacking, as they did not for the authors of the paper. They call 12
    or more of the 15 ions of Li2CO3 and of Li3N compatible, and

    - four of Li2CO3's hold hydrogen (Table 1): hydrogen fits every compound;
    - six of Li3N's hold carbon or oxygen, four of them carbon with nitrogen (CN, CHN, LiCN, LiCHN):
      carbon fits a compound of nitrogen in an ion that has a nitrogen for each carbon. Nitrogen
      has no stable anion of its own and appears as CN- wherever there is carbon.

    Parameters
    ----------
    ion : str
        A formula, with or without a sign.
    compound : str
        As `elements_of` reads it.

    Returns
    -------
    list of str or None
        Sorted; empty where the ion fits. None where ion or compound is no formula.
    """
    held = elements_of(compound)
    if held is None or not ion:
        return None
    try:
        atoms = atoms_of(ion)
    except FormulaError:
        return None
    absent = set(atoms) - held - EVERYWHERE
    if "N" in held and atoms.get("C", 0) <= atoms.get("N", 0):
        absent.discard("C")
    return sorted(absent)
