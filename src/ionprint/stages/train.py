"""Fit the tuned pipeline, and all that reads mixtures, on all references: a model by itself."""

from pathlib import Path
from typing import TYPE_CHECKING

from ionprint.files import (
    fresh_folder,
    read_arrays,
    read_json,
    read_table,
    required,
    write_yaml,
)
from ionprint.stages.problem import chosen, load_problem, tuned_pipeline, warn_stopped
from ionprint.stages.terminal import summary

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ionprint.composition.reader import Reader
    from ionprint.composition.references import References


def run(cfg: "DictConfig", classifier_only: bool = False) -> None:
    """Fit on all reference spectra and write `model/`.

    Parameters
    ----------
    cfg : DictConfig
    classifier_only : bool, optional
        Leave out what reads mixtures, which does not depend on the classifier, as in a sweep over
        classifiers. Such a model tells probabilities and nothing else.
    """
    from omegaconf import OmegaConf

    from ionprint.composition.references import References
    from ionprint.models.pipeline import fitting
    from ionprint.models.storage import REFERENCES, TrainedModel, save_model
    from ionprint.serving.model import save_reading
    from ionprint.spectra.method import Method

    problem = load_problem(cfg)
    pipeline, best = tuned_pipeline(cfg)
    dataset = read_json(required(Path(cfg.peaks) / "dataset.json", "peaks"))
    with fitting() as stopped:
        pipeline.fit(problem.inputs, problem.y)
    about = {
        "dataset": dataset,
        "polarity": cfg.dataset.polarity,
        "spectra": len(problem.y),
        "group": problem.group,
        **chosen(cfg),
        **({"dose_column": column} if (column := cfg.normalisation.column) else {}),
        "params": best["params"],
        "seed": cfg.seed,
        "align_ppm": cfg.spectra.align_ppm,
        "coverage": cfg.composition.coverage,
    }
    model = TrainedModel(pipeline, problem.table.mz, about)
    config = OmegaConf.to_container(cfg)
    # where things lie, run and are logged is not part of the model, and differs between machines
    for key in ("outputs", "peaks", "simulation", "tracking", "sweep", "image", "maps", "dask"):
        config.pop(key)
    for key in ("storage", "workers"):
        config["tuning"].pop(key)
    config["dataset"].pop("path")
    reader = None
    if not classifier_only:
        reader = fit_reader(cfg, References.of_table(problem.table, problem.group))
    way = Path(cfg.peaks) / "method.npz"
    method = Method.of_arrays(read_arrays(way)) if way.exists() else None
    ion = read_table(required(Path(cfg.peaks) / "peaks.csv", "peaks"))["ion"].to_numpy(dtype=object)
    with fresh_folder(Path(cfg.outputs) / "model") as out:
        problem.table.write(out / REFERENCES)
        write_yaml(config, out / "config.yaml")
        if reader is not None:
            truncation = cfg.composition.truncation
            save_reading(out, model, reader, method, problem.table, ion, truncation)
        save_model(model, out)  # last: it seals the folder
    warn_stopped(stopped)
    summary(
        f"Trained model ({problem.table.source} data)",
        [
            ("model", f"{cfg.model.name}, {cfg.scaling.name} scaling, {cfg.normalisation.name}"),
            ("references", f"{len(problem.y)} spectra of {', '.join(model.classes)}"),
            ("peaks", len(problem.table.mz)),
            ("written to", f"{cfg.outputs}/model"),
        ],
    )


def fit_reader(
    cfg: "DictConfig", references: "References", of: str = "pseudo-mixtures"
) -> "Reader":
    """Fit all readings that learn from the references; `of` says of what, for the progress bar."""
    from ionprint.composition.reader import Reader
    from ionprint.stages.progress import counter

    settings = cfg.composition
    with counter(Reader.STEPS, f"learning from {of}") as advance:
        return Reader.fit(
            references, settings.pseudo_mixtures, settings.false_alarms, cfg.seed, advance
        )
