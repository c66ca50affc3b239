"""What leaves the surface: expected counts of each ion and isotopologue. No disk, no instrument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ionprint.errors import ConfigError

ELECTRON_MASS = 0.000548579909
"""Mass of the electron in u (CODATA)."""

BACKGROUND, HYDROCARBON = "background", "hydrocarbon"


@dataclass(frozen=True)
class Isotopologues:
    """All isotopologues of all ions, one array element each.

    Attributes
    ----------
    ion : numpy.ndarray
        Row of the parent ion in the ion table.
    label : numpy.ndarray
        Formula with the rarer isotopes in brackets, as ``[6Li]H2``.
    mz : numpy.ndarray
        m/z of the singly charged anion, u.
    fraction : numpy.ndarray
        Natural share of the parent ion's counts.
    """

    ion: np.ndarray
    label: np.ndarray
    mz: np.ndarray
    fraction: np.ndarray


@dataclass(frozen=True)
class Recipe:
    """What lies on a surface.

    Attributes
    ----------
    shares : dict
        Share of each compound by weight, any positive scale.
    hydrocarbon : float
        Contamination, 1 = the full film of the ion table.
    fixed_to_pure : dict
        Ion -> (compound, times): its expected counts are `times` those from the pure compound.
    """

    shares: dict[str, float]
    hydrocarbon: float = 0.0
    fixed_to_pure: Mapping[str, tuple[str, float]] = field(default_factory=dict)


def check_ion_table(ions: pd.DataFrame) -> pd.DataFrame:
    """Return the ion table if it can be used, else raise ConfigError.

    Parameters
    ----------
    ions : pandas.DataFrame
        Columns family, ion, one a compound, background, hydrocarbon; counts per spot.

    Returns
    -------
    pandas.DataFrame
        The same table.
    """
    missing = {"family", "ion", BACKGROUND, HYDROCARBON} - set(ions.columns)
    if missing:
        raise ConfigError(f"the ion table has no column {', '.join(sorted(missing))}")
    twice = ions.loc[ions["ion"].duplicated(), "ion"]
    if len(twice):
        raise ConfigError(f"the ion table lists {twice.iloc[0]} twice")
    try:
        counts = ions.drop(columns=["family", "ion"]).to_numpy(dtype=float)
    except ValueError as error:
        raise ConfigError(f"the ion table holds something that is no number: {error}") from error
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ConfigError("the ion table holds an empty cell or counts below zero")
    return ions


def isotopologues(formulas: list[str], threshold: float = 1e-4) -> Isotopologues:
    """Return the natural isotopologues of anions, fine structure resolved.

    Parameters
    ----------
    formulas : list of str
        Neutral formulas of the parent ions, as ``Li2H3``.
    threshold : float
        Least abundance kept, relative to the most abundant isotopologue.

    Returns
    -------
    Isotopologues
        Masses in u; m/z = neutral mass + electron mass. Fractions are of the whole ion, so that
        they add up to a little less than 1.

    Notes
    -----
    Isotope masses and abundances as in IsoSpec (Lacki, Valkenborg, Startek, Anal. Chem. 2020).
    """
    import IsoSpecPy

    ion, label, mz, fraction = [], [], [], []
    for row, formula in enumerate(formulas):
        try:
            symbols = list(IsoSpecPy.ParseFormula(formula))
            found = IsoSpecPy.IsoThreshold(threshold, formula=formula, get_confs=True)
        except (KeyError, ValueError) as error:
            raise ConfigError(f"the ion table: {formula!r} is no formula") from error
        for mass, share, numbers in zip(found.masses, found.probs, found.confs, strict=True):
            ion.append(row)
            label.append(_label(symbols, numbers))
            mz.append(mass + ELECTRON_MASS)
            fraction.append(share)
    return Isotopologues(np.array(ion), np.array(label), np.array(mz), np.array(fraction))


def _label(symbols: list[str], numbers: tuple) -> str:
    """Return a formula with all isotopes but each element's most abundant one in brackets."""
    from IsoSpecPy import PeriodicTbl

    rare, plain = "", ""
    for symbol, isotopes in zip(symbols, numbers, strict=True):
        shares = PeriodicTbl.symbol_to_probs[symbol]
        for place, number in enumerate(isotopes):
            times = "" if number == 1 else str(number)
            if number and shares[place] == max(shares):
                plain += f"{symbol}{times}"
            elif number:
                mass_number = round(PeriodicTbl.symbol_to_masses[symbol][place])
                rare += f"[{mass_number}{symbol}]{times}"
    return rare + plain


