"""Hyperparameters chosen by Optuna under cross-validation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import f1_score
from sklearn.pipeline import Pipeline

from ionprint.errors import ConfigError
from ionprint.models.folds import Folds

MINIMISED = ("log_loss",)


@dataclass(frozen=True)
class Tuning:
    """What a study found.

    Attributes
    ----------
    params : dict
        The best hyperparameters.
    score : float
        Their mean score over the folds.
    trials : DataFrame
        trial, score, then a column a hyperparameter, in the order they were tried.
    """

    params: dict[str, Any]
    score: float
    trials: pd.DataFrame


def suggest(trial: Any, space: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Draw one set of hyperparameters from a search space as in conf/model.

    Raises
    ------
    ConfigError
        An entry of the space cannot be understood.
    """
    params = {}
    for name, entry in space.items():
        if not isinstance(entry, Mapping):
            raise ConfigError(f"search_space.{name} is {entry!r}, expected type, low, high ...")
        options = dict(entry)
        kind = options.pop("type", None)
        draw = {
            "float": trial.suggest_float,
            "int": trial.suggest_int,
            "categorical": trial.suggest_categorical,
        }.get(kind)
        if draw is None:
            raise ConfigError(
                f"search_space.{name}: type is {kind!r}, expected float, int or categorical"
            )
        try:
            params[name] = draw(name, **options)
        except (TypeError, ValueError) as exc:
            raise ConfigError(f"search_space.{name}: {dict(entry)} cannot be drawn: {exc}") from exc
    return params


class _Prepared:
    """Folds with normalisation and scaling done once: no hyperparameter touches them.

    They are still fitted on each fold's training spectra alone.
    """

    def __init__(self, pipeline: Pipeline, areas: np.ndarray, y: np.ndarray, folds: Folds) -> None:
        self.classifier = pipeline[-1]
        # numbers for classes: scikit-learn's look at text labels costs as much as a fit
        codes = np.unique(y, return_inverse=True)[1]
        self.folds = []
        for train, test in folds.splits:
            steps = clone(pipeline[:-1])
            prepared = steps.fit_transform(areas[train], y[train])
            self.folds.append((prepared, codes[train], steps.transform(areas[test]), codes[test]))

    def mean_score(self, params: Mapping[str, Any], metric: str) -> float:
        scores = []
        for train, y_train, test, y_test in self.folds:
            fitted = clone(self.classifier).set_params(**params).fit(train, y_train)
            scores.append(fold_score(metric, y_test, fitted.predict_proba(test)))
        return float(np.mean(scores))


def fold_score(metric: str, codes: np.ndarray, probabilities: np.ndarray) -> float:
    """Return one metric of one fold, as `evaluation.score` has it.

    Parameters
    ----------
    metric : str
        log_loss, accuracy or f1_macro.
    codes : ndarray of int, shape (n,)
        The true classes as columns of `probabilities`.
    probabilities : ndarray, shape (n, n_classes)
    """
    if metric == "log_loss":
        eps = np.finfo(probabilities.dtype).eps
        share = probabilities[np.arange(len(codes)), codes] / probabilities.sum(axis=1)
        return float(-np.log(np.clip(share, eps, 1 - eps)).mean())
    predicted = probabilities.argmax(axis=1)
    if metric == "accuracy":
        return float((predicted == codes).mean())
    return float(f1_score(codes, predicted, average="macro"))


def tune(
    pipeline: Pipeline,
    areas: np.ndarray,
    y: np.ndarray,
    folds: Folds,
    space: Mapping[str, Mapping[str, Any]],
    *,
    trials: int,
    metric: str,
    seed: int,
    study: Any,
    advance: Callable[[], None] = lambda: None,
) -> Tuning:
    """Search for the hyperparameters with the best mean score over the folds.

    A study that was stopped goes on: each trial draws from a sampler seeded by its place in the
    row of finished trials and fed with these alone, so that a stopped and resumed study ends as
    one that was not.

    Parameters
    ----------
    areas : ndarray, shape (n_spectra, n_peaks)
        Peak areas of the references.
    y : ndarray of str, shape (n_spectra,)
        Their compounds.
    space : mapping
        As in conf/model; empty: one trial of the model as it is.
    trials : int
        How many in all, those of an earlier start included.
    metric : str
        log_loss (lower is better), accuracy or f1_macro.
    study : optuna.Study
        From `open_study`.
    advance : callable
        Called once for each finished trial, the earlier ones included.

    Raises
    ------
    ConfigError
        The search space names what is no hyperparameter, or cannot be drawn from.
    """
    import optuna
    from optuna.trial import TrialState

    for name in space:
        if name not in pipeline[-1].get_params():
            raise ConfigError(
                f"search_space.{name}: {type(pipeline[-1]).__name__} has no such hyperparameter"
            )
    prepared = _Prepared(pipeline, areas, y, folds)
    states = [TrialState.COMPLETE]
    finished = study.get_trials(deepcopy=False, states=states)
    for _ in finished:
        advance()
    while len(finished) < (trials if space else 1):
        # drawn in memory and kept when done: a trial that a kill left unfinished would change
        # what the sampler draws next
        sampler = optuna.samplers.TPESampler(seed=seed + len(finished))
        drawing = optuna.create_study(direction=study.direction, sampler=sampler)
        drawing.add_trials(finished)
        trial = drawing.ask()
        drawing.tell(trial, prepared.mean_score(suggest(trial, space), metric))
        study.add_trial(drawing.trials[-1])
        advance()
        finished = study.get_trials(deepcopy=False, states=states)
    frame = pd.DataFrame(
        [{"trial": i, "score": t.value, **t.params} for i, t in enumerate(finished)]
    )
    best = frame["score"].idxmin() if metric in MINIMISED else frame["score"].idxmax()
    return Tuning(dict(finished[best].params), float(frame["score"][best]), frame)


def open_study(name: str, metric: str, journal: Path, url: str | None) -> Any:
    """Open the study `name`, or go on with it.

    Parameters
    ----------
    journal : Path
        File that keeps the trials when no `url` is given; survives a kill.
    url : str or None
        An Optuna database URL, for many machines.

    Raises
    ------
    ConfigError
        The database does not answer.
    """
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url:
        try:
            storage = RDBStorage(url)
        except Exception as exc:  # each database driver has its own
            reason = str(exc).strip().splitlines()[0]
            raise ConfigError(f"tuning.storage={url}: cannot be opened ({reason})") from exc
    else:
        journal.parent.mkdir(parents=True, exist_ok=True)
        storage = JournalStorage(JournalFileBackend(str(journal), lock_obj=_Lock(journal)))
    direction = "minimize" if metric in MINIMISED else "maximize"
    return optuna.create_study(
        study_name=name, storage=storage, direction=direction, load_if_exists=True
    )


class _Lock:
    """Journal lock that the system lets go when its holder is killed."""

    def __init__(self, journal: Path) -> None:
        from filelock import FileLock

        self._lock = FileLock(f"{journal}.lock")

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()
