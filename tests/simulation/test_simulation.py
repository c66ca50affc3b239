"""The simulated lithium set: chemistry as planted, instrument as set, files as promised."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ionprint.errors import ConfigError
from ionprint.ions.formula import ion_mz
from ionprint.simulation.chemistry import (
    Recipe,
    check_ion_table,
    expected_counts,
    isotopologues,
    lognormal_factor,
    surface_weights,
)
from ionprint.simulation.dataset import LithiumSet, Settings, sample_recipe
from ionprint.simulation.families import atoms_of
from ionprint.simulation.files import is_simulated, read_ion_table, refuse_measured
from ionprint.simulation.instrument import FlightTime, bin_centres, detect, nominal_mz
from ionprint.stages import simulate

CONF = Path(__file__).parents[2] / "conf" / "simulation" / "lithium.yaml"

# Zhao, Otto et al. 2023, Table 1, parents only; its satellites follow from natural isotopes.
OWN_IONS = {
    "LiH": "LiH2 Li2H3 Li3H4 Li2H2 Li2H Li4H5 LiH Li3H Li2OH3 C2",
    "Li3N": "CHN CN LiN LiNH NH LiNH2 NO CHNLi NH2 CNLi LiNH3 Li3 CH3OLi Li2",
    "Li2CO3": "LiCO3 CO2 CO3 C LiCO3H H3O3 CO3H LiO3 CO3H2 LiO2 Li2O3 Li2O2",
    "LiOH": "Li2O3H3 Li2O3H2 Li2O2H3 Li2O3H LiO2H2 H2O2 O2H LiO3H LiO2H H2O H3O O2 Li2O2H O4",
}
# PH3- of that table is left out: phosphine binds no electron. SH- stands in for it.
LI2O_IONS = "C4 C4H Li2O2H3 LiH O2 Li2O3H3 Li2H LiO3H CO3H C3 Li2O3H2 C Li2O3H SH LiO3"
SATELLITES = "[6Li]H2 [6Li]Li2H4 [6Li]LiH3 [6Li]H [6Li]LiH [6Li]Li [6Li]CO3 [6Li]O3 [6Li]O2"
COMMON = "H C CH CH2 CH3 O OH F Cl C2 C2H C2H2 C2H3 CN O2"


def config(path, **changes):
    """Return a configuration for a tiny set: two compounds, one pellet, two spots."""
    cfg = OmegaConf.create(
        {"simulation": OmegaConf.load(CONF), "dataset": {"path": str(path)}, "seed": 0}
    )
    cfg.simulation.references.update({"compounds": ["Li2CO3", "LiH"], "pellets": 1, "spots": 2})
    cfg.simulation.samples = {"sample_4": cfg.simulation.samples.sample_4}
    cfg.simulation.samples.sample_4.spots = 1
    for key, value in changes.items():
        OmegaConf.update(cfg.simulation, key.replace("__", "."), value)
    return cfg


def settings_of(cfg):
    return Settings.from_mapping(OmegaConf.to_container(cfg.simulation, resolve=True))


@pytest.fixture(scope="module")
def full():
    """The full set, planned but not drawn."""
    conf = OmegaConf.to_container(OmegaConf.load(CONF))
    return LithiumSet(Settings.from_mapping(conf), read_ion_table())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A tiny set on disk."""
    folder = tmp_path_factory.mktemp("set") / "data"
    simulate.run(config(folder))
    return folder


def rows_of(path):
    return pd.read_csv(path, sep="\t", comment="#")


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def pure(ions, ion, compound):
    return float(ions.loc[ions["ion"] == ion, compound].iloc[0])


# chemistry


