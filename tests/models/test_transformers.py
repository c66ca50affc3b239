"""Normalisation and scaling: the formulas, and what scikit-learn asks of every transformer."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

import ionprint.models
from ionprint.models.normalisation import CountsTransformer, TotalCounts
from ionprint.models.scaling import Log, Pareto, Poisson, SquareRoot


def own_estimators():
    found = set()
    for module in pkgutil.iter_modules(ionprint.models.__path__, "ionprint.models."):
        for name, item in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            ours = item.__module__.startswith("ionprint.") and not name.startswith("_")
            if ours and issubclass(item, BaseEstimator) and item is not CountsTransformer:
                found.add(item)
    return sorted(found, key=lambda c: c.__name__)


def test_the_transformers_are_found():
    assert {Log, Pareto, Poisson, SquareRoot, TotalCounts} <= set(own_estimators())


@parametrize_with_checks([item() for item in own_estimators()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


X = np.array([[1.0, 3, 0], [2, 2, 4], [6, 1, 0]])


def test_total_counts_are_counts_per_million():
    expected = [[250000, 750000, 0], [250000, 250000, 500000]]
    assert TotalCounts().fit_transform(X)[:2].tolist() == expected
    assert TotalCounts().fit(X).transform([[0.0, 0, 0]]).tolist() == [[0, 0, 0]]


def test_square_root_and_logarithm():
    assert SquareRoot().fit_transform(X**2) == pytest.approx(X)
    assert Log().fit_transform(np.expm1(X)) == pytest.approx(X)


def test_pareto():
    sd = X.std(axis=0)
    scaled = Pareto().fit_transform(X)
    assert scaled == pytest.approx((X - X.mean(axis=0)) / np.sqrt(sd))
    assert scaled.std(axis=0) == pytest.approx(np.sqrt(sd))
    assert Pareto().fit_transform(np.full((3, 1), 7.0)).tolist() == [[0], [0], [0]]


def test_poisson():
    g = X.mean(axis=1, keepdims=True) / X.mean()
    assert Poisson().fit_transform(X) == pytest.approx(X / np.sqrt(g * X.mean(axis=0)))
    never = Poisson().fit([[1.0, 0], [2, 0]]).transform([[1.0, 5]])
    assert never[0, 1] == 0


def test_poisson_makes_the_noise_of_all_peaks_even():
    rng = np.random.default_rng(0)
    means = np.repeat([10, 100, 1000], 20)
    noise = Poisson().fit_transform(rng.poisson(means, (1000, 60))).std(axis=0)
    assert noise == pytest.approx(np.ones(60), rel=0.15)


def test_negative_areas_are_refused():
    for item in own_estimators():
        with pytest.raises(ValueError, match="Negative values"):
            item().fit([[1.0, -1.0]])


positive = arrays(float, (4, 6), elements=st.integers(1, 10**6).map(float))


@settings(max_examples=40, deadline=None)
@given(areas=positive, factor=st.floats(0.01, 100))
def test_a_brighter_spectrum_is_normalised_to_the_same(areas, factor):
    brighter = areas.copy()
    brighter[0] *= factor
    fitted = TotalCounts().fit(areas)
    assert fitted.transform(brighter) == pytest.approx(fitted.transform(areas))


def test_a_spectrum_is_scaled_alone_as_among_others(choose, each_normalisation, each_scaling):
    train, test = np.random.default_rng(0).poisson(20, (2, 6, 8)).astype(float)
    steps = choose(f"normalisation={each_normalisation}", f"scaling={each_scaling}")[:-1].fit(train)
    alone = np.vstack([steps.transform(row[None]) for row in test])
    assert alone == pytest.approx(steps.transform(test))
