"""The composed configuration: found from the project root, checked, with near names for typos."""

import difflib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass
class Calibration:
    window_ppm: float
    min_counts: float
    min_ions: int
    max_error_ppm: float
    max_bin_ppm: float
    refine: bool


@dataclass
class Search:
    min_counts: float
    min_snr: float


@dataclass
class DeadTime:
    pulses: float | None
    dead_time_ns: float | None
    channel_ns: float | None


@dataclass
class Spectra:
    calibration: Calibration
    search: Search
    dead_time: DeadTime
    peak_list: str | None
    align_ppm: float
    integration: str
    saturation: float
    min_range: float
    on_bad: str
    workers: int | None


@dataclass
class Dataset:
    name: str
    path: str
    polarity: str
    mz_max: float
    calibrants: list[str]
    elements: dict[str, int]
    areas: str | None = None
    published_ions: str | None = None
    accepted: dict[str, str] = field(default_factory=dict)


@dataclass
class Ions:
    scale_error_ppm: float | None


@dataclass
class CrossValidation:
    n_splits: int
    group: str | None
    n_repeats: int
    leave_one_out: bool
    nested: bool


@dataclass
class Tuning:
    trials: int
    metric: str
    storage: str | None
    workers: int | None


@dataclass
class Tracking:
    experiment: str
    model_name: str
    register: bool


@dataclass
class Evaluation:
    resamples: int
    permutations: int
    rebuild_peaks: bool


@dataclass
class Ranking:
    first: int
    resamples: int
    methods: bool


@dataclass
class Composition:
    pseudo_mixtures: int
    false_alarms: float
    truncation: float
    coverage: float


@dataclass
class Figures:
    planes: list[list[int]]
    decision_map: str | None
    comparison: list[str] | None
    circle_ions: int
    profile_ions: int
    samples: int


@dataclass
class Maps:
    folder: str | None
    bin: int
    scans: int | None
    smooth: float
    least_counts: int | None
    primary_ions: float | None
    readings: bool
    regions: dict[str, list[int]]
    views: int


@dataclass
class Dask:
    name: str
    workers: int | None
    address: str | None


@dataclass
class Sweep:
    over: dict[str, list[str]]
    settings: list[str]


@dataclass
class Step:
    """A transformer chosen from conf/normalisation or conf/scaling."""

    name: str
    transformer: dict[str, Any]


@dataclass
class Normalisation(Step):
    """A normalisation, with the ions or the column of the sample sheet that it divides by."""

    ions: list[Any] | None = None
    column: str | None = None


@dataclass
class Model:
    name: str
    estimator: dict[str, Any]
    search_space: dict[str, Any]


@dataclass
class Config:
    """What every key of a composed configuration is; anything else is refused."""

    dataset: Dataset
    spectra: Spectra
    ions: Ions
    normalisation: Normalisation
    scaling: Step
    model: Model
    cross_validation: CrossValidation
    tuning: Tuning
    tracking: Tracking
    simulation: dict[str, Any]
    evaluation: Evaluation
    ranking: Ranking
    composition: Composition
    figures: Figures
    image: dict[str, Any]
    maps: Maps
    dask: Dask
    sweep: Sweep
    seed: int
    outputs: str
    peaks: str


