"""How far the calibrant ions are from their exact masses, before and after the calibration."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ionprint.figures.formula import mathtext
from ionprint.figures.style import EDGE, new_figure, styled

BEFORE = "#9BB8D9"
AFTER = "#0B2F66"
_LABEL_GAP = 0.034  # of the axis' width, between the labels of neighbouring ions


@styled
def calibration_figure(calibration: pd.DataFrame, source: str) -> Figure:
    """Draw the mass error of every calibrant in every spectrum, before and after.

    Parameters
    ----------
    calibration : pandas.DataFrame
        Columns file, ion, mz (exact, u), error_before_ppm, error_after_ppm (empty where the ion
        was not found), used (in the fit), result (calibrated, or kept: the export's own scale).
    source : {"simulated", "measured"}
        Where the spectra come from.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(7.5, 5.0, source)
    figure.suptitle(_title(calibration))
    axes = figure.add_subplot()
    used = calibration["used"].astype(str).str.lower().isin(["true", "1", "1.0"])
    mz = calibration["mz"].astype(float)
    errors = {when: calibration[f"error_{when}_ppm"].astype(float) for when in ("before", "after")}
    for when, color, size in (("before", BEFORE, 6.5), ("after", AFTER, 4.0)):
        _points(axes, mz, errors[when], used, (when, color, size))
    reach = np.nanmax(np.abs(np.concatenate([[1.0], *errors.values()])))
    axes.set_ylim(-1.12 * reach, 1.12 * reach)
    axes.axhline(0.0, color=EDGE, linewidth=0.8)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axes.set_xlabel("m/z (u)")
    axes.set_ylabel("mass error (ppm)")
    _name_ions(axes, calibration)
    if any(error.notna().any() for error in errors.values()):
        figure.legend(loc="outside lower left", ncols=2, frameon=False)
    else:
        axes.text(0.5, 0.6, "no calibrant was found", ha="center", transform=axes.transAxes)
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


def _points(
    axes: Axes, mz: pd.Series, error: pd.Series, used: pd.Series, look: tuple[str, str, float]
) -> None:
    """Plot one point a calibrant and spectrum; hollow where the fit did not use it."""
    when, color, size = look
    typical = f" (median size {error.abs().median():.3g} ppm)" if error.notna().any() else ""
    for chosen, face, label in (
        (used, color, f"{when}{typical}"),
        (~used, "none", f"{when}, not used in a fit"),
    ):
        found = chosen & error.notna()
        if found.any():
            axes.plot(
                mz[found],
                error[found],
                "o",
                markersize=size,
                markerfacecolor=face,
                markeredgecolor=color if face == "none" else "white",
                markeredgewidth=0.9 if face == "none" else 0.4,
                label=label,
            )


def _name_ions(axes: Axes, calibration: pd.DataFrame) -> None:
    """Write the calibrants above the axes, moved apart, each with a line to its m/z."""
    ions = calibration.drop_duplicates("ion").sort_values("mz", kind="stable")
    if ions.empty:
        return
    mz = ions["mz"].to_numpy(float)
    margin = 0.06 * (mz[-1] - mz[0]) or 1.0
    low, high = mz[0] - margin, mz[-1] + margin
    axes.set_xlim(low, high)
    places = spread((mz - low) / (high - low), _LABEL_GAP, 0.0, 1.0)
    for ion, exact, place in zip(ions["ion"], mz, places, strict=True):
        axes.axvline(exact, color="#EEEEEE", linewidth=0.8, zorder=0)
        axes.annotate(
            mathtext(ion, charge="-"),
            xy=(exact, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(place, 1.05),
            textcoords="axes fraction",
            ha="center",
            va="bottom",
            rotation=90,
            arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkB": 0},
        )
