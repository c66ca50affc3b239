"""Rank each compound's characteristic ions."""

from pathlib import Path
from typing import TYPE_CHECKING

from ionprint.files import fresh_folder, read_table, required, write_table
from ionprint.stages.problem import load_problem, tuned_pipeline

if TYPE_CHECKING:
    from omegaconf import DictConfig

COLUMNS = [
    *("compound", "rank", "mz", "ion", "error_ppm", "confidence", "satellite_of"),
    *("weight", "weight_sd"),
]
DIGITS = {"mz": 4, "error_ppm": 1, "confidence": 3, "weight": 5, "weight_sd": 5}


def run(cfg: "DictConfig") -> None:
    """Average the weights over the folds, name the peaks and write `ranking/`."""
    from ionprint.models.pipeline import fitting
    from ionprint.models.ranking import rank_ions

    problem = load_problem(cfg)
    pipeline, _ = tuned_pipeline(cfg)
    with fitting():
        ions = rank_ions(pipeline, problem.table.areas, problem.y, problem.table.mz, problem.folds)
    names = read_table(required(Path(cfg.peaks) / "peaks.csv", "peaks"))
    ions = ions.merge(names, on="mz", how="left")
    with fresh_folder(Path(cfg.outputs) / "ranking") as out:
        write_table(ions[COLUMNS], out / "ions.csv", DIGITS)
    print(f"first ions of each compound ({problem.table.source} data):")
    for compound, rows in ions.groupby("compound"):
        first = [f"{r.mz:.4f} {r.ion}".strip() for r in rows.head(5).itertuples()]
        print(f"{compound:>8}: {', '.join(first)}")
