"""Readings of few counts: as sure as the counts allow, and no surer."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from ionprint.composition.held_out import hold_out
from ionprint.composition.pixels import CLEAR, FAINT, LEVELS, SURE, PixelReader
from ionprint.composition.reader import Reader
from ionprint.composition.unmixing import Unmixing

FEW = (30, 100, 1000)
READINGS = ("presence", "fraction", "low", "high", "p")


@pytest.fixture(scope="module")
def pixels(reader):
    return reader.pixels


@pytest.fixture(scope="module")
def held_out(known, pixels):
    """Pseudo-mixtures of references left out, each with a reader that knows the others alone."""
    parts = hold_out(known.references, 1500, np.random.default_rng(99))
    return [(PixelReader.of_arrays(pixels.arrays(), Unmixing(p.known)), p.exam) for p in parts]


def thinned(counts, total, seed=0):
    """Return spectra with as many counts on average; those without any are left out."""
    share = total / counts.sum(axis=1, keepdims=True)
    thin = np.random.default_rng(seed).poisson(counts * share)
    seen = thin.sum(axis=1) > 0
    return thin[seen], seen


@pytest.fixture(scope="module")
def exams(held_out):
    """What is read of the mixtures, and what is in them, at each number of counts."""

    def examined(total):
        parts = []
        for reader, exam in held_out:
            counts, seen = thinned(exam.counts, total)
            found = reader.read(counts)
            parts.append([getattr(found, name) for name in READINGS] + [exam.shares[seen]])
        return dict(zip((*READINGS, "true"), map(np.concatenate, zip(*parts, strict=True)),
                        strict=True))  # fmt: skip

    return {total: examined(total) for total in FEW}


@pytest.mark.parametrize("total", FEW)
def test_presence_is_right_as_often_as_it_says(exams, total):
    said, true = (exams[total][name].ravel() for name in ("presence", "true"))
    assert (said >= 0).all() and (said <= 1).all()
    # it is about compounds that are there with a tenth of the signal, or not at all
    asked = (true >= FAINT) | (true == 0)
    said, there = said[asked], true[asked] > 0
    for low in (0.0, 0.25, 0.5, 0.75):
        alike = (said >= low) & (said <= low + 0.25)
        if alike.sum() > 100:
            assert there[alike].mean() == pytest.approx(said[alike].mean(), abs=0.12)


@pytest.mark.parametrize("total", FEW)
def test_nine_of_ten_fractions_lie_in_their_intervals(exams, total):
    exam = exams[total]
    assert (exam["low"] <= exam["fraction"]).all() and (exam["fraction"] <= exam["high"]).all()
    inside = (exam["low"] <= exam["true"]) & (exam["true"] <= exam["high"])
    assert 0.84 < inside.mean() < 0.98
    assert exam["fraction"].sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_more_counts_are_never_less_certain(exams, pixels):
    wide = [(exams[total]["high"] - exams[total]["low"]).mean() for total in FEW]
    assert wide[0] > wide[1] > wide[2]
    clear = {t: (exams[t]["true"] >= CLEAR) | (exams[t]["true"] == 0) for t in FEW}
    wrong = [np.abs(exams[t]["presence"] - (exams[t]["true"] > 0))[clear[t]].mean() for t in FEW]
    assert wrong[0] > wrong[1] > wrong[2]
    assert (np.diff(pixels.quality) > -0.03).all()


@pytest.mark.parametrize("total", FEW)
def test_known_compounds_seldom_raise_the_alarm(exams, pixels, total):
    p, least = exams[total]["p"], 1 / (1 + pixels.alarms[0].pellets)
    assert (p >= least - 1e-12).all() and (p <= 1 + 1e-12).all()
    assert (p <= pixels.alarm_at).mean() < pixels.level + 0.1


def test_an_unknown_compound_raises_the_alarm_where_there_are_counts_enough(pixels, stranger):
    counts, _ = thinned(stranger(200, 0), 1000)
    found = pixels.read(counts)
    assert found.outside.mean() > 0.95
    assert (found.outside == (found.p <= pixels.alarm_at)).all()


def test_pixels_of_one_compound_are_that_compound(known, pixels):
    counts, _ = thinned(known.surfaces(np.repeat(np.eye(3), 200, axis=0), 8), 100)
    found, true = pixels.read(counts), np.repeat(np.arange(3), 200)
    assert (found.fraction.argmax(axis=1) == true).mean() > 0.97
    assert found.present[np.arange(600), true].mean() > 0.97
    assert (found.present == (found.presence >= 0.5)).all()


def test_sparse_dense_and_any_type_of_counts_are_read_alike(pixels, known, mixed):
    counts, _ = thinned(known.surfaces(mixed(2500, 5), 5), 60)
    expected = pixels.read(counts.astype(np.float32))
    for other in (counts.astype("uint8"), counts.astype(float), csr_array(counts.astype("f4"))):
        found = pixels.read(other)
        for name in READINGS:
            assert (getattr(found, name) == getattr(expected, name)).all(), name
    # nor does it matter who else is read along
    alone = pixels.read(counts[1234:1235])
    for name in READINGS:
        assert getattr(alone, name)[0] == pytest.approx(getattr(expected, name)[1234], abs=1e-4)
    empty = pixels.read(counts[:0])
    assert empty.presence.shape == (0, 3) and empty.p.shape == (0,)


def test_single_precision_is_enough(pixels, known, mixed):
    counts, _ = thinned(known.surfaces(mixed(800, 6), 6), 100)
    single, double = (pixels.unmixing.explain_few(counts.astype(t)).shares for t in ("f4", "f8"))
    assert single == pytest.approx(double, abs=2e-3)


def test_what_it_has_learned_is_kept_whole(reader, known, mixed):
    stored = {name: np.array(value) for name, value in reader.arrays().items()}
    again = Reader.of_arrays(stored).pixels
    counts, _ = thinned(known.surfaces(mixed(300, 7), 7), 200)
    first, second = reader.pixels.read(counts), again.read(counts)
    for name in (*READINGS, "outside"):
        assert (getattr(first, name) == getattr(second, name)).all(), name
    assert again.least_counts == reader.pixels.least_counts


def test_a_model_without_it_is_read_all_the_same(reader):
    earlier = {k: v for k, v in reader.arrays().items() if not k.startswith("pixels")}
    assert Reader.of_arrays(earlier).pixels is None


def test_beyond_the_levels_readings_are_those_of_the_last(pixels, known):
    counts = known.surfaces(np.eye(3), 9)
    for total in (1, 3, 1e7):
        found = pixels.read(thinned(counts, total)[0])
        for name in READINGS:
            assert np.isfinite(getattr(found, name)).all()


@pytest.mark.parametrize(
    ("quality", "least"),
    [
        ([SURE + 0.1] * 11, 10),
        ([0.0, SURE, *[0.9] * 9], 32),  # 10^1.5, rounded up
        ([SURE - 0.2, SURE + 0.2, *[1.0] * 9], 18),  # half-way
        ([SURE - 0.2, SURE + 0.2, 0.0, *[1.0] * 8], 18),  # a later dip is chance
        ([0.0] * 11, 1_000_000),
    ],
)
def test_pixels_are_read_from_the_counts_on_that_say_something(pixels, quality, least):
    arrays = pixels.arrays() | {"quality": np.array(quality)}
    assert len(quality) == LEVELS.size
    assert PixelReader.of_arrays(arrays, pixels.unmixing).least_counts == least


def test_readings_from_least_counts_on_tell_what_is_there_from_what_is_not(pixels, held_out):
    called, true = [], []
    for reader, exam in held_out:
        counts, seen = thinned(exam.counts, 2 * pixels.least_counts, seed=3)
        called.append(reader.read(counts).present)
        true.append(exam.shares[seen])
    called, true = np.concatenate(called), np.concatenate(true)
    clear, absent = true >= CLEAR, true == 0
    assert called[clear].mean() - called[absent].mean() > SURE - 0.03
