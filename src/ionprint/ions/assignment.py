"""What a peak is: formulas by exact mass, judged by isotope evidence and simplicity."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ionprint.errors import ConfigError
from ionprint.ions.formula import ELECTRON, ion_mz

MOST_ATOMS = 14
"""Atoms of one ion; sputtered clusters below m/z 300 hardly hold more."""
ATOM_COST, ELEMENT_COST, ELEMENT_STEP = 0.3, 3.0, 2.0
"""What an atom and an element cost a formula, as -2 ln(likelihood), and how much more for each
place further down the element list: simple before complicated, expected before far-fetched."""
ODD_COST = 2.0
"""What an odd number of electrons costs: anions and cations that last have closed shells."""
OVERFULL_COST = 6.0
"""What each hydrogen costs that the valences of the other atoms do not hold."""
VALENCES_LEFT = {1: 1, 14: 2, 15: 1, 16: 0, 17: -1}
"""Hydrogens an atom adds to what a molecule holds, two to begin with, by its group: four for carbon
less the two bonds of a chain; one for an alkali metal, which may bring its hydride."""
METAL_LEFT = 4
"""The same for all other elements, which are not judged."""
LEAST_SHARE = 1e-4
"""Isotopologues rarer than this, relative to their parent, are no candidates."""
FEWER, MORE = 0.15, 0.5
"""How far ln(counts) of a satellite may lie below and above what its parent predicts: another ion
may lie upon it, nothing takes counts away."""
EVIDENCE = 6.0
"""What a satellite with the right counts is worth, as -2 ln(likelihood)."""
CONTRADICTION = 40.0
"""What it costs to be a satellite of nothing, or to lack a satellite that must be there."""
NOTHING = 45.0
"""Cost of the answer that none of the candidates is right."""
VISIBLE = 300.0
"""Counts from which a satellite must be seen, unless a neighbour hides it."""
HIDES = 1.5
"""A neighbour q widths (FWHM) away hides a satellite that is exp(-1.5 q) times weaker than it."""
MERGES = 0.7
"""Peak widths (FWHM) within which peaks are not told apart."""
WITHIN = 4.0
"""Standard errors of its mass within which a peak's formulas are looked for."""
MOST_SHOWN = 4
"""Candidates told of each peak at most, ..."""
LEAST_SHOWN = 0.01
"""... each with at least this probability."""
SURE = 0.99
"""Probability from which a formula is beyond doubt."""
LONELY, WEIGHTY = 3.0, 0.02
"""Peak widths within which a neighbour with this share of a peak's counts moves its centroid."""
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
    share : ndarray, shape (n,)
        Natural intensity relative to the same formula with main isotopes only, its parent.
    parent : ndarray of int, shape (n,)
        Row of the parent; of a parent its own.
    """

    mz: np.ndarray
    atoms: np.ndarray
    elements: list[str]
    penalty: np.ndarray
    share: np.ndarray
    parent: np.ndarray

    @cached_property
    def _families(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows sorted by parent, and where each parent's begin."""
        order = np.argsort(self.parent, kind="stable")
        return order, np.searchsorted(self.parent[order], np.arange(self.mz.size + 1))

    def satellites(self, row: int) -> np.ndarray:
        """Return the rows of a parent's other isotopologues."""
        order, starts = self._families
        family = order[starts[row] : starts[row + 1]]
        return family[family != row]

    def name(self, row: int) -> str:
        """Write formula `row` by rising electronegativity, hydrogen last: ``[6Li]LiH3``, LiCO3H."""
        held = [(e, n) for e, n in zip(self.elements, self.atoms[row], strict=True) if n]
        held.sort(key=lambda part: place(part[0]))
        return "".join(_short(e) + (str(n) if n > 1 else "") for e, n in held)


def _symbol(element: str) -> str:
    return element.strip("[]").lstrip("0123456789")


