"""What readings do with references they did not learn from: the ground that all are set on."""

from dataclasses import dataclass

import numpy as np

from ionprint.composition.pseudo_mixtures import PseudoMixtures, draw
from ionprint.composition.references import References

LESSONS = 5
"""Draws of pseudo-mixtures that the votes of ions are the mean of."""


@dataclass(frozen=True)
class HeldOut:
    """One part of the references left out, the others learned from.

    Attributes
    ----------
    known : References
        Learned from.
    lesson : PseudoMixtures
        Of the references learned from.
    exam : PseudoMixtures
        That deviate from them as those left out do.
    """

    known: References
    lesson: PseudoMixtures
    exam: PseudoMixtures


def hold_out(references: References, number: int, rng: np.random.Generator) -> list[HeldOut]:
    """Leave out each part of the references in turn.

    Parameters
    ----------
    references : References
    number : int
        Pseudo-mixtures to learn from, for each part, and in the exams of all parts together.
    rng : numpy.random.Generator
    """
    parts, held = references.parts(), []
    for learn, leave in parts:
        known = references.of(learn)
        exam = draw(known, -(-number // len(parts)), rng, strangers=references.of(leave))
        held.append(HeldOut(known, draw(known, number, rng), exam))
    return held


def lessons_of(
    references: References, number: int, seed: int
) -> tuple[list[HeldOut], list[PseudoMixtures]]:
    """Draw all that readings learn from: references held out, and lessons of all of them.

    Parameters
    ----------
    references : References
    number : int
        Pseudo-mixtures in one draw.
    seed : int
    """
    rng = np.random.default_rng(seed)
    held_out = hold_out(references, number, rng)
    return held_out, [draw(references, number, rng) for _ in range(LESSONS)]
