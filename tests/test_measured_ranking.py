"""Measured alloys: the first ions of each hold the metal that only it has.

Each alloy is of ruthenium and one more metal, so that metal's oxides and chlorides should come out
first, at the nominal masses that its isotopes ask for. Data: Laurent et al., Analytical Chemistry
(2024), negative ions.
"""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom

from ionprint.cli import main
from ionprint.files import read_table
from ionprint.ions.pattern import pattern

PATTERN = "{polarity}_{compound}_{primary_ion}_{spot}.txt"
ALLOYS = ("Ru-Ir", "Ru-Pd", "Ru-Pt", "Ru-Rh")
CHOICES = [
    "dataset=folder",
    "dataset.name=alloys",
    "dataset.mz_max=300",
    "cross_validation.group=primary_ion",
    "normalisation=total_counts",
    "ranking.resamples=0",
    "tuning.trials=5",
]
FIRST = 15
HEAVIEST = 600
"""Nominal mass (u) up to which patterns are calculated: no cluster here is heavier."""


def cluster_masses(metals):
    """Return the nominal masses of metal clusters with up to three O and two Cl, one at least.

    Isotopologues of a quarter of the strongest one's share or more.
    """
    found = set()
    for core, oxygen, chlorine in itertools.product(metals, range(4), range(3)):
        if oxygen + chlorine:
            others = {e: n for e, n in (("O", oxygen), ("Cl", chlorine)) if n}
            shares = pattern({**core, **others}, HEAVIEST)
            found |= set(np.flatnonzero(shares >= 0.25 * shares.max()))
    return found


@pytest.fixture(scope="module")
def spectra(unpacked_alloys):
    folder = unpacked_alloys()
    assert main(["samples", str(folder), "--pattern", PATTERN]) == 0
    sheet = pd.read_csv(folder / "samples.csv", dtype=str, keep_default_na=False)
    sheet[sheet["compound"].isin(ALLOYS)].to_csv(folder / "samples.csv", index=False)
    return folder


@pytest.fixture
def ranked(project, spectra):
    for stage in ("peaks", "tune", "rank"):
        assert main([stage, *CHOICES, f"dataset.path={spectra}"]) == 0, stage
    return read_table(project / "outputs" / "ranking" / "ions.csv")


def expected_masses(alloy):
    """Return the nominal masses of the clusters of the metal that only this alloy has."""
    metal = alloy.removeprefix("Ru-")
    cores = [{metal: 1}]
    if metal == "Rh":
        # of one isotope and light, rhodium shows in clusters of two metals, which for the others
        # would cover every second mass or lie above m/z 300
        cores += [{"Rh": 2}, {"Rh": 1, "Ru": 1}]
    return list(cluster_masses(cores))


def chance(hits, masses, expected):
    """Return how often `FIRST` peaks drawn blindly would hit as many expected masses or more."""
    return hypergeom.sf(hits - 1, len(masses), np.isin(masses, expected).sum(), FIRST)


def test_the_first_ions_hold_the_metal_that_only_this_alloy_has(ranked):
    masses = np.rint(ranked["mz"].unique()).astype(int)
    by_rank = {
        alloy: np.rint(rows.sort_values("rank")["mz"]).astype(int)
        for alloy, rows in ranked.groupby("compound")
    }
    assert sorted(by_rank) == list(ALLOYS)
    for alloy in ALLOYS:
        expected = expected_masses(alloy)
        hits = {other: np.isin(by_rank[other][:FIRST], expected).sum() for other in ALLOYS}
        assert chance(hits[alloy], masses, expected) < 0.02, (alloy, hits)
        assert all(n < hits[alloy] for other, n in hits.items() if other != alloy), (alloy, hits)
        # the marks of absence, at the other end, are not of this metal
        last = np.isin(by_rank[alloy][-FIRST:], expected).sum()
        assert chance(last, masses, expected) > 0.05, (alloy, last)
