"""Figures of what the model has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ionprint.stages.drawings import Drawing, LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from omegaconf import DictConfig

    from ionprint.models.projection import Projection
    from ionprint.spectra.table import PeakTable
    from ionprint.stages.results import ResultFiles


def projection(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """References and mixtures on principal components, with the probability between them."""
    from ionprint.errors import ConfigError
    from ionprint.figures.projection import Map, projection_figure, windows
    from ionprint.models.projection import decision_map

    found, points, planes = _projected(results, settings)
    compound = settings.decision_map or _most_often(results)
    if compound not in results.model.classes:
        raise ConfigError(
            f"figures.decision_map names {compound!r}; the model knows "
            f"{', '.join(results.model.classes)}"
        )
    shown = points[points["role"].isin(["reference", "mixture"])]
    maps = []
    for plane in planes:
        ends = windows(shown, plane)
        maps.append(Map(*decision_map(found, results.model.pipeline[-1], compound, plane, ends)))
    yield Drawing(
        "projection",
        "Principal components and decisions",
        f"Scores of {(shown['role'] == 'reference').sum()} reference spectra and of "
        f"{_counted(shown, 'mixture', settings.samples)} on principal components of the "
        f"references; the first {len(found.shares)} explain {100 * found.shares.sum():.1f} % of "
        f"the variance. Beside them the classifier's probability of {compound} in the same planes, "
        f"all other components at 0; the dashed line is where it is one half.",
        projection_figure(
            shown,
            planes,
            found.shares,
            results.source,
            maps=maps,
            mapped=compound,
            compounds=results.compounds,
            most=settings.samples,
        ),
    )


def anodes(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Anodes on the principal components of the references."""
    from ionprint.figures.projection import projection_figure

    found, points, planes = _projected(results, settings)
    shown = points[points["role"] != "mixture"]
    if (shown["role"] == "reference").all():
        raise LeftOut("No projection of the anodes: the data set has none.")
    yield Drawing(
        "projection_anodes",
        "Anodes among the references",
        f"Scores of {_counted(shown, 'anode', settings.samples)} among the references, on the "
        f"principal components of these.",
        projection_figure(
            shown,
            planes,
            found.shares,
            results.source,
            compounds=results.compounds,
            most=settings.samples,
        ),
    )


def loadings(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Loadings of the principal components beside the model's weights."""
    from ionprint.figures.loadings import loadings_figure
    from ionprint.models.projection import strongest_loadings

    if results.ranking is None:
        raise LeftOut("No figure of the loadings: this model has no weights to set beside them.")
    found, _, _ = _projected(results, settings, planes=False)
    table = strongest_loadings(found, results.model.mz, results.ranking)
    led = ", ".join(
        f"{own['strongest'].mode()[0]} on PC{number}" for number, own in table.groupby("component")
    )
    yield Drawing(
        "loadings",
        "Loadings and weights",
        f"The ions of the largest loadings on {table['component'].nunique()} principal components "
        f"of the references, beside the model's weights of the same ions for each compound. Most "
        f"of these ions speak for {led}.",
        loadings_figure(table, results.source, results.compounds),
    )


def spectra_of(results: ResultFiles) -> tuple[PeakTable, PeakTable]:
    """Return the references, and mixtures and anodes, on the peaks that the model reads."""
    from ionprint.composition.alignment import align

    mz = results.model.mz
    samples = results.peak_table.of_role("mixture", "anode")
    references, samples = align(results.references, samples, results.about_model["align_ppm"])
    return references.on(mz), samples.on(mz)


def _projected(
    results: ResultFiles, settings: DictConfig, planes: bool = True
) -> tuple[Projection, pd.DataFrame, list[tuple[int, int]]]:
    """Project all spectra on the components of the references; return also the planes to draw."""
    import numpy as np
    import pandas as pd

    from ionprint.errors import DataError
    from ionprint.models.projection import fit_projection, scaled_by

    asked = [tuple(plane) for plane in settings.planes] if planes else []
    if planes and not asked:
        raise LeftOut("No figure of principal components: figures.planes names no plane.")
    references, samples = spectra_of(results)
    model = results.model
    tables = [table for table in (references, samples) if len(table.samples)]
    scaled = [scaled_by(model.pipeline, table.inputs(model.dose_column)) for table in tables]
    try:
        found = fit_projection(scaled[0], max([3, *(c for plane in asked for c in plane)]))
    except DataError as reason:
        raise LeftOut(f"No figure of principal components: {reason}") from reason
    _possible(asked, len(found.shares))
    scores = found.scores(np.vstack(scaled))
    columns = ["sample", "role", "compound", "expected"]
    points = pd.concat([table.samples[columns] for table in tables], ignore_index=True)
    for number, score in enumerate(scores.T, start=1):
        points[f"PC{number}"] = score
    return found, points, asked


def _possible(planes: list[tuple[int, ...]], components: int) -> None:
    """Refuse what is no plane, and leave out those that these references do not span."""
    from ionprint.errors import ConfigError

    for plane in planes:
        if len(plane) != 2 or plane[0] == plane[1] or min(plane) < 1:
            raise ConfigError(
                f"figures.planes has {list(plane)}; a plane is two different principal components, "
                f"numbered from 1"
            )
        if max(plane) > components:
            raise LeftOut(
                f"No figure of principal components: figures.planes has {list(plane)}, and these "
                f"references have {components} components."
            )


def _counted(points: pd.DataFrame, role: str, most: int) -> str:
    """Say how many mixtures or anodes are drawn, and of how many."""
    number = points.loc[points["role"] == role, "sample"].nunique()
    return f"{number} {role}s" if number <= most else f"{most} of {number} {role}s"


def _most_often(results: ResultFiles) -> str:
    """Return the compound that most samples hold; of several the first by name."""
    table = results.samples
    for prefix in ("present_", "p_"):
        columns = [c for c in table if c.startswith(prefix)]
        if len(table) and columns:
            return str(
                table[sorted(columns)].astype(float).mean().fillna(0.0).idxmax()
            ).removeprefix(prefix)
    return results.model.classes[0]


plans = (projection, anodes, loadings)
