"""The tables here are made by hand: their numbers mean nothing."""

import pandas as pd
import pytest

from ionprint.errors import DataError
from ionprint.figures.tuning import tuning_figure


def trials(**columns):
    rows = {"trial": range(4), "score": [3, 1, 0.1, 2], "score_se": 0.1, **columns}
    return pd.DataFrame(rows)


def test_a_panel_for_the_trials_and_each_hyperparameter():
    depths = {"estimator__C": [1, 10, 0.01, 5], "kind": ["a", "b", "a", "b"], "depth": [2, 3, 4, 5]}
    panels = tuning_figure(trials(**depths), "log_loss", "simulated").axes
    assert [axes.get_xlabel() for axes in panels] == ["trial", "C", "kind", "depth"]
    assert [axes.get_xscale() for axes in panels] == ["linear", "log", "linear", "linear"]
    assert {axes.get_yscale() for axes in panels} == {"log"}
    assert panels[0].get_ylabel() == "log loss\n(mean over folds ± standard error)"


@pytest.mark.parametrize(("metric", "best"), [("log_loss", 0.1), ("accuracy", 3)])
def test_the_best_trial_is_ringed(metric, best):
    axes = tuning_figure(trials(C=[1, 2, 3, 4]), metric, "simulated").axes[0]
    (ring,) = [line for line in axes.lines if line.get_markersize() == 9]
    assert ring.get_ydata() == [best]
    (so_far,) = [line for line in axes.lines if line.get_label() == "best so far"]
    assert so_far.get_ydata()[-1] == best


def test_no_trials_are_no_figure():
    with pytest.raises(DataError, match="no trials"):
        tuning_figure(trials().head(0), "log_loss", "simulated")
