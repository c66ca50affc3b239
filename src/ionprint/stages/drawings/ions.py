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


def circles(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Intensities of the first ions of each compound in references and samples."""
    import numpy as np
    import pandas as pd

    from ionprint.figures.circles import MOST, circles_figure
    from ionprint.models.contrast import scaled_together
    from ionprint.models.families import families
    from ionprint.stages.drawings.model import spectra_of

    if results.ranking is None:
        raise LeftOut("No circular area plots: this model has no weights, so no ions were ranked.")
    heads = families(results.ranking)
    ions = heads.groupby("compound").head(min(settings.circle_ions, MOST)).reset_index(drop=True)
    tables = [table for table in spectra_of(results) if len(table.samples)]
    model = results.model
    normalised = model.pipeline[0].transform(
        np.vstack([table.inputs(model.dose_column) for table in tables])
    )
    places = np.abs(model.mz[:, None] - ions["mz"].to_numpy(float)).argmin(axis=0)
    about = pd.concat([table.samples for table in tables], ignore_index=True)
    scaled = pd.DataFrame(scaled_together(normalised[:, : len(model.mz)])[:, places])
    known = about["role"] == "reference"
    samples, left = {}, settings.samples
    for role in ("anode", "mixture"):
        own = about["role"] == role
        means = scaled[own].groupby(about["sample"][own], sort=False).mean()
        if left > 0 and len(means):
            samples[f"{role}s"] = means.head(left)
        left -= len(means)
    shown = sum(map(len, samples.values()))
    total = about["sample"][~known].nunique()
    yield Drawing(
        "circles",
        "First ions in references and samples",
        f"Mean intensity of the first ions of {ions['compound'].nunique()} compounds around "
        f"circles, every peak scaled to 0 to 1 over all {len(about)} spectra together: in the "
        f"references, and in {shown} of {total} anodes and mixtures.",
        circles_figure(
            ions,
            scaled[known].groupby(about["compound"][known]).mean(),
            results.source,
            samples,
            results.compounds,
        ),
    )


def comparison(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Ions of two compounds that are hard to tell apart, in both."""
    import numpy as np

    from ionprint.errors import ConfigError
    from ionprint.figures.comparison import comparison_figure
    from ionprint.models.contrast import compared_ions, most_alike
    from ionprint.models.evidence import firm_groups
    from ionprint.stages.drawings.model import spectra_of

    references, _ = spectra_of(results)
    y = references.column("compound")
    names = [str(name) for name in np.unique(y)]
    pair = list(settings.comparison or [])
    if pair and (len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(names)):
        raise ConfigError(
            f"figures.comparison is {pair}; it names two of the compounds {', '.join(names)}, or "
            f"is null for the two most alike"
        )
    if len(names) < 2:
        raise LeftOut("No comparison of two compounds: there is one compound alone.")
    if results.ranking is None:
        raise LeftOut(
            "No comparison of two compounds: this model has no weights, so no ions were ranked."
        )
    first, second = pair or most_alike(references.areas, y)
    column = results.model.about.get("group")
    groups = firm_groups(y, references.column(column) if column else None)
    table = compared_ions(
        references.areas, y, groups, references.mz, results.ranking, (first, second)
    )
    own = table.groupby("of")["own"].agg(["sum", "size"])
    told = ", ".join(
        f"{own['sum'][name] or 'none'} of the first {own['size'][name]} of {name}"
        for name in (first, second)
    )
    alike = "" if pair else ", the two compounds whose mean spectra are most alike,"
    yield Drawing(
        "comparison",
        f"{first} and {second}",
        f"Mean counts per million in the first ions of {first} and {second}{alike} in both. At "
        f"least twice as intense as in every other compound: {told}.",
        comparison_figure(
            table,
            (first, second),
            results.source,
            "spectra" if groups is None else f"the means by {column}",
            results.compounds,
        ),
    )


plans = (ranking, circles, comparison)
