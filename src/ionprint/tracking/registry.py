"""The model registry: every tracked model is a version, the best one is the champion."""

import contextlib
import math
from dataclasses import dataclass
from typing import Any

from ionprint.tracking.store import tracking_uri

CHAMPION = "champion"
DESCRIPTION = (
    "Probabilities of compounds from the peak areas of a ToF-SIMS spectrum (qualitative: 0.7 is "
    "not 70 %). `make serve` lets the version with the alias champion answer over HTTP."
)
FAILED, ACCEPTED = "ionprint.checks_failed", "ionprint.checks_accepted"
_SCORES = {"accuracy": (1, 1e-9), "f1_macro": (1, 1e-9), "log_loss": (-1, 1e-6)}  # sign, tie


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
    """
    kept = ("ionprint.results", "ionprint.data", "ionprint.source", "ionprint.dirty")
    tags = {key: run_tags[key] for key in kept if key in run_tags}
    if "mlflow.source.git.commit" in run_tags:
        tags["ionprint.commit"] = run_tags["mlflow.source.git.commit"]
    tags["ionprint.folds"] = str(score["folds"])
    for key in _SCORES:
        if score.get(key) is not None:
            tags[f"ionprint.{key}"] = repr(float(score[key]))
    if failed:
        tags[FAILED] = ", ".join(failed)
    if accepted:
        tags[ACCEPTED] = accepted
    return tags


def register(name: str, model_id: str, run_id: str, tags: dict[str, str]) -> Registered:
    """Make the logged model a version of `name`, and champion when it is sound and not worse.

    Results that were registered before are not registered again, and a champion that was
    chosen by hand since then stays.

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
    verdict = version.tags.get("ionprint.verdict") if already else None
    if verdict is None:  # also when the process was killed before the choice was made
        moved, verdict = _choice(_champion(client, name), number, name, tags)
        if moved:
            client.set_registered_model_alias(name, CHAMPION, str(number))
        client.set_model_version_tag(name, str(number), "ionprint.verdict", verdict)
        client.update_model_version(name, str(number), _described(tags, verdict))
    now = _champion(client, name)
    return Registered(name, number, bool(now) and int(now.version) == number, verdict, already)


def _described(tags: dict[str, str], verdict: str) -> str:
    """Say how good a version is, on what data, and what became of it."""
    scores = [
        f"{key.replace('_', ' ')} {float(tags[f'ionprint.{key}']):.3f}"
        for key in _SCORES
        if f"ionprint.{key}" in tags
    ]
    source = tags.get("ionprint.source", "unknown")
    return f"{', '.join(scores)} ({tags['ionprint.folds']}, {source} data); {verdict}"


def _champion(client: Any, name: str) -> Any:
    """Return the version that holds the alias, or None."""
    number = client.get_registered_model(name).aliases.get(CHAMPION)
    return None if number is None else client.get_model_version(name, str(number))


def _choice(champion: Any, number: int, name: str, tags: dict[str, str]) -> tuple[bool, str]:
    """Decide whether version `number` becomes champion, and say why."""
    held = None if champion is None else int(champion.version)
    if held == number:
        return False, f"version {number} is champion"
    if FAILED in tags:
        return False, (
            f"version {number} is not made champion, for it failed checks: {tags[FAILED]}. "
            f"docs/checks.md says what to do, and how to accept a failure that does no harm"
        )
    if champion is None:
        return True, f"version {number} is champion: there was none"
    for tag, what in (("ionprint.data", "data"), ("ionprint.folds", "kind of folds")):
        if champion.tags.get(tag) != tags.get(tag):
            return False, (
                f"version {held} stays champion: it was judged on another {what}, so the scores "
                f"cannot be compared. To make version {number} champion, set its alias on the "
                f"Models page of `make ui`, or run: {by_hand(name, number)}"
            )
    if _not_worse(tags, champion.tags):
        return True, f"version {number} is champion: it is not worse than version {held}"
    return False, f"version {held} stays champion: version {number} is worse on the same data"


def by_hand(name: str, number: int) -> str:
    """Return the command that makes version `number` the champion."""
    return (
        f'python -c "from mlflow import MlflowClient; '
        f"MlflowClient('{tracking_uri()}').set_registered_model_alias"
        f"('{name}', '{CHAMPION}', '{number}')\""
    )


def _not_worse(new: dict[str, str], old: dict[str, str]) -> bool:
    """Compare by accuracy, then F1, then log loss; equal counts as not worse."""
    for key, (sign, tie) in _SCORES.items():
        ours, theirs = (
            sign * float(tags[f"ionprint.{key}"]) if f"ionprint.{key}" in tags else -math.inf
            for tags in (new, old)
        )
        if ours != theirs and abs(ours - theirs) > tie:
            return ours > theirs
    return True
