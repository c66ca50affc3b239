"""Spectra projected on principal components, and the classifier's probability between them."""

import textwrap
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ionprint.errors import DataError
from ionprint.figures.formula import mixture_text, typeset
from ionprint.figures.style import EDGE, Look, compound_looks, new_figure, styled
from ionprint.models.projection import window

SHAPES = ("s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d", "*")
FILLS = ("white", "#9a9a9a", "black")
MAP = "cividis"
MANY = 500  # points, from which they are drawn as an image
_LINE = 0.19  # inches a line of the legend


class Map(NamedTuple):
    """The probability of a compound in the plane of two principal components.

    Attributes
    ----------
    across, up : ndarray, shape (steps,)
        Scores at which it was calculated.
    probability : ndarray, shape (steps, steps)
        Rows go up.
    """

    across: np.ndarray
    up: np.ndarray
    probability: np.ndarray


@styled
def projection_figure(
    points: pd.DataFrame,
    planes: list[tuple[int, int]],
    shares: np.ndarray,
    source: str,
    *,
    maps: list[Map] | None = None,
    mapped: str = "",
    compounds: Iterable[str] | None = None,
    most: int = 12,
) -> Figure:
    """Draw references and samples on planes of principal components.

    Parameters
    ----------
    points : pandas.DataFrame
        A row a spectrum: sample, role, compound (of a reference), expected (`Li2CO3+LiOH` or ""),
        and the scores PC1, PC2 ...
    planes : list of tuple of int
        Components against each other, from 1, a row of panels each; without maps side by side.
    shares : ndarray, shape (n_components,)
        Of the variance of the references that each component explains, 0 to 1.
    source : {"simulated", "measured"}
        Where the spectra come from.
    maps : list of Map, optional
        Drawn beside each plane, with the same points on it.
    mapped : str, optional
        The compound of the maps.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those of the references when left out.
    most : int, optional
        Samples that are shown; the legend says how many are not.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        There is no spectrum, or no plane.
    """
    if points.empty or not planes:
        raise DataError("there are no spectra, or no planes, to project.")
    references = points[points["role"] == "reference"]
    others = points[points["role"] != "reference"]
    names = sorted(set(references["compound"]))
    looks = compound_looks([*names, *(compounds or [])])
    samples = list(dict.fromkeys(others["sample"]))
    marks = {name: _mark(i) for i, name in enumerate(samples[:most])}
    shown = pd.concat([references, others[others["sample"].isin(marks)]])
    keys = _sample_keys(others, marks)
    if len(samples) > most:
        keys.append(_entry("", label=f"and {len(samples) - most} more,\nnot shown"))
    far = np.any([_far(shown, plane) for plane in planes], axis=0)
    if far.any():
        keys.append(_entry("", label=f"{far.sum()} spectra lie farther\nout, drawn at the edge"))
    lines = len(names) + sum(1 + str(key.get_label()).count("\n") for key in keys)
    rows = len(planes) if maps else -(-len(planes) // 2)
    columns = 2 if maps else min(len(planes), 2)
    width = 4.1 * columns + (2.4 if maps else 1.7)
    figure = new_figure(width, max(3.6 * rows + 0.3, 0.6 + _LINE * lines), source)
    panels = figure.subplots(rows, columns, squeeze=False)
    for i, plane in enumerate(planes):
        axes = panels[i, 0] if maps else panels.flat[i]
        _scores(axes, shown, plane, looks, marks)
        _axis_labels(axes, plane, shares)
        if maps:
            image = _map(panels[i, 1], maps[i])
            _scores(panels[i, 1], shown, plane, looks, marks, halo=True)
            _axis_labels(panels[i, 1], plane, shares)
    for axes in panels.flat[len(planes) * (2 if maps else 1) :]:
        axes.remove()
    if maps:
        panels[0, 0].set_title("scores")
        panels[0, 1].set_title("decision map, other components at 0")
        bar = figure.colorbar(image, ax=panels[:, 1], shrink=min(1.0, 1.2 / rows + 0.1))
        bar.set_label(f"probability of {typeset(mapped)} (of the classifier)")
        bar.outline.set_visible(False)
    dots, _ = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles=[*dots, *keys], loc="outside right upper", frameon=False)
    return figure


def _mark(place: int) -> tuple[str, str]:
    """Return shape and filling of a sample's marker, the next filling after all shapes."""
    turn, shape = divmod(place, len(SHAPES))
    return SHAPES[shape], FILLS[turn % len(FILLS)]