@pytest.mark.parametrize(
    ("parent", "label", "mz"),
    [
        ("LiH2", "LiH2", 9.0322),
        ("LiH2", "[6Li]H2", 8.0313),
        ("Li2H3", "[6Li]LiH3", 16.0552),
        ("Li3H4", "[6Li]Li2H4", 24.0790),
        ("CN", "CN", 26.0036),
        ("CHNLi", "CHNLi", 34.0275),
        ("CO3", "CO3", 59.9853),
        ("LiCO3", "[6Li]CO3", 66.0004),
        ("Li2O3H3", "Li2O3H3", 65.0408),
        ("PH3", "PH3", 33.9978),
    ],
)
def test_masses_agree_with_the_papers_ions(parent, label, mz):
    found = isotopologues([parent])
    assert found.mz[found.label == label] == pytest.approx([mz], abs=6e-5)


def test_lithium_has_its_natural_isotopes():
    found = isotopologues(["Li"])
    share = dict(zip(found.label, found.fraction, strict=True))
    assert share["[6Li]"] == pytest.approx(0.0759, abs=2e-4)
    assert share["[6Li]"] / share["Li"] == pytest.approx(0.0821, abs=3e-4)


@given(st.sampled_from(["Li", "Li2O3H3", "C4H", "Cl", "SO4", "LiCl2", "CHNLi"]))
def test_isotopologues_add_up(formula):
    found = isotopologues([formula], threshold=1e-6)
    assert 0.999 < found.fraction.sum() <= 1 + 1e-9
    assert (found.mz > 0).all()
    assert len(set(found.label)) == len(found.label)


@pytest.mark.parametrize("compound", OWN_IONS)
def test_each_compound_has_its_ions(full, compound):
    compounds = [*OWN_IONS, "Li2O"]
    table = full.ions.set_index("ion")[compounds]
    for ion in OWN_IONS[compound].split():
        assert table.loc[ion].idxmax() == compound, ion
        assert table.loc[ion, compound] >= 100, ion


def test_each_compound_gives_many_ions(full):
    rare = full.ions[~full.ions["ion"].isin(COMMON.split())]
    light = rare[[ion_mz(ion) < 120 for ion in rare["ion"]]]
    assert (light[full.compounds] >= 1).sum().min() >= 60


def test_every_ion_is_listed_once_and_of_known_elements(full):
    atoms = [atoms_of(ion) for ion in full.ions["ion"]]
    assert len(set(atoms)) == len(atoms)
    assert {symbol for ion in atoms for symbol, _ in ion} == set("Li H C N O F Na P S Cl".split())
    assert len(set(full.isotopologues.label)) == len(full.isotopologues.label)


def test_lithium_oxide_has_ions_but_none_of_its_own(full):
    others = full.ions.set_index("ion")[list(OWN_IONS)].max(axis=1)
    oxide = full.ions.set_index("ion")["Li2O"]
    assert (oxide[LI2O_IONS.split()] >= 50).all()
    assert (oxide <= 1.5 * others).all()


def test_satellites_of_the_papers_table_are_there(full):
    rows, strongest = full.isotopologues, full.ions[full.compounds].max(axis=1).to_numpy()
    counts = dict(zip(rows.label, strongest[rows.ion] * rows.fraction, strict=True))
    assert min(counts[label] for label in SATELLITES.split()) >= 50


@pytest.mark.parametrize("ion", ["LiO", "LiO2"])
def test_lithium_oxide_ions_are_stronger_in_the_carbonate(full, ion):
    assert pure(full.ions, ion, "Li2CO3") > 1.2 * pure(full.ions, ion, "Li2O")


def test_carbonate_ion_of_sample_4(full):
    recipe = sample_recipe(full.settings.samples["sample_4"])
    here = (full.ions["ion"] == "CO3").to_numpy()
    ratio = full.expected(recipe)[here] / full.expected(Recipe({"Li2CO3": 1.0}, 0.05))[here]
    assert ratio == pytest.approx([3.5], rel=0.02)


def test_calibrants_are_seen_in_every_sample(full):
    rows = full.isotopologues
    place = {label: list(rows.label).index(label) for label in ["[6Li]", "Li", "O", "OH", "O2"]}
    for spot in full.spots:
        counts = full.expected(spot.recipe)[rows.ion] * rows.fraction
        least = {"[6Li]": 200, "Li": 1000, "O": 5000, "OH": 5000, "O2": 2000}
        assert all(counts[place[label]] > number for label, number in least.items()), spot.name


