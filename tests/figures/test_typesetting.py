import pytest

from ionprint.figures.formula import ascii_text, mathtext, mixture_text, unicode_text


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


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("[6Li]LiH3", r"${}^{6}\mathrm{Li}\mathrm{Li}\mathrm{H}_{3}^{-}$"),
        ("[13C]O3", r"${}^{13}\mathrm{C}\mathrm{O}_{3}^{-}$"),
        ("Li2O3H3", r"$\mathrm{Li}_{2}\mathrm{O}_{3}\mathrm{H}_{3}^{-}$"),
        ("C2[13C]", r"$\mathrm{C}_{2}{}^{13}\mathrm{C}^{-}$"),
        ("[7Li]H", r"$\mathrm{Li}\mathrm{H}^{-}$"),
    ],
)
def test_mathtext(formula, expected):
    assert mathtext(formula, "-") == expected


@pytest.mark.parametrize("name", ["NMC 811", "steel-316", "", "Li2Q", "sample_1", "(Li", "2Li"])
@pytest.mark.parametrize("write", [unicode_text, ascii_text, mathtext])
def test_a_text_that_is_no_formula_stays(name, write):
    assert write(name, "-") == name


def test_a_dollar_does_not_start_mathematics():
    assert mathtext("5 $ alloy") == r"5 \$ alloy"


def test_ascii_is_ascii_and_drops_the_common_lithium():
    assert ascii_text("[6Li][7Li]2H4", "-") == "[6Li]Li2H4-"


def test_mixture():
    assert mixture_text("Li2CO3+LiOH", unicode_text) == "Li₂CO₃ + LiOH"
    assert mixture_text("", unicode_text) == ""
