"""The extended set: unknown compounds, a depth profile, random mixtures; the plain set unmoved."""

import copy
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ionprint.config import compose
from ionprint.errors import ConfigError
from ionprint.ions.formula import ion_mz
from ionprint.simulation.dataset import LithiumSet, Settings, planned_compounds
from ionprint.simulation.families import add_families
from ionprint.simulation.files import read_ion_table, write_set
from ionprint.simulation.samples import profile_steps, random_shares
from ionprint.simulation.truth import read_truth

CONF = Path(__file__).parents[2] / "conf" / "simulation"
UNKNOWN = ["LiF", "Li2S", "Li3P", "Li"]
KNOWN = ["Li2CO3", "Li2O", "Li3N", "LiH", "LiOH"]
OWN_IONS = {
    "LiF": "F LiF2 Li2F3 Li3F4 F2 LiF HF2 LiFOH",
    "Li2S": "S SH S2 LiS Li3S2 LiS2 SO SO2 SO3 LiSO3",
    "Li3P": "P PH PH2 P2 LiP LiPH Li2P PO PO2 PO3",
}


@pytest.fixture(scope="module")
def values():
    """The shipped configuration, as a person chooses it."""
    return OmegaConf.to_container(compose(["simulation=extended"]).simulation, resolve=True)


@pytest.fixture(scope="module")
def extended(values):
    """The shipped set, planned but not drawn."""
    settings = Settings.from_mapping(values)
    return LithiumSet(settings, read_ion_table(planned_compounds(settings)))


@pytest.fixture(scope="module")
def written(values, tmp_path_factory):
    """Two references, the profile and three random mixtures on disk."""
    values = copy.deepcopy(values)
    values["references"] |= {"compounds": ["Li2CO3", "LiH"], "pellets": 1, "spots": 1}
    values["samples"] = {key: values["samples"][key] for key in ("foil_profile", "random")}
    values["samples"]["random"]["random"]["number"] = 3
    folder = tmp_path_factory.mktemp("extended") / "data"
    write_set(Settings.from_mapping(values), folder)
    return folder


@pytest.fixture
def profile(values):
    return copy.deepcopy(values["samples"]["foil_profile"]["profile"])


# unknown compounds


def test_known_compounds_need_no_other_table():
    plain = Settings.from_mapping(OmegaConf.to_container(OmegaConf.load(CONF / "lithium.yaml")))
    pd.testing.assert_frame_equal(read_ion_table(planned_compounds(plain)), read_ion_table())


def test_extended_table_begins_with_the_plain_one(extended):
    plain = read_ion_table()
    pd.testing.assert_frame_equal(extended.ions.loc[: len(plain) - 1, plain.columns], plain)
    new = extended.ions.iloc[len(plain) :]
    assert len(new) > 50
    assert (new[KNOWN] == 0).all(axis=None)
    assert (new[UNKNOWN].max(axis=1) >= 2).all()
    assert extended.ions["ion"].is_unique
    assert extended.compounds == [*KNOWN, *UNKNOWN]


@pytest.mark.parametrize("compound", OWN_IONS)
def test_each_unknown_compound_has_its_ions(extended, compound):
    table = extended.ions.set_index("ion")
    for ion in OWN_IONS[compound].split():
        assert table.loc[ion, [*KNOWN, *UNKNOWN]].idxmax() == compound, ion
        assert table.loc[ion, compound] > 5 * table.loc[ion, KNOWN].max(), ion


def test_masses_of_unknown_ions(extended):
    mz = dict(zip(extended.isotopologues.label, extended.isotopologues.mz, strict=True))
    expected = {"F": 18.999, "LiF2": 45.013, "Li2F3": 71.028, "Li3F4": 97.042, "S": 31.973}
    expected |= {"SH": 32.980, "LiS": 38.989, "P": 30.974, "PO3": 78.959}
    assert {ion: round(mz[ion], 3) for ion in expected} == expected
    assert all(mz[ion] == pytest.approx(ion_mz(ion), abs=1e-5) for ion in expected)


def test_unknown_surfaces_show_what_every_surface_shows(extended):
    table = extended.ions.set_index("ion")
    for ion in ("H", "O", "OH", "C2H", "Cl", "LiO", "LiO2H2", "CO3"):
        assert (table.loc[ion, UNKNOWN] > 0).all(), ion
        assert (table.loc[ion, UNKNOWN] < table.loc[ion, KNOWN].max()).all(), ion