POSITIVE = (
    "dataset.mz_max",
    "spectra.calibration.window_ppm",
    "spectra.calibration.max_error_ppm",
    "spectra.calibration.max_bin_ppm",
    "spectra.search.min_counts",
    "spectra.search.min_snr",
    "spectra.saturation",
    "spectra.align_ppm",
    "tuning.trials",
    "cross_validation.n_repeats",
    "evaluation.resamples",
    "ranking.first",
    "composition.pseudo_mixtures",
    "composition.false_alarms",
    "composition.truncation",
    "composition.coverage",
    "figures.circle_ions",
    "figures.profile_ions",
    "figures.samples",
    "maps.bin",
)
SHARES = ("composition.false_alarms", "composition.coverage")
CHARGES = {"negative": -1, "positive": 1}
METRICS = ("log_loss", "accuracy", "f1_macro")
MINIMISED = ("log_loss",)
CHOICES = {
    "tuning.metric": METRICS,
    "dataset.polarity": tuple(CHARGES),
    "spectra.integration": ("auto", "fit", "borders"),
    "spectra.on_bad": ("stop", "skip"),
    "dask.name": ("threads", "cluster"),
}
FREE = ("maps.regions", "dataset.elements", "dataset.accepted")
"""Mappings that may hold any key."""
POSITIVE_IF_GIVEN = (
    "ions.scale_error_ppm",
    "spectra.workers",
    "tuning.workers",
    "spectra.dead_time.pulses",
    "spectra.dead_time.dead_time_ns",
    "spectra.dead_time.channel_ns",
    "maps.scans",
    "maps.least_counts",
    "maps.primary_ions",
    "dask.workers",
)


def project_root() -> Path:
    """Return the project's folder, whatever the working directory.

    Returns
    -------
    Path
        The nearest folder upwards from the working directory that holds `conf/config.yaml` and
        `dvc.yaml`; else the checkout that this package was installed from.

    Raises
    ------
    ConfigError
        Neither is there.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if (folder / "conf" / "config.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder
    raise ConfigError(
        f"no ionprint project found from {here} upwards: expected a folder with "
        f"conf/config.yaml and dvc.yaml. Run the command inside the project's folder."
    )


def groups(conf: Path) -> dict[str, list[str]]:
    """Return the options of each group in `conf/`."""
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
        for folder in sorted(conf.iterdir())
        if folder.is_dir()
    }


def compose(overrides: list[str], root: Path | None = None) -> "DictConfig":
    """Compose one configuration from `conf/` and check it.

    Parameters
    ----------
    overrides : list of str
        Hydra overrides, e.g. ``["model=svm_linear", "tuning.trials=20"]``.
    root : Path, optional
        The project's folder.

    Raises
    ------
    ConfigError
        A group, option or key does not exist (the near ones are named), or a value is impossible.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    conf = (root or project_root()) / "conf"
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf.resolve())):
            cfg = hydra.compose("config", overrides)
        return checked(cfg)
    except (HydraException, OmegaConfBaseException) as exc:
        raise ConfigError(explain(exc, overrides, conf)) from exc


def checked(cfg: "DictConfig") -> "DictConfig":
    """Return `cfg` with the types of `Config`, resolved and with its values in range.

    Raises
    ------
    ConfigError
        A value is missing or out of range.
    """
    from omegaconf import OmegaConf

    typed = OmegaConf.merge(OmegaConf.structured(Config), cfg)
    missing = sorted(OmegaConf.missing_keys(typed))
    if missing:
        raise ConfigError(
            f"{missing[0]} has no value. Write it into its file in conf/, or give it on the "
            f"command line: {missing[0]}=VALUE"
        )
    OmegaConf.resolve(typed)
    for key in (*POSITIVE, *POSITIVE_IF_GIVEN):
        value = OmegaConf.select(typed, key)
        if not (value is None and key in POSITIVE_IF_GIVEN) and not value > 0:
            raise ConfigError(f"{key}={value}: expected a number above 0")
    for key in ("maps.smooth", "maps.views"):
        value = OmegaConf.select(typed, key)
        if not 0 <= value < 100:
            raise ConfigError(f"{key}={value}: expected a number from 0 to 100")
    for key in SHARES:
        value = OmegaConf.select(typed, key)
        if value > 1:
            raise ConfigError(f"{key}={value}: expected a share, above 0 and at most 1")
    if typed.cross_validation.n_splits < 2:
        raise ConfigError(
            f"cross_validation.n_splits={typed.cross_validation.n_splits}: expected 2 or more"
        )
    for key, choices in CHOICES.items():
        value = OmegaConf.select(typed, key)
        if value not in choices:
            raise ConfigError(f"{key}={value}: expected one of {', '.join(choices)}")
    return typed


