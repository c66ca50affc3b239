"""Discriminant analysis by partial least squares: its regression, its probabilities."""

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import StratifiedKFold

from ionprint.models.folds import plain_folds
from ionprint.models.pls import PLSDiscriminant
from ionprint.models.ranking import rank_ions


@pytest.fixture(scope="module")
def problem(pellets):
    areas, y, _ = pellets(signal=0.5, effect=0.1, classes=3, peaks=30)
    return areas / 500, y


def test_the_regression_is_that_of_scikit_learn(problem):
    X, y = problem
    member = (y[:, None] == np.unique(y)).astype(float)
    ours = PLSDiscriminant(3).fit(X, y)
    predicted = X @ ours.coef_.T + ours.intercept_
    assert predicted == pytest.approx(PLSRegression(3, scale=False).fit(X, member).predict(X))
    assert predicted.sum(axis=1) == pytest.approx(np.ones(len(y)))
    assert ours.coef_.shape == (3, 30)


def test_probabilities_are_bayes_rule_about_the_corners(problem):
    X, y = problem
    ours = PLSDiscriminant(2).fit(X, y)
    predicted = X @ ours.coef_.T + ours.intercept_
    distance = ((predicted[:, None, :] - np.eye(3)) ** 2).sum(axis=2)
    density = np.exp(-distance / (2 * ours.variance_))
    expected = density / density.sum(axis=1, keepdims=True)
    assert ours.predict_proba(X) == pytest.approx(expected)
    assert ours.predict(X).tolist() == ours.classes_[predicted.argmax(axis=1)].tolist()


def test_the_scatter_is_that_of_spectra_left_out(problem):
    X, y = problem
    member = (y[:, None] == np.unique(y)).astype(float)
    errors = []
    for train, test in StratifiedKFold(5).split(X, y):
        fitted = PLSRegression(4, scale=False).fit(X[train], member[train])
        errors.append(((member[test] - fitted.predict(X[test])) ** 2).ravel())
    assert PLSDiscriminant(4).fit(X, y).variance_ == pytest.approx(np.concatenate(errors).mean())


def test_many_components_do_not_make_noise_certain(pellets):
    areas, y, _ = pellets(signal=0.0, effect=0.0, classes=3, peaks=60)
    fitted = PLSDiscriminant(15).fit(areas[::2] / 500, y[::2])
    right = fitted.predict_proba(areas[1::2] / 500)[np.arange(18), (y[1::2] > "c0") * 1]
    assert -np.log(right).mean() < 3
    assert fitted.variance_ > 0.05


def test_more_components_than_spectra_allow_are_as_many_as_they_do(problem):
    X, y = problem
    few, many = X[::6], PLSDiscriminant(50)
    assert many.fit(few, y[::6]).coef_ == pytest.approx(PLSDiscriminant(5).fit(few, y[::6]).coef_)


def test_a_class_of_one_spectrum_is_fitted(problem):
    X, y = problem
    lone = np.r_[0:13]
    fitted = PLSDiscriminant(2).fit(X[lone], y[lone])
    assert fitted.classes_.tolist() == ["c0", "c1"]
    residual = (y[lone][:, None] == fitted.classes_) - X[lone] @ fitted.coef_.T - fitted.intercept_
    assert fitted.variance_ == pytest.approx((residual**2).sum() / (13 - 1 - 2) / 2)


def test_two_fits_are_equal(problem):
    one, other = (PLSDiscriminant(4).fit(*problem) for _ in range(2))
    assert (one.coef_ == other.coef_).all()
    assert one.variance_ == other.variance_


@pytest.mark.parametrize(
    ("components", "classes", "told"), [(0, 3, "n_components=0"), (2, 1, "one class only")]
)
def test_what_cannot_be_fitted_is_refused(problem, components, classes, told):
    X, y = problem
    with pytest.raises(ValueError, match=told):
        PLSDiscriminant(components).fit(X[: 12 * classes], y[: 12 * classes])


def test_its_ions_are_ranked(choose, pellets):
    areas, y, _ = pellets(signal=0.5, effect=0.1, classes=3, peaks=30)
    areas[:, 11] = np.where(y == "c1", 5000, 5)
    mz = np.linspace(7, 100, 30).round(4)
    table = rank_ions(choose("model=pls_da"), areas, y, mz, plain_folds(y, 3, 0))
    assert mz[11] in table[table["compound"] == "c1"]["mz"].head(3).tolist()
