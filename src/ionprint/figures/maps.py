"""Maps of an image: what was read in each pixel, a row a reading and a column a compound."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure, FigureBase
from matplotlib.image import AxesImage
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import Normal, Stroke

from ionprint.errors import DataError
from ionprint.figures.formula import typeset
from ionprint.figures.style import EDGE, Look, compound_looks, new_figure, styled
from ionprint.imaging.maps import FEW, JOB, READ
from ionprint.imaging.views import shrunk

if TYPE_CHECKING:
    import zarr

MOST = 512
"""Pixels along a side of a map that is drawn; larger maps are averaged."""
GREY = "#B4B4B4"
"""Too few counts: none of the colours below is grey, and none is without colour."""
HATCH = "////"
SEEN = 4.0
"""Powers of ten of a p-value that are told apart."""


class Reading(NamedTuple):
    """How one reading is drawn: its words, its colours, and what has the last of them.

    Readings begin at 0; the largest is None where the map itself says it.
    """

    title: str
    unit: str
    colors: str
    largest: float | None


READINGS = {
    "presence": Reading("presence", "score, present from 0.5 on", "viridis", 1.0),
    "probability": Reading("probability", "the classifier's, qualitative", "viridis", 1.0),
    "fraction": Reading("fraction", "share of the signal", "viridis", 1.0),
    "width": Reading("certainty", "width of the 90 % interval,\ndark is sure", "plasma", 1.0),
    "p": Reading("alarm", "p-value, bright is foreign", "inferno", SEEN),
    "counts": Reading("counts", "counts a pixel", "plasma", None),
}


def colors_of(reading: str) -> ListedColormap:
    """Return the colours of a reading: ever brighter, whoever looks and however it is printed."""
    colors = colormaps[READINGS[reading].colors].resampled(256)
    return ListedColormap(colors(np.linspace(0.0, 0.97, 256)))


def foreign(p: np.ndarray) -> np.ndarray:
    """Return p-values as they are drawn: by powers of ten, 0 for a p of 1."""
    return np.clip(-np.log10(np.maximum(p, 10.0**-SEEN)), 0.0, SEEN)


def largest_of(counts: np.ndarray) -> float:
    """Return the counts that have the last colour: a few pixels may be beyond."""
    known = counts[~np.isnan(counts)]
    return max(1.0, float(np.quantile(known, 0.995))) if known.size else 1.0


def nice(length: float) -> float:
    """Return the largest of 1, 2, 5, 10, ... that is no longer: for a scale bar."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(next(f for f in (5, 2, 1) if f * power <= length * (1 + 1e-9)) * power)


def origin(image: str, model: str) -> str:
    """Say what is simulated, of an image and of the model that read it."""
    return f"{image} image, read by a model of {model} references"


