"""Amounts by regression, beside those by unmixing."""

import numpy as np
import pytest

from ionprint.composition.pseudo_mixtures import draw
from ionprint.composition.regression import KINDS, Regression, Regressions


@pytest.fixture(scope="module")
def lesson(known):
    return draw(known.references, 300, np.random.default_rng(0))


@pytest.fixture(scope="module")
def fitted(lesson):
    return {kind: Regression(kind, 0).fit(lesson) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_amounts_are_read_from_pellets_never_seen(known, fitted, mixed, kind):
    shares = mixed(200, 40)
    found = fitted[kind].shares(known.surfaces(shares, 40))
    assert np.abs(found - shares).mean() < 0.06
    for column, true in zip(found.T, shares.T, strict=True):
        assert np.corrcoef(column, true)[0, 1] > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_amounts_are_shares_whatever_is_read(fitted, stranger, kind):
    found = fitted[kind].shares(np.vstack([stranger(10, 0), np.eye(40)]))
    assert found.shape == (50, 3) and (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_reads_the_same(known, lesson, fitted, kind):
    again = Regression(kind, 0).fit(lesson).shares(known.references.counts)
    assert again == pytest.approx(fitted[kind].shares(known.references.counts), rel=0, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_total_counts_do_not_matter(known, fitted, kind):
    counts = known.references.counts
    once, tenfold = (fitted[kind].shares(k * counts) for k in (1, 10))
    assert once == pytest.approx(tenfold, abs=1e-9)


def test_all_regressions_read_about_the_same_as_unmixing(known, reader, mixed):
    shares = mixed(100, 61)
    counts = known.surfaces(shares, 61)
    regressions = Regressions(known.references, number=300, seed=0)
    fraction = reader.read(counts).fraction
    assert set(regressions.amounts(counts)) == set(regressions.intervals) == set(KINDS)
    for found in regressions.amounts(counts).values():
        assert np.abs(found - fraction).mean() < 0.06
