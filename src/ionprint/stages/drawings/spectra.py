"""Figures of the spectra: calibration, overlapping peaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ionprint.stages.drawings import Drawing, LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omegaconf import DictConfig

    from ionprint.stages.results import ResultFiles


def calibration(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Mass errors before and after the calibration."""
    from ionprint.figures.calibration import calibration_figure

    table = results.table("peaks/calibration.csv", "peaks")
    if table.empty:
        raise LeftOut(
            "No figure of the calibration: the areas were imported, so nothing was calibrated."
        )
    after = table["error_after_ppm"].astype(float).abs().median()
    yield Drawing(
        "calibration",
        "Mass calibration",
        f"Mass error in ppm of every calibrant ion in every spectrum against m/z, before and after "
        f"the calibration; its median size is {after:.3g} ppm afterwards.",
        calibration_figure(table, results.source),
    )


def overlap(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Neighbouring peaks told apart."""
    from ionprint.figures.overlap import overlap_figure, windows

    if results.fit is None:
        raise LeftOut("No figure of overlaps: no peak shape was fitted to these spectra.")
    if not windows(results.fit[1]):
        raise LeftOut("No figure of overlaps: no two strong peaks stand at one nominal mass.")
    yield Drawing(
        "overlap",
        "Neighbouring peaks told apart",
        "The summed spectrum in windows where two strong peaks stand together, with the fitted "
        "shape of each peak and their sum.",
        overlap_figure(*results.fit, results.source),
    )


plans = (calibration, overlap)
