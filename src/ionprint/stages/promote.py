"""Let a registered version meet the champion, and make it champion when it is not worse."""

import contextlib
import os
import re
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.errors import ConfigError, IonprintError, ModelFileError, TrackingError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ionprint.models.sealing import Sealed

LONGEST = 500  # letters of a reason
_SHORT = 8  # letters of a hash
CONFIG = "config.yaml"
REFERS = "${"
"""What a setting begins with that stands for another, or for a variable of the environment."""


def arguments(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Read `[VERSION] [--force REASON]` and return what `run` takes, and the overrides.

    Raises
    ------
    ConfigError
        A version is no number, or a reason is missing.
    """
    words = list(words)
    options: dict[str, Any] = {"force": option(words, "--force", "why, in quotes")}
    if words and "=" not in words[0] and not words[0].startswith("~"):
        options["version"] = version_number(words.pop(0))
    return options, words


def option(words: list[str], name: str, expected: str) -> str | None:
    """Take an option with its value out of the words of a command; None where it is not there.

    Raises
    ------
    ConfigError
        It has no value, or one that is too long to be kept.
    """
    place = next((i for i, w in enumerate(words) if w.partition("=")[0] == name), None)
    if place is None:
        return None
    _, joined, value = words.pop(place).partition("=")
    if not joined and place < len(words):
        value = words.pop(place)
    if not value.strip():
        raise ConfigError(f"{name} has no value: expected {expected}")
    if len(value) > LONGEST:
        raise ConfigError(f"{name}: got {len(value)} letters, expected {LONGEST} at most")
    return value.strip()


def version_number(text: str) -> int:
    """Read the number of a version.

    Raises
    ------
    ConfigError
        It is none.
    """
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(f"got {text!r}, expected the number of a registered version, e.g. 7")
    return int(text)


def run(cfg: "DictConfig", version: int | None = None, force: str | None = None) -> None:
    """Compare a version with the champion on the same data; give it the alias or refuse.

    Where both were judged on the same data and folds the scores they were registered with are
    compared. Where not, the champion's choices are tuned and scored anew on the references of the
    candidate, with the candidate's folds.

    Parameters
    ----------
    cfg : DictConfig
        Uses `tracking.model_name`, and `tuning.workers` for scoring anew.
    version : int, optional
        The candidate; the newest version when not given.
    force : str, optional
        The reason why it is to be champion whatever the comparison says.

    Raises
    ------
    TrackingError
        The candidate is refused, there is no such version, or the champion cannot be scored anew.
    ModelFileError
        The candidate's files are not what was registered.
    """
    from ionprint.tracking import champion, fetch, registry, store

    name = str(cfg.tracking.model_name)
    store.ready_store(outputs=cfg.outputs)
    with store.usable_store():
        candidate = registry.find(name, version)
        fetch.files_of(candidate)  # what cannot be loaded is not to be champion
        holds = champion.champion_of(name)
    number, tags = int(candidate.version), candidate.tags
    held = None if holds is None else int(holds.version)
    if held == number:
        print(f"version {number} of {name} is champion already")
        return
    theirs = {} if holds is None else holds.tags
    shown = [(f"candidate {number}", tags)]
    if holds is not None:
        shown.insert(0, (f"champion {held}", theirs))
    differs = holds is not None and champion.other_data(tags, theirs)
    anew = bool(differs) and force is None and champion.FAILED not in tags
    if anew:
        print(
            f"version {held} was judged on {differs}: its choices are tuned and scored anew on the "
            f"references of version {number}, as `ionprint tune` would",
            flush=True,
        )
        scores = _scored_anew(cfg, candidate, holds)
        shown[0] = (f"champion {held}, scored anew", {**theirs, **scores})
        theirs = {**scores, "ionprint.data": tags["ionprint.data"]}
    _show(name, shown)
    if anew:
        print(
            f"accuracy, macro F1 and log loss of {held}: its choices on the data of {number}; "
            f"all else: as it was registered"
        )
    elif differs:
        print(f"{held} was judged on {differs}: the figures do not compare")
    moves, why = champion.choice(number, tags, held, theirs)
    if force is not None:
        moves, why = True, f"forced: {force}"
    elif moves and anew:
        why += ", whose choices were scored anew on its data"
    if not moves:
        raise TrackingError(f'{why}. --force "why" makes version {number} champion all the same')
    with store.usable_store(), store.only_one("runs"):
        print(champion.move(name, number, why, held, forced=force or ""))


def _scored_anew(cfg: "DictConfig", candidate: Any, holds: Any) -> dict[str, str]:
    """Return the champion's scores on the candidate's references and folds, as tags.

    Its choices are scored, not its fitted model, which may have seen these spectra.

    Raises
    ------
    TrackingError
        A file that this needs is missing, or the choices do not suit the data.
    """
    from ionprint.files import read_json, write_json
    from ionprint.models.sealing import about_of
    from ionprint.models.storage import load_references
    from ionprint.stages import evaluate, tune
    from ionprint.tracking import store
    from ionprint.tracking.fetch import files_of
    from ionprint.tracking.registry import score_tags

    with tempfile.TemporaryDirectory(prefix="ionprint-") as scratch:
        place = Path(scratch)
        try:
            with store.usable_store():
                theirs, ours = files_of(holds), files_of(candidate)
            again = _composed(cfg, settings_of(theirs), settings_of(ours), place)
            Path(again.peaks).mkdir()
            write_json(about_of(ours)["dataset"], Path(again.peaks) / "dataset.json")
            load_references(ours).write(Path(again.peaks) / "peak_table.parquet")
            with (
                Path(os.devnull).open("w", encoding="utf-8") as nowhere,
                contextlib.redirect_stdout(nowhere),
            ):
                tune.run(again)
                evaluate.run(again)
        except IonprintError as error:
            raise TrackingError(
                f"version {holds.version} cannot be scored on the data of version "
                f"{candidate.version}: {error}. If version {candidate.version} is to be champion "
                f'without that: `ionprint promote {candidate.version} --force "why"`'
            ) from error
        score = read_json(Path(again.outputs) / "evaluation" / "metrics.json")["score"]
    return score_tags(score)


def settings_of(files: "Sealed") -> dict[str, Any]:
    """Return the settings that a model was trained with: plain values, which refer to nothing.

    Raises
    ------
    ModelFileError
        They are damaged, or refer to other settings or to the environment.
    """
    from yaml import YAMLError

    from ionprint.files import read_yaml
    from ionprint.models.sealing import damaged

    try:
        settings = read_yaml(files[CONFIG])
    except (YAMLError, UnicodeDecodeError, RecursionError) as exc:
        raise damaged(files, exc) from exc
    if not isinstance(settings, dict) or REFERS in str(settings):
        raise ModelFileError(
            f"{files.folder / CONFIG}: expected plain settings by name, without {REFERS}...}}; "
            f"train it again"
        )
    return settings


def _composed(
    cfg: "DictConfig", theirs: dict[str, Any], ours: dict[str, Any], place: Path
) -> "DictConfig":
    """Return the champion's choices for the candidate's data.

    What the choices may make is looked up in `models.parts` when it is made, not before.

    Raises
    ------
    ConfigError
        A configuration does not fit this version of ionprint.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from ionprint.config import checked

    now = OmegaConf.to_container(cfg)
    choices = ("normalisation", "scaling", "model", "tuning")
    try:
        merged = {**now, **ours, **{key: theirs[key] for key in choices}}
        merged |= {"outputs": str(place / "outputs"), "peaks": str(place / "peaks")}
        merged["dataset"] = {**merged["dataset"], "path": now["dataset"]["path"]}
        merged["tuning"] |= {"storage": None, "workers": now["tuning"]["workers"]}
        # of the intervals nothing is used
        merged["evaluation"] |= {"permutations": 0, "rebuild_peaks": False, "resamples": 1}
        return checked(OmegaConf.create(merged))
    except (OmegaConfBaseException, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"the configuration it was logged with does not fit: {error}") from error


def _show(name: str, shown: list[tuple[str, dict[str, str]]]) -> None:
    """Print champion and candidate side by side."""
    from ionprint.stages.terminal import print_table

    sources = dict.fromkeys(tags.get("ionprint.source", "measured") for _, tags in shown)
    rows = [(what, *(_cell(tags, key, digits) for _, tags in shown)) for what, key, digits in ROWS]
    rows = [row for row in rows if set(row[1:]) != {"-"}]
    headings = [heading for heading, _ in shown]
    print_table(f"{name} ({' and '.join(sources)} data)", ("", *headings), rows, right=headings)


ROWS = (
    ("accuracy", "accuracy", 4),
    ("macro F1", "f1_macro", 4),
    ("log loss", "log_loss", 4),
    ("folds", "folds", None),
    ("known mixtures, spectra", "mixtures", 0),
    ("  presence F1", "presence_f1", 3),
    ("  exactly right", "exactly_right", 3),
    ("  false alarms", "false_alarms", 3),
    ("failed checks", "checks_failed", None),
    ("accepted failures", "checks_accepted", None),
    ("model", "model", None),
    ("scaling", "scaling", None),
    ("normalisation", "normalisation", None),
    ("data", "data", _SHORT),
    ("commit", "commit", _SHORT),
    ("registered", "registered", None),
    ("by", "by", None),
)
"""What is shown: words, tag, and decimals of a number or letters of a hash."""


def _cell(tags: dict[str, str], key: str, digits: int | None) -> str:
    value = tags.get(key if key in ("model", "scaling", "normalisation") else f"ionprint.{key}")
    if key == "checks_failed":
        return value or "none"
    if value is None:
        return "-"
    if key == "checks_accepted":  # the reasons stand with the version
        return ", ".join(re.findall(r"(?:^|; )(\w+): ", value))
    if key == "commit":
        return value[:digits] + (" and changes" if tags.get("ionprint.dirty") else "")
    if key == "registered":
        return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M} UTC"
    if digits is None or key == "data":
        return value[:digits]
    return f"{float(value):.{digits}f}"
