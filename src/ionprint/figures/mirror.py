"""A sample's spectrum above, and below it what the references explain of it."""

import textwrap
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke

from ionprint.errors import DataError
from ionprint.figures.calibration import spread
from ionprint.figures.formula import typeset
from ionprint.figures.style import EDGE, compound_looks, new_figure, styled

PREFIX = "explained_"
FOREIGN = 0.5
"""Share of a sample's spectra from which an ion is called unexplained."""
MISSING = 0.1
"""Share of the signal that is told if it is expected but not measured."""
STRONGEST, UNEXPLAINED = 12, 6  # ions named
SMALLEST = 1 / 400  # of the axis: what is lower is not seen
LEVEL, LABELS = 1.04, 1.18  # of the highest peak: where lines bend, and where labels begin
LABEL_GAP = 0.0215  # of the axis' width, between labels that stand upright
TICKS = (0.01, 0.2, 1, 5, 10, 20, 40, 80)  # %
TICK_GAP = 0.1  # of the highest peak
BROKEN = (0, (2.5, 1.0))  # from the ninth compound on, where colours return
WHOLE, FLAG = "#8A8A8A", "#9C1A00"


@styled
def mirror_figure(
    explained: pd.DataFrame, source: str, compounds: Iterable[str] | None = None
) -> Figure:
    """Draw the peaks of one sample upwards, and what the references explain of them downwards.

    Heights are the square roots of shares, as the alarm compares them, so that small ions are seen;
    counting noise is as high for a small ion as for a large one.

    Parameters
    ----------
    explained : pandas.DataFrame
        Of one sample, a row an ion: sample, role, mz (u), ion (formula or ""), counts,
        explained_<compound> (counts), foreign (share of the spectra in which it is unexplained).
    source : {"simulated", "measured"}
        Where the spectra come from.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those in `explained` when left out.

    Returns
    -------
    matplotlib.figure.Figure
        Each explained peak has the colour of the compound that explains most of it.

    Raises
    ------
    DataError
        The table is empty, or holds several samples.
    """
    samples = explained["sample"].unique()
    if len(samples) != 1:
        raise DataError(f"a mirrored spectrum is drawn of one sample, got {len(samples)}.")
    names = sorted(c.removeprefix(PREFIX) for c in explained if c.startswith(PREFIX))
    looks = compound_looks([*names, *(compounds or [])])
    rows = explained.sort_values("mz", kind="stable").reset_index(drop=True)
    parts = rows[[PREFIX + name for name in names]].to_numpy(dtype=float)
    total = float(rows["counts"].sum())
    above = np.sqrt(rows["counts"].to_numpy(dtype=float) / total)
    below = np.sqrt(parts.sum(axis=1) / total)
    mz, foreign = rows["mz"].to_numpy(), rows["foreign"].to_numpy() >= FOREIGN
    top = max(above.max(), below.max())
    seen = SMALLEST * 2.2 * top
    named = _named(above, below, foreign & (above > seen))

    figure = new_figure(10.0, 5.4, source)
    title = f"{samples[0]}, {rows['role'].iloc[0]}: {_told(above**2, below**2)}"
    figure.suptitle(textwrap.fill(title.replace("$", r"\$"), 85))
    axes = figure.add_subplot()
    axes.set_xlim(0, 1.02 * mz[above + below > 0].max())
    axes.set_ylim(-1.04 * top, LABELS * top)
    axes.spines["left"].set_bounds(-1.04 * top, top)
    _sticks(axes, mz, above, ~foreign & (above > seen), WHOLE)
    _sticks(axes, mz, above, foreign & (above > seen), FLAG)
    first = parts.argmax(axis=1)
    handles = [Line2D([], [], color=WHOLE, linewidth=2, label="measured")]
    if foreign.any():
        handles.append(Line2D([], [], color=FLAG, linewidth=2, label="more than is explained"))
    for place, name in enumerate(names):
        own = (first == place) & (below > seen)
        if own.any():
            line = _sticks(axes, mz, -below, own, looks[name].color)
            line.set_linestyle(BROKEN if looks[name].hatch else "-")
            line.set_label(f"mostly {typeset(name)}")
            handles.append(line)
    axes.axhline(0, color=EDGE, linewidth=0.8)
    _name_ions(axes, rows.loc[named], above[named], foreign[named], top)
    _scale(axes, top)
    figure.legend(
        handles=handles, loc="outside lower left", ncols=5, frameon=False, columnspacing=1.2
    )
    return figure


