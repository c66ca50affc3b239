"""Who is champion: the rule, every move of the alias, and the way back."""

import contextlib
import json
import math
import os
import shlex
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ionprint.errors import TrackingError
from ionprint.tracking.fetch import files_of
from ionprint.tracking.note import plain

CHAMPION = "champion"
FAILED, FORCED, VERDICT = "ionprint.checks_failed", "ionprint.forced", "ionprint.verdict"
_MOVE = "ionprint.champion."  # a tag of the registered model for each move, numbered
SCORES = {"accuracy": (1, 1e-9), "f1_macro": (1, 1e-9), "log_loss": (-1, 1e-6)}  # sign, tie
_PRESENCE = ("presence_f1", 1e-9)
_WORDS = {"f1_macro": "macro F1", "log_loss": "log loss", "presence_f1": "presence F1"}


@dataclass(frozen=True)
class Move:
    """One move of the alias `champion`.

    Attributes
    ----------
    version : int
        Who became champion.
    since : str
        UTC, ISO 8601; of a champion set by hand, when that was noticed.
    why : str
    by : str
        Who moved it, empty where that is not known.
    back : bool
        Whether an earlier champion was restored.
    """

    version: int
    since: str
    why: str
    by: str = ""
    back: bool = False


def now() -> str:
    """Return the time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def champion_of(name: str) -> Any:
    """Return the version of the registered model that holds the alias, or None."""
    from mlflow import MlflowClient

    client = MlflowClient()
    number = client.get_registered_model(name).aliases.get(CHAMPION)
    return None if number is None else client.get_model_version(name, str(number))


def other_data(tags: dict[str, str], theirs: dict[str, str]) -> str | None:
    """Return what two versions were judged on differently, None where their scores compare."""
    for tag, what in (("ionprint.data", "other data"), ("ionprint.folds", "other folds")):
        if tags.get(tag) != theirs.get(tag):
            return what
    return None


def choice(
    number: int, tags: dict[str, str], held: int | None, theirs: dict[str, str]
) -> tuple[bool, str]:
    """Decide whether a version is to be champion.

    It is where there was none, or where it is not worse than the champion on the same data and
    kind of folds: by accuracy, then macro F1, then log loss. Where all three are equal its
    presence F1, if both versions carry one, must not be lower. A version that failed a check is
    not.

    Parameters
    ----------
    number : int
        The candidate.
    tags : dict of str to str
        Its own, as `registry.version_tags` makes them.
    held : int or None
        The champion.
    theirs : dict of str to str
        The champion's tags.

    Returns
    -------
    moves : bool
    why : str
        Of a move the reason, else a sentence.
    """
    if FAILED in tags:
        return False, (
            f"version {number} is not made champion, for it failed checks: {tags[FAILED]}. "
            f"docs/checks.md says what to do, and how to accept a failure that does no harm"
        )
    if held is None:
        return True, "there was none"
    if what := other_data(tags, theirs):
        return False, f"version {held} stays champion: it was judged on {what}"
    if worse := _worse(tags, theirs):
        return False, (
            f"version {held} stays champion: version {number} is worse on the same data: {worse}"
        )
    return True, f"it is not worse than version {held}"


def _worse(new: dict[str, str], old: dict[str, str]) -> str | None:
    """Return the figure that the new one is worse in, None where it is not worse."""
    for key, (sign, tie) in SCORES.items():
        ours, theirs = (float(tags.get(f"ionprint.{key}", -sign * math.inf)) for tags in (new, old))
        if ours != theirs and abs(ours - theirs) > tie:
            return None if sign * (ours - theirs) > 0 else _against(key, ours, theirs)
    key, tie = _PRESENCE
    if f"ionprint.{key}" in new and f"ionprint.{key}" in old:
        ours, theirs = (float(tags[f"ionprint.{key}"]) for tags in (new, old))
        if theirs - ours > tie:
            return _against(key, ours, theirs)
    return None


def _against(key: str, ours: float, theirs: float) -> str:
    return f"{_WORDS.get(key, key)} {ours:.4f}, the champion's {theirs:.4f}"


def promoting(name: str, number: int) -> str:
    """Return the command by which a version meets the champion."""
    return f"ionprint promote {number} {shlex.quote(f'tracking.model_name={name}')}"


def moves_of(name: str) -> list[Move]:
    """Return every move of the alias that was kept, the first one first.

    Raises
    ------
    TrackingError
        A tag that holds one was changed and cannot be read.
    """
    return list(_numbered(name).values())


def _numbered(name: str) -> dict[int, Move]:
    """Return the moves by their numbers, in order."""
    from mlflow import MlflowClient

    found = {}
    for tag, value in MlflowClient().get_registered_model(name).tags.items():
        if tag.startswith(_MOVE):
            try:
                found[int(tag.removeprefix(_MOVE))] = Move(**json.loads(value))
            except (ValueError, TypeError) as error:
                raise TrackingError(
                    f"the tag {tag} of the registered model {name} is no move of the champion "
                    f"({error}); mend or delete it on the Models page of `make ui`"
                ) from error
    return dict(sorted(found.items()))


def way_back(moves: list[Move]) -> list[int]:
    """Return the champions that led to the last one, which is at the end.

    A champion that was rolled back from is left out: going back again goes to the one before.
    """
    way: list[int] = []
    for move in moves:
        if move.back and move.version in way:
            while way[-1] != move.version:
                way.pop()
        elif way[-1:] != [move.version]:
            way.append(move.version)
    return way


def move(
    name: str, number: int, why: str, held: int | None, *, forced: str = "", back: bool = False
) -> str:
    """Make a version the champion, keep the move, and return what to say.

    To be called under the lock `store.only_one("runs")`.

    Parameters
    ----------
    name : str
        Name of the registered model.
    number : int
        Who becomes champion.
    why : str
        The reason.
    held : int or None
        Who was champion when that was decided.
    forced : str, optional
        Why it becomes champion although it was not found better or equal; a tag of the version
        and of its run.
    back : bool, optional
        Whether this restores an earlier champion.

    Raises
    ------
    TrackingError
        The alias was moved in the meantime.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    found = champion_of(name)
    if (None if found is None else int(found.version)) != held:
        raise TrackingError(
            f"the champion of {name} was moved in the meantime, from {_version(held)} to "
            f"{_version(found and found.version)}: nothing was changed. Run the command again."
        )
    moves, time = _numbered(name), now()
    new = [Move(number, time, why, os.environ.get("USER", ""), back)]
    if held is not None and way_back(list(moves.values()))[-1:] != [held]:
        before = "set by hand" if moves else "champion when this history began"
        new.insert(0, Move(held, time, before))
    client.set_registered_model_alias(name, CHAMPION, str(number))
    for place, kept in enumerate(new, max(moves, default=0) + 1):
        value = json.dumps(asdict(kept), ensure_ascii=False)
        client.set_registered_model_tag(name, f"{_MOVE}{place:04d}", value)
    said = f"version {number} is champion: {why}"
    tell(name, number, said)
    if forced:
        client.set_model_version_tag(name, str(number), FORCED, forced)
        with contextlib.suppress(MlflowException):  # the run may have been deleted since
            client.set_tag(client.get_model_version(name, str(number)).run_id, FORCED, forced)
    return said