def _short(element: str) -> str:
    """The bare symbol for an element's main isotope, written out for the others."""
    symbol = _symbol(element)
    return symbol if abs(ion_mz(element) - ion_mz(symbol)) < 1e-6 else element


def enumerate_formulas(elements: Mapping[str, int], mz_max: float, charge: int = -1) -> Candidates:
    """List every formula of the given elements' main isotopes up to `mz_max`.

    Parameters
    ----------
    elements : mapping of str to int
        Element and how many atoms of it a formula may hold.
    mz_max : float
        u.

    Raises
    ------
    ConfigError
        The list gives too many formulas to be told apart by mass, or names an isotope.
    """
    names = list(elements)
    for name in names:
        if name != _symbol(name):
            raise ConfigError(
                f"dataset.elements names {name}: list elements; their natural isotopes are added"
            )
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
    penalty = _penalty(names, atoms, charge)
    order = np.argsort(mass, kind="stable")
    mz = mass[order] - charge * ELECTRON
    rows = np.arange(mz.size)
    return Candidates(mz, atoms[order], names, penalty[order], np.ones(mz.size), rows)


def _penalty(elements: list[str], atoms: np.ndarray, charge: int) -> np.ndarray:
    """Return the cost of size, of elements, of an odd electron and of too much hydrogen."""
    from molmass import ELEMENTS

    price = ELEMENT_COST + ELEMENT_STEP * np.arange(len(elements))
    protons = np.array([ELEMENTS[e].number for e in elements])
    odd = (atoms @ protons - charge) % 2
    left = np.array(
        [-1 if e == "H" else VALENCES_LEFT.get(ELEMENTS[e].group, METAL_LEFT) for e in elements]
    )
    overfull = np.maximum(-(2 + atoms @ left), 0)
    penalty = ATOM_COST * atoms.sum(axis=1) + (atoms > 0) @ price
    return penalty + ODD_COST * odd + OVERFULL_COST * overfull


def with_isotopologues(parents: Candidates) -> Candidates:
    """Add the isotopologues that nature gives of each formula.

    k of n atoms of an element are a minor isotope instead of the main one with the probability
    C(n, k) r^k relative to none, r the ratio of their abundances (multinomial distribution;
    abundances from molmass, after NIST).

    Parameters
    ----------
    parents : Candidates
        From `enumerate_formulas`.

    Returns
    -------
    Candidates
        By rising mass; those rarer than `LEAST_SHARE` are left out.
    """
    from molmass import ELEMENTS
    from scipy.special import comb

    names = list(parents.elements)
    mz, share, parent = parents.mz, np.ones(parents.mz.size), np.arange(parents.mz.size)
    atoms = parents.atoms
    for column, symbol in enumerate(parents.elements):
        isotopes = ELEMENTS[symbol].isotopes
        main = max(isotopes.values(), key=lambda isotope: isotope.abundance)
        for number, minor in isotopes.items():
            ratio = minor.abundance / main.abundance
            if minor is main or ratio < LEAST_SHARE / MOST_ATOMS:
                continue
            names.append(f"[{number}{symbol}]")
            atoms = np.hstack([atoms, np.zeros((atoms.shape[0], 1), dtype=np.int8)])
            left, shares = atoms[:, column], share
            parts = [(mz, atoms, share, parent)]
            for k in range(1, int(left.max(initial=0)) + 1):
                enough = (left >= k) & (shares * comb(left, k) * ratio**k >= LEAST_SHARE)
                if not enough.any():
                    break
                swapped = atoms[enough].copy()
                swapped[:, column] -= k
                swapped[:, -1] = k
                parts.append(
                    (
                        mz[enough] + k * (minor.mass - main.mass),
                        swapped,
                        shares[enough] * comb(left[enough], k) * ratio**k,
                        parent[enough],
                    )
                )
            mz, atoms, share, parent = (np.concatenate(p) for p in zip(*parts, strict=True))
    order = np.argsort(mz, kind="stable")
    rows = np.empty(order.size, dtype=int)
    rows[order] = np.arange(order.size)
    # the parents are the first rows before they are sorted
    return Candidates(
        mz[order], atoms[order], names, parents.penalty[parent[order]], share[order],
        rows[parent[order]],
    )  # fmt: skip


