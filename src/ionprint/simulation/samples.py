"""Entries of `simulation.samples`: constant mixtures, depth profiles and random mixtures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ionprint.errors import ConfigError
from ionprint.simulation.chemistry import Recipe

ROLES = ("mixture", "anode")
CONSTANT = {"role", "spots", "components", "traces", "sputter_dose", "hydrocarbon", "fixed_to_pure"}
PROFILE = {"role", "profile"}
RANDOM = {"role", "random", "sputter_dose", "hydrocarbon"}
LEAST_SHARE = 1e-4
"""Shares of a profile below this are left out."""
NAMED_SHARE = 0.05
"""Shares of a profile from this on are named in `expected`."""
HALF_RISE = np.log(9)
"""Half the way of a logistic step's argument in which it rises from 10 to 90 %."""


@dataclass(frozen=True)
class Step:
    """One spectrum of a depth profile.

    Attributes
    ----------
    sputter_dose : float
        ions/cm2 so far.
    recipe : Recipe
        What lies at this depth.
    intensity : float
        Factor of all ions, 1 where nothing disturbs.
    """

    sputter_dose: float
    recipe: Recipe
    intensity: float = 1.0

    @property
    def expected(self) -> str:
        """The compounds with a share of 0.05 or more, joined by ``+``."""
        shares = self.recipe.shares
        return "+".join(name for name, share in shares.items() if share >= NAMED_SHARE)


def sample_recipe(sample: Mapping[str, Any]) -> Recipe:
    """Return what lies on a mixture or an anode, from its entry in the configuration.

    Parameters
    ----------
    sample : mapping
        Keys components, traces (shares by weight), hydrocarbon, fixed_to_pure.

    Returns
    -------
    Recipe
        Components and traces together.
    """
    fixed = {ion: (f["compound"], f["times"]) for ion, f in sample["fixed_to_pure"].items()}
    return Recipe({**sample["components"], **sample["traces"]}, sample["hydrocarbon"], fixed)


def profile_steps(profile: Mapping[str, Any]) -> list[Step]:
    """Return the steps of a depth profile, surface first.

    Parameters
    ----------
    profile : mapping
        The `profile` of an entry, as explained in conf/simulation/extended.yaml.

    Returns
    -------
    list of Step
        Shares by weight that add up to 1.

    Notes
    -----
    At the dose d, layer n has the weight f(d - e_(n-1)) - f(d - e_n): e_n is the dose at which it
    ends, f a logistic step from 0 to 1. The first layer has no beginning, the last no end.
    """
    layers, film = profile["layers"], profile["hydrocarbon"]
    charging = profile.get("charging") or {"step": 0, "factor": 1.0}
    ends = np.array([layer["ends"] for layer in layers[:-1]], dtype=float)
    steps = []
    # equal differences, as each step of a measurement sputters for the same time
    for number, dose in enumerate(np.linspace(*profile["dose"], profile["steps"]), start=1):
        # the logistic step as a tanh, which cannot overflow
        past = (1 + np.tanh(HALF_RISE * (dose - ends) / profile["width"])) / 2
        weights = -np.diff([1.0, *past, 0.0])
        shares: dict[str, float] = {}
        for weight, layer in zip(weights, layers, strict=True):
            for name, share in _fractions(layer["components"]).items():
                shares[name] = shares.get(name, 0.0) + float(weight) * share
        kept = {name: share for name, share in shares.items() if share >= LEAST_SHARE}
        left = film["deep"] + (film["surface"] - film["deep"]) * np.exp(-dose / film["decay"])
        steps.append(
            Step(
                float(f"{dose:.6g}"),
                Recipe(_fractions(kept), round(float(left), 6)),
                float(charging["factor"]) if number == charging["step"] else 1.0,
            )
        )
    return steps


def random_shares(random: Mapping[str, Any], rng: np.random.Generator) -> dict[str, float]:
    """Draw the shares of one random mixture.

    Parameters
    ----------
    random : mapping
        The `random` of an entry, as explained in conf/simulation/extended.yaml.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    dict
        Shares by weight that add up to 1, in the order of `compounds`: uniform over all shares that
        leave each component its least share.
    """
    compounds, least = random["compounds"], random["least_share"]
    size = int(rng.integers(*random["components"], endpoint=True))
    chosen = sorted(rng.choice(len(compounds), size, replace=False))
    shares = least + (1 - size * least) * rng.dirichlet(np.ones(size))
    return {compounds[place]: float(share) for place, share in zip(chosen, shares, strict=True)}


def check_sample(sample: Any, where: str) -> None:
    """Raise ConfigError for an entry of `simulation.samples` that cannot be.

    Parameters
    ----------
    sample : mapping
        The entry.
    where : str
        Its name in the configuration, for the message.
    """
    if not isinstance(sample, Mapping):
        raise ConfigError(f"{where} is {sample!r}, expected keys and values")
    if "profile" in sample:
        _keys(sample, PROFILE, where)
        _check_profile(sample["profile"], f"{where}.profile")
    elif "random" in sample:
        _keys(sample, RANDOM, where)
        _number(sample["sputter_dose"], f"{where}.sputter_dose", least=0)
        _number(sample["hydrocarbon"], f"{where}.hydrocarbon", least=0)
        _check_random(sample["random"], f"{where}.random")
    else:
        _keys(sample, CONSTANT, where)
        _whole(sample["spots"], f"{where}.spots")
    if sample["role"] not in ROLES:
        raise ConfigError(f"{where}.role is {sample['role']!r}, expected mixture or anode")


