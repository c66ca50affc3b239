"""A trained model on disk: skops, never pickle; what may be in it is our list, not the file's."""

import io
import re
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from ionprint.errors import DataError, ModelFileError, UnsoundError
from ionprint.files import NPY, refuse_unlike_header, unpacked, write_yaml
from ionprint.models.parts import TYPES
from ionprint.models.sealing import ABOUT, LONGEST, Sealed, about_of, damaged, seal, sealed
from ionprint.models.soundness import refuse_unsound, sound_trees
from ionprint.spectra.table import PeakTable, peak_names

FILE = "model.skops"
PACKAGES = ("ionprint", "scikit-learn", "numpy", "skops")
REFERENCES = "references.parquet"
"""The spectra it learned from, which mixtures are unmixed on."""
MOST_VALUES = 1 << 27
"""Cells of a table of references: 1 GB of numbers."""


@dataclass(frozen=True)
class TrainedModel:
    """A fitted pipeline with what it needs to be used.

    Attributes
    ----------
    pipeline : sklearn.pipeline.Pipeline
    mz : ndarray, shape (n_peaks,)
        m/z of the peaks it reads (u), in order.
    about : dict
        Choices, hyperparameters, data set, versions: plain values. `dose_column` names the column
        of primary ions, where the model divides by them.
    """

    pipeline: Pipeline
    mz: np.ndarray
    about: dict[str, Any]

    @property
    def columns(self) -> list[str]:
        """Names of the peak columns it reads, in order."""
        return peak_names(self.mz)

    @property
    def dose_column(self) -> str | None:
        """The sample sheet's column of primary ions that it divides by; None: by none."""
        return self.about.get("dose_column")

    @property
    def n_inputs(self) -> int:
        """How many columns it reads: the peaks, and last the primary ions if it divides by them."""
        return len(self.mz) + bool(self.dose_column)

    @property
    def classes(self) -> list[str]:
        """The compounds it knows, in the order of its probabilities."""
        return [str(c) for c in self.pipeline.classes_]

    def probabilities(self, areas: np.ndarray) -> pd.DataFrame:
        """Return the probability of each compound.

        Parameters
        ----------
        areas : ndarray, shape (n, n_inputs)
            Peak areas (counts), and last the primary ions where the model divides by them.

        Returns
        -------
        DataFrame
            One column `p_<compound>` each; rows sum to 1.

        Raises
        ------
        DataError
            Peaks or the primary ions are missing, or an area is not a count.
        """
        areas = np.asarray(areas, dtype=float)
        if areas.ndim != 2 or areas.shape[1] != self.n_inputs:
            also = f", the last being {self.dose_column}" if self.dose_column else ""
            raise DataError(f"areas of shape {areas.shape}, expected (n, {self.n_inputs}){also}")
        if not (np.isfinite(areas).all() and (areas >= 0).all()):
            raise DataError("peak areas must be counts: finite and not negative")
        # scikit-learn refuses a table without rows
        none = np.empty((0, len(self.classes)))
        found = self.pipeline.predict_proba(areas) if len(areas) else none
        return pd.DataFrame(found, columns=[f"p_{c}" for c in self.classes])

    def scaled(self, inputs: np.ndarray) -> np.ndarray:
        """Return normalised and scaled intensities, shape (n, n_peaks), of `inputs`."""
        return self.pipeline[:-1].transform(inputs)

    def classified(self, scaled: np.ndarray) -> np.ndarray:
        """Return the probability of each compound, shape (n, n_classes), of what was scaled."""
        return self.pipeline[-1].predict_proba(scaled)


def save_model(model: TrainedModel, folder: Path) -> None:
    """Write `model.skops`, `model.yaml` and `peaks.csv` into a folder, and seal it.

    `SHA256SUMS` then names every file of the folder; one that changes later is not read.

    Raises
    ------
    ModelFileError
        The pipeline holds a type that `load_model` would refuse.
    """
    import skops.io

    data = skops.io.dumps(model.pipeline)
    try:
        refuse_unsound(model.pipeline, model.n_inputs)
        foreign = [t for t in skops.io.get_untrusted_types(data=data) if t not in TYPES]
        if foreign:
            raise UnsoundError(f"it holds {', '.join(foreign)}")
    except UnsoundError as exc:
        raise ModelFileError(
            f"the pipeline cannot be saved safely: {exc}. What may be in a model is listed in "
            f"ionprint/models/parts.py. Choose another model or scaling."
        ) from exc
    (folder / FILE).write_bytes(_same_bytes(data))
    versions = {"versions": {name: version(name) for name in PACKAGES}}
    write_yaml({"classes": model.classes, **model.about, **versions}, folder / ABOUT)
    pd.DataFrame({"mz": model.columns}).to_csv(
        folder / "peaks.csv", index=False, lineterminator="\n"
    )
    seal(folder)