def _told(measured: np.ndarray, expected: np.ndarray) -> str:
    """Say how much of the signal is explained, and whether much more is expected."""
    told = f"{100 * np.minimum(measured, expected).sum():.0f} % of the signal is explained"
    missing = np.maximum(expected - measured, 0).sum()
    return told + (f", {100 * missing:.0f} % is expected but missing" if missing >= MISSING else "")


def _named(above: np.ndarray, below: np.ndarray, foreign: np.ndarray) -> np.ndarray:
    """Choose the ions that are named: the strongest, and those that are least explained."""
    strongest = np.argsort(-above, kind="stable")[:STRONGEST]
    excess = np.where(foreign, (above - below) ** 2, 0.0)
    least = np.argsort(-excess, kind="stable")[:UNEXPLAINED]
    return np.union1d(strongest, least[excess[least] > 0])


def _sticks(
    axes: Axes, mz: np.ndarray, height: np.ndarray, which: np.ndarray, color: str
) -> Line2D:
    """Draw peaks as one broken line: many lines would take long to save."""
    x = np.repeat(mz[which], 3)
    y = np.column_stack([np.zeros(which.sum()), height[which], np.full(which.sum(), np.nan)])
    return axes.plot(
        x,
        y.ravel(),
        color=color,
        linewidth=1.3,
        solid_capstyle="butt",
        # a light colour would be lost on white
        path_effects=[Stroke(linewidth=1.8, foreground=EDGE), Normal()],
    )[0]


def _name_ions(
    axes: Axes, rows: pd.DataFrame, heights: np.ndarray, foreign: np.ndarray, top: float
) -> None:
    """Write ions upright above the peaks, moved apart, each with a line to its peak."""
    end = axes.get_xlim()[1]
    places = spread(rows["mz"].to_numpy() / end, LABEL_GAP, 0.012, 0.99)
    colors = [FLAG if one else "black" for one in foreign]
    told = zip(rows["mz"], rows["ion"], places, colors, strict=True)
    for mz, ion, place, color in told:
        axes.text(
            place * end,
            LABELS * top,
            f"{typeset(ion, charge='-')}  {mz:.4f}" if ion else f"{mz:.4f}",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=8,
            color=color,
        )
    # upright past the other peaks first: slanted lines would cross
    bends = [
        [(mz, height), (mz, LEVEL * top), (place * end, (LABELS - 0.015) * top)]
        for mz, height, place in zip(rows["mz"], heights, places, strict=True)
    ]
    axes.add_collection(LineCollection(bends, colors=colors, linewidths=0.5, alpha=0.55))


def _scale(axes: Axes, top: float) -> None:
    """Write shares in per cent on the root scale, to both sides of zero."""
    ticks, ends = [0.0], [0.0]
    for tick in TICKS:
        end = np.sqrt(tick / 100)
        if ends[-1] + TICK_GAP * top <= end <= top:
            ticks.append(tick)
            ends.append(end)
    labels = [f"{tick:g}" for tick in ticks]
    axes.set_yticks([*(-end for end in ends[:0:-1]), *ends], [*labels[:0:-1], *labels])
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.6)
    axes.set_ylabel("share of the signal (%, root scale)\nexplained             measured", y=0.47)
    axes.set_xlabel("m/z (u)")
