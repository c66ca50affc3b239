import pandas as pd
import pytest

from ionprint.errors import DataError
from ionprint.figures.confusion import confusion_figure


def confusion(names, wrong=0):
    table = pd.DataFrame(0, index=names, columns=names)
    for name in names:
        table.loc[name, name] = 8 - wrong
        table.loc[name, names[0]] += wrong
    return table.rename_axis("compound").reset_index()


def test_cells_hold_counts_and_shares_of_the_row(compounds):
    figure = confusion_figure(confusion(compounds), "grouped", "simulated")
    axes = figure.axes[0]
    cells = [text.get_text() for text in axes.texts]
    assert len(cells) == len(compounds) ** 2
    assert cells.count("8\n100 %") == len(compounds)
    assert cells.count("0") == len(compounds) * (len(compounds) - 1)
    assert "grouped folds" in figure.get_suptitle()
    figure.draw_without_rendering()


def test_rows_are_the_true_compounds(compounds):
    axes = confusion_figure(confusion(["LiH", "Li2O"], wrong=2), "plain", "measured").axes[0]
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells[0.5, 1.5] == "2\n25 %"  # Li2O taken for LiH
    assert cells[1.5, 0.5] == "0"
    assert [t.get_text() for t in axes.get_yticklabels()] == ["LiH\nn = 8", "Li₂O\nn = 8"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["LiH", "Li₂O"]
    assert axes.yaxis_inverted()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted compound", "true compound")


def test_long_names_do_not_overlap():
    names = [f"NMC 811 aged, cycle {i}00 in a full cell" for i in range(4)]
    figure = confusion_figure(confusion(names), "grouped", "measured")
    figure.draw_without_rendering()
    assert {label.get_rotation() for label in figure.axes[0].get_xticklabels()} == {40.0}


def test_no_square_table_is_an_error():
    with pytest.raises(DataError, match="no square table"):
        confusion_figure(confusion(["LiH", "Li2O"]).head(1), "grouped", "measured")