def surface_weights(
    shares: Mapping[str, float], exponent: float = 1.0, dominance: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the weight of each pure compound's signal in the signal of a mixture.

    Parameters
    ----------
    shares : mapping
        Share of each compound by weight, any positive scale.
    exponent : float
        1 = proportional, below 1 lesser components are seen better.
    dominance : mapping, optional
        Factor of a compound's share, 1 where not named.

    Returns
    -------
    dict
        a_c = (w_c d_c)^exponent / sum over compounds, adds up to 1.

    Notes
    -----
    A one-number stand-in for matrix effects, this project's own.
    """
    dominance = dominance or {}
    raw = {name: (w * dominance.get(name, 1.0)) ** exponent for name, w in shares.items() if w > 0}
    total = sum(raw.values())
    if not total > 0:
        raise ConfigError("a sample needs at least one component with a share above zero")
    return {name: value / total for name, value in raw.items()}


def expected_counts(
    ions: pd.DataFrame,
    recipe: Recipe,
    exponent: float = 1.0,
    dominance: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Return the expected counts per spot of every parent ion, before any scatter.

    Parameters
    ----------
    ions : pandas.DataFrame
        The ion table, counts per spot.
    recipe : Recipe
        What lies on the surface.
    exponent, dominance : float, mapping
        As in `surface_weights`.

    Returns
    -------
    numpy.ndarray
        Counts, one a row of the ion table:
        background + hydrocarbon film x amount + sum over compounds of a_c x pure counts.
    """
    for compound in recipe.shares:
        if compound not in ions.columns:
            raise ConfigError(f"the ion table has no column for the compound {compound!r}")
    weights = surface_weights(recipe.shares, exponent, dominance)
    counts = ions[BACKGROUND].to_numpy(float) + recipe.hydrocarbon * ions[HYDROCARBON].to_numpy(
        float
    )
    for compound, weight in weights.items():
        counts = counts + weight * ions[compound].to_numpy(float)
    for ion, (compound, times) in recipe.fixed_to_pure.items():
        if ion not in set(ions["ion"]) or compound not in ions.columns:
            raise ConfigError(f"fixed_to_pure: the ion table has no {ion!r} or no {compound!r}")
        here = (ions["ion"] == ion).to_numpy()
        counts[here] = times * ions.loc[here, compound].to_numpy(float)
    return counts


def lognormal_factor(
    rng: np.random.Generator, relative_sd: float, size: int | None = None
) -> np.ndarray | float:
    """Draw factors with mean 1 and the given relative standard deviation.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    relative_sd : float
        Standard deviation over mean; sigma^2 = ln(1 + relative_sd^2), mu = -sigma^2 / 2.
    size : int, optional
        How many.

    Returns
    -------
    numpy.ndarray or float
        The factors, no unit.
    """
    variance = np.log1p(relative_sd**2)
    return rng.lognormal(-variance / 2, np.sqrt(variance), size)


def ion_factors(
    rng: np.random.Generator, families: np.ndarray, family_sd: float, ion_sd: float
) -> np.ndarray:
    """Draw one scatter factor per ion: one shared by its family times its own.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    families : numpy.ndarray
        Family of each ion.
    family_sd, ion_sd : float
        Relative standard deviations.

    Returns
    -------
    numpy.ndarray
        Factors with mean 1, one an ion.
    """
    names, place = np.unique(families, return_inverse=True)
    return lognormal_factor(rng, family_sd, len(names))[place] * lognormal_factor(
        rng, ion_sd, len(families)
    )
