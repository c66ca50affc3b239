"""Components that nobody named are those of the compounds."""

import numpy as np
import pytest

from ionprint.composition.profile import components


@pytest.fixture(scope="module")
def factorised(known, mixed):
    spots = known.references
    counts = np.vstack([spots.counts, known.surfaces(mixed(40, 50), 50)])
    return counts, components(counts, spots, seed=0)


def test_each_compound_has_a_component_like_its_spectrum(known, factorised):
    _, (_, spectra, matches) = factorised
    assert matches["compound"].tolist() == known.references.classes
    assert (matches["similarity"] > 0.95).all() and (matches["similarity"] <= 1).all()
    alike = np.sqrt(spectra) @ np.sqrt(known.profiles).T
    assert alike.argmax(axis=1).tolist() == [0, 1, 2]


def test_components_and_their_amounts_are_shares(factorised):
    counts, (amounts, spectra, _) = factorised
    assert amounts.shape == (len(counts), 3) and spectra.shape == (3, 40)
    assert amounts.sum(axis=1) == pytest.approx(1) and (amounts >= 0).all()
    assert spectra.sum(axis=1) == pytest.approx(1) and (spectra >= 0).all()


def test_spots_of_a_compound_hold_mostly_its_own_component(known, factorised):
    spots = known.references
    _, (amounts, _, _) = factorised
    place = np.searchsorted(spots.classes, spots.compound)
    assert (amounts[: len(place)].argmax(axis=1) == place).all()


def test_amounts_times_components_are_the_spectra(factorised):
    counts, (amounts, spectra, _) = factorised
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert np.abs(amounts @ spectra - shares).sum(axis=1).mean() < 0.12


def test_the_same_seed_makes_the_same_components(known, factorised):
    counts, (amounts, spectra, _) = factorised
    again = components(counts, known.references, seed=0)
    assert (again[0] == amounts).all() and (again[1] == spectra).all()
