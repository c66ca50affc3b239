"""The runs of a sweep as a table in colour: the score of every combination of two choices."""

import itertools
import textwrap

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ionprint.config import MINIMISED
from ionprint.errors import DataError
from ionprint.figures.style import PALETTE, ink, new_figure, styled

METRICS = {"accuracy": ("accuracy", 3), "log_loss": ("log loss", 4)}
COLORS = "Blues"
SHADES = (0.06, 0.68)
"""Of the colours, for the worst and the best: so that every number can be read."""
CELL = (0.78, 0.42)  # inches
_NAME = 20  # letters of a value in a line
_LETTER = 0.075  # inches
_BETWEEN = 0.35  # inches


@styled
def heatmap_figure(board: pd.DataFrame, choices: dict[str, list[str]], source: str) -> Figure:
    """Draw accuracy and log loss of every run of a sweep, a cell a combination.

    Parameters
    ----------
    board : pandas.DataFrame
        The leaderboard, best run first: a column for each varied choice, accuracy, log_loss.
    choices : dict of str to list of str
        The varied choices and their values, in the order to draw: rows, columns, others. One alone
        makes a single row; of three or more each cell is the best run over the others.
    source : {"simulated", "measured"}
        Where the spectra come from.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a metric, darker where better, the best run framed; a combination that has no run
        stays white.

    Raises
    ------
    DataError
        There is no run, or no choice was varied.
    """
    if board.empty or not choices:
        raise DataError("the sweep has no finished runs to draw.")
    keys = list(choices)
    rows, columns = (keys[0], keys[1]) if len(keys) > 1 else (None, keys[0])
    across = choices[columns]
    down = choices[rows] if rows else [""]
    width, height = len(across) * CELL[0], len(down) * CELL[1]
    stacked = width > 5.0
    names, sides = [[_wrapped(value) for value in values] for values in (across, down)]
    longest = _longest(names)
    turned = longest * _LETTER > CELL[0]
    below = 0.55 + (0.7 * longest * _LETTER if turned else 0.0)
    left = 0.5 + _LETTER * _longest(sides)
    panels = (2, 1) if stacked else (1, 2)
    title = _title(keys, rows, columns)
    figure = new_figure(
        max(left + panels[1] * (width + _BETWEEN), 5.2),
        panels[0] * (height + 0.3) + below + (0.9 if "\n" in title else 0.7) + 0.35,
        source,
    )
    figure.suptitle(title)
    grid = figure.subplots(*panels, sharex=True, sharey=True)
    for axes, (metric, (name, digits)) in zip(grid, METRICS.items(), strict=True):
        _panel(axes, _cells(board, metric, rows, columns, down, across), metric, digits)
        axes.set_title(name, fontsize=9)
        best = board.iloc[0]
        place = (across.index(str(best[columns])), down.index(str(best[rows])) if rows else 0)
        axes.add_patch(
            Rectangle(place, 1, 1, fill=False, edgecolor=PALETTE[5], linewidth=2.0, clip_on=False)
        )
    grid[0].set_xticks(np.arange(len(across)) + 0.5, names)
    grid[0].set_yticks(np.arange(len(down)) + 0.5, sides)
    grid[0].set_ylim(len(down), 0)
    for axes in grid:
        axes.tick_params(length=0)
        for label in axes.get_xticklabels() if turned else ():
            label.set(rotation=40, ha="right", rotation_mode="anchor")
    for axes in grid[1:] if stacked else grid:
        axes.set_xlabel(_short(columns))
    for axes in (grid if stacked else grid[:1]) if rows else ():
        axes.set_ylabel(_short(rows))
    return figure


def _panel(axes: Axes, cells: np.ndarray, metric: str, digits: int) -> None:
    """Colour the cells of one metric and write their values."""
    shades = _shades(cells, metric)
    masked = np.ma.masked_invalid(shades)
    axes.pcolormesh(masked, cmap=COLORS, vmin=0.0, vmax=1.0, edgecolors="white", linewidth=1.0)
    colors = colormaps[COLORS]
    for (row, column), value in np.ndenumerate(cells):
        known = np.isfinite(value)
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{value:.{digits}f}" if known else "no run",
            ha="center",
            va="center",
            color=ink(to_hex(colors(shades[row, column]))) if known else "#777777",
        )
    axes.spines[:].set_visible(False)


def _cells(
    board: pd.DataFrame,
    metric: str,
    rows: str | None,
    columns: str,
    down: list[str],
    across: list[str],
) -> np.ndarray:
    """Return the metric of the best run of each cell, NaN where there is none."""
    texts = board.astype({key: str for key in (rows, columns) if key})
    by = [key for key in (rows, columns) if key]
    first = texts.drop_duplicates(by).set_index(by)[metric]
    wanted = itertools.product(down, across) if rows else across
    return first.reindex(list(wanted)).to_numpy(dtype=float).reshape(len(down), len(across))


def _shades(cells: np.ndarray, metric: str) -> np.ndarray:
    """Return how dark each cell is, from 0 to 1: dark is good, whichever way the metric goes."""
    values = np.log(np.maximum(cells, 1e-6)) if metric in MINIMISED else cells
    low, high = np.nanmin(values), np.nanmax(values)
    share = (values - low) / (high - low) if high > low else np.where(np.isnan(values), values, 1.0)
    if metric in MINIMISED and high > low:
        share = 1.0 - share
    return SHADES[0] + (SHADES[1] - SHADES[0]) * share


def _title(keys: list[str], rows: str | None, columns: str) -> str:
    """Say what is drawn, and over which choices the best was taken."""
    title = "Sweep: darker is better, the best run is framed"
    others = [_short(key) for key in keys if key not in (rows, columns)]
    return f"{title}\nbest over {', '.join(others)}" if others else title


def _short(key: str) -> str:
    """Return the name of a choice, of a long one the last two parts."""
    return ".".join(key.split(".")[-2:]).replace("$", r"\$")


def _longest(names: list[str]) -> int:
    return max((len(line) for name in names for line in name.splitlines()), default=0)


def _wrapped(value: str) -> str:
    return "\n".join(textwrap.wrap(str(value).replace("$", r"\$"), _NAME)[:2])
