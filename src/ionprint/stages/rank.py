"""Rank each compound's characteristic ions."""

from pathlib import Path
from typing import TYPE_CHECKING

from ionprint.files import fresh_folder, read_json, required, write_table
from ionprint.stages.problem import load_problem, tuned_pipeline

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from omegaconf import DictConfig

DIGITS = {"mz": 4, "error_ppm": 1, "weight": 5, "weight_sd": 5}


def run(cfg: "DictConfig") -> None:
    """Average the weights over the folds, name the peaks and write `ranking/`."""
    from ionprint.models.pipeline import fitting
    from ionprint.models.ranking import rank_ions

    problem = load_problem(cfg)
    pipeline, _ = tuned_pipeline(cfg)
    with fitting():
        ions = rank_ions(pipeline, problem.table.areas, problem.y, problem.table.mz, problem.folds)
    names = name_peaks(cfg)
    ions = ions.merge(names, on="mz", how="left")
    columns = ["compound", "rank", "mz", "ion", "error_ppm", "weight", "weight_sd"]
    with fresh_folder(Path(cfg.outputs) / "ranking") as out:
        write_table(ions[columns], out / "ions.csv", DIGITS)
    print(f"first ions of each compound ({problem.table.source} data):")
    for compound, rows in ions.groupby("compound"):
        first = [f"{r.mz:.4f} {r.ion}".strip() for r in rows.head(5).itertuples()]
        print(f"{compound:>8}: {', '.join(first)}")


def name_peaks(cfg: "DictConfig") -> "pd.DataFrame":
    """Return mz, ion and error_ppm of each peak.

    Anions are written without their sign, cations with it. Where the bins were too wide to
    calibrate the scale, exact mass says nothing and no formula is given.
    """
    import pandas as pd

    dataset = read_json(required(Path(cfg.peaks) / "dataset.json", "peaks"))
    peaks = pd.read_csv(required(Path(cfg.peaks) / "peaks.csv", "peaks"))
    mz, counts = peaks["mz"].to_numpy(), peaks["counts"].to_numpy()
    if dataset["scale"] == "kept":
        print("no formulas are given: the bins are too wide to tell them apart by exact mass")
        return pd.DataFrame({"mz": mz, "ion": "", "error_ppm": float("nan")})
    return name_by_mass(cfg, mz, counts, dataset["mz_max"])


def name_by_mass(
    cfg: "DictConfig", mz: "np.ndarray", counts: "np.ndarray", mz_max: float
) -> "pd.DataFrame":
    """Return mz, ion and error_ppm of peaks on a calibrated scale (u, counts)."""
    from ionprint.config import CHARGES
    from ionprint.ions.assignment import assign, enumerate_formulas

    charge = CHARGES[cfg.dataset.polarity]
    candidates = enumerate_formulas(dict(cfg.dataset.elements), mz_max, charge)
    names = assign(mz, counts, candidates, cfg.ions.tolerance_ppm, cfg.ions.tolerance_mda)
    if charge > 0:
        names["ion"] = names["ion"].where(names["ion"] == "", names["ion"] + "+")
    return names
