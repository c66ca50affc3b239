import pandas as pd
import pytest

from ionprint.errors import DataError
from ionprint.figures.scores import scores_figure

MEANING = "how well spectra of a sample never seen in training are recognised"


def score(folds, accuracy, log_loss):
    numbers = {"accuracy": accuracy, "log_loss": log_loss}
    ends = {
        f"{k}_{end}": v * f for k, v in numbers.items() for end, f in (("low", 0.9), ("high", 1))
    }
    return {"folds": folds, "unit": "sample", **numbers, **ends}


@pytest.fixture
def metrics():
    kinds = {
        "nested": score("nested grouped", 0.8, 0.4),
        "grouped": score("grouped", 0.85, 0.3),
        "plain": score("plain", 0.95, 0.1),
        "rebuilt_peaks": None,
        "dummy": score("dummy", 0.2, 1.6),
    }
    gap = {"accuracy": 0.1, "log_loss": -0.2}
    return {**kinds, "score": kinds["nested"], "meaning": MEANING, "gap": gap}


@pytest.fixture
def folds():
    rows = [(f, k, 0.7 + 0.1 * k, 0.1 + k) for f in ("nested grouped", "plain") for k in range(3)]
    return pd.DataFrame(rows, columns=["folds", "fold", "accuracy", "log_loss"])


def points(axes, label):
    return [list(line.get_xdata()) for line in axes.lines if line.get_label() == label]


def test_schemes_stand_side_by_side_with_their_intervals_and_folds(metrics, folds):
    accuracy, loss = scores_figure(metrics, folds, "simulated").axes
    rows = [label.get_text() for label in accuracy.get_yticklabels()]
    assert rows == ["nested (quoted)", "grouped", "plain (naive)", "chance"]
    assert points(accuracy, "quoted score") == [[0.8]]
    assert points(accuracy, "naive score") == [[0.95]]
    assert points(accuracy, "other scores") == [[0.85], [0.2]]
    assert points(accuracy, "each fold") == [pytest.approx([0.7, 0.8, 0.9])] * 2
    ends = [list(line.get_xdata()) for line in accuracy.lines if line.get_marker() == "|"]
    assert ends[0] == pytest.approx([0.72, 0.8])
    assert (accuracy.get_xlim(), loss.get_xscale()) == ((0.0, 1.0), "log")
    assert [t.get_text() for t in accuracy.texts][0] == "0.800 [0.720, 0.800]"
    assert [t.get_text() for t in loss.texts][-1] == "1.6000 [1.4400, 1.6000]"


def test_equal_folds_are_seen_apart(metrics, folds):
    axes = scores_figure(metrics, folds.assign(accuracy=1.0), "simulated").axes[0]
    dots = next(line for line in axes.lines if line.get_label() == "each fold")
    assert len(set(dots.get_ydata())) == 3


def test_the_meaning_and_the_gap_are_told(metrics, folds):
    def told(values):
        return scores_figure(values, folds, "measured").subfigs[0].get_suptitle()

    assert MEANING in told(metrics)
    assert "accuracy +0.100, log loss −0.2000 (plain folds let one sample" in told(metrics)
    assert "mistaken" not in told(metrics)
    metrics["score"] = {**metrics["score"], "units": 15, "mistaken": 0, "mistaken_at_most": 0.181}
    assert "No sample of 15 was mistaken" in told(metrics) and "at most 18 %" in told(metrics)
    alone = {**metrics, "grouped": None, "gap": None, "meaning": "repeatability " * 12}
    assert "Without grouped folds" in told(alone)
    assert max(map(len, told(alone).splitlines())) < 120


def test_a_loss_of_nothing_has_no_logarithm(metrics, folds):
    metrics["plain"] = score("plain", 1.0, 0.0)
    figure = scores_figure(metrics, folds, "simulated")
    assert figure.axes[1].get_xscale() == "linear"
    figure.draw_without_rendering()


def test_no_scores_are_an_error(folds):
    with pytest.raises(DataError, match="no cross-validated scores"):
        scores_figure({"nested": None, "score": {"folds": ""}, "meaning": ""}, folds, "simulated")
