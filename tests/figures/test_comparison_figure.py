import numpy as np
import pandas as pd
import pytest

from ionprint.errors import DataError
from ionprint.figures.comparison import comparison_figure


@pytest.fixture
def ions():
    rows = [
        ("Li2O", 48.0, "C4", 0, 200.0, 20.0, 100.0, np.nan, 150.0, False),
        ("Li2O", 31.9904, "O2", 2, 50.0, 60.0, 0.0, 0.0, 40.0, False),
        ("Li2CO3", 67.0013, "LiCO3", 0, 5.0, 1.0, 2000.0, 100.0, 3.0, True),
    ]
    columns = "of mz ion satellites mean_1 sd_1 mean_2 sd_2 others own"
    return pd.DataFrame(rows, columns=columns.split())


def test_dots_stand_at_the_means_in_both(ions):
    upper, lower = comparison_figure(ions, ("Li2O", "Li2CO3"), "simulated").axes[:2]
    assert upper.get_xscale() == "log" and upper.yaxis_inverted()
    first, second = (bars.lines[0].get_xdata().tolist() for bars in upper.containers)
    assert first == [200.0, 50.0]
    assert second == [100.0]  # what is not found is no dot
    labels = [label.get_text() for label in upper.get_yticklabels()]
    assert labels == ["C₄⁻  48.0000", "O₂⁻  31.9904 +2"]
    assert lower.containers[1].lines[0].get_xdata().tolist() == [2000.0]


def test_what_is_not_found_is_an_arrow_at_the_left_edge(ions):
    upper = comparison_figure(ions, ("Li2O", "Li2CO3"), "simulated").axes[0]
    arrows = upper.collections[-1].get_offsets()
    assert arrows.tolist() == [[upper.get_xlim()[0], 1.0]]


def test_titles_say_whether_any_ion_is_its_own(ions):
    figure = comparison_figure(ions, ("Li2O", "Li2CO3"), "measured", "the means by sample")
    upper, lower = figure.axes[:2]
    assert upper.get_title() == "characteristic ions of Li₂O: none of its own"
    assert lower.get_title() == "characteristic ions of Li₂CO₃: 1 of 1 its own"
    assert "standard deviation of the means by sample" in lower.get_xlabel()
    figure.draw_without_rendering()


def test_ratios_are_those_of_the_ion_s_compound_over_the_other(ions):
    upper, lower = comparison_figure(ions, ("Li2O", "Li2CO3"), "measured").axes[:2]
    written = [
        [label.get_text() for label in axes.child_axes[0].get_yticklabels()]
        for axes in (upper, lower)
    ]
    assert written == [["2.0", "> 999"], ["400  own"]]


def test_error_bars_end_at_the_edge(ions):
    upper = comparison_figure(ions, ("Li2O", "Li2CO3"), "measured").axes[0]
    segments = upper.containers[0].lines[2][0].get_segments()
    assert np.array(segments)[:, :, 0] == pytest.approx(
        np.array([[180, 220], [upper.get_xlim()[0], 110]])
    )


def test_a_compound_without_ions_is_an_error(ions):
    with pytest.raises(DataError, match="no ions"):
        comparison_figure(ions, ("Li2O", "LiH"), "measured")


def test_two_compounds_alone_have_no_others(ions):
    ions["others"] = np.nan
    figure = comparison_figure(ions, ("Li2O", "Li2CO3"), "measured")
    assert len(figure.legends[0].get_texts()) == 2
    figure.draw_without_rendering()
