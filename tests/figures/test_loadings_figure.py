import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from ionprint.errors import DataError
from ionprint.figures.loadings import loadings_figure
from ionprint.figures.style import compound_looks


@pytest.fixture
def make_loadings():
    def made(names, components=3, rows=8):
        return pd.DataFrame(
            [
                {
                    "component": component,
                    "share": 0.5 / component,
                    "mz": 10.0 + row,
                    "ion": "LiH2" if row % 2 else "",
                    "loading": (-1) ** row * (0.2 - 0.01 * row),
                    "strongest": names[row % len(names)],
                    **{f"w_{name}": row - 4.0 + i for i, name in enumerate(names)},
                }
                for component in range(1, components + 1)
                for row in range(rows)
            ]
        )

    return made


def test_bars_are_the_loadings_in_the_colour_of_a_compound(make_loadings, compounds):
    table = make_loadings(compounds)
    figure = loadings_figure(table, "simulated", compounds)
    bars = figure.axes[::2][:3]
    looks = compound_looks(compounds)
    for number, axes in enumerate(bars, start=1):
        own = table[table["component"] == number]
        assert [bar.get_width() for bar in axes.patches] == own["loading"].tolist()
        colours = [to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
        assert colours == [looks[name].color for name in own["strongest"]]
        assert axes.yaxis_inverted()
    assert bars[0].get_title() == "PC1 (50.0 %)"
    labels = [label.get_text() for label in bars[0].get_yticklabels()]
    assert labels[:2] == ["10.0000", "LiH₂⁻  11.0000"]
    figure.draw_without_rendering()


def test_weights_stand_beside_the_bars(make_loadings):
    table = make_loadings(["LiH", "Li2O"], components=1)
    figure = loadings_figure(table, "measured")
    image = figure.axes[1].images[0]
    assert np.array_equal(image.get_array(), table[["w_Li2O", "w_LiH"]].to_numpy())
    assert image.get_clim() == (-4.0, 4.0)
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["Li₂O", "LiH"]


def test_no_loadings_are_an_error(make_loadings):
    with pytest.raises(DataError, match="no loadings"):
        loadings_figure(make_loadings(["LiH"]).head(0), "simulated")
