"""Fit the tuned pipeline on all references."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ionprint.files import fresh_folder, read_json, required, write_yaml
from ionprint.stages.problem import chosen, load_problem, tuned_pipeline, warn_stopped
from ionprint.stages.terminal import summary

if TYPE_CHECKING:
    from omegaconf import DictConfig

PACKAGES = ("ionprint", "scikit-learn", "numpy", "skops")


def run(cfg: "DictConfig") -> None:
    """Fit on all reference spectra and write `model/`."""
    from omegaconf import OmegaConf

    from ionprint.models.pipeline import fitting
    from ionprint.models.storage import REFERENCES, TrainedModel, save_model

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
        "versions": {name: version(name) for name in PACKAGES},
    }
    model = TrainedModel(pipeline, problem.table.mz, about)
    config = OmegaConf.to_container(cfg)
    # where things lie and are logged is not part of the model, and differs between machines
    for key in ("outputs", "peaks", "simulation", "tracking", "sweep"):
        config.pop(key)
    for key in ("storage", "workers"):
        config["tuning"].pop(key)
    config["dataset"].pop("path")
    with fresh_folder(Path(cfg.outputs) / "model") as out:
        save_model(model, out)
        problem.table.write(out / REFERENCES)
        write_yaml(config, out / "config.yaml")
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
