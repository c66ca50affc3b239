"""Peaks stage on full exports: against merely reading them, on both cores, on ten times as many."""

import contextlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.measure import compare

TIMES = 10
"""How many times as many spectra the growth is measured on."""


def full_set(folder: Path) -> list[Path]:
    """Write the simulated set with every row of every spectrum, uncompressed."""
    from omegaconf import OmegaConf

    from ionprint.config import compose
    from ionprint.simulation.dataset import LithiumSet, Settings
    from ionprint.simulation.files import export_text, read_ion_table

    cfg = compose(["simulation.instrument.full_rows=true"])
    settings = Settings.from_mapping(OmegaConf.to_container(cfg.simulation))
    lithium = LithiumSet(settings, read_ion_table())
    (folder / "spectra").mkdir(parents=True)
    files = []
    for spot in lithium.spots:
        path = folder / "spectra" / f"{spot.name}.txt"
        text = export_text(lithium.simulate(spot), settings.instrument, settings.seed)
        path.write_text(text, encoding="ascii", newline="")
        files.append(path)
    sheet = lithium.sheet()
    sheet["file"] = sheet["file"].str.removesuffix(".gz")
    sheet.to_csv(folder / "samples.csv", index=False)
    return files


def many(folder: Path, files: list[Path], times: int) -> None:
    """Write a set in which each spectrum stands several times, as hard links."""
    (folder / "spectra").mkdir(parents=True)
    sheet = pd.read_csv(files[0].parents[1] / "samples.csv")
    parts = []
    for n in range(times):
        for file in files:
            os.link(file, folder / "spectra" / f"{n}_{file.name}")
        part = sheet.assign(file=[f"spectra/{n}_{Path(f).name}" for f in sheet["file"]])
        parts.append(part)
    pd.concat(parts).to_csv(folder / "samples.csv", index=False)


def stage(folder: Path, workers: int) -> Callable[[], float]:
    """Return the peaks stage of a folder; it returns its seconds."""
    from ionprint.config import compose
    from ionprint.stages import peaks

    outputs = folder.parent / "outputs"
    cfg = compose([f"dataset.path={folder}", f"outputs={outputs}", f"spectra.workers={workers}"])

    def run() -> float:
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            peaks.run(cfg)
        return time.perf_counter() - start

    return run


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        files = full_set(folder)
        rows = len(pd.read_csv(files[0], sep="\t", comment="#"))
        print(f"  {len(files)} simulated files, {rows} rows each; one core against pandas.read_csv")

        def plain() -> None:
            for file in files:
                pd.read_csv(file, sep="\t", skiprows=3)

        one = stage(folder, 1)
        compare(one, plain, repeats=5, limit=1.5)
        many(Path(scratch) / "many", files, TIMES)
        once, often = min(one() for _ in range(3)), stage(Path(scratch) / "many", 1)()
        print(
            f"  {TIMES * len(files)} spectra: {often:.1f} s, {often / once:.1f} times {once:.1f} s"
        )
        print(f"  two cores against one, {TIMES * len(files)} spectra")
        two = stage(Path(scratch) / "many", 2)
        compare(two, stage(Path(scratch) / "many", 1), repeats=1, limit=1 / 1.7)


if __name__ == "__main__":
    main()
