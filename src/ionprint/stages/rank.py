"""Rank each compound's characteristic ions, and say what speaks for them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.errors import DataError, FormulaError
from ionprint.files import fresh_folder, read_table, required, write_json, write_table
from ionprint.stages.problem import load_problem, tuned_pipeline, warn_stopped
from ionprint.stages.progress import counter

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig
    from sklearn.pipeline import Pipeline

    from ionprint.stages.problem import Problem

COLUMNS = [
    # family: the parent's formula; family_rank and rank from 1: of the family, of the single peak
    *("compound", "family_rank", "family", "rank", "mz", "ion"),
    *("error_ppm", "confidence", "satellite_of"),
    # mean and standard deviation over the folds; share of resamples with the peak among the first
    *("weight", "weight_sd", "in_first"),
    # specific, compatible or incompatible; elements the compound lacks; where it is most intense;
    # this compound's mean over the next one's, and above it in standard errors; of its own
    *("evidence", "lacking", "highest_in", "ratio", "above", "own"),
]
"""Of `ions.csv`, a row for each compound and peak; m/z in u."""
DIGITS = {
    **{"mz": 4, "error_ppm": 1, "confidence": 3, "weight": 5, "weight_sd": 5, "in_first": 2},
    **{"ratio": 2, "above": 1},
}
PUBLISHED = ["compound", "rank", "ion", "mz"]
"""Columns that a published list must have."""
PUBLISHED_DIGITS = {"mz": 2, "exact_mz": 4, "peak": 4}
SHOWN = 5
"""Ion families printed of each compound."""


def run(cfg: "DictConfig") -> None:
    """Rank the ions by the weights, judge them and write `ranking/`.

    `ions.csv` has the ranking, `methods.csv` the ranks by other methods, `published.csv` a
    published list beside it (where `dataset.published_ions` names one), `summary.json` the numbers
    of each compound.
    """
    import numpy as np

    from ionprint.models.families import with_families
    from ionprint.models.importance import overlap
    from ionprint.models.pipeline import fitting

    problem = load_problem(cfg)
    pipeline, _ = tuned_pipeline(cfg)
    peaks = read_table(required(Path(cfg.peaks) / "peaks.csv", "peaks"))
    listed = read_published(cfg.dataset.published_ions)
    with fitting() as stopped:
        ions, methods, firm = ranked(cfg, problem, pipeline, peaks)
    ions = with_families(ions)
    published = None
    if listed is not None:
        published = _compared(cfg, listed, ions, peaks)
    first = cfg.ranking.first
    summary = {
        str(compound): _summary(str(compound), ions, published, first)
        for compound in np.unique(problem.y)
    }
    with fresh_folder(Path(cfg.outputs) / "ranking") as out:
        write_table(ions[COLUMNS], out / "ions.csv", DIGITS)
        write_table(methods, out / "methods.csv", DIGITS)
        if published is not None:
            write_table(published, out / "published.csv", PUBLISHED_DIGITS)
        write_json({"first": first, "compounds": summary}, out / "summary.json")
    warn_stopped(stopped)
    if problem.group and not firm:
        print(
            f"note: a compound has one {problem.group} only, so spectra were resampled and "
            f"compared in place of groups: in_first, above and own tell repeatability"
        )
    _show(ions, summary, overlap(methods.drop(columns="ion"), first), first, problem.table.source)
    if published is not None and published.empty:
        print(f"note: {cfg.dataset.published_ions} lists none of these compounds")
    elif published is not None and problem.table.source == "simulated":
        print(
            "The data are simulated with a published table in view: ions found again are no "
            "evidence for the method."
        )


def ranked(
    cfg: "DictConfig", problem: "Problem", pipeline: "Pipeline", peaks: "pd.DataFrame"
) -> "tuple[pd.DataFrame, pd.DataFrame, bool]":
    """Return the ranking with its evidence, the ranks by all methods, and whether groups counted.

    Raises
    ------
    NoWeightsError
        The model has no weights to rank by.
    """
    import numpy as np
    from sklearn.base import clone

    from ionprint.models.evidence import evidence, firm_groups, intensities
    from ionprint.models.importance import rank_by_all, ranking_table
    from ionprint.models.ranking import rank_ions, share_in_first

    areas, y, mz = problem.inputs, problem.y, problem.table.mz
    classes = np.unique(y)
    groups = firm_groups(y, problem.groups)
    ions = rank_ions(pipeline, areas, y, mz, problem.folds)
    share = np.full((len(classes), len(mz)), np.nan)
    first, resamples = cfg.ranking.first, cfg.ranking.resamples
    if resamples:
        with counter(resamples, "resampling") as advance:
            share = share_in_first(pipeline, areas, y, groups, first, resamples, cfg.seed, advance)
    by_weight = ions.pivot(index="compound", columns="mz", values="weight").to_numpy()
    values = {"weight": by_weight}
    if cfg.ranking.methods:
        steps = len(problem.folds.splits) + len(classes)
        with counter(steps, "ranking by other methods") as advance:
            values |= rank_by_all(pipeline, areas, y, problem.folds, cfg.seed, advance)
    methods = ranking_table(values, classes, mz)

    names = peaks.set_index("mz")["ion"]
    normalised = clone(pipeline[:1]).fit_transform(areas, y)
    told = evidence(
        mz, names.reindex(mz).fillna("").to_numpy(), classes, *intensities(normalised, y, groups)
    ).assign(in_first=share.ravel())
    columns = ["mz", "ion", "error_ppm", "confidence", "satellite_of"]
    ions = ions.merge(peaks[columns], on="mz", how="left").merge(told, on=["compound", "mz"])
    methods.insert(2, "ion", methods["mz"].map(names).to_numpy())
    return ions, methods, groups is not None


def read_published(path: str | None) -> "pd.DataFrame | None":
    """Read a published list of ions; None where none is named.

    Raises
    ------
    DataError
        It is not there, lacks a column, or names an ion that is no formula.
    """
    from ionprint.ions.formula import ion_mz

    if path is None:
        return None
    if not Path(path).is_file():
        raise DataError(f"dataset.published_ions={path}: there is no such file")
    listed = read_table(Path(path))
    missing = [c for c in PUBLISHED if c not in listed]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)}; expected {', '.join(PUBLISHED)}"
        )
    for line, ion in enumerate(listed["ion"], 2):
        try:
            ion_mz(ion)
        except FormulaError as exc:
            raise DataError(f"{path}, line {line}: {exc}") from exc
    return listed[PUBLISHED]


def _compared(
    cfg: "DictConfig", listed: "pd.DataFrame", ions: "pd.DataFrame", peaks: "pd.DataFrame"
) -> "pd.DataFrame":
    from ionprint.config import CHARGES
    from ionprint.models.published import find_published

    return find_published(listed, ions, peaks, cfg.ranking.first, CHARGES[cfg.dataset.polarity])


def _summary(
    compound: str, ions: "pd.DataFrame", published: "pd.DataFrame | None", first: int
) -> dict[str, Any]:
    """Return the numbers of one compound: what its first ions are worth."""
    own = ions[(ions["compound"] == compound) & (ions["rank"] <= first)]
    judged = (own["evidence"] != "").any()
    about: dict[str, Any] = {
        kind: int((own["evidence"] == kind).sum()) if judged else None
        for kind in ("specific", "compatible", "incompatible")
    }
    about["own_ions"] = int(own["own"].sum()) if judged else None
    about["own_ion"] = bool(own["own"].any()) if judged else None
    rows = None if published is None else published[published["compound"] == compound]
    if rows is not None and len(rows):
        about |= {"published_found": int(rows["found"].sum()), "published_total": len(rows)}
    return about


def _show(
    ions: "pd.DataFrame",
    summary: dict[str, dict],
    shared: "pd.DataFrame",
    first: int,
    source: str,
) -> None:
    """Print the first ion families of each compound, and a table of what they are worth."""
    from ionprint.models.families import families
    from ionprint.stages.terminal import print_table

    rows = []
    for compound, own in families(ions).groupby("compound"):
        told = [
            f"{r.mz:.4f} {r.ion}".strip() + (f" +{r.satellites}" if r.satellites else "")
            for r in own.head(SHOWN).itertuples()
        ]
        rows.append((compound, ", ".join(told)))
    print_table(
        f"First ions of each compound ({source} data)",
        ("compound", "m/z (u), ion, +n: with n isotope satellites"),
        rows,
    )
    columns = {}
    if any(about["own_ions"] is not None for about in summary.values()):
        columns = {"specific": "specific", "own_ions": "of its own", "incompatible": "incompatible"}
    if any("published_found" in about for about in summary.values()):
        columns["published_found"] = "published"
    rows = []
    for compound, about in summary.items():
        cells = ["-" if about.get(key) is None else str(about[key]) for key in columns]
        if about.get("published_total") is not None:
            cells[-1] += f" of {about['published_total']}"
        rows.append((compound, *cells, *map(str, shared.loc[compound])))
    numbers = (*columns.values(), *shared.columns)
    beside = f"; right: other methods' first {first}" if len(shared.columns) else ""
    print_table(
        f"Of the first {first} peaks of each compound ({source} data{beside})",
        ("compound", *numbers),
        rows,
        right=numbers,
    )
