"""The pipeline is what conf/ says, or the error names what is wrong."""

import itertools
import warnings

import numpy as np
import pytest
from omegaconf import OmegaConf
from sklearn.exceptions import ConvergenceWarning

from ionprint.config import compose
from ionprint.errors import ConfigError
from ionprint.models.pipeline import build, fitting


def test_every_normalisation_and_scaling_prepares_the_peaks(
    choose_parts, inputs_of, pellets, each_scaling, each_normalisation
):
    pipeline = choose_parts(each_normalisation, each_scaling)
    assert list(pipeline.named_steps) == ["normalise", "scale", "classify"]
    areas, _, _ = pellets(signal=0.5, effect=0.1, classes=3, peaks=5)
    prepared = pipeline[:-1].fit_transform(inputs_of(each_normalisation, areas))
    assert prepared.shape == areas.shape
    assert np.isfinite(prepared).all()


def small(pipeline):
    """Let ensembles have few trees."""
    if "n_estimators" in pipeline[-1].get_params():
        pipeline.set_params(classify__n_estimators=10)
    return pipeline


def corners(space):
    """Return the hyperparameters at all combinations of the ends of a search space."""
    ends = [
        (entry["choices"][0], entry["choices"][-1])
        if entry["type"] == "categorical"
        else (entry["low"], entry["high"])
        for entry in space.values()
    ]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*ends)]


def test_every_model_fits_at_all_ends_of_its_search_space(choose_parts, pellets, each_model):
    space = compose([f"model={each_model}"]).model.search_space
    assert len(space) <= 3
    areas, y, _ = pellets(signal=0.3, effect=0.1, classes=3, peaks=12)
    for values in [{}, *corners(space)]:
        fitted = small(choose_parts(model=each_model, params=values)).fit(areas, y)
        probabilities = fitted.predict_proba(areas)
        assert probabilities.shape == (len(y), 3)
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(y)))


def test_every_model_but_chance_tells_compounds_apart(choose_parts, pellets, each_model):
    areas, y, _ = pellets(signal=1.0, effect=0.02, classes=3, peaks=12)
    pipeline = small(choose_parts(model=each_model))
    right = (pipeline.fit(areas[::2], y[::2]).predict(areas[1::2]) == y[1::2]).mean()
    assert right == pytest.approx(1 / 3) if each_model == "dummy" else right > 0.85


def test_the_named_ions_are_divided_by():
    cfg = compose(["normalisation=selected_ions", "normalisation.ions=[OH, 7.0166]"])
    mz = np.array([1.0084, 7.0166, 15.9955, 16.0192, 17.0033])
    assert build(cfg.normalisation, cfg.scaling, cfg.model, None, mz)[0].peaks == (4, 1)
    with pytest.raises(ConfigError, match=r"within 0\.01 u of OH .*nearest are 7\.0166, 15\.9955"):
        build(cfg.normalisation, cfg.scaling, cfg.model, None, mz[:4])
    with pytest.raises(ConfigError, match="selected_ions needs the m/z"):
        build(cfg.normalisation, cfg.scaling, cfg.model)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["+normalisation.ions=[O]"], "total_counts divides by no ions"),
        (["+normalisation.column=pulses"], "total_counts reads no column"),
        (["normalisation=pqn", "+normalisation.column=pulses"], "pqn reads no column"),
        (
            ["normalisation=primary_ion_dose", "normalisation.column=null"],
            r"primary_ion_dose needs normalisation\.column",
        ),
        (["normalisation=primary_ion_dose", "+normalisation.ions=[O]"], "divides by no ions"),
    ],
)
def test_settings_that_do_not_go_with_the_normalisation_are_refused(choose, overrides, told):
    with pytest.raises(ConfigError, match=told):
        choose(*overrides)


def test_the_seed_reaches_the_model(choose):
    assert choose("model=random_forest", "seed=7")[-1].random_state == 7


def test_a_hyperparameter_that_is_none_is_refused(choose):
    with pytest.raises(ConfigError, match="model logistic: .*'depth'"):
        choose(params={"depth": 3})


@pytest.mark.parametrize(
    "target", ["sklearn.linear_model.LogisticRegresion", "nowhere.Model", "sklearn"]
)
def test_an_estimator_that_is_none_is_refused(target):
    cfg = compose([])
    cfg.model.estimator["_target_"] = target
    with pytest.raises(ConfigError, match=target):
        build(cfg.normalisation, cfg.scaling, cfg.model)


def test_an_argument_the_estimator_does_not_have_is_refused():
    cfg = compose([])
    OmegaConf.update(cfg, "model.estimator.depth", 3, force_add=True)
    with pytest.raises(ConfigError, match=r"depth|LogisticRegression"):
        build(cfg.normalisation, cfg.scaling, cfg.model)


def test_convergence_warnings_are_collected_and_others_pass():
    with pytest.warns(UserWarning, match="another"), fitting() as stopped:
        warnings.warn("did not converge", ConvergenceWarning, stacklevel=1)
        warnings.warn("another", UserWarning, stacklevel=1)
    assert stopped == ["did not converge"]


def test_peaks_that_never_vary_or_never_occur_do_no_harm(choose_parts, each_scaling, pellets):
    areas, y, _ = pellets(signal=0.3, effect=0.1, classes=3, peaks=12)
    areas[:, 5], areas[:, 6] = 0, 7
    fitted = choose_parts("none", each_scaling).fit(areas, y)
    areas[0, 5:7] = 3  # an unknown may have them
    assert np.isfinite(fitted[:-1].transform(areas)).all()
    assert np.isfinite(fitted.predict_proba(areas)).all()


def test_a_class_that_cannot_be_imported_is_named_with_its_choice(choose_parts):
    cfg = compose([])
    cfg.scaling.transformer["_target_"] = "sklearn.preprocessing.MinMaxScalr"
    with pytest.raises(
        ConfigError, match=r"scaling=minmax cannot be made: .*Did you mean .*Scaler"
    ):
        build(cfg.normalisation, cfg.scaling, cfg.model)