def test_totals_per_spot(full):
    totals = [full.expected(spot.recipe).sum() for spot in full.spots]
    assert min(totals) > 4e5
    assert max(totals) < 1e6


def test_no_ion_is_too_strong_for_the_detector(full):
    counts = np.array([full.expected(spot.recipe) for spot in full.spots])
    assert counts.max() < 1.2e5
    assert set(full.ions["ion"][counts.max(axis=0) > 70000]) == {"H", "O", "OH"}
    strong = full.ions.set_index("ion").loc[["LiH2", "LiNH", "LiCO3", "LiO2H2"], full.compounds]
    assert strong.max(axis=1).between(5000, 60000).all()


@given(
    st.dictionaries(st.sampled_from(list(OWN_IONS)), st.floats(0.01, 10), min_size=1),
    st.floats(0.3, 2),
)
def test_surface_weights_add_up_and_keep_the_order(shares, exponent):
    weights = surface_weights(shares, exponent)
    assert sum(weights.values()) == pytest.approx(1)
    assert sorted(shares, key=shares.get) == sorted(
        weights, key=lambda name: (weights[name], shares[name])
    )


@given(st.floats(0, 0.5))
@settings(max_examples=20)
def test_scatter_keeps_the_mean(sd):
    drawn = lognormal_factor(np.random.default_rng(1), sd, 20000)
    assert drawn.mean() == pytest.approx(1, abs=0.02)
    assert drawn.std() == pytest.approx(sd, rel=0.1, abs=1e-12)


def test_unknown_compound_is_refused(full):
    with pytest.raises(ConfigError, match="no column for the compound 'LiF'"):
        expected_counts(full.ions, Recipe({"LiF": 1.0}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="family"), "no column family"),
        (lambda t: pd.concat([t, t.head(1)]), "lists H twice"),
        (lambda t: t.assign(LiH=-1.0), "below zero"),
        (lambda t: t.assign(LiH=""), "no number"),
    ],
)
def test_bad_ion_table_is_refused(full, change, message):
    with pytest.raises(ConfigError, match=message):
        check_ion_table(change(full.ions.copy()))


def test_bad_formula_is_refused():
    with pytest.raises(ConfigError, match="no formula"):
        isotopologues(["Xy2"])


# instrument


@pytest.fixture(scope="module")
def instrument():
    return Settings.from_mapping(OmegaConf.to_container(OmegaConf.load(CONF))).instrument


def test_export_axis(instrument):
    channel = bin_centres(instrument)
    mz = nominal_mz(instrument, channel)
    assert (channel % 4 == 2).all()
    assert (np.diff(mz) > 1e-6).all()
    assert mz[0] >= 0.001
    assert 121.49 < mz[-1] <= 121.5
    assert np.searchsorted(mz, 120) == pytest.approx(94000, rel=0.01)


def test_peak_shape(instrument):
    # more counts than pulses, for a smooth shape
    instrument = replace(instrument, dead_time_ns=0.0, dead_time_correction=False)
    rng = np.random.default_rng(0)
    nominal = FlightTime(instrument.k, instrument.t0)
    counts = detect(instrument, nominal, np.array([29.0]), np.array([400000.0]), rng)
    time = bin_centres(instrument)
    half = counts.max() / 2
    first, last = np.flatnonzero(counts > half)[[0, -1]]
    rise = time[first] - 4 * (counts[first] - half) / (counts[first] - counts[first - 1])
    fall = time[last] + 4 * (counts[last] - half) / (counts[last] - counts[last + 1])
    assert time[first] / (2 * (fall - rise)) == pytest.approx(7000, rel=0.07)
    centre = instrument.k * np.sqrt(29.0) + instrument.t0
    late = counts[(time > centre + 15) & (time < centre + 60)].sum()
    early = counts[(time < centre - 15) & (time > centre - 60)].sum()
    assert late > 3 * early
    assert counts.sum() == pytest.approx(400000, rel=0.01)