def place(element: str) -> tuple[bool, float, bool]:
    """Return where an element stands in a formula: by electronegativity, hydrogen last."""
    from molmass import ELEMENTS

    symbol = _symbol(element)
    return symbol == "H", ELEMENTS[symbol].eleneg, _short(element) == symbol


def assign(
    mz: np.ndarray,
    counts: np.ndarray,
    candidates: Candidates,
    error: np.ndarray,
    width: np.ndarray,
    least: float = 0.0,
) -> pd.DataFrame:
    """Judge what each peak is.

    The judgement adds up, as -2 ln(likelihood): the mass error; simplicity and valences; and
    isotopes. A formula with minor isotopes needs its parent's peak with the counts that natural
    abundance asks for; one without needs its own satellites where they must be seen.

    Parameters
    ----------
    mz : ndarray, shape (n_peaks,)
        u, rising.
    counts : ndarray, shape (n_peaks,)
        Counts of the peaks, over all spectra together; all NaN where only masses are known: an ion
        with minor isotopes then needs its parent's peak, and is the less likely the rarer it is.
    error : ndarray, shape (n_peaks,)
        Standard error of `mz` (u).
    width : ndarray, shape (n_peaks,)
        Full width at half maximum (u).
    least : float
        Peaks with fewer counts are evidence for others, but are not judged themselves.

    Returns
    -------
    DataFrame
        A row for each peak that is judged. mz; ion, the likeliest formula, empty where none fits;
        candidates, the likely formulas with their probabilities; error_ppm, (measured - exact) /
        exact; confidence, the probability of `ion`; satellite_of, the parent of an ion with minor
        isotopes, else empty.
    """
    seen = _Seen(*(np.asarray(v, dtype=float) for v in (mz, counts, error, width)))
    rows = []
    for i, m in enumerate(seen.mz):
        if seen.counts[i] < least:
            continue
        reach = WITHIN * seen.error[i]
        first, last = np.searchsorted(candidates.mz, [m - reach, m + reach])
        near = np.arange(first, last)
        cost = ((m - candidates.mz[near]) / seen.error[i]) ** 2 + candidates.penalty[near]
        minor = candidates.parent[near] != near
        cost[minor] += seen.parents(i, candidates, near[minor])
        # no satellite is more than about twice as strong as its parent
        for at in np.flatnonzero(~minor) if 2 * seen.counts[i] >= VISIBLE else ():
            cost[at] += seen.satellites(i, candidates, candidates.satellites(near[at]))
        rows.append({"mz": m, **_verdict(m, candidates, near, cost)})
    return pd.DataFrame(rows)


def doubtless(
    names: pd.DataFrame, mz: np.ndarray, counts: np.ndarray, width: np.ndarray
) -> dict[str, float]:
    """Return the ions that a mass scale can be fitted to.

    Parameters
    ----------
    names : DataFrame
        From `assign`.
    mz, counts, width : ndarray, shape (n_peaks,)
        Of all peaks: m/z, counts, and full width at half maximum (u).

    Returns
    -------
    dict of str to float
        Formula and the peak's m/z by its formula (u): no satellites, `SURE` of their formula, and
        no neighbour of weight within `LONELY` widths.
    """
    distance = np.abs(mz - mz[:, None]) / width
    heavy = counts > WEIGHTY * counts[:, None]
    np.fill_diagonal(heavy, False)
    alone = ~(heavy & (distance < LONELY)).any(axis=1)
    sure = (names["confidence"] >= SURE) & (names["satellite_of"] == "")
    chosen = names[sure & names["mz"].isin(mz[alone])]
    return dict(zip(chosen["ion"], chosen["mz"] / (1 + 1e-6 * chosen["error_ppm"]), strict=True))


