"""What a peak is: right where ions stand apart, silent where nothing fits."""

import numpy as np
import pandas as pd
import pytest

from ionprint.config import compose
from ionprint.errors import ConfigError
from ionprint.ions.assignment import assign, doubtless, enumerate_formulas, with_isotopologues
from ionprint.ions.formula import ELECTRON, ion_mz

IONS = "H C O OH LiH LiH2 Li2H3 CN LiCO3 CO3 LiO2H2 Li2O3H3 Cl [37Cl] O2 C2 C2H Li3N [6Li]H2"
NATURAL = {"[37Cl]": 0.3198, "[6Li]H2": 0.0821}
WIDTH, ERROR = 4e-3, 3e-4
"""Of the peaks (u): 8,000 at m/z 32, and what 10 ppm there are."""


@pytest.fixture(scope="module")
def candidates():
    return with_isotopologues(enumerate_formulas(dict(compose([]).dataset.elements), 120))


@pytest.fixture(scope="module")
def lithium():
    return with_isotopologues(enumerate_formulas({"Li": 3, "H": 4, "O": 1}, 25))


def judged(peaks, candidates, error=ERROR, width=WIDTH):
    """Judge peaks, given as counts by formula or m/z; the rows in the order they were given."""
    mz = np.array([ion_mz(p) if isinstance(p, str) else p for p in peaks])
    order = np.argsort(mz)
    counts = np.array(list(peaks.values()), dtype=float)
    errors, widths = np.full(mz.size, error), np.full(mz.size, width)
    table = assign(mz[order], counts[order], candidates, errors[order], widths[order])
    table = table.iloc[np.argsort(order)]
    table.index = [str(p) for p in peaks]
    return table


def test_ions_are_named(candidates):
    peaks = {ion: 1000 * NATURAL.get(ion, 1) for ion in IONS.split()}
    table = judged(peaks, candidates)
    assert table["ion"].tolist() == list(peaks)
    assert np.abs(table["error_ppm"]).max() < 1e-3
    assert ((table["confidence"] > 0) & (table["confidence"] <= 1)).all()


def test_a_small_error_changes_no_name_and_is_told(candidates):
    ions = ["OH", "LiH2", "LiCO3", "CN", "Li2H3"]
    peaks = {ion_mz(i) * (1 + 5e-6): 100 for i in ions}
    table = judged(peaks, candidates)
    assert table["ion"].tolist() == ions
    assert table["error_ppm"].tolist() == pytest.approx([5] * len(ions), abs=0.01)


def test_nothing_far_away_is_named(candidates):
    far = [16.0 + 0.3, 35.5, 50.5, 5.0]
    table = judged(dict.fromkeys(far, 1000), candidates)
    assert table["ion"].tolist() == [""] * len(far)
    assert table["candidates"].tolist() == [""] * len(far)
    assert table["confidence"].tolist() == [0] * len(far)
    assert table["error_ppm"].isna().all()


def test_a_peak_list_may_have_one_peak(candidates):
    assert judged({"OH": 100}, candidates)["ion"].tolist() == ["OH"]


def test_every_formula_is_within_its_limits(candidates):
    elements = dict(compose([]).dataset.elements)
    symbols = [name.strip("[]0123456789") for name in candidates.elements]
    for element, most in elements.items():
        columns = [i for i, symbol in enumerate(symbols) if symbol == element]
        assert candidates.atoms[:, columns].sum(axis=1).max() <= most
    assert (candidates.atoms.sum(axis=1) >= 1).all()
    assert (np.diff(candidates.mz) >= 0).all()
    parents = candidates.parent == np.arange(len(candidates.mz))
    assert candidates.mz[parents].max() <= 121.01
    assert (candidates.share[parents] == 1).all()
    rng = np.random.default_rng(0)
    for row in rng.integers(len(candidates.mz), size=50):
        assert ion_mz(candidates.name(row)) == pytest.approx(candidates.mz[row], abs=1e-6)


def test_only_main_isotopes_are_listed_at_first():
    formulas = enumerate_formulas({"Li": 1, "Cl": 1, "B": 1}, 60)
    names = {formulas.name(i) for i in range(len(formulas.mz))}
    assert names == {"Li", "B", "Cl", "LiB", "LiCl", "BCl", "LiBCl"}


