"""Chemical formulas as text: Unicode, for figures and terminals, and plain ASCII.

A formula is written as in the tables of this package: `Li2CO3`, `[6Li]LiH3`, `[13C]O3`, with an
optional sign at its end. `[7Li]` is written as Li, as chemists do. A text that is no formula (the
name of an alloy, an empty cell) is given back as it is.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

_TOKEN = re.compile(r"(?:\[(\d+)([A-Z][a-z]?)\]|([A-Z][a-z]?)|([()]))(\d*)")
_UNMARKED = {("7", "Li")}
_ELEMENTS = frozenset(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy "
    "Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu".split()
)
_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPT = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")


class _Part(NamedTuple):
    mass: str  # "6" in [6Li], else ""
    symbol: str  # an element, "(" or ")"
    count: str  # "" for one


def unicode_text(formula: str, charge: str = "") -> str:
    """Typeset a formula with Unicode subscripts and superscripts: `⁶LiH₂⁻`.

    Parameters
    ----------
    formula : str
    charge : {"", "-", "+"}, optional
        The sign to write where the formula has none of its own.
    """
    read = _read(formula, charge)
    if read is None:
        return str(formula)
    parts, sign = read
    written = "".join(
        p.mass.translate(_SUPERSCRIPT) + p.symbol + p.count.translate(_SUBSCRIPT) for p in parts
    )
    return written + sign.translate(_SUPERSCRIPT)


def typeset(formula: str, charge: str = "") -> str:
    """Typeset a formula for matplotlib: as Unicode, with no `$` left to begin mathematics.

    DejaVu Sans has the raised and lowered digits; matplotlib's own mathematics takes ten times as
    long.

    Parameters
    ----------
    formula : str
    charge : {"", "-", "+"}, optional
        The sign to write where the formula has none of its own.
    """
    return unicode_text(formula, charge).replace("$", r"\$")


def ascii_text(formula: str, charge: str = "") -> str:
    """Write a formula with ASCII characters alone: `[6Li]H2-`.

    Parameters
    ----------
    formula : str
    charge : {"", "-", "+"}, optional
        The sign to write where the formula has none of its own.
    """
    read = _read(formula, charge)
    if read is None:
        return str(formula)
    parts, sign = read
    written = "".join((f"[{p.mass}{p.symbol}]" if p.mass else p.symbol) + p.count for p in parts)
    return written + sign


def mixture_text(expected: str, write: Callable[[str], str]) -> str:
    """Write the compounds of a mixture, `Li2CO3+LiOH`, each with `write`, joined by " + ".

    Parameters
    ----------
    expected : str
        Compounds separated by `+`, or nothing.
    write : callable
        One of the writers of this module.
    """
    return " + ".join(write(name.strip()) for name in str(expected).split("+") if name.strip())


def _read(formula: str, charge: str) -> tuple[list[_Part], str] | None:
    """Split a formula into its parts and its sign; None for a text that is no formula."""
    text = str(formula).strip()
    body = text[:-1] if text.endswith(("-", "+")) else text
    sign = text[len(body) :] or charge
    parts, end = [], 0
    for found in _TOKEN.finditer(body):
        mass, isotope, element, bracket, count = found.groups()
        symbol = isotope or element or bracket
        if found.start() != end or not (bracket or symbol in _ELEMENTS):
            return None
        parts.append(_Part("" if (mass, symbol) in _UNMARKED else mass or "", symbol, count))
        end = found.end()
    if not parts or end != len(body) or body.count("(") != body.count(")"):
        return None
    return parts, sign
