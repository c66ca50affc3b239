"""Neighbouring peaks told apart: the summed spectrum, and what was fitted to it."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ionprint.errors import DataError
from ionprint.figures.calibration import spread
from ionprint.figures.formula import typeset
from ionprint.figures.style import PALETTE, new_figure, styled
from ionprint.spectra.search import Peaks
from ionprint.spectra.spectrum import Spectrum

PANELS = 6
COUNTS, SHARE = 1000.0, 0.02
"""Counts of a strong peak, and its share of the strongest one of its nominal mass."""
APART = 1.2
"""Peak widths between two strong peaks that count as told apart."""
TOGETHER = 5.0
"""Peak widths between strong peaks that are shown together at most."""
BESIDE = (2.5, 4.0)
"""Peak widths shown below the first and above the last strong peak."""
REACH = 40.0
"""Peak widths beyond which a peak gives nothing to a panel."""
FINE = 8
"""Points a bin of the smooth curves."""
FLOOR = 3e-4
"""Share of the highest bin at which the logarithmic axis begins."""
LABELS = 4
"""Peaks named in a panel at most: the nearest two and the strongest others."""
LABEL_GAP = 0.235
"""Of the axis' width, between labels."""
COLORS = (PALETTE[4], PALETTE[5], PALETTE[2], PALETTE[6], PALETTE[1], PALETTE[0])


@dataclass(frozen=True)
class Window:
    """Part of the spectrum with neighbouring strong peaks.

    Attributes
    ----------
    strong : ndarray of int
        Strong peaks of one nominal mass that stand together, by rising m/z.
    pair : ndarray of int, shape (2,)
        The two nearest of them.
    gap : float
        Peak widths between these two.
    """

    strong: np.ndarray
    pair: np.ndarray
    gap: float


def windows(peaks: Peaks) -> list[Window]:
    """Return the nominal masses whose strong peaks stand nearest together.

    Parameters
    ----------
    peaks : Peaks

    Returns
    -------
    list of Window
        At most `PANELS`, by rising m/z; empty where no two strong peaks stand together.
    """
    x, nominal = np.sqrt(peaks.mz), np.rint(peaks.mz)
    found = []
    for mass in np.unique(nominal):
        own = np.flatnonzero(nominal == mass)
        enough = max(COUNTS, SHARE * peaks.counts[own].max())
        strong = own[peaks.counts[own] >= enough]
        if strong.size >= 2:
            gaps = np.diff(x[strong]) / peaks.width
            least = int(gaps.argmin())
            if gaps[least] >= APART:
                group = np.cumsum(np.append(0, gaps > max(TOGETHER, gaps[least])))
                together = strong[group == group[least]]
                found.append(Window(together, strong[least : least + 2], float(gaps[least])))
    nearest = sorted(found, key=lambda window: window.gap)[:PANELS]
    return sorted(nearest, key=lambda window: int(window.strong[0]))


@styled
def overlap_figure(total: Spectrum, peaks: Peaks, ions: pd.Series, source: str) -> Figure:
    """Draw neighbouring peaks with the fit that tells them apart.

    Parameters
    ----------
    total : Spectrum
        The sum of the calibrated spectra.
    peaks : Peaks
        The peaks that were fitted to it, with their shape.
    ions : Series of str
        Formula of each peak, empty where none is known.
    source : {"simulated", "measured"}
        Where the spectra come from.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        No two strong peaks stand near each other, or the peaks were not fitted.
    """
    chosen = windows(peaks) if peaks.shape else []
    if not chosen:
        raise DataError("no two strong peaks of one nominal mass were told apart")
    columns = min(len(chosen), 2)
    rows = -(-len(chosen) // columns)
    figure = new_figure(3.75 * columns, 0.9 + 2.35 * rows, source)
    figure.suptitle("Neighbouring peaks told apart by their shape")
    centres = peaks.centres
    for place, window in enumerate(chosen):
        axes = figure.add_subplot(rows, columns, place + 1)
        _panel(axes, total, peaks, centres, ions.tolist(), window)
    figure.supylabel("counts a bin, all spectra together", fontsize=9)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False)
    return figure


def _panel(
    axes: Axes,
    total: Spectrum,
    peaks: Peaks,
    centres: np.ndarray,
    ions: list[str],
    window: Window,
) -> None:
    """Draw one window: the bins, each peak's curve, their sum, and names above the peaks."""
    below, above = BESIDE
    x = np.sqrt(peaks.mz[window.strong])
    low, high = x[0] - below * peaks.width, x[-1] + above * peaks.width
    first, last = np.clip(total.bin_at(np.array([low, high])).astype(int), 0, total.counts.size)
    counts = total.counts[first:last]
    edges = total.start + total.step * np.arange(first, last + 1)
    axes.stairs(counts, edges**2, color="#8A8A8A", linewidth=1.3, label="summed spectrum")

    fine = np.linspace(edges[0], edges[-1], FINE * (last - first) + 1)
    middle = (low + high) / 2
    near = np.flatnonzero(np.abs(centres - middle) < REACH * peaks.width)
    _, density = peaks.shape(fine[:, None] - centres[near], middle)
    curves = density * peaks.counts[near] * total.step
    floor = max(FLOOR * counts.max(), 0.5)
    shown = near[(curves.max(axis=0) > 2 * floor) & (centres[near] > low) & (centres[near] < high)]
    for color, peak in zip(itertools.cycle(COLORS), shown, strict=False):
        curve = curves[:, near == peak][:, 0]
        seen = np.flatnonzero(curve > floor)  # the rest would be points along the axis
        part = slice(max(seen[0] - 1, 0), seen[-1] + 2)
        axes.fill_between(
            fine[part] ** 2, floor, np.maximum(curve[part], floor), color=color, alpha=0.45, lw=0
        )
    fit = curves.sum(axis=1)
    axes.plot(fine**2, fit, color="black", linewidth=0.8, label="sum of the fit")
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_ylim(floor, 30 * counts.max())
    axes.set_xlim(edges[0] ** 2, edges[-1] ** 2)
    axes.set_xlabel("m/z (u)")
    axes.locator_params(axis="x", nbins=4)
    axes.ticklabel_format(axis="x", useOffset=False)
    named = _named(peaks, window.pair, shown)
    tops = np.interp(peaks.mz[named], fine**2, fit)
    labels = [f"{_formula(ions[peak])}\n{peaks.mz[peak]:.4f}" for peak in named]
    _name_peaks(axes, peaks.mz[named], tops, labels)


def _named(peaks: Peaks, pair: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Choose the peaks to name: the nearest two and the strongest others, by rising m/z."""
    others = np.setdiff1d(shown, pair)
    strongest = others[np.argsort(-peaks.counts[others], kind="stable")]
    return np.sort(np.append(pair, strongest[: LABELS - pair.size]))


def _formula(ion: str) -> str:
    return typeset(ion, charge="-") if ion else ""


def _name_peaks(axes: Axes, mz: np.ndarray, tops: np.ndarray, labels: list[str]) -> None:
    """Write labels above the peaks, moved apart, each with a line to its peak's top."""
    low, high = axes.get_xlim()
    places = spread((mz - low) / (high - low), LABEL_GAP, 0.10, 0.92)
    for exact, top, label, place in zip(mz, tops, labels, places, strict=True):
        axes.annotate(
            label,
            xy=(exact, 1.3 * top),
            xytext=(place, 0.99),
            textcoords="axes fraction",
            ha="center",
            va="top",
            fontsize=8,
            linespacing=1.15,
            arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 1},
        )
