"""Figures of the ions: what speaks for each compound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ionprint.stages.drawings import Drawing, LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omegaconf import DictConfig

    from ionprint.stages.results import ResultFiles


def ranking(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Characteristic ions of each compound."""
    from ionprint.figures.ranking import ranking_figure

    if results.ranking is None:
        raise LeftOut(
            "No figure of the ranking: this model has no weights, so no ions were ranked."
        )
    yield Drawing(
        "ranking",
        "Characteristic ions",
        f"Weights of the first ions of {len(results.compounds)} compounds, with their standard "
        f"deviations over the folds; the palest bars lack evidence.",
        ranking_figure(results.ranking, results.source, results.compounds),
    )


plans = (ranking,)