def test_lithium_metal_gives_few_ions(extended):
    def total(compound):
        return extended.ions[[compound, "background"]].sum(axis=None)

    assert all(4 < total(compound) / total("Li") < 10 for compound in KNOWN)
    assert extended.ions.set_index("ion").loc[["Li2", "Li3"], "Li"].min() > 1000


def test_unknown_compounds_are_not_too_strong_for_the_detector(extended):
    counts = np.array([extended.expected(spot.recipe) for spot in extended.spots])
    assert counts.max() < 1.2e5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("skin"), "'skin' is missing"),
        (lambda c: c["skin"].update(NaCl={}), "'NaCl' is not known"),
        (lambda c: c["skin"].update(LiF={"Li2S": 0.1}), "skin of LiF: 'Li2S' is not known"),
        (lambda c: c["skin"].update(LiF={"Li2O": "thin"}), "skin of LiF, Li2O is 'thin'"),
        (lambda c: c["skin"].update(LiF=[]), "skin of LiF: expected keys"),
    ],
)
def test_slips_of_the_second_chemistry_are_refused(change, message):
    text = resources.files("ionprint.simulation").joinpath("unknown_families.yaml").read_text()
    chemistry = yaml.safe_load(text)
    change(chemistry)
    with pytest.raises(ConfigError, match=message):
        add_families(read_ion_table(), chemistry)


def test_a_compound_cannot_be_added_twice():
    text = resources.files("ionprint.simulation").joinpath("unknown_families.yaml").read_text()
    with pytest.raises(ConfigError, match="LiF.*already"):
        add_families(read_ion_table(["LiF"]), yaml.safe_load(text))


# the whole set


def test_the_extended_plan(extended):
    sheet = extended.sheet()
    roles = {"reference": 60, "mixture": 84, "anode": 148}
    assert sheet["role"].value_counts().to_dict() == roles
    assert sheet["file"].is_unique
    halves = sheet[sheet["sample"] == "LiF and Li2CO3"]
    assert halves["expected"].tolist() == ["LiF+Li2CO3"] * 6


def test_settings_come_back_from_the_set(values, written):
    truth = read_truth(written)
    assert Settings.from_mapping(truth.settings.to_mapping()) == truth.settings
    entry = values["samples"]["foil_profile"]
    assert truth.settings.samples["foil_profile"] == entry
    assert truth.shares.columns.tolist() == [*KNOWN, *UNKNOWN]


def test_plain_settings_are_written_as_before(values):
    plain = OmegaConf.to_container(OmegaConf.load(CONF / "lithium.yaml"))
    assert Settings.from_mapping(plain).to_mapping() == plain
    assert {key: values["samples"][key] for key in plain["samples"]} == plain["samples"]


# depth profile


def test_profile_runs_from_carbonate_to_metal(written):
    truth = read_truth(written)
    here = truth.sample == "foil profile"
    shares = truth.shares[here].reset_index(drop=True)
    assert shares.sum(axis=1).to_numpy() == pytest.approx(np.ones(40), abs=1e-5)
    top, deep = shares.iloc[0], shares.iloc[-1]
    assert top["Li2CO3"] > 0.45
    assert top["Li2CO3"] + top["LiOH"] == pytest.approx(1, abs=0.01)
    assert shares["Li2O"].idxmax() in range(10, 20)
    assert deep["LiH"] + deep["Li"] > 0.95
    assert deep["Li"] > 0.25
    film = truth.hydrocarbon[here]
    assert (np.diff(film) <= 0).all()
    assert film[0] > 0.8
    assert film[-1] == pytest.approx(0.02, abs=1e-3)


def test_profile_in_the_sheet(written):
    sheet = pd.read_csv(written / "samples.csv")
    steps = sheet[sheet["sample"] == "foil profile"]
    assert steps["spot"].tolist() == [*range(1, 41)]
    assert steps["sputter_dose"].iloc[[0, -1]].tolist() == [9e13, 1.2e16]
    assert np.diff(steps["sputter_dose"]) == pytest.approx(np.full(39, 3.0538e14), rel=1e-3)
    assert steps["expected"].iloc[0] == "Li2CO3+LiOH"
    assert steps["expected"].iloc[-1] == "LiH+Li"


def test_charging_weakens_one_step_alone(written):
    truth = read_truth(written)
    totals = truth.counts[truth.sample == "foil profile"].sum(axis=1)
    assert totals[22] / totals[[21, 23]].mean() == pytest.approx(0.3, abs=0.08)
    assert (np.delete(totals, 22) > 1.5 * totals[22]).all()


