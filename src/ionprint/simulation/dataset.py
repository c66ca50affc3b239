"""The lithium reference set: which spectra it has, what is on each spot, and its spectrum."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ionprint.errors import ConfigError
from ionprint.simulation.chemistry import (
    BACKGROUND,
    HYDROCARBON,
    Isotopologues,
    Recipe,
    expected_counts,
    ion_factors,
    isotopologues,
    lognormal_factor,
)
from ionprint.simulation.instrument import (
    FlightTime,
    Instrument,
    bin_centres,
    detect,
    draw_flight_time,
    nominal_mz,
)
from ionprint.simulation.samples import check_sample, profile_steps, random_shares, sample_recipe


@dataclass(frozen=True)
class Spot:
    """One planned spectrum: its place in the sample sheet and what lies there.

    `intensity` is a factor of all ions; `exact_shares` of a recipe do not scatter.
    """

    name: str
    sample: str
    spot: int
    role: str
    compound: str
    expected: str
    sputter_dose: float
    recipe: Recipe
    intensity: float = 1.0
    exact_shares: bool = False

    @property
    def file(self) -> str:
        """The spectrum's file, relative to the sample sheet."""
        return f"spectra/{self.name}.txt.gz"


@dataclass(frozen=True)
class TrueSpectrum:
    """What lies behind one spectrum: all of `SimulatedSpectrum` but the spectrum itself."""

    file: str
    sample: str
    flight: FlightTime
    hydrocarbon: float
    shares: dict[str, float]
    planted: np.ndarray


