"""How the search for hyperparameters went."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ionprint.config import MINIMISED
from ionprint.errors import DataError
from ionprint.figures.style import EDGE, PALETTE, new_figure, styled

LABELS = {"log_loss": "log loss", "accuracy": "accuracy", "f1_macro": "macro F1"}
NOT_TUNED = ("trial", "score", "score_se")


@styled
def tuning_figure(trials: pd.DataFrame, metric: str, source: str) -> Figure:
    """Draw the score of every trial, in the order they were tried and against each hyperparameter.

    Parameters
    ----------
    trials : pandas.DataFrame
        Columns trial, score, score_se (standard error over the folds), one a hyperparameter.
    metric : str
        What the score is.
    source : {"simulated", "measured"}
        Where the spectra come from.

    Returns
    -------
    matplotlib.figure.Figure
        The best trial is marked; log losses and hyperparameters over more than two decades are on
        logarithmic axes.

    Raises
    ------
    DataError
        There are no trials.
    """
    if trials.empty:
        raise DataError("there are no trials to draw.")
    names = [c for c in trials if c not in NOT_TUNED]
    figure = new_figure(3.4 * (1 + len(names)), 3.4, source)
    figure.suptitle("Search for hyperparameters")
    score = trials["score"].to_numpy()
    lower_is_better = metric in MINIMISED
    best = int(score.argmin() if lower_is_better else score.argmax())
    for i, name in enumerate(["trial", *names]):
        axes = figure.add_subplot(1, 1 + len(names), i + 1)
        x = trials[name]
        axes.errorbar(
            x, score, trials["score_se"], fmt="o", ms=3.5, lw=0.6, color=PALETTE[4], zorder=2
        )
        axes.plot(
            [x.iloc[best]], [score[best]], "o", ms=9, mfc="none", mec=PALETTE[5], zorder=3,
            label="best",
        )  # fmt: skip
        if name == "trial":
            so_far = (np.minimum if lower_is_better else np.maximum).accumulate(score)
            axes.step(x, so_far, where="post", color=EDGE, lw=1, label="best so far")
            axes.legend(loc="best", frameon=False)
        elif pd.api.types.is_numeric_dtype(x) and x.min() > 0 and x.max() > 100 * x.min():
            axes.set_xscale("log")
        if metric == "log_loss" and score.min() > 0:
            axes.set_yscale("log")
        axes.set_xlabel(name.replace("estimator__", ""))
        axes.set_ylabel(f"{LABELS[metric]}\n(mean over folds ± standard error)" if i == 0 else "")
    return figure
