"""How far the calibrant ions are from their exact masses, before and after the calibration."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ionprint.figures.formula import typeset
from ionprint.figures.style import EDGE, new_figure, styled

BEFORE = "#6F97C4"
AFTER = "#0B2F66"
HOLLOW = "#D55E00"
MANY = 500
"""Points from which on they are one picture in SVG and PDF, which would be megabytes otherwise."""
_LABEL_GAP = 0.034  # of the axis' width, between the labels of neighbouring ions


@styled
def calibration_figure(calibration: pd.DataFrame, source: str) -> Figure:
    """Draw the mass error of every ion in every spectrum, before and after the calibration.

    Parameters
    ----------
    calibration : pandas.DataFrame
        Columns file, ion, mz (exact, u), error_before_ppm, error_after_ppm (empty where the ion
        was not found), used (in the fit), kind (calibrant, or added as known without doubt),
        result (calibrated, or kept: the export's own scale).
    source : {"simulated", "measured"}
        Where the spectra come from.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(7.5, 5.6, source)
    figure.suptitle(_title(calibration))
    panels = figure.subplots(2, 1, sharex=True)
    for axes, when, color in zip(panels, ("before", "after"), (BEFORE, AFTER), strict=True):
        error = calibration[f"error_{when}_ppm"].astype(float)
        _points(axes, calibration, error, color)
        # the errors after the calibration are so much smaller that they need a scale of their own
        reach = np.nanmax(np.abs(np.append(error, 1.0)))
        axes.set_ylim(-1.12 * reach, 1.12 * reach)
        axes.axhline(0.0, color=EDGE, linewidth=0.8)
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
        typical = f": median size {error.abs().median():.3g} ppm" if error.notna().any() else ""
        axes.set_ylabel(f"mass error (ppm)\n{when}{typical}")
    panels[1].set_xlabel("m/z (u)")
    _name_ions(panels, calibration)
    handles = {}
    for axes in panels:
        handles |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    if handles:
        figure.legend(
            handles.values(), handles, loc="outside lower left", ncols=3, frameon=False,
            handletextpad=0.2, columnspacing=1.2,
        )  # fmt: skip
    else:
        panels[0].text(0.5, 0.6, "no calibrant was found", ha="center",
                       transform=panels[0].transAxes)  # fmt: skip
    return figure


def spread(positions: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Move sorted label positions apart as little as possible.

    Parameters
    ----------
    positions : ndarray
        Sorted.
    gap : float
        The least distance of two neighbours.
    low, high : float
        The ends to stay between, as far as there is room.

    Returns
    -------
    ndarray
        New positions in the same order.
    """
    steps = gap * np.arange(len(positions))
    blocks: list[tuple[float, int]] = []
    for value in np.asarray(positions, dtype=float) - steps:
        mean, count = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, number = blocks.pop()
            mean = (before * number + mean * count) / (number + count)
            count += number
        blocks.append((mean, count))
    apart = np.repeat([mean for mean, _ in blocks], [count for _, count in blocks])
    room = high - (steps[-1] if len(steps) else 0.0)
    return np.clip(apart, low, max(low, room)) + steps


def _title(calibration: pd.DataFrame) -> str:
    """Say how many spectra were calibrated, and why others were not."""
    files = calibration.drop_duplicates("file")
    kept, total = int((files["result"] == "kept").sum()), len(files)
    if total and kept == total:
        return "Mass scale: the exports' own was kept in all spectra\n(bins too wide to improve it)"
    if kept:
        return (
            f"Mass calibration: {total - kept} of {total} spectra\n"
            f"(the exports' own scale was kept in {kept}: bins too wide to improve it)"
        )
    return f"Mass calibration of {total} spectra"


def _points(axes: Axes, calibration: pd.DataFrame, error: pd.Series, color: str) -> None:
    """Plot one point an ion and spectrum: small for added ions, hollow where no fit used it."""
    used = calibration["used"].astype(str).str.lower().isin(["true", "1", "1.0"])
    named = calibration["kind"] == "calibrant"
    for chosen, size, face, edge, label in (
        (used & ~named, 2.5, color, "none", "other ions known beyond doubt"),
        (used & named, 5.0, color, "white", "calibrants"),
        (~used, 4.0, "none", HOLLOW, "not used in a fit"),
    ):
        found = chosen & error.notna()
        if found.any():
            axes.plot(
                calibration["mz"].astype(float)[found],
                error[found],
                "o",
                markersize=size,
                markerfacecolor=face,
                markeredgecolor=edge,
                markeredgewidth=0.9 if face == "none" else 0.4,
                label=label,
                rasterized=len(error) > MANY,
            )


def _name_ions(panels: np.ndarray, calibration: pd.DataFrame) -> None:
    """Write the calibrants above the panels, moved apart, each with a line to its m/z."""
    if calibration.empty:
        return
    axes = panels[0]
    every = calibration["mz"].astype(float)
    margin = 0.06 * (every.max() - every.min()) or 1.0
    low, high = every.min() - margin, every.max() + margin
    axes.set_xlim(low, high)
    ions = calibration[calibration["kind"] == "calibrant"]
    ions = ions.drop_duplicates("ion").sort_values("mz", kind="stable")
    if ions.empty:
        return
    mz = ions["mz"].to_numpy(float)
    places = spread((mz - low) / (high - low), _LABEL_GAP, 0.0, 1.0)
    for ion, exact, place in zip(ions["ion"], mz, places, strict=True):
        for panel in panels:
            panel.axvline(exact, color="#EEEEEE", linewidth=0.8, zorder=0)
        axes.annotate(
            typeset(ion, charge="-"),
            xy=(exact, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(place, 1.05),
            textcoords="axes fraction",
            ha="center",
            va="bottom",
            rotation=90,
            arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkB": 0},
        )
