"""The ions that speak most for each compound, with their weights and what else speaks for them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ionprint.errors import DataError
from ionprint.figures.formula import typeset
from ionprint.figures.style import EDGE, Look, compound_looks, new_figure, styled
from ionprint.models.families import families

SHOWN = 10  # ion families a compound
WIDE = 10.0  # inches, from which the legend stands in one row
STRENGTH = {"specific": 1.0, "compatible": 0.45, "incompatible": 0.0}
"""How full a bar's colour is, by evidence; full where there is none."""
MEANING = {
    "specific": "specific: most intense here, the elements fit",
    "compatible": "compatible: the elements fit",
    "incompatible": "incompatible: has an element that the compound lacks",
}


@styled
def ranking_figure(
    ions: pd.DataFrame,
    source: str,
    compounds: Iterable[str] | None = None,
    first: int | None = None,
) -> Figure:
    """Draw the first ten ions of every compound, one panel a compound.

    An ion and its isotope satellites are one bar, the largest weight among them.

    Parameters
    ----------
    ions : pandas.DataFrame
        Columns compound, rank (from 1), mz (u), ion (formula or ""), weight, weight_sd; family,
        family_rank and satellite_of where peaks are grouped; evidence where it was judged;
        in_first, the share of resamplings (0 to 1) in which the peak is among the first ones of
        its compound, where spectra were resampled.
    source : {"simulated", "measured"}
        Where the spectra come from.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those in `ions` when left out.
    first : int, optional
        How many peaks of a compound `in_first` counts as its first ones, for the title.

    Returns
    -------
    matplotlib.figure.Figure
        The panels share one weight axis, so that their bars can be compared. The share in_first is
        written at the right of each bar.

    Raises
    ------
    DataError
        `ions` has no rows.
    """
    if ions.empty:
        raise DataError("the ion ranking has no rows: there is nothing to draw.")
    names = sorted(set(ions["compound"]))
    looks = compound_looks([*names, *(compounds or [])])
    ions = families(ions)
    shown = {name: _first(ions, name) for name in names}
    columns = min(len(names), 3 if len(names) != 4 else 2)
    rows = -(-len(names) // columns)
    stable = "in_first" in ions and ions["in_first"].notna().any()
    figure = new_figure(max((4.0 if stable else 3.7) * columns, 5.0), 3.2 * rows + 0.6, source)
    grouped = any(own["satellites"].any() for own in shown.values())
    figure.suptitle(_title(grouped, stable, first))
    limits = _limits(pd.concat(shown.values()))
    for i, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, i + 1)
        _panel(axes, shown[name], looks[name])
        if stable:
            figure.get_layout_engine().set(w_pad=0.1)
            _shares(axes, shown[name]["in_first"])
        axes.set_title(typeset(name) + _remark(shown[name]))
        axes.set_xlim(limits)
        if i + columns >= len(names):
            axes.set_xlabel("weight (mean over folds)")
    _legend(figure, pd.concat(shown.values()))
    return figure


def ion_label(ion: str, mz: float, satellites: int = 0) -> str:
    """Write an ion and its m/z, `LiH2-  9.0322 +1`, typeset; the m/z alone for an unknown ion.

    Parameters
    ----------
    mz : float
        u.
    satellites : int
        Isotope satellites that are shown by this ion.
    """
    known = isinstance(ion, str) and ion.strip()
    label = f"{typeset(ion, charge='-')}  {mz:.4f}" if known else f"{mz:.4f}"
    return f"{label} +{satellites}" if satellites else label


def _title(grouped: bool, stable: bool, first: int | None) -> str:
    """Say what is drawn, and what stands beside the bars."""
    title = "Characteristic ions" + (", +n: and n isotope satellites" if grouped else "")
    if stable:
        ones = "first ones" if first is None else f"first {first}"
        title += f"\n%: share of resamplings in the {ones}"
    return title


def _first(ions: pd.DataFrame, name: str) -> pd.DataFrame:
    """Select the first families of one compound."""
    own = ions[ions["compound"] == name].head(SHOWN)
    return own.astype({"weight": float, "weight_sd": float})


def _limits(shown: pd.DataFrame) -> tuple[float, float]:
    """Return the weight axis' ends: zero and every error bar within, with a little room."""
    spread = shown["weight_sd"].fillna(0.0)
    low = min(0.0, float((shown["weight"] - spread).min()))
    high = max(0.0, float((shown["weight"] + spread).max()))
    room = 0.04 * (high - low) or 1.0
    return (low - room if low < 0 else 0.0), high + room


def _panel(axes: Axes, own: pd.DataFrame, look: Look) -> None:
    """Draw the bars of one compound, the first rank on top."""
    places = np.arange(len(own))
    dark = look.color == "#000000"
    axes.barh(
        places,
        own["weight"].to_numpy(),
        xerr=own["weight_sd"].to_numpy(),
        height=0.72,
        color=_fills(own, look),
        hatch=look.hatch,
        edgecolor="white" if look.hatch and dark else EDGE,
        linewidth=0.6,
        error_kw={"ecolor": "#999999" if dark else EDGE, "elinewidth": 1.0, "capsize": 2.5},
    )
    told = zip(own["ion"], own["mz"], own["satellites"], strict=True)
    labels = [ion_label(ion, mz, satellites) for ion, mz, satellites in told]
    axes.set_yticks(places, labels)
    axes.set_ylim(max(len(own), SHOWN // 2) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0.0, color=EDGE, linewidth=0.8)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.locator_params(axis="x", nbins=5)


def _shares(axes: Axes, shares: pd.Series) -> None:
    """Write at the right in how many resamplings each ion is among the first ones."""
    for place, share in enumerate(shares):
        if np.isfinite(share):
            axes.annotate(
                f"{share:.0%}".replace("%", " %"),
                xy=(1.0, place),
                xycoords=axes.get_yaxis_transform(),
                xytext=(32, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=8,
                color=EDGE,
            )


def _fills(own: pd.DataFrame, look: Look) -> list[tuple[float, ...]]:
    """Return the bars' colours, paler where less speaks for the ion."""
    kinds = own["evidence"] if "evidence" in own else [""] * len(own)
    return [to_rgba(look.color, STRENGTH.get(kind, 1.0)) for kind in kinds]


def _remark(own: pd.DataFrame) -> str:
    """Say in the title where none of the ions shown is the compound's own."""
    judged = "own" in own and (own["evidence"] != "").any()
    return ": none of its own" if judged and not own["own"].any() else ""


def _legend(figure: Figure, shown: pd.DataFrame) -> None:
    """Say what full, pale and empty bars mean, where there are any."""
    kinds = set(shown["evidence"]) if "evidence" in shown else set()
    handles = [
        Patch(facecolor=to_rgba("#555555", strength), edgecolor=EDGE, label=MEANING[kind])
        for kind, strength in STRENGTH.items()
        if kind in kinds
    ]
    if handles:
        columns = len(handles) if figure.get_figwidth() > WIDE else 1
        figure.legend(handles=handles, loc="outside lower left", ncols=columns, frameon=False)
