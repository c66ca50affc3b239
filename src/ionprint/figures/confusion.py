"""Which compounds are taken for which: the predictions of spectra that were left out."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ionprint.errors import DataError
from ionprint.figures.formula import typeset
from ionprint.figures.style import EDGE, ink, new_figure, styled

COLORS = "Blues"  # one hue, dark for a large share: seen alike by the colour-blind
_NAME = 18  # letters of a compound's name in a line


@styled
def confusion_figure(confusion: pd.DataFrame, folds: str, source: str) -> Figure:
    """Draw the table of true against predicted compounds, with counts and shares of the row.

    Parameters
    ----------
    confusion : pandas.DataFrame
        Column compound, the true one, and a column of counts for each predicted one, in the same
        order.
    folds : str
        Name of the folds that the predictions come from.
    source : {"simulated", "measured"}
        Where the spectra come from.

    Returns
    -------
    matplotlib.figure.Figure
        A cell holds its count and, below, its share of the row, which is also its colour; the
        diagonal is framed.

    Raises
    ------
    DataError
        The table is empty, or its rows are not its columns.
    """
    names = confusion["compound"].tolist()
    columns = [c for c in confusion.columns if c != "compound"]
    if not names or names != columns:
        raise DataError(f"true compounds {names} and predicted ones {columns} are no square table.")
    counts = confusion[columns].to_numpy(dtype=int)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    labels = [textwrap.fill(typeset(name), _NAME) for name in names]
    longest = max(len(line) for label in labels for line in label.splitlines())
    turned = longest > 7
    side = 0.62 * len(names)
    width = max(side + 1.5 + 0.075 * longest, 4.6)
    figure = new_figure(width, side + 1.6 + (0.06 * longest if turned else 0.0), source)
    figure.suptitle(f"Predictions out of fold\n({folds} folds)")
    axes = figure.add_subplot()
    axes.pcolormesh(shares, cmap=COLORS, vmin=0.0, vmax=1.0, edgecolors="white", linewidth=1.0)
    shades = colormaps[COLORS]
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{count}\n{share:.0%}".replace("%", " %") if count else "0",
            ha="center",
            va="center",
            fontsize=8.5,
            color=ink(to_hex(shades(share))),
            alpha=1.0 if count else 0.55,
        )
    for place in range(len(names)):
        axes.plot(
            place + np.array([0, 1, 1, 0, 0]),
            place + np.array([0, 0, 1, 1, 0]),
            color=EDGE,
            linewidth=1.0,
            clip_on=False,
        )
    axes.set_aspect("equal")
    axes.invert_yaxis()
    middles = np.arange(len(names)) + 0.5
    right = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    axes.set_xticks(middles, labels, **right)
    axes.set_yticks(
        middles,
        [f"{label}\nn = {total}" for label, total in zip(labels, totals[:, 0], strict=True)],
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted compound")
    axes.set_ylabel("true compound")
    return figure
