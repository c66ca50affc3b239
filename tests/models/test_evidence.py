"""The three fonts of the paper's Table 1, from numbers made by hand."""

import numpy as np
import pytest

from ionprint.models.evidence import evidence, firm_groups, intensities

CLASSES = np.array(["Li2CO3", "Li2O"])
IONS = np.array(["LiO", "C4", "O", "", "CO3"])
MZ = np.arange(5) + 10.0
MEAN = np.array([[30.0, 1.0, 10.0, 5.0, 8.0], [20.0, 9.0, 11.0, 1.0, 0.0]])
ERROR = np.array([[1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 0.0]])


@pytest.fixture
def told():
    return evidence(MZ, IONS, CLASSES, MEAN, ERROR).set_index("compound")


def test_the_three_kinds(told):
    assert told.loc["Li2CO3", "evidence"].tolist() == (
        ["specific", "compatible", "compatible", "", "specific"]
    )
    assert told.loc["Li2O", "evidence"].tolist() == (
        ["compatible", "incompatible", "specific", "", "incompatible"]
    )
    assert told.loc["Li2O", "lacking"].tolist() == ["", "C", "", "", "C"]
    assert told.loc["Li2O", "highest_in"].tolist() == ["Li2CO3", "Li2O", "Li2O", "Li2CO3", "Li2CO3"]


def test_an_own_ion_is_twice_as_intense_and_beyond_the_errors(told):
    assert told.loc["Li2CO3", "ratio"].tolist() == [1.5, pytest.approx(1 / 9), 10 / 11, 5, 999]
    above = told.loc["Li2CO3", "above"].to_numpy()
    assert above[:2] == pytest.approx([10 / 2**0.5, -8 / 2**0.5])
    # LiO is no own ion for its ratio, the peak without a name for want of one
    assert told.loc["Li2CO3", "own"].tolist() == [False, False, False, False, True]
    # C4 is nine times as intense in Li2O, which has no carbon
    assert not told.loc["Li2O", "own"].any()


def test_scatter_takes_an_own_ion_away():
    noisy = ERROR.copy()
    noisy[0, 4] = 3.0
    told = evidence(MZ, IONS, CLASSES, MEAN, noisy).set_index("compound")
    assert told.loc["Li2CO3", "evidence"].tolist()[4] == "specific"
    assert not told.loc["Li2CO3", "own"].any()


def test_equal_intensities_are_nobodys():
    told = evidence(MZ, IONS, CLASSES, np.ones((2, 5)), np.zeros((2, 5)))
    assert "specific" not in set(told["evidence"])
    assert (told["above"] == 0).all() and not told["own"].any()


def test_names_that_are_no_formulas_are_not_judged():
    told = evidence(MZ, IONS, np.array(["NMC 811", "foil"]), MEAN, ERROR)
    assert set(told["evidence"]) == {""} and not told["own"].any()
    assert set(told["highest_in"]) == {"NMC 811", "foil"}


def test_errors_are_those_of_groups():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b"], 12)
    pellet = np.repeat([f"p{i}" for i in range(6)], 4)
    level = np.repeat(rng.normal(100, 20, 6), 4)
    areas = (level + rng.normal(0, 1, 24))[:, None]
    assert firm_groups(y, pellet) is pellet
    mean, error = intensities(areas, y, pellet)
    means = areas[:, 0].reshape(6, 4).mean(axis=1)
    assert mean[:, 0] == pytest.approx([means[:3].mean(), means[3:].mean()])
    assert error[0, 0] == pytest.approx(means[:3].std(ddof=1) / 3**0.5)
    alone = intensities(areas, y, None)
    assert alone[0] == pytest.approx(mean)
    assert (alone[1] < error).all()


def test_one_group_a_class_tells_nothing_of_groups():
    y = np.repeat(["a", "b"], 4)
    assert firm_groups(y, y) is None
    assert firm_groups(y, None) is None
