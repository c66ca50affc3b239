from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from ionprint.errors import DataError
from ionprint.figures.composition import PITCH, composition_figure
from ionprint.figures.style import compound_looks
from ionprint.stages.drawings import LeftOut
from ionprint.stages.drawings.composition import PAGE, composition

from .conftest import TWELVE


@pytest.fixture
def make_readings():
    def made(names, rows=3):
        """Samples of which the second is outside, and the last holds nothing that is present."""
        table = pd.DataFrame(
            {
                "sample": [f"mix ${i}" for i in range(rows)],
                "role": "mixture",
                "expected": ["+".join(names)] + [""] * (rows - 1),
                "spectra": 12,
                "outside": [float(i == 1) for i in range(rows)],
                "unexplained": ["59.985 CO3-, 44.998" if i == 1 else "" for i in range(rows)],
            }
        )
        for place, name in enumerate(names):
            share = np.full(rows, (place + 1) / (1 + sum(range(len(names) + 1))))
            table[f"fraction_{name}"] = share
            table[f"fraction_{name}_low"] = share / 2
            table[f"fraction_{name}_high"] = (1 + share) / 2
            table[f"present_{name}"] = [1.0, 0.75] + [0.0] * (rows - 2)
            table[f"proof_{name}"] = ["strong", "noise"] + [""] * (rows - 2)
        return table

    return made


def dots(figure):
    """Return the points that are drawn, with the colour they are filled with."""
    return [
        (x, y, to_rgba(line.get_markerfacecolor()))
        for line in figure.axes[0].lines
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_dots_are_the_fractions_each_compound_in_its_column(make_readings, compounds):
    table = make_readings(compounds)
    figure = composition_figure(table, "simulated")
    looks, drawn = compound_looks(compounds), dots(figure)
    assert len(drawn) == 3 * len(compounds)
    for column, name in enumerate(sorted(compounds)):
        own = [d for d in drawn if column * PITCH - 0.1 < d[0] < column * PITCH + 1.1]
        own.sort(key=lambda dot: dot[1])
        assert [x - column * PITCH for x, _, _ in own] == pytest.approx(table[f"fraction_{name}"])
        full, empty = to_rgba(looks[name].color), to_rgba("white")
        assert [fill for *_, fill in own] == [full, full, empty]
    figure.draw_without_rendering()


def test_lines_are_the_intervals(make_readings):
    table = make_readings(["LiH", "LiOH"])
    figure = composition_figure(table, "simulated")
    lines = [c for c in figure.axes[0].collections if c.get_linewidth()[0] == 2.6]
    for column, (name, line) in enumerate(zip(["LiH", "LiOH"], lines, strict=True)):
        ends = np.array([s[:, 0] for s in line.get_segments()]) - column * PITCH
        assert ends[:, 0] == pytest.approx(table[f"fraction_{name}_low"])
        assert ends[:, 1] == pytest.approx(table[f"fraction_{name}_high"])


def test_verdict_alarm_and_expectation_are_written(make_readings):
    table = make_readings(["LiH", "LiOH"])
    figure = composition_figure(table, "simulated")
    said = texts(figure)
    assert "0.25 strong" in said and "0.25 noise 9/12" in said and "0.25" in said
    alarm = [text.replace("\n", " ") for text in said if "OUTSIDE" in text]
    assert alarm == ["OUTSIDE what the references explain: CO₃⁻\xa059.985, m/z\xa044.998"]
    right = [label.get_text() for label in figure.axes[0].child_axes[0].get_yticklabels()]
    assert right == ["LiH + LiOH", "not stated", "not stated"]
    left = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert left[0] == "mix \\$0\nmixture, 12 spectra"
    table["outside"] = [0.0, 0.25, 0.0]
    told = texts(composition_figure(table, "simulated"))
    assert "in 3 of 12 spectra" in "".join(told).replace("\n", " ")


def test_no_texts_overlap_or_leave_the_figure(make_readings):
    table = make_readings(TWELVE, rows=4)
    table["sample"] = "a foil that was stored in the glovebox for three weeks and then some"
    figure = composition_figure(table, "measured")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_no_samples_are_refused(make_readings):
    with pytest.raises(DataError, match="no mixture"):
        composition_figure(make_readings(["LiH"]).head(0), "simulated")


def test_many_samples_have_pages(make_readings):
    table = make_readings(["LiH", "LiOH"], rows=PAGE + 1)
    results = SimpleNamespace(samples=table, source="simulated", compounds=["LiH", "LiOH"])
    first, second = composition(results, None)
    assert (first.name, second.name) == ("composition", "composition_2")
    assert len(second.figure.axes[0].get_yticklabels()) == 1
    assert f"{PAGE} of {PAGE + 1} mixtures" in first.says


def test_what_was_not_read_is_left_out(make_samples):
    with pytest.raises(LeftOut, match="classifier alone"):
        next(composition(SimpleNamespace(samples=make_samples(["LiH"])), None))
    with pytest.raises(LeftOut, match="no mixture"):
        next(composition(SimpleNamespace(samples=make_samples(["LiH"]).head(0)), None))
