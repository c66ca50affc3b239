"""Peaks stage on 120 full exports against merely reading them with pandas.read_csv."""

import contextlib
import io
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.measure import compare


def full_set(folder: Path) -> list[Path]:
    """Write the simulated set with every row of every spectrum, uncompressed."""
    from omegaconf import OmegaConf

    from ionprint.config import compose
    from ionprint.simulation.dataset import LithiumSet, Settings
    from ionprint.simulation.files import export_text, read_ion_table

    cfg = compose(["simulation.instrument.full_rows=true"])
    settings = Settings.from_mapping(OmegaConf.to_container(cfg.simulation))
    lithium = LithiumSet(settings, read_ion_table())
    (folder / "spectra").mkdir()
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


def main() -> None:
    """Measure."""
    from ionprint.config import compose
    from ionprint.stages import peaks

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        folder.mkdir()
        files = full_set(folder)
        rows = len(pd.read_csv(files[0], sep="\t", comment="#"))
        print(f"  {len(files)} simulated files, {rows} rows each")
        cfg = compose([f"dataset.path={folder}", f"outputs={scratch}/outputs"])

        def ours() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                peaks.run(cfg)

        def plain() -> None:
            for file in files:
                pd.read_csv(file, sep="\t", skiprows=3)

        compare(ours, plain, repeats=3, limit=2.0)


if __name__ == "__main__":
    main()
