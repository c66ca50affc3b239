"""What the classifier reads in mixtures and anodes, beside what was expected."""

import textwrap
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ionprint.errors import DataError
from ionprint.figures.formula import mixture_text, typeset
from ionprint.figures.style import EDGE, Look, compound_looks, ink, new_figure, styled

PREFIX = "p_"
_WRITTEN = 0.07  # a smaller probability has no room for its number in the bar


@styled
def samples_figure(
    samples: pd.DataFrame, source: str, compounds: Iterable[str] | None = None
) -> Figure:
    """Draw the mean probabilities of every mixture and anode as one stacked bar each.

    Parameters
    ----------
    samples : pandas.DataFrame
        Columns sample, role, expected (`Li2CO3+LiOH` or ""), spectra, and p_<compound> for every
        compound of the model. Rows whose role is reference are left out.
    source : {"simulated", "measured"}
        Where the spectra come from.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those in `samples` when left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        There is no mixture and no anode.
    """
    rows = samples[samples["role"] != "reference"].reset_index(drop=True)
    if rows.empty:
        raise DataError("there is no mixture and no anode to draw.")
    names = sorted(c.removeprefix(PREFIX) for c in rows.columns if c.startswith(PREFIX))
    looks = compound_looks([*names, *(compounds or [])])
    legend_columns = min(len(names), 6)
    legend_rows = -(-len(names) // legend_columns)
    figure = new_figure(10.0, 1.7 + 0.5 * len(rows) + 0.25 * legend_rows, source)
    axes = figure.add_subplot()
    _bars(axes, rows, {name: looks[name] for name in names})
    _columns(axes, rows)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=legend_columns, frameon=False)
    return figure


def _bars(axes: Axes, rows: pd.DataFrame, looks: dict[str, Look]) -> None:
    """Stack the bars, the first sample on top, and write the larger numbers into them."""
    places = np.arange(len(rows))
    left = np.zeros(len(rows))
    for name, look in looks.items():
        widths = rows[PREFIX + name].astype(float).fillna(0.0).to_numpy()
        axes.barh(
            places,
            widths,
            left=left,
            height=0.66,
            color=look.color,
            hatch=look.hatch,
            edgecolor="white",
            linewidth=0.8,
            label=typeset(name),
        )
        for place, start, width in zip(places, left, widths, strict=True):
            if width >= _WRITTEN:
                patch = {"facecolor": look.color, "edgecolor": "none", "pad": 1.5}
                axes.text(
                    start + width / 2,
                    place,
                    f"{width:.2f}",
                    ha="center",
                    va="center",
                    color=ink(look.color),
                    bbox=patch if look.hatch else None,
                )
        left = left + widths


def _columns(axes: Axes, rows: pd.DataFrame) -> None:
    """Write the sample and its role on the left, and what was expected on the right."""
    places = np.arange(len(rows))
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("probability (of the classifier; qualitative)")
    axes.set_yticks(places, [_sample_label(row) for row in rows.itertuples()])
    for title, end, offset, side in (("sample", 0, -6, "right"), ("expected", 1, 6, "left")):
        axes.annotate(
            title,
            xy=(end, 1.0),
            xycoords="axes fraction",
            xytext=(offset, 2),
            textcoords="offset points",
            ha=side,
            color=EDGE,
            style="italic",
        )
    expected = [mixture_text(text, typeset) or "not stated" for text in rows["expected"]]
    right = axes.secondary_yaxis("right")
    right.set_yticks(places, expected)
    for one in (axes, right):
        one.tick_params(axis="y", length=0, pad=6)
        one.spines[:].set_visible(False)
    axes.spines["bottom"].set_visible(True)


def _sample_label(row: tuple) -> str:
    """Return a sample's name, its role and its number of spectra, in two or more short lines."""
    name = textwrap.fill(str(row.sample).replace("$", r"\$"), 30)
    unit = "spectrum" if int(row.spectra) == 1 else "spectra"
    return f"{name}\n{row.role}, {int(row.spectra)} {unit}"
