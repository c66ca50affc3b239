"""Cross-validated scores side by side: grouped folds against naive ones and chance."""

import textwrap
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ionprint.errors import DataError
from ionprint.figures.style import PALETTE, new_figure, styled

KINDS = {
    "nested": "nested",
    "grouped": "grouped",
    "plain": "plain (naive)",
    "rebuilt_peaks": "peak table rebuilt\nin every fold",
    "dummy": "chance",
}
"""What is drawn of the scores, the first on top."""
METRICS = {"accuracy": "accuracy", "log_loss": "log loss"}
DECIMALS = {"accuracy": 3, "log_loss": 4}
QUOTED, NAIVE = PALETTE[4], PALETTE[5]
_WRAP = 118  # letters a line under the title


class _Mark(NamedTuple):
    color: str
    marker: str


@styled
def scores_figure(metrics: dict[str, Any], folds: pd.DataFrame, source: str) -> Figure:
    """Draw accuracy and log loss of every scheme of folds, with the score of each fold.

    Parameters
    ----------
    metrics : dict
        Of each scheme in `KINDS`, or None where it was not done: folds (its name), and accuracy and
        log_loss, each with `_low` and `_high`, the ends of the 95 % interval. Of the quoted one
        again as `score`, with unit, units, mistaken and mistaken_at_most where they are known; its
        `meaning` in words; `gap`, plain minus grouped, or None.
    folds : pandas.DataFrame
        Columns folds (the scheme's name), fold, accuracy, log_loss.
    source : {"simulated", "measured"}
        Where the spectra come from.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for the accuracy and one for the log loss, on a logarithmic axis; every row a
        scheme, its folds as dots below the mean, the quoted score and the naive one coloured.

    Raises
    ------
    DataError
        No scheme has a score.
    """
    scores = {kind: metrics[kind] for kind in KINDS if metrics.get(kind)}
    if not scores:
        raise DataError("there are no cross-validated scores to draw.")
    quoted = metrics["score"]["folds"]
    marks = {kind: _mark(kind, score["folds"] == quoted) for kind, score in scores.items()}
    labels = [
        KINDS[kind] + (" (quoted)" if score["folds"] == quoted else "")
        for kind, score in scores.items()
    ]
    outer = new_figure(10.5, 2.3 + 0.45 * len(scores), source)
    outer.suptitle("Cross-validation: grouped folds, naive folds and chance")
    figure = outer.subfigures()
    figure.suptitle(_told(metrics), fontsize=9)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (metric, name) in zip(panels, METRICS.items(), strict=True):
        own = {kind: folds.loc[folds["folds"] == s["folds"], metric] for kind, s in scores.items()}
        _panel(axes, metric, scores, own, marks)
        axes.set_xlabel(f"{name}, mean over spectra with 95 % interval")
    panels[0].set_yticks(range(len(scores)), labels)
    panels[0].set_ylim(len(scores) - 0.35, -0.5)
    handles, texts = panels[0].get_legend_handles_labels()
    chosen = dict(zip(texts, handles, strict=True))
    outer.legend(chosen.values(), chosen, loc="outside lower left", ncols=4, frameon=False)
    return outer


def _mark(kind: str, quoted: bool) -> _Mark:
    """Choose colour and marker: the quoted score and the naive one stand out."""
    if quoted:
        return _Mark(QUOTED, "o")
    return _Mark(NAIVE, "s") if kind == "plain" else _Mark("#666666", "D")


def _told(metrics: dict[str, Any]) -> str:
    """Say what the quoted score means, and how far the naive one is from the grouped one."""
    lines = textwrap.wrap(f"The quoted score tells {metrics['meaning']}.", _WRAP)
    score, gap = metrics["score"], metrics.get("gap")
    unit = score.get("unit") or "group"
    if score.get("mistaken") == 0:
        lines.append(
            f"No {unit} of {score['units']} was mistaken: an accuracy interval without width; "
            f"at most {100 * score['mistaken_at_most']:.0f} % of them would be (95 %, one-sided)."
        )
    if gap:
        lines.append(
            f"Plain minus grouped: accuracy {gap['accuracy']:+.3f}, log loss {gap['log_loss']:+.4f}"
            f" (plain folds let one {unit if unit != 'spectrum' else 'group'} stand in training and"
            " test)."
        )
    else:
        lines.append("Without grouped folds it is not known how much plain folds flatter.")
    return "\n".join(lines).replace("-0.", "\N{MINUS SIGN}0.").replace("$", r"\$")


def _panel(
    axes: Axes,
    metric: str,
    scores: dict[str, dict],
    folds: dict[str, pd.Series],
    marks: dict[str, _Mark],
) -> None:
    """Draw one metric, a scheme a row, and write its numbers at the right."""
    low, high = _limits(metric, scores, folds)
    if metric != "accuracy" and low > 0:
        axes.set_xscale("log")
    written = []
    for place, (kind, score) in enumerate(scores.items()):
        mean, ends = score[metric], [score[f"{metric}_low"], score[f"{metric}_high"]]
        color, marker = marks[kind]
        values = folds[kind].to_numpy(dtype=float)
        # a lane for each fold, so that equal scores are seen side by side
        lanes = place + 0.2 + 0.26 * np.arange(len(values)) / max(len(values) - 1, 1)
        if len(values):
            axes.plot(
                np.clip(values, low, high), lanes, "o", ms=2.6, color="#9A9A9A", mew=0,
                label="each fold", rasterized=len(values) > 500, clip_on=False,
            )  # fmt: skip
        axes.plot(np.clip(ends, low, high), [place, place], "|-", color=color, lw=1.6, ms=7)
        label = {"o": "quoted score", "s": "naive score"}.get(marker, "other scores")
        axes.plot(
            [np.clip(mean, low, high)], [place], marker, ms=6.5, color=color, mec="white",
            mew=0.6, ls="none", label=label, clip_on=False, zorder=3,
        )  # fmt: skip
        digits = DECIMALS[metric]
        written.append(f"{mean:.{digits}f} [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]")
    axes.set_xlim(low, high)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for place, text in enumerate(written):
        axes.annotate(
            text,
            xy=(1.0, place),
            xycoords=axes.get_yaxis_transform(),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
        )


def _limits(
    metric: str, scores: dict[str, dict], folds: dict[str, pd.Series]
) -> tuple[float, float]:
    """Return the ends of the axis: all of an accuracy; for a log loss what there is, with room."""
    if metric == "accuracy":
        return 0.0, 1.0
    values = [s[f"{metric}{end}"] for s in scores.values() for end in ("", "_low", "_high")]
    values = np.array([*values, *pd.concat(folds.values())], dtype=float)
    values = values[np.isfinite(values)]
    if min(s[metric] for s in scores.values()) <= 0:
        return 0.0, 1.05 * float(values.max()) or 1.0
    return 0.7 * float(values[values > 0].min()), 1.4 * float(values.max())
