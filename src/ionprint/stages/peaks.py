"""Calibrate, search peaks, integrate: one peak table."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ionprint.files import fresh_folder, write_json, write_table
from ionprint.stages.progress import progress

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from omegaconf import DictConfig

    from ionprint.spectra.search import Peaks
    from ionprint.spectra.spectrum import Spectrum


def run(cfg: "DictConfig") -> None:
    """Read the spectra of `dataset.path` and write `peaks/`.

    Raises
    ------
    IonprintError
        The sheet, a spectrum or a calibration is not as it must be; all bad files are named.
    """
    import pandas as pd

    from ionprint.spectra.sheet import read_sheet
    from ionprint.spectra.table import PeakTable

    folder = Path(cfg.dataset.path)
    sheet = read_sheet(folder, cfg.dataset.polarity)
    raw = read_all(folder, sheet["file"], cfg.dataset.mz_max, cfg.spectra.min_range)
    spectra, calibration = calibrate_all(raw, cfg)
    _, peaks, areas = search_all(spectra, cfg)
    samples = sheet.assign(source=["simulated" if s.simulated else "measured" for s in spectra])
    table = PeakTable(samples, peaks.mz, areas)

    with fresh_folder(cfg.peaks) as out:
        table.write(out / "peak_table.parquet")
        frame = pd.DataFrame(vars(peaks))
        write_table(frame, out / "peaks.csv", {"mz": 4, "lower": 4, "upper": 4, "counts": 0})
        write_table(
            calibration,
            out / "calibration.csv",
            {"mz": 5, "mz_found": 5, "counts": 0, "error_before_ppm": 1, "error_after_ppm": 1},
        )
        dataset = {
            "name": cfg.dataset.name,
            "source": table.source,
            "spectra": len(sheet),
            "peaks": len(peaks.mz),
            "mz_max": cfg.dataset.mz_max,
            "scale": "kept" if (calibration["result"] == "kept").any() else "calibrated",
            "sha256": content_hash(folder, sheet["file"]),
        }
        write_json(dataset, out / "dataset.json")
    _tell(cfg, dataset, calibration)


def read_all(folder: Path, files: "pd.Series", mz_max: float, min_range: float) -> "list[Spectrum]":
    """Read all spectra, or name all that cannot be read.

    Parameters
    ----------
    mz_max : float
        The data set's limit (u).
    min_range : float
        Share of it that every spectrum must reach.

    Raises
    ------
    SpectrumError
        With a line for each bad file.
    """
    from ionprint.errors import SpectrumError, listed
    from ionprint.spectra.reading import read_spectrum

    spectra, problems = [], []
    for file in progress(list(files), "reading"):
        try:
            spectrum = read_spectrum(folder / file, file)
            if spectrum.end**2 < min_range * mz_max:
                raise SpectrumError(
                    f"{file}: ends at m/z {spectrum.end**2:.1f}, expected {mz_max:g}. Cut off? "
                    f"Export it again, or lower dataset.mz_max for all."
                )
            spectra.append(spectrum)
        except SpectrumError as exc:
            problems.append(str(exc))
    if problems:
        raise SpectrumError(
            f"{len(problems)} of {len(files)} spectra in {folder} cannot be used:\n"
            f"{listed(problems)}"
        )
    return spectra


def calibrate_all(
    raw: "list[Spectrum]", cfg: "DictConfig"
) -> "tuple[list[Spectrum], pd.DataFrame]":
    """Calibrate all spectra, or name all that cannot be calibrated.

    Raises
    ------
    CalibrationError
        With a line for each such spectrum.
    """
    import pandas as pd

    from ionprint.config import CHARGES
    from ionprint.errors import CalibrationError, listed
    from ionprint.spectra.calibration import calibrate

    calibrants, charge = list(cfg.dataset.calibrants), CHARGES[cfg.dataset.polarity]
    spectra, rows, problems = [], [], []
    for spectrum in progress(raw, "calibrating"):
        try:
            done = calibrate(spectrum, calibrants, **cfg.spectra.calibration, charge=charge)
        except CalibrationError as exc:
            problems.append(str(exc))
            continue
        spectra.append(done.spectrum)
        rows += [{"file": spectrum.file, **row} for row in done.rows]
    if problems:
        raise CalibrationError(
            f"{len(problems)} of {len(raw)} spectra cannot be calibrated:\n{listed(problems)}"
        )
    return spectra, pd.DataFrame(rows)


def search_all(
    spectra: "list[Spectrum]", cfg: "DictConfig"
) -> "tuple[Spectrum, Peaks, np.ndarray]":
    """Return the sum of calibrated spectra, its peaks, and their areas in each spectrum."""
    import numpy as np

    from ionprint.spectra.search import find_peaks, integrate, summed

    total = summed(list(progress(spectra, "adding up")), cfg.dataset.mz_max)
    peaks = find_peaks(total, cfg.spectra.search.min_counts, cfg.spectra.search.min_snr)
    areas = np.stack([integrate(s, peaks) for s in progress(spectra, "integrating")])
    return total, peaks, areas


def content_hash(folder: Path, files: "pd.Series") -> str:
    """Return a sha256 over the sheet and the spectra, names and bytes."""
    digest = hashlib.sha256()
    for file in ("samples.csv", *sorted(files)):
        digest.update(file.encode() + b"\0")
        digest.update(hashlib.sha256((folder / file).read_bytes()).digest())
    return digest.hexdigest()


def _tell(cfg: "DictConfig", dataset: dict, calibration: "pd.DataFrame") -> None:
    used = calibration[calibration["used"]]
    print(
        f"{dataset['spectra']} {dataset['source']} spectra, {dataset['peaks']} peaks up to m/z "
        f"{dataset['mz_max']:g} -> {cfg.peaks}/peak_table.parquet"
    )
    if len(used):
        rms = (used["error_after_ppm"] ** 2).mean() ** 0.5
        before = (used["error_before_ppm"] ** 2).mean() ** 0.5
        print(f"calibrants: {before:.0f} ppm rms before, {rms:.1f} ppm after")
    kept = calibration.loc[calibration["result"] == "kept", "file"].nunique()
    if kept:
        print(
            f"{kept} spectra keep their own mass scale: their bins are too wide to improve on it "
            f"(calibration.csv: kept)"
        )
