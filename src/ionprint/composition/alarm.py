"""The alarm: spectra that the references and their mixtures do not explain."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ionprint.composition.unmixing import FAR, Explained, Unmixing, excess_errors

if TYPE_CHECKING:
    from ionprint.composition.held_out import HeldOut
    from ionprint.composition.references import References

MOST_NAMED = 5


class Conformal:
    """How often known mixtures are at least as odd as a spectrum.

    Parameters
    ----------
    odd : ndarray, shape (n,)
        How odd known mixtures are that deviate from the references as pellets left out do.
    group : ndarray of int, shape (n,)
        The pellet each of them deviates with.

    Attributes
    ----------
    pellets : int
        How many there are.

    Notes
    -----
    Conformal p-values for data in groups (Lee, Barber and Willett, Distribution-free inference
    with hierarchical data, 2023): spectra of one pellet are alike, so it is pellets that count, and
    with n of them no p-value is under 1 / (n + 1).
    """

    def __init__(self, odd: np.ndarray, group: np.ndarray) -> None:
        self.odd, self.group = odd, group
        _, pellet, sizes = np.unique(group, return_inverse=True, return_counts=True)
        self.pellets = len(sizes)
        order = np.argsort(odd, kind="stable")
        self._odd = odd[order]
        # of those from each place on: the sum over pellets of their share of the pellet
        shares = (1 / sizes)[pellet[order]]
        self._shares = np.append(np.cumsum(shares[::-1])[::-1], 0.0)

    @property
    def least(self) -> float:
        """The smallest p-value there can be."""
        return 1 / (self.pellets + 1)

    def p_values(self, odd: np.ndarray) -> np.ndarray:
        """Return the p-value of each spectrum, shape (n_spectra,)."""
        return (1 + self._shares[np.searchsorted(self._odd, odd)]) * self.least


class Distance:
    """How far spectra are from the nearest sum of the references.

    Parameters
    ----------
    references : References
    """

    def __init__(self, references: "References") -> None:
        self.amounts = Unmixing(references)
        self.groups = Unmixing(references, by_group=True)

    @classmethod
    def on(cls, amounts: Unmixing, groups: Unmixing) -> "Distance":
        """Take the unmixing on the compounds' mean spectra, and that on those of all groups."""
        made = object.__new__(cls)
        made.amounts, made.groups = amounts, groups
        return made

    def nearest(self, counts: np.ndarray, cleaned: Explained) -> np.ndarray:
        """Return the counts that the mean spectra of all groups explain.

        Parameters
        ----------
        counts : ndarray, shape (n_spectra, n_peaks)
        cleaned : Explained
            What the compounds explain with foreign ions set aside, to weight this fit by.
        """
        return self.groups.nearest(counts, cleaned).expected

    def of(self, counts: np.ndarray) -> np.ndarray:
        """Return the distance of each spectrum, shape (n_spectra,)."""
        cleaned = self.amounts.set_aside(counts, self.amounts.explain(counts))
        return distance(counts, self.nearest(counts, cleaned))


class Alarm:
    """Two tests of each spectrum: can it be explained, and is it within the references' range.

    Parameters
    ----------
    references : References
    held_out : list of HeldOut
        Known mixtures to set both tests by.

    Attributes
    ----------
    distance : Distance
    highest : ndarray, shape (n_peaks,)
        Largest share of total counts that any reference spectrum has in each ion.
    """

    def __init__(self, references: "References", held_out: "list[HeldOut]") -> None:
        self.distance = Distance(references)
        self.highest = references.shares.max(axis=0)
        distances, beyond, groups = [], [], []
        for number, part in enumerate(held_out):
            known, counts = part.known, part.exam.counts
            distances.append(Distance(known).of(counts))
            beyond.append(excess(counts, known.shares.max(axis=0)))
            groups.append(part.exam.group + 1000 * number)
        group = np.concatenate(groups)
        self.unexplained = Conformal(np.concatenate(distances), group)
        self.outlying = Conformal(np.concatenate(beyond), group)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray], distance: Distance) -> "Alarm":
        """Take what `arrays` returned, beside the distance, which is kept with the unmixing."""
        made = object.__new__(cls)
        made.distance, made.highest = distance, arrays["highest"]
        made.unexplained = Conformal(arrays["unexplained"], arrays["group"])
        made.outlying = Conformal(arrays["outlying"], arrays["group"])
        return made

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what it has learned, but for the distance."""
        return {
            "highest": self.highest,
            "unexplained": self.unexplained.odd,
            "outlying": self.outlying.odd,
            "group": self.unexplained.group,
        }


def distance(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return how far spectra are from what explains them, whatever their total counts.

    Parameters
    ----------
    counts, expected : ndarray, shape (n_spectra, n_peaks)

    Returns
    -------
    ndarray, shape (n_spectra,)
        Squared Hellinger distance of the two as shares, 0 to 1: 1 - sum sqrt(p q). Ions count by
        the square root of their share, so that neither the few strong ones nor the many of a few
        counts decide alone.
    """
    same = np.sqrt(counts * expected).sum(axis=1)
    return 1 - same / np.sqrt(counts.sum(axis=1) * expected.sum(axis=1))


def excess(counts: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Return how far spectra lie above the range of the references.

    Parameters
    ----------
    counts : ndarray, shape (n_spectra, n_peaks)
    highest : ndarray, shape (n_peaks,)
        Largest share of total counts of a reference spectrum in each ion.

    Returns
    -------
    ndarray, shape (n_spectra,)
        Sum of (sqrt p - sqrt highest)^2 over the ions above it, p their shares.
    """
    shares = counts / counts.sum(axis=1, keepdims=True)
    return (np.maximum(np.sqrt(shares) - np.sqrt(highest), 0) ** 2).sum(axis=1)


def residual_ions(counts: np.ndarray, expected: np.ndarray, unmixing: Unmixing) -> list[np.ndarray]:
    """Return the ions that the references do not explain, the most telling first.

    Parameters
    ----------
    counts, expected : ndarray, shape (n_spectra, n_peaks)
    unmixing : Unmixing
        Knows the scatter of each ion between pellets.

    Returns
    -------
    list of ndarray of int
        For each spectrum, peaks with more counts than expected by 5 standard errors (counting and
        scatter) or more, at most 5, by their part in the distance.
    """
    over = excess_errors(counts, expected, unmixing.scatter) >= FAR
    part = np.where(over, (np.sqrt(counts) - np.sqrt(expected)) ** 2, 0.0)
    first = np.argsort(-part, axis=1, kind="stable")[:, :MOST_NAMED]
    return [row[own[row] > 0] for row, own in zip(first, part, strict=True)]
