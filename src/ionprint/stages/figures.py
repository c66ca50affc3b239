"""Draw the results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from omegaconf import DictConfig

    from ionprint.spectra.search import Peaks
    from ionprint.spectra.spectrum import Spectrum

RANKING = "ranking/ions.csv"
SAMPLES = "composition/samples.csv"
DEPTH = "composition/depth.csv"


def run(cfg: DictConfig, tuning_only: bool = False) -> None:
    """Draw ranking, samples, tuning, calibration and overlapping peaks into `<outputs>/figures`.

    Parameters
    ----------
    cfg : DictConfig
        Uses `outputs` and `peaks`. A figure that does not apply is left out, and the reason is
        printed.
    tuning_only : bool, optional
        Draw the tuning alone, as in a sweep of many runs: its rankings and readings are compared in
        tables.
    """
    from ionprint.figures.style import save
    from ionprint.files import fresh_folder

    outputs, peaks = Path(cfg.outputs), Path(cfg.peaks)
    source = read_dataset(peaks)["source"]
    drawn = tuning_figures(outputs, source)
    if not tuning_only:
        drawn |= model_figures(outputs, source) | spectra_figures(peaks, source)
    with fresh_folder(outputs / "figures") as folder:
        for name, figure in drawn.items():
            save(figure, folder, name)
    print(f"{outputs / 'figures'}: {', '.join(drawn)} (svg and png)")


def tuning_figures(outputs: Path, source: str) -> dict[str, Figure]:
    """Return the figure of the search for hyperparameters."""
    from ionprint.figures.tuning import tuning_figure
    from ionprint.files import read_table, read_yaml, required

    best = read_yaml(required(outputs / "tuning" / "best.yaml", "tune"))
    trials = read_table(outputs / "tuning" / "trials.csv")
    if len(trials) < 2:
        print("No figure of the tuning: there was nothing to tune.")
        return {}
    return {"tuning": tuning_figure(trials, best["metric"], source)}


def model_figures(outputs: Path, source: str) -> dict[str, Figure]:
    """Return the figures of what the model says: ranking and samples."""
    from ionprint.figures.ranking import ranking_figure
    from ionprint.figures.samples import PREFIX, samples_figure
    from ionprint.files import read_table, required

    samples = read_table(required(outputs / SAMPLES, "composition"))
    ions = read_ranking(outputs)
    compounds = [c.removeprefix(PREFIX) for c in samples.columns if c.startswith(PREFIX)]
    compounds += [] if ions is None else list(ions["compound"])
    drawn = {}
    if ions is None:
        print("No figure of the ranking: this model has no weights, so no ions were ranked.")
    else:
        drawn["ranking"] = ranking_figure(ions, source, compounds)
    if (samples["role"] == "reference").all():
        print("No figure of the samples: the data set has no mixture and no anode.")
    else:
        drawn["samples"] = samples_figure(samples, source, compounds)
    return drawn | depth_figures(outputs, source, compounds)


def depth_figures(outputs: Path, source: str, compounds: list[str]) -> dict[str, Figure]:
    """Return a figure of each depth profile; none where no sample was taken at several doses."""
    from ionprint.figures.depth import depth_figure
    from ionprint.files import read_table

    path = outputs / DEPTH
    if not path.exists():
        return {}
    profiles, artefacts = (
        read_table(outputs / name) for name in (DEPTH, "composition/depth_artefacts.csv")
    )
    samples = list(dict.fromkeys(profiles["sample"]))
    return {
        f"depth_{number}": depth_figure(
            profiles[profiles["sample"] == sample], artefacts, source, compounds
        )
        for number, sample in enumerate(samples, start=1)
    }


def spectra_figures(peaks: Path, source: str) -> dict[str, Figure]:
    """Return the figures of the spectra: calibration and overlapping peaks."""
    from ionprint.figures.calibration import calibration_figure
    from ionprint.figures.overlap import overlap_figure, windows
    from ionprint.files import read_table, required

    drawn = {}
    calibration = read_table(required(peaks / "calibration.csv", "peaks"))
    if calibration.empty:
        print("No figure of the calibration: the areas were imported, so nothing was calibrated.")
    else:
        drawn["calibration"] = calibration_figure(calibration, source)
    fitted = read_fit(peaks)
    if fitted is None:
        print("No figure of overlaps: no peak shape was fitted to these spectra.")
    elif not windows(fitted[1]):
        print("No figure of overlaps: no two strong peaks stand at one nominal mass.")
    else:
        drawn["overlap"] = overlap_figure(*fitted, source)
    return drawn


def read_dataset(peaks: Path) -> dict[str, Any]:
    """Read what the peak table says about itself: name, source, number of spectra and peaks."""
    from ionprint.files import read_json, required

    return read_json(required(peaks / "dataset.json", "peaks"))


def read_ranking(outputs: Path) -> pd.DataFrame | None:
    """Read the ion ranking; None for a model without weights, or when no ion was ranked."""
    from ionprint.files import read_table

    path = outputs / RANKING
    ions = read_table(path) if path.exists() else None
    return None if ions is None or ions.empty else ions


def read_fit(folder: Path) -> tuple[Spectrum, Peaks, pd.Series] | None:
    """Read the summed spectrum, the peaks fitted to it and their ions; None if none were fitted."""
    import numpy as np
    import pandas as pd

    from ionprint.files import read_json, read_table
    from ionprint.spectra.search import Peaks
    from ionprint.spectra.shape import PeakShape
    from ionprint.spectra.spectrum import Spectrum

    path = folder / "sum_spectrum.json"
    about = read_json(path) if path.exists() else {"shape": None}
    if about["shape"] is None:
        return None
    shape = about["shape"]
    tails = tuple((share, length) for share, length in shape["tails"])
    some = pd.read_parquet(folder / "sum_spectrum.parquet")
    counts = np.zeros(about["bins"])
    counts[some["bin"]] = some["counts"]
    total = Spectrum("all spectra", counts, about["start"], about["step"])
    table = read_table(folder / "peaks.csv")
    columns = (table[c].to_numpy(float) for c in ("mz", "lower", "upper", "counts", "counts_error"))
    fitted = PeakShape(**{**shape, "tails": tails})
    return total, Peaks(*columns, about["width"], fitted), table["ion"]