@pytest.mark.parametrize("charge", [-1, 1])
def test_the_electron_is_added_or_taken(charge):
    formulas = enumerate_formulas({"O": 1, "H": 1}, 20, charge)
    masses = {formulas.name(i): formulas.mz[i] for i in range(len(formulas.mz))}
    assert masses["OH"] == pytest.approx(ion_mz("OH", charge), abs=1e-9)


def test_an_isotope_in_the_element_list_is_refused():
    with pytest.raises(ConfigError, match=r"names \[6Li\]: list elements"):
        enumerate_formulas({"Li": 3, "[6Li]": 3}, 25)


def test_too_many_formulas_is_an_error_that_names_the_setting(monkeypatch):
    monkeypatch.setattr("ionprint.ions.assignment.LIMIT", 100)
    with pytest.raises(ConfigError, match=r"dataset\.elements allows more than 100 formulas"):
        enumerate_formulas({"H": 9, "C": 9, "O": 9}, 300)


@pytest.mark.parametrize("formula", ["Li3", "Li2O3H3", "S2O2", "CCl2", "C6H4", "P2", "NaF"])
def test_isotopologues_are_those_of_the_multinomial_distribution(formula):
    from IsoSpecPy import IsoThreshold
    from molmass import Formula

    atoms = {symbol: item.count for symbol, item in Formula(formula).composition().items()}
    every = with_isotopologues(enumerate_formulas(atoms, 120))
    wanted = [atoms.get(element, 0) for element in every.elements]
    parent = np.flatnonzero((every.atoms == wanted).all(axis=1))[0]
    natural = IsoThreshold(1e-6, formula)
    masses, shares = np.array(list(natural.masses)), np.array(list(natural.probs))
    shares /= shares[np.abs(masses + ELECTRON - every.mz[parent]).argmin()]
    expected = sorted(zip(masses + ELECTRON, shares, strict=True))
    found = zip(*(v[every.parent == parent] for v in (every.mz, every.share)), strict=True)
    compared = [
        [(mz, share) for mz, share in pattern if share > 3e-4] for pattern in (found, expected)
    ]
    # the two tables of abundances differ a little
    assert np.ravel(compared[0]) == pytest.approx(np.ravel(compared[1]), rel=0.02)
    assert np.abs(np.diff(np.array(compared)[..., 0], axis=0)).max() < 1e-4


def test_the_parent_of_an_isotopologue_has_main_isotopes_only(lithium):
    parents = {lithium.name(i): lithium.name(lithium.parent[i]) for i in range(len(lithium.mz))}
    assert parents["[6Li]2LiH"] == parents["[6Li]Li2H"] == parents["Li3H"] == "Li3H"
    assert parents["[18O]H"] == "OH"


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
    carbon = with_isotopologues(enumerate_formulas({"C": 1, "H": 1}, 20))
    halfway = (ion_mz("[13C]") + ion_mz("CH")) / 2
    peaks = {} if parent is None else {"C": parent}
    table = judged(peaks | {halfway: counts}, carbon, error=5e-3, width=5e-3)
    assert table["ion"].iloc[-1] == ion
    assert table["satellite_of"].iloc[-1] == ("C" if ion == "[13C]" else "")


def test_satellites_name_their_parent_and_parents_nothing(candidates):
    ions = {"O": 1e6, "[18O]": 2050, "Cl": 1e5, "[37Cl]": 32_000, "LiH2": 1e4, "[6Li]H2": 821}
    table = judged(ions, candidates)
    assert table["ion"].tolist() == list(ions)
    assert table["satellite_of"].tolist() == ["", "O", "", "Cl", "", "LiH2"]


def test_a_formula_needs_its_satellites_where_they_must_be_seen(lithium):
    satellites = {"[6Li]Li2H": 16_300, "[6Li]2LiH": 1_340}
    assert judged({"Li": 10, "Li3H": 66_000} | satellites, lithium).loc["Li3H", "confidence"] > 0.99
    for missing in satellites:
        seen = {name: counts for name, counts in satellites.items() if name != missing}
        assert judged({"Li": 10, "Li3H": 66_000} | seen, lithium).loc["Li3H", "ion"] == ""
    # of a weak ion, 73 counts need not be seen
    assert judged({"Li": 10, "Li3H": 300}, lithium).loc["Li3H", "ion"] == "Li3H"


