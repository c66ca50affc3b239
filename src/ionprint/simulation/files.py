"""Files of the simulated set: its chemistry, its folder, and the guard of measured data."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Collection
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ionprint.errors import ConfigError
from ionprint.files import fresh_folder, write_yaml
from ionprint.simulation.chemistry import check_ion_table
from ionprint.simulation.dataset import (
    LithiumSet,
    Settings,
    SimulatedSpectrum,
    planned_compounds,
)
from ionprint.simulation.families import add_families, expand_families
from ionprint.simulation.instrument import Instrument
from ionprint.simulation.truth import SETTINGS, TRUTH, truth_table

SIMULATED = "simulated by ionprint"
"""Every exported spectrum of the set carries these words in its comment lines."""

OWN_FILES = {"samples.csv", TRUTH, SETTINGS, "truth_spectra.csv"}
"""Beside the spectra; the last one was written by earlier versions."""


def write_set(
    settings: Settings, folder: Path, advance: Callable[[], None] | None = None
) -> LithiumSet:
    """Write the whole set: spectra, sample sheet, truth and settings.

    Parameters
    ----------
    settings : Settings
        What to make; the same settings write the same bytes.
    folder : Path
        Replaced whole, and only at the end; one that holds anything else is refused.
    advance : callable, optional
        Called after each spectrum.

    Returns
    -------
    LithiumSet
        What was written.
    """
    folder = Path(folder).resolve()
    refuse_measured(folder)
    lithium = LithiumSet(settings, read_ion_table(planned_compounds(settings)))
    truth = []
    with fresh_folder(folder) as new:
        (new / "spectra").mkdir()
        for spot in lithium.spots:
            spectrum = lithium.simulate(spot)
            path = new / "spectra" / f"{spot.name}.txt.gz"
            write_export(path, export_text(spectrum, settings.instrument, settings.seed))
            truth.append(spectrum.truth())
            if advance:
                advance()
        lithium.sheet().to_csv(new / "samples.csv", index=False, lineterminator="\n")
        table = truth_table(truth, lithium.isotopologues.label, lithium.compounds)
        table.to_csv(new / TRUTH, index=False, lineterminator="\n")
        write_yaml(settings.to_mapping(), new / SETTINGS)
        refuse_measured(folder)  # again: it may have been filled meanwhile
    return lithium


def read_ion_table(compounds: Collection[str] = ()) -> pd.DataFrame:
    """Return the ion table that lithium_families.yaml gives, checked.

    Parameters
    ----------
    compounds : collection of str
        Compounds the table has to have. If it lacks one, the surfaces and ions of
        unknown_families.yaml are added. Not always, as chance is drawn in the table's order: more
        rows change every spectrum.

    Returns
    -------
    pandas.DataFrame
        Columns family, ion, one a compound, background, hydrocarbon; counts per spot.

    Raises
    ------
    ConfigError
        A compound is in neither file.
    """
    table = expand_families(_chemistry("lithium_families.yaml"))
    if set(compounds) - set(table.columns[2:-2]):
        table = add_families(table, _chemistry("unknown_families.yaml"))
    known = list(table.columns[2:-2])
    for compound in compounds:
        if compound not in known:
            raise ConfigError(
                f"simulation: no ions are known of the compound {compound!r}; "
                f"expected one of {', '.join(known)}"
            )
    return check_ion_table(table)


def _chemistry(name: str) -> Any:
    """Read a chemistry file of this package."""
    import yaml

    return yaml.safe_load(resources.files("ionprint.simulation").joinpath(name).read_text())


def export_text(spectrum: SimulatedSpectrum, instrument: Instrument, seed: int) -> str:
    """Return a spectrum as SurfaceLab's ASCII export has it.

    Parameters
    ----------
    spectrum : SimulatedSpectrum
        Channel, m/z (u) and counts of each bin.
    instrument : Instrument
        Gives the binning and whether empty bins are written.
    seed : int
        Named in the third comment line.

    Returns
    -------
    str
        Comment lines, a header, then channel, m/z and intensity between tabs; CRLF line ends.
    """
    keep = slice(None) if instrument.full_rows else np.flatnonzero(spectrum.counts)
    columns = (spectrum.channel[keep], spectrum.mz[keep], spectrum.counts[keep])
    lines = [
        f"# Binning: {instrument.binning} channels",
        f"# Deadtime Correction: {'on' if instrument.dead_time_correction else 'off'}",
        f"# Source: {SIMULATED}, seed {seed}",
        "Channel\tm/z\tIntensity",
    ]
    rows = zip(*(column.tolist() for column in columns), strict=True)
    # corrected counts have three decimals, where they need them
    lines += [
        f"{channel}\t{mz:.6f}\t{int(counts) if counts == int(counts) else round(counts, 3)}"
        for channel, mz, counts in rows
    ]
    return "\r\n".join(lines) + "\r\n"


def write_export(path: Path, text: str) -> None:
    """Write an export gzipped, with neither time nor name inside: same text, same bytes.

    Parameters
    ----------
    path : Path
        Ends in .txt.gz.
    text : str
        From `export_text`.
    """
    path.write_bytes(gzip.compress(text.encode("ascii"), compresslevel=9, mtime=0))


def is_simulated(path: Path) -> bool:
    """Tell whether a spectrum file says of itself that it was simulated.

    Parameters
    ----------
    path : Path
        An ASCII export, gzipped or not.

    Returns
    -------
    bool
        False also for a file that cannot be read.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="latin-1") as file:
            head = [file.readline(1000) for _ in range(10)]
    except (OSError, EOFError, zlib.error):
        return False
    return any(line.startswith("#") and SIMULATED in line for line in head)


def refuse_measured(folder: Path) -> None:
    """Raise ConfigError if a folder holds anything the simulation did not write.

    Parameters
    ----------
    folder : Path
        Need not exist.

    Notes
    -----
    Checked are all files below the folder and all spectra its sample sheet names.
    """
    advice = "choose another folder: dataset.path=<folder>"
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, not a folder; {advice}")
    files = {p for p in folder.rglob("*") if not p.is_dir()} if folder.exists() else set()
    for path in sorted(files - {folder / name for name in OWN_FILES}):
        if ".txt" not in path.suffixes or not is_simulated(path):
            raise ConfigError(
                f"{path} was not written by the simulation and would be lost; {advice}"
            )
    sheet = folder / "samples.csv"
    if sheet.is_file():
        with sheet.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            named = [row.get("file") or "" for row in csv.DictReader(file)]
        for name in named:
            if not is_simulated(folder / name):
                raise ConfigError(f"{sheet} names {name!r}, which is not a simulated spectrum "
                                  f"(measured, or missing); {advice}")  # fmt: skip
