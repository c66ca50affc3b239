"""A study in a database, whose trials several processes and machines share."""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from ionprint.errors import ConfigError, masked
from ionprint.models.study import Trial, direction, finished_trial
from ionprint.processes import this_worker, worker_gone

CONNECT = 5  # seconds that a database has to answer
PATIENCE = 60.0  # seconds at least that a silent trial of another machine is waited for
TIMES = 10.0  # ... and times the longest finished trial
DRIVERS = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "pymysql": "PyMySQL",
    "MySQLdb": "mysqlclient",
}


class DatabaseStudy:
    """A study whose slots are claimed by a running trial in the database.

    The database numbers trials one by one. The n-th trial that is no redoing has slot n for good;
    one that redoes a slot names it. Of several claims to a slot the first that has not failed
    holds it, so that each slot ends with one finished trial.

    A claim whose worker is gone is failed and its slot done anew: on this machine the process is
    looked for; of another machine's trial all that is known is how long it has been running. A
    worker that was only slow finds its trial failed and drops the value.

    Parameters
    ----------
    storage : optuna.storages.RDBStorage
        From `connect`.
    name, metric : str
    clock : callable
        Seconds; for tests.

    Raises
    ------
    ConfigError
        The database no longer answers; also later.
    """

    def __init__(
        self, storage: Any, name: str, metric: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.finished: list[Trial] = []
        self._storage = storage
        self._clock = clock
        self._claims: dict[int, Any] = {}
        self._seen: dict[int, float] = {}
        self.space: dict[str, Any] = {}
        with answering():
            self._study = optuna.create_study(
                study_name=name, storage=storage, direction=direction(metric), load_if_exists=True
            )
            self._id = storage.get_study_id_from_name(name)

    def claim(self, trials: int) -> int | None:
        with answering():
            while True:
                slots = self._slots()
                self.finished = _prefix(slots, trials)
                free = [i for i in range(min(trials, len(slots))) if slots[i] is None]
                if not free and len(slots) >= trials:
                    return None
                redone = free[0] if free else None
                number = self._add(redone)
                slots = self._slots()
                for slot, holder in enumerate(slots):
                    if holder is not None and holder.number == number and slot < trials:
                        self.finished = _prefix(slots, trials)
                        self._claims[slot] = holder
                        return slot
                # another was faster; give it back
                self._fail(self._trial(number))

    def finish(self, slot: int, trial: Trial) -> None:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        key = self._claims.pop(slot)._trial_id
        with answering(), contextlib.suppress(UpdateFinishedTrialError):  # given up for lost
            for name, value in trial.params.items():
                entry = self.space[name]
                self._storage.set_trial_param(key, name, entry.to_internal_repr(value), entry)
            self._storage.set_trial_user_attr(key, "score_se", trial.score_se)
            self._storage.set_trial_user_attr(key, "stopped", trial.stopped)
            self._storage.set_trial_state_values(key, TrialState.COMPLETE, [trial.score])

    def give_back(self, slot: int) -> None:
        with contextlib.suppress(Exception):  # what stops the trial is to be told, not this
            self._fail(self._claims.pop(slot))

    def _add(self, redone: int | None) -> int:
        """Add a claim, of a given slot or of the next one, and return its number."""
        from optuna.trial import TrialState, create_trial

        attributes: dict[str, Any] = {"worker": this_worker()}
        if redone is not None:
            attributes["slot"] = redone
        claim = create_trial(state=TrialState.RUNNING, user_attrs=attributes)
        key = self._storage.create_new_trial(self._id, template_trial=claim)
        return self._storage.get_trial(key).number

    def _trial(self, number: int) -> Any:
        return next(t for t in self._all() if t.number == number)

    def _all(self) -> list[Any]:
        return self._study.get_trials(deepcopy=False)

    def _slots(self) -> list[Any]:
        """Return the trial that holds each slot, None where the slot is free again."""
        from optuna.trial import TrialState

        slots: list[Any] = []
        trials = self._all()
        longest = max((_seconds(t) for t in trials if t.state == TrialState.COMPLETE), default=0.0)
        for trial in trials:
            slot = trial.user_attrs.get("slot")
            if slot is None:
                slot = len(slots)
                slots.append(None)
            if trial.state == TrialState.FAIL:
                continue
            if trial.state == TrialState.RUNNING and self._lost(trial, longest):
                self._fail(trial)
            elif slots[slot] is None:
                slots[slot] = trial
        return slots

    def _lost(self, trial: Any, longest: float) -> bool:
        """Tell whether a running trial's worker is gone."""
        gone = worker_gone(trial.user_attrs.get("worker", ""))
        if gone is not None:
            return gone
        # by this machine's clock since it was first seen: clocks of machines differ
        since = self._seen.setdefault(trial.number, self._clock())
        return self._clock() - since > max(PATIENCE, TIMES * longest)

    def _fail(self, trial: Any) -> None:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with contextlib.suppress(UpdateFinishedTrialError):  # it was not gone after all
            self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


def _prefix(slots: list[Any], trials: int) -> list[Trial]:
    """Return the finished trials in the order of their slots."""
    from optuna.trial import TrialState

    return [
        finished_trial(t)
        for t in slots[:trials]
        if t is not None and t.state == TrialState.COMPLETE
    ]


def _seconds(trial: Any) -> float:
    return (trial.datetime_complete - trial.datetime_start).total_seconds()


def connect(url: str) -> Any:
    """Open a database of studies.

    Parameters
    ----------
    url : str
        As SQLAlchemy has it, e.g. ``postgresql+psycopg://user@host/database``.

    Raises
    ------
    ConfigError
        The URL cannot be read, its driver is not installed, or the database does not answer. The
        password is not shown.
    """
    from optuna.storages import RDBStorage
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as exc:
        raise ConfigError(
            "tuning.storage: this is no database URL; expected e.g. "
            "postgresql+psycopg://USER@HOST/DATABASE or sqlite:////FOLDER/FILE.db"
        ) from exc
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    shown = masked(parsed.render_as_string(hide_password=False))
    try:
        options: dict[str, Any] = {"connect_args": _arguments(parsed), "pool_pre_ping": True}
        engine = create_engine(parsed, **options)
    except NoSuchModuleError as exc:
        raise ConfigError(
            f"tuning.storage={shown}: there is no database kind {parsed.drivername!r}"
        ) from exc
    except ModuleNotFoundError as exc:
        package = DRIVERS.get(exc.name or "", exc.name)
        raise ConfigError(
            f"tuning.storage={shown}: the driver is not installed: pip install '{package}'"
        ) from exc
    text = parsed.render_as_string(hide_password=False)
    try:
        engine.connect().close()
        for attempt in range(5, 0, -1):
            try:
                return RDBStorage(text, engine_kwargs=options)
            except Exception:  # another process is making the same tables
                if attempt == 1:
                    raise
                time.sleep(0.2 + random.random())
    except Exception as exc:  # each database driver has its own
        reason = (str(getattr(exc, "orig", None) or exc).strip() or repr(exc)).splitlines()[0]
        for secret in _secrets(parsed):
            reason = reason.replace(secret, "***")
        raise ConfigError(f"tuning.storage={shown}: cannot be opened ({reason})") from None
    finally:
        engine.dispose()


def _secrets(url: Any) -> list[str]:
    values = [url.password, *(v for k, v in url.query.items() if "pass" in k.lower())]
    return [str(v) for v in values if v]


def _arguments(url: Any) -> dict[str, Any]:
    """Return how long the driver waits for an answer."""
    driver = url.get_driver_name()
    if url.get_backend_name() == "sqlite":
        return {"timeout": 60}  # for the lock that other writers hold
    if driver in ("psycopg", "psycopg2", "pymysql", "mysqldb") and "connect_timeout" not in (
        url.query
    ):
        return {"connect_timeout": CONNECT}
    return {}


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Say so when the database goes away under a study."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (StorageInternalError, DBAPIError) as exc:
        cause = exc.__cause__ or exc
        reason = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
        raise ConfigError(
            f"the database of tuning.storage no longer answers ({reason}). Finished trials are "
            f"kept in it; run the same command again to go on"
        ) from None
