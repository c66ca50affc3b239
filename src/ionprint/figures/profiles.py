"""Raw spectra around the ions that prove a compound: the sample, its reference, the others."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ionprint.errors import DataError
from ionprint.figures.formula import typeset
from ionprint.figures.style import Look, compound_looks, new_figure, styled
from ionprint.spectra.spectrum import Spectrum

BESIDE = 2.5
"""Peak widths (FWHM) shown beside the borders at least."""
ROOM = 1.18  # of the highest bin between the borders
WIDTH, HEIGHT = 2.25, 1.55  # inches a panel
EMPTY = 0.75  # inches a row without one
SAMPLE, OTHERS, BETWEEN = "black", "#555555", "#F0F0F0"
LEVEL = (0, (5, 3))


class Proof(NamedTuple):
    """What speaks for the compounds of one sample, as raw spectra.

    Attributes
    ----------
    row : dict
        The sample, of `samples_table`.
    claims : pandas.DataFrame
        compound, called (spectra in which it is called present), mz, ion, lower, upper (u),
        background (counts a bin); of the compounds of largest fraction.
    short : bool
        Whether others were left out.
    spectrum : Spectrum
        The sum of the sample's spectra.
    references : dict of str to Spectrum
        The sum of each compound's references.
    parts : dict of str to float
        Share of the sample's counts that each compound explains.
    width : float
        Full width at half maximum of a peak (sqrt(u)).
    """

    row: dict[str, Any]
    claims: pd.DataFrame
    short: bool
    spectrum: Spectrum
    references: dict[str, Spectrum]
    parts: dict[str, float]
    width: float


@styled
def profiles_figure(
    claims: pd.DataFrame,
    sample: Spectrum,
    references: Mapping[str, Spectrum],
    parts: Mapping[str, float],
    width: float,
    source: str,
    compounds: Iterable[str] | None = None,
) -> Figure:
    """Draw what one sample shows around the first ions of each compound that it is said to hold.

    Parameters
    ----------
    claims : pandas.DataFrame
        A row an ion, in the order to draw: compound, verdict (what is written beside its row), mz
        (u; NaN where no ion speaks for a compound), lower, upper (borders, u; NaN where the peak
        list has none), ion (formula or ""), background (of the sample, counts a bin; NaN where not
        known).
    sample : Spectrum
        The sum of the sample's spectra.
    references : mapping of str to Spectrum
        The sum of each compound's references, on the same bins.
    parts : mapping of str to float
        Share of the sample's counts that each compound explains.
    width : float
        Full width at half maximum of a peak (sqrt(u)).
    source : {"simulated", "measured"}
        Where the spectra come from.
    compounds : iterable of str, optional
        All compounds of the model, for colours; those in `references` when left out.

    Returns
    -------
    matplotlib.figure.Figure
        A row a compound, a column an ion. Heights are square roots, so that a small share of a
        compound is seen beside its reference. Sample and reference are in counts per million of
        their own counts; what the other compounds explain, per million of the sample's.

    Raises
    ------
    DataError
        There is no ion to draw.
    """
    if claims["mz"].isna().all():
        raise DataError("no ion speaks for any compound: there is nothing to draw.")
    names = list(dict.fromkeys(claims["compound"]))
    looks = compound_looks([*references, *names, *(compounds or [])])
    columns = int(claims["compound"].value_counts().max())
    silent = set(claims.loc[claims["mz"].isna(), "compound"])
    tall = [EMPTY if name in silent else HEIGHT for name in names]
    figure = new_figure(1.6 + WIDTH * max(columns, 2), 1.3 + sum(tall), source)
    figure.suptitle(f"{sample.file}: ions that speak for its compounds".replace("$", r"\$"))
    million = 1e6 / sample.counts.sum()
    grid = figure.add_gridspec(len(names), max(columns, 2), height_ratios=tall)
    lowest = {}
    for row, name in enumerate(names):
        lines = curves(sample, references, parts, name)
        own = claims[claims["compound"] == name]
        for column, ion in enumerate(own.itertuples()):
            axes = figure.add_subplot(grid[row, column])
            if column == 0:
                _beside(axes, f"{typeset(name)}\n{ion.verdict}")
            if np.isnan(ion.mz):
                _empty(axes)
                continue
            level = million * ion.background
            _panel(axes, sample, lines, ion, width, looks[name], level)
            lowest[column] = axes
    for axes in lowest.values():
        axes.set_xlabel("m/z (u)")
    figure.supylabel("counts a bin,\nper million counts (root scale)", fontsize=9)
    _legend(figure, looks[names[0]])
    return figure


def curves(
    sample: Spectrum, references: Mapping[str, Spectrum], parts: Mapping[str, float], compound: str
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Return what is compared around the ions of one compound, bin by bin.

    Parameters
    ----------
    sample, references, parts
        See `profiles_figure`.
    compound : str

    Returns
    -------
    tuple of ndarray
        Counts per million of the sample; of the compound's references, None without any; of the
        other compounds, by the share of the sample's counts that each explains.
    """
    shares = {name: _per_million(spectrum) for name, spectrum in references.items()}
    rest = sum(
        (parts.get(other, 0.0) * share for other, share in shares.items() if other != compound),
        start=np.zeros(sample.counts.size),
    )
    return _per_million(sample), shares.get(compound), rest


