"""The model registry: every tracked model is a version, the best one is the champion."""

import contextlib
from dataclasses import dataclass
from typing import Any

from ionprint.errors import TrackingError
from ionprint.tracking import champion
from ionprint.tracking.champion import FAILED, SCORES, VERDICT
from ionprint.tracking.fetch import ID

DESCRIPTION = (
    "What lies on a surface, from an exported ToF-SIMS spectrum or its peaks: presence, fraction "
    "of the signal with interval, alarm, the ions that prove it. `ionprint predict` and "
    "`ionprint serve` ask the version with the alias champion."
)
ACCEPTED = "ionprint.checks_accepted"
_OF_RUN = {
    **{
        k: k for k in ("ionprint.results", "ionprint.data", "ionprint.source", "ionprint.dirty", ID)
    },
    **{k: k for k in ("normalisation", "scaling", "model")},
    "mlflow.source.git.commit": "ionprint.commit",
    "mlflow.user": "ionprint.by",
}
"""Tags of the run that its version carries too, and their names there."""


@dataclass(frozen=True)
class Registered:
    """A version of a registered model.

    Attributes
    ----------
    name : str
        Name of the registered model.
    version : int
    champion : bool
        Whether this version holds the alias `champion` now.
    message : str
        Why the alias is where it is.
    already : bool
        Whether the version was there before.
    """

    name: str
    version: int
    champion: bool
    message: str
    already: bool


def version_tags(
    run_tags: dict[str, str],
    score: dict[str, Any],
    failed: list[str] | None = None,
    accepted: str | None = None,
    composition: dict[str, float] | None = None,
) -> dict[str, str]:
    """Return the tags of a version: what it was made from and how it was judged.

    Parameters
    ----------
    run_tags : dict of str to str
    score : dict
        The quoted one.
    failed : list of str, optional
        Checks that failed and were not accepted.
    accepted : str, optional
        Failures that were accepted, with the reasons.
    composition : dict of str to float, optional
        How known mixtures were read, from `results.composition_figures`.
    """
    tags = {tag: run_tags[key] for key, tag in _OF_RUN.items() if key in run_tags}
    tags["ionprint.registered"] = champion.now()
    tags |= score_tags(score)
    tags |= {f"ionprint.{key}": repr(value) for key, value in (composition or {}).items()}
    if failed:
        tags[FAILED] = ", ".join(failed)
    if accepted:
        tags[ACCEPTED] = accepted
    return tags


def score_tags(score: dict[str, Any]) -> dict[str, str]:
    """Return a quoted score and its kind of folds as tags."""
    tags = {"ionprint.folds": str(score["folds"])}
    for key in SCORES:
        if score.get(key) is not None:
            tags[f"ionprint.{key}"] = repr(float(score[key]))
    return tags


def register(name: str, model_id: str, run_id: str, tags: dict[str, str]) -> Registered:
    """Make the logged model a version of `name`, and champion when it is sound and not worse.

    Results that were registered before are not registered again, and a champion that was
    chosen by hand since then stays. To be called under the lock `store.only_one("runs")`.

    Parameters
    ----------
    name : str
        Name of the registered model.
    model_id, run_id : str
        The logged model and the run it belongs to.
    tags : dict of str to str
        Made by `version_tags`.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    with contextlib.suppress(MlflowException):  # it exists
        client.create_registered_model(name, description=DESCRIPTION)
    found = client.search_model_versions(
        f"name = '{name}' and tags.`ionprint.results` = '{tags['ionprint.results']}'"
    )
    already = bool(found)
    version = (
        found[0]
        if already
        else client.create_model_version(
            name, f"models:/{model_id}", run_id, tags=tags, model_id=model_id
        )
    )
    number = int(version.version)
    verdict = version.tags.get(VERDICT) if already else None
    if verdict is None:  # also when the process was killed before the choice was made
        verdict = _chosen(name, number, tags)
    holds = champion.champion_of(name)
    is_champion = holds is not None and int(holds.version) == number
    return Registered(name, number, is_champion, verdict, already)


def _chosen(name: str, number: int, tags: dict[str, str]) -> str:
    """Move the alias to a new version if that is the rule, and say why it is where it is."""
    holds = champion.champion_of(name)
    held = None if holds is None else int(holds.version)
    theirs = holds.tags if holds else {}
    if held == number:
        said = f"version {number} is champion"
    else:
        moves, said = champion.choice(number, tags, held, theirs)
        if moves:
            return champion.move(name, number, said, held)
        if FAILED not in tags and champion.other_data(tags, theirs):
            said += (
                f", so the scores cannot be compared. To score its choices on the data of version "
                f"{number}, and make that champion if it is not worse, run: "
                f"{champion.promoting(name, number)}"
            )
    champion.tell(name, number, said)
    return said


def find(name: str, number: int | None = None) -> Any:
    """Return a version of a registered model, the newest when no number is given.

    Raises
    ------
    TrackingError
        There is no such model or version; the message names what there is.
    """
    from mlflow import MlflowClient

    client = MlflowClient()
    versions = {int(v.version): v for v in client.search_model_versions(f"name = '{name}'")}
    if not versions:
        known = ", ".join(sorted(m.name for m in client.search_registered_models()))
        raise TrackingError(
            f"no version of a model {name!r} is registered; registered models: {known or 'none'}. "
            f"`ionprint track` registers one; choose another with tracking.model_name=..."
        )
    number = max(versions) if number is None else number
    if number not in versions:
        newest = ", ".join(str(v) for v in sorted(versions, reverse=True)[:_LISTED])
        raise TrackingError(f"{name} has no version {number}; the newest are: {newest}")
    return versions[number]


_LISTED = 8
