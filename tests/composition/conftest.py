"""Reference spots and surfaces made up from random numbers: their readings mean nothing."""

from dataclasses import dataclass

import numpy as np
import pytest

from ionprint.composition.reader import Reader
from ionprint.composition.references import References

YIELDS = np.array([0.5, 1.0, 2.0, 0.7, 1.4, 0.8])


@dataclass(frozen=True)
class MadeUp:
    """Compounds that are known in full.

    Attributes
    ----------
    profiles : ndarray, shape (n_classes, n_peaks)
        Spectrum of each compound without pellets and noise; rows sum to 1.
    references : References
    scatter : float
        Relative standard deviation of ions between pellets.
    """

    profiles: np.ndarray
    references: References
    scatter: float

    def surfaces(self, shares, seed, total=1e5):
        """Return counts of surfaces of given shares, each a pellet of its own."""
        rng = np.random.default_rng(seed)
        return counted(np.array(shares) * YIELDS[: len(self.profiles)], self, rng, total)


def counted(weights, made, rng, total):
    spectra = weights @ made.profiles
    spectra = spectra * np.exp(made.scatter * rng.normal(size=spectra.shape))
    return rng.poisson(total * spectra / spectra.sum(axis=1, keepdims=True)).astype(float)


def make(*, compounds=3, pellets=3, spots=4, peaks=40, scatter=0.1, total=1e5, seed=0):
    rng = np.random.default_rng(seed)
    profiles = rng.lognormal(0, 1, peaks) * rng.lognormal(0, 1.5, (compounds, peaks))
    profiles = np.maximum(profiles / profiles.sum(axis=1, keepdims=True), 2e-4)
    profiles /= profiles.sum(axis=1, keepdims=True)
    place = np.repeat(np.arange(compounds), pellets * spots)
    pellet = np.arange(len(place)) // spots
    spectra = profiles[place] * np.exp(scatter * rng.normal(size=(pellet.max() + 1, peaks)))[pellet]
    spectra = spectra / spectra.sum(axis=1, keepdims=True)
    counts = rng.poisson(total * YIELDS[place, None] * spectra).astype(float)
    names = np.array([f"Li{letter}" for letter in "ABCDEF"])
    references = References(counts, names[place], np.array([f"pellet {p}" for p in pellet]))
    return MadeUp(profiles, references, scatter)


@pytest.fixture(scope="session")
def made_up():
    """Make up compounds with reference spots: 3 x 3 pellets x 4 spots x 40 peaks."""
    return make


@pytest.fixture(scope="session")
def known():
    """Three compounds that `reader` is set by."""
    return make()


@pytest.fixture(scope="session")
def reader(known):
    return Reader.fit(known.references, number=300, false_alarms=0.05, seed=0)


@pytest.fixture(scope="session")
def mixed():
    """Draw shares of three compounds: none, one, two or all of them, none under 5 %."""

    def drawn(number, seed):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 4, (number, 1))
        there = rng.random((number, 3)).argsort(axis=1).argsort(axis=1) < sizes
        shares = np.where(there, 0.05 + rng.exponential(size=there.shape), 0)
        return shares / shares.sum(axis=1, keepdims=True)

    return drawn


@pytest.fixture(scope="session")
def stranger():
    """Return counts of a compound that is none of those made up."""

    def drawn(number, seed, peaks=40, total=1e5):
        rng = np.random.default_rng([77, seed])
        profile = np.random.default_rng(77).lognormal(0, 2, peaks)
        return rng.poisson(total * profile / profile.sum(), (number, peaks)).astype(float)

    return drawn
