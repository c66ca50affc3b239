"""What a peak is, by isotope pattern alone, where the bins are too wide for exact mass.

Areas at nominal masses are taken as clusters in natural isotope ratios on a background:
``area[s, m] = sum_f amount[s, f] * pattern[f, m] + share[m] * level[s, m]``. The level is what the
masses around m hold in the same spectrum; organic ions give every nominal mass some of it. What
lies on top of both is left over, for a single peak can always be an ion without isotopes.

A formula counts as proven when the ratios of its isotopologues, which the spectra give, agree
with nature better than those of ions that have nothing to do with each other would by chance, and
stay the same from spectrum to spectrum. The samples the spectra come from are not known here.
A pattern proves the atoms that have isotopes. The atoms without (O3 or C4 for 48 u) follow from the
mass that remains and the order of the element list, and the candidates tell what else it may be.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from math import factorial

import numpy as np
import pandas as pd

from ionprint.errors import ConfigError
from ionprint.ions.assignment import enumerate_formulas, place

LEAST_SHARE = 0.05
"""Isotopologues below this share of the strongest prove nothing: a tail may be as large."""
MODEL_ERROR = 0.04
"""Relative error of an isotope ratio beyond counting: dead time, borders, unknown overlaps."""
BACKGROUND_ERROR = 0.5
"""Error of the background under a cluster, relative to the level around it: organic ions differ
about that much from one nominal mass to the next."""
REACH, LOW = 8, 0.3
"""The level around a mass: this quantile of the areas at most so many u away."""
UNDER = 0.2
"""The background at a mass: this quantile, over the spectra, of what no cluster explains."""
RATIOS = np.log(30.0)
"""Unrelated ions differ by a factor of up to 30, all ln(ratio) alike."""
WANDER = 0.5
"""Standard deviation of the ln(ratio) of unrelated ions from one spectrum to another."""
ON_TOP = 0.1
"""How often another ion adds to an isotopologue and spoils its ratio."""
RARE = 1.5
"""-ln(odds), for each element in it, that a formula is there before its pattern is seen."""
ALIKE = 0.98
"""Patterns of at least this cosine similarity cannot be told apart by measured areas."""
PROVEN = 0.9
"""Confidence from which an ion is named."""
WHOLE = 0.99
"""Share of a pattern that has to lie below the heaviest peak."""
LIMIT = 20_000
"""Formulas at most."""
OWN = 0.5
"""Share of a peak's counts that a cluster must explain to give it its name."""
ENOUGH = 3.0
"""Spectra, by weight, that tell whether a ratio is steady."""
LISTED, LEAST = 3, 0.02
"""How many candidates are told, and from which confidence on."""


@dataclass(frozen=True)
class Families:
    """Formulas whose patterns can be told apart, each with those that cannot be told from it.

    Attributes
    ----------
    patterns : ndarray, shape (n, n_masses)
        Shares of the isotopologues of the likeliest member at nominal masses 0, 1, 2 ... u.
    members : list of list of (str, float)
        Formulas, likeliest first, and their shares of the family's probability.
    atoms : list of dict of str to int
        Atoms of the likeliest member.
    doubt : ndarray, shape (n,)
        -ln(odds) before the pattern is seen.
    """

    patterns: np.ndarray
    members: list[list[tuple[str, float]]]
    atoms: list[dict[str, int]]
    doubt: np.ndarray


@cache
def _isotopes(element: str) -> np.ndarray:
    """Return natural abundances by mass number, up to the heaviest isotope."""
    from molmass import ELEMENTS

    isotopes = ELEMENTS[element].isotopes
    shares = np.zeros(max(isotopes) + 1)
    for number, isotope in isotopes.items():
        shares[number] = isotope.abundance
    return shares / shares.sum()


def pattern(atoms: Mapping[str, int], masses: int) -> np.ndarray:
    """Return the shares of a formula's isotopologues at nominal masses.

    Parameters
    ----------
    atoms : mapping of str to int
        Element and number of its atoms.
    masses : int
        Length of the answer, which ends at nominal mass ``masses - 1`` (u).

    Returns
    -------
    ndarray, shape (masses,)
        Natural abundances from NIST's tables (molmass); adds up to 1 unless it is cut off.
    """
    shares = np.ones(1)
    for element, number in atoms.items():
        for _ in range(number):
            shares = np.convolve(shares, _isotopes(element))[:masses]
    return np.pad(shares, (0, masses - len(shares)))


