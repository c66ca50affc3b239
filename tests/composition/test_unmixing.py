"""Unmixing finds the non-negative sum of references that comes nearest to a spectrum."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from ionprint.composition.alarm import distance
from ionprint.composition.references import References
from ionprint.composition.unmixing import Unmixing, solve


def problem(n, seed, alike=0):
    """Return columns of very different size, the last ones sums of the others, and a right side."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(12, n)) + rng.choice([0.0, 3.0])
    for column in range(max(n - alike, 1), n):
        a[:, column] = a[:, :column] @ rng.choice([0.0, 1, 2], column)
    return a * 10 ** rng.uniform(-3, 3, n), rng.normal(size=12) + rng.choice([0.0, 2.0])


def solved(problems):
    return solve(np.array([a.T @ a for a, _ in problems]), np.array([a.T @ b for a, b in problems]))


@settings(max_examples=150, deadline=None)
@given(n=st.integers(1, 8), seed=st.integers(0, 10**6))
def test_many_fits_at_once_are_those_of_scipy(n, seed):
    problems = [problem(n, [seed, i]) for i in range(4)]
    for (a, b), x in zip(problems, solved(problems), strict=True):
        size = np.linalg.norm(a, axis=0)
        assert (x >= 0).all()
        assert x * size == pytest.approx(nnls(a, b)[0] * size, rel=1e-4, abs=1e-5)


@settings(max_examples=150, deadline=None)
@given(n=st.integers(2, 8), alike=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_columns_that_are_sums_of_others_are_fitted_as_well_as_by_scipy(n, alike, seed):
    a, b = problem(n, seed, alike)
    x = solved([(a, b)])[0]
    assert (x >= 0).all() and np.isfinite(x).all()
    # which of the columns takes the part is open, how near they come is not
    assert np.linalg.norm(a @ x - b) == pytest.approx(nnls(a, b)[1], rel=1e-5, abs=1e-5)


def test_columns_of_zeros_and_no_problems_at_all():
    assert solve(np.zeros((1, 2, 2)), np.zeros((1, 2))).tolist() == [[0, 0]]
    assert solve(np.zeros((0, 3, 3)), np.zeros((0, 3))).shape == (0, 3)


def noiseless(references, shares, total=1e6):
    signal = np.array(shares) * references.yields()
    return total * signal / signal.sum(axis=1, keepdims=True) @ references.means()


def test_mixtures_without_noise_are_read_exactly(known, mixed):
    shares = mixed(60, 0)
    explained = Unmixing(known.references).explain(noiseless(known.references, shares))
    assert explained.shares == pytest.approx(shares, abs=1e-5)
    assert explained.expected == pytest.approx(noiseless(known.references, shares), rel=1e-4)
    assert explained.parts.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("by_group", [False, True])
def test_shares_sum_to_one_whatever_is_read(known, stranger, by_group):
    counts = np.vstack([stranger(20, 0), np.eye(40)])
    explained = Unmixing(known.references, by_group).explain(counts)
    assert explained.shares.shape == explained.parts.shape == (60, 3)
    assert (explained.shares >= 0).all() and (explained.expected >= 0).all()
    sums = explained.shares.sum(axis=1)
    assert sums[explained.parts.sum(axis=1) > 0] == pytest.approx(1)


def test_a_brighter_spectrum_of_the_same_kind_is_read_alike(known, mixed):
    counts = known.surfaces(mixed(40, 1), 1, total=1e9)
    once, tenfold = (Unmixing(known.references).explain(counts * k) for k in (1, 10))
    assert once.shares == pytest.approx(tenfold.shares, abs=2e-3)
    assert once.expected * 10 == pytest.approx(tenfold.expected, rel=0.02)


def test_shares_are_read_from_noisy_spectra_of_other_pellets(known, mixed):
    shares = mixed(100, 2)
    found = Unmixing(known.references).explain(known.surfaces(shares, 2)).shares
    assert np.abs(found - shares).mean() < 0.03


@pytest.mark.parametrize("there", [[0], [2], [0, 2], [1, 2], [0, 1, 2]])
@pytest.mark.parametrize("by_group", [False, True])
def test_only_is_the_unmixing_on_these_compounds(known, mixed, by_group, there):
    spots, counts = known.references, known.surfaces(mixed(20, 3), 3)
    some = Unmixing(spots, by_group).only(np.array(there)).explain(counts)
    assert some.shares.sum(axis=1) == pytest.approx(1)
    if len(there) > 1:  # references of one compound are refused
        own = np.isin(spots.compound, np.array(spots.classes)[there])
        alone = Unmixing(spots.of(own), by_group).explain(counts)
        assert some.shares == pytest.approx(alone.shares, abs=1e-9)
        assert some.parts == pytest.approx(alone.parts, abs=1e-9)
        assert some.expected == pytest.approx(alone.expected)


def test_pellets_come_nearer_than_the_mean_of_them(made_up, mixed):
    made = made_up(scatter=0.3)
    counts = noiseless(made.references, mixed(30, 4))
    counts = np.vstack([counts, made.references.counts])
    mean, pellets = (
        distance(counts, Unmixing(made.references, by_group).explain(counts).expected)
        for by_group in (False, True)
    )
    own = slice(30, None)
    assert pellets[own].mean() < 0.1 * mean[own].mean()
    assert pellets[:30] == pytest.approx(0, abs=1e-3)


def test_weights_can_be_those_of_another_fit(known, mixed):
    shares = mixed(10, 5)
    unmixing, counts = Unmixing(known.references), noiseless(known.references, shares)
    flat = np.full(counts.shape, counts.mean())
    guessed = unmixing.nearest(counts, replace(unmixing.explain(counts), expected=flat))
    assert guessed.shares == pytest.approx(shares, abs=1e-4)


def test_a_strong_ion_that_scatters_does_not_decide_alone():
    means = np.array([[0.8, 0.08, 0.08, 0.02, 0.02], [0.6, 0.02, 0.02, 0.18, 0.18]])
    names = np.array(["a", "b"])
    references = References(means * 1e6, names, names)
    mixture = np.array([[0.5, 0.5]]) @ means * 1e6
    mixture[:, 0] *= 1.2  # counting noise is a thousandth
    assert Unmixing(references).explain(mixture).shares[0, 0] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("peak", [0, 17, 39])
def test_an_ion_of_another_source_does_not_change_the_shares(known, mixed, peak):
    shares = mixed(40, 6)
    counts = known.surfaces(shares, 6)
    foreign = counts.copy()
    foreign[:, peak] += 5e4
    unmixing = Unmixing(known.references)
    before, counted = unmixing.explain(counts).shares, unmixing.explain(foreign)
    aside = unmixing.set_aside(foreign, counted)
    assert np.abs(aside.shares - before).mean() < 0.03
    assert np.abs(aside.shares - before).mean() < 0.5 * np.abs(counted.shares - before).mean()
    assert (foreign - aside.expected)[:, peak] == pytest.approx(5e4, rel=0.3)


def test_where_nothing_is_foreign_nothing_is_set_aside(known, mixed):
    counts = known.surfaces(mixed(40, 7), 7)
    unmixing = Unmixing(known.references)
    explained = unmixing.explain(counts)
    again = unmixing.set_aside(counts, explained)
    assert again.shares == pytest.approx(explained.shares, abs=0.01)
