"""Normalisation and scaling: the formulas, and what scikit-learn asks of every estimator."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import RobustScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import ionprint.models
from ionprint.errors import ConfigError, DataError
from ionprint.ions.formula import ion_mz
from ionprint.models.normalisation import (
    CountsTransformer,
    PerDose,
    ProbabilisticQuotient,
    SumOfPeaks,
    TotalCounts,
    nearest_peaks,
)
from ionprint.models.pls import PLSDiscriminant
from ionprint.models.scaling import Log, Pareto, Poisson, Robust, SquareRoot


def own_estimators():
    found = set()
    for module in pkgutil.iter_modules(ionprint.models.__path__, "ionprint.models."):
        for name, item in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            ours = item.__module__.startswith("ionprint.") and not name.startswith("_")
            if ours and issubclass(item, BaseEstimator) and item is not CountsTransformer:
                found.add(item)
    return sorted(found, key=lambda c: c.__name__)


def test_the_estimators_are_found():
    normalisations = {PerDose, ProbabilisticQuotient, SumOfPeaks, TotalCounts}
    scalings = {Log, Pareto, Poisson, Robust, SquareRoot}
    assert normalisations | scalings | {PLSDiscriminant} <= set(own_estimators())


def wanting(estimator):
    """Return the checks that an estimator fails on purpose, with the reason."""
    if not isinstance(estimator, PerDose):
        return {}
    reason = "the check has a 0 in the last column, and a spectrum without primary ions is refused"
    return dict.fromkeys(
        ("check_estimators_dtypes", "check_pipeline_consistency", "check_estimators_pickle"),
        reason,
    )


@parametrize_with_checks(
    [item() for item in own_estimators()], expected_failed_checks=wanting, xfail_strict=True
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


X = np.array([[1.0, 3, 0], [2, 2, 4], [6, 1, 0]])


def test_total_counts_are_counts_per_million():
    expected = [[250000, 750000, 0], [250000, 250000, 500000]]
    assert TotalCounts().fit_transform(X)[:2].tolist() == expected
    assert TotalCounts().fit(X).transform([[0.0, 0, 0]]).tolist() == [[0, 0, 0]]


def test_chosen_peaks_are_counts_per_million_of_them():
    done = SumOfPeaks(peaks=(0, 2)).fit_transform(X)
    assert done[1] == pytest.approx([1e6 / 3, 1e6 / 3, 2e6 / 3])
    assert done[:, [0, 2]].sum(axis=1) == pytest.approx([1e6] * 3)
    assert SumOfPeaks(peaks=(1,)).fit_transform(X)[0].tolist() == pytest.approx([1e6 / 3, 1e6, 0])
    assert SumOfPeaks().fit_transform(X) == pytest.approx(TotalCounts().fit_transform(X))


def test_a_spectrum_without_the_chosen_ions_is_refused():
    with pytest.raises(DataError, match="2 of 3 spectra cannot be normalised: no counts in"):
        SumOfPeaks(peaks=(2,)).fit_transform(X)


@pytest.mark.parametrize("peaks", [(), (3,), (0, -1)])
def test_peaks_that_are_none_are_refused(peaks):
    with pytest.raises(ValueError, match="expected columns from 0 to 2"):
        SumOfPeaks(peaks=peaks).fit(X)


def test_areas_are_counts_per_hundred_million_primary_ions():
    doses = np.array([[1e8], [2e8], [5e7]])
    done = PerDose().fit(np.hstack([X, doses]))
    assert done.transform(np.hstack([X, doses])).tolist() == [[1, 3, 0], [1, 1, 2], [12, 2, 0]]
    assert done.get_feature_names_out(["7.0165", "16.0480", "33.0511", "dose"]).tolist() == [
        "7.0165",
        "16.0480",
        "33.0511",
    ]


def test_a_spectrum_without_primary_ions_is_refused():
    with pytest.raises(DataError, match="1 of 2 spectra .* number of primary ions is 0"):
        PerDose().fit_transform([[1.0, 1e8], [1, 0]])


def test_probabilistic_quotients():
    spectra = np.array([[10.0, 20, 30, 40], [20, 40, 60, 80], [10, 20, 30, 940]])
    # in millionths: twice 0.1 0.2 0.3 0.4, and 0.01 0.02 0.03 0.94, whose median quotient is 0.1
    done = ProbabilisticQuotient().fit(spectra)
    assert done.reference_ == pytest.approx([1e5, 2e5, 3e5, 4e5])
    expected = [[1e5, 2e5, 3e5, 4e5]] * 2 + [[1e5, 2e5, 3e5, 9.4e6]]
    assert done.transform(spectra) == pytest.approx(np.array(expected))


def test_probabilistic_quotients_where_peaks_are_missing():
    done = ProbabilisticQuotient().fit([[10.0, 20, 70, 0], [10, 20, 70, 0], [0, 0, 10, 90]])
    assert done.reference_ == pytest.approx([1e5, 2e5, 7e5, 0])
    # most peaks are 0: the median is over the two that both have, quotients 2 and 1
    some = done.transform([[0.0, 4, 7, 9]])
    assert some == pytest.approx(np.array([[0, 4, 7, 9]]) / 20 * 1e6 / np.median([1, 0.5]))
    nothing_shared = done.transform([[0.0, 0, 0, 5]])
    assert nothing_shared.tolist() == [[0, 0, 0, 1e6]]
    assert done.transform(np.zeros((1, 4))).tolist() == [[0, 0, 0, 0]]


FINE = np.array([1.0084, 15.9955, 16.0192, 17.0033, 34.9694])
NOMINAL = np.array([1.008, 16.0001, 16.9958, 34.9738, 196.8])


def test_ions_are_found_by_formula_and_by_number():
    assert nearest_peaks(["O", "OH"], FINE) == (1, 3)
    assert nearest_peaks([35, "16.02"], np.array([16.0192, 34.99])) == (1, 0)
    assert nearest_peaks(["O", "Au", 35], NOMINAL) == (1, 4, 3)
    # two electron masses apart
    pair = np.array([ion_mz("O", 1), ion_mz("O", -1)])
    assert nearest_peaks(["O"], pair, 1) == (0,)
    assert nearest_peaks(["O"], pair, -1) == (1,)


@pytest.mark.parametrize(
    ("ions", "told"),
    [
        (
            ["Cl", "F"],
            r"no peak within 0.01 u of F \(m/z 18.9990\); the nearest are 15.9955, 16.0192",
        ),
        ([16.5], "no peak within 0.01 u of 16.5"),
        (["OH-"], "'OH-' is not a formula"),
        (["O", 15.99], "O and 15.99 are one peak of the table, m/z 15.9955"),
        ([], "names no ion"),
    ],
)
def test_ions_that_are_not_there_are_named(ions, told):
    with pytest.raises(ConfigError, match=rf"normalisation\.ions.*{told}"):
        nearest_peaks(ions, FINE)


def test_a_nominal_table_without_the_ion_is_told():
    with pytest.raises(ConfigError, match="no peak within 0.3 u of F "):
        nearest_peaks(["F"], NOMINAL)


def test_square_root_and_logarithm():
    assert SquareRoot().fit_transform(X**2) == pytest.approx(X)
    assert Log().fit_transform(np.expm1(X)) == pytest.approx(X)


def test_pareto():
    sd = X.std(axis=0)
    scaled = Pareto().fit_transform(X)
    assert scaled == pytest.approx((X - X.mean(axis=0)) / np.sqrt(sd))
    assert scaled.std(axis=0) == pytest.approx(np.sqrt(sd))
    assert Pareto().fit_transform(np.full((3, 1), 7.0)).tolist() == [[0], [0], [0]]


def test_robust():
    areas = np.random.default_rng(0).poisson(50, (21, 3)).astype(float)
    assert Robust().fit_transform(areas) == pytest.approx(RobustScaler().fit_transform(areas))
    theirs = RobustScaler(quantile_range=(10, 90)).fit_transform(areas)
    assert Robust(tail=10).fit_transform(areas) == pytest.approx(theirs)
    odd = areas.copy()
    odd[0] = 1e6
    assert Robust().fit(odd).scale_ == pytest.approx(Robust().fit(areas).scale_, rel=0.5)


def test_robust_where_quartiles_coincide():
    weak = np.zeros((20, 3))
    weak[:3, 0] = [40, 50, 60]  # 0 in most spectra
    weak[:, 1] = 7
    weak[:, 2] = np.linspace(0.1, 0.3, 3)[0] * 3  # as a rounded share: equal but for its last bit
    weak[0, 2] = 0.1 + 0.2
    done = Robust().fit_transform(weak)
    assert done[:, 0] == pytest.approx(weak[:, 0] / (1.349 * weak[:, 0].std()), rel=1e-4)
    assert done[:, 1:] == pytest.approx(np.zeros((20, 2)))


def test_robust_sees_the_ion_of_one_compound_in_five():
    areas = np.random.default_rng(0).poisson(3, (60, 1)).astype(float)
    areas[:12] = 5000
    assert Robust(tail=10).fit(areas).scale_[0] > 4900
    assert Robust().fit(areas).scale_[0] < 10


@pytest.mark.parametrize("tail", [-1, 50])
def test_tails_that_are_none_are_refused(tail):
    with pytest.raises(ValueError, match="expected a percentage"):
        Robust(tail=tail).fit(X)


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
        if not issubclass(item, TransformerMixin):
            continue
        with pytest.raises(ValueError, match="Negative values"):
            item().fit([[1.0, -1.0]])


positive = arrays(float, (4, 6), elements=st.integers(1, 10**6).map(float))


@pytest.mark.parametrize(
    "transformer",
    [TotalCounts(), ProbabilisticQuotient(), SumOfPeaks(peaks=(0, 2)), SumOfPeaks(peaks=(1,))],
    ids=repr,
)
@settings(max_examples=40, deadline=None)
@given(areas=positive, factor=st.floats(0.01, 100))
def test_a_brighter_spectrum_is_normalised_to_the_same(transformer, areas, factor):
    brighter = areas.copy()
    brighter[0] *= factor
    fitted = transformer.fit(areas)
    assert fitted.transform(brighter) == pytest.approx(fitted.transform(areas))


@settings(max_examples=40, deadline=None)
@given(areas=positive, factor=st.floats(0.01, 100))
def test_twice_the_primary_ions_and_counts_are_the_same(areas, factor):
    brighter = areas.copy()
    brighter[0] *= factor  # the last column, the primary ions, with the others
    fitted = PerDose().fit(areas)
    assert fitted.transform(brighter) == pytest.approx(fitted.transform(areas))


def test_a_spectrum_is_scaled_alone_as_among_others(
    choose_parts, inputs_of, each_normalisation, each_scaling
):
    areas = np.random.default_rng(0).poisson(20, (12, 8)).astype(float)
    train, test = np.split(inputs_of(each_normalisation, areas), 2)
    steps = choose_parts(each_normalisation, each_scaling)[:-1].fit(train)
    alone = np.vstack([steps.transform(row[None]) for row in test])
    assert alone == pytest.approx(steps.transform(test))
