"""The ions that speak most for each compound, with their weights."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ionprint.errors import DataError
from ionprint.figures.formula import mathtext
from ionprint.figures.style import EDGE, Look, compound_looks, new_figure, styled

SHOWN = 10  # ions a compound


@styled
def ranking_figure(
    ions: pd.DataFrame, source: str, compounds: Iterable[str] | None = None
) -> Figure:
    """Draw the first ten ions of every compound, one panel a compound.

    Parameters
    ----------
    ions : pandas.DataFrame
        Columns compound, rank (from 1), mz (u), ion (formula or ""), weight, weight_sd.
    source : {"simulated", "measured"}
        Where the spectra come from.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those in `ions` when left out.

    Returns
    -------
    matplotlib.figure.Figure
        The panels share one weight axis, so that their bars can be compared.

    Raises
    ------
    DataError
        `ions` has no rows.
    """
    if ions.empty:
        raise DataError("the ion ranking has no rows: there is nothing to draw.")
    names = sorted(set(ions["compound"]))
    looks = compound_looks([*names, *(compounds or [])])
    columns = min(len(names), 3 if len(names) != 4 else 2)
    rows = -(-len(names) // columns)
    figure = new_figure(max(3.7 * columns, 5.0), 3.2 * rows + 0.6, source)
    figure.suptitle("Characteristic ions")
    shown = {name: _first(ions, name) for name in names}
    limits = _limits(pd.concat(shown.values()))
    for i, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, i + 1)
        _panel(axes, shown[name], looks[name])
        axes.set_title(mathtext(name))
        axes.set_xlim(limits)
        if i + columns >= len(names):
            axes.set_xlabel("weight (mean over folds)")
    return figure


def ion_label(ion: str, mz: float) -> str:
    """Write an ion and its m/z, `LiH2- 9.0322`, as mathtext; the m/z alone for an unknown ion."""
    known = isinstance(ion, str) and ion.strip()
    return f"{mathtext(ion, charge='-')}  {mz:.4f}" if known else f"{mz:.4f}"


def _first(ions: pd.DataFrame, name: str) -> pd.DataFrame:
    """Select the first ions of one compound."""
    own = ions[ions["compound"] == name].sort_values("rank", kind="stable").head(SHOWN)
    return own.astype({"weight": float, "weight_sd": float})


def _limits(shown: pd.DataFrame) -> tuple[float, float]:
    """Return the weight axis' ends: zero and every error bar within, with a little room."""
    spread = shown["weight_sd"].fillna(0.0)
    low = min(0.0, float((shown["weight"] - spread).min()))
    high = max(0.0, float((shown["weight"] + spread).max()))
    room = 0.04 * (high - low) or 1.0
    return (low - room if low < 0 else 0.0), high + room


def _panel(axes: Axes, own: pd.DataFrame, look: Look) -> None:
    """Draw the bars of one compound, the first rank on top."""
    places = np.arange(len(own))
    dark = look.color == "#000000"
    axes.barh(
        places,
        own["weight"].to_numpy(),
        xerr=own["weight_sd"].to_numpy(),
        height=0.72,
        color=look.color,
        hatch=look.hatch,
        edgecolor="white" if look.hatch and dark else EDGE,
        linewidth=0.6,
        error_kw={"ecolor": "#999999" if dark else EDGE, "elinewidth": 1.0, "capsize": 2.5},
    )
    labels = [ion_label(ion, mz) for ion, mz in zip(own["ion"], own["mz"], strict=True)]
    axes.set_yticks(places, labels)
    axes.set_ylim(max(len(own), SHOWN // 2) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0.0, color=EDGE, linewidth=0.8)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.locator_params(axis="x", nbins=5)
