"""Ions speak for a compound where they are more than the others explain, and against it."""

import numpy as np
import pytest

from ionprint.composition.evidence import witnesses
from ionprint.composition.unmixing import Unmixing


@pytest.fixture(scope="module")
def hear(known):
    """Hear the ions of spectra on compounds called present; errors are those of counting."""
    unmixing = Unmixing(known.references)

    def heard(counts, present, errors=None):
        errors = np.sqrt(np.maximum(counts, 1)) if errors is None else errors
        found = witnesses(counts, errors, np.array(present, dtype=bool), unmixing)
        return {(row, compound): (ions, verdict) for row, compound, ions, verdict in found}

    return heard


def test_compounds_that_are_there_are_strong_claims(known, hear, mixed):
    shares = mixed(60, 1)
    heard = hear(known.surfaces(shares, 1), shares > 0)
    assert set(heard) == set(zip(*map(np.ndarray.tolist, np.nonzero(shares)), strict=True))
    verdicts = {place: verdict for place, (_, verdict) in heard.items()}
    assert {verdict for place, verdict in verdicts.items() if shares[place] > 0.6} == {"strong"}
    assert "noise" not in {v for place, v in verdicts.items() if shares[place] > 0.15}


def test_the_ions_for_a_compound_are_its_own(known, hear):
    ions, _ = hear(known.surfaces([[0.5, 0.5, 0]], 0), [[1, 1, 0]])[0, 0]
    mine, others = known.profiles[0], known.profiles[1]
    speaking = [ion.peak for ion in ions if ion.side == "for" and ion.weight == "strong"]
    assert 3 <= len(speaking) <= 6
    assert all(mine[peak] > others[peak] for peak in speaking)


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_compound_that_is_not_there_rests_on_noise(known, hear, absent):
    shares = np.full((20, 3), 0.5)
    shares[:, absent] = 0
    heard = hear(known.surfaces(shares, 1), np.ones((20, 3)))
    verdicts = [heard[row, absent][1] for row in range(20)]
    assert "strong" not in verdicts and verdicts.count("noise") >= 18
    others = {heard[row, c][1] for row in range(20) for c in range(3) if c != absent}
    assert "noise" not in others


def test_an_ion_that_is_missing_speaks_against(known, hear):
    counts = known.surfaces([[1, 0, 0]], 0)
    peak = int(counts[0].argmax())
    ions, _ = hear(counts, [[1, 0, 0]])[0, 0]
    assert [ion.side for ion in ions] == ["for"] * len(ions)
    counts[0, peak] = 0
    ions, _ = hear(counts, [[1, 0, 0]])[0, 0]
    (against,) = (ion for ion in ions if ion.side == "against")
    assert (against.peak, against.weight, against.counts) == (peak, "against", 0)
    assert against.above_others <= -3
    assert ions[-1] == against


def test_peaks_no_better_than_noise_make_no_claim(known, hear):
    counts = known.surfaces([[0.5, 0.5, 0]], 0)
    heard = hear(counts, [[1, 1, 0]], errors=np.maximum(counts, 1))
    assert {verdict for _, verdict in heard.values()} == {"noise"}
    assert all(ion.weight != "strong" for ions, _ in heard.values() for ion in ions)


def test_an_ion_is_strong_above_the_others_and_above_the_background(known, hear):
    counts = known.surfaces(np.eye(3), 4, total=2000)
    spoken = [ion for ions, _ in hear(counts, np.eye(3)).values() for ion in ions]
    strong = [ion.above_others >= 5 and ion.above_background >= 10 for ion in spoken]
    assert [ion.weight == "strong" for ion in spoken] == strong
    few = [ion for ion in spoken if ion.above_others >= 5 and ion.above_background < 10]
    assert few and {ion.weight for ion in few} == {"weak"}


def test_strong_ions_come_first_and_few_are_named(known, hear, mixed):
    shares = mixed(30, 2)
    heard = hear(known.surfaces(shares, 2), shares > 0)
    rank = ["strong", "weak", "noise", "against"]
    for ions, _ in heard.values():
        assert sum(ion.side == "for" for ion in ions) <= 6
        assert sum(ion.side == "against" for ion in ions) <= 3
        order = [rank.index(ion.weight) for ion in ions]
        assert order == sorted(order)


def test_a_witness_tells_what_it_counts(known, hear):
    counts = known.surfaces([[0.6, 0, 0.4], [1, 0, 0]], 3)
    heard = hear(counts, [[1, 0, 1], [1, 0, 0]])
    for (row, compound), (ions, _) in heard.items():
        for ion in ions:
            assert (ion.spectrum, ion.compound) == (row, compound)
            assert ion.counts == counts[row, ion.peak]
            assert ion.above_background == pytest.approx(np.sqrt(ion.counts))
    assert all(ion.others == 0 for ion in heard[1, 0][0])  # alone, nothing else explains it
    assert any(ion.others > 0 for ion in heard[0, 0][0])


def test_where_nothing_is_present_nothing_is_heard(known, hear):
    counts = known.surfaces([[1, 0, 0], [0, 1, 0]], 0)
    assert hear(counts, np.zeros((2, 3))) == {}
    assert list(hear(counts, [[0, 0, 0], [0, 1, 0]])) == [(1, 1)]
