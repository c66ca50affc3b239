"""What a peak is: a first formula by exact mass."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ionprint.errors import ConfigError
from ionprint.ions.formula import ELECTRON, ion_mz

MOST_ATOMS = 9
"""Atoms of one ion; sputtered clusters below m/z 300 hardly hold more."""
ELEMENT_COST = 3.0
"""What an element costs a formula, as -2 ln(likelihood), and one more for each place further down
the element list: simple before complicated, expected before far-fetched."""
LIMIT = 2_000_000
"""Formulas to enumerate at most; above, the element list is too wide for exact mass alone."""


@dataclass(frozen=True)
class Candidates:
    """All formulas of an element list up to an m/z, by rising mass.

    Attributes
    ----------
    mz : ndarray, shape (n,)
        Exact m/z (u).
    atoms : ndarray of int, shape (n, n_elements)
    elements : list of str
    penalty : ndarray, shape (n,)
        What makes a formula less likely before its mass is seen, in units of -2 ln(likelihood).
    """

    mz: np.ndarray
    atoms: np.ndarray
    elements: list[str]
    penalty: np.ndarray

    def name(self, row: int) -> str:
        """Write formula `row` by rising electronegativity, hydrogen last: ``[6Li]LiH3``, LiCO3H."""
        held = [(e, n) for e, n in zip(self.elements, self.atoms[row], strict=True) if n]
        held.sort(key=lambda part: _place(part[0]))
        return "".join(_short(e) + (str(n) if n > 1 else "") for e, n in held)


def _symbol(element: str) -> str:
    return element.strip("[]").lstrip("0123456789")


def _short(element: str) -> str:
    """The bare symbol for an element's main isotope, written out for the others."""
    symbol = _symbol(element)
    return symbol if abs(ion_mz(element) - ion_mz(symbol)) < 1e-6 else element


def enumerate_formulas(elements: Mapping[str, int], mz_max: float, charge: int = -1) -> Candidates:
    """List every formula of the given elements up to `mz_max`.

    Parameters
    ----------
    elements : mapping of str to int
        Element or bracketed isotope, and how many atoms of it a formula may hold.
    mz_max : float
        u.

    Raises
    ------
    ConfigError
        The list gives too many formulas to be told apart by mass.
    """
    from molmass import ELEMENTS

    names = list(elements)
    masses = np.array([ion_mz(n, charge) + charge * ELECTRON for n in names])
    atoms = np.zeros((1, 0), dtype=np.int8)
    mass = np.zeros(1)
    for name, unit in zip(names, masses, strict=True):
        counts = np.arange(elements[name] + 1)
        mass = (mass[:, None] + counts * unit).ravel()
        atoms = np.concatenate(
            [np.repeat(atoms, len(counts), axis=0), np.tile(counts, len(atoms))[:, None]], axis=1
        ).astype(np.int8)
        keep = (mass <= mz_max + 1) & (atoms.sum(axis=1) <= MOST_ATOMS)
        mass, atoms = mass[keep], atoms[keep]
        if len(mass) > LIMIT:
            raise ConfigError(
                f"dataset.elements allows more than {LIMIT:,} formulas up to m/z {mz_max:g}; "
                f"lower the numbers of atoms or take elements out"
            )
    some = atoms.any(axis=1)
    mass, atoms = mass[some], atoms[some]
    abundance = np.array([_abundance(n, ELEMENTS) for n in names])
    penalty = 0.3 * atoms.sum(axis=1) + atoms @ (-2 * np.log(abundance))
    symbols = [_symbol(n) for n in names]
    for place, symbol in enumerate(dict.fromkeys(symbols)):
        held = atoms[:, [s == symbol for s in symbols]].any(axis=1)
        penalty = penalty + (ELEMENT_COST + 2 * place) * held
    order = np.argsort(mass, kind="stable")
    return Candidates(mass[order] - charge * ELECTRON, atoms[order], names, penalty[order])


def _place(element: str) -> tuple[bool, float, bool]:
    from molmass import ELEMENTS

    symbol = _symbol(element)
    return symbol == "H", ELEMENTS[symbol].eleneg, _short(element) == symbol


def _abundance(name: str, table: object) -> float:
    """Natural share of a bracketed isotope; 1 for an element's main isotope."""
    symbol = _symbol(name)
    if _short(name) == symbol:
        return 1.0
    number = int(name.strip("[]").removesuffix(symbol))
    return table[symbol].isotopes[number].abundance


def assign(
    mz: np.ndarray, candidates: Candidates, tolerance_ppm: float, tolerance_mda: float
) -> pd.DataFrame:
    """Give each peak its likeliest formula within the tolerance.

    The judgement weighs the mass error, taken as normal with a third of the tolerance as standard
    deviation, against simplicity and isotope abundance.

    Parameters
    ----------
    mz : ndarray, shape (n_peaks,)
        u.
    tolerance_ppm, tolerance_mda : float
        The wider of the two holds.

    Returns
    -------
    DataFrame
        mz, ion (empty where nothing fits), error_ppm ((measured - exact) / exact).
    """
    rows = []
    for m in mz:
        reach = max(tolerance_ppm * 1e-6 * m, tolerance_mda * 1e-3)
        first, last = np.searchsorted(candidates.mz, [m - reach, m + reach])
        if first == last:
            rows.append({"mz": m, "ion": "", "error_ppm": np.nan})
            continue
        error = m - candidates.mz[first:last]
        cost = (3 * error / reach) ** 2 + candidates.penalty[first:last]
        best = first + int(np.argmin(cost))
        error_ppm = 1e6 * (m / candidates.mz[best] - 1)
        rows.append({"mz": m, "ion": candidates.name(best), "error_ppm": error_ppm})
    return pd.DataFrame(rows)
