"""What a peak is: a first formula by exact mass."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ionprint.errors import ConfigError
from ionprint.ions.formula import ELECTRON, ion_mz

MOST_ATOMS = 9
"""Atoms of one ion; sputtered clusters below m/z 300 hardly hold more."""
ELEMENT_COST, ELEMENT_STEP = 3.0, 2.0
"""What an element costs a formula, as -2 ln(likelihood), and how much more for each place further
down the element list: simple before complicated, expected before far-fetched."""
ISOTOPE_SD = 0.4
"""How far ln(counts) of a satellite may lie from what its parent predicts."""
ISOTOPE_EVIDENCE = 6.0
"""What a parent with the right counts is worth, as -2 ln(likelihood)."""
NO_PARENT = 40.0
"""What it costs to be a satellite of nothing, or of far too little."""
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
        What makes a formula less likely before its peak is seen, in units of -2 ln(likelihood).
    parent_mz : ndarray, shape (n,)
        m/z (u) of the same formula with main isotopes only.
    share : ndarray, shape (n,)
        Natural intensity relative to that parent; 1 for the parent itself.
    """

    mz: np.ndarray
    atoms: np.ndarray
    elements: list[str]
    penalty: np.ndarray
    parent_mz: np.ndarray
    share: np.ndarray

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
    penalty = 0.3 * atoms.sum(axis=1)
    symbols = [_symbol(n) for n in names]
    for place, symbol in enumerate(dict.fromkeys(symbols)):
        held = atoms[:, [s == symbol for s in symbols]].any(axis=1)
        penalty = penalty + (ELEMENT_COST + ELEMENT_STEP * place) * held
    parent_mass, share = _parents(mass, atoms, names)
    order = np.argsort(mass, kind="stable")
    electron = charge * ELECTRON
    return Candidates(
        mass[order] - electron,
        atoms[order],
        names,
        penalty[order],
        parent_mass[order] - electron,
        share[order],
    )


def _parents(
    mass: np.ndarray, atoms: np.ndarray, names: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return mass of the parent, and intensity relative to it, of each formula.

    k of n atoms of an element are a minor isotope, the others its main one, with the probability
    C(n, k) r^k relative to none, r the ratio of their abundances (binomial distribution).
    """
    from molmass import ELEMENTS
    from scipy.special import comb

    parent, share = mass.copy(), np.ones(len(mass))
    for column, name in enumerate(names):
        symbol = _symbol(name)
        if _short(name) == symbol:
            continue
        isotopes = ELEMENTS[symbol].isotopes
        minor = isotopes[int(name.strip("[]").removesuffix(symbol))]
        main = max(isotopes.values(), key=lambda isotope: isotope.abundance)
        k = atoms[:, column].astype(int)
        rest = [c for c, n in enumerate(names) if _symbol(n) == symbol and _short(n) == symbol]
        n = k + atoms[:, rest].sum(axis=1)
        parent += k * (main.mass - minor.mass)
        share *= comb(n, k) * (minor.abundance / main.abundance) ** k
    return parent, share


def _place(element: str) -> tuple[bool, float, bool]:
    from molmass import ELEMENTS

    symbol = _symbol(element)
    return symbol == "H", ELEMENTS[symbol].eleneg, _short(element) == symbol


def assign(
    mz: np.ndarray,
    counts: np.ndarray,
    candidates: Candidates,
    tolerance_ppm: float,
    tolerance_mda: float,
) -> pd.DataFrame:
    """Give each peak its likeliest formula within the tolerance.

    The judgement adds up, as -2 ln(likelihood): the mass error, normal with a third of the
    tolerance as standard deviation; simplicity; and for a formula with minor isotopes whether the
    peak of its parent is there with the counts that natural abundance asks for.

    Parameters
    ----------
    mz : ndarray, shape (n_peaks,)
        u, rising.
    counts : ndarray, shape (n_peaks,)
        Counts of the peaks, over all spectra together.
    tolerance_ppm, tolerance_mda : float
        The wider of the two holds.

    Returns
    -------
    DataFrame
        mz, ion (empty where nothing fits), error_ppm ((measured - exact) / exact).
    """
    mz, counts = np.asarray(mz, dtype=float), np.asarray(counts, dtype=float)
    reach = np.maximum(tolerance_ppm * 1e-6 * mz, tolerance_mda * 1e-3)
    firsts = np.searchsorted(candidates.mz, mz - reach)
    lasts = np.searchsorted(candidates.mz, mz + reach)
    rows = []
    for m, n, r, first, last in zip(mz, counts, reach, firsts, lasts, strict=True):
        if first == last:
            rows.append({"mz": m, "ion": "", "error_ppm": np.nan})
            continue
        error = m - candidates.mz[first:last]
        cost = (3 * error / r) ** 2 + candidates.penalty[first:last]
        share, parent_mz = candidates.share[first:last], candidates.parent_mz[first:last]
        evidence = _isotopes(n, share, parent_mz, mz, counts, reach)
        cost = cost + np.where(parent_mz != candidates.mz[first:last], evidence, 0.0)
        best = first + int(np.argmin(cost))
        error_ppm = 1e6 * (m / candidates.mz[best] - 1)
        rows.append({"mz": m, "ion": candidates.name(best), "error_ppm": error_ppm})
    return pd.DataFrame(rows)


def _isotopes(
    seen: float,
    share: np.ndarray,
    parent_mz: np.ndarray,
    mz: np.ndarray,
    counts: np.ndarray,
    reach: np.ndarray,
) -> np.ndarray:
    """Return what a satellite's parent peak says, as -2 ln(likelihood)."""
    nearest = np.abs(mz - parent_mz[:, None]).argmin(axis=1)
    there = np.abs(mz[nearest] - parent_mz) <= reach[nearest]
    expected = np.where(there, counts[nearest] * share, 0.0)
    ratio = np.log(np.maximum(expected, 1e-9) / max(seen, 1.0))
    return np.minimum((ratio / ISOTOPE_SD) ** 2 - ISOTOPE_EVIDENCE, NO_PARENT)
