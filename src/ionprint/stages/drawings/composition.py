"""Figures of what mixtures and anodes hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ionprint.stages.drawings import Drawing, LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omegaconf import DictConfig

    from ionprint.stages.results import ResultFiles


def samples(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Probabilities of the classifier."""
    from ionprint.figures.samples import samples_figure

    table = results.samples
    if (table["role"] == "reference").all():
        raise LeftOut("No figure of the samples: the data set has no mixture and no anode.")
    yield Drawing(
        "samples",
        "Probabilities of the classifier",
        f"Mean probability of each compound in {len(table)} mixtures and anodes as stacked bars, "
        f"beside what was expected.",
        samples_figure(table, results.source, results.compounds),
    )


def depth(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Depth profiles, one a sample that was taken at several doses."""
    from ionprint.figures.depth import depth_figure

    profiles = results.table("composition/depth.csv")
    if profiles is None:
        raise LeftOut("No depth profile: no sample has five sputter doses or more.")
    artefacts = results.table("composition/depth_artefacts.csv")
    for number, sample in enumerate(dict.fromkeys(profiles["sample"]), start=1):
        own = profiles[profiles["sample"] == sample]
        yield Drawing(
            f"depth_{number}",
            f"Depth profile of {sample}",
            f"Fraction of each compound in {sample} against sputter dose with 90 % intervals, and "
            f"at which steps it is present.",
            depth_figure(own, artefacts, results.source, results.compounds),
        )


plans = (samples, depth)