def load_model(folder: str | Path | Sealed) -> TrainedModel:
    """Read what `save_model` wrote.

    Raises
    ------
    ModelFileError
        A file is missing, changed or damaged, holds a type that is not allowed in it or values that
        cannot be, or was saved with another minor version of scikit-learn.
    """
    files = folder if isinstance(folder, Sealed) else sealed(folder)
    about = about_of(files)
    try:
        mz = pd.read_csv(io.BytesIO(files["peaks.csv"]))["mz"].to_numpy(dtype=float)
        pipeline = _pipeline(files)
    except ModelFileError:
        raise
    except Exception as exc:  # a damaged archive raises whatever its readers stumble over
        raise damaged(files, exc) from exc
    model = TrainedModel(pipeline, mz, about)
    reads = getattr(pipeline, "n_features_in_", model.n_inputs)
    if reads != model.n_inputs:
        also = f" and model.yaml {model.dose_column!r}" if model.dose_column else ""
        raise ModelFileError(
            f"{files.folder}: peaks.csv has {len(mz)} peaks{also}, the model {reads}"
        )
    try:
        refuse_unsound(pipeline, model.n_inputs)
        refuse_unlike_peaks(mz)
        if model.classes != about["classes"]:
            raise UnsoundError(f"it knows {model.classes}, {ABOUT} says {about['classes']}")
    except (UnsoundError, DataError) as exc:
        raise damaged(files, exc) from exc
    return model


def load_references(folder: str | Path | Sealed) -> PeakTable:
    """Read the spectra that a model learned from.

    Raises
    ------
    ModelFileError
        A file of the model is missing, changed or damaged.
    """
    from pyarrow import parquet

    files = folder if isinstance(folder, Sealed) else sealed(folder)
    content = files[REFERENCES]
    try:
        about = parquet.read_metadata(io.BytesIO(content))
        if (cells := about.num_rows * about.num_columns) > MOST_VALUES:
            raise DataError(f"{cells:,} cells, expected {MOST_VALUES:,} at most")
        return PeakTable.read(io.BytesIO(content))
    except Exception as exc:
        path = files.folder / REFERENCES
        raise ModelFileError(f"{path} is damaged ({str(exc)[:LONGEST]}); train again") from exc


def _pipeline(files: Sealed) -> Pipeline:
    """Return the pipeline in a model's folder, of the types on our list alone."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    content = files[FILE]
    for name, data in unpacked(content, str(files.folder / FILE)).items():
        if name.endswith(NPY):
            refuse_unlike_header(data)
        elif name != SCHEMA:
            raise UnsoundError(f"{FILE} holds {name[:60]!r}, expected {SCHEMA} and arrays")
    try:
        with sound_trees():
            pipeline = skops.io.loads(content, trusted=TYPES)
    except UntrustedTypesFoundException as exc:
        raise ModelFileError(
            f"{files.folder / FILE} holds types that are not allowed in a model and is not loaded: "
            f"{exc}"
        ) from exc
    if not isinstance(pipeline, Pipeline):
        raise ModelFileError(f"{files.folder} holds no ionprint model; train it again")
    return pipeline


def refuse_unlike_peaks(mz: np.ndarray) -> None:
    """Raise DataError where these cannot be the m/z (u) of peaks: rising and above 0."""
    if not (mz.ndim == 1 and mz.size and np.isfinite(mz).all() and mz[0] > 0):
        raise DataError("m/z of the peaks: expected finite numbers above 0")
    if not (np.diff(mz) > 0).all():
        raise DataError("m/z of the peaks do not rise")


SCHEMA = "schema.json"


def _same_bytes(data: bytes) -> bytes:
    """Rewrite a skops file so that the same model is the same bytes.

    skops names things by their place in memory and the zip by the time of day; both are replaced,
    the first by their order in the schema.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = archive.read(SCHEMA).decode()
        arrays = {n: archive.read(n) for n in archive.namelist() if n != SCHEMA}
    order: dict[str, str] = {}
    named = re.compile(r'("__id__": |"file": ")([0-9a-f-]+)')
    for _, name in named.findall(schema):
        order.setdefault(name, str(len(order) + 1))
    schema = named.sub(lambda m: m[1] + order[m[2]], schema)
    entries = {SCHEMA: schema.encode()}
    for name, content in arrays.items():
        stem, _, ending = name.partition(".")
        entries[f"{order[stem]}.{ending}"] = content
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(entries):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), entries[name])
    return out.getvalue()
