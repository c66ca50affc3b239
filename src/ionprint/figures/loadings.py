"""Loadings of principal components beside the model's weights of the same ions."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from ionprint.errors import DataError
from ionprint.figures.formula import typeset
from ionprint.figures.ranking import ion_label
from ionprint.figures.style import EDGE, Look, compound_looks, new_figure, styled

PREFIX = "w_"
MAP = "PuOr_r"  # two sides that the colour-blind tell apart, white between


@styled
def loadings_figure(
    loadings: pd.DataFrame, source: str, compounds: Iterable[str] | None = None
) -> Figure:
    """Draw the largest loadings of each component, and beside them what the ions weigh.

    Parameters
    ----------
    loadings : pandas.DataFrame
        A row a component and ion, the largest loading of each component first: component (from 1),
        share (of the variance), mz (u), ion (formula or ""), loading, strongest (the compound of
        the largest weight), w_<compound> for each compound.
    source : {"simulated", "measured"}
        Where the spectra come from.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those in `loadings` when left out.

    Returns
    -------
    matplotlib.figure.Figure
        A row of two panels a component: bars in the colour of the compound that the ion speaks for
        most, and a field of weights, a column a compound.

    Raises
    ------
    DataError
        `loadings` has no rows.
    """
    if loadings.empty:
        raise DataError("there are no loadings to draw.")
    names = sorted(c.removeprefix(PREFIX) for c in loadings if c.startswith(PREFIX))
    looks = compound_looks([*names, *(compounds or [])])
    weights = loadings[[PREFIX + name for name in names]].to_numpy(dtype=float)
    most = np.nanmax(np.abs(weights)) or 1.0
    parts = [part for _, part in loadings.groupby("component")]
    rows = [len(part) for part in parts]
    field = 0.45 * len(names) + 0.2
    figure = new_figure(6.3 + field, 0.27 * sum(rows) + 0.38 * len(rows) + 1.6, source)
    panels = figure.subplots(
        len(parts), 2, squeeze=False, height_ratios=rows, width_ratios=[3.6, field]
    )
    reach = 1.06 * loadings["loading"].abs().max()
    for (bars, cells), part in zip(panels, parts, strict=True):
        _bars(bars, part, looks)
        bars.set_xlim(-reach, reach)
        image = _weights(cells, part, names, most)
    for one in panels[:-1].flat:
        one.tick_params(axis="x", which="major", labelbottom=False)
    panels[-1, 0].set_xlabel("loading")
    panels[0, 1].set_title("weight")
    panels[0, 0].annotate(
        "ion, m/z (u)" if loadings["ion"].astype(bool).any() else "m/z (u)",
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(-6, 2),
        textcoords="offset points",
        ha="right",
        color=EDGE,
        style="italic",
    )
    bar = figure.colorbar(image, ax=panels[:, 1], shrink=0.7, aspect=30)
    bar.set_label("weight in the model (mean over folds)")
    bar.outline.set_visible(False)
    seen = [name for name in names if name in set(loadings["strongest"])]
    handles = [
        Patch(
            facecolor=looks[name].color,
            hatch=looks[name].hatch,
            edgecolor=EDGE,
            label=typeset(name),
        )
        for name in seen
    ]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=min(len(seen), 5),
        frameon=False,
        title="the compound that the ion speaks for most",
        alignment="left",
    )
    return figure


def _bars(axes: Axes, part: pd.DataFrame, looks: dict[str, Look]) -> None:
    """Draw the loadings of one component, the largest on top."""
    places = np.arange(len(part))
    own = [looks[name] for name in part["strongest"]]
    axes.barh(
        places,
        part["loading"].to_numpy(),
        height=0.72,
        color=[to_rgba(look.color) for look in own],
        hatch=[look.hatch for look in own],
        edgecolor=EDGE,
        linewidth=0.6,
    )
    told = zip(part["ion"], part["mz"], strict=True)
    axes.set_yticks(places, [ion_label(ion, mz) for ion, mz in told])
    axes.set_ylim(len(part) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0.0, color=EDGE, linewidth=0.8)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.locator_params(axis="x", nbins=6)
    component, share = int(part["component"].iloc[0]), float(part["share"].iloc[0])
    axes.set_title(f"PC{component} ({100 * share:.1f} %)")


def _weights(axes: Axes, part: pd.DataFrame, names: list[str], most: float) -> AxesImage:
    """Draw the weights of the same ions as a field of colours."""
    image = axes.imshow(
        part[[PREFIX + name for name in names]].to_numpy(dtype=float),
        cmap=MAP,
        vmin=-most,
        vmax=most,
        aspect="auto",
        interpolation="none",
    )
    axes.set_xticks(np.arange(len(names)), [typeset(name) for name in names], rotation=90)
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0)
    axes.spines[:].set_visible(False)
    # white lines between the cells
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(part) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="minor", length=0)
    axes.set_axisbelow(False)
    return image
