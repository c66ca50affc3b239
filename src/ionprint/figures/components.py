"""Components that were found without references, beside the references they are likest."""

import textwrap
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ionprint.errors import DataError
from ionprint.figures.formula import typeset
from ionprint.figures.ranking import ion_label
from ionprint.figures.style import EDGE, Look, compound_looks, new_figure, styled

HEIGHT = 0.38  # of one of the two bars of an ion


@styled
def components_figure(
    profile: pd.DataFrame,
    references: Mapping[str, np.ndarray],
    source: str,
    compounds: Iterable[str] | None = None,
) -> Figure:
    """Draw the first ions of every component and how strong they are in the compound it is likest.

    Parameters
    ----------
    profile : pandas.DataFrame
        Columns compound, similarity (0 to 1), rank (from 1), mz (u), ion (formula or ""), share (of
        the component's counts).
    references : mapping of str to ndarray
        For each compound the mean share of counts of these ions in its references, in the order of
        its rows in `profile`.
    source : {"simulated", "measured"}
        Where the spectra come from.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those in `profile` when left out.

    Returns
    -------
    matplotlib.figure.Figure
        Two bars an ion: the component's share above, the references' below.

    Raises
    ------
    DataError
        `profile` has no rows.
    """
    if profile.empty:
        raise DataError("there are no components to draw.")
    names = sorted(profile["compound"].unique())
    looks = compound_looks([*names, *(compounds or [])])
    columns = min(len(names), 3 if len(names) != 4 else 2)
    rows = -(-len(names) // columns)
    most = int(profile["compound"].value_counts().max())
    figure = new_figure(max(3.7 * columns, 5.0), (0.27 * most + 0.75) * rows + 0.9, source)
    figure.suptitle("Components found without references (NMF)")
    for i, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, i + 1)
        own = profile[profile["compound"] == name]
        _panel(axes, own, np.asarray(references[name], dtype=float), looks[name])
        title = f"likest {typeset(name)}: similarity {own['similarity'].iloc[0]:.2f}"
        axes.set_title(textwrap.fill(title, 36))
        if i + columns >= len(names):
            axes.set_xlabel("share of the counts (%)")
    handles = [
        Patch(facecolor="#777777", edgecolor=EDGE, label="component"),
        Patch(facecolor="white", edgecolor=EDGE, label="mean of the references"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=2, frameon=False)
    return figure


def _panel(axes: Axes, own: pd.DataFrame, known: np.ndarray, look: Look) -> None:
    """Draw the two bars of each ion of one component, its strongest ion on top."""
    order = np.argsort(own["rank"].to_numpy(), kind="stable")
    own, known = own.iloc[order], known[order]
    places = np.arange(len(own))
    dark = look.color == "#000000"
    axes.barh(
        places - HEIGHT / 2,
        100 * own["share"].to_numpy(dtype=float),
        height=HEIGHT,
        color=look.color,
        hatch=look.hatch,
        edgecolor="white" if look.hatch and dark else EDGE,
        linewidth=0.6,
    )
    axes.barh(
        places + HEIGHT / 2,
        100 * known,
        height=HEIGHT,
        color="white",
        edgecolor=EDGE,
        linewidth=0.8,
    )
    labels = [ion_label(ion, mz) for ion, mz in zip(own["ion"], own["mz"], strict=True)]
    axes.set_yticks(places, labels)
    axes.set_ylim(len(own) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.locator_params(axis="x", nbins=5)
