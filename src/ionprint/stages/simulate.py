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
    from omegaconf import OmegaConf

    from ionprint.simulation.dataset import Settings, plan
    from ionprint.simulation.files import write_set
    from ionprint.stages.progress import counter

    folder = Path(cfg.dataset.path)
    settings = Settings.from_mapping(OmegaConf.to_container(cfg.simulation, resolve=True))
    with counter(len(plan(settings)), "simulating") as advance:
        sheet = write_set(settings, folder, advance).sheet()
    roles = sheet["role"].value_counts(sort=False)
    made = ", ".join(f"{number} {role}" for role, number in roles.items())
    size = sum((folder / name).stat().st_size for name in sheet["file"])
    print(f"{len(sheet)} simulated spectra ({made}), seed {settings.seed}")
    print(f"{cfg.dataset.path}: {size / 1e6:.1f} MB of spectra, their sheet and the truth")
