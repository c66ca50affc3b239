"""The ions that speak for and against each compound that is called present."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ionprint.composition.unmixing import Unmixing

MOST_FOR, MOST_AGAINST = 6, 3
CANDIDATES = 25
"""Ions looked at for a compound: those in which it should stand out most."""
STRONG, WEAK = 5.0, 3.0
"""Standard errors above what the other compounds explain."""
CLEAR = 10.0
"""Standard errors above the background from which a peak is not noisy."""
ENOUGH = 3
"""Strong ions that make a strong claim."""


class Witness(NamedTuple):
    """What one ion says of one compound in one spectrum.

    Attributes
    ----------
    spectrum, compound, peak : int
        Places.
    side : str
        `for` or `against`.
    counts : float
        Of the peak.
    above_background, above_others : float
        Standard errors of the counts; and above what the other compounds called present explain at
        most. Of an ion against: below what all compounds called present explain together.
    others, own : float
        Counts that the others explain at most without the compound; that the compound explains.
    weight : str
        strong, weak or noise; of an ion against: against.
    """

    spectrum: int
    compound: int
    peak: int
    side: str
    counts: float
    above_background: float
    above_others: float
    others: float
    own: float
    weight: str


def witnesses(
    counts: np.ndarray,
    errors: np.ndarray,
    present: np.ndarray,
    unmixing: Unmixing,
) -> Iterator[tuple[int, int, list[Witness], str]]:
    """Yield what speaks for and against each compound that is called present.

    Parameters
    ----------
    counts, errors : ndarray, shape (n_spectra, n_peaks)
        Peak areas and their standard errors (counts), background included.
    present : ndarray of bool, shape (n_spectra, n_classes)
    unmixing : Unmixing
        On the mean spectra of the compounds.

    Yields
    ------
    tuple of (int, int, list of Witness, str)
        Spectrum, compound, its ions (those for it first, the strongest first), and the verdict:
        `strong` where three ions or more are strong, `weak` where one is strong or two are weak,
        else `noise`: the claim rests on peaks no better than noise.

    Notes
    -----
    The other compounds are fitted again without the compound, so that they explain as much of its
    ions as they can. Standard errors take counting and the scatter between pellets together.
    """
    for pattern in np.unique(present, axis=0) if len(present) > 1 else present:
        there = np.flatnonzero(pattern)
        rows = np.flatnonzero((present == pattern).all(axis=1))
        if not there.size:
            continue
        together = unmixing.only(there)
        explained = together.explain(counts[rows])
        total = counts[rows].sum(axis=1, keepdims=True)
        error = np.sqrt(errors[rows] ** 2 + (unmixing.scatter * explained.expected) ** 2)
        short = (counts[rows] - explained.expected) / error
        for place, compound in enumerate(there):
            own = explained.parts[:, [place]] * together.members[place] * total
            rest = np.delete(there, place)
            others = unmixing.only(rest).explain(counts[rows]).expected if rest.size else 0.0 * own
            noise = np.sqrt(errors[rows] ** 2 + (unmixing.scatter * others) ** 2)
            above = (counts[rows] - others) / noise
            for i, row in enumerate(rows):
                order = np.argsort(-(own[i] / noise[i]), kind="stable")[:CANDIDATES]
                order = order[own[i][order] >= 1]
                found = []
                seen = counts[row, order]
                clear = seen / errors[row, order]
                parts = (order, seen, clear, short[i, order], above[i, order])
                parts += (others[i, order], own[i, order])
                # plain numbers, which a loop is quicker with
                for peak, n, clear_of, lacks, beyond, rest_n, own_n in zip(
                    *(part.tolist() for part in parts), strict=True
                ):
                    side, weight = "for", _weight(beyond, clear_of)
                    if lacks <= -WEAK:
                        side, weight, beyond = "against", "against", lacks
                    head = (int(row), int(compound), peak, side)
                    found.append(Witness(*head, n, clear_of, beyond, rest_n, own_n, weight))
                speak = sorted((w for w in found if w.side == "for"), key=_first)
                deny = [w for w in found if w.side == "against"]
                deny.sort(key=lambda w: w.above_others)
                verdict = _verdict([w.weight for w in speak])
                yield int(row), int(compound), speak[:MOST_FOR] + deny[:MOST_AGAINST], verdict


def _first(witness: Witness) -> tuple[int, float]:
    """Order ions: strong ones first, then by what they are above the others."""
    return (("strong", "weak", "noise").index(witness.weight), -witness.above_others)


def _weight(above_others: float, above_background: float) -> str:
    if above_others >= STRONG and above_background >= CLEAR:
        return "strong"
    if above_others >= WEAK and above_background >= WEAK:
        return "weak"
    return "noise"


def _verdict(weights: list[str]) -> str:
    strong, weak = weights.count("strong"), weights.count("weak")
    if strong >= ENOUGH:
        return "strong"
    return "weak" if strong or weak >= 2 else "noise"
