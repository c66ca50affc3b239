"""The alarm is raised by what the references do not explain, and seldom by anything else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ionprint.composition.alarm import Conformal, distance, excess, residual_ions
from ionprint.composition.references import References
from ionprint.composition.unmixing import Unmixing

spectra = arrays(float, (3, 6), elements=st.integers(0, 10**6).map(float)).filter(
    lambda a: (a.sum(axis=1) > 0).all()
)


def groups_of(number, size, between, rng):
    """Return how odd spectra of some pellets are, those of one pellet alike."""
    pellet = np.repeat(np.arange(number), size)
    return between * rng.normal(size=number)[pellet] + rng.normal(size=pellet.size), pellet


@pytest.mark.parametrize("between", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("number", [4, 14])
def test_known_surfaces_seldom_have_small_p_values(between, number):
    rng = np.random.default_rng(number)
    found = []
    for _ in range(800):
        odd, pellet = groups_of(number + 1, 10, between, rng)
        new = pellet == number  # one more pellet of the same kind
        found.append(Conformal(odd[~new], pellet[~new]).p_values(odd[new][:1])[0])
    found = np.array(found)
    for level in (0.05, 0.1, 0.2, 0.5):
        error = np.sqrt(level * (1 - level) / len(found))
        assert (found <= level).mean() <= level + 3 * error


def test_spots_of_one_pellet_do_not_make_certainty():
    rng = np.random.default_rng(0)
    many, few = (Conformal(*groups_of(6, size, 1.0, rng)) for size in (1000, 2))
    assert many.pellets == few.pellets == 6
    assert many.least == few.least == pytest.approx(1 / 7)
    assert many.p_values(np.array([1e9])) == few.p_values(np.array([1e9])) == pytest.approx(1 / 7)
    assert many.p_values(np.array([-1e9])) == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(number=st.integers(1, 9), size=st.integers(1, 5), seed=st.integers(0, 99))
def test_the_odder_the_smaller_the_p_value(number, size, seed):
    odd, pellet = groups_of(number, size, 1.0, np.random.default_rng(seed))
    known = Conformal(odd, pellet)
    p = known.p_values(np.sort(np.concatenate([odd, [-9.0, 9.0]])))
    assert (np.diff(p) <= 1e-12).all()
    assert p == pytest.approx(np.clip(p, known.least, 1))


@settings(max_examples=60, deadline=None)
@given(
    odd=st.lists(st.integers(0, 5).map(float), min_size=1, max_size=30),
    new=st.lists(st.integers(-1, 6).map(float), max_size=9),
    seed=st.integers(0, 99),
)
def test_a_p_value_is_the_mean_over_pellets_of_the_share_of_spots_as_odd(odd, new, seed):
    odd = np.array(odd)
    pellet = np.random.default_rng(seed).integers(0, 4, odd.size)
    found = Conformal(odd, pellet).p_values(np.array(new))
    for value, p in zip(new, found, strict=True):
        shares = [(odd[pellet == name] >= value).mean() for name in np.unique(pellet)]
        # the new one is as odd as itself
        assert p == pytest.approx((1 + sum(shares)) / (1 + len(shares)))


def test_as_odd_as_all_known_ones_is_not_odd():
    known = Conformal(np.zeros(6), np.repeat([0, 1, 2], 2))
    assert known.p_values(np.zeros(1)) == pytest.approx(1)


@settings(max_examples=100, deadline=None)
@given(p=spectra, q=spectra, scale=st.floats(1e-3, 1e3))
def test_the_distance_is_one_of_shares(p, q, scale):
    found = distance(p, q)
    assert ((found >= -1e-9) & (found <= 1 + 1e-9)).all()
    assert distance(q, p) == pytest.approx(found)
    assert distance(scale * p, q) == pytest.approx(found, abs=1e-9)
    assert distance(p, scale * p) == pytest.approx(0, abs=1e-9)


def test_spectra_that_share_no_ion_are_at_distance_one():
    p, q = np.array([[3.0, 5, 0, 0]]), np.array([[0.0, 0, 9, 1]])
    assert distance(p, q) == pytest.approx(1)
    assert 0.1 < distance(p, p + q)[0] < 0.9


@settings(max_examples=100, deadline=None)
@given(counts=spectra)
def test_within_the_range_of_the_references_there_is_no_excess(counts):
    highest = (counts / counts.sum(axis=1, keepdims=True)).max(axis=0)
    assert excess(counts, highest) == pytest.approx(0)
    assert excess(counts, highest + 0.1) == pytest.approx(0)
    assert excess(counts, np.zeros(6)) == pytest.approx(1)


def test_excess_is_what_lies_above_the_range():
    highest = np.array([0.5, 0.25, 0.25])
    assert excess(np.array([[50.0, 50, 0]]), highest) == pytest.approx((0.5**0.5 - 0.5) ** 2)


@pytest.mark.parametrize("peak", [0, 17, 39])
def test_a_foreign_ion_is_named_first(known, reader, mixed, peak):
    counts = known.surfaces(mixed(10, 30), 30)
    counts[:, peak] += 2e5
    assert [ions[0] for ions in reader.unexplained(counts)] == [peak] * 10


def test_nothing_is_named_of_what_the_references_explain(known, reader, mixed):
    counts = known.surfaces(mixed(100, 31), 31)
    assert sum(len(ions) for ions in reader.unexplained(counts)) <= 3


def scattering(n_peaks):
    """Return an unmixing of two compounds whose ions all scatter by a tenth between pellets."""
    compounds = np.array(["a", "b"])
    unmixing = Unmixing(References(np.ones((2, n_peaks)), compounds, compounds))
    unmixing.scatter = np.full(n_peaks, 0.1)
    return unmixing


def test_ions_are_named_beyond_noise_and_scatter_only():
    expected = np.array([[100.0, 100, 10_000, 10_000, 0, 0]])
    unmixing = scattering(6)
    noise = np.array([[140.0, 60, 14_000, 6000, 4, 0]])
    assert [ions.tolist() for ions in residual_ions(noise, expected, unmixing)] == [[]]
    more = np.array([[200.0, 100, 18_000, 10_000, 9, 0]])
    assert [ions.tolist() for ions in residual_ions(more, expected, unmixing)] == [[2, 0, 4]]


def test_no_more_than_five_ions_are_named():
    ions = residual_ions(np.arange(1, 9)[None] * 1000.0, np.zeros((1, 8)), scattering(8))
    assert [row.tolist() for row in ions] == [[7, 6, 5, 4, 3]]


def test_an_unknown_compound_raises_both_alarms(reader, stranger):
    reading = reader.read(stranger(20, 0))
    assert reading.outside.all() and reading.outlier.all()
    assert reading.p == pytest.approx(reader.alarm.unexplained.least)
    assert all(len(ions) for ions in reader.unexplained(stranger(20, 0)))


def test_half_an_unknown_compound_raises_the_alarm(known, reader, mixed, stranger):
    counts = known.surfaces(mixed(50, 32), 32, total=5e4) + stranger(50, 1, total=5e4)
    assert reader.read(counts).outside.mean() > 0.9


def test_other_pellets_of_known_compounds_seldom_raise_an_alarm(known, reader, mixed):
    shares = np.vstack([np.repeat(np.eye(3), 50, axis=0), mixed(150, 33)])
    reading = reader.read(known.surfaces(shares, 33))
    assert reading.outside.mean() < 0.15 and reading.outlier.mean() < 0.15


def test_references_themselves_raise_no_alarm(known, reader):
    reading = reader.read(known.references.counts)
    assert reading.outside.mean() < 0.1
    assert not reading.outlier.any() and reading.outlying == pytest.approx(0)


def test_three_pellets_a_compound_cannot_raise_one_alarm_in_a_hundred(known, reader):
    # nine pellets: the smallest p-value is one in ten, and it has to be enough
    assert reader.alarm.unexplained.least == reader.alarm.outlying.least == pytest.approx(0.1)
    assert reader.false_alarms == pytest.approx(0.1)
