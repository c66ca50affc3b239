"""Circular area plots: how intense the first ions of each compound are, in it and in others."""

import textwrap
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke

from ionprint.errors import DataError
from ionprint.figures.formula import typeset
from ionprint.figures.style import EDGE, Look, compound_looks, new_figure, styled

MOST = 12  # ions that have room around a circle
LINES = (("#000000", "-"), ("#D55E00", "--"), ("#0072B2", "-."), ("#CC79A7", ":"))
"""Colour and line of the samples that share a circle."""
_RINGS = (0.25, 0.5, 0.75, 1.0)
_ACROSS, _UP = 2.05, 1.5  # from the middle of a circle of radius 1 to the borders of its panel
_INCHES = 0.74  # a radius
_LINE = 0.2  # inches, a line of a legend


@styled
def circles_figure(
    ions: pd.DataFrame,
    references: pd.DataFrame,
    source: str,
    samples: Mapping[str, pd.DataFrame] | None = None,
    compounds: Iterable[str] | None = None,
) -> Figure:
    """Draw the first ions of each compound around circles, intensities from the middle outwards.

    Parameters
    ----------
    ions : pandas.DataFrame
        The ions of each circle, clockwise from the top: compound, mz (u), ion (formula or "").
        A compound has at most `MOST`.
    references : pandas.DataFrame
        Mean intensity of each reference compound, 0 to 1: a row a compound, a column for each row
        of `ions`, in the same order.
    source : {"simulated", "measured"}
        Where the spectra come from.
    samples : mapping of str to pandas.DataFrame, optional
        The same of samples (a row a sample, by name) under the heading of their column; several
        columns where they are more than share a circle.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those in `references` when left out.

    Returns
    -------
    matplotlib.figure.Figure
        A row a compound, two side by side where there are many. First come the references, the
        compound dark under the others light; then samples as lines over the compound.

    Raises
    ------
    DataError
        `ions` has no rows.
    """
    if ions.empty:
        raise DataError("there are no ions to draw.")
    names = list(dict.fromkeys(ions["compound"]))
    looks = compound_looks([*references.index, *(compounds or [])])
    columns = _columns(samples or {})
    across = 1 + len(columns)
    blocks = 2 if len(names) > 6 and across <= 3 else 1
    rows = -(-len(names) // blocks)
    width = 2 * _ACROSS * _INCHES * across * blocks
    keys = [_compound_keys(references.index, looks), *(_sample_keys(part) for _, part in columns)]
    lines = max(-(-len(looks) // 2), *(_lines_of(key) for key in keys[1:]), len(LINES))
    height = 2 * _UP * _INCHES * rows + _LINE * lines + 1.1
    figure = new_figure(max(width, 4.6), height, source)
    figure.suptitle(
        textwrap.fill(
            "Mean intensity, 0 to 1 over all spectra, in each compound's first ions (m/z in u)",
            int(max(width, 4.6) * 10.5),
        ),
        fontsize=11,
    )
    figure.get_layout_engine().set(h_pad=0.08)
    panels = figure.subplots(rows, across * blocks, squeeze=False)
    for axes in panels.flat:
        axes.set(xlim=(-_ACROSS, _ACROSS), ylim=(-_UP, _UP), aspect="equal")
        axes.set_axis_off()
    for i, name in enumerate(names):
        block, row = divmod(i, rows)
        own = (ions["compound"] == name).to_numpy()
        circles = panels[row, block * across : (block + 1) * across]
        angles = np.pi / 2 - 2 * np.pi * np.arange(own.sum()) / own.sum()
        for axes in circles:
            _grid(axes, angles)
            _ion_labels(axes, angles, ions[own])
        _areas(circles[0], angles, references.loc[:, own], name, looks)
        circles[0].annotate(
            typeset(name),
            xy=(0, 0.5),
            xycoords="axes fraction",
            xytext=(-3, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="center",
            fontsize=11,
            fontweight="bold",
        )
        for axes, (_, part) in zip(circles[1:], columns, strict=True):
            _areas(axes, angles, references.loc[[name], own], name, looks, 0.45)
            _lines(axes, angles, part.loc[:, own].to_numpy(dtype=float))
    headings = ["references", *(heading for heading, _ in columns)]
    for place, axes in enumerate(panels[0]):
        axes.set_title(headings[place % across])
    for axes, key in zip(panels[-1], keys, strict=False):
        axes.legend(
            handles=key,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=1 + (len(key) > len(LINES)),
            frameon=False,
        )
    return figure


def _columns(samples: Mapping[str, pd.DataFrame]) -> list[tuple[str, pd.DataFrame]]:
    """Share samples out among columns of circles."""
    most = len(LINES)
    return [
        (heading, part.iloc[start : start + most])
        for heading, part in samples.items()
        for start in range(0, len(part), most)
    ]


def _compound_keys(names: Iterable[str], looks: dict[str, Look]) -> list[Patch]:
    """Return the legend of the first column."""
    return [
        Patch(
            facecolor=looks[name].color,
            hatch=looks[name].hatch,
            edgecolor=EDGE,
            label=typeset(name),
        )
        for name in names
    ]


def _sample_keys(part: pd.DataFrame) -> list[Line2D]:
    """Return the legend of a column of samples."""
    return [
        Line2D(
            [],
            [],
            color=color,
            linestyle=line,
            linewidth=1.6,
            label=textwrap.fill(typeset(str(name)), 26),
        )
        for (color, line), name in zip(LINES, part.index, strict=False)
    ]


def _lines_of(keys: list[Line2D]) -> int:
    """Return how many lines of text a legend has."""
    return sum(1 + str(key.get_label()).count("\n") for key in keys)


def _grid(axes: Axes, angles: np.ndarray) -> None:
    """Draw rings and spokes, and say what two of the rings are."""
    turn = np.linspace(0, 2 * np.pi, 73)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    spokes = [[(0.0, 0.0), (np.cos(a), np.sin(a))] for a in angles]
    rings = [radius * circle for radius in _RINGS]
    axes.add_collection(LineCollection([*rings, *spokes], colors="#c8c8c8", linewidths=0.6))
    axes.add_collection(LineCollection([circle], colors=EDGE, linewidths=0.8))
    # between two spokes
    middle = angles[0] - np.pi / max(len(angles), 2)
    for radius in (0.5, 1.0):
        axes.text(
            radius * np.cos(middle),
            radius * np.sin(middle),
            f"{radius:g}",
            ha="center",
            va="center",
            fontsize=8,
            color=EDGE,
            path_effects=[Stroke(linewidth=2.0, foreground="white"), Normal()],
            zorder=5,
        )


def _ion_labels(axes: Axes, angles: np.ndarray, ions: pd.DataFrame) -> None:
    """Write ions with their m/z around a circle, growing away from it."""
    for angle, ion, mz in zip(angles, ions["ion"], ions["mz"], strict=True):
        x, y = np.cos(angle), np.sin(angle)
        written = f"{typeset(ion, charge='-')}\n{mz:.4f}" if ion else f"{mz:.4f}"
        axes.text(
            1.1 * x,
            1.1 * y,
            written,
            ha="left" if x > 0.1 else "right" if x < -0.1 else "center",
            va="bottom" if y > 0.4 else "top" if y < -0.4 else "center",
            fontsize=8,
            linespacing=1.05,
        )


def _outline(angles: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Return the corners of an area; of one or two ions it is a line through the middle."""
    corners = np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])
    if len(corners) >= 3:
        return corners
    middle = np.zeros((1, 2))
    return np.concatenate([part for corner in corners for part in (corner[None], middle)])


def _areas(
    axes: Axes,
    angles: np.ndarray,
    known: pd.DataFrame,
    name: str,
    looks: dict[str, Look],
    strength: float = 0.8,
) -> None:
    """Draw one compound dark, and the others light over it, so that none is hidden."""
    others = [other for other in known.index if other != name]
    corners = {one: _outline(angles, known.loc[one].to_numpy(dtype=float)) for one in known.index}
    axes.add_collection(
        PolyCollection(
            [corners[name]],
            facecolors=[to_rgba(looks[name].color, strength)],
            edgecolors=EDGE,
            hatch=looks[name].hatch or None,
            linewidths=1.4,
            zorder=2,
        )
    )
    if others:
        axes.add_collection(
            PolyCollection(
                [corners[other] for other in others],
                facecolors=[to_rgba(looks[other].color, 0.22) for other in others],
                edgecolors=[to_rgba(looks[other].color) for other in others],
                linewidths=1.1,
                zorder=3,
            )
        )


def _lines(axes: Axes, angles: np.ndarray, radii: np.ndarray) -> None:
    """Draw samples as closed lines."""
    axes.add_collection(
        LineCollection(
            [(corners := _outline(angles, row))[[*range(len(corners)), 0]] for row in radii],
            colors=[color for color, _ in LINES],
            linestyles=[line for _, line in LINES],
            linewidths=1.5,
            zorder=4,
        )
    )
