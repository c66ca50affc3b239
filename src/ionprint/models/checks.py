"""Checks of a trained model: what a careful reader of its score would ask. docs/checks.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ionprint.models.folds import Folds

PASSED, FAILED, NOT_APPLICABLE = "passed", "failed", "not applicable"
LEAST_GROUPS = 3
EDGE, INSIDE = 0.02, 0.1
"""Shares of a search range: its edge at each end, and what lies further inside."""
FAR = 3.0
"""Times the usual distance of a compound's spectra from their median."""
TUNED_AGAIN = 1e-3
NAMES = (
    "groups_across_folds",
    "scaling_outside_folds",
    "optimum_at_edge",
    "solver_not_converged",
    "worse_than_dummy",
    "too_few_groups",
    "far_from_class",
    "saturated_top_ions",
    "total_counts_alone",
)
SHOWN = 5


@dataclass(frozen=True)
class Check:
    """One answer.

    Attributes
    ----------
    name : str
        As its heading in docs/checks.md.
    result : str
        passed, failed or not applicable.
    finding : str
        What was seen.
    accepted : str
        Why a failure does no harm; empty where nobody said so.
    """

    name: str
    result: str
    finding: str
    accepted: str = ""


def groups_across_folds(folds: Folds, groups: np.ndarray, column: str) -> Check:
    """Fail where spectra of one group stand in training and test of a quoted fold.

    Parameters
    ----------
    folds : Folds
        Those of the quoted score.
    groups : ndarray of str, shape (n_spectra,)
        What was grouped by, else the sheet's `sample`.
    column : str
        The groups' name.
    """
    name = "groups_across_folds"
    if len(np.unique(groups)) == len(groups):
        return Check(name, NOT_APPLICABLE, f"each {column} has one spectrum")
    across = set()
    for train, test in folds.splits:
        across |= set(groups[train]) & set(groups[test])
    if across:
        return Check(
            name, FAILED, f"{len(across)} of {len(np.unique(groups))} ({column}) on both sides"
        )
    return Check(name, PASSED, f"no {column} on both sides of a fold")


def scaling_outside_folds(areas: np.ndarray, tuned: Mapping[str, Any]) -> Check:
    """Fail where the areas were scaled peak by peak before, or tuning saw other folds than scoring.

    Parameters
    ----------
    areas : ndarray, shape (n_spectra, n_peaks)
        Of the references, as the pipeline gets them.
    tuned : mapping
        metric, score (tuning's own, with folds prepared once), again (the whole pipeline refitted
        in the same folds).
    """
    name = "scaling_outside_folds"
    top, bottom = areas.max(axis=0), areas.min(axis=0)
    varying = top > bottom
    if varying.any() and np.allclose(top[varying], top[varying][0], rtol=1e-6):
        return Check(
            name, FAILED, f"all peaks have the same largest value, {top[varying][0]:g}: scaled"
        )
    difference = abs(tuned["score"] - tuned["again"])
    finding = f"{tuned['metric']} {tuned['score']:.4f} when tuned, {tuned['again']:.4f} refitted"
    # without a number there is nothing to trust
    return Check(name, PASSED if difference <= TUNED_AGAIN else FAILED, finding)


def optimum_at_edge(
    space: Mapping[str, Mapping[str, Any]],
    params: Mapping[str, Any],
    trials: pd.DataFrame,
    lower_is_better: bool,
) -> Check:
    """Fail where the best trial lies at an end of its range and the score still rises towards it.

    It rises where no trial further inside comes within one standard error (over the folds) of the
    best. An end of 0 or 1 is natural: nothing lies beyond.

    Parameters
    ----------
    space : mapping
        As in conf/model.
    params : mapping
        The best trial's.
    trials : DataFrame
        score, score_se, a column a hyperparameter.
    """
    name = "optimum_at_edge"
    ranges = {k: e for k, e in space.items() if e["type"] != "categorical"}
    if not ranges:
        return Check(name, NOT_APPLICABLE, "nothing is tuned over a range")
    loss = trials["score"] if lower_is_better else -trials["score"]
    best = loss.idxmin()
    failed, told = False, []
    for key, entry in ranges.items():
        places = _places(trials[key].to_numpy(dtype=float), entry)
        end = round(_places(np.array([params[key]], dtype=float), entry)[0])
        limit = entry["high" if end else "low"]
        if abs(_places(np.array([params[key]]), entry)[0] - end) > EDGE or limit in (0, 1):
            continue
        inside = loss[np.abs(places - end) > INSIDE]
        gain = inside.min() - loss[best] if len(inside) else np.inf
        failed |= gain > trials["score_se"][best]
        told.append(
            f"{key} = {params[key]:.4g} of {entry['low']:g} to {entry['high']:g} is {gain:.2g} "
            f"better than further inside"
        )
    if not told:
        return Check(name, PASSED, "every hyperparameter lies inside its range")
    told.append(f"standard error over the folds {trials['score_se'][best]:.2g}")
    return Check(name, FAILED if failed else PASSED, "; ".join(told))


