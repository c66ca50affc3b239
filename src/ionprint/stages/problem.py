"""What the model stages share: the references, their folds and the chosen pipeline."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.errors import ConfigError
from ionprint.files import read_json, read_yaml, required

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from omegaconf import DictConfig
    from sklearn.pipeline import Pipeline

    from ionprint.models.folds import Folds
    from ionprint.spectra.table import PeakTable

CHOICES = ("normalisation", "scaling", "model")


@dataclass(frozen=True)
class Problem:
    """The reference spectra and how they are split.

    Attributes
    ----------
    table : PeakTable
        References.
    y : ndarray of str, shape (n_spectra,)
        Compounds.
    plain : Folds
    grouped : Folds or None
        None where the groups allow no split.
    group : str or None
        The sheet's column that holds the groups.
    inputs : ndarray, shape (n_spectra, n_peaks) or (n_spectra, n_peaks + 1)
        What pipelines read: the areas, and last the primary ions where the normalisation divides
        by them.
    """

    table: "PeakTable"
    y: "np.ndarray"
    plain: "Folds"
    grouped: "Folds | None"
    group: str | None
    inputs: "np.ndarray"

    @property
    def groups(self) -> "np.ndarray | None":
        """The group of each spectrum, shape (n_spectra,); None where none were asked for."""
        return self.table.column(self.group) if self.group else None

    @property
    def testable(self) -> bool:
        """Whether shuffling compounds among the groups can say anything."""
        return self.grouped is not None or self.group is None

    @property
    def folds(self) -> "Folds":
        """The folds that choices are made on and scores are quoted from."""
        return self.grouped or self.plain


def load_problem(cfg: "DictConfig") -> Problem:
    """Read the references from the peak table and split them."""
    from ionprint.models.folds import scoring_folds
    from ionprint.spectra.table import PeakTable

    dataset = read_json(required(Path(cfg.peaks) / "dataset.json", "peaks"))
    if dataset["name"] != cfg.dataset.name:
        raise ConfigError(
            f"{cfg.peaks} holds the data set {dataset['name']!r}, asked is {cfg.dataset.name!r}. "
            f"Give the same dataset= and outputs= to every stage, or run `ionprint peaks` first."
        )
    table = PeakTable.read(Path(cfg.peaks) / "peak_table.parquet")
    references = table.of_role("reference")
    y = references.column("compound")
    group = cfg.cross_validation.group
    groups = references.column(group) if group else None
    plain, grouped = scoring_folds(y, groups, seed=cfg.seed, **splitting(cfg))
    inputs = references.inputs(cfg.normalisation.column)
    return Problem(references, y, plain, grouped, group, inputs)


def splitting(cfg: "DictConfig") -> dict[str, Any]:
    """Return how folds are drawn, as `scoring_folds` takes it."""
    settings = cfg.cross_validation
    return {key: settings[key] for key in ("n_splits", "n_repeats", "leave_one_out")}


def chosen(cfg: "DictConfig") -> dict[str, str]:
    """Return the names of the chosen normalisation, scaling and model."""
    return {group: cfg[group].name for group in CHOICES}


def pipeline_of(
    cfg: "DictConfig", mz: "np.ndarray", params: "Mapping[str, Any] | None" = None
) -> "Pipeline":
    """Return the chosen pipeline for peaks at `mz` (u), with hyperparameters if given."""
    from ionprint.config import CHARGES
    from ionprint.models.pipeline import build

    charge = CHARGES[cfg.dataset.polarity]
    return build(cfg.normalisation, cfg.scaling, cfg.model, params, mz, charge)


def tuned_pipeline(cfg: "DictConfig") -> "tuple[Pipeline, dict]":
    """Return the chosen pipeline with the tuned hyperparameters, and `tuning/best.yaml`.

    Raises
    ------
    ConfigError
        The tuning was made for other choices.
    """
    from ionprint.spectra.table import read_mz

    path = required(Path(cfg.outputs) / "tuning" / "best.yaml", "tune")
    best = read_yaml(path)
    for group, name in chosen(cfg).items():
        if best[group] != name:
            raise ConfigError(
                f"{path} was tuned for {group}={best[group]}, asked is {group}={name}. "
                f"Run `ionprint tune {group}={name}` first."
            )
    mz = read_mz(required(Path(cfg.peaks) / "peak_table.parquet", "peaks"))
    return pipeline_of(cfg, mz, best["params"]), best


def warn_stopped(stopped: list) -> None:
    """Say how many fits ended before they converged."""
    if stopped:
        print(
            f"note: {len(stopped)} fits stopped before they converged; raise model.estimator."
            f"max_iter or choose a scaling"
        )
