"""Checks: each fails on the fault it is for, and passes without it."""

import numpy as np
import pandas as pd
import pytest

from ionprint.models import checks
from ionprint.models.folds import grouped_folds, plain_folds

TUNED = {"metric": "log_loss", "score": 0.1, "again": 0.1}
SPACE = {"C": {"type": "float", "low": 1e-3, "high": 1e3, "log": True}}


def test_groups_across_folds():
    y, groups = np.repeat(["a", "b"], 6), np.repeat(list("ABCD"), 3)
    plain = checks.groups_across_folds(plain_folds(y, 3, 0), groups, "pellet")
    assert (plain.result, plain.finding[:5]) == ("failed", "4 of ")
    grouped = checks.groups_across_folds(grouped_folds(y, groups, 2, 0), groups, "pellet")
    assert grouped.result == "passed"
    single = checks.groups_across_folds(plain_folds(y, 3, 0), np.arange(12), "pellet")
    assert single.result == "not applicable"


def test_areas_scaled_beforehand(pellets):
    areas, _, _ = pellets(signal=0.5, effect=0.1)
    assert checks.scaling_outside_folds(areas, TUNED).result == "passed"
    scaled = (areas - areas.min(axis=0)) / np.ptp(areas, axis=0)
    assert checks.scaling_outside_folds(scaled, TUNED).result == "failed"
    assert checks.scaling_outside_folds(areas / areas.max(axis=0), TUNED).result == "failed"


@pytest.mark.parametrize("again", [0.2, float("nan")])
def test_a_tuned_score_that_does_not_come_again(pellets, again):
    areas, _, _ = pellets(signal=0.5, effect=0.1)
    assert checks.scaling_outside_folds(areas, {**TUNED, "again": again}).result == "failed"


@pytest.mark.parametrize(
    "loss, se, result",
    [
        (lambda c: (np.log10(c) - 1) ** 2, 0.01, "passed"),  # an optimum inside
        (lambda c: -np.log10(c), 0.01, "failed"),  # falls to the very end
        (lambda c: -np.log10(c), 10.0, "passed"),  # by less than it is known
        (lambda c: np.log10(c), 0.01, "failed"),  # the other end
    ],
)
@pytest.mark.parametrize("lower", [True, False])
def test_optimum_at_the_edge(loss, se, result, lower):
    c = np.logspace(-3, 3, 25)
    score = loss(c) if lower else -loss(c)
    trials = pd.DataFrame({"C": c, "score": score, "score_se": se})
    best = {"C": c[loss(c).argmin()]}
    assert checks.optimum_at_edge(SPACE, best, trials, lower).result == result


def test_natural_ends_and_choices_are_no_edge():
    space = {
        "n_neighbors": {"type": "int", "low": 1, "high": 9},
        "weights": {"type": "categorical", "choices": ["uniform", "distance"]},
    }
    trials = pd.DataFrame(
        {"n_neighbors": [1, 5, 9], "weights": "uniform", "score": [0.1, 1, 2], "score_se": 0.01}
    )
    best = {"n_neighbors": 1, "weights": "uniform"}
    assert checks.optimum_at_edge(space, best, trials, True).result == "passed"
    trials["score"] = [2, 1, 0.1]
    best["n_neighbors"] = 9
    assert checks.optimum_at_edge(space, best, trials, True).result == "failed"
    assert checks.optimum_at_edge({}, {}, trials, True).result == "not applicable"


def test_solver():
    assert [checks.solver_not_converged(n).result for n in (0, 3)] == ["passed", "failed"]


@pytest.mark.parametrize(
    "accuracy_low, log_loss, result",
    [(0.8, 0.3, "passed"), (0.2, 0.3, "failed"), (0.8, 1.7, "failed")],
)
def test_worse_than_dummy(accuracy_low, log_loss, result):
    score = {"accuracy": 0.9, "accuracy_low": accuracy_low, "log_loss": log_loss}
    dummy = {"accuracy": 0.2, "log_loss": 1.6}
    assert checks.worse_than_dummy(score, dummy).result == result


def test_few_groups():
    y = np.repeat(["a", "b"], 6)
    found = checks.too_few_groups(y, np.array(list("AABBCCDDDEEE")), "pellet")
    assert (found.result, found.finding[:4]) == ("failed", "b: 2")
    assert checks.too_few_groups(y, np.array(list("AABBCCDDEEFF")), "pellet").result == "passed"


def test_spectra_far_from_their_class(pellets):
    areas, y, _ = pellets(signal=0.5, effect=0.05)
    files = [f"s{i}.txt" for i in range(len(y))]
    assert checks.far_from_class(areas, y, files).result == "passed"
    swapped = y.copy()
    swapped[[0, -1]] = y[[-1, 0]]
    found = checks.far_from_class(areas, swapped, files)
    assert found.result == "failed"
    assert found.finding.startswith("s0.txt (") and "nearer to c0" in found.finding
    odd = areas.copy()
    odd[7, 0] += areas[7].sum()
    assert "s7.txt" in checks.far_from_class(odd, y, files).finding


def test_saturated_ions():
    ions = pd.DataFrame({"compound": "LiH", "rank": [1, 2, 3], "mz": [1.0, 2.0, 3.0], "ion": "H"})
    counted = pd.Series([0.0, 4.0, 0.0], index=[1.0, 2.0, 3.0])
    assert checks.saturated_top_ions(ions, counted, 2).finding == "2.0000 H of LiH"
    assert checks.saturated_top_ions(ions, counted, 1).result == "passed"
    assert checks.saturated_top_ions(ions, counted * np.nan, 2).result == "not applicable"
    assert checks.saturated_top_ions(None, counted, 2).result == "not applicable"


def test_total_counts_alone():
    score = {"accuracy": 0.9, "accuracy_low": 0.8}
    for alone, result in ((0.85, "failed"), (0.5, "passed")):
        assert checks.total_counts_alone(score, {"accuracy": alone}).result == result
