"""Two ion rankings beside each other: a line from each ion's rank in one to that in the other."""

import textwrap
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ionprint.errors import DataError
from ionprint.figures.formula import typeset
from ionprint.figures.style import EDGE, PALETTE, new_figure, styled
from ionprint.models.comparison import agreement

DIRECTIONS = {
    "up": ("higher in B", PALETTE[4], "-"),
    "down": ("lower in B", PALETTE[5], (0, (4, 1.5))),
    "same": ("the same rank", "#8A8A8A", (0, (1, 1.2))),
}
"""What is said of a line, its colour and its style."""
BEYOND = 1.6
"""Rows below the last of the first ranks where lines to later ranks end."""
_ROW = 0.19  # inches
_WRAP = 60  # letters a line of the title


@styled
def ranks_figure(
    table: pd.DataFrame, first: int, names: tuple[str, str], source: Iterable[str]
) -> Figure:
    """Draw the ranks of each compound's first ions in two runs, joined by lines.

    Parameters
    ----------
    table : pandas.DataFrame
        From `compare_rankings`: compound, ion (formula or ""), mz_a, mz_b (u), rank_a, rank_b,
        both_first.
    first : int
        Ions of a compound that count as its first ones; later ranks are at the lower edge.
    names : tuple of str
        The runs: A stands at the left, B at the right.
    source : iterable of {"simulated", "measured"}
        Where the spectra of the runs come from; simulated ones are told where either is.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a compound. Lines differ in colour and style by the direction of the change.

    Raises
    ------
    DataError
        There are no ranks.
    """
    if table.empty:
        raise DataError("there are no ranks to draw.")
    compounds = sorted(set(table["compound"]))
    agreed = agreement(table, first).set_index("compound")
    columns = min(len(compounds), 3 if len(compounds) != 4 else 2)
    rows = -(-len(compounds) // columns)
    unnamed = " (m/z in u where there is no formula)" if (table["ion"] == "").any() else ""
    title = f"Ranks of the ions in two runs{unnamed}"
    for side, name in zip("AB", names, strict=True):
        title += "\n" + textwrap.fill(f"{side}: {name}", _WRAP if columns > 1 else 44)
    title = title.replace("$", r"\$")
    lines = 1 + title.count("\n")
    height = rows * (_ROW * (first + BEYOND + 1.5) + 0.55) + 0.2 * lines + 0.5
    origin = "simulated" if "simulated" in set(source) else "measured"
    figure = new_figure(max(3.6 * columns, 4.8), height, origin)
    figure.suptitle(title, fontsize=10)
    figure.get_layout_engine().set(w_pad=0.1)
    for i, compound in enumerate(compounds):
        axes = figure.add_subplot(rows, columns, i + 1)
        _panel(axes, table[table["compound"] == compound], first)
        told = agreed.loc[compound]
        axes.set_title(
            f"{typeset(compound)}: {told['shared']:.0f} of {told['first']:.0f} shared", pad=14
        )
    handles = [
        Line2D([], [], color=color, linestyle=style, linewidth=1.6, label=label)
        for label, color, style in DIRECTIONS.values()
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3 if columns > 1 else 2,
                  frameon=False)  # fmt: skip
    return figure


def direction(rank_a: float, rank_b: float) -> str:
    """Say whether a rank is up, down or the same in B; a missing one is behind all others."""
    before, after = (np.inf if pd.isna(rank) else float(rank) for rank in (rank_a, rank_b))
    return "same" if before == after else "up" if after < before else "down"


def _panel(axes: Axes, own: pd.DataFrame, first: int) -> None:
    """Draw the lines of one compound, with the ions' names at both sides."""
    edge = first + BEYOND
    ranks = [own[f"rank_{side}"].to_numpy(dtype=float, na_value=np.inf) for side in "ab"]
    kinds = [direction(a, b) for a, b in zip(*ranks, strict=True)]
    places = [np.where(rank <= first, rank, edge) for rank in ranks]
    segments = [[(0.0, a), (1.0, b)] for a, b in zip(*places, strict=True)]
    for kind, (_, color, style) in DIRECTIONS.items():
        chosen = [s for s, k in zip(segments, kinds, strict=True) if k == kind]
        axes.add_collection(
            LineCollection(chosen, colors=color, linestyles=[style], linewidths=1.4)
        )
    axes.set_ylim(edge + 0.4, 0.4)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    for x, side, rank in zip((0.0, 1.0), "ab", ranks, strict=True):
        inside = rank <= first
        if inside.any():
            axes.plot(np.full(inside.sum(), x), rank[inside], "o", ms=3.5, color=EDGE, zorder=3)
        masses = own[f"mz_{side}"].to_numpy(dtype=float)
        labels = {
            float(r): _label(ion, mz, int(r), side)
            for ion, mz, r in zip(own["ion"][inside], masses[inside], rank[inside], strict=True)
        }
        if not inside.all():
            labels[edge] = f"beyond {first}"
        for place, label in labels.items():  # quicker than ticks
            at, to = (x - 0.08, "right") if side == "a" else (x + 0.08, "left")
            axes.text(at, place, label, ha=to, va="center", fontsize=8)
    axes.axhline(first + BEYOND / 2, color="#BBBBBB", linewidth=0.6)
    axes.set_xlim(-0.04, 1.04)
    axes.set_xticks([0.0, 1.0], ["rank in A", "rank in B"])
    axes.tick_params(axis="x", length=0, top=False, labeltop=True, bottom=False, labelbottom=False,
                     pad=1)  # fmt: skip


def _label(ion: str, mz: float, rank: int, side: str) -> str:
    """Write an ion with its rank next to the line; its m/z where it has no name."""
    name = typeset(ion, charge="-") if isinstance(ion, str) and ion else f"{mz:.4f}"
    return f"{name}  {rank}" if side == "a" else f"{rank}  {name}"