def _places(values: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
    """Return where values lie in their range, 0 at its low and 1 at its high end."""
    scale = np.log if entry.get("log") else np.asarray
    low, high = scale(entry["low"]), scale(entry["high"])
    return (scale(values) - low) / (high - low) if high > low else np.zeros(len(values))


def solver_not_converged(stopped: int) -> Check:
    """Fail where fits of the quoted pipeline ended before they converged."""
    name = "solver_not_converged"
    if stopped:
        return Check(name, FAILED, f"{stopped} fits stopped before they converged")
    return Check(name, PASSED, "all fits of the scores converged")


def worse_than_dummy(score: Mapping[str, Any], dummy: Mapping[str, Any]) -> Check:
    """Fail where the score is no better than that of a model that never looks at the spectrum.

    Better: the whole interval of the accuracy is above the dummy's, and the log loss below.

    Parameters
    ----------
    score, dummy : mapping
        From `evaluation.summary`.
    """
    name = "worse_than_dummy"
    better = score["accuracy_low"] > dummy["accuracy"] and score["log_loss"] < dummy["log_loss"]
    finding = (
        f"accuracy {score['accuracy']:.3f} (from {score['accuracy_low']:.3f}), dummy "
        f"{dummy['accuracy']:.3f}; log loss {score['log_loss']:.3f}, dummy {dummy['log_loss']:.3f}"
    )
    return Check(name, PASSED if better else FAILED, finding)


def too_few_groups(y: np.ndarray, groups: np.ndarray, column: str) -> Check:
    """Fail where a class has fewer than three groups: with two, one fold learns from one.

    Parameters
    ----------
    y, groups : ndarray of str, shape (n_spectra,)
    column : str
        The groups' name.
    """
    name = "too_few_groups"
    counts = {c: len(np.unique(groups[y == c])) for c in np.unique(y)}
    few = [f"{c}: {n}" for c, n in counts.items() if n < LEAST_GROUPS]
    if few:
        return Check(name, FAILED, f"{', '.join(few)} ({column}), expected {LEAST_GROUPS} or more")
    return Check(name, PASSED, f"{min(counts.values())} or more a class ({column})")


def far_from_class(areas: np.ndarray, y: np.ndarray, files: Sequence[str]) -> Check:
    """Fail where a reference is nearer to another compound's spectra, or far from its own.

    Distances (Hellinger's, of shares of the total counts) are to the median of the other spectra
    of a compound. Far: more than three times the median of its compound's distances.

    Parameters
    ----------
    areas : ndarray, shape (n_spectra, n_peaks)
        Counts.
    y : ndarray of str, shape (n_spectra,)
    files : sequence of str
        Names of the spectra.
    """
    name = "far_from_class"
    shares = np.sqrt(areas / np.maximum(areas.sum(axis=1, keepdims=True), 1.0))
    classes = np.unique(y)
    distances = np.empty((len(y), len(classes)))
    for column, compound in enumerate(classes):
        members = y == compound
        if members.sum() < 3:
            return Check(name, NOT_APPLICABLE, f"{compound} has {members.sum()} spectra")
        centre = np.median(shares[members], axis=0)
        distances[:, column] = np.linalg.norm(shares - centre, axis=1)
        for row in np.flatnonzero(members):  # a spectrum is not measured against itself
            others = members & (np.arange(len(y)) != row)
            distances[row, column] = np.linalg.norm(shares[row] - np.median(shares[others], axis=0))
    own = distances[np.arange(len(y)), np.searchsorted(classes, y)]
    usual = {c: np.median(own[y == c]) for c in classes}
    times = own / np.maximum([usual[c] for c in y], np.finfo(float).tiny)
    nearest = classes[distances.argmin(axis=1)]
    bad = [
        f"{files[i]} ({times[i]:.1f} times the usual distance"
        + (f", nearer to {nearest[i]})" if nearest[i] != y[i] else ")")
        for i in np.flatnonzero((times > FAR) | (nearest != y))
    ]
    if bad:
        return Check(name, FAILED, _listed(bad))
    return Check(name, PASSED, f"at most {times.max():.1f} times the usual distance")


def saturated_top_ions(ions: pd.DataFrame | None, saturated: pd.Series, first: int) -> Check:
    """Fail where an ion near saturation is among a compound's first ones.

    Parameters
    ----------
    ions : DataFrame or None
        compound, rank, mz; None for a model without weights.
    saturated : Series
        Spectra in which each peak is near saturation, by m/z; NaN where pulses are not known.
    first : int
        How many ions of a compound are looked at.
    """
    name = "saturated_top_ions"
    if ions is None:
        return Check(name, NOT_APPLICABLE, "the model ranks no ions")
    if saturated.isna().all():
        return Check(name, NOT_APPLICABLE, "the number of primary-ion pulses is not known")
    top = ions[ions["rank"] <= first]
    bad = top[top["mz"].map(saturated).fillna(0) > 0]
    told = [
        f"{r.mz:.4f} {r.ion or ''} of {r.compound}".replace("  ", " ") for r in bad.itertuples()
    ]
    if told:
        return Check(name, FAILED, _listed(told))
    return Check(name, PASSED, f"none among the first {first} of each compound")


def total_counts_alone(score: Mapping[str, Any], alone: Mapping[str, Any]) -> Check:
    """Fail where total counts by themselves tell the compounds about as well as the model does.

    Then the score may be that of a current, a focus or an area that differed between compounds.

    Parameters
    ----------
    score, alone : mapping
        From `evaluation.summary`; `alone` of a model that sees the total counts only.
    """
    name = "total_counts_alone"
    finding = (
        f"accuracy {alone['accuracy']:.3f} by total counts alone, "
        f"{score['accuracy']:.3f} by the model"
    )
    failed = alone["accuracy"] >= score["accuracy_low"]
    return Check(name, FAILED if failed else PASSED, finding)


def _listed(items: list[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")