def windows(
    points: pd.DataFrame, plane: tuple[int, int]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the ends of both axes of a plane.

    Parameters
    ----------
    points : pandas.DataFrame
        As for `projection_figure`.
    plane : tuple of int
        Components, from 1.
    """
    known = points["role"] == "reference"
    across, up = (points[f"PC{component}"].to_numpy() for component in plane)
    return window(across[known], across[~known]), window(up[known], up[~known])


def _far(points: pd.DataFrame, plane: tuple[int, int]) -> np.ndarray:
    """Tell which points lie outside a plane's panel."""
    ends = windows(points, plane)
    out = [~points[f"PC{c}"].between(*end) for c, end in zip(plane, ends, strict=True)]
    return (out[0] | out[1]).to_numpy()


def _inside(points: pd.DataFrame, plane: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of a plane, those that lie farther out moved to its edge."""
    ends = windows(points, plane)
    return tuple(
        np.clip(points[f"PC{component}"].to_numpy(), *np.interp([0.02, 0.98], [0, 1], end))
        for component, end in zip(plane, ends, strict=True)
    )


def _scores(
    axes: Axes,
    shown: pd.DataFrame,
    plane: tuple[int, int],
    looks: dict[str, Look],
    marks: dict[str, tuple[str, str]],
    halo: bool = False,
) -> None:
    """Draw the references as dots in the compounds' colours, the samples as other shapes."""
    x, y = _inside(shown, plane)
    known = (shown["role"] == "reference").to_numpy()
    many = len(shown) > MANY
    if halo:
        # a dot has to be seen on a map of whatever colour
        axes.scatter(x[known], y[known], s=64, color="white", linewidths=0, rasterized=many)
    for name in sorted(set(shown.loc[known, "compound"])):
        own = known & (shown["compound"] == name).to_numpy()
        axes.scatter(
            x[own],
            y[own],
            s=34,
            label=typeset(name),
            color=looks[name].color,
            hatch=2 * looks[name].hatch or None,
            edgecolors=EDGE,
            linewidths=0.7,
            rasterized=many,
        )
    for name, (shape, fill) in marks.items():
        own = ~known & (shown["sample"] == name).to_numpy()
        axes.scatter(
            x[own],
            y[own],
            s=38,
            marker=shape,
            color=fill,
            edgecolors="black" if fill != "black" else "white",
            linewidths=0.9,
            rasterized=many,
        )
    across, up = windows(shown, plane)
    axes.set(xlim=across, ylim=up)


def _axis_labels(axes: Axes, plane: tuple[int, int], shares: np.ndarray) -> None:
    """Name the components with their shares of the variance."""
    across, up = (f"PC{c} ({100 * shares[c - 1]:.1f} %)" for c in plane)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.locator_params(nbins=6)


def _map(axes: Axes, drawn: Map) -> Any:
    """Draw the probability as colours, with a line where it is one half."""
    ends = (drawn.across[0], drawn.across[-1], drawn.up[0], drawn.up[-1])
    image = axes.imshow(
        drawn.probability,
        extent=ends,
        origin="lower",
        aspect="auto",
        cmap=MAP,
        vmin=0.0,
        vmax=1.0,
        interpolation="none",  # any other is written into the files at 300 dpi
    )
    if drawn.probability.min() < 0.5 < drawn.probability.max():
        axes.contour(
            drawn.across, drawn.up, drawn.probability, [0.5], colors="white", linestyles="--"
        )
    return image


def _entry(marker: str, label: str, **look: Any) -> Line2D:
    """Make an entry of the legend."""
    return Line2D([], [], linestyle="none", marker=marker, label=label, **look)


def _sample_keys(others: pd.DataFrame, marks: dict[str, tuple[str, str]]) -> list[Line2D]:
    """Return the samples' entries of the legend, with what was expected of them."""
    expected = others.drop_duplicates("sample").set_index("sample")["expected"]
    keys = []
    for name, (shape, fill) in marks.items():
        label = textwrap.fill(typeset(name), 24)
        if expected[name] and expected[name] != name:
            label += "\n" + textwrap.fill(mixture_text(expected[name], typeset), 24)
        keys.append(_entry(shape, label, color=fill, markeredgecolor="black", markersize=6.5))
    return keys
