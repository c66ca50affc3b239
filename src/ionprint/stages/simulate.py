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
    from ionprint.stages.terminal import summary

    folder = Path(cfg.dataset.path)
    settings = Settings.from_mapping(OmegaConf.to_container(cfg.simulation, resolve=True))
    with counter(len(plan(settings)), "simulating") as advance:
        sheet = write_set(settings, folder, advance).sheet()
    roles = sheet["role"].value_counts(sort=False)
    made = ", ".join(f"{number} {role}" for role, number in roles.items())
    size = sum((folder / name).stat().st_size for name in sheet["file"])
    summary(
        "Simulated spectra",
        [
            ("spectra", f"{len(sheet)} ({made})"),
            ("seed", settings.seed),
            ("written to", f"{cfg.dataset.path}: {size / 1e6:.1f} MB with their sheet and truth"),
        ],
    )
