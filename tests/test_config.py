"""Every choice of conf/ composes; every slip is an error that names what is near."""

import hypothesis
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ionprint.config import absolute_paths, compose, groups, project_root
from ionprint.errors import ConfigError

OPTIONS = [
    (group, option) for group, names in groups(project_root() / "conf").items() for option in names
]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_of_every_group_composes(group, option):
    path = ["dataset.path=somewhere"] if (group, option) == ("dataset", "folder") else []
    cfg = compose([f"{group}={option}", *path])
    if "name" in cfg.get(group, {}):
        assert cfg[group].name == option
    assert not OmegaConf.missing_keys(cfg)


def test_the_papers_choices_are_one_word():
    cfg = compose(["experiment=paper"])
    chosen = (cfg.normalisation.name, cfg.scaling.name, cfg.model.name, cfg.cross_validation.group)
    assert chosen == ("none", "minmax", "logistic", None)
    assert compose(["experiment=paper", "scaling=log"]).scaling.name == "log"


def test_there_are_options():
    assert len(OPTIONS) > 15


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("modle=logistic", ["no 'modle'", "Did you mean model"]),
        ("model=logistc", ["conf/model/ has no 'logistc'", "Did you mean logistic", "svm_linear"]),
        ("experiment=papr", ["conf/experiment/ has no 'papr'", "Did you mean paper"]),
        ("scaling=", ["conf/scaling/ has no ''", "minmax"]),
        ("tuning.trails=3", ["no key 'tuning.trails'", "Did you mean tuning.trials"]),
        ("spectra.serch.min_snr=3", ["Did you mean spectra.search.min_snr"]),
        ("tuning.trials=abc", ["trials", "abc"]),
        ("tuning.trials=2.5", ["trials", "2.5"]),
        ("tuning.trials=0", ["tuning.trials=0: expected a number above 0"]),
        ("tuning.metric=auc", ["tuning.metric=auc", "log_loss, accuracy, f1_macro"]),
        ("spectra.search.min_counts=-1", ["spectra.search.min_counts=-1.0: expected"]),
        ("spectra.search.min_counts=nan", ["spectra.search.min_counts=nan: expected"]),
        ("cross_validation.n_splits=1", ["n_splits=1: expected 2 or more"]),
        ("seed=one", ["seed", "one"]),
        ("dataset.calibrants=3", ["dataset.calibrants: ", "list"]),
        ("dataset=folder", ["dataset.path has no value", "dataset.path=VALUE"]),
        ("sede=1", ["no 'sede'", "Did you mean seed"]),
        ("+tuning.pruner=none", ["pruner"]),
        ("+extra=1", ["extra"]),
        ("tuning.trials=[1", ["tuning.trials=[1"]),
        ("model=logistic,svm_linear", ["model=logistic,svm_linear"]),
    ],
)
def test_slips_are_errors_that_tell(override, told):
    with pytest.raises(ConfigError) as caught:
        compose([override])
    for words in told:
        assert words in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_the_first_wrong_override_is_told_among_right_ones():
    with pytest.raises(ConfigError, match=r"tuning\.trails=3"):
        compose(["model=svm_linear", "tuning.trails=3", "seed=1"])


def test_values_arrive_with_their_types():
    cfg = compose(["seed=0", "tuning.trials=7", "dataset.mz_max=50", "cross_validation=stratified"])
    assert (cfg.seed, cfg.tuning.trials, cfg.dataset.mz_max) == (0, 7, 50.0)
    assert isinstance(cfg.dataset.mz_max, float)
    assert cfg.cross_validation.group is None


def test_the_seed_reaches_what_refers_to_it():
    assert compose(["seed=5", "model=random_forest"]).model.estimator.random_state == 5
    assert compose(["seed=0", "model=svm_linear"]).model.estimator.estimator.random_state == 0


def test_the_peak_table_lies_below_the_outputs_unless_named():
    assert compose(["outputs=elsewhere"]).peaks == "elsewhere/peaks"
    assert compose(["outputs=elsewhere", "peaks=shared"]).peaks == "shared"


def test_composing_twice_gives_the_same():
    assert compose(["model=svm_linear"]) == compose(["model=svm_linear"])
    assert compose([]).model.name == "logistic"


def test_the_project_is_found_from_below(project, monkeypatch):
    below = project / "data" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert project_root() == project


def test_paths_typed_elsewhere_mean_what_they_mean_there(tmp_path):
    typed = ["dataset.path=mine", "outputs=out", "peaks=/a/b", "model=logistic", "seed=0"]
    seen = absolute_paths(typed, tmp_path, tmp_path / "below")
    there = tmp_path / "below"
    assert seen == [
        f"dataset.path={there}/mine",
        f"outputs={there}/out",
        "peaks=/a/b",
        "model=logistic",
        "seed=0",
    ]
    assert absolute_paths(typed, tmp_path, tmp_path) == typed


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r"), min_size=1, max_size=12))
@example("we=ird,[x] ü#1")
@example("it's {a} (b) \\ c")
@example("a'b\\'")
@example("\\\\'")
def test_a_folder_may_have_any_name(name):
    hypothesis.assume("${" not in name and name[0] not in "'\"~")
    root = project_root()
    (override,) = absolute_paths([f"outputs=x/{name}"], root, root)
    assert compose([override]).outputs == f"x/{name}"


def test_a_preset_that_names_an_unknown_option(project):
    preset = "# @package _global_\ndefaults:\n  - override /scaling: minmx\n"
    (project / "conf" / "experiment" / "slip.yaml").write_text(preset)
    with pytest.raises(ConfigError, match="experiment=slip asks for scaling=minmx") as told:
        compose(["experiment=slip"], project)
    assert "Did you mean minmax" in str(told.value)