def test_layers_give_way_within_their_width(profile):
    profile |= {"steps": 121, "dose": [0.0, 1.2e16], "width": 1.0e15}
    profile["layers"] = [
        {"components": {"Li2CO3": 1}, "ends": 5.0e15},
        {"components": {"Li2O": 2, "LiH": 2}},
    ]
    steps = {step.sputter_dose: step.recipe.shares for step in profile_steps(profile)}
    assert steps[4.5e15]["Li2CO3"] == pytest.approx(0.9)
    assert steps[5.0e15] == pytest.approx({"Li2CO3": 0.5, "Li2O": 0.25, "LiH": 0.25})
    assert steps[5.5e15]["Li2CO3"] == pytest.approx(0.1)
    assert [*steps[0.0]] == ["Li2CO3"]
    assert [*steps[1.2e16]] == ["Li2O", "LiH"]


@given(
    st.lists(st.floats(1e14, 1e16), min_size=1, max_size=4, unique=True),
    st.floats(1e10, 1e17),
)
def test_shares_of_any_profile_add_up(ends, width):
    layers = [
        {"components": {name: 1.0, "LiOH": 0.5}, "ends": end}
        for name, end in zip(KNOWN, sorted(ends), strict=False)
    ]
    profile = {
        "steps": 9, "dose": [0, 1e16], "width": width,
        "layers": [*layers, {"components": {"Li": 1}}],
        "hydrocarbon": {"surface": 1.0, "decay": 1e15, "deep": 0.0},
    }  # fmt: skip
    for step in profile_steps(profile):
        assert sum(step.recipe.shares.values()) == pytest.approx(1)
        assert min(step.recipe.shares.values()) >= 1e-4
        assert step.intensity == 1


# random mixtures


def test_random_mixtures_are_in_range(extended):
    spots = [spot for spot in extended.spots if spot.sample.startswith("random ")]
    assert [spot.sample for spot in spots] == [f"random {number:02d}" for number in range(1, 61)]
    sizes = [len(spot.recipe.shares) for spot in spots]
    assert set(sizes) == {2, 3, 4}
    for spot in spots:
        assert sum(spot.recipe.shares.values()) == pytest.approx(1)
        assert min(spot.recipe.shares.values()) >= 0.05
        assert spot.expected == "+".join(spot.recipe.shares)
    assert {name for spot in spots for name in spot.recipe.shares} == set(KNOWN)


def test_random_mixtures_follow_the_seed_and_their_name(values):
    def shares(seed, number):
        changed = copy.deepcopy(values) | {"seed": seed}
        changed["samples"]["random"]["random"]["number"] = number
        settings = Settings.from_mapping(changed)
        spots = LithiumSet(settings, read_ion_table(["LiF"])).spots
        return [spot.recipe.shares for spot in spots if spot.sample.startswith("random ")]

    assert shares(1, 4) == shares(1, 9)[:4]
    assert all(a != b for a, b in zip(shares(1, 4), shares(2, 4), strict=True))


def test_truth_of_a_random_mixture_is_what_was_drawn(extended, written):
    truth = read_truth(written)
    drawn = {spot.sample: spot.recipe.shares for spot in extended.spots}
    for row in np.flatnonzero([sample.startswith("random ") for sample in truth.sample]):
        found = truth.shares.loc[row]
        assert found[found > 0].to_dict() == pytest.approx(drawn[truth.sample[row]], abs=1e-5)


def test_shares_are_uniform_over_what_is_left():
    random = {"compounds": KNOWN, "components": [3, 3], "least_share": 0.1}
    rng = np.random.default_rng(5)
    drawn = np.array([[*random_shares(random, rng).values()] for _ in range(4000)])
    # a uniform simplex of three: each share has mean 1/3 and sd sqrt(1/18), here times 0.7
    assert drawn.mean(axis=0) == pytest.approx(np.full(3, 1 / 3), abs=0.01)
    assert drawn.std(axis=0) == pytest.approx(np.full(3, 0.7 * np.sqrt(1 / 18)), abs=0.01)
    assert drawn.min() >= 0.1


