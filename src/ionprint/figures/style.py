"""The look that all figures share: colours of compounds, fonts, the foot, and how to save them."""

import contextlib
import functools
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ionprint.errors import DataError

# Okabe and Ito's palette, safe for the common kinds of colour blindness; black last, as text is
PALETTE = (
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#000000",
)
HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\")
EDGE = "#404040"
ALARM = "#B3371B"  # what the references do not explain
FOOT = {"simulated": "Simulated data", "measured": "Measured data"}

_SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 9,
    "axes.titlesize": 11,
    "axes.labelsize": 9,
    "figure.titlesize": 12,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "mathtext.fontset": "dejavusans",
    "hatch.linewidth": 0.6,
    "svg.fonttype": "path",
    "svg.hashsalt": "ionprint",
}


class Look(NamedTuple):
    """How the bars of one compound are filled."""

    color: str
    hatch: str


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Draw with the settings of this package, whatever a user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Make a drawing function use the house style."""

    @functools.wraps(draw)
    def wrapped(*args: Any, **kwargs: Any) -> Figure:
        with house_style():
            return draw(*args, **kwargs)

    return wrapped


def compound_looks(compounds: Iterable[str]) -> dict[str, Look]:
    """Give each compound one colour, by its place among the sorted names.

    Parameters
    ----------
    compounds : iterable of str
        All compounds of the model, so that a compound has the same colour in every figure.

    Returns
    -------
    dict of str to Look
        From the ninth compound on the colours return, hatched.
    """
    looks = {}
    for i, name in enumerate(sorted(set(compounds))):
        turn, color = divmod(i, len(PALETTE))
        looks[name] = Look(PALETTE[color], HATCHES[turn % len(HATCHES)])
    return looks


def ink(color: str) -> str:
    """Return black or white, whichever is read better on `color`."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.38 else "white"


def new_figure(width: float, height: float, source: str) -> Figure:
    """Make an empty figure that says at its foot where its data come from.

    Parameters
    ----------
    width, height : float
        In inches.
    source : {"simulated", "measured"}

    Raises
    ------
    DataError
        `source` is something else: a figure never leaves that open.
    """
    if source not in FOOT:
        raise DataError(f"source is {source!r}; a figure's data are one of {', '.join(FOOT)}.")
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.supxlabel(FOOT[source], x=0.99, ha="right", fontsize=9, style="italic")
    return figure


def save(figure: Figure, folder: str | Path, name: str) -> list[Path]:
    """Write a figure as SVG, PDF and PNG (300 dpi), the same bytes for the same figure.

    The layout is settled once and stays: each new round would move it by a last bit.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    folder : str or Path
        A folder that exists.
    name : str
        File name without its ending.

    Returns
    -------
    list of Path
        The three files.
    """
    metadata = {
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
    }
    with house_style():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    paths = []
    for kind, fields in metadata.items():
        buffer = io.BytesIO()
        with house_style():
            figure.savefig(buffer, format=kind, dpi=300, metadata=fields)
        path = Path(folder) / f"{name}.{kind}"
        path.write_bytes(buffer.getvalue())
        paths.append(path)
    return paths
