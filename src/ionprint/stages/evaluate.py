"""Cross-validate the tuned pipeline."""

from pathlib import Path
from typing import TYPE_CHECKING

from ionprint.files import fresh_folder, write_json, write_table
from ionprint.stages.problem import chosen, load_problem, tuned_pipeline, warn_stopped
from ionprint.stages.progress import counter

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(cfg: "DictConfig") -> None:
    """Score the tuned pipeline under grouped and plain folds and write `evaluation/`."""
    import numpy as np
    import pandas as pd

    from ionprint.models.evaluation import confusion, cross_validate
    from ionprint.models.folds import meaning
    from ionprint.models.pipeline import fitting

    problem = load_problem(cfg)
    pipeline, best = tuned_pipeline(cfg)
    schemes = [f for f in (problem.grouped, problem.plain) if f]
    done = {}
    with counter(sum(len(f.splits) for f in schemes), "folds") as advance, fitting() as stopped:
        for folds in schemes:
            done[folds.scheme] = cross_validate(
                pipeline, problem.table.areas, problem.y, folds, advance
            )
    quoted = done[problem.folds.scheme]
    summaries = {scheme: e.summary() for scheme, e in done.items()}
    metrics = {
        "source": problem.table.source,
        **chosen(cfg),
        "params": best["params"],
        "meaning": meaning(problem.grouped, problem.group),
        "score": summaries[problem.folds.scheme],
        "grouped": summaries.get("grouped"),
        "plain": summaries["plain"],
        "spectra": len(problem.y),
        "classes": len(quoted.classes),
        "groups": len(np.unique(problem.table.column(problem.group))) if problem.group else None,
        "peaks": len(problem.table.mz),
    }
    probabilities = pd.DataFrame(quoted.probabilities, columns=[f"p_{c}" for c in quoted.classes])
    predictions = pd.concat(
        [
            problem.table.samples[["file", "sample", "spot", "compound"]],
            pd.DataFrame(
                {
                    "predicted": quoted.classes[quoted.probabilities.argmax(axis=1)],
                    "fold": quoted.fold,
                }
            ),
            probabilities,
        ],
        axis=1,
    )
    with fresh_folder(Path(cfg.outputs) / "evaluation") as out:
        write_json(metrics, out / "metrics.json")
        write_table(pd.concat([e.folds for e in done.values()]), out / "folds.csv", 4)
        write_table(predictions, out / "predictions.csv", 4)
        write_table(confusion(problem.y, quoted), out / "confusion.csv")
    warn_stopped(stopped)
    for scheme, s in summaries.items():
        print(
            f"{scheme:>7} folds: accuracy {s['accuracy']:.3f} ± {s['accuracy_sd']:.3f}, macro F1 "
            f"{s['f1_macro']:.3f} ± {s['f1_macro_sd']:.3f}, log loss {s['log_loss']:.3f} ± "
            f"{s['log_loss_sd']:.3f}"
        )
    print(f"The score means: {metrics['meaning']} ({metrics['source']} data).")
