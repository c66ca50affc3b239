"""Our peak search against mioXpektron's on the same sum of simulated spectra."""

import logging
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.measure import compare

if TYPE_CHECKING:
    from ionprint.simulation.verification import Lines
    from ionprint.spectra.spectrum import Spectrum

INSTALL = "mioXpektron is not there; `make bench` installs it (benchmarks/requirements.lock)"


FITTED = (40.0, 42.0)
"""m/z (u) between which its fits of overlapping peaks are tried: they take seconds a unit mass."""


def theirs(total: "Spectrum", fits: bool = False) -> pd.DataFrame:
    """Return m/z and counts of the peaks that mioXpektron finds with its defaults.

    Parameters
    ----------
    fits : bool
        Its fits of overlapping peaks instead of its maxima.
    """
    from mioXpektron.detection import detect_peaks_with_area, robust_peak_detection

    mz = total.centres() ** 2
    keep = slice(None)
    if fits:
        keep = (mz > FITTED[0]) & (mz < FITTED[1])
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = robust_peak_detection if fits else detect_peaks_with_area
        found = search(mz[keep], total.counts[keep], "sum", "all")
    logging.disable(logging.NOTSET)
    found = found.sort_values("PeakCenter")
    # its areas are counts times u; a bin is 2 sqrt(m) dx wide
    bins = 2 * np.sqrt(found["PeakCenter"]) * total.step
    return pd.DataFrame({"mz": found["PeakCenter"], "counts": found["PeakArea"] / bins})


def told(peaks: pd.DataFrame, lines: "Lines", width: float) -> str:
    """Say how many of the planted lines are found and how well their areas are known."""
    from ionprint.simulation.verification import figures

    counts = peaks["counts"].to_numpy()[None]
    table = peaks.reset_index(drop=True).assign(ion="")
    errors = np.sqrt(np.maximum(counts, 0))
    widths = 2 * np.sqrt(table["mz"].to_numpy()) * width
    found = figures(lines, np.zeros((1, 1)), table, counts, errors, widths)
    shown = {name: found[name] for name in found if name.startswith(("peaks", "area"))}
    return f"{len(peaks)} peaks; " + ", ".join(f"{k} {v:.1%}" for k, v in shown.items())


def main() -> None:
    """Measure."""
    if find_spec("mioXpektron") is None:
        print(f"  {INSTALL}")
        return
    from omegaconf import OmegaConf

    from ionprint.config import compose
    from ionprint.simulation.dataset import Settings
    from ionprint.simulation.files import write_set
    from ionprint.simulation.truth import read_truth
    from ionprint.simulation.verification import planted_lines
    from ionprint.spectra.search import find_peaks
    from ionprint.stages.peaks import peaks_from_spectra

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        cfg = compose([f"dataset.path={folder}"])
        write_set(Settings.from_mapping(OmegaConf.to_container(cfg.simulation)), folder)
        truth, data = read_truth(folder), peaks_from_spectra(cfg)
    total, width, search = data.total, data.found.width, cfg.spectra.search

    def planted(lowest: float, highest: float) -> "Lines":
        inside = (truth.mz > lowest) & (truth.mz < highest)
        mz, labels = truth.mz[inside], np.array(truth.labels)[inside]
        return planted_lines(mz, labels, truth.counts[:, inside], 2 * np.sqrt(mz) * width)

    def ours() -> pd.DataFrame:
        peaks = find_peaks(total, search.min_counts, search.min_snr)
        return pd.DataFrame({"mz": peaks.mz, "counts": peaks.counts})

    mine, every, some = ours(), planted(0, cfg.dataset.mz_max), planted(*FITTED)
    print(f"  ours           {told(mine, every, width)}")
    print(f"  its maxima     {told(theirs(total), every, width)}")
    print(f"  m/z {FITTED[0]:g} to {FITTED[1]:g} alone:")
    print(f"  ours           {told(mine[mine['mz'].between(*FITTED)], some, width)}")
    print(f"  its fits       {told(theirs(total, fits=True), some, width)}")
    print("  time, ours on all against its maxima on all, and against its fits there:")
    compare(ours, lambda: theirs(total), repeats=3, limit=float("inf"))
    compare(ours, lambda: theirs(total, fits=True), repeats=1, limit=1.0)


if __name__ == "__main__":
    main()
