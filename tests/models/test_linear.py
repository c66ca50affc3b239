"""A pipeline as plain arrays answers as the pipeline itself."""

import numpy as np
import pytest

from ionprint.errors import DataError
from ionprint.files import read_arrays, write_arrays
from ionprint.models.linear import LinearModel
from ionprint.models.storage import TrainedModel

LINEAR = ("logistic", "logistic_elastic", "logistic_l1", "lda")
NOT_AFFINE = {"normalisation": ("pqn",), "scaling": ("poisson",)}


@pytest.fixture(scope="module")
def problem(pellets):
    areas, y, _ = pellets(signal=0.5, effect=0.1, classes=3, peaks=12)
    return areas, y


def answers_alike(pipeline, inputs, y, folder):
    fitted = pipeline.fit(inputs, y)
    linear = LinearModel.of(fitted)
    if linear is None:
        return False
    write_arrays(linear.arrays(), folder / "linear.npz")
    linear = LinearModel.of_arrays(read_arrays(folder / "linear.npz"))
    other = np.random.default_rng(1).permutation(inputs.ravel()).reshape(inputs.shape)
    other[:, -1] = inputs[:, -1]  # primary ions, where it divides by them
    model = TrainedModel(fitted, np.arange(1.0, 13), {})
    for some in (inputs, other, inputs[:1]):
        scaled = linear.scaled(some)
        assert scaled == pytest.approx(model.scaled(some), rel=1e-12, abs=1e-12)
        assert linear.classified(scaled) == pytest.approx(
            fitted.predict_proba(some), rel=0, abs=1e-12
        )
    return True


def test_every_model(choose_parts, problem, tmp_path, each_model):
    pipeline = choose_parts(model=each_model)
    if "n_estimators" in pipeline[-1].get_params():
        pipeline.set_params(classify__n_estimators=5)
    from ionprint.models.pipeline import fitting

    with fitting():
        assert answers_alike(pipeline, *problem, tmp_path) == (each_model in LINEAR)


def test_every_scaling(choose_parts, problem, tmp_path, each_scaling):
    affine = each_scaling not in NOT_AFFINE["scaling"]
    assert answers_alike(choose_parts(scaling=each_scaling), *problem, tmp_path) == affine


def test_every_normalisation(choose_parts, inputs_of, problem, tmp_path, each_normalisation):
    areas, y = problem
    inputs = inputs_of(each_normalisation, areas)
    affine = each_normalisation not in NOT_AFFINE["normalisation"]
    assert answers_alike(choose_parts(each_normalisation), inputs, y, tmp_path) == affine


@pytest.mark.parametrize("model", ["logistic", "lda"])
def test_two_compounds(choose_parts, problem, tmp_path, model):
    areas, y = problem
    two = y != "c2"
    assert answers_alike(choose_parts(model=model), areas[two], y[two], tmp_path)


def test_nothing_to_divide_by_is_refused(choose_parts, inputs_of, problem):
    areas, y = problem
    inputs = inputs_of("primary_ion_dose", areas)
    model = LinearModel.of(choose_parts("primary_ion_dose").fit(inputs, y))
    empty = inputs[:3].copy()
    empty[1, -1] = 0
    with pytest.raises(DataError, match="1 of 3 spectra cannot be normalised: no primary ions"):
        model.scaled(empty)


def test_a_spectrum_without_counts_stays_empty(choose_parts, problem):
    fitted = choose_parts("total_counts").fit(*problem)
    empty = np.zeros((1, problem[0].shape[1]))
    assert LinearModel.of(fitted).scaled(empty) == pytest.approx(fitted[:-1].transform(empty))
