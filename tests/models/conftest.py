"""Peak areas made by hand: their numbers mean nothing."""

from functools import cache

import numpy as np
import pytest

from ionprint.config import compose, groups, project_root
from ionprint.models.pipeline import build

MZ = np.array([1.0084, 15.9955, 17.0033])
"""m/z of the first three peaks of every table here: H, O and OH, which conf/ divides by."""


@cache
def part_of(group, option):
    """Return one option of a group of conf/; composing all of it anew takes a tenth of a second."""
    return compose([f"{group}={option}"])[group]


@pytest.fixture(scope="session")
def choose():
    """Build the pipeline of a normalisation, scaling and model of conf/."""

    def chosen(*overrides, params=None):
        cfg = compose(list(overrides))
        return build(cfg.normalisation, cfg.scaling, cfg.model, params, MZ)

    return chosen


@pytest.fixture(scope="session")
def choose_parts():
    """Build the same from the names of the parts, quickly."""

    def chosen(normalisation="total_counts", scaling="minmax", model="logistic", params=None):
        parts = part_of("normalisation", normalisation), part_of("scaling", scaling)
        return build(*parts, part_of("model", model), params, MZ)

    return chosen


@pytest.fixture(scope="session")
def inputs_of():
    """Make of areas what the pipeline of a normalisation reads: primary ions may stand behind."""

    def made(normalisation, areas, seed=0):
        if part_of("normalisation", normalisation).column is None:
            return areas
        doses = np.random.default_rng(seed).uniform(0.5e8, 2e8, len(areas))
        return np.column_stack([areas, doses])

    return made


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