def _check_profile(profile: Any, where: str) -> None:
    """Check what `profile_steps` reads."""
    _keys(profile, {"steps", "dose", "width", "layers", "hydrocarbon"}, where, {"charging"})
    _whole(profile["steps"], f"{where}.steps", least=2)
    doses = profile["dose"]
    if not isinstance(doses, list) or len(doses) != 2:
        raise ConfigError(f"{where}.dose is {doses!r}, expected [first, last] in ions/cm2")
    first, last = (_number(dose, f"{where}.dose", least=0) for dose in doses)
    if not first < last:
        raise ConfigError(f"{where}.dose is {doses!r}, expected a last dose above the first")
    _above_zero(profile["width"], f"{where}.width")
    layers = profile["layers"]
    if not isinstance(layers, list) or not layers:
        raise ConfigError(f"{where}.layers is {layers!r}, expected a list of layers, surface first")
    ends = 0.0
    for number, layer in enumerate(layers, start=1):
        here, deepest = f"{where}.layers, layer {number}", number == len(layers)
        _keys(layer, {"components"} if deepest else {"components", "ends"}, here)
        _check_shares(layer["components"], f"{here}, components")
        if not deepest:
            above, ends = ends, _above_zero(layer["ends"], f"{here}, ends")
            if not ends > above:
                raise ConfigError(f"{here}, ends is {ends:g}, expected a dose above {above:g}, "
                                  "where the layer above it ends")  # fmt: skip
    film = profile["hydrocarbon"]
    _keys(film, {"surface", "decay", "deep"}, f"{where}.hydrocarbon")
    _number(film["surface"], f"{where}.hydrocarbon.surface", least=0)
    _number(film["deep"], f"{where}.hydrocarbon.deep", least=0)
    _above_zero(film["decay"], f"{where}.hydrocarbon.decay")
    if profile.get("charging") is not None:
        charging = profile["charging"]
        _keys(charging, {"step", "factor"}, f"{where}.charging")
        _whole(charging["step"], f"{where}.charging.step", most=profile["steps"])
        _above_zero(charging["factor"], f"{where}.charging.factor")


def _check_random(random: Any, where: str) -> None:
    """Check what `random_shares` reads."""
    _keys(random, {"number", "compounds", "components", "least_share"}, where)
    _whole(random["number"], f"{where}.number")
    compounds = random["compounds"]
    if (
        not isinstance(compounds, list)
        or len(compounds) < 2
        or len(set(map(str, compounds))) < len(compounds)
    ):
        raise ConfigError(f"{where}.compounds is {compounds!r}, expected two compounds or more, "
                          "each once")  # fmt: skip
    sizes = random["components"]
    if not isinstance(sizes, list) or len(sizes) != 2:
        raise ConfigError(f"{where}.components is {sizes!r}, expected [fewest, most]")
    for size in sizes:
        _whole(size, f"{where}.components", least=2, most=len(compounds))
    if sizes[0] > sizes[1]:
        raise ConfigError(f"{where}.components is {sizes!r}, expected [fewest, most]")
    least = _number(random["least_share"], f"{where}.least_share", least=0)
    if not least * sizes[1] < 1:
        raise ConfigError(f"{where}.least_share is {least:g}, expected less than {1 / sizes[1]:g}, "
                          f"to leave room for {sizes[1]} components")  # fmt: skip


def _check_shares(shares: Any, where: str) -> None:
    """Check shares by weight of a layer."""
    if not isinstance(shares, Mapping) or not shares:
        raise ConfigError(f"{where} is {shares!r}, expected shares of compounds by weight")
    for name, share in shares.items():
        _above_zero(share, f"{where}, {name}")


def _fractions(shares: Mapping[str, float]) -> dict[str, float]:
    """Return shares that add up to 1."""
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def _keys(entry: Any, needed: set[str], where: str, may: frozenset | set = frozenset()) -> None:
    """Refuse what is no mapping, lacks a key, or has an unknown one."""
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} is {entry!r}, expected keys and values")
    missing, unknown = sorted(needed - set(entry)), sorted(map(str, set(entry) - needed - may))
    if missing or unknown:
        what = f"{missing[0]!r} is missing" if missing else f"{unknown[0]!r} is not known"
        raise ConfigError(f"{where}: {what}; expected {', '.join(sorted(needed | may))}")


def _number(value: Any, where: str, least: float) -> float:
    """Return a finite number that is not too small."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value < float("inf"):
        raise ConfigError(f"{where} is {value!r}, expected a number >= {least:g}")
    return float(value)


def _above_zero(value: Any, where: str) -> float:
    """Return a finite number above zero."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise ConfigError(f"{where} is {value!r}, expected a number above 0")
    return float(value)


def _whole(value: Any, where: str, least: int = 1, most: int | None = None) -> int:
    """Return a whole number within bounds."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        span = f"{least}, {least + 1}, {least + 2} ..." if most is None else f"{least} to {most}"
        raise ConfigError(f"{where} is {value!r}, expected {span}")
    return value
