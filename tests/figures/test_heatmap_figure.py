import itertools

import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from ionprint.errors import DataError
from ionprint.figures.heatmap import heatmap_figure

MODELS, SCALINGS, SPLITS = ["logistic", "svm_linear"], ["minmax", "standard", "log"], ["3", "5"]


def leaderboard(choices, runs=None):
    """Runs whose accuracy falls and whose loss rises in the order of the combinations."""
    rows = [
        {**dict(zip(choices, values, strict=True)), "accuracy": 0.9 - i / 50, "log_loss": 0.1 + i}
        for i, values in enumerate(itertools.product(*choices.values()))
    ]
    return pd.DataFrame(rows[:runs])


def cells(axes):
    texts = sorted(axes.texts, key=lambda text: text.get_position()[::-1])
    return [text.get_text() for text in texts]


def frame(axes):
    return next(p.get_xy() for p in axes.patches if isinstance(p, Rectangle))


def test_two_choices_are_rows_and_columns():
    choices = {"model": MODELS, "cross_validation.scaling": SCALINGS}
    board = leaderboard(choices)
    accuracy, loss = heatmap_figure(board, choices, "simulated").axes
    assert cells(accuracy) == ["0.900", "0.880", "0.860", "0.840", "0.820", "0.800"]
    assert cells(loss)[:2] == ["0.1000", "1.1000"]
    assert [t.get_text() for t in accuracy.get_yticklabels()] == MODELS
    assert [t.get_text() for t in accuracy.get_xticklabels()] == SCALINGS
    assert (accuracy.get_ylabel(), loss.get_xlabel()) == ("model", "cross_validation.scaling")
    assert frame(accuracy) == frame(loss) == (0, 0)
    swapped = board.iloc[::-1]  # the leaderboard's first run is the best
    assert frame(heatmap_figure(swapped, choices, "simulated").axes[0]) == (2, 1)


def test_darker_is_better_for_both_metrics():
    choices = {"model": MODELS}
    for axes in heatmap_figure(leaderboard(choices), choices, "simulated").axes:
        best, other = axes.collections[0].get_array().ravel()
        assert best > other
    equal = leaderboard(choices).assign(accuracy=1.0)
    axes = heatmap_figure(equal, choices, "simulated").axes[0]
    assert len(set(axes.collections[0].get_array().ravel())) == 1


def test_one_choice_is_a_row():
    choices = {"model": [f"model_with_a_long_name_{i}" for i in range(14)]}
    figure = heatmap_figure(leaderboard(choices), choices, "measured")
    assert len(cells(figure.axes[0])) == 14
    assert figure.axes[0].get_ylabel() == ""
    figure.draw_without_rendering()


def test_of_three_choices_the_best_over_the_third_is_drawn():
    choices = {"model": MODELS, "scaling": SCALINGS, "cross_validation.n_splits": SPLITS}
    figure = heatmap_figure(leaderboard(choices), choices, "simulated")
    assert cells(figure.axes[0])[:2] == ["0.900", "0.860"]
    assert figure.get_suptitle().endswith("best over cross_validation.n_splits")


def test_a_combination_without_a_run_says_so():
    choices = {"model": MODELS, "scaling": SCALINGS}
    figure = heatmap_figure(leaderboard(choices, runs=5), choices, "simulated")
    assert cells(figure.axes[0])[-1] == "no run"
    figure.draw_without_rendering()


def test_nothing_that_ran_is_an_error():
    with pytest.raises(DataError, match="no finished runs"):
        heatmap_figure(leaderboard({"model": MODELS}, runs=0), {"model": MODELS}, "simulated")
