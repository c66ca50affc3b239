"""Spectra of mixtures made by adding up reference spots, with shares that are known."""

from dataclasses import dataclass

import numpy as np

from ionprint.composition.references import References

MOST = 4
"""Compounds in a mixture at most."""
LEAST = 0.03
"""Share of a compound at least, before the matrix effect."""
EXPONENTS = (0.5, 1.5)
"""Matrix effect: shares of the signal go as shares of the surface to a power drawn from here."""

FAINT = 5.0
"""Counts that tell nothing of an ion's deviation."""


@dataclass(frozen=True)
class PseudoMixtures:
    """Mixtures of references.

    Attributes
    ----------
    counts : ndarray, shape (n_mixtures, n_peaks)
        Poisson counts.
    shares : ndarray, shape (n_mixtures, n_classes)
        Share of each compound in the signal: the part of its own full surface's counts that is
        there. Rows sum to 1; 0 where it is absent.
    group : ndarray of int, shape (n_mixtures,)
        Which of the pellets left out lent its deviations; 0 where none did.
    """

    counts: np.ndarray
    shares: np.ndarray
    group: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Whether each compound is there."""
        return self.shares > 0


def draw(
    references: References,
    number: int,
    rng: np.random.Generator,
    strangers: References | None = None,
) -> PseudoMixtures:
    """Draw random mixtures of one to four compounds.

    Parameters
    ----------
    references : References
        Spots to add up; each compound of a mixture is one spot drawn at random.
    number : int
        Mixtures.
    rng : numpy.random.Generator
    strangers : References, optional
        References left out. A mixture is a pellet of its own, whose ions deviate together from
        those of other pellets, whatever compound they come from; so the deviation of a pellet left
        out, from the mean of its compound, is laid over each mixture, and shares are counted in
        what these references yield.

    Returns
    -------
    PseudoMixtures
        Surface shares are uniform (none under 3 %), raised to a power between 0.5 and 1.5 that is
        drawn for each mixture: a one-number stand-in for matrix effects. Totals are those of
        reference spots, drawn at random.

    Notes
    -----
    After Zhao, Otto et al. 2023, section S11, which adds up reference spectra in the same way.
    """
    classes = references.classes
    n_classes = len(classes)
    most = min(MOST, n_classes)
    sizes = rng.integers(1, most + 1, number)
    there = rng.random((number, n_classes)).argsort(axis=1).argsort(axis=1) < sizes[:, None]
    surface = np.where(there, rng.exponential(size=there.shape), 0.0)
    surface /= surface.sum(axis=1, keepdims=True)
    surface = np.where(there, LEAST + (1 - sizes[:, None] * LEAST) * surface, 0.0)
    signal = surface ** rng.uniform(*EXPONENTS, (number, 1))
    signal = np.where(there, signal, 0.0)
    signal /= signal.sum(axis=1, keepdims=True)

    yields = (strangers or references).yields()
    weights = np.zeros((number, len(references.compound)))
    rows = np.arange(number)
    for place, name in enumerate(classes):
        spots = rng.choice(np.flatnonzero(references.compound == name), number)
        weights[rows, spots] = signal[:, place] * yields[place]
    weights /= weights.sum(axis=1, keepdims=True)
    totals = rng.choice(references.counts.sum(axis=1), (number, 1))
    spectra = weights @ references.shares
    group = np.zeros(number, dtype=int)
    if strangers is not None:
        deviations = _deviations(references, strangers)
        group = rng.integers(len(deviations), size=number)
        spectra *= deviations[group]
        spectra /= spectra.sum(axis=1, keepdims=True)
    counts = rng.poisson(spectra * totals).astype(float)
    return PseudoMixtures(counts, signal, group)


def _deviations(references: References, strangers: References) -> np.ndarray:
    """Return how each group left out deviates from its compound's mean, shape (n_groups, n_peaks).

    Ions of hardly any counts deviate by chance alone and are left as they are.
    """
    means = references.means()
    found, owner = strangers.group_means()
    noise = FAINT / np.median(references.counts.sum(axis=1))
    return (found + noise) / (means[owner] + noise)
