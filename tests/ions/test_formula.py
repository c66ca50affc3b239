"""Exact masses of ions, against numbers that others worked out."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.errors import FormulaError
from ionprint.ions.formula import ELECTRON, ion_mz

# ions of Zhao, Otto et al., ACS Appl. Mater. Interfaces 2023, Table 1
TABLE = pd.read_csv(Path(__file__).parent / "table1.csv", keep_default_na=False)


@pytest.mark.parametrize(
    ("formula", "mz"),
    [
        ("LiH2", 9.0322),
        ("[6Li]H2", 8.0313),
        ("LiCO3", 67.0013),
        ("CN", 26.0036),
        ("IrO2", 224.953),
        ("H", 1.00837),
    ],
)
def test_reference_values(formula, mz):
    assert ion_mz(formula) == pytest.approx(mz, abs=6e-5 if mz < 100 else 6e-4)


def test_all_ions_of_the_published_table():
    ions = TABLE.drop_duplicates("ion_reported")
    assert len(TABLE) == 75
    wrong = [
        (ion, mz, ion_mz(ion))
        for ion, mz in zip(ions["ion_reported"], ions["exact_mz"].astype(float), strict=True)
        if abs(ion_mz(ion) - mz) > 1e-4
    ]
    assert not wrong


def test_brackets_multiply():
    assert ion_mz("C(OH)2") == pytest.approx(ion_mz("CO2H2"))


def test_a_positive_ion_is_two_electrons_lighter():
    assert ion_mz("Li", -1) - ion_mz("Li", 1) == pytest.approx(2 * ELECTRON)


atoms = st.lists(
    st.tuples(st.sampled_from(["Li", "[6Li]", "H", "C", "O", "N", "Cl"]), st.integers(1, 4)),
    min_size=1,
    max_size=5,
)


def written(parts):
    return "".join(f"{element}{n if n > 1 else ''}" for element, n in parts)


@settings(max_examples=50, deadline=None)
@given(parts=atoms, data=st.data())
def test_masses_add_up_in_any_order(parts, data):
    alone = sum(n * (ion_mz(element) - ELECTRON) for element, n in parts) + ELECTRON
    assert ion_mz(written(parts)) == pytest.approx(alone, abs=1e-9)
    assert ion_mz(written(data.draw(st.permutations(parts)))) == pytest.approx(alone, abs=1e-9)


BAD = ["", " ", "Xx", "li", "Li2(", "[5Li]", "[99Li]", "H2O!", "2,5", "O-", "Li+", "Li2.5", "Li 2"]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(FormulaError, match=r"formula"):
        ion_mz(text)
