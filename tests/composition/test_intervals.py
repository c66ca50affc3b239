"""Nine of ten true shares lie in their intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.composition.intervals import Intervals


def readings(number, seed, spread=0.05, absent=0.4):
    """Return shares as read, with an error that grows with the share, and true ones."""
    rng = np.random.default_rng(seed)
    true = np.where(rng.random((number, 2)) < absent, 0.0, rng.uniform(0.02, 1, (number, 2)))
    return np.clip(true + spread * (0.2 + true) * rng.normal(size=true.shape), 0, 1), true


def test_nine_of_ten_fresh_shares_lie_within():
    read, true = readings(20_000, 1)
    low, high = Intervals(*readings(4000, 0)).around(read)
    within = (low <= true) & (true <= high)
    for least, most in ((0.1, 0.3), (0.3, 0.6), (0.6, 0.9)):
        alike = (read > least) & (read < most)
        assert within[alike].mean() == pytest.approx(0.9, abs=0.03)
    assert within.mean() > 0.88


def test_of_mixtures_of_other_pellets_nine_of_ten_lie_within(known, reader, mixed):
    shares = mixed(300, 20)
    read = reader.read(known.surfaces(shares, 20)).fraction
    low, high = reader.intervals.around(read)
    assert ((low <= shares) & (shares <= high)).mean() > 0.88
    assert (high - low).mean() < 0.2


def test_intervals_are_wider_where_errors_are_larger():
    low, high = Intervals(*readings(4000, 0)).around(np.array([[0.3, 0.3], [0.8, 0.8]]))
    assert (high - low)[1] == pytest.approx(2 * (high - low)[0], rel=0.25)


def test_a_steady_error_is_taken_off():
    rng = np.random.default_rng(0)
    true = rng.uniform(0.2, 0.6, (2000, 1))
    read = true + 0.1 + 0.01 * rng.normal(size=true.shape)
    low, high = Intervals(read, true).around(np.array([[0.5]]))
    assert low[0, 0] == pytest.approx(0.4 - 0.0165, abs=0.01)
    assert high[0, 0] == 0.5  # a share lies in its own interval


def test_where_a_compound_may_be_absent_the_lower_end_is_zero():
    intervals = Intervals(*readings(4000, 0))
    faint = np.linspace(0.002, 0.02, 19)
    low, high = intervals.around(np.column_stack([faint, faint]))
    assert (low == 0).all() and (high >= 0.002).all()
    assert (intervals.around(np.array([[0.5, 0.9]]))[0] > 0.3).all()
    never = Intervals(*readings(4000, 0, absent=0.0))
    assert (never.around(np.array([[0.15, 0.15]]))[0] > 0).all()


@settings(max_examples=60, deadline=None)
@given(number=st.integers(1, 150), spread=st.floats(0, 1), seed=st.integers(0, 99))
def test_ends_lie_around_the_share_and_within_0_and_1(number, spread, seed):
    intervals = Intervals(*readings(number, seed, spread))
    shares = np.column_stack([np.linspace(0, 1, 30)] * 2)
    low, high = intervals.around(shares)
    assert (low >= 0).all() and (high <= 1).all()
    assert (low <= shares).all() and (shares <= high).all()
