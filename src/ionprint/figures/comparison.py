"""Two compounds beside each other: how intense the characteristic ions of both are in both."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ionprint.errors import DataError
from ionprint.figures.formula import typeset
from ionprint.figures.ranking import ion_label
from ionprint.figures.style import EDGE, Look, compound_looks, new_figure, styled
from ionprint.models.evidence import ERRORS, TIMES

SHAPES = ("o", "s")
"""Markers of the first compound and the second: colours alone may be alike in print."""
_GREY = "#8a8a8a"


@styled
def comparison_figure(
    ions: pd.DataFrame,
    pair: tuple[str, str],
    source: str,
    spread: str = "spectra",
    compounds: Iterable[str] | None = None,
) -> Figure:
    """Draw the ions of two compounds as pairs of dots on a logarithmic axis.

    Parameters
    ----------
    ions : pandas.DataFrame
        of (the compound whose ion it is), mz (u), ion (formula or ""), satellites; mean_1, sd_1,
        mean_2, sd_2 (counts per 10^6) in the first and the second compound of the pair; others
        (highest mean of any other compound, NaN where there is none); own (the ion is at least
        twice as intense in its compound as in all others).
    pair : tuple of str
        The two compounds; the ions of the first stand above.
    source : {"simulated", "measured"}
        Where the spectra come from.
    spread : str, optional
        What the standard deviation is that of, in the plural.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those of the pair when left out.

    Returns
    -------
    matplotlib.figure.Figure
        An ion that is not found in a compound stands at the left edge, as an arrow.

    Raises
    ------
    DataError
        One of the two has no ions.
    """
    parts = [ions[ions["of"] == name].reset_index(drop=True) for name in pair]
    if any(part.empty for part in parts):
        raise DataError(f"there are no ions of {' or '.join(pair)} to compare.")
    looks = compound_looks([*pair, *(compounds or [])])
    rows = [len(part) for part in parts]
    figure = new_figure(8.0, 0.3 * sum(rows) + 2.2, source)
    panels = figure.subplots(2, 1, sharex=True, height_ratios=rows)
    low, high = _limits(ions)
    for axes, part, name in zip(panels, parts, pair, strict=True):
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        _pairs(axes, part, [looks[one] for one in pair], low)
        _texts(axes, part, pair, first=name == pair[0])
        own = int(part["own"].sum())
        axes.set_title(
            f"characteristic ions of {typeset(name)}: "
            + (f"{own} of {len(part)} its own" if own else "none of its own")
        )
    panels[1].set_xlabel(
        f"counts per 10⁶ counts (mean; bars: standard deviation of {spread})\n"
        f"own: at least {TIMES:g} times as intense as in every other compound, by {ERRORS:g} "
        f"standard errors"
    )
    handles = [
        _key(shape, typeset(name), color=looks[name].color, markeredgecolor=EDGE, markersize=7)
        for shape, name in zip(SHAPES, pair, strict=True)
    ]
    if ions["others"].notna().any():
        label = "highest of the other compounds"
        handles.append(_key("|", label, color=_GREY, markersize=13, markeredgewidth=2))
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    return figure


def _key(marker: str, label: str, **look) -> Line2D:
    """Make an entry of the legend."""
    return Line2D([], [], linestyle="none", marker=marker, label=label, **look)


def _limits(ions: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of the logarithmic axis: every mean above zero, with a little room."""
    means = ions[["mean_1", "mean_2", "others"]].to_numpy(dtype=float)
    above = ions[["mean_1", "mean_2"]].to_numpy() + ions[["sd_1", "sd_2"]].fillna(0.0).to_numpy()
    known = means[means > 0]
    if not known.size:
        return 0.1, 1.0
    high = max(float(np.nanmax(above)), float(known.max()))
    return float(known.min()) / 2.0, high * 1.6


def _pairs(axes: Axes, part: pd.DataFrame, looks: list[Look], low: float) -> None:
    """Draw the dots of both compounds, joined, the first ion on top."""
    places = np.arange(len(part))
    ends = part[["mean_1", "mean_2"]].to_numpy(dtype=float).clip(low)
    joined = [[(a, y), (b, y)] for y, (a, b) in zip(places, ends, strict=True)]
    axes.add_collection(LineCollection(joined, colors="#c4c4c4", linewidths=2.5, zorder=1))
    axes.scatter(
        part["others"].clip(low), places, marker="|", s=200, color=_GREY, linewidths=2, zorder=2
    )
    for number, (look, shape) in enumerate(zip(looks, SHAPES, strict=True), start=1):
        mean, spread = (
            part[f"mean_{number}"].to_numpy(),
            part[f"sd_{number}"].fillna(0.0).to_numpy(),
        )
        found = mean > 0
        below = np.minimum(spread, mean - low).clip(0.0)
        axes.errorbar(
            mean[found],
            places[found],
            xerr=(below[found], spread[found]),
            linestyle="none",
            marker=shape,
            markersize=7,
            color=look.color,
            markeredgecolor=EDGE,
            markeredgewidth=0.7,
            ecolor=EDGE,
            elinewidth=1.0,
            capsize=2.5,
            zorder=3,
        )
        axes.scatter(
            np.full((~found).sum(), low),
            places[~found],
            marker="<",
            s=50,
            color=look.color,
            edgecolors=EDGE,
            linewidths=0.7,
            clip_on=False,
            zorder=4,
        )
    axes.set_ylim(len(part) - 0.4, -0.6)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)


def _texts(axes: Axes, part: pd.DataFrame, pair: tuple[str, str], first: bool) -> None:
    """Write the ions on the left, and on the right how many times as intense they are here."""
    places = np.arange(len(part))
    told = zip(part["ion"], part["mz"], part["satellites"], strict=True)
    axes.set_yticks(places, [ion_label(ion, mz, more) for ion, mz, more in told])
    right = axes.secondary_yaxis("right")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = part["mean_1"].to_numpy() / part["mean_2"].to_numpy()
        ratios = ratios if first else 1 / ratios
    written = [_times(ratio) for ratio in ratios]
    right.set_yticks(
        places,
        [f"{text}  own" if own else text for text, own in zip(written, part["own"], strict=True)],
    )
    for one in (axes, right):
        one.tick_params(axis="y", length=0)
        one.spines[:].set_visible(False)
    axes.spines["bottom"].set_visible(True)
    named = part["ion"].astype(bool).any()
    ratio = " : ".join(typeset(name) for name in (pair if first else pair[::-1]))
    for text, end, side in (
        ("ion, m/z (u)" if named else "m/z (u)", 0, "right"),
        (ratio, 1, "left"),
    ):
        axes.annotate(
            text,
            xy=(end, 1.0),
            xycoords="axes fraction",
            xytext=(-4 if end == 0 else 4, 2),
            textcoords="offset points",
            ha=side,
            color=EDGE,
            style="italic",
        )


def _times(ratio: float) -> str:
    """Write a ratio to about two digits; nothing where neither compound has the ion."""
    if np.isnan(ratio):
        return ""
    if ratio > 999:
        return "> 999"
    return f"{ratio:.{0 if ratio >= 9.95 else 1 if ratio >= 0.995 else 2}f}"
