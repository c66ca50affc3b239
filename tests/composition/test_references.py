"""References are held out pellet by pellet; what they teach does not hang on one measuring run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.composition.references import References
from ionprint.errors import DataError


def spots_of(pellets, spots=1):
    """Return references of as many pellets a compound, all spots alike."""
    compound, group = np.array(
        [
            (f"c{c}", f"c{c}p{p}")
            for c, n in enumerate(pellets)
            for p in range(n)
            for _ in range(spots)
        ]
    ).T
    return References(np.ones((len(compound), 2)), compound, group)


@settings(max_examples=50, deadline=None)
@given(pellets=st.lists(st.integers(2, 8), min_size=2, max_size=4), spots=st.integers(1, 3))
def test_every_part_has_all_compounds_and_whole_pellets(pellets, spots):
    references = spots_of(pellets, spots)
    parts = references.parts()
    assert 2 <= len(parts) <= 5
    assert (sum(leave.astype(int) for _, leave in parts) == 1).all()
    for learn, leave in parts:
        assert (learn != leave).all()
        assert references.of(learn).classes == references.of(leave).classes == references.classes
        assert not set(references.group[learn]) & set(references.group[leave])


def test_runs_that_every_compound_went_through_are_dealt_whole():
    compound, run = np.array([(c, r) for r in "123" for c in "ab" for _ in range(2)]).T
    references = References(np.ones((len(run), 3)), compound, run)
    for learn, leave in references.parts():
        assert not set(run[learn]) & set(run[leave])
        assert set(compound[leave]) == {"a", "b"}


def test_spots_are_dealt_where_a_compound_has_a_single_pellet():
    references = spots_of([3, 1], spots=4)
    parts = references.parts()
    assert len(parts) == 4
    for learn, leave in parts:
        assert set(references.compound[learn]) == set(references.compound[leave]) == {"c0", "c1"}


def test_a_compound_of_one_spectrum_cannot_be_held_out():
    with pytest.raises(DataError, match="c1 has one reference spectrum; two or more"):
        spots_of([3, 1]).parts()


def test_a_reference_without_counts_is_named():
    counts = np.array([[1.0, 2], [0, 0], [3, 1]])
    with pytest.raises(DataError, match="1 reference spectra hold no counts, .* of LiB; leave"):
        References(counts, np.array(["LiA", "LiB", "LiB"]), np.array(["1", "2", "3"]))


def test_one_compound_is_not_enough():
    with pytest.raises(DataError, match="references of 2 compounds or more are needed, got .*LiA"):
        References(np.ones((2, 2)), np.array(["LiA", "LiA"]), np.array(["1", "2"]))


def test_compounds_are_in_alphabetical_order():
    references = References(np.eye(3), np.array(["b", "c", "a"]), np.array(["1", "1", "1"]))
    assert references.classes == ["a", "b", "c"]
    assert references.means().tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_a_bright_spot_weighs_as_much_as_a_dim_one():
    counts = np.array([[1.0, 0], [0, 1000], [1, 1]])
    references = References(counts, np.array(["a", "a", "b"]), np.array(["1", "2", "3"]))
    assert references.means()[0].tolist() == [0.5, 0.5]
    spectra, compound = references.group_means()
    assert spectra.tolist() == [[1, 0], [0, 1], [0.5, 0.5]]
    assert compound.tolist() == [0, 0, 1]


def scattering(pellets, planted, total, seed=0):
    """Return references whose ions scatter between pellets as planted, counting on top."""
    rng = np.random.default_rng(seed)
    compound = np.repeat(["a", "b", "c"], pellets)
    spectra = np.exp(planted * rng.normal(size=(len(compound), len(planted))))
    counts = rng.poisson(total * spectra / len(planted)).astype(float)
    return References(counts, compound, np.arange(len(compound)).astype(str))


def test_scatter_between_many_pellets_is_found():
    planted = np.repeat([0.0, 0.1, 0.3], 30)
    found = scattering(40, planted, 1e7).scatter()
    assert (found[:30] < 0.06).all() and (found >= 0.05).all()
    assert found[30:60].mean() == pytest.approx(0.1, rel=0.15)
    assert found[60:].mean() == pytest.approx(0.3, rel=0.1)


def test_the_noise_of_counting_is_no_scatter():
    # 25 counts an ion and pellet scatter by a fifth of themselves
    assert np.median(scattering(40, np.zeros(40), 1000).scatter()) < 0.09


def test_few_pellets_leave_the_scatter_near_what_is_usual():
    planted = np.full(40, 0.01)
    assert scattering(1, planted, 1e7).scatter() == pytest.approx(0.15)
    few, many = (scattering(n, planted, 1e7).scatter().mean() for n in (2, 20))
    assert 0.1 < few < 0.15 and many < 0.07


def test_an_ion_that_no_compound_shows_says_nothing_of_its_scatter(made_up):
    spots = made_up().references
    counts = spots.counts.copy()
    counts[:, 7] = 0
    assert References(counts, spots.compound, spots.group).scatter()[7] == pytest.approx(0.15)


def test_compounds_without_an_ion_say_nothing_of_its_scatter(made_up):
    spots = made_up(compounds=6, scatter=0.15, total=1e7).references
    counts = spots.counts.copy()
    counts[:, :30][spots.compound != "LiA"] = 0
    found = References(counts, spots.compound, spots.group).scatter()
    assert found[:30].mean() == pytest.approx(0.15, rel=0.1)


def test_yields_are_the_brightness_of_each_compound():
    counts = np.repeat([[100.0], [200], [400]], 2, axis=0) * [[0.5, 0.5]]
    references = References(counts, np.repeat(list("abc"), 2), np.array(list("121212")))
    assert references.yields() == pytest.approx([0.5, 1, 2])


@settings(max_examples=30, deadline=None)
@given(brightness=st.lists(st.floats(0.01, 100), min_size=3, max_size=3))
def test_runs_of_unequal_brightness_cancel(brightness):
    yields = {"a": 1.0, "b": 3.0}
    compound, run = np.array([(c, r) for c in "ab" for r in "012" for _ in range(2)]).T
    light = np.array(brightness)[run.astype(int)] * [yields[c] for c in compound]
    references = References(light[:, None] * [[3.0, 1.0]], compound, run)
    a, b = references.yields()
    assert b / a == pytest.approx(3)
