"""Peak areas made by hand: their numbers mean nothing."""

import numpy as np
import pytest

from ionprint.config import compose, groups, project_root
from ionprint.models.pipeline import build


@pytest.fixture(scope="session")
def choose():
    """Build the pipeline of a normalisation, scaling and model of conf/."""

    def chosen(*overrides, params=None):
        cfg = compose(list(overrides))
        return build(cfg.normalisation, cfg.scaling, cfg.model, params)

    return chosen


@pytest.fixture(scope="session")
def pellets():
    """Make areas, compounds and pellets; `signal` tells compounds apart, `effect` only pellets."""

    def made(signal, effect, *, classes=5, per_class=3, spots=4, peaks=200, seed=0):
        rng = np.random.default_rng(seed)
        compound = np.repeat([f"c{i}" for i in range(classes)], per_class * spots)
        pellet = np.repeat([f"p{i}" for i in range(classes * per_class)], spots)
        logs = np.log(rng.uniform(50, 500, peaks)) + np.zeros((len(compound), 1))
        for name in np.unique(compound):
            logs[compound == name] += signal * rng.normal(size=peaks)
        for name in np.unique(pellet):
            logs[pellet == name] += effect * rng.normal(size=peaks)
        return rng.poisson(np.exp(logs)).astype(float), compound, pellet

    return made


def pytest_generate_tests(metafunc):
    """Every option of a group of conf/, for the tests that ask for one by the group's name."""
    known = groups(project_root() / "conf")
    for group in ("model", "scaling", "normalisation"):
        if f"each_{group}" in metafunc.fixturenames:
            metafunc.parametrize(f"each_{group}", known[group])
