import numpy as np
import pytest
from matplotlib.colors import to_hex

from ionprint.errors import DataError
from ionprint.figures.ranking import ranking_figure
from ionprint.figures.samples import samples_figure


def bars(figure):
    """Return the bars of each compound by its label in the legend."""
    return {c.get_label(): list(c) for c in figure.axes[0].containers}


def test_bars_are_the_probabilities_stacked(make_samples, compounds):
    frame = make_samples(compounds)
    figure = samples_figure(frame, "simulated")
    drawn = list(bars(figure).values())
    assert len(drawn) == len(compounds)
    for name, pair in zip(sorted(compounds), drawn, strict=True):
        assert np.allclose([bar.get_width() for bar in pair], frame[f"p_{name}"])
    ends = [bar.get_x() + bar.get_width() for bar in drawn[-1]]
    assert np.allclose(ends, 1.0)
    figure.draw_without_rendering()


def test_sample_and_expectation_stand_beside_the_bar(make_samples):
    figure = samples_figure(make_samples(["Li2CO3", "LiOH"]), "simulated")
    axes = figure.axes[0]
    left = [label.get_text() for label in axes.get_yticklabels()]
    assert left == [r"mix \$1" + "\nmixture, 12 spectra", "foil\nanode, 1 spectrum"]
    right = [label.get_text() for label in axes.child_axes[0].get_yticklabels()]
    assert right[0] == "Li₂CO₃ + LiOH"
    assert right[1] == "not stated"
    assert axes.get_xlabel() == "probability (of the classifier; qualitative)"


def test_one_colour_a_compound_in_all_figures(make_samples, make_ions, compounds):
    ranked = ranking_figure(make_ions(compounds), "simulated")
    read = samples_figure(make_samples(compounds), "simulated")
    looks = {
        axes.get_title(): (to_hex(axes.patches[0].get_facecolor()), axes.patches[0].get_hatch())
        for axes in ranked.axes
    }
    assert len(set(looks.values())) == len(compounds)
    for label, pair in bars(read).items():
        assert looks[label] == (to_hex(pair[0].get_facecolor()), pair[0].get_hatch())


def test_small_numbers_are_not_written_into_bars(make_samples):
    frame = make_samples(["Li2CO3", "LiOH"])
    frame["p_Li2CO3"], frame["p_LiOH"] = [0.97, 0.5], [0.03, 0.5]
    texts = [text.get_text() for text in samples_figure(frame, "simulated").axes[0].texts]
    assert sorted(t for t in texts if t[0] == "0") == ["0.50", "0.50", "0.97"]


def test_references_are_left_out(make_samples):
    frame = make_samples(["Li2CO3", "LiOH"])
    frame.loc[0, "role"] = "reference"
    assert len(samples_figure(frame, "simulated").axes[0].containers[0]) == 1
    frame["role"] = "reference"
    with pytest.raises(DataError, match="no mixture"):
        samples_figure(frame, "simulated")
