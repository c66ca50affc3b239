"""How well surfaces are read whose answer is known; nothing here is used to set a reading."""

from collections.abc import Callable

import numpy as np

from ionprint.composition.references import References

PLAIN = 0.1
"""Probability from which the paper's reading counts a compound as present."""
SPOTS = 5
"""Parts that reference spots are held out in."""


def named(expected: np.ndarray, classes: list[str]) -> np.ndarray:
    """Return which compounds a sheet's `expected` names, shape (n_spectra, n_classes)."""
    return np.array([[c in text.split("+") for c in classes] for text in expected])


def auc(scores: np.ndarray, present: np.ndarray) -> float:
    """Return the area under the ROC curve over all spectra and compounds; NaN for one answer."""
    from sklearn.metrics import roc_auc_score

    present = present.ravel()
    if present.all() or not present.any():
        return float("nan")
    return float(roc_auc_score(present, scores.ravel()))


def f1(called: np.ndarray, present: np.ndarray) -> float:
    """Return the F1 score over all spectra and compounds."""
    from sklearn.metrics import f1_score

    return float(f1_score(present.ravel(), called.ravel()))


def on_top(amounts: np.ndarray, present: np.ndarray) -> float:
    """Return the share of spectra whose largest amounts are those of the compounds present."""
    ranks = (-amounts).argsort(axis=1, kind="stable").argsort(axis=1)
    return float(((ranks < present.sum(axis=1, keepdims=True)) == present).all(axis=1).mean())


def separates(inside: np.ndarray, outside: np.ndarray) -> float:
    """Return how surely a score is larger outside than inside: the area under the ROC curve."""
    return auc(
        np.concatenate([inside, outside]),
        np.concatenate([np.zeros(len(inside), dtype=bool), np.ones(len(outside), dtype=bool)]),
    )


def left_out(
    references: References,
    mixtures: dict[str, tuple[np.ndarray, set[str]]],
    alarm: Callable[[References], Callable[[np.ndarray], np.ndarray]],
    advance: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Leave out each compound in turn, and see whether the alarm notices it.

    Parameters
    ----------
    references : References
    mixtures : dict of str to tuple
        Counts (n_spectra, n_peaks) of known mixtures, and the compounds in them.
    alarm : callable
        From references to a function from counts to how odd each spectrum is.
    advance : callable, optional
        Called after each compound.

    Returns
    -------
    dict of str to float
        Area under the ROC curve of the left-out compound's spectra against those of `references`
        held out, and against each mixture without the compound; of each the worst over compounds.
        All are judged by references of which a fifth of the spots, in turn, is held out.
    """
    part = np.zeros(len(references.compound), dtype=int)
    for compound in references.classes:
        for group in np.unique(references.group):
            own = np.flatnonzero((references.compound == compound) & (references.group == group))
            part[own] = np.arange(own.size) % SPOTS
    worst: dict[str, float] = {}
    for name in references.classes:
        known = references.compound != name
        odd = [alarm(references.of(known & (part != number))) for number in range(SPOTS)]
        new = np.concatenate(
            [odd[n](references.counts[~known & (part == n)]) for n in range(SPOTS)]
        )
        inside = {"references": [references.counts[known & (part == n)] for n in range(SPOTS)]}
        for sample, (counts, compounds) in mixtures.items():
            if name not in compounds:
                inside[sample] = [counts[n::SPOTS] for n in range(SPOTS)]
        for key, parts in inside.items():
            scores = [odd[n](counts) for n, counts in enumerate(parts) if len(counts)]
            found = separates(np.concatenate(scores), new)
            worst[key] = min(found, worst.get(key, 1.0))
        advance()
    return worst
