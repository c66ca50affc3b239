"""The pipeline is what conf/ says, or the error names what is wrong."""

import warnings

import pytest
from omegaconf import OmegaConf
from sklearn.exceptions import ConvergenceWarning

from ionprint.config import compose
from ionprint.errors import ConfigError
from ionprint.models.pipeline import build, fitting


def test_every_choice_builds_fits_and_is_tuned(
    choose, pellets, each_model, each_scaling, each_normalisation
):
    names = (
        f"model={each_model}",
        f"scaling={each_scaling}",
        f"normalisation={each_normalisation}",
    )
    pipeline = choose(*names)
    assert list(pipeline.named_steps) == ["normalise", "scale", "classify"]
    areas, _, _ = pellets(signal=0.5, effect=0.1, classes=3, peaks=5)
    prepared = pipeline[:-1].fit_transform(areas)
    assert prepared.shape == areas.shape
    assert set(compose(list(names)).model.search_space) <= set(pipeline[-1].get_params())


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
