"""The trials of a study: what was finished, kept against a kill, and what is drawn next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ionprint.config import MINIMISED
from ionprint.errors import ConfigError
from ionprint.models.parts import SCALARS


def direction(metric: str) -> str:
    """Return whether Optuna is to minimise or maximise the metric."""
    return "minimize" if metric in MINIMISED else "maximize"


@dataclass(frozen=True)
class Trial:
    """One finished trial.

    Attributes
    ----------
    params : dict
        Hyperparameters.
    score : float
        Mean over the folds.
    score_se : float
        Its standard error, from the spread over the folds.
    stopped : int
        Fits that ended before they converged.
    """

    params: dict[str, Any]
    score: float
    score_se: float
    stopped: int = 0


class Study(Protocol):
    """Where the trials of a study are kept, and who does the next one.

    Trials stand in slots 0, 1, 2 ...; a slot decides what its trial draws.
    """

    finished: list[Trial]  # in the order of slots
    space: dict[str, Any]  # Optuna's distributions

    def claim(self, trials: int) -> int | None:
        """Take the next free slot below `trials`, and look what is finished.

        None where all are finished or others are at work on the last ones.
        """

    def finish(self, slot: int, trial: Trial) -> None:
        """Keep the trial of a claimed slot."""

    def give_back(self, slot: int) -> None:
        """Leave a claimed slot to others, without a trial."""


def finished_trial(frozen: Any) -> Trial:
    """Read a complete trial of Optuna's."""
    told = frozen.user_attrs
    error, stopped = told.get("score_se", float("nan")), told.get("stopped", 0)
    return Trial(dict(frozen.params), frozen.value, error, stopped)


class JournalStudy:
    """A study of one process, in a journal file of Optuna's.

    A killed process loses the trial it was at and no other.

    Parameters
    ----------
    path : Path
        The journal; its stem is the study's name.
    metric : str
    """

    def __init__(self, path: Path, metric: str) -> None:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():  # a kill may have torn the last line
            data = path.read_bytes()
            path.write_bytes(data[: data.rfind(b"\n") + 1])
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_Alone()))
        self._study = optuna.create_study(
            study_name=path.stem, storage=storage, direction=direction(metric), load_if_exists=True
        )
        self.finished = [finished_trial(t) for t in self._study.get_trials(deepcopy=False)]
        self.space: dict[str, Any] = {}

    def claim(self, trials: int) -> int | None:
        return len(self.finished) if len(self.finished) < trials else None

    def finish(self, slot: int, trial: Trial) -> None:
        from optuna.trial import create_trial

        attributes = {"score_se": trial.score_se, "stopped": trial.stopped}
        self._study.add_trial(
            create_trial(
                params=trial.params,
                distributions=self.space,
                value=trial.score,
                user_attrs=attributes,
            )
        )
        self.finished.append(trial)

    def give_back(self, slot: int) -> None:
        pass  # no other process is at work on it


class _Alone:
    """No lock of the journal: its process holds one for all of the tuning."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def distributions(space: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Read a search space as in conf/model as Optuna's distributions.

    Raises
    ------
    ConfigError
        An entry of the space cannot be understood.
    """
    from optuna import distributions as optuna

    kinds = {
        "float": optuna.FloatDistribution,
        "int": optuna.IntDistribution,
        "categorical": optuna.CategoricalDistribution,
    }
    read = {}
    for name, entry in space.items():
        if not isinstance(entry, Mapping):
            raise ConfigError(f"search_space.{name} is {entry!r}, expected type, low, high ...")
        options = dict(entry)
        kind = options.pop("type", None)
        if kind not in kinds:
            raise ConfigError(
                f"search_space.{name}: type is {kind!r}, expected float, int or categorical"
            )
        for choice in options.get("choices", ()):
            if not isinstance(choice, SCALARS):
                raise ConfigError(f"search_space.{name}: {choice!r} is no plain value")
        try:
            read[name] = kinds[kind](**options)
        except (TypeError, ValueError) as exc:
            raise ConfigError(f"search_space.{name}: {dict(entry)} cannot be drawn: {exc}") from exc
    return read


class Draws:
    """Hyperparameters by Optuna's sampler, told of finished trials alone.

    A draw depends on these and the seed, not on the process, nor on trials that are under way.

    Parameters
    ----------
    space : mapping
        As in conf/model.
    metric : str
        What the trials' scores are.
    """

    def __init__(self, space: Mapping[str, Mapping[str, Any]], metric: str) -> None:
        self.space = distributions(space)
        self.direction = direction(metric)
        self._told: list[Trial] = []
        self._study: Any = None

    def draw(self, finished: Sequence[Trial], seed: int) -> dict[str, Any]:
        """Draw one set of hyperparameters after the finished trials, in the order of slots."""
        import optuna

        if self._study is None or self._told != finished[: len(self._told)]:
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            self._study, self._told = optuna.create_study(direction=self.direction), []
        for trial in finished[len(self._told) :]:
            self._study.add_trial(
                optuna.trial.create_trial(
                    params=trial.params, distributions=self.space, value=trial.score
                )
            )
            self._told.append(trial)
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=False)
        drawn = self._study.ask(self.space)
        # the trial itself comes back with its score, among the finished ones
        self._study.tell(drawn, state=optuna.trial.TrialState.FAIL)
        return dict(drawn.params)