def _verdict(mz: float, candidates: Candidates, near: np.ndarray, cost: np.ndarray) -> dict:
    """Return the columns of one peak: the best formula and its rivals."""
    odds = np.exp(-np.append(cost, NOTHING) / 2)
    odds /= odds.sum()
    order = np.argsort(-odds[:-1], kind="stable")
    if not near.size or odds[order[0]] < odds[-1]:
        return {
            "ion": "",
            "candidates": "",
            "error_ppm": np.nan,
            "confidence": 0.0,
            "satellite_of": "",
        }
    shown = [i for i in order[:MOST_SHOWN] if odds[i] >= LEAST_SHOWN or i == order[0]]
    best = near[order[0]]
    parent = candidates.parent[best]
    return {
        "ion": candidates.name(best),
        "candidates": "; ".join(f"{candidates.name(near[i])} {odds[i]:.2f}" for i in shown),
        "error_ppm": 1e6 * (mz / candidates.mz[best] - 1),
        "confidence": odds[order[0]],
        "satellite_of": candidates.name(parent) if parent != best else "",
    }


@dataclass(frozen=True)
class _Seen:
    """The peaks that formulas are judged by."""

    mz: np.ndarray
    counts: np.ndarray
    error: np.ndarray
    width: np.ndarray

    def at(self, mz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the peak next to each mass, and whether it may be of that mass."""
        right = np.clip(np.searchsorted(self.mz, mz), 1, self.mz.size - 1)
        nearest = np.where(mz - self.mz[right - 1] < self.mz[right] - mz, right - 1, right)
        nearest = np.minimum(nearest, self.mz.size - 1)
        return nearest, np.abs(self.mz[nearest] - mz) <= WITHIN * self.error[nearest]

    def parents(self, i: int, candidates: Candidates, rows: np.ndarray) -> np.ndarray:
        """Return what the parents' peaks say of formulas with minor isotopes."""
        nearest, there = self.at(candidates.mz[candidates.parent[rows]])
        if np.isnan(self.counts[i]):
            return np.where(there, -2 * np.log(candidates.share[rows]), CONTRADICTION)
        expected = np.where(there, self.counts[nearest] * candidates.share[rows], 0.0)
        return _agreement(self.counts[i], expected)

    def satellites(self, i: int, candidates: Candidates, rows: np.ndarray) -> float:
        """Return what the peaks of its satellites say of a formula without minor isotopes."""
        expected = self.counts[i] * candidates.share[rows]
        inside = candidates.mz[rows] < self.mz[-1] + self.width[-1]
        visible = (expected >= VISIBLE) & inside
        rows, expected = rows[visible], expected[visible]
        if not rows.size:
            return 0.0
        mz = candidates.mz[rows]
        nearest, there = self.at(mz)
        cost = _agreement(np.where(there, self.counts[nearest], 0.0), expected)
        # neither more than expected, another ion, nor a strong neighbour's tail is a contradiction
        apart = np.abs(self.mz - mz[:, None]) / self.width
        hidden = (self.counts * np.exp(-HIDES * apart) > expected[:, None]).any(axis=1)
        # nor are peaks so near that the search may have given them its counts
        hidden |= ((apart < MERGES) @ self.counts) >= expected * (1 - 2 * FEWER)
        cost = np.where(hidden, np.minimum(cost, 0.0), cost)
        worst = cost.max()
        return float(worst if worst > 0 else cost.min())


def _agreement(seen: np.ndarray | float, expected: np.ndarray) -> np.ndarray:
    """Return how well counts of a satellite agree with its parent's, as -2 ln(likelihood)."""
    ratio = np.log(np.maximum(seen, 1.0) / np.maximum(expected, 1e-9))
    spread = np.where(ratio > 0, MORE, FEWER)
    spread = np.sqrt(spread**2 + 1 / np.maximum(seen, 1.0))
    return np.minimum((ratio / spread) ** 2 - EVIDENCE, CONTRADICTION)
