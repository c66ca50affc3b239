from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PolyCollection

from ionprint.errors import DataError
from ionprint.figures.circles import circles_figure


@pytest.fixture
def make_circles():
    def made(names, ions=5):
        rows = [
            (c, 100.1234 + i, "[6Li]Li2O3H" if i % 3 else "") for c in names for i in range(ions)
        ]
        told = pd.DataFrame(rows, columns=["compound", "mz", "ion"])
        values = np.random.default_rng(0).uniform(0.2, 1.0, (len(names), len(rows)))
        return told, pd.DataFrame(values, index=names)

    return made


def some_samples(number, columns):
    names = [f"anode with a rather long name {i} $" for i in range(number)]
    return pd.DataFrame(np.full((number, columns), 0.5), index=names)


def test_a_row_a_compound_and_areas_as_wide_as_the_intensities(make_circles):
    names = ["Li2O", "LiH"]
    ions, references = make_circles(names, 4)
    figure = circles_figure(ions, references, "simulated")
    assert len(figure.axes) == 2
    own, others = (c for c in figure.axes[1].collections if isinstance(c, PolyCollection))
    radii = np.hypot(*own.get_paths()[0].vertices[:4].T)
    assert radii == pytest.approx(references.loc["LiH"].to_numpy()[4:])
    radii = np.hypot(*others.get_paths()[0].vertices[:4].T)
    assert radii == pytest.approx(references.loc["Li2O"].to_numpy()[4:])
    # the first ion on top, the others clockwise
    assert own.get_paths()[0].vertices[0][0] == pytest.approx(0.0, abs=1e-12)
    assert own.get_paths()[0].vertices[1][0] > 0
    figure.draw_without_rendering()


def test_samples_share_circles_by_four(make_circles):
    ions, references = make_circles(["Li2O", "LiH"])
    samples = {"anodes": some_samples(5, 10), "mixtures": some_samples(1, 10)}
    figure = circles_figure(ions, references, "measured", samples)
    assert len(figure.axes) == 2 * 4
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles == ["references", "anodes", "anodes", "mixtures"]
    lines = [
        max(len(c.get_paths()) for c in axes.collections if c.get_zorder() == 4)
        for axes in figure.axes[1:4]
    ]
    assert lines == [4, 1, 1]
    assert len(figure.axes[5].get_legend().get_texts()) == 4
    closed = next(c for c in figure.axes[1].collections if c.get_zorder() == 4)
    assert isinstance(closed, LineCollection)
    assert np.hypot(*closed.get_segments()[0].T) == pytest.approx(np.full(6, 0.5))


@pytest.mark.parametrize("number", [1, 2, 3, 5, 8, 12])
def test_labels_touch_neither_each_other_nor_the_circle(make_circles, number):
    ions, references = make_circles(["Li2O", "LiH"], number)
    samples = {"anodes": some_samples(1, 2 * number)}
    figure = circles_figure(ions, references, "simulated", samples)
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    boxes = []
    for axes in figure.axes:
        labels = [t for t in axes.texts if t.get_text()[-5:-4] == "."]
        assert len(labels) == number
        middle = axes.transData.transform((0.0, 0.0))
        radius = axes.transData.transform((1.0, 0.0))[0] - middle[0]
        for label in labels:
            box = label.get_window_extent(renderer)
            nearest = np.clip(middle, (box.x0, box.y0), (box.x1, box.y1))
            assert np.hypot(*(nearest - middle)) > radius
            boxes.append(box)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_many_compounds_stand_in_two_blocks(make_circles, compounds):
    ions, references = make_circles(compounds)
    figure = circles_figure(ions, references, "simulated", None, compounds)
    rows = -(-len(compounds) // 2) if len(compounds) > 6 else len(compounds)
    assert figure.axes[0].get_subplotspec().get_gridspec().nrows == rows
    figure.draw_without_rendering()


def test_no_ions_are_an_error(make_circles):
    ions, references = make_circles(["LiH"])
    with pytest.raises(DataError, match="no ions"):
        circles_figure(ions.head(0), references, "simulated")