@dataclass(frozen=True)
class SimulatedSpectrum:
    """One simulated spectrum (`counts` per bin) and the truth behind it.

    `planted` are the expected counts at the detector, before dead time, of each isotopologue of the
    set, 0 where there is none.
    """

    spot: Spot
    channel: np.ndarray
    mz: np.ndarray
    counts: np.ndarray
    flight: FlightTime
    shares: dict[str, float]
    planted: np.ndarray

    def truth(self) -> TrueSpectrum:
        """Return the truth without the spectrum."""
        return TrueSpectrum(
            self.spot.file, self.spot.sample, self.flight, self.spot.recipe.hydrocarbon,
            self.shares, self.planted,
        )  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The `simulation` part of the configuration, checked."""

    seed: int
    polarity: str
    primary_ion: str
    references: Mapping[str, Any]
    samples: Mapping[str, Any]
    matrix: Mapping[str, Any]
    scatter: Mapping[str, float]
    isotopes: Mapping[str, float]
    instrument: Instrument = field(repr=False)

    @classmethod
    def from_mapping(cls, config: Mapping[str, Any]) -> Settings:
        """Build the settings from plain dictionaries, as of conf/simulation/lithium.yaml.

        Parameters
        ----------
        config : mapping
            The resolved `simulation` group.

        Returns
        -------
        Settings
            Raises ConfigError for what cannot be.
        """
        values = dict(config)
        try:
            values["instrument"] = Instrument(**values["instrument"])
            settings = cls(**values)
        except (TypeError, KeyError) as error:
            raise ConfigError(f"simulation: a setting is missing or unknown: {error}") from error
        settings.check()
        return settings

    def to_mapping(self) -> dict[str, Any]:
        """Return plain dictionaries from which `from_mapping` makes the same settings."""
        return asdict(self)

    def check(self) -> None:
        """Raise ConfigError for a seed, a number of spots or a scatter that cannot be."""
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError(f"simulation.seed is {self.seed!r}, expected a whole number >= 0")
        if self.polarity != "negative":
            raise ConfigError(
                f"simulation.polarity is {self.polarity!r}; only negative ions are simulated"
            )
        for name in ("pellets", "spots"):
            value = self.references[name]
            if not isinstance(value, int) or value < 1:
                raise ConfigError(
                    f"simulation.references.{name} is {value!r}, expected 1, 2, 3 ..."
                )
        for name, value in self.scatter.items():
            if not value >= 0:
                raise ConfigError(f"simulation.scatter.{name} is {value!r}, expected 0 or more")
        for name, sample in self.samples.items():
            check_sample(sample, f"simulation.samples.{name}")
        names: set[str] = set()
        for spot in plan(self):
            if spot.name in names:
                raise ConfigError(f"simulation.samples: two entries make {spot.name}; expected "
                                  "names that differ in more than underscores")  # fmt: skip
            names.add(spot.name)


def plan(settings: Settings) -> list[Spot]:
    """List every spectrum of the set: references first, then mixtures and anodes.

    Parameters
    ----------
    settings : Settings
        What to make.

    Returns
    -------
    list of Spot
        In the order of the sample sheet.
    """
    spots, references = [], settings.references
    for compound in references["compounds"]:
        recipe = Recipe({compound: 1.0}, references["hydrocarbon"])
        for pellet in range(1, references["pellets"] + 1):
            for number in range(1, references["spots"] + 1):
                spots.append(
                    Spot(f"neg_{compound}_p{pellet}_s{number}", f"{compound} pellet {pellet}",
                         number, "reference", compound, compound, references["sputter_dose"],
                         recipe)
                )  # fmt: skip
    for key, sample in settings.samples.items():
        spots += _planned(key, sample, settings.seed)
    return spots


def _planned(key: str, sample: Mapping[str, Any], seed: int) -> list[Spot]:
    """List the spectra of one entry of `samples`."""
    name, label, role = f"neg_{key.replace('_', '')}", key.replace("_", " "), sample["role"]
    if "profile" in sample:
        return [
            Spot(f"{name}_s{number:02d}", label, number, role, "", step.expected,
                 step.sputter_dose, step.recipe, step.intensity)
            for number, step in enumerate(profile_steps(sample["profile"]), start=1)
        ]  # fmt: skip
    if "random" in sample:
        spots = []
        for number in range(1, sample["random"]["number"] + 1):
            mixture = f"{label} {number:02d}"
            shares = random_shares(sample["random"], named_generator(seed, f"{mixture} shares"))
            spots.append(
                Spot(f"{name}{number:02d}_s01", mixture, 1, role, "", "+".join(shares),
                     sample["sputter_dose"], Recipe(shares, sample["hydrocarbon"]),
                     exact_shares=True)
            )  # fmt: skip
        return spots
    recipe = sample_recipe(sample)
    return [
        Spot(f"{name}_s{number:02d}", label, number, role, "", "+".join(sample["components"]),
             sample["sputter_dose"], recipe)
        for number in range(1, sample["spots"] + 1)
    ]  # fmt: skip


def planned_compounds(settings: Settings) -> list[str]:
    """Return every compound whose signal a set needs, each once.

    Parameters
    ----------
    settings : Settings
        What to make.

    Returns
    -------
    list of str
        In the order of the plan.
    """
    names: dict[str, None] = {}
    for spot in plan(settings):
        names |= dict.fromkeys(spot.recipe.shares)
        names |= dict.fromkeys(compound for compound, _ in spot.recipe.fixed_to_pure.values())
    return list(names)


def named_generator(seed: int, name: str) -> np.random.Generator:
    """Return the source of chance that belongs to a name.

    Parameters
    ----------
    seed : int
        Of the set.
    name : str
        Of a spectrum, a pellet or the shares of a mixture.

    Returns
    -------
    numpy.random.Generator
        From the child of the seed with the name's CRC-32 as spawn key.
    """
    child = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))
    return np.random.default_rng(child)


class LithiumSet:
    """The whole set: plan, expected counts, and each spectrum on demand.

    Parameters
    ----------
    settings : Settings
        What to make.
    ions : pandas.DataFrame
        The ion table, counts per spot.

    Notes
    -----
    Chance is drawn from children of the seed that are named after pellet and spectrum, so that
    adding or leaving out a sample does not change any other spectrum.
    """

    def __init__(self, settings: Settings, ions: pd.DataFrame) -> None:
        self.settings = settings
        self.ions = ions
        self.isotopologues: Isotopologues = isotopologues(
            ions["ion"].tolist(), settings.isotopes["threshold"]
        )
        self.compounds = [c for c in ions.columns[2:] if c not in (BACKGROUND, HYDROCARBON)]
        self.spots = plan(settings)
        self._channel = bin_centres(settings.instrument)
        self._mz = nominal_mz(settings.instrument, self._channel)

    def generator(self, name: str) -> np.random.Generator:
        """Return the source of chance that belongs to the name of a spectrum or a pellet."""
        return named_generator(self.settings.seed, name)

    def expected(self, recipe: Recipe) -> np.ndarray:
        """Return the expected counts per spot of every parent ion, without scatter.

        Parameters
        ----------
        recipe : Recipe
            What lies on the surface.

        Returns
        -------
        numpy.ndarray
            Counts, one a row of the ion table.
        """
        return expected_counts(self.ions, recipe, **self.settings.matrix)

    def simulate(self, spot: Spot) -> SimulatedSpectrum:
        """Draw the spectrum of one spot.

        Parameters
        ----------
        spot : Spot
            One of `self.spots`.

        Returns
        -------
        SimulatedSpectrum
            m/z (u) by the instrument's nominal axis, counts per bin, and the truth.
        """
        scatter, families = self.settings.scatter, self.ions["family"].to_numpy(dtype=object)
        pellet = ion_factors(self.generator(spot.sample), families,
                             scatter["pellet_family"], scatter["pellet_ion"])  # fmt: skip
        pellet[self.ions["ion"].isin(list(spot.recipe.fixed_to_pure))] = 1.0
        rng = self.generator(spot.name)
        flight = draw_flight_time(self.settings.instrument, rng)
        recipe = spot.recipe
        if len(recipe.shares) > 1 and not spot.exact_shares:
            shares = {
                name: share * lognormal_factor(rng, scatter["spot_share"])
                for name, share in recipe.shares.items()
            }
            recipe = Recipe(shares, recipe.hydrocarbon, recipe.fixed_to_pure)
        counts = self.expected(recipe) * pellet
        counts *= ion_factors(rng, families, scatter["spot_family"], scatter["spot_ion"])
        counts *= lognormal_factor(rng, scatter["spot_intensity"]) * spot.intensity
        rows = self.isotopologues
        each = counts[rows.ion] * rows.fraction
        seen = each >= self.settings.isotopes["least_counts"]
        seen &= rows.mz < self.settings.instrument.mz_limit
        drawn = detect(self.settings.instrument, flight, rows.mz[seen], each[seen], rng)
        planted = np.where(seen, each, 0.0)
        return SimulatedSpectrum(
            spot, self._channel, self._mz, drawn, flight, recipe.shares, planted
        )

    def sheet(self) -> pd.DataFrame:
        """Return the sample sheet; sputter dose in ions/cm2.

        Returns
        -------
        pandas.DataFrame
            One row a spectrum, file names relative to the sheet.
        """
        rows = [
            {
                "file": spot.file,
                "sample": spot.sample,
                "spot": spot.spot,
                "role": spot.role,
                "compound": spot.compound,
                "expected": spot.expected,
                "polarity": self.settings.polarity,
                "primary_ion": self.settings.primary_ion,
                "sputter_dose": f"{spot.sputter_dose:g}".replace("e+", "e"),
                "pulses": self.settings.instrument.pulses,
                "dead_time_ns": f"{self.settings.instrument.dead_time_ns:g}",
                "channel_ns": f"{self.settings.instrument.channel_ns:g}",
            }
            for spot in self.spots
        ]
        return pd.DataFrame(rows)
