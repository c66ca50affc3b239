"""From rules about families of ions to the ion table: which ions leave which surface, how many."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ionprint.errors import ConfigError
from ionprint.ions.formula import ion_mz
from ionprint.simulation.chemistry import BACKGROUND, HYDROCARBON

Atoms = tuple[tuple[str, int], ...]
"""Elements and how many atoms of each, by rising symbol: the same ion however it is written."""

TOP = {"compounds", "drop_below", "heaviest", "rules", "families"}
RULES = {"states", "per_atom", "per_misfit"}
SKIN = "skin"
FAMILY = RULES | {"atoms", "ions", "counts", "times", "except"}
ATOM = re.compile(r"([A-Z][a-z]?)([1-9]\d*)?")


def expand_families(chemistry: Mapping[str, Any]) -> pd.DataFrame:
    """Return the ion table that the rules of lithium_families.yaml give.

    Parameters
    ----------
    chemistry : mapping
        The file's content; what its keys mean is said there.

    Returns
    -------
    pandas.DataFrame
        Columns family, ion, one a compound, background, hydrocarbon; expected counts per spot.
        An ion that several families give has the sum of their counts; its name is the first
        family's, and it scatters with the family that gives most of it.

    Raises
    ------
    ConfigError
        A key is unknown or missing, or a value cannot be.
    """
    _only(chemistry, TOP, TOP, "the chemistry")
    sources = [*chemistry["compounds"], BACKGROUND, HYDROCARBON]
    least, heaviest = (_positive(chemistry[key], key) for key in ("drop_below", "heaviest"))
    _only(chemistry["rules"], RULES, RULES, "rules")
    names: dict[Atoms, str] = {}
    parts: dict[Atoms, dict[str, list[float]]] = {}
    for family, entry in chemistry["families"].items():
        where = f"family {family!r}"
        _only(entry, FAMILY, {"counts"}, where)
        _only(entry["counts"], set(sources), set(), f"{where}, counts")
        strength = [_positive(entry["counts"].get(s, 0.0), f"{where}, counts") for s in sources]
        for name, share in _yields(entry, chemistry["rules"], where).items():
            atoms = atoms_of(name)
            _only(dict(atoms), set(chemistry["rules"]["states"]), set(), f"{where}, {name}")
            if family in parts.get(atoms, {}):
                raise ConfigError(f"{where} lists {name} twice")
            names.setdefault(atoms, name)
            parts.setdefault(atoms, {})[family] = [share * counts for counts in strength]
    rows = []
    for atoms, by_family in parts.items():
        summed = [round(sum(column), 2) for column in zip(*by_family.values(), strict=True)]
        if max(summed) >= least:
            family = max(by_family, key=lambda name: max(by_family[name]))
            rows.append((family, names[atoms], *summed))
    table = pd.DataFrame(rows, columns=["family", "ion", *sources])
    light = [ion_mz(ion) <= heaviest for ion in table["ion"]]
    return table[light].reset_index(drop=True)


def add_families(base: pd.DataFrame, chemistry: Mapping[str, Any]) -> pd.DataFrame:
    """Return an ion table with the surfaces of unknown_families.yaml added.

    Parameters
    ----------
    base : DataFrame
        From `expand_families`; its rows and columns stay as they are.
    chemistry : mapping
        The file's content: families as for `expand_families`, and the skin of each surface.

    Returns
    -------
    pandas.DataFrame
        The base with a column for each added compound; ions that it lacks follow in new rows.
        Added counts are those of the families and of the skin together.

    Raises
    ------
    ConfigError
        A key is unknown or missing, or a value cannot be.
    """
    _only(chemistry, TOP | {SKIN}, TOP | {SKIN}, "the chemistry")
    known, compounds = list(base.columns[2:-2]), list(chemistry["compounds"])
    for compound in compounds:
        if compound in known:
            raise ConfigError(f"the chemistry adds {compound}, which is there already")
    skins = chemistry[SKIN]
    _only(skins, set(compounds), set(), SKIN)
    named = {atoms_of(ion): ion for ion in base["ion"]}
    added = expand_families({key: chemistry[key] for key in TOP})
    added["ion"] = [named.get(atoms_of(ion), ion) for ion in added["ion"]]
    kept, added = base.set_index("ion"), added.set_index("ion")
    rows = kept.index.append(added.index.difference(kept.index, sort=False))
    columns = ["family", *known, *compounds, BACKGROUND, HYDROCARBON]
    table = kept.combine_first(added).loc[rows, columns]
    table = table.fillna(dict.fromkeys([*known, *compounds], 0.0))
    for compound, skin in skins.items():
        where = f"{SKIN} of {compound}"
        _only(skin, set(known), set(), where)
        for name, fraction in skin.items():
            table[compound] += _positive(fraction, f"{where}, {name}") * table[name]
    table[compounds] = table[compounds].round(2)
    return table.rename_axis("ion").reset_index()[["family", "ion", *columns[1:]]]


def atoms_of(formula: str) -> Atoms:
    """Return the atoms of a formula such as ``Li2O3H3``.

    Raises
    ------
    ConfigError
        The text is no formula of plain elements.
    """
    if not isinstance(formula, str) or not re.fullmatch(f"({ATOM.pattern})+", formula):
        # YAML reads a bare NO as false
        raise ConfigError(f"the ion {formula!r} is no formula; write it in quotes, as 'NO'")
    numbers: dict[str, int] = {}
    for symbol, number in ATOM.findall(formula):
        numbers[symbol] = numbers.get(symbol, 0) + int(number or 1)
    return tuple(sorted(numbers.items()))


def charge_misfit(atoms: Mapping[str, int], states: Mapping[str, Any]) -> float:
    """Return how far oxidation states are from adding up to the charge -1.

    Parameters
    ----------
    atoms : mapping
        Element -> number of atoms.
    states : mapping
        Element -> its oxidation state, or a list of states that its atoms may mix.

    Returns
    -------
    float
        |sum of states + 1|, the least over all mixtures: 0 for a closed-shell anion.
    """
    sums = {0.0}
    for symbol, number in atoms.items():
        allowed = states[symbol]
        allowed = allowed if isinstance(allowed, list) else [allowed]
        for _ in range(number):
            sums = {total + state for total in sums for state in allowed}
    return min(abs(total + 1) for total in sums)


def _yields(entry: Mapping[str, Any], rules: Mapping[str, Any], where: str) -> dict[str, float]:
    """Return the ions of one family and their yields relative to its strongest ion."""
    if ("atoms" in entry) == ("ions" in entry):
        raise ConfigError(f"{where}: give either `atoms` (a general formula) or `ions` (a list)")
    if "ions" in entry:
        _only(entry, {"ions", "counts"}, set(), f"{where}, which lists its ions")
        if not isinstance(entry["ions"], Mapping):
            raise ConfigError(f"{where}, ions: expected names and yields, got {entry['ions']!r}")
        return {ion: _positive(value, f"{where}, {ion}") for ion, value in entry["ions"].items()}
    states = {**rules["states"], **entry.get("states", {})}
    factors = {**rules["per_atom"], **entry.get("per_atom", {})}
    for symbol, factor in factors.items():
        _positive(factor, f"{where}, per_atom of {symbol}")
    for symbol, state in states.items():
        for one in state if isinstance(state, list) else [state]:
            _positive(
                abs(one) if isinstance(one, int | float) else one, f"{where}, state of {symbol}"
            )
    misfit_factor = _positive(entry.get("per_misfit", rules["per_misfit"]), f"{where}, per_misfit")
    ranges = {symbol: _range(ends, f"{where}, {symbol}") for symbol, ends in entry["atoms"].items()}
    _only(ranges, set(states) & set(factors), set(), f"{where}, atoms")
    yields = {}
    for numbers in itertools.product(*ranges.values()):
        atoms = {s: n for s, n in zip(ranges, numbers, strict=True) if n}
        if not atoms:
            continue
        value = misfit_factor ** charge_misfit(atoms, states)
        for symbol, number in atoms.items():
            value *= factors[symbol] ** (number - ranges[symbol].start)
        yields["".join(f"{s}{n if n > 1 else ''}" for s, n in atoms.items())] = value
    by_atoms = {atoms_of(name): name for name in yields}
    for ion, factor in entry.get("times", {}).items():
        yields[_member(ion, by_atoms, f"{where}, times")] *= _positive(factor, f"{where}, times")
    for ion in entry.get("except", []):
        del yields[_member(ion, by_atoms, f"{where}, except")]
    strongest = max(yields.values(), default=0.0)
    if not strongest > 0:
        raise ConfigError(f"{where} has no ion")
    return {name: value / strongest for name, value in yields.items()}


def _member(ion: str, by_atoms: Mapping[Atoms, str], where: str) -> str:
    """Return a family's own name of an ion, however it is written."""
    atoms = atoms_of(ion)
    if atoms not in by_atoms:
        raise ConfigError(f"{where}: {ion} is no ion of this family")
    return by_atoms[atoms]


def _range(ends: Any, where: str) -> range:
    """Return least to most atoms."""
    if (
        not isinstance(ends, list)
        or [type(end) for end in ends] != [int, int]
        or not 0 <= ends[0] <= ends[1]
    ):
        raise ConfigError(f"{where} is {ends!r}, expected [least, most] atoms")
    return range(ends[0], ends[1] + 1)


def _positive(value: Any, where: str) -> float:
    """Return a number that is not below zero."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ConfigError(f"{where} is {value!r}, expected a number >= 0")
    return float(value)


def _only(entry: Any, known: set[str], needed: set[str], where: str) -> None:
    """Refuse what is no mapping, lacks a needed key, or has an unknown one."""
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}: expected keys and values, got {entry!r}")
    unknown = [str(key) for key in entry if key not in known]
    if unknown:
        raise ConfigError(
            f"{where}: {unknown[0]!r} is not known; known: {', '.join(sorted(known))}"
        )
    missing = sorted(needed - set(entry))
    if missing:
        raise ConfigError(f"{where}: {missing[0]!r} is missing")