def reach(
    sample: Spectrum, mz: float, lower: float, upper: float, width: float
) -> tuple[np.ndarray, slice]:
    """Return the borders of an ion and the bins that are shown around it.

    Parameters
    ----------
    sample : Spectrum
    mz, lower, upper : float
        The ion and its borders (u); a peak's width where a border is NaN.
    width : float
        Full width at half maximum of a peak (sqrt(u)).

    Returns
    -------
    ndarray, shape (2,)
        The borders (sqrt(u)).
    slice
        Of the sample's bins.
    """
    ends = np.sqrt([lower, upper])
    if not np.isfinite(ends).all():
        ends = np.sqrt(mz) + np.array([-width, width])
    beside = max(BESIDE * width, 0.6 * (ends[1] - ends[0]))
    bins = np.round(sample.bin_at(ends + np.array([-beside, beside]))).astype(int) + [0, 1]
    return ends, slice(*np.clip(bins, 0, sample.counts.size).tolist())


def _per_million(spectrum: Spectrum) -> np.ndarray:
    return spectrum.counts * (1e6 / spectrum.counts.sum())


def _beside(axes: Axes, text: str) -> None:
    """Write what a row is about on its left, beyond the numbers of the axis."""
    axes.annotate(
        text,
        xy=(0, 0.5),
        xycoords="axes fraction",
        xytext=(-50, 0),
        textcoords="offset points",
        ha="right",
        va="center",
    )


def _empty(axes: Axes) -> None:
    """Say that a compound is called present though no ion speaks for it."""
    axes.set_axis_off()
    axes.text(0, 0.5, "no ion speaks for it", va="center", style="italic")


def _panel(
    axes: Axes,
    sample: Spectrum,
    lines: tuple[np.ndarray, np.ndarray | None, np.ndarray],
    ion: tuple,
    width: float,
    look: Look,
    level: float,
) -> None:
    """Draw the spectra around one ion, its borders shaded."""
    ends, bins = reach(sample, ion.mz, ion.lower, ion.upper, width)
    edges = (sample.start + sample.step * np.arange(bins.start, bins.stop + 1)) ** 2
    middles = sample.centres(bins.start, bins.stop)
    inside = (middles >= ends[0] - sample.step / 2) & (middles <= ends[1] + sample.step / 2)
    measured, own, rest = (None if c is None else np.sqrt(c[bins]) for c in lines)
    axes.axvspan(*ends**2, color=BETWEEN, linewidth=0, zorder=0)
    if own is not None:
        axes.stairs(own, edges, fill=True, color=look.color, alpha=0.55, hatch=look.hatch)
    axes.stairs(rest, edges, fill=True, color=OTHERS, alpha=0.55)
    axes.stairs(measured, edges, color=SAMPLE, linewidth=1.3, baseline=None)
    if np.isfinite(level):
        axes.axhline(np.sqrt(level), color=SAMPLE, linewidth=0.7, linestyle=LEVEL)
    highest = max(c[inside].max(initial=0.0) for c in (measured, own, rest) if c is not None)
    top = highest or measured.max() or 1.0
    axes.set_ylim(0, ROOM * top)
    large = _round_number((ROOM * top) ** 2)
    ticks = [0.0, large / 10, large]
    axes.set_yticks(np.sqrt(ticks), [f"{tick:,.10g}".replace(",", " ") for tick in ticks])
    axes.set_xlim(edges[0], edges[-1])
    axes.locator_params(axis="x", nbins=3)
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")
    axes.set_title(
        f"{typeset(ion.ion, charge='-')}  {ion.mz:.4f}" if ion.ion else f"{ion.mz:.4f}", fontsize=9
    )


def _round_number(most: float) -> float:
    """Return the largest of 1, 2, 5, 10 and so on that is not above `most`."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(power * max(step for step in (1, 2, 5) if step * power <= most * (1 + 1e-9)))


def _legend(figure: Figure, look: Look) -> None:
    """Say what is what."""
    handles = [
        Line2D([], [], color=SAMPLE, linewidth=1.3, label="sample"),
        Patch(facecolor=look.color, alpha=0.55, label="pure compound (its colour)"),
        Patch(facecolor=OTHERS, alpha=0.55, label="part of the other compounds"),
        Patch(facecolor=BETWEEN, edgecolor="#CCCCCC", label="between borders"),
        Line2D(
            [], [], color=SAMPLE, linewidth=0.7, linestyle=LEVEL, label="level beside the peaks"
        ),
    ]
    figure.legend(
        handles=handles, loc="outside lower left", frameon=False, columnspacing=1.2,
        ncols=max(int(figure.get_figwidth() / 2.1), 2),
    )  # fmt: skip