def explain(exc: Exception, overrides: list[str], conf: Path) -> str:
    """Say which override is wrong, and which names are near it."""
    known = groups(conf)
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key.startswith("hydra"):
            continue  # Hydra's own message names what it has
        group = key.split("@")[0]
        if group in known and value not in known[group]:
            return (
                f"{override}: conf/{group}/ has no {value!r}.{near(value, known[group])} "
                f"Options of {group}: {', '.join(known[group])}."
            )
        if group not in known and "." not in key and key not in ("seed", "outputs", "peaks"):
            names = [*known, "seed", "outputs", "peaks"]
            return f"{override}: there is no {key!r}.{near(key, names)} Known: {', '.join(names)}."
    keys = _keys(overrides, conf)
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        if key.rpartition(".")[0] in FREE:
            if not override.startswith(("+", "~")):
                return f"{override}: to add one, write +{override}"
            continue
        if "." in key and keys and not any(k == key or k.startswith(key + ".") for k in keys):
            return f"{override}: there is no key {key!r}.{near(key, keys)}"
    absent = re.search(r"Could not find '(\w+)/([^']+)'", str(exc))
    if absent and absent[1] in known:  # named by another file, as an experiment
        group, value = absent.groups()
        by = ", ".join(overrides) or "conf/config.yaml"
        return (
            f"{by} asks for {group}={value}: conf/{group}/ has no {value!r}."
            f"{near(value, known[group])} Options of {group}: {', '.join(known[group])}."
        )
    reason = str(exc).split("\n    full_key")[0].split("\nSee https")[0].strip()
    where = getattr(exc, "full_key", None) or getattr(exc, "override", None)
    return f"{where}: {reason}" if where and where not in reason else reason


def near(name: str, names: list[str]) -> str:
    """Ask for the names near a misspelt one; empty where none is near."""
    found = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(found)}?" if found else ""


def _keys(overrides: list[str], conf: Path) -> list[str]:
    """Return all dotted keys of the configuration composed with the group choices alone."""
    import hydra
    from omegaconf import DictConfig

    known = groups(conf)
    choices = [o for o in overrides if o.partition("=")[0] in known and "," not in o]
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf.resolve())):
        try:
            cfg = hydra.compose("config", choices)
        except Exception:  # the first error is the one to tell
            return []

    def walk(node: DictConfig, prefix: str) -> list[str]:
        found = []
        for key in node:
            value = node._get_node(key)
            found.append(f"{prefix}{key}")
            if isinstance(value, DictConfig):
                found += walk(value, f"{prefix}{key}.")
        return found

    return walk(cfg, "")


PATHS = ("dataset.path", "outputs", "peaks")
"""Settings that are paths, seen from where a command is typed."""
NAMES = (*PATHS, "dataset.areas", "spectra.peak_list", "maps.folder")
"""Settings that hold names of files and folders, which may hold any letter."""
BARE = re.compile(r"[A-Za-z0-9_/.@%+?|*:$~-]*|'.*'|\".*\"")
"""A value that Hydra takes as it stands."""


def absolute_paths(overrides: list[str], root: Path, cwd: Path | None = None) -> list[str]:
    """Make paths typed on the command line mean what they mean where they were typed.

    Commands work in the project's folder; a relative `dataset.path=`, `outputs=` or `peaks=`
    given elsewhere is rewritten to be seen from there. Names of files and folders are put in
    quotes where a letter in them means something to Hydra.
    """
    cwd = cwd or Path.cwd()
    rewritten = []
    for override in overrides:
        key, sep, value = override.partition("=")
        if key in NAMES and sep and value and "${" not in value:
            if key in PATHS and cwd != root and value[:1] not in ("'", '"'):
                value = os.path.abspath(cwd / Path(value).expanduser())
            if not BARE.fullmatch(value):
                quoted = re.sub(r"(\\*)(?='|$)", r"\1\1", value).replace("'", "\\'")
                value = f"'{quoted}'"
        rewritten.append(f"{key}{sep}{value}")
    return rewritten