# slips


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.update(steps=1), r"profile\.steps is 1, expected 2, 3, 4"),
        (lambda p: p.update(steps=40.0), r"steps is 40\.0"),
        (lambda p: p.update(dose=9e13), r"dose is .*expected \[first, last\]"),
        (lambda p: p.update(dose=[2e15, 1e15]), "last dose above the first"),
        (lambda p: p.update(dose=["deep", 1e15]), "dose is 'deep', expected a number >= 0"),
        (lambda p: p.update(width=0), "width is 0, expected a number above 0"),
        (lambda p: p.update(layers=[]), "expected a list of layers"),
        (lambda p: p["layers"][1].update(ends=1e15), r"layer 2, ends .*above 2\.5e\+15"),
        (lambda p: p["layers"][2].update(ends=1e16), "layer 3: 'ends' is not known"),
        (lambda p: p["layers"][0].pop("ends"), "layer 1: 'ends' is missing"),
        (lambda p: p["layers"][0].update(components={}), "expected shares of compounds"),
        (lambda p: p["layers"][0]["components"].update(LiOH=-1), "LiOH is -1, expected"),
        (lambda p: p["hydrocarbon"].update(decay=0), r"hydrocarbon\.decay is 0"),
        (lambda p: p["hydrocarbon"].pop("deep"), "'deep' is missing"),
        (lambda p: p.update(hydrocarbon=0.05), "hydrocarbon is 0.05, expected keys"),
        (lambda p: p["charging"].update(step=41), r"charging\.step is 41, expected 1 to 40"),
        (lambda p: p["charging"].update(factor=0), r"charging\.factor is 0"),
        (lambda p: p.update(colour=1), "'colour' is not known"),
    ],
)
def test_bad_profiles_are_refused(values, change, message):
    values = copy.deepcopy(values)
    change(values["samples"]["foil_profile"]["profile"])
    with pytest.raises(ConfigError, match=message) as caught:
        Settings.from_mapping(values)
    assert "simulation.samples.foil_profile" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(number=0), r"random\.number is 0, expected 1, 2, 3"),
        (lambda r: r.update(compounds=["LiH"]), "expected two compounds or more"),
        (lambda r: r.update(compounds=["LiH", "LiH", "LiF"]), "each once"),
        (lambda r: r.update(components=3), r"components is 3, expected \[fewest, most\]"),
        (lambda r: r.update(components=[1, 3]), "components is 1, expected 2 to 5"),
        (lambda r: r.update(components=[2, 6]), "components is 6, expected 2 to 5"),
        (lambda r: r.update(components=[4, 3]), "fewest, most"),
        (lambda r: r.update(least_share=0.25), "least_share is 0.25, expected less than 0.25"),
        (lambda r: r.update(least_share=-0.1), "least_share is -0.1"),
        (lambda r: r.pop("number"), "'number' is missing"),
    ],
)
def test_bad_random_mixtures_are_refused(values, change, message):
    values = copy.deepcopy(values)
    change(values["samples"]["random"]["random"])
    with pytest.raises(ConfigError, match=message) as caught:
        Settings.from_mapping(values)
    assert "simulation.samples.random" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("LiF", {"role": "reference"}, "role is 'reference', expected mixture or anode"),
        ("foil_profile", {"role": "reference"}, "role is 'reference'"),
        ("foil_profile", {"spots": 3}, "'spots' is not known"),
        ("random", {"sputter_dose": -1}, "sputter_dose is -1"),
        ("LiF", {"spots": 0}, "spots is 0, expected 1, 2, 3"),
    ],
)
def test_bad_entries_are_refused(values, key, change, message):
    values = copy.deepcopy(values)
    values["samples"][key] |= change
    with pytest.raises(ConfigError, match=message):
        Settings.from_mapping(values)


def test_entries_that_are_none_are_refused(values):
    with pytest.raises(ConfigError, match=r"samples\.foil is None, expected keys"):
        Settings.from_mapping(values | {"samples": {"foil": None}})


def test_entries_that_would_write_one_file_are_refused(values):
    sample = values["samples"]["LiF"]
    twice = values | {"samples": {"sample_1": sample, "sample1": sample}}
    with pytest.raises(ConfigError, match="two entries make neg_sample1_s01"):
        Settings.from_mapping(twice)


def test_unknown_compound_says_which_are_known(values, tmp_path):
    sample = values["samples"]["LiF"] | {"components": {"NaCl": 1.0}}
    settings = Settings.from_mapping(values | {"samples": {"salt": sample}})
    with pytest.raises(ConfigError, match="'NaCl'; expected one of Li2CO3.*Li3P, Li"):
        write_set(settings, tmp_path / "data")
    assert not [*tmp_path.iterdir()]
