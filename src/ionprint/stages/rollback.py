"""Restore the champion before the present one."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig


def arguments(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Read `[--to VERSION] [--reason REASON]` and return what `run` takes, and the overrides.

    Raises
    ------
    ConfigError
        A version is no number, or an option has no value.
    """
    from ionprint.stages.promote import option, version_number

    words = list(words)
    to = option(words, "--to", "the number of a version")
    reason = option(words, "--reason", "why, in quotes")
    return {"to": None if to is None else version_number(to), "reason": reason}, words


def run(cfg: "DictConfig", to: int | None = None, reason: str | None = None) -> None:
    """Give the alias back to an earlier champion, and show how it moved so far.

    Parameters
    ----------
    cfg : DictConfig
        Uses `tracking.model_name`.
    to : int, optional
        Which earlier champion; the one before the present one when not given.
    reason : str, optional
        Kept with the move.

    Raises
    ------
    TrackingError
        There is no such champion before.
    """
    from ionprint.stages.terminal import print_table
    from ionprint.tracking import champion, registry, store

    name = str(cfg.tracking.model_name)
    store.ready_store(outputs=cfg.outputs)
    with store.usable_store(), store.only_one("runs"):
        registry.find(name, to)
        said = champion.roll_back(name, to, reason or "")
        moves = champion.moves_of(name)
    rows = [(m.since, str(m.version), m.why, m.by or "-") for m in moves]
    headings = ("since (UTC)", "version", "why", "by")
    print_table(f"Champions of {name}", headings, rows, right=("version",))
    print(said)
