import numpy as np
import pytest
from matplotlib.colors import to_hex

from ionprint.errors import DataError
from ionprint.figures.ranking import ion_label, ranking_figure
from ionprint.figures.style import compound_looks
from ionprint.models.families import with_families


def test_a_panel_a_compound_with_the_first_ten_weights(make_ions, compounds):
    figure = ranking_figure(make_ions(compounds), "simulated")
    assert len(figure.axes) == len(compounds)
    for axes in figure.axes:
        widths = [bar.get_width() for bar in axes.patches]
        assert widths == [1.0 / rank for rank in range(1, 11)]
        places = [bar.get_y() for bar in axes.patches]
        assert places == sorted(places)
        assert axes.yaxis_inverted()
    figure.draw_without_rendering()


def test_labels_are_formula_and_mz(make_ions):
    axes = ranking_figure(make_ions(["LiH"]), "simulated").axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == r"LiH₂⁻  10.1235"
    assert labels[2] == "10.3704"
    assert axes.get_xlabel() == "weight (mean over folds)"
    assert ion_label(float("nan"), 12.0) == "12.0000"


def test_error_bars_are_the_spread_of_the_weights(make_ions):
    axes = ranking_figure(make_ions(["LiH"]), "simulated").axes[0]
    segments = axes.containers[0].lines[2][0].get_segments()
    assert np.allclose([s[1][0] - s[0][0] for s in segments], 0.1)


def test_colours_follow_all_compounds_of_the_model(make_ions):
    names = ["Li2CO3", "Li2O", "LiH"]
    figure = ranking_figure(make_ions(["LiH"]), "simulated", names)
    assert to_hex(figure.axes[0].patches[0].get_facecolor()).upper() == (
        compound_looks(names)["LiH"].color
    )


def test_negative_weights_and_an_unknown_spread_are_drawn(make_ions):
    ions = make_ions(["LiH", "LiOH"], ranks=3)
    ions["weight"] *= -1
    ions.loc[0, "weight_sd"] = float("nan")
    figure = ranking_figure(ions, "measured")
    low, high = figure.axes[0].get_xlim()
    assert low < -1.05 < 0 < high
    figure.draw_without_rendering()


def test_input_is_left_as_it_was(make_ions):
    ions = make_ions(["LiH"])
    before = ions.copy()
    ranking_figure(ions, "simulated")
    assert ions.equals(before)


def test_no_ions_is_an_error(make_ions):
    with pytest.raises(DataError, match="no rows"):
        ranking_figure(make_ions([]), "simulated")


def test_satellites_stand_with_their_parent(make_ions):
    ions = make_ions(["LiH"], ranks=4).assign(satellite_of="")
    ions.loc[ions["rank"] == 1, ["ion", "satellite_of"]] = ["[6Li]H2", "LiH2"]
    ions.loc[ions["rank"] == 2, "ion"] = "LiH2"
    ions.loc[ions["rank"] == 4, "ion"] = "O"
    axes = ranking_figure(with_families(ions), "simulated").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [1.0, 1 / 3, 1 / 4]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [ion_label("LiH2", 10.2469, 1), "10.3704", ion_label("O", 10.4938)]
    assert labels[0].endswith("10.2469 +1")
    assert "satellites" in axes.figure.get_suptitle()
    assert "satellites" not in ranking_figure(make_ions(["LiH"]), "simulated").get_suptitle()


@pytest.mark.parametrize("compounds", [["LiH"], ["LiH", "Li2O", "LiOH"]])
def test_bars_are_paler_where_less_speaks_for_the_ion(make_ions, compounds):
    ions = make_ions(compounds, ranks=3)
    ions["evidence"] = ions["rank"].map({1: "specific", 2: "compatible", 3: "incompatible"})
    ions["own"] = (ions["rank"] == 1) & (ions["compound"] != "Li2O")
    figure = ranking_figure(ions, "simulated")
    alphas = [bar.get_facecolor()[3] for bar in figure.axes[0].patches]
    assert alphas[0] == 1 > alphas[1] > alphas[2] == 0
    written = [text.get_text().split(":")[0] for text in figure.legends[0].get_texts()]
    assert written == ["specific", "compatible", "incompatible"]
    titles = {axes.get_title() for axes in figure.axes}
    assert sum("none of its own" in title for title in titles) == (len(compounds) > 1)
    figure.draw_without_rendering()


def test_no_legend_where_no_ion_was_judged(make_ions):
    ions = make_ions(["Ru-Pt"]).assign(evidence="", own=False)
    figure = ranking_figure(ions, "measured")
    assert not figure.legends
    assert figure.axes[0].get_title() == "Ru-Pt"
    assert {bar.get_facecolor()[3] for bar in figure.axes[0].patches} == {1.0}


def test_the_share_of_resamplings_stands_at_the_end_of_a_bar(make_ions):
    ions = make_ions(["LiH", "LiOH"], ranks=3)
    ions["in_first"] = ions["rank"].map({1: 1.0, 2: 0.934, 3: float("nan")})
    figure = ranking_figure(ions, "simulated", first=15)
    for axes in figure.axes:
        written = [(text.xy[1], text.get_text()) for text in axes.texts]
        assert written == [(0, "100 %"), (1, "93 %")]
    assert "%: share of resamplings in the first 15" in figure.get_suptitle()
    figure.draw_without_rendering()
    none = ranking_figure(ions.assign(in_first=np.nan), "simulated")
    assert not none.axes[0].texts and "%" not in none.get_suptitle()
