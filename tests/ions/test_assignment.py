"""What a peak is: right where ions stand apart, silent where nothing fits."""

import numpy as np
import pytest

from ionprint.config import compose
from ionprint.errors import ConfigError
from ionprint.ions.assignment import assign, enumerate_formulas
from ionprint.ions.formula import ion_mz

IONS = "H C O OH LiH LiH2 Li2H3 CN LiCO3 CO3 LiO2H2 Li2O3H3 Cl [37Cl] O2 C2 C2H Li3N [6Li]H2"


@pytest.fixture(scope="module")
def candidates():
    return enumerate_formulas(dict(compose([]).dataset.elements), 120)


def named(mz, candidates, counts=1000):
    """Name peaks; of a satellite among them as many counts as nature gives."""
    natural = {ion_mz("[37Cl]"): 0.32, ion_mz("[6Li]H2"): 0.082}
    shares = [next((s for m, s in natural.items() if abs(m - x) < 1e-3), 1) for x in mz]
    order = np.argsort(mz)
    table = assign(np.asarray(mz)[order], counts * np.asarray(shares)[order], candidates, 30, 0.6)
    return table.iloc[np.argsort(order)].reset_index(drop=True)


def test_ions_are_named(candidates):
    ions = IONS.split()
    table = named([ion_mz(i) for i in ions], candidates)
    assert table["ion"].tolist() == ions
    assert np.abs(table["error_ppm"]).max() < 1e-3


def test_a_small_error_changes_no_name_and_is_told(candidates):
    ions = ["OH", "LiH2", "LiCO3", "CN", "Li2H3"]
    table = named([ion_mz(i) * (1 + 5e-6) for i in ions], candidates)
    assert table["ion"].tolist() == ions
    assert table["error_ppm"].tolist() == pytest.approx([5] * len(ions), abs=0.01)


def test_nothing_far_away_is_named(candidates):
    far = [16.0 + 0.3, 35.5, 50.5, 5.0]
    table = named(far, candidates)
    assert table["ion"].tolist() == [""] * len(far)
    assert table["error_ppm"].isna().all()


def test_every_formula_is_within_its_limits(candidates):
    elements = dict(compose([]).dataset.elements)
    assert (candidates.atoms <= list(elements.values())).all()
    assert (candidates.atoms.sum(axis=1) >= 1).all()
    assert (np.diff(candidates.mz) >= 0).all()
    assert candidates.mz.max() <= 121.01
    rng = np.random.default_rng(0)
    for row in rng.integers(len(candidates.mz), size=50):
        assert ion_mz(candidates.name(row)) == pytest.approx(candidates.mz[row], abs=1e-6)


@pytest.mark.parametrize(
    ("parent", "counts", "ion"),
    [
        (100_000, 1_082, "[13C]"),  # 1.07 : 98.93, natural
        (100_000, 30_000, "CH"),  # far too much for a satellite
        (100, 1_000, "CH"),  # the parent is far too weak
        (None, 1_000, "CH"),  # and here it is not there
    ],
)
def test_a_satellite_needs_its_parent_with_the_right_counts(parent, counts, ion):
    both = enumerate_formulas({"C": 1, "[13C]": 1, "H": 1}, 20)
    halfway = (ion_mz("[13C]") + ion_mz("CH")) / 2
    mz = [halfway] if parent is None else [ion_mz("C"), halfway]
    table = assign(mz, [counts] if parent is None else [parent, counts], both, 500, 5)
    assert table["ion"].iloc[-1] == ion


def test_two_minor_isotopes_follow_the_binomial_distribution():
    lithium = enumerate_formulas({"Li": 3, "[6Li]": 3}, 25)
    share = {lithium.name(i): lithium.share[i] for i in range(len(lithium.mz))}
    ratio = 7.59 / 92.41
    assert share["Li3"] == 1
    assert share["[6Li]Li2"] == pytest.approx(3 * ratio, rel=0.02)
    assert share["[6Li]2Li"] == pytest.approx(3 * ratio**2, rel=0.04)
    parents = {lithium.name(i): lithium.parent_mz[i] for i in range(len(lithium.mz))}
    assert parents["[6Li]2Li"] == pytest.approx(ion_mz("Li3"), abs=1e-6)


def test_too_many_formulas_is_an_error_that_names_the_setting(monkeypatch):
    monkeypatch.setattr("ionprint.ions.assignment.LIMIT", 100)
    with pytest.raises(ConfigError, match=r"dataset\.elements allows more than 100 formulas"):
        enumerate_formulas({"H": 9, "C": 9, "O": 9}, 300)
