import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from ionprint.errors import DataError
from ionprint.figures.depth import depth_figure
from ionprint.figures.style import compound_looks, save

NONE = pd.DataFrame({"sample": [], "kind": [], "step": [], "last_step": []})


@pytest.fixture
def make_profile():
    def made(names, steps=6, top=1.2e16, unit="ions/cm2"):
        rows = [
            ("foil $1", step, top * step / steps, unit, name, (step + i) % 3 > 0, 0.1 * (i % 8))
            for step in range(steps, 0, -1)  # the order of rows must not matter
            for i, name in enumerate(names)
        ]
        columns = "sample step dose unit compound present fraction".split()
        frame = pd.DataFrame(rows, columns=columns)
        return frame.assign(
            low=frame["fraction"] - 0.05,
            high=frame["fraction"] + 0.05,
            fraction_read=frame["fraction"] + 0.01,
        )

    return made


def flags(*rows):
    table = pd.DataFrame(rows, columns=["kind", "step", "last_step"])
    return table.assign(sample="foil $1")


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_lines_are_fractions_against_dose(make_profile, compounds):
    frame = make_profile(compounds)
    figure = depth_figure(frame, NONE, "simulated")
    upper, lower = figure.axes
    lines = [line for line in upper.get_lines() if not line.get_label().startswith("_")]
    assert len(lines) == len(compounds) == len(upper.collections)
    looks = compound_looks(compounds)
    for name, line in zip(sorted(compounds), lines, strict=True):
        own = frame[frame["compound"] == name].sort_values("step")
        assert np.allclose(line.get_xdata(), own["dose"] / 1e15)
        assert np.allclose(line.get_ydata(), own["fraction"])
        assert to_hex(line.get_color()) == to_hex(looks[name].color)
    assert lower.get_xlabel() == "sputter dose ($10^{15}$ ions/cm$^2$)"
    figure.draw_without_rendering()


def test_compounds_of_one_colour_have_other_lines(make_profile):
    names = [f"compound {i:02d}" for i in range(10)]
    upper = depth_figure(make_profile(names), NONE, "simulated").axes[0]
    lines = [line for line in upper.get_lines() if not line.get_label().startswith("_")]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 10


def test_present_steps_are_marked(make_profile):
    frame = make_profile(["Li2O", "LiH"])
    lower = depth_figure(frame, NONE, "measured").axes[1]
    marks = [line for line in lower.get_lines() if line.get_marker() == "s"]
    for name, line in zip(["Li2O", "LiH"], marks, strict=True):
        own = frame[(frame["compound"] == name) & frame["present"]].sort_values("step")
        assert np.allclose(line.get_xdata(), own["dose"] / 1e15)


def test_only_simulated_data_are_called_so(make_profile):
    frame = make_profile(["LiH"])
    drawn = {s: depth_figure(frame, NONE, s).axes[0].get_title() for s in ("simulated", "measured")}
    assert drawn == {"simulated": r"foil \$1, simulated", "measured": r"foil \$1"}


def test_time_is_in_seconds(make_profile):
    axes = depth_figure(make_profile(["LiH"], top=150, unit="s"), NONE, "measured").axes
    assert axes[1].get_xlabel() == "sputter time (s)"
    assert axes[0].get_lines()[0].get_xdata()[-1] == 150


def test_doubtful_steps_are_marked(make_profile):
    table = flags(("surface", 1, 2), ("jump", 4, 4), ("unknown", 5, 6), ("tail", 2, 5))
    figure = depth_figure(make_profile(["LiH", "Li2O"]), table, "simulated")
    assert texts(figure) == ["not settled", "step 4: counts jump", "unlike the references"]
    for axes in figure.axes:
        spans = [(p.get_x(), p.get_x() + p.get_width()) for p in axes.patches]
        assert np.allclose(spans, [(2, 5), (9, 12)])  # half-way to the next step
    figure.draw_without_rendering()


def test_flags_of_other_samples_are_left_out(make_profile):
    table = flags(("jump", 4, 4)).assign(sample="another")
    assert texts(depth_figure(make_profile(["LiH"]), table, "simulated")) == []


def test_a_figure_has_one_sample(make_profile):
    frame = make_profile(["LiH"])
    two = pd.concat([frame, frame.assign(sample="another")])
    for wrong in (two, frame.iloc[:0]):
        with pytest.raises(DataError, match="one sample"):
            depth_figure(wrong, NONE, "simulated")


def test_the_same_bytes_each_time(make_profile, tmp_path):
    frame, table = make_profile(["LiH", "Li2O"]), flags(("jump", 3, 3))
    files = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        files.append(save(depth_figure(frame, table, "simulated"), folder, "depth"))
    assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]
