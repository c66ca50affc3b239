"""Measure the first half of the way on simulated spectra, against what was planted."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.files import replace_json

if TYPE_CHECKING:
    from omegaconf import DictConfig

MEANING = {
    "calibration_rms_ppm": "scale at planted ions, m/z 6 to the limit, rms (ppm)",
    "calibration_worst_ppm": "the same at worst (ppm)",
    "peaks_found": "lines of 100 counts and 1.2 widths apart that are found",
    "peaks_false": "peaks that are hardly planted lines",
    "area_error_alone": "area of lines 3 widths apart or more, rms error beyond counting",
    "area_error_close": "area of lines 1.2 to 3 widths apart, rms error beyond counting",
    "first_assignment_right": "lines of 1,000 counts that are named right",
}
DIGITS = {"calibration_rms_ppm": 2, "calibration_worst_ppm": 1}


def run(cfg: "DictConfig") -> None:
    """Compare the peak table with what was planted; write `verify/spectra.json`.

    The set in `dataset.path` is taken if `simulation` made it; else (another seed is one override
    away) a new one is simulated in a folder of its own. Either goes through the same functions as a
    laboratory's.
    """
    with simulated_set(cfg) as folder:
        found = compare(cfg, folder)
    found = {name: round(value, DIGITS.get(name, 4)) for name, value in found.items()}
    head = {"source": "simulated", "seed": cfg.simulation.seed}
    replace_json({**head, **found}, Path(cfg.outputs) / "verify" / "spectra.json")
    _show(found, cfg.simulation.seed)


@contextlib.contextmanager
def simulated_set(cfg: "DictConfig") -> Iterator[Path]:
    """Give the folder of the set that `simulation` describes: `dataset.path`, or made for this."""
    from omegaconf import OmegaConf

    from ionprint.simulation.dataset import Settings

    settings = Settings.from_mapping(OmegaConf.to_container(cfg.simulation))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(cfg.dataset.path)
        if not _made_by(settings, folder):
            folder = Path(scratch) / "set"
            _simulate(settings, folder)
        yield folder


def compare(cfg: "DictConfig", folder: Path) -> dict[str, float]:
    """Return the figures of a simulated set, see `simulation.verification.figures`."""
    import numpy as np
    from omegaconf import OmegaConf

    from ionprint.simulation import verification
    from ionprint.simulation.truth import read_truth
    from ionprint.stages.peaks import peaks_from_spectra

    truth = read_truth(folder)
    data = peaks_from_spectra(OmegaConf.merge(cfg, {"dataset": {"path": str(folder)}}))
    inside = truth.mz < cfg.dataset.mz_max
    mz = truth.mz[inside]
    lines = verification.planted_lines(
        mz,
        np.array(truth.labels)[inside],
        truth.counts[:, inside],
        2 * np.sqrt(mz) * data.found.width,
    )
    errors = verification.scale_errors(truth, data.scales, lines.mz[lines.mz > 6])
    return verification.figures(
        lines, errors, data.peaks, data.table.areas, data.errors, data.found.widths
    )


def _made_by(settings: Any, folder: Path) -> bool:
    from ionprint.simulation.truth import SETTINGS, read_truth

    return (folder / SETTINGS).is_file() and read_truth(folder).settings == settings


def _simulate(settings: Any, folder: Path) -> None:
    from ionprint.simulation.dataset import plan
    from ionprint.simulation.files import write_set
    from ionprint.stages.progress import counter

    with counter(len(plan(settings)), "simulating") as advance:
        write_set(settings, folder, advance)


def _show(found: dict[str, float], seed: int) -> None:
    from ionprint.stages.terminal import print_table

    print_table(
        f"Verified spectra (simulated, seed {seed})",
        ("figure", "value", "what it is"),
        [
            (name, f"{value:g}" if name in DIGITS else f"{value:.1%}", MEANING[name])
            for name, value in found.items()
        ],
        right=("value",),
    )
