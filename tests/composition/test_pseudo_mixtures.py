"""Made mixtures are what their shares say, and deviate together as pellets do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.composition.pseudo_mixtures import draw
from ionprint.composition.references import References


@settings(max_examples=20, deadline=None)
@given(compounds=st.integers(2, 6), seed=st.integers(0, 99))
def test_one_to_four_compounds_with_shares_that_sum_to_one(made_up, compounds, seed):
    references = made_up(compounds=compounds, pellets=2, spots=1, peaks=10).references
    mixtures = draw(references, 120, np.random.default_rng(seed))
    assert mixtures.shares.sum(axis=1) == pytest.approx(1)
    assert set(mixtures.present.sum(axis=1)) == set(range(1, min(compounds, 4) + 1))
    assert mixtures.present.any(axis=0).all()
    assert (mixtures.counts == np.round(mixtures.counts)).all() and (mixtures.counts >= 0).all()


def test_faint_compounds_are_there_but_not_beyond_sight(known):
    shares = draw(known.references, 4000, np.random.default_rng(0)).shares
    assert 0.0005 < shares[shares > 0].min() < 0.03


def test_totals_are_those_of_reference_spots(known):
    spots = known.references
    totals = spots.counts.sum(axis=1)
    found = draw(spots, 300, np.random.default_rng(0)).counts.sum(axis=1)
    errors = np.abs(found[:, None] - totals) / np.sqrt(totals)
    assert (errors.min(axis=1) < 5).all()
    assert found.min() < 6e4 and found.max() > 1.8e5  # dim ones and bright ones


def test_the_same_seed_makes_the_same_mixtures(known):
    first, again, other = (
        draw(known.references, 50, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert (first.counts == again.counts).all() and (first.shares == again.shares).all()
    assert (first.counts != other.counts).any()


def test_a_mixture_of_one_compound_is_one_of_its_spots(made_up):
    spots = made_up(total=1e7).references
    mixtures = draw(spots, 60, np.random.default_rng(0))
    alone = np.flatnonzero(mixtures.present.sum(axis=1) == 1)
    assert len(alone) > 10
    for row in alone:
        own = spots.shares[spots.compound == spots.classes[mixtures.shares[row].argmax()]]
        shares = mixtures.counts[row] / mixtures.counts[row].sum()
        assert np.abs(own - shares).sum(axis=1).min() < 0.01


def alike(made, factor=1.0):
    """Return references whose spots show nothing but the compound, some made brighter."""
    spots = made.references
    place = np.searchsorted(spots.classes, spots.compound)
    light = np.where(place == 0, factor, 1.0)[:, None] * 1e8
    return References(light * made.profiles[place], spots.compound, spots.group)


def test_signal_goes_as_share_times_yield(known):
    spots = alike(known, factor=4.0)
    mixtures = draw(spots, 100, np.random.default_rng(0))
    fitted = np.linalg.lstsq(known.profiles.T, mixtures.counts.T)[0].T
    light = mixtures.shares * [4, 1, 1]
    expected = light / light.sum(axis=1, keepdims=True)
    assert fitted / fitted.sum(axis=1, keepdims=True) == pytest.approx(expected, abs=2e-3)


def test_shares_are_counted_in_what_the_strangers_yield(known):
    mixtures = draw(alike(known), 100, np.random.default_rng(0), strangers=alike(known, factor=4.0))
    fitted = np.linalg.lstsq(known.profiles.T, mixtures.counts.T)[0].T
    light = mixtures.shares * [4, 1, 1]
    expected = light / light.sum(axis=1, keepdims=True)
    assert fitted / fitted.sum(axis=1, keepdims=True) == pytest.approx(expected, abs=2e-3)


def test_the_deviation_of_a_stranger_lies_over_every_compound(known):
    spots = alike(known)
    odd = spots.counts.copy()
    odd[spots.group == "pellet 0", 5] *= 3  # of the first compound
    strangers = References(odd, spots.compound, spots.group)
    mixtures = draw(spots, 400, np.random.default_rng(0), strangers=strangers)
    assert set(mixtures.group) == set(range(9))
    ratio = mixtures.counts[:, 5] / mixtures.counts[:, 6]
    for place in range(3):
        pure = mixtures.shares[:, place] == 1
        usual = known.profiles[place, 5] / known.profiles[place, 6]
        assert ratio[pure & (mixtures.group != 0)] == pytest.approx(usual, rel=0.05)
        assert ratio[pure & (mixtures.group == 0)] == pytest.approx(3 * usual, rel=0.05)


def test_without_strangers_no_pellet_is_lent(known):
    assert (draw(known.references, 20, np.random.default_rng(0)).group == 0).all()
