import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from ionprint.errors import DataError
from ionprint.figures.ranks import BEYOND, DIRECTIONS, direction, ranks_figure
from ionprint.models.comparison import COLUMNS

FIRST = 4
RANKS = [(1, 2), (2, 1), (3, 3), (4, None), (9, 4)]


@pytest.fixture
def make_ranks():
    def made(names):
        rows = [
            (name, "" if a == 2 else "LiH2", 10.5, 10.5, a, b, 0, False)
            for name in names
            for a, b in RANKS
        ]
        frame = pd.DataFrame(rows, columns=COLUMNS)
        return frame.astype({"rank_a": "Int64", "rank_b": "Int64"})

    return made


def drawn(axes, kind):
    """Return the lines of one direction as pairs of ranks."""
    style = list(DIRECTIONS).index(kind)
    lines = [c for c in axes.collections if isinstance(c, LineCollection)][style]
    return [tuple(segment[:, 1]) for segment in lines.get_segments()]


def test_lines_go_from_rank_to_rank_and_to_the_edge(make_ranks):
    figure = ranks_figure(make_ranks(["LiH"]), FIRST, ("one", "two"), ["simulated"])
    (axes,) = figure.axes
    edge = FIRST + BEYOND
    assert drawn(axes, "up") == [(2, 1), (edge, 4)]
    assert drawn(axes, "down") == [(1, 2), (4, edge)]
    assert drawn(axes, "same") == [(3, 3)]
    left, right = ([t for t in axes.texts if t.get_ha() == side] for side in ("right", "left"))
    labels = {
        "a": ["LiH₂⁻  1", "10.5000  2", "LiH₂⁻  3", "LiH₂⁻  4", "beyond 4"],
        "b": ["2  LiH₂⁻", "1  10.5000", "3  LiH₂⁻", "4  LiH₂⁻", "beyond 4"],
    }
    assert [t.get_text() for t in left] == labels["a"]
    assert [t.get_position()[1] for t in left] == [1, 2, 3, 4, edge]
    assert [t.get_text() for t in right] == labels["b"]
    assert axes.yaxis_inverted()


def test_a_panel_a_compound_with_what_is_shared(make_ranks, compounds):
    table = make_ranks(compounds)
    table["both_first"] = table["rank_a"].le(FIRST) & table["rank_b"].le(FIRST).fillna(False)
    figure = ranks_figure(table, FIRST, ("one $", "b" * 90), ["measured", "simulated"])
    assert len(figure.axes) == len(compounds)
    assert figure.axes[0].get_title() == "Li₂CO₃: 3 of 4 shared"
    assert "A: one" in figure.get_suptitle()
    assert figure.get_supxlabel() == "Simulated data"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()


def test_directions_differ_in_colour_and_style():
    looks = list(DIRECTIONS.values())
    assert len({color for _, color, _ in looks}) == len({str(s) for *_, s in looks}) == 3
    assert direction(3, 1) == direction(pd.NA, 20) == "up"
    assert direction(1, np.nan) == "down"


def test_no_ranks_are_an_error(make_ranks):
    with pytest.raises(DataError, match="no ranks"):
        ranks_figure(make_ranks([]), FIRST, ("a", "b"), ["measured"])
