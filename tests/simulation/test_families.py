"""Family rules: closed-shell ions are the strong ones, and a slip of the pen is refused."""

import copy
from importlib import resources

import pytest
import yaml

from ionprint.errors import ConfigError
from ionprint.simulation.families import atoms_of, charge_misfit, expand_families

STATES = {"Li": 1, "H": 1, "C": 4, "N": -3, "O": -2}
SMALL = {
    "compounds": ["LiH"],
    "drop_below": 2.0,
    "heaviest": 121.0,
    "rules": {"states": STATES, "per_atom": dict.fromkeys(STATES, 0.5), "per_misfit": 0.1},
    "families": {
        "hydride": {
            "atoms": {"Li": [1, 2], "H": [1, 3]},
            "states": {"H": -1},
            "counts": {"LiH": 1000},
        },
        "listed": {"ions": {"OH": 1, "HLi": 0.5}, "counts": {"LiH": 400, "background": 10}},
    },
}


@pytest.fixture
def chemistry():
    return copy.deepcopy(SMALL)


@pytest.mark.parametrize(
    "ion", ["LiO", "OH", "LiO2H2", "Li2O3H3", "Li2O2H", "NH2", "LiNH", "LiCO3", "CO3H", "Li3O2"]
)
def test_closed_shell_anions_fit_their_charge(ion):
    assert charge_misfit(dict(atoms_of(ion)), STATES) == 0


@pytest.mark.parametrize("ion", ["LiH2", "Li2H3", "Li3H4", "Li4H5"])
def test_hydrides_fit_their_charge(ion):
    assert charge_misfit(dict(atoms_of(ion)), {**STATES, "H": -1}) == 0


@pytest.mark.parametrize(
    ("ion", "states", "misfit"),
    [
        ("NH", {}, 1),
        ("CO3", {}, 1),
        ("LiO2", {}, 2),
        ("LiO2", {"O": [-2, -1]}, 0),
        ("Li2O2H3", {}, 2),
        ("Li2O2H3", {"H": [1, -1]}, 0),
    ],
)
def test_misfit_counts_charges_and_mixed_states(ion, states, misfit):
    assert charge_misfit(dict(atoms_of(ion)), {**STATES, **states}) == misfit


def test_rules_give_the_table(chemistry):
    table = expand_families(chemistry).set_index("ion")
    # weights: LiH 0.1, LiH2 0.5, LiH3 0.1 x 0.25, Li2H 0.01 x 0.5, Li2H2 0.1 x 0.25, Li2H3 0.125
    assert table["LiH"].to_dict() == {
        "LiH": 400.0, "LiH2": 1000.0, "LiH3": 50.0, "Li2H": 10.0, "Li2H2": 50.0, "Li2H3": 250.0,
        "OH": 400.0,
    }  # fmt: skip
    assert table.loc["LiH", "background"] == 5.0
    assert table["family"].to_dict()["LiH2"] == "hydride"


def test_single_ions_can_be_changed_left_out_or_too_weak(chemistry):
    family = chemistry["families"]["hydride"]
    family |= {"times": {"Li2H3": 2}, "except": ["H2Li"]}
    chemistry["drop_below"] = 100.0
    chemistry["heaviest"] = 17.02
    table = expand_families(chemistry).set_index("ion")["LiH"]
    assert table.to_dict() == {"LiH": 600.0, "LiH3": 100.0, "Li2H2": 100.0, "OH": 400.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(colour=1), "'colour' is not known"),
        (lambda c: c.pop("rules"), "'rules' is missing"),
        (lambda c: c["rules"].pop("states"), "'states' is missing"),
        (lambda c: c.update(drop_below=-1), "drop_below"),
        (lambda c: c["families"]["hydride"].update(colour=1), "'hydride': 'colour' is not known"),
        (lambda c: c["families"]["hydride"].pop("counts"), "'counts' is missing"),
        (lambda c: c["families"]["hydride"]["counts"].update(LiF=1), "'LiF' is not known"),
        (lambda c: c["families"]["hydride"]["counts"].update(LiH="many"), "'many'"),
        (lambda c: c["families"]["hydride"]["atoms"].update(Li=[2, 1]), "least, most"),
        (lambda c: c["families"]["hydride"]["atoms"].update(Li=3), "least, most"),
        (lambda c: c["families"]["hydride"]["atoms"].update(Xe=[1, 1]), "'Xe' is not known"),
        (lambda c: c["families"]["hydride"].update(states={"H": "one"}), "state of H"),
        (lambda c: c["families"]["hydride"].update(times={"Li9H": 2}), "Li9H is no ion"),
        (lambda c: c["families"]["hydride"].update({"except": ["OH"]}), "OH is no ion"),
        (lambda c: c["families"]["hydride"].update(ions={"H": 1}), "either `atoms`"),
        (lambda c: c["families"]["listed"].update(times={"H": 1}), "'times' is not known"),
        (lambda c: c["families"]["listed"]["ions"].update(HO=1), "HO twice"),
        (lambda c: c["families"]["listed"]["ions"].update({False: 1}), "in quotes"),
        (lambda c: c["families"]["listed"]["ions"].update(LiBr=1), "'Br' is not known"),
        (lambda c: c["families"]["listed"].update(ions=[1]), "names and yields"),
    ],
)
def test_slips_are_refused(chemistry, change, message):
    change(chemistry)
    with pytest.raises(ConfigError, match=message):
        expand_families(chemistry)


def test_the_file_itself_is_read_whole():
    text = resources.files("ionprint.simulation").joinpath("lithium_families.yaml").read_text()
    chemistry = yaml.safe_load(text)
    table = expand_families(chemistry)
    assert set(chemistry["families"]) >= set(table["family"])
    assert 300 < len(table) < 800
