"""All readings together: repeatable, and of each spectrum by itself."""

from dataclasses import fields

import numpy as np
import pytest

from ionprint.composition.reader import BATCH, Reader, Reading, refuse_empty
from ionprint.composition.references import References
from ionprint.errors import DataError
from ionprint.files import read_arrays, write_arrays

NAMES = [field.name for field in fields(Reading)]


def same(one, other):
    return all((getattr(one, name) == getattr(other, name)).all() for name in NAMES)


@pytest.fixture(scope="module")
def counts(known, mixed, stranger):
    return np.vstack([known.surfaces(mixed(20, 60), 60), stranger(3, 60)])


@pytest.fixture(scope="module")
def small(made_up):
    return made_up(compounds=2, spots=2, peaks=12).references


def read_with(references, counts, seed):
    return Reader.fit(references, number=60, false_alarms=0.05, seed=seed).read(counts)


def test_the_same_seed_reads_the_same(small):
    first, again, other = (read_with(small, small.counts, seed) for seed in (0, 0, 1))
    assert same(first, again)
    assert not same(first, other)
    assert (first.fraction == other.fraction).all()  # draws do not decide on amounts


def test_each_spectrum_is_read_by_itself(reader, counts):
    together = reader.read(counts)
    for row in range(len(counts)):
        alone = reader.read(counts[[row]])
        for name in NAMES:
            expected = getattr(together, name)[[row]]
            assert getattr(alone, name) == pytest.approx(expected, rel=0, abs=1e-7), name


def test_more_spectra_than_are_read_at_once(reader, counts):
    number = 2 * BATCH + 7
    rows = np.arange(number) % len(counts)
    many, few = reader.read(counts[rows]), reader.read(counts)
    for name in NAMES:
        found, expected = getattr(many, name), getattr(few, name)[rows]
        assert found.shape == expected.shape
        assert found == pytest.approx(expected, rel=0, abs=1e-7), name


def test_readings_of_a_surface_agree(known, reader, mixed):
    shares = mixed(100, 61)
    counts = known.surfaces(shares, 61)
    reading = reader.read(counts)
    assert reading.fraction.sum(axis=1) == pytest.approx(1)
    assert np.abs(reading.fraction - shares).mean() < 0.02
    assert (reading.outside == (reading.p <= reader.false_alarms * (1 + 1e-9))).all()


def test_how_many_counts_there_are_decides_little(known, reader, mixed):
    shares = mixed(60, 62)
    bright, dim = (reader.read(known.surfaces(shares, 62, total)) for total in (1e6, 1e5))
    assert np.abs(bright.fraction - dim.fraction).mean() < 0.02
    assert (bright.present == dim.present).mean() > 0.95


def test_more_alarms_are_raised_where_more_are_allowed(small):
    strict, generous = (
        Reader.fit(small, number=60, false_alarms=level, seed=0) for level in (0.0, 0.5)
    )
    assert strict.false_alarms == strict.alarm.unexplained.least
    assert generous.false_alarms == 0.5
    found = [reader.read(small.counts).outside for reader in (strict, generous)]
    assert (found[1] >= found[0]).all()


def test_every_step_of_fitting_is_told(small):
    steps = []
    Reader.fit(small, number=60, false_alarms=0.05, seed=0, advance=lambda: steps.append(1))
    assert len(steps) == Reader.STEPS


def test_a_reader_is_stored_whole(reader, counts, tmp_path):
    write_arrays(reader.arrays(), tmp_path / "reader.npz")
    again = Reader.of_arrays(read_arrays(tmp_path / "reader.npz"))
    assert same(reader.read(counts), again.read(counts))
    assert (reader.classes, reader.false_alarms) == (again.classes, again.false_alarms)
    ends = zip(*(r.intervals.around(r.read(counts).fraction) for r in (reader, again)), strict=True)
    assert all((one == other).all() for one, other in ends)


def test_peaks_that_no_reference_has_change_nothing_while_they_are_empty(reader, counts):
    places = np.sort(np.random.default_rng(3).permutation(55)[:40])
    longer = np.zeros((len(counts), 55))
    longer[:, places] = counts
    found, expected = reader.spread(places, 55).read(longer), reader.read(counts)
    for name in NAMES:
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-7), name


def test_a_longer_list_is_read_as_if_the_references_had_been_on_it(known, mixed):
    places, spots = np.arange(40), known.references
    counts = np.hstack([known.surfaces(mixed(20, 63), 63), np.zeros((20, 3))])
    counts[:10, 41] = 5e4
    wide = References(
        np.hstack([spots.counts, np.zeros((len(spots.counts), 3))]), spots.compound, spots.group
    )
    spread = Reader.fit(spots, 300, 0.05, seed=0).spread(places, 43).read(counts)
    fitted = Reader.fit(wide, 300, 0.05, seed=0).read(counts)
    assert spread.outside[:10].all() and not spread.outside[10:].all()
    for name in NAMES:
        assert getattr(spread, name) == pytest.approx(getattr(fitted, name), abs=1e-6), name


def test_spectra_without_counts_are_named():
    files = np.array(["a.txt", "b.txt", "c.txt"])
    with pytest.raises(
        DataError, match=r"2 of 3 spectra hold no counts (?s:.*)a\.txt(?s:.*)c\.txt"
    ):
        refuse_empty(np.array([[0.0, 0], [0, 1], [0, 0]]), files)
    refuse_empty(np.ones((3, 2)), files)
