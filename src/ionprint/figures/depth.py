"""A depth profile: fractions against sputter dose, what is present, which steps are doubtful."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from ionprint.errors import DataError
from ionprint.figures.formula import typeset
from ionprint.figures.style import EDGE, Look, compound_looks, new_figure, styled

_QUANTITY = {"ions/cm2": "sputter dose", "s": "sputter time"}
_LINES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 3)))  # from the ninth compound on
_SPANS = {"surface": "not settled", "unknown": "unlike the references"}
_GREYS = {"surface": "#e4e4e4", "unknown": "#f1f1f1"}


@styled
def depth_figure(
    profile: pd.DataFrame,
    artefacts: pd.DataFrame,
    source: str,
    compounds: Iterable[str] | None = None,
) -> Figure:
    """Draw the fractions of one sample against sputter dose, and its presences under the axis.

    Parameters
    ----------
    profile : pandas.DataFrame
        Of one sample, one row a step and compound: sample, step, dose, unit ("ions/cm2" or "s"),
        compound, present, fraction, low, high, fraction_read.
    artefacts : pandas.DataFrame
        kind, step, last_step; other samples' rows are left out where there is a column sample.
    source : {"simulated", "measured"}
        Where the spectra come from.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those in `profile` when left out.

    Returns
    -------
    matplotlib.figure.Figure
        Lines and bands are the smoothed fractions with their 90 % intervals, dots what was read.

    Raises
    ------
    DataError
        The table is empty, or holds several samples.
    """
    samples = profile["sample"].unique()
    if len(samples) != 1:
        raise DataError(f"a depth profile is drawn of one sample, got {len(samples)}.")
    sample, unit = str(samples[0]), str(profile["unit"].iloc[0])
    if "sample" in artefacts:
        artefacts = artefacts[artefacts["sample"] == sample]
    names = sorted(profile["compound"].unique())
    looks = compound_looks([*names, *(compounds or [])])
    figure = new_figure(9.0, 4.4 + 0.22 * len(names), source)
    title = f"{sample}, simulated" if source == "simulated" else sample
    upper, lower = figure.subplots(
        2, sharex=True, height_ratios=[3.2, 0.35 + 0.22 * len(names)], squeeze=True
    )
    power = _power(profile["dose"].max())
    rows = profile.assign(x=profile["dose"] / 10.0**power).sort_values("step")
    for place, name in enumerate(names):
        own = rows[rows["compound"] == name]
        line = _LINES[list(looks).index(name) // 8 % len(_LINES)]
        _course(upper, own, name, looks[name], line)
        _presence(lower, own, place, looks[name])
    _flags(upper, lower, rows.drop_duplicates("step").set_index("step")["x"], artefacts)
    # above the marks of `_flags`
    upper.set_title(title.replace("$", r"\$"), pad=30)
    upper.set_ylim(0.0, 1.0)
    upper.set_ylabel("fraction of the signal\n(band: 90 % interval)")
    lower.set_ylim(len(names) - 0.5, -0.5)
    lower.set_yticks(range(len(names)), [typeset(name) for name in names])
    lower.set_ylabel("present")
    lower.tick_params(axis="y", length=0)
    lower.spines["left"].set_visible(False)
    written = unit.replace("cm2", "cm$^2$")
    written = f"$10^{{{power}}}$ {written}" if power else written
    lower.set_xlabel(f"{_QUANTITY.get(unit, 'dose')} ({written})")
    handles, labels = upper.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=min(len(names), 6), frameon=False
    )
    return figure


def _power(largest: float) -> int:
    """Return the power of ten that is written with the unit: 0 for numbers that read well."""
    return 0 if largest < 1e5 else int(np.floor(np.log10(largest) / 3)) * 3


def _course(axes: Axes, rows: pd.DataFrame, name: str, look: Look, line: str | tuple) -> None:
    """Draw one compound: band, line, and what was read as dots."""
    x = rows["x"].to_numpy()
    axes.fill_between(x, rows["low"], rows["high"], color=look.color, alpha=0.22, linewidth=0)
    axes.plot(
        x,
        rows["fraction"],
        color=look.color,
        linestyle=line,
        linewidth=1.8,
        label=typeset(name),
        # a light colour would be lost on white
        path_effects=[Stroke(linewidth=2.6, foreground=EDGE), Normal()],
    )
    axes.plot(
        x,
        rows["fraction_read"],
        linestyle="none",
        marker="o",
        markersize=3.0,
        color=look.color,
        markeredgecolor=EDGE,
        markeredgewidth=0.4,
        clip_on=False,
    )


def _presence(axes: Axes, rows: pd.DataFrame, place: int, look: Look) -> None:
    """Mark the steps at which a compound is present."""
    present = rows["present"].to_numpy(dtype=bool)
    x = rows["x"].to_numpy()
    axes.plot(x, np.full(len(x), place), linestyle="none", marker="|", color="#d0d0d0", ms=5)
    axes.plot(
        x[present],
        np.full(present.sum(), place),
        linestyle="none",
        marker="s",
        markersize=5.0,
        color=look.color,
        markeredgecolor=EDGE,
        markeredgewidth=0.5,
    )


def _flags(upper: Axes, lower: Axes, x: pd.Series, artefacts: pd.DataFrame) -> None:
    """Shade steps that have not settled or are unlike the references, and mark jumps."""
    places = x.to_numpy()
    # borders half-way between steps
    borders = np.concatenate([places[:1], (places[1:] + places[:-1]) / 2, places[-1:]])
    said = set()
    for row in artefacts.itertuples():
        if row.kind in _SPANS:
            left, right = borders[row.step - 1], borders[row.last_step]
            # the same grey again needs no words, which would run into each other
            label = "" if row.kind in said else _SPANS[row.kind]
            at, side = (left + right) / 2, "center"
            said.add(row.kind)
            for axes in (upper, lower):
                axes.axvspan(left, right, color=_GREYS[row.kind], linewidth=0, zorder=0)
        elif row.kind == "jump":
            label, at, side = f"step {row.step}: counts jump", x[row.step], "center"
            for axes in (upper, lower):
                axes.axvline(at, color=EDGE, linestyle=(0, (4, 3)), linewidth=1.0, zorder=0.5)
        else:
            continue
        upper.annotate(
            label,
            xy=(at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 if row.kind != "jump" else 14),
            textcoords="offset points",
            ha=side,
            color=EDGE,
            style="italic",
        )
