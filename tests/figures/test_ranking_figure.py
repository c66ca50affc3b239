import numpy as np
import pytest
from matplotlib.colors import to_hex

from ionprint.errors import DataError
from ionprint.figures.ranking import ion_label, ranking_figure
from ionprint.figures.style import compound_looks


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
    assert labels[0] == r"$\mathrm{Li}\mathrm{H}_{2}^{-}$  10.1235"
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
