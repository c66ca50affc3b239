import pytest

from ionprint.figures.formula import ascii_text, mixture_text, typeset, unicode_text


@pytest.mark.parametrize(
    ("formula", "charge", "expected"),
    [
        ("Li2CO3", "", "Li₂CO₃"),
        ("[6Li]H2", "-", "⁶LiH₂⁻"),
        ("[6Li]LiH3", "-", "⁶LiLiH₃⁻"),
        ("[6Li][7Li]2H4", "-", "⁶LiLi₂H₄⁻"),
        ("[7Li]", "-", "Li⁻"),
        ("[13C]O3", "-", "¹³CO₃⁻"),
        ("Li2O3H3", "-", "Li₂O₃H₃⁻"),
        ("NaN", "-", "NaN⁻"),
        ("C12H25SO4-", "-", "C₁₂H₂₅SO₄⁻"),
        ("Li+", "-", "Li⁺"),
        ("Ca(OH)2", "", "Ca(OH)₂"),
        ("Co", "", "Co"),
    ],
)
def test_unicode(formula, charge, expected):
    assert unicode_text(formula, charge) == expected


@pytest.mark.parametrize("name", ["NMC 811", "steel-316", "", "Li2Q", "sample_1", "(Li", "2Li"])
@pytest.mark.parametrize("write", [unicode_text, ascii_text, typeset])
def test_a_text_that_is_no_formula_stays(name, write):
    assert write(name, "-") == name


def test_a_dollar_does_not_start_mathematics():
    assert typeset("5 $ alloy") == r"5 \$ alloy"


def test_ascii_is_ascii_and_drops_the_common_lithium():
    assert ascii_text("[6Li][7Li]2H4", "-") == "[6Li]Li2H4-"


def test_mixture():
    assert mixture_text("Li2CO3+LiOH", unicode_text) == "Li₂CO₃ + LiOH"
    assert mixture_text("", unicode_text) == ""