def _families(elements: Mapping[str, int], masses: int) -> Families:
    """Group the formulas that have two or more isotopologues by what areas can tell apart."""
    formulas = enumerate_formulas(elements, masses - 1)
    if formulas.mz.size > LIMIT:
        raise ConfigError(
            f"dataset.elements allows more than {LIMIT:,} formulas up to m/z {masses - 1}; "
            f"lower the numbers of atoms or take elements out"
        )
    held = [
        {e: int(n) for e, n in zip(formulas.elements, row, strict=True) if n}
        for row in formulas.atoms
    ]
    shares = np.array([pattern(atoms, masses) for atoms in held])
    strong = shares >= LEAST_SHARE * shares.max(axis=1, keepdims=True)
    # what is cut off at the end of the masses cannot be judged
    usable = np.flatnonzero((strong.sum(axis=1) >= 2) & (shares.sum(axis=1) > WHOLE))
    order = usable[np.argsort(formulas.penalty[usable], kind="stable")]
    # penalties are -2 ln(likelihood)
    shares, cost = shares[order], formulas.penalty[order] / 2
    units = shares / np.linalg.norm(shares, axis=1, keepdims=True)
    left = np.ones(len(units), dtype=bool)
    firsts, members = [], []
    for first in range(len(units)):
        if left[first]:
            alike = np.flatnonzero(left & (units @ units[first] >= ALIKE))
            left[alike] = False
            odds = np.exp(cost[first] - cost[alike])
            names = [formulas.name(row) for row in order[alike]]
            firsts.append(first)
            members.append(list(zip(names, odds / odds.sum(), strict=True)))
    atoms = [_sorted(held[order[i]]) for i in firsts]
    doubt = RARE * np.array([len(a) for a in atoms], dtype=float)
    return Families(shares[firsts], members, atoms, doubt)


def _sorted(atoms: Mapping[str, int]) -> dict[str, int]:
    """Return the atoms in the order in which formulas are written."""
    return {element: atoms[element] for element in sorted(atoms, key=place)}


