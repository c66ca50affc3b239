"""What is said of a sample, from hand-made tables: their numbers mean nothing."""

import pandas as pd
import pytest

from ionprint.report.sentences import findings, listed, percent, proof

COMPOUNDS = ("Li2CO3", "Li2O", "LiH")


def sample(**changes):
    """A sample that holds Li2CO3 and LiH, as `samples_table` has it."""
    row = {"sample": "foil", "role": "anode", "expected": "Li2CO3+LiH", "spectra": 10}
    row |= {"outside": 0.0, "unexplained": ""}
    numbers = {"Li2CO3": (1.0, 0.2, "strong"), "Li2O": (0.0, 0.0, ""), "LiH": (0.7, 0.8, "weak")}
    for name, (present, fraction, verdict) in numbers.items():
        row |= {f"p_{name}": fraction, f"present_{name}": present, f"proof_{name}": verdict}
        row |= {f"fraction_{name}": fraction, f"fraction_{name}_low": max(fraction - 0.1, 0)}
        row[f"fraction_{name}_high"] = fraction + 0.1
    return pd.DataFrame([row | changes])


def evidence(*rows):
    columns = "file sample compound side mz ion counts above_background above_others".split()
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(expected_of_compound=1.0, rank=range(1, len(rows) + 1))


IONS = evidence(
    ("a", "foil", "Li2CO3", "for", 67.0013, "LiCO3", 900.0, 20.0, 9.0),
    ("b", "foil", "Li2CO3", "for", 67.0013, "LiCO3", 700.0, 10.0, 5.0),
    ("a", "foil", "Li2CO3", "for", 23.0, "", 500.0, 30.0, 30.0),
    ("a", "foil", "Li2CO3", "against", 91.02, "Li2CO4H", 1.0, 0.0, -8.0),
    ("a", "foil", "LiH", "for", 26.0036, "CN", 90.0, 9.0, 4.0),
    ("a", "foil", "LiH", "for", 9.0322, "LiH2", 50.0, 5.0, 2.0),
)
RANKING = pd.DataFrame({"compound": ["LiH"], "mz": [26.0036], "lacking": ["C N"]})


def told(row, ions=IONS, ranking=RANKING):
    return findings(row, proof(ions, ranking))[0]


def test_compounds_are_told_by_size_with_their_intervals():
    found = told(sample())
    assert (found.sample, found.role, found.spectra) == ("foil", "anode", 10)
    assert found.expected == "Li₂CO₃ + LiH"
    text = found.holds.replace("\u00a0", " ")
    assert text == (
        "Holds LiH (80 % of the signal, 70 to 90 %) and Li₂CO₃ (20 % of the signal, 10 to 30 %)."
    )
    assert found.absent == "No sign of Li₂O."
    assert found.alarm == ""


def test_the_proof_names_the_ions_of_most_spectra_first():
    text = told(sample()).proof.replace("\u00a0", " ")
    assert "The proof of Li₂CO₃ is strong: LiCO₃⁻ (m/z 67.001) and m/z 23.000." in text
    assert "Li₂CO₄H" not in text  # it speaks against


def test_an_ion_with_elements_that_the_compound_lacks_is_not_named_as_proof():
    assert "weak: LiH₂⁻" in told(sample()).proof
    impure = told(sample(), IONS[IONS["ion"] != "LiH2"]).proof
    assert "CN⁻" in impure and "impurities of its references" in impure
    assert "CN⁻" in told(sample(), ranking=None).proof


def test_noise_is_no_proof():
    found = told(sample(proof_LiH="noise"))
    assert "For LiH no ion stands above" in found.proof and "LiH₂" not in found.proof


def test_what_few_spectra_hold_is_told_apart():
    found = told(sample(present_Li2O=0.3))
    assert "fewer than half of the spectra: Li₂O in 3 of 10." in found.holds
    assert found.absent == ""


def test_nothing_present_is_said():
    found = told(sample(present_Li2CO3=0.0, present_LiH=0.0))
    assert found.holds == "None of the compounds of the model is called present."
    assert found.absent == "No sign of Li₂CO₃, Li₂O or LiH."


@pytest.mark.parametrize(
    ("outside", "begins"),
    [(1.0, "Holds something that the references do not explain: "), (0.2, "In 2 of 10 spectra ")],
)
def test_the_alarm_names_its_ions(outside, begins):
    alarm = told(sample(outside=outside, unexplained="18.998 F-, 44.95")).alarm
    assert alarm.startswith(begins)
    assert "F⁻ (18.998), m/z 44.95" in alarm.replace("\u00a0", " ")


def test_probabilities_alone_are_told_as_such():
    row = sample().drop(columns=["present_LiH", "outside", "proof_LiH"])
    found = findings(row, None)[0]
    assert found.holds == "The classifier's largest probabilities are LiH 0.80 and Li₂CO₃ 0.20."


def test_references_are_not_told():
    assert findings(sample(role="reference"), proof(IONS, RANKING)) == []


def test_evidence_of_spectra_is_gathered_by_ion():
    rows = proof(IONS, RANKING).set_index(["compound", "mz"])
    ion = rows.loc[("Li2CO3", 67.0013)]
    assert (ion["spectra"], ion["counts"], ion["above_others"]) == (2, 800.0, 7.0)
    assert rows.loc[("LiH", 26.0036), "lacking"] == "C N"


def test_words():
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"], "or") == "a, b or c"
    assert [percent(x) for x in (0.0, 0.004, 0.5)] == ["0", "< 1", "50"]
