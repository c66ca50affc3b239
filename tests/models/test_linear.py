"""A pipeline as plain arrays answers as the pipeline itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

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


IONS = 1.5e8
"""Primary ions of each pixel."""
STORED = ("uint8", "uint16", "float32", "sparse")


@st.composite
def pixels(draw):
    """Give counts of some pixels of 12 ions, many of them 0, and how they are stored."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    mean = draw(st.sampled_from([0.02, 0.3, 5.0, 120.0]))
    counts = np.minimum(rng.poisson(mean, (draw(st.integers(1, 30)), 12)), 255)
    if draw(st.booleans()):
        counts[0] = 0
    return counts, draw(st.sampled_from(STORED))


def stored(counts, kind):
    return csr_array(counts.astype(np.float32)) if kind == "sparse" else counts.astype(kind)


def pixels_alike(pipeline, inputs, y, dose=False):
    """Return how many pixels had nothing to divide by, once all others are found to agree.

    None where the pipeline is not taken apart.
    """
    model = LinearModel.of(pipeline.fit(inputs, y))
    if model is None:
        return None
    ions = IONS if dose else None
    empty = []

    @settings(max_examples=25, deadline=None)
    @given(pixels())
    def alike(drawn):
        counts, kind = drawn
        found = model.of_counts(stored(counts, kind), ions)
        assert found.shape == (len(counts), 3) and found.dtype == np.float32
        known = np.ones(len(counts), bool)
        if model.divisor == "peaks":
            known = counts[:, model.peaks].sum(axis=1) > 0
        areas = np.column_stack([counts, np.full(len(counts), IONS)]) if dose else counts
        assert np.isnan(found[~known]).all()
        empty.append((~known).sum())
        if known.any():
            expected = pipeline.predict_proba(areas[known].astype(float))
            assert found[known] == pytest.approx(expected, rel=0, abs=1e-6)

    alike()
    return sum(empty)


def test_pixels_are_classified_as_by_the_pipeline_in_every_scaling(
    choose_parts, problem, each_scaling
):
    empty = pixels_alike(choose_parts(scaling=each_scaling), *problem)
    assert empty is None if each_scaling in NOT_AFFINE["scaling"] else empty > 0


def test_pixels_are_classified_as_by_the_pipeline_in_every_normalisation(
    choose_parts, inputs_of, problem, each_normalisation
):
    areas, y = problem
    inputs = inputs_of(each_normalisation, areas)
    dose = inputs.shape != areas.shape
    empty = pixels_alike(choose_parts(each_normalisation), inputs, y, dose)
    if each_normalisation in NOT_AFFINE["normalisation"]:
        assert empty is None
    else:  # a dose is there to divide by when there are no counts too
        assert (empty == 0) == (dose or each_normalisation == "none")


@pytest.mark.parametrize("scaling", ["minmax", "sqrt"])
def test_pixels_of_functions_and_of_two_compounds(choose_parts, inputs_of, problem, scaling):
    areas, y = problem
    inputs = inputs_of("primary_ion_dose", areas)
    pixels_alike(choose_parts("primary_ion_dose", scaling), inputs, y, dose=True)
    two = y != "c2"
    pipeline = choose_parts(scaling=scaling).fit(areas[two], y[two])
    model = LinearModel.of(pipeline)
    for kind in ("float32", "sparse"):
        found = model.of_counts(stored(areas[two], kind))
        assert found == pytest.approx(pipeline.predict_proba(areas[two]), rel=0, abs=1e-6)


@pytest.mark.parametrize("scaling", ["minmax", "log"])
def test_many_pixels_are_taken_in_pieces_that_do_not_show(choose_parts, problem, scaling):
    model = LinearModel.of(choose_parts(scaling=scaling).fit(*problem))
    counts = np.random.default_rng(0).poisson(0.4, (21_003, 12))
    dense, sparse = (model.of_counts(stored(counts, kind)) for kind in ("uint8", "sparse"))
    assert dense == pytest.approx(sparse, rel=0, abs=1e-6, nan_ok=True)
    some = [0, 511, 512, 9_999, 10_000, 20_000, 21_002]
    assert model.of_counts(counts[some]) == pytest.approx(dense[some], abs=1e-6, nan_ok=True)
    assert model.of_counts(stored(counts[:0], "sparse")).shape == (0, 3)


def test_pixels_without_primary_ions_are_refused_by_a_model_that_divides_by_them(
    choose_parts, inputs_of, problem
):
    areas, y = problem
    inputs = inputs_of("primary_ion_dose", areas)
    model = LinearModel.of(choose_parts("primary_ion_dose").fit(inputs, y))
    with pytest.raises(DataError, match="divides by primary ions"):
        model.of_counts(areas)