@styled
def maps_figure(store: "zarr.Group", layer: int = 0, name: str | None = None) -> Figure:
    """Draw one layer of finished maps.

    Parameters
    ----------
    store : zarr.Group
        Of `imaging.maps`.
    layer : int, optional
        From 0.
    name : str, optional
        What the figure is called; the image's file when left out.

    Returns
    -------
    matplotlib.figure.Figure
        Of each compound presence (or probability, where nothing else was read), fraction and
        certainty; under them the alarm and the counts. Grey: too few counts. Hatched: not read.

    Raises
    ------
    DataError
        There is no such layer.
    """
    about, shape = store.attrs[JOB], store["state"].shape
    if not 0 <= layer < shape[0]:
        raise DataError(f"got layer {layer}, expected 0 to {shape[0] - 1}: the maps have no more.")
    factor = -(-max(shape[1:]) // MOST)
    state = shrunk(store, "state", layer, factor)
    full = "presence" in store
    if full:
        shown = {what: shrunk(store, what, layer, factor) for what in ("presence", "fraction")}
        low, high = (shrunk(store, what, layer, factor) for what in ("low", "high"))
        shown["width"] = high - low
    else:
        shown = {"probability": shrunk(store, "probability", layer, factor)}
    below = {"counts": shrunk(store, "counts", layer, factor)}
    if full:
        below = {"p": foreign(shrunk(store, "p", layer, factor)), **below}

    classes, unit = about["classes"], _unit(about)
    size = [n * step * unit[0] for n, step in zip(shape[1:], about["bins"][1:], strict=True)]
    wide = min(2.1, 12.0 / len(classes))
    tall = min(max(wide * size[0] / size[1], 0.5), 6.0)
    high = [tall * len(shown) + 0.4, tall + 0.5]
    width = max(wide * len(classes) + 1.2, (wide + 1.0) * len(below) + 1.5)
    figure = new_figure(width, sum(high) + 0.9, about["source"])
    figure.suptitle(_title(about, name, layer, shape[0]))
    upper, lower = figure.subfigures(2, 1, height_ratios=high)
    looks = compound_looks(classes)
    panels = upper.subplots(len(shown), len(classes), squeeze=False)
    for n, (what, values) in enumerate(shown.items()):
        for place, axes in enumerate(panels[n]):
            image = _panel(axes, values[..., place], state, what, size)
        _bar(upper, image, panels[n], what)
    for axes, compound in zip(panels[0], classes, strict=True):
        axes.set_title(typeset(compound), pad=11)
        _band(axes, looks[compound])
    _scale_bar(panels[0, 0], size, unit[1])
    panels = lower.subplots(1, len(below) + 1)
    for (what, values), axes in zip(below.items(), panels, strict=False):
        image = _panel(axes, values, state, what, size)
        axes.set_title(READINGS[what].title)
        _bar(lower, image, axes, what)
    panels[-1].set_axis_off()
    _legend(panels[-1], about["settings"]["least_counts"], factor)
    return figure


def _title(about: dict, name: str | None, layer: int, layers: int) -> str:
    where = f", layer {layer + 1} of {layers}" if layers > 1 else ""
    title = f"{name or about['image']}{where}".replace("$", r"\$")
    return f"{title}\n{origin(about['source'], about['model_source'])}"


def _unit(about: dict) -> tuple[float, str]:
    """Return the side of a pixel of the image, and what it is counted in."""
    return (about["pixel_um"], "µm") if about["pixel_um"] else (1.0, "pixels")


def _panel(
    axes: Axes, values: np.ndarray, state: np.ndarray, what: str, size: list[float]
) -> AxesImage:
    """Draw one map, on a hatched ground that is seen where nothing was read."""
    reading = READINGS[what]
    largest = reading.largest or largest_of(values)
    ground = Rectangle((0, 0), 1, 1, transform=axes.transAxes, hatch=HATCH, zorder=-1)
    ground.set(facecolor="white", edgecolor="#8C8C8C", linewidth=0)
    axes.add_patch(ground)
    extent = (0, size[1], size[0], 0)
    few = np.where(state == FEW, 0.0, np.nan)
    if what != "counts":  # these are known wherever something was read
        axes.imshow(few, cmap=ListedColormap([GREY]), extent=extent, interpolation="none")
        values = np.where(state == READ, values, np.nan)
    image = axes.imshow(
        values, cmap=colors_of(what), vmin=0, vmax=largest, extent=extent, interpolation="none"
    )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    axes.spines[:].set(linewidth=0.6, color=EDGE)
    return image


def _band(axes: Axes, look: Look) -> None:
    """Draw the colour that a compound has in all other figures above its maps."""
    band = Rectangle((0, 1.02), 1, 0.035, transform=axes.transAxes, clip_on=False)
    band.set(facecolor=look.color, hatch=look.hatch, edgecolor=EDGE, linewidth=0.5)
    axes.add_patch(band)


def _bar(figure: FigureBase, image: AxesImage, beside: "Axes | np.ndarray", what: str) -> None:
    """Draw the colours of some maps, with what they stand for."""
    reading = READINGS[what]
    row = not isinstance(beside, Axes)
    extend = "max" if reading.largest is None else "neither"
    bar = figure.colorbar(image, ax=beside, aspect=18, shrink=0.92, extend=extend)
    bar.outline.set_visible(False)
    bar.set_label(f"{reading.title}\n{reading.unit}" if row else reading.unit, fontsize=8)
    bar.ax.tick_params(labelsize=8)
    if what == "presence":
        bar.ax.axhline(0.5, color="white", linewidth=1.5)
    if what == "p":
        bar.set_ticks(range(5), labels=["1", "0.1", "0.01", "0.001", "0.0001"])


def _scale_bar(axes: Axes, size: list[float], unit: str) -> None:
    """Draw how long so many micrometres or pixels are, on light and on dark."""
    length = nice(0.4 * size[1])
    left, low = 0.06 * size[1], 0.9 * size[0]
    around = [Stroke(linewidth=4.5, foreground="black"), Normal()]
    axes.plot([left, left + length], [low, low], color="white", linewidth=2.5, path_effects=around)
    axes.text(
        left + length / 2,
        low - 0.035 * size[0],
        f"{length:g} {unit}",
        color="white",
        ha="center",
        va="bottom",
        fontsize=8,
        path_effects=[Stroke(linewidth=2, foreground="black"), Normal()],
    )
    axes.set(xlim=(0, size[1]), ylim=(size[0], 0))


def _legend(axes: Axes, least: int, factor: int) -> None:
    """Say what grey and hatched are, where no map is."""
    handles = [
        Patch(
            facecolor=GREY,
            edgecolor=EDGE,
            linewidth=0.5,
            label=f"below {least} counts:\nnot judged",
        ),
        Patch(facecolor="white", edgecolor="#8C8C8C", hatch=HATCH, label="not read"),
    ]
    title = f"means of {factor} x {factor} pixels" if factor > 1 else None
    axes.legend(handles=handles, loc="center", frameon=False, fontsize=8, title=title)