@pytest.mark.parametrize("neighbour", [1_000_000, 0])
def test_a_strong_neighbour_hides_a_satellite(lithium, neighbour):
    # 5,000 counts of [6Li]H2 must be seen, unless a neighbour 2.5 widths away is 200 times stronger
    peaks = {"LiH2": 60_000, ion_mz("[6Li]H2") + 2.5 * WIDTH: neighbour}
    table = judged({k: v for k, v in peaks.items() if v}, lithium)
    assert table.loc["LiH2", "ion"] == ("LiH2" if neighbour else "")


def test_candidates_are_told_with_their_probabilities(candidates):
    ions = [30.02, 44.995, 59.99, 64.04, 99.99]
    table = judged(dict.fromkeys(ions, 200), candidates, error=5e-3)
    for row in table.itertuples():
        told = [part.rsplit(" ", 1) for part in row.candidates.split("; ")]
        odds = [float(p) for _, p in told]
        assert told[0][0] == row.ion
        assert odds == sorted(odds, reverse=True)
        assert odds[0] == pytest.approx(row.confidence, abs=0.005)
        assert sum(odds) <= 1 + 0.005 * len(odds)
        assert len(told) <= 4
        assert all(abs(ion_mz(name) - row.mz) < 4 * 5e-3 for name, _ in told)


def test_two_formulas_at_one_mass_share_the_probability():
    even = with_isotopologues(enumerate_formulas({"C": 1, "O": 1, "N": 2}, 30))
    between = (ion_mz("CO") + ion_mz("N2")) / 2
    row = judged({between: 200}, even, error=0.05).iloc[0]
    assert row["confidence"] < 0.99
    assert {part.split()[0] for part in row["candidates"].split("; ")} == {"CO", "N2"}


def test_a_scale_is_fitted_to_what_is_beyond_doubt(candidates):
    names = pd.DataFrame(
        [
            (ion_mz("O") * (1 + 4e-6), "O", 4.0, 1.0, ""),
            (ion_mz("[18O]"), "[18O]", 0.0, 1.0, "O"),  # a satellite
            (24.0, "C2", 0.0, 0.9, ""),  # not sure
            (30.0, "", np.nan, 0.0, ""),  # not known
            (40.0, "LiO2H", 0.0, 1.0, ""),  # a neighbour two widths away ...
            (40.008, "C2O", 0.0, 1.0, ""),  # ... which it disturbs too
            (50.0, "C4H2", 0.0, 1.0, ""),  # a neighbour of one part in a thousand ...
            (50.008, "CO2Li", 0.0, 1.0, ""),  # ... whose own is a thousand times stronger
        ],
        columns=["mz", "ion", "error_ppm", "confidence", "satellite_of"],
    )
    counts = np.array([1000, 1000, 1000, 1000, 1000, 1000, 1e6, 1e3])
    mz = names["mz"].to_numpy()
    chosen = doubtless(names, mz, counts, np.full(len(names), WIDTH))
    assert list(chosen) == ["O", "C4H2"]
    assert chosen["O"] == pytest.approx(ion_mz("O"), abs=1e-9)


def test_closed_shells_and_filled_valences_are_likelier():
    # the same elements and as many atoms each: only electrons and valences differ
    every = enumerate_formulas({"Li": 1, "H": 5, "O": 1, "F": 1}, 60)
    penalty = {every.name(i): every.penalty[i] for i in range(len(every.mz))}
    per_atom = 0.3
    assert penalty["OH2"] - penalty["OH"] == pytest.approx(per_atom + 2), "an odd electron"
    assert penalty["OH3"] - penalty["OH"] == pytest.approx(2 * per_atom + 6), (
        "one hydrogen too many"
    )
    assert penalty["FH3"] - penalty["FH"] == pytest.approx(2 * per_atom + 2 * 6)
    assert penalty["LiH3"] - penalty["LiH"] == pytest.approx(2 * per_atom), (
        "a lithium holds a hydride"
    )


def test_without_counts_a_satellite_needs_only_its_parent(candidates):
    both = judged({"LiH2": np.nan, "[6Li]H2": np.nan}, candidates)
    assert both["satellite_of"].tolist() == ["", "LiH2"]
    alone = judged({"[6Li]H2": np.nan}, candidates)
    assert alone["ion"].tolist() != ["[6Li]H2"]