def roll_back(name: str, to: int | None = None, reason: str = "") -> str:
    """Restore the champion before the present one, and return what to say.

    To be called under the lock `store.only_one("runs")`.

    Parameters
    ----------
    name : str
        Name of the registered model.
    to : int, optional
        Which earlier champion; the one before when not given.
    reason : str, optional

    Raises
    ------
    TrackingError
        There is no such earlier champion; the message names those that there are.
    ModelFileError
        Its files are not what was registered.
    """
    from mlflow import MlflowClient

    found = champion_of(name)
    held = None if found is None else int(found.version)
    moves = moves_of(name)
    way = way_back(moves)
    if way[-1:] == [held]:
        way.pop()
    # deleted versions are no way back
    versions = MlflowClient().search_model_versions(f"name = '{name}'")
    there = {int(v.version): v for v in versions}
    way = [number for number in way if number in there and number != held]
    if to is not None and to == held:
        raise TrackingError(f"version {to} is champion of {name} already")
    if not way:
        raise TrackingError(f"{_version(held)} of {name} has no champion before it to go back to")
    if to is not None and to not in way:
        named = ", ".join(str(number) for number in dict.fromkeys(way))
        raise TrackingError(
            f"version {to} was not champion of {name} before {_version(held)}; before it were: "
            f"{named}. Another version meets the champion with `{promoting(name, to)}`"
        )
    target = way[-1] if to is None else to
    files_of(there[target])  # what cannot be loaded is not to be champion
    because = f": {reason}" if reason else ""
    said = move(name, target, f"rolled back from {_version(held)}{because}", held, back=True)
    if held is not None:
        tell(name, held, f"version {held} was rolled back to version {target}{because}")
    return said


def tell(name: str, number: int, verdict: str) -> None:
    """Write on a version why the alias is where it is, as a tag and into its description."""
    from mlflow import MlflowClient

    client = MlflowClient()
    tags = client.get_model_version(name, str(number)).tags
    client.set_model_version_tag(name, str(number), VERDICT, verdict)
    scores = [
        f"{key.replace('_', ' ')} {float(tags[f'ionprint.{key}']):.3f}"
        for key in SCORES
        if f"ionprint.{key}" in tags
    ]
    judged = f"{tags.get('ionprint.folds')}, {tags.get('ionprint.source', 'unknown')} data"
    client.update_model_version(
        name, str(number), f"{', '.join(scores)} ({judged}); {plain(verdict)}"
    )


def _version(number: Any) -> str:
    return "none" if number is None else f"version {number}"
