"""How much of each compound a sample holds, how sure that is, and what is not explained."""

import textwrap
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ionprint.errors import DataError
from ionprint.figures.formula import mixture_text, typeset
from ionprint.figures.style import EDGE, compound_looks, new_figure, styled

PREFIX = "fraction_"
PRESENT = 0.5
"""Share of a sample's spectra from which a compound is called present in the sample."""
PITCH = 1.22  # of a column, whose axis is 1 long
COLUMN, LEAST = 1.3, 3.9  # inches a column, and all of them together
ROW, LINE = 0.5, 0.16  # inches a sample, and a line of text
CHARACTER = 0.06  # inches, of the alarm's text
FLAG, WASH = "#9C1A00", "#FBEDE8"


@styled
def composition_figure(
    samples: pd.DataFrame, source: str, compounds: Iterable[str] | None = None
) -> Figure:
    """Draw the fraction of each compound in each sample, a column a compound, a row a sample.

    Parameters
    ----------
    samples : pandas.DataFrame
        Columns sample, role, expected (`Li2CO3+LiOH` or ""), spectra, outside (share of them),
        unexplained (ions), and for every compound fraction_ with _low and _high, present_ (share of
        the spectra), proof_ (strong, weak, noise or "").
    source : {"simulated", "measured"}
        Where the spectra come from.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those in `samples` when left out.

    Returns
    -------
    matplotlib.figure.Figure
        Dots are fractions, full where the compound is called present; lines their 90 % intervals.

    Raises
    ------
    DataError
        There is no sample.
    """
    if samples.empty:
        raise DataError("there is no mixture and no anode to draw.")
    ends = ("_low", "_high")
    names = sorted(
        c.removeprefix(PREFIX) for c in samples if c.startswith(PREFIX) and not c.endswith(ends)
    )
    looks = compound_looks([*names, *(compounds or [])])
    width = max(COLUMN * len(names), LEAST)
    alarms = [_alarm(row, width) for row in samples.to_dict("records")]
    expected = [
        textwrap.fill(mixture_text(text, typeset) or "not stated", 24)
        for text in samples["expected"]
    ]
    tall = np.array(
        [
            max(ROW, LINE * (1 + text.count("\n")) + 0.12) + LINE * len(alarm)
            for text, alarm in zip(expected, alarms, strict=True)
        ]
    )
    figure = new_figure(3.9 + width, 1.6 + tall.sum(), source)
    axes = figure.add_subplot()
    bottoms = np.cumsum(tall)
    # of the dots: in the middle of what the alarm's lines leave
    places = bottoms - (tall + LINE * np.array([len(alarm) for alarm in alarms])) / 2
    _frame(axes, names, bottoms, PITCH * len(names))
    for alarm, bottom, height in zip(alarms, bottoms, tall, strict=True):
        if alarm:
            axes.axhspan(bottom - height, bottom, color=WASH, linewidth=0, zorder=-1)
            axes.text(
                -0.02, bottom - 0.05, "\n".join(alarm), color=FLAG, fontsize=8, linespacing=1.2
            )
    # wide columns hold longer texts
    small = COLUMN * len(names) / width
    for column, name in enumerate(names):
        _column(axes, samples, places, name, looks[name].color, PITCH * column, small)
    _sides(axes, samples, places, expected)
    _legend(figure, names, samples)
    return figure


def _alarm(row: dict, width: float) -> list[str]:
    """Return the lines that say what the references do not explain; none where they do."""
    if not row["outside"]:
        return []
    number, spectra = round(row["outside"] * row["spectra"]), int(row["spectra"])
    told = "OUTSIDE what the references explain"
    told += f" in {number} of {spectra} spectra" if number < spectra else ""
    ions = [_ion(text) for text in row["unexplained"].split(", ") if text]
    # a formula and its m/z stay together
    told += ": " + ", ".join(ion.replace(" ", "\xa0") for ion in ions) if ions else ""
    return textwrap.wrap(told, max(int(width / CHARACTER), 20), break_long_words=False)


def _ion(text: str) -> str:
    """Typeset `18.998 F-` as the ion and its m/z; an unknown ion is its m/z alone."""
    mz, _, ion = text.partition(" ")
    return f"{typeset(ion)} {mz}" if ion else f"m/z {mz}"


