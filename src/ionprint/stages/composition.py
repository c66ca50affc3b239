"""Read what mixtures and anodes hold."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.files import fresh_folder, read_table, required, write_json, write_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from omegaconf import DictConfig

    from ionprint.composition.reader import Reader
    from ionprint.models.storage import TrainedModel
    from ionprint.spectra.table import PeakTable
    from ionprint.stages.results import ResultFiles

DIGITS = 4


def run(cfg: "DictConfig", probability_only: bool = False) -> None:
    """Read every mixture and anode and write `composition/`.

    Parameters
    ----------
    cfg : DictConfig
        Uses `outputs`, `peaks`, `dataset.polarity`, `spectra.align_ppm`, `composition`, `seed`.
    probability_only : bool, optional
        Leave out the readings that do not depend on the classifier, as in a sweep over classifiers.
    """
    import numpy as np
    import pandas as pd

    from ionprint.composition.probability import probabilities
    from ionprint.composition.tables import samples_table
    from ionprint.serving.model import Model
    from ionprint.stages.results import ResultFiles

    required(Path(cfg.peaks) / "peak_table.parquet", "peaks")
    results = ResultFiles(cfg)
    model = results.model
    references, table, covered = load_tables(cfg, results)
    tables: dict[str, pd.DataFrame] = {}
    about: dict[str, Any] = {"coverage": round(covered, 4)}
    known = table.on(model.mz)
    spectra = table.samples.drop(columns="compound").assign(coverage=covered)
    spectra = pd.concat([spectra, probabilities(model, known)], axis=1)
    if not probability_only and len(spectra):
        reader = Model.of_files(results.model_files).reader
        places = np.searchsorted(table.mz, model.mz)
        reader = reader.spread(places, table.mz.size)
        spectra, tables = readings(cfg, model, reader, references, table, spectra)
        about |= {
            "classes": reader.classes,
            "presence_thresholds": [round(float(t), 4) for t in reader.presence.thresholds],
            "false_alarms": round(reader.false_alarms, 4),
            "pellets": reader.alarm.unexplained.pellets,
        }
    samples = samples_table(spectra, tables.get("evidence"))
    tables = {"spectra": spectra, "samples": samples, **tables}
    with fresh_folder(Path(cfg.outputs) / "composition") as out:
        for name, frame in tables.items():
            if name == "explained":
                frame.to_parquet(out / "explained.parquet", index=False, compression="zstd")
            else:
                write_table(frame, out / f"{name}.csv", DIGITS)
        write_json(about, out / "reader.json")
    _tell(tables, covered, table.source)


def load_tables(cfg: "DictConfig", results: "ResultFiles") -> "tuple[PeakTable, PeakTable, float]":
    """Return references, spectra to read, both on the same peaks, and the coverage.

    Raises
    ------
    DataError
        A spectrum holds no counts, the spectra end at a lower m/z than the references, or too
        little of the references' signal has a peak.
    ConfigError
        The model was trained on ions of the other polarity.
    """
    from ionprint.composition.alignment import align, coverage, refuse_uncovered
    from ionprint.composition.reader import refuse_empty
    from ionprint.errors import ConfigError, DataError

    path = Path(cfg.peaks) / "peak_table.parquet"
    table = results.peak_table.of_role("mixture", "anode")
    references, trained = results.references, results.about_model
    polarity = trained["polarity"]
    if polarity != cfg.dataset.polarity:
        raise ConfigError(
            f"{cfg.outputs}/model was trained on {polarity} ions, dataset.polarity is "
            f"{cfg.dataset.polarity}: give spectra of the same polarity, or train again"
        )
    ends, needed = (about["mz_max"] for about in (results.dataset, trained["dataset"]))
    if ends < needed:
        raise DataError(
            f"the spectra in {path} were searched up to m/z {ends:g}, the references of "
            f"{cfg.outputs}/model up to {needed:g}: what lies above would count as missing. Search "
            f"them with dataset.mz_max={needed:g}, or train on references up to {ends:g}"
        )
    refuse_empty(table.areas, table.column("file"))
    covered = coverage(references, table.mz, cfg.spectra.align_ppm)
    refuse_uncovered(covered, cfg.composition.coverage, str(path))
    return *align(references, table, cfg.spectra.align_ppm), covered


def readings(
    cfg: "DictConfig",
    model: "TrainedModel",
    reader: "Reader",
    references: "PeakTable",
    table: "PeakTable",
    spectra: "pd.DataFrame",
) -> "tuple[pd.DataFrame, dict[str, pd.DataFrame]]":
    """Return the table of spectra with all readings, and the tables beside it by name."""
    import numpy as np
    import pandas as pd

    from ionprint.composition import depth
    from ionprint.composition.alignment import names_of
    from ionprint.composition.probability import truncated
    from ionprint.composition.profile import components
    from ionprint.composition.references import References
    from ionprint.composition.regression import Regressions
    from ionprint.composition.sputtering import artefacts
    from ionprint.composition.tables import (
        evidence_table,
        explained_table,
        profile_table,
        readings_table,
    )
    from ionprint.stages.progress import counter

    named = read_table(Path(cfg.peaks) / "peaks.csv")
    names = names_of(table.mz, named, cfg.spectra.align_ppm)
    reading = reader.read(table.areas)
    known = References.of_table(references, model.about["group"])
    with counter(Regressions.STEPS, "learning amounts by regression") as advance:
        number = cfg.composition.pseudo_mixtures
        regressions = Regressions(known, number, cfg.seed, advance)
    read = readings_table(table, reader, reading, names, regressions)
    spectra = pd.concat([spectra, read], axis=1)

    outliers = np.flatnonzero(reading.outlier)
    found, clipped = truncated(
        model,
        table.rows(outliers).on(model.mz),
        references.on(model.mz),
        cfg.composition.truncation,
    )
    spectra.loc[outliers, found.columns] = found.to_numpy()
    spectra["clipped"] = spectra["file"].map(clipped["file"].value_counts()).fillna(0).astype(int)
    ions = clipped["mz"].map(dict(zip(table.mz, names, strict=True)))
    clipped.insert(clipped.columns.get_loc("mz") + 1, "ion", ions)

    everything = np.vstack([references.areas, table.areas])
    with counter(1, "unsupervised components"):  # a single call, which tells no steps
        amounts, spectra_of, matches = components(everything, known, cfg.seed)
    for place, compound in enumerate(reader.classes):
        spectra[f"nmf_{compound}"] = amounts[len(references.areas) :, place]
    errors = area_errors(cfg, references, table)
    with counter(int(reading.present.sum()), "evidence") as advance:
        evidence = evidence_table(table, errors, reader, reading.present, names, advance)
    tables = {
        "clipped": clipped,
        "evidence": evidence,
        "profile": profile_table(spectra_of, matches, table.mz, names),
        "explained": explained_table(table, reader, reading, names),
    }
    profiles = depth.find_profiles(spectra)
    if profiles:
        tables["depth"] = pd.concat([depth.smooth(p) for p in profiles])
        tables["depth_changes"] = pd.concat([depth.changes(p) for p in profiles])
        tables["depth_artefacts"] = pd.concat([artefacts(p) for p in profiles])
    return spectra, tables


def area_errors(cfg: "DictConfig", references: "PeakTable", table: "PeakTable") -> "np.ndarray":
    """Return the standard errors of the areas (counts), those of counting where none were kept."""
    import numpy as np
    import pandas as pd

    from ionprint.composition.alignment import align
    from ionprint.spectra.table import PeakTable, peak_names, read_mz

    path = Path(cfg.peaks) / "area_errors.parquet"
    if not path.exists():
        return np.sqrt(np.maximum(table.areas, 1))
    mz = read_mz(path)
    frame = pd.read_parquet(path).set_index("file").loc[table.column("file"), peak_names(mz)]
    own = PeakTable(table.samples, mz, frame.to_numpy(dtype=float))
    errors = align(references, own, cfg.spectra.align_ppm)[1].on(table.mz).areas
    return np.maximum(errors, 1)


def _tell(tables: "dict[str, pd.DataFrame]", covered: float, source: str) -> None:
    """Print a row a sample: what it holds, or the two largest probabilities."""
    from ionprint.composition.wording import holds
    from ionprint.stages.terminal import print_table

    spectra, samples = tables["spectra"], tables["samples"]
    compounds = [c.removeprefix("p_") for c in samples if c.startswith("p_")]
    read = "evidence" in tables
    rows = []
    for row in samples.to_dict("records"):
        if read:
            outside = f"{round(row['outside'] * row['spectra'])} of {row['spectra']} spectra"
            told = [holds(row, compounds), outside]
        else:
            largest = sorted(compounds, key=lambda c: -row[f"p_{c}"])[:2]
            told = [", ".join(f"{c} {row[f'p_{c}']:.2f}" for c in largest)]
        rows.append([str(row["sample"]), *told, row["expected"]])
    headings = ["sample", *(["holds", "alarm"] if read else ["probability"]), "expected"]
    of = f"{len(samples)} mixtures and anodes, {len(spectra)} spectra"
    print_table(f"Composition of {of} ({source} data)", headings, rows)
    if covered < 1:
        print(f"peaks for {covered:.1%} of the references' signal; missing ones count as zero")
    for kind in ("depth_changes", "depth_artefacts"):
        for row in tables[kind].itertuples() if kind in tables else ():
            print(f"{row.sample}: {row.text}")
