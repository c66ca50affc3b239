"""Compounds are called present where they are, judged on references left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from ionprint.composition.presence import IonVote, _best_threshold, log_intensities
from ionprint.composition.pseudo_mixtures import draw


def test_log_intensities_do_not_hang_on_total_counts():
    counts = np.array([[1.0, 9999, 0]])
    assert log_intensities(counts)[0] == pytest.approx([np.log(2), np.log(10_000), 0])
    assert log_intensities(counts * 7) == pytest.approx(log_intensities(counts))


def test_planted_compounds_are_found_on_pellets_never_seen(known, reader, mixed):
    shares = mixed(300, 10)
    reading = reader.read(known.surfaces(shares, 10))
    found = [f1_score(*pair) for pair in zip(shares.T > 0, reading.present.T, strict=True)]
    assert min(found) > 0.9


def test_the_best_threshold_finds_compounds_better_than_most(known, reader, mixed):
    shares = mixed(300, 11)
    scores = reader.read(known.surfaces(shares, 11)).presence
    assert ((scores >= 0) & (scores <= 1)).all()
    for column, there in zip(scores.T, shares.T > 0, strict=True):
        assert column[there].mean() > 0.9 and column[~there].mean() < 0.1


def test_thresholds_decide_and_are_scores(reader, stranger):
    thresholds = reader.presence.thresholds
    assert thresholds.shape == (3,) and ((thresholds > 0) & (thresholds < 1)).all()
    reading = reader.read(stranger(20, 0))
    assert (reading.present == (reading.presence >= thresholds)).all()


def test_scores_are_chances(made_up, reader, known, mixed):
    # of surfaces scored about alike, about that share holds the compound; dim ones are in doubt
    shares = mixed(2000, 12)
    scores = reader.read(known.surfaces(shares, 12, total=3e4)).presence.ravel()
    there = shares.ravel() > 0
    assert np.mean((scores - there) ** 2) < 0.05
    assert there[scores < 0.2].mean() < 0.1 and there[scores > 0.8].mean() > 0.9


def test_votes_are_the_mean_of_the_lessons(known):
    rng = np.random.default_rng(0)
    lessons = [draw(known.references, 150, rng) for _ in range(2)]
    exam = draw(known.references, 20, rng).counts
    single = [IonVote([lesson]).vote(exam) for lesson in lessons]
    assert IonVote(lessons).vote(exam) == pytest.approx(np.mean(single, axis=0))
    assert np.abs(single[0] - single[1]).max() > 0.01


def f1_from(threshold, scores, present):
    called = scores >= threshold
    return 2 * (called & present).sum() / max(called.sum() + present.sum(), 1)


@settings(max_examples=200, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 8).map(lambda i: i / 8), st.booleans()), min_size=1, max_size=25
    )
)
def test_no_threshold_has_a_better_f1(pairs):
    scores, present = np.array(pairs, dtype=float).T
    present = present.astype(bool)
    threshold = _best_threshold(scores, present)
    assert 0 <= threshold <= 1
    best = max(f1_from(t, scores, present) for t in [*scores, 2.0])
    assert f1_from(threshold, scores, present) == pytest.approx(best)


def test_the_threshold_lies_between_two_scores():
    scores, present = np.array([0.1, 0.9, 0.3, 0.8]), np.array([False, True, False, True])
    assert _best_threshold(scores, present) == pytest.approx(0.55)