def _frame(axes: Axes, names: list[str], bottoms: np.ndarray, right: float) -> None:
    """Set the axes up: a small axis from 0 to 1 for each compound, lines between the samples."""
    starts = PITCH * np.arange(len(names))
    ticks = (starts[:, None] + [0.0, 0.5, 1.0]).ravel()
    axes.set_xlim(-0.04, right - PITCH + 1.04)
    axes.set_ylim(bottoms[-1], 0.0)
    axes.set_xticks(ticks, ["0", "0.5", "1"] * len(names))
    axes.vlines(ticks, 0, bottoms[-1], color="#DDDDDD", linewidth=0.6, zorder=0)
    axes.hlines(bottoms[:-1], 0, 1, color="#BBBBBB", linewidth=0.6, zorder=0,
                transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_xlabel("fraction of the signal (semi-quantitative: matrix effects)")
    for start, name in zip(starts, names, strict=True):
        axes.annotate(
            textwrap.fill(typeset(name), 18),
            xy=(start + 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=10 if len(name) < 12 else 8,
            linespacing=1.1,
        )


def _column(
    axes: Axes,
    samples: pd.DataFrame,
    places: np.ndarray,
    name: str,
    color: str,
    start: float,
    small: float,
) -> None:
    """Draw one compound in all samples, and write its fraction and the verdict above."""
    fraction, low, high, present = (
        samples[column].astype(float).to_numpy()
        for column in (
            PREFIX + name, f"{PREFIX}{name}_low", f"{PREFIX}{name}_high", f"present_{name}"
        )
    )  # fmt: skip
    there = present >= PRESENT
    at = places + 0.08
    axes.hlines(at, start + low, start + high, color=EDGE, linewidth=4.0)
    axes.hlines(at, start + low, start + high, color=color, linewidth=2.6)
    for chosen, fill in ((there, color), (~there, "white")):
        # a line without points would take room at the figure's corner
        if chosen.any():
            axes.plot(
                start + fraction[chosen],
                at[chosen],
                linestyle="none",
                marker="o",
                markersize=7.0,
                markerfacecolor=fill,
                markeredgecolor=EDGE,
                markeredgewidth=1.0,
                clip_on=False,
            )
    told = zip(fraction, present, there, samples[f"proof_{name}"], samples["spectra"], strict=True)
    for place, (share, part, called, proof, spectra) in zip(places, told, strict=True):
        text = f"{share:.2f} {proof}".strip()
        text += f" {round(part * spectra)}/{int(spectra)}" if 0 < part < 1 else ""
        half = 0.021 * len(text) * small
        axes.text(
            start + np.clip(share, half, 1 - half),
            place - 0.05,
            text,
            ha="center",
            fontsize=8,
            color="black" if called else "#6B6B6B",
        )


def _sides(axes: Axes, samples: pd.DataFrame, places: np.ndarray, expected: list[str]) -> None:
    """Write the samples on the left, and what was expected on the right."""
    left = []
    for row in samples.itertuples():
        unit = "spectrum" if int(row.spectra) == 1 else "spectra"
        name = textwrap.fill(str(row.sample).replace("$", r"\$"), 24, max_lines=2)
        left.append(f"{name}\n{row.role}, {int(row.spectra)} {unit}")
    axes.set_yticks(places, left)
    right = axes.secondary_yaxis("right")
    right.set_yticks(places, expected)
    for title, end, offset, side in (("sample", 0, -6, "right"), ("expected", 1, 6, "left")):
        axes.annotate(
            title,
            xy=(end, 1.0),
            xycoords="axes fraction",
            xytext=(offset, 4),
            textcoords="offset points",
            ha=side,
            color=EDGE,
            style="italic",
        )
    for one in (axes, right):
        one.tick_params(axis="y", length=0, pad=6)
        one.spines[:].set_visible(False)
    axes.tick_params(axis="x", length=3)


def _legend(figure: Figure, names: list[str], samples: pd.DataFrame) -> None:
    """Say what dots, lines and verdicts mean."""
    dot = {"marker": "o", "linestyle": "none", "markersize": 7.0, "markeredgecolor": EDGE}
    present = samples[[f"present_{name}" for name in names]].to_numpy(dtype=float)
    words = ["strong, weak, noise: what its ions prove"]
    if ((present > 0) & (present < 1)).any():
        words.append("9/12: present in 9 of 12 spectra")
    handles = [
        Line2D([], [], **dot, markerfacecolor="#888888", label="called present"),
        Line2D([], [], **dot, markerfacecolor="white", label="not called present"),
        Line2D([], [], color="#888888", linewidth=3.0, label="90 % interval"),
        *(Line2D([], [], linestyle="none", label=text) for text in words),
    ]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=min(max(int(figure.get_figwidth() / 2.05), 2), 5),
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.0,
    )