@given(st.floats(1, 121), st.floats(0, 2000), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_counts_are_whole_and_where_the_ion_is(instrument, mz, expected, seed):
    instrument = replace(instrument, dead_time_correction=False)
    rng = np.random.default_rng(seed)
    true = FlightTime(instrument.k, instrument.t0)
    counts = detect(instrument, true, np.array([mz]), np.array([expected]), rng)
    axis = nominal_mz(instrument, bin_centres(instrument))
    near = counts[np.abs(axis - mz) < 0.05].sum()
    assert np.issubdtype(counts.dtype, np.integer)
    assert (counts >= 0).all()
    assert abs(near - expected) < 6 * np.sqrt(expected) + 10


# files


def test_export_is_as_surfacelab_writes_it(written):
    path = written / "spectra" / "neg_Li2CO3_p1_s2.txt.gz"
    raw = path.read_bytes()
    lines = gzip.decompress(raw).decode("ascii").split("\r\n")
    assert lines[:4] == [
        "# Binning: 4 channels",
        "# Deadtime Correction: on",
        "# Source: simulated by ionprint, seed 2023",
        "Channel\tm/z\tIntensity",
    ]
    assert "\n" not in "".join(lines)
    assert raw[3:8] == b"\0\0\0\0\0"  # no name flag, time zero
    assert is_simulated(path)


def test_rows_are_counts_with_rising_mz(written):
    for path in (written / "spectra").iterdir():
        rows = rows_of(path)
        assert rows["Intensity"].min() >= 1
        assert (rows["Intensity"] % 1 == 0).any()
        assert (np.diff(rows["m/z"]) > 0).all()
        assert (rows["Channel"] % 4 == 2).all()


def test_sheet_names_every_spectrum(written):
    sheet = pd.read_csv(written / "samples.csv", keep_default_na=False)
    assert [*sheet.columns] == [
        "file", "sample", "spot", "role", "compound", "expected", "polarity", "primary_ion",
        "sputter_dose", "pulses", "dead_time_ns", "channel_ns",
    ]  # fmt: skip
    assert all((written / name).is_file() for name in sheet["file"])
    assert len(sheet) == len([*(written / "spectra").iterdir()]) == 5
    last = sheet.iloc[-1]
    assert (last["sample"], last["role"], last["compound"]) == ("sample 4", "anode", "")
    assert last["expected"] == "Li2CO3+LiOH"
    assert last["sputter_dose"] == 9e13
    assert (last["pulses"], last["dead_time_ns"], last["channel_ns"]) == (160000, 40, 0.1)


def test_the_full_plan(full):
    sheet = full.sheet()
    assert sheet["role"].value_counts().to_dict() == {"reference": 60, "anode": 36, "mixture": 24}
    assert sheet["file"].is_unique
    assert sheet["sample"].nunique() == 20


def test_same_seed_same_bytes_other_seed_other_bytes(written, tmp_path):
    simulate.run(config(tmp_path / "again"))
    simulate.run(config(tmp_path / "other", seed=0))
    again, other = contents(tmp_path / "again"), contents(tmp_path / "other")
    assert again == contents(written)
    assert all(other[p] != again[p] for p in again if p.parts[0] == "spectra")


def test_counts_as_registered_can_be_exported(tmp_path, written):
    simulate.run(config(tmp_path / "data", instrument__dead_time_correction=False))
    name = "neg_LiH_p1_s1.txt.gz"
    text = gzip.decompress((tmp_path / "data" / "spectra" / name).read_bytes()).decode("ascii")
    assert "# Deadtime Correction: off\r\n" in text
    plain = rows_of(tmp_path / "data" / "spectra" / name)
    corrected = rows_of(written / "spectra" / name)
    assert plain["Intensity"].dtype.kind == "i"
    assert (plain["Channel"] == corrected["Channel"]).all()
    assert (corrected["Intensity"] >= plain["Intensity"]).all()
    assert corrected["Intensity"].sum() > 1.1 * plain["Intensity"].sum()


def test_other_samples_leave_a_spectrum_as_it_was(full):
    small = LithiumSet(settings_of(config("unused")), full.ions)
    by_name = {spot.name: spot for spot in full.spots}
    for spot in (small.spots[0], small.spots[-1]):
        assert (small.simulate(spot).counts == full.simulate(by_name[spot.name]).counts).all()


def test_full_rows_has_every_bin(tmp_path, written):
    cfg = config(tmp_path / "data", instrument__full_rows=True, samples={})
    cfg.simulation.samples = {}
    cfg.simulation.references.update({"compounds": ["LiH"], "spots": 1})
    simulate.run(cfg)
    whole = rows_of(tmp_path / "data" / "spectra" / "neg_LiH_p1_s1.txt.gz")
    short = rows_of(written / "spectra" / "neg_LiH_p1_s1.txt.gz")
    assert (np.diff(whole["Channel"]) == 4).all()
    assert (np.diff(whole["m/z"]) > 0).all()
    seen = whole[whole["Intensity"] > 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(seen, short)


def test_simulated_set_is_replaced_whole(tmp_path):
    cfg = config(tmp_path / "data")
    simulate.run(cfg)
    cfg.simulation.references.spots = 1
    simulate.run(cfg)
    assert len([*(tmp_path / "data" / "spectra").iterdir()]) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def lab_spectrum(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"# Binning: 200 channels\r\nChannel\tm/z\tIntensity\r\n100\t0.0002\t2\r\n")


def lab_folder(folder):
    lab_spectrum(folder / "a.txt")
    (folder / "samples.csv").write_text("file,sample\na.txt,foil\n")


def lab_folder_beside(folder):
    lab_spectrum(folder.parent / "elsewhere" / "a.txt")
    folder.mkdir()
    (folder / "samples.csv").write_text("file,sample\n../elsewhere/a.txt,foil\n")


def lab_folder_semicolons(folder):
    folder.mkdir()
    (folder / "samples.csv").write_bytes("Datei;Probe\nGerät.txt;Folie\n".encode("latin-1"))


def notes_among_simulated(folder):
    simulate.run(config(folder, samples={}))
    (folder / "spectra" / "notes.docx").write_bytes(b"unique")


def one_measured_among_simulated(folder):
    simulate.run(config(folder))
    lab_spectrum(folder / "spectra" / "new.txt")


def one_file(folder):
    folder.write_text("mine")


@pytest.mark.parametrize(
    "make",
    [
        lab_folder,
        lab_folder_beside,
        lab_folder_semicolons,
        notes_among_simulated,
        one_measured_among_simulated,
        one_file,
    ],
)
def test_measured_data_are_never_overwritten(tmp_path, make):
    folder = tmp_path / "data"
    make(folder)
    before = contents(tmp_path)
    with pytest.raises(ConfigError, match="choose another folder"):
        simulate.run(config(folder))
    assert contents(tmp_path) == before


def test_empty_folder_is_used(tmp_path):
    (tmp_path / "data").mkdir()
    refuse_measured(tmp_path / "data")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed"),
        ({"references__pellets": 0}, "pellets"),
        ({"references__compounds": ["NaCl"]}, "NaCl.*expected one of Li2CO3"),
        ({"scatter__spot_ion": -0.1}, "spot_ion"),
        ({"instrument__k": 0}, "instrument.k"),
        ({"instrument__tail_fraction": 2}, "tail_fraction"),
        ({"instrument__colour": 1}, "colour"),
        ({"instrument__pulses": 0}, "pulses"),
        ({"instrument__dead_time_ns": -1}, "dead_time_ns"),
        ({"instrument__dead_time_correction": 1}, "true or false"),
        ({"instrument__mz_limit": 5000}, "mz_limit"),
        ({"samples__sample_4__role": "reference"}, "role"),
        ({"polarity": "positive"}, "negative"),
    ],
)
def test_bad_settings_are_refused_and_leave_nothing(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        simulate.run(config(tmp_path / "data", **change))
    assert not [*tmp_path.iterdir()]