def _level(areas: np.ndarray) -> np.ndarray:
    """Return the level around each nominal mass in each spectrum, at least one count."""
    padded = np.pad(areas, ((0, 0), (REACH, REACH)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1, axis=1)
    return np.maximum(np.quantile(windows, LOW, axis=2), 1.0)


@dataclass
class _Fit:
    """Clusters and background in all spectra."""

    amounts: np.ndarray
    clusters: np.ndarray
    background: np.ndarray
    level: np.ndarray


def _fit(areas: np.ndarray, level: np.ndarray, patterns: np.ndarray) -> _Fit:
    """Share the areas out among patterns, background and what lies on top of both.

    Non-negative least squares; after each round, masses that hold far more than the fit get less
    weight, for other ions may add to an area but nothing takes away from it.
    """
    from scipy.optimize import nnls

    under = np.quantile(areas / level, UNDER, axis=0)
    amounts = np.zeros((len(areas), len(patterns)))
    clusters = np.zeros_like(areas)
    weights = np.ones_like(areas)
    where = patterns.any(axis=0)
    for _ in range(4 if len(patterns) else 0):
        background = under * level
        sd = np.sqrt(_variance(areas, clusters, level))
        scale = np.sqrt(weights) / sd
        for s in range(len(areas)):
            design = patterns[:, where].T * scale[s, where, None]
            target = (areas - background)[s, where] * scale[s, where]
            amounts[s] = nnls(design, target)[0]
        clusters = amounts @ patterns
        excess = (areas - background - clusters) / sd
        weights = 1 / np.maximum(excess, 1.0)
        under = np.maximum(np.quantile((areas - clusters) / level, UNDER, axis=0), 0.0)
    return _Fit(amounts, clusters, under * level, level)


def _variance(areas: np.ndarray, clusters: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return the variance of areas: counting, isotope ratios, background."""
    counting = np.maximum(areas, 1.0)
    return counting + (MODEL_ERROR * clusters) ** 2 + (BACKGROUND_ERROR * level) ** 2


def _evidence(
    rest: np.ndarray, counting: np.ndarray, level: np.ndarray, shares: np.ndarray
) -> float:
    """Return ln(Bayes factor) of a pattern against ions that have nothing to do with each other.

    Each isotopologue's ratio to one of them, the reference, is judged twice: its value over all
    spectra, against any value within `RATIOS`, and its scatter among the spectra, against
    `WANDER`. Both are medians with weights, for some spectra have other ions there. A ratio that is
    too high counts as another ion on top at the least; one that is too low has no excuse. Each
    isotopologue is the reference in turn, and the mean of the Bayes factors is returned.

    Parameters
    ----------
    rest : ndarray, shape (n_spectra, n_isotopologues)
        Counts that neither the background nor other clusters explain.
    counting : ndarray
        Variance of counting, same shape.
    level : ndarray
        Counts around, same shape.
    shares : ndarray, shape (n_isotopologues,)
        Natural shares.
    """
    variance = counting + (BACKGROUND_ERROR * level) ** 2
    logs = np.full(len(shares), -np.inf)
    for r in range(len(shares)):
        natural = shares / shares[r]
        expected = np.maximum(rest[:, [r]], 1e-9) * natural
        total = variance + natural**2 * variance[:, [r]] + (MODEL_ERROR * expected) ** 2
        weight = expected**2 / total
        if weight[:, r].sum() < 9:
            continue
        found = rest / expected
        ratio = _median(found, weight)
        scatter = 1.48 * _median(np.abs(found - ratio), weight)
        weight = np.maximum(weight, 1e-12)
        spectra = weight.sum(axis=0) ** 2 / (weight**2).sum(axis=0)
        sd = np.sqrt(MODEL_ERROR**2 + scatter**2 + 1 / weight.sum(axis=0))
        value = np.log(RATIOS / (np.sqrt(2 * np.pi) * sd)) - ((ratio - 1) / sd) ** 2 / 2
        value += np.where(spectra >= ENOUGH, np.maximum(np.log(WANDER / sd), 0.0), 0.0)
        value = np.log((1 - ON_TOP) * np.exp(value) + ON_TOP * (ratio > 1) + 1e-12)
        value = np.where(sd < WANDER, value, np.minimum(value, 0.0))
        logs[r] = np.delete(value, r).sum()
    return float(np.logaddexp.reduce(logs) - np.log(len(shares)))


def _median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the median of each column, with weights."""
    order = np.argsort(values, axis=0)
    below = np.take_along_axis(weights, order, axis=0).cumsum(axis=0)
    row = (below < below[-1] / 2).sum(axis=0, keepdims=True)
    row = np.minimum(row, len(values) - 1)
    return np.take_along_axis(np.take_along_axis(values, order, axis=0), row, axis=0)[0]


def _judge(areas: np.ndarray, fit: _Fit, shares: np.ndarray, own: np.ndarray | float) -> float:
    """Return the evidence for a pattern whose own part of the fit is `own`."""
    there = np.flatnonzero(shares >= LEAST_SHARE * shares.max())
    others = (fit.clusters - own)[:, there] if np.ndim(own) else fit.clusters[:, there]
    rest = areas[:, there] - others - fit.background[:, there]
    counting = np.maximum(areas[:, there], 1.0) + (MODEL_ERROR * others) ** 2
    return _evidence(rest, counting, fit.level[:, there], shares[there])


def _prove(
    areas: np.ndarray, level: np.ndarray, families: Families
) -> tuple[list[int], _Fit, np.ndarray]:
    """Take up patterns, the best proven first, and drop what later ones make needless.

    Returns
    -------
    list of int
        The proven families.
    _Fit
        Their amounts in the spectra.
    ndarray, shape (n_families,)
        ln(odds) of each family.
    """
    patterns = families.patterns
    needed = np.log(PROVEN / (1 - PROVEN))
    strong = patterns >= LEAST_SHARE * patterns.max(axis=1, keepdims=True)
    chosen: list[int] = []
    free = np.ones(len(patterns), dtype=bool)
    fit = _fit(areas, level, patterns[chosen])
    odds = np.array([_judge(areas, fit, p, 0.0) for p in patterns]) - families.doubt
    while free.any():
        best = int(np.argmax(np.where(free, odds, -np.inf)))
        if odds[best] < needed:
            break
        chosen.append(best)
        free[best] = False
        fit = _fit(areas, level, patterns[chosen])
        for column, i in enumerate(chosen):
            own = fit.amounts[:, [column]] * patterns[i]
            odds[i] = _judge(areas, fit, patterns[i], own) - families.doubt[i]
        if min(odds[chosen]) < needed:
            chosen = [i for i in chosen if odds[i] >= needed]
            fit = _fit(areas, level, patterns[chosen])
        touched = (strong & strong[best]).any(axis=1)
        for i in np.flatnonzero(touched & free):
            odds[i] = _judge(areas, fit, patterns[i], 0.0) - families.doubt[i]
    return chosen, fit, odds


def isotopologue(atoms: Mapping[str, int], mass: int) -> str:
    """Write the most abundant isotopologue of a formula at a nominal mass, e.g. ``[191Ir]O2``.

    Main isotopes are written without a mass number.

    Parameters
    ----------
    atoms : mapping of str to int
        Element and number of its atoms, in the order to be written.
    mass : int
        u.

    Returns
    -------
    str
        Empty when the formula has no isotopologue of this mass.
    """
    best = {0: (1.0, "")}
    for element, number in atoms.items():
        isotopes = _isotopes(element)
        longer: dict[int, tuple[float, str]] = {}
        for numbers in combinations_with_replacement(np.flatnonzero(isotopes).tolist(), number):
            counts = Counter(sorted(numbers, key=lambda n: -isotopes[n]))
            share = factorial(number)
            for n, times in counts.items():
                share *= isotopes[n] ** times / factorial(times)
            text = "".join(_part(element, n, t, isotopes) for n, t in counts.items())
            for total, (before, name) in best.items():
                heavier = total + sum(numbers)
                if heavier <= mass and before * share > longer.get(heavier, (0.0, ""))[0]:
                    longer[heavier] = (before * share, name + text)
        best = longer
    return best.get(mass, (0.0, ""))[1]


def _part(element: str, isotope: int, times: int, isotopes: np.ndarray) -> str:
    """Write some atoms of one isotope."""
    symbol = element if isotope == isotopes.argmax() else f"[{isotope}{element}]"
    return symbol + (str(times) if times > 1 else "")


def name_by_pattern(
    mz: np.ndarray,
    areas: np.ndarray,
    elements: Mapping[str, int],
) -> pd.DataFrame:
    """Name peaks whose isotope pattern leaves no reasonable doubt.

    Parameters
    ----------
    mz : ndarray, shape (n_peaks,)
        m/z (u), rising; only the nominal mass is used. Of the peaks of one nominal mass the areas
        are added up, and the strongest has the name.
    areas : ndarray, shape (n_spectra, n_peaks)
        Counts.
    elements : mapping of str to int
        Element, and how many atoms of it an ion may hold; the expected elements first.

    Returns
    -------
    DataFrame
        mz; ion (empty where the pattern does not tell; satellites with their mass numbers);
        candidates (text, e.g. ``RuO3 0.96; RuC4 0.04``); confidence (of the first candidate, 0 to
        1); satellite_of (formula whose minor isotopologue the peak is).
    """
    mz, areas = np.asarray(mz, dtype=float), np.asarray(areas, dtype=float)
    nominal = np.rint(mz).astype(int)
    masses = nominal.max(initial=0) + 1
    summed = np.zeros((len(areas), masses))
    np.add.at(summed.T, nominal, areas.T)
    families = _families(elements, masses)
    chosen, fit, odds = _prove(summed, _level(summed), families)

    total = np.maximum(summed.sum(axis=0), 1.0)
    amounts = fit.amounts.sum(axis=0)
    parts = amounts[:, None] * families.patterns[chosen] / total
    sure = 1 / (1 + np.exp(-odds))
    strong = families.patterns >= LEAST_SHARE * families.patterns.max(axis=1, keepdims=True)
    counts = areas.sum(axis=0)
    rows = []
    for peak, m in enumerate(nominal):
        row = {"mz": mz[peak], "ion": "", "candidates": "", "confidence": 0.0, "satellite_of": ""}
        rows.append(row)
        if counts[peak] < counts[nominal == m].max():
            continue
        # what is there may still be too little of this peak to give it its name
        here = {
            i: sure[i] * (p if p < OWN else 1.0) for i, p in zip(chosen, parts[:, m], strict=True)
        }
        others = [i for i in np.flatnonzero(strong[:, m]) if i not in chosen]
        weights = np.exp(odds[others])
        left = 1 - max(here.values(), default=0.0)
        here |= dict(zip(others, left * weights / (1 + weights.sum()), strict=True))
        found = [(p * q, f, i) for i, p in here.items() for f, q in families.members[i]]
        found.sort(key=lambda c: -c[0])
        if not found or found[0][0] < LEAST:
            continue
        # two proven ions may share a peak; as names of it they exclude each other
        left = 1 - found[0][0]
        found = found[:1] + [(min(p, left), f, i) for p, f, i in found[1:LISTED]]
        found = [c for c in found if c[0] >= LEAST]
        row["candidates"] = "; ".join(f"{f} {p:.2f}" for p, f, _ in found)
        row["confidence"], parent, first = found[0]
        if first in chosen and row["confidence"] >= PROVEN:
            row["ion"] = isotopologue(families.atoms[first], m)
            row["satellite_of"] = parent if row["ion"] != parent else ""
    return pd.DataFrame(rows)
