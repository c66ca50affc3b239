"""Measure the first half of the way on simulated spectra, against what was planted."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.files import fresh_folder, write_json

if TYPE_CHECKING:
    from omegaconf import DictConfig

MEANING = {
    "calibration_rms_ppm": "scale at planted ions, m/z 6 to the limit, rms (ppm)",
    "calibration_worst_ppm": "the same at worst (ppm)",
    "peaks_found": "lines of 100 counts and 1.2 widths apart that are found",
    "peaks_false": "peaks where nothing was planted",
    "area_error_alone": "area of strong lines standing alone, rms error",
    "area_error_close": "area of strong lines 1.2 to 3 widths apart, rms error",
    "first_assignment_right": "lines of 1,000 counts that are named right",
}
DIGITS = {"calibration_rms_ppm": 2, "calibration_worst_ppm": 1}


def run(cfg: "DictConfig") -> None:
    """Simulate, calibrate, search, integrate, name; compare; write `verify/spectra.json`.

    The spectra are simulated anew from `simulation` (another seed is one override away) and go
    through the same functions as a laboratory's, in a folder of their own.
    """
    import numpy as np
    import pandas as pd
    from omegaconf import OmegaConf

    from ionprint.simulation import verification
    from ionprint.simulation.dataset import LithiumSet, Settings
    from ionprint.simulation.files import read_ion_table
    from ionprint.spectra.search import peak_width
    from ionprint.stages.peaks import calibrate_all, read_all, search_all
    from ionprint.stages.rank import name_by_mass

    settings = Settings.from_mapping(OmegaConf.to_container(cfg.simulation))
    lithium = LithiumSet(settings, read_ion_table())
    limit = cfg.dataset.mz_max
    with tempfile.TemporaryDirectory() as folder:
        truth = _write(lithium, Path(folder))
        files = pd.Series([f"{spot.name}.txt.gz" for spot in lithium.spots])
        raw = read_all(Path(folder), files, limit, cfg.spectra.min_range)
    spectra, _ = calibrate_all(raw, cfg)
    total, peaks, areas = search_all(spectra, cfg)
    named = name_by_mass(cfg, peaks.mz, peaks.counts, limit)

    fwhm = 2 * peak_width(total) * total.step  # times sqrt(m): dm = 2 sqrt(m) dx
    ions = lithium.isotopologues
    inside = ions.mz < limit
    planted = np.stack([t.planted for t in truth])[:, inside]
    mz = ions.mz[inside]
    lines = verification.planted_lines(mz, ions.label[inside], planted, fwhm * np.sqrt(mz))
    slope = np.array([s.step / r.step for s, r in zip(spectra, raw, strict=True)])
    offset = np.array([s.start for s in spectra]) - slope * np.array([r.start for r in raw])
    errors = verification.scale_errors(
        slope,
        offset,
        np.array([t.flight.k for t in truth]),
        np.array([t.flight.t0 for t in truth]),
        (settings.instrument.k, settings.instrument.t0),
        lines.mz[lines.mz > 6],
    )
    found = verification.figures(
        lines, errors, peaks.mz, areas, named["ion"].tolist(), fwhm * np.sqrt(peaks.mz)
    )
    found = {name: round(value, DIGITS.get(name, 4)) for name, value in found.items()}
    with fresh_folder(Path(cfg.outputs) / "verify") as out:
        write_json({"source": "simulated", "seed": settings.seed, **found}, out / "spectra.json")
    _show(found, settings.seed)


def _write(lithium: Any, folder: Path) -> list:
    """Write the exports and return the truth behind each."""
    from ionprint.simulation.files import export_text, write_export
    from ionprint.stages.progress import progress

    truth = []
    for spot in progress(lithium.spots, "simulating"):
        spectrum = lithium.simulate(spot)
        text = export_text(spectrum, lithium.settings.instrument, lithium.settings.seed)
        write_export(folder / f"{spot.name}.txt.gz", text)
        truth.append(spectrum)
    return truth


def _show(found: dict[str, float], seed: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"simulated spectra, seed {seed}", title_justify="left", box=None)
    table.add_column("figure", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("what it is")
    for name, value in found.items():
        table.add_row(name, f"{value:g}" if name in DIGITS else f"{value:.1%}", MEANING[name])
    Console().print(table)
