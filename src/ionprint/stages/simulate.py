"""Write the simulated lithium reference set: spectra, sample sheet and truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(cfg: DictConfig) -> None:
    """Write the set of `cfg.simulation` into the folder `cfg.dataset.path`.

    Parameters
    ----------
    cfg : DictConfig
        Uses `simulation` and `dataset.path`; a folder with measured data is refused.
    """
    import pandas as pd
    from omegaconf import OmegaConf

    from ionprint.files import fresh_folder
    from ionprint.simulation.dataset import LithiumSet, Settings, truth_row
    from ionprint.simulation.files import (
        export_text,
        read_ion_table,
        refuse_measured,
        write_export,
    )
    from ionprint.stages.progress import progress

    folder = Path(cfg.dataset.path).resolve()
    refuse_measured(folder)
    settings = Settings.from_mapping(OmegaConf.to_container(cfg.simulation, resolve=True))
    ions = read_ion_table()
    lithium = LithiumSet(settings, ions)
    compounds = [name for name in ions.columns[2:] if name not in ("background", "hydrocarbon")]
    size, truth = 0, []
    with fresh_folder(folder) as new:
        (new / "spectra").mkdir()
        for spot in progress(lithium.spots, "simulating"):
            spectrum = lithium.simulate(spot)
            path = new / "spectra" / f"{spot.name}.txt.gz"
            write_export(path, export_text(spectrum, settings.instrument, settings.seed))
            size += path.stat().st_size
            truth.append(truth_row(spectrum, compounds))
        lithium.sheet().to_csv(new / "samples.csv", index=False, lineterminator="\n")
        lithium.truth().to_csv(new / "truth.csv", index=False, lineterminator="\n")
        pd.DataFrame(truth).to_csv(new / "truth_spectra.csv", index=False, lineterminator="\n")
        refuse_measured(folder)  # again: it may have been filled meanwhile
    roles = lithium.sheet()["role"].value_counts(sort=False)
    made = ", ".join(f"{number} {role}" for role, number in roles.items())
    print(f"{len(truth)} simulated spectra ({made}), seed {settings.seed}")
    print(f"{cfg.dataset.path}: {size / 1e6:.1f} MB of spectra, their sheet and the truth")
