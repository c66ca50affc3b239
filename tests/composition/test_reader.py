"""All readings together: repeatable, and of each spectrum by itself."""

from dataclasses import fields

import numpy as np
import pytest

from ionprint.composition.reader import BATCH, Reader, Reading, refuse_empty
from ionprint.errors import DataError

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
    reader = Reader(references, number=60, false_alarms=0.05, seed=seed)
    return reader.read(counts), reader.amounts(counts)


def test_the_same_seed_reads_the_same(small):
    first, again, other = (read_with(small, small.counts, seed) for seed in (0, 0, 1))
    assert same(first[0], again[0])
    for kind, shares in first[1].items():
        assert shares == pytest.approx(again[1][kind], rel=0, abs=1e-12)
    assert not same(first[0], other[0])
    assert (first[0].fraction == other[0].fraction).all()  # draws do not decide on amounts


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
    assert set(reader.amounts(counts)) | {"fraction"} == set(reader.intervals)
    for found in reader.amounts(counts).values():
        assert np.abs(found - reading.fraction).mean() < 0.06


def test_how_many_counts_there_are_decides_little(known, reader, mixed):
    shares = mixed(60, 62)
    bright, dim = (reader.read(known.surfaces(shares, 62, total)) for total in (1e6, 1e5))
    assert np.abs(bright.fraction - dim.fraction).mean() < 0.02
    assert (bright.present == dim.present).mean() > 0.95


def test_more_alarms_are_raised_where_more_are_allowed(small):
    strict, generous = (
        Reader(small, number=60, false_alarms=level, seed=0) for level in (0.0, 0.5)
    )
    assert strict.false_alarms == strict.alarm.unexplained.least
    assert generous.false_alarms == 0.5
    found = [reader.read(small.counts).outside for reader in (strict, generous)]
    assert (found[1] >= found[0]).all()


def test_every_step_of_fitting_is_told(small):
    steps = []
    Reader(small, number=60, false_alarms=0.05, seed=0, advance=lambda: steps.append(1))
    assert len(steps) == Reader.STEPS


def test_spectra_without_counts_are_named():
    files = np.array(["a.txt", "b.txt", "c.txt"])
    with pytest.raises(
        DataError, match=r"2 of 3 spectra hold no counts (?s:.*)a\.txt(?s:.*)c\.txt"
    ):
        refuse_empty(np.array([[0.0, 0], [0, 1], [0, 0]]), files)
    refuse_empty(np.ones((3, 2)), files)
