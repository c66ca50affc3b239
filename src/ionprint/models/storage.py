"""A trained model on disk: skops, never pickle; what may be in it is our list, not the file's."""

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from ionprint.errors import DataError, ModelFileError
from ionprint.models.sealing import refuse_other_versions, seal, sealed
from ionprint.spectra.table import PeakTable, peak_names

FILE = "model.skops"
PACKAGES = ("ionprint", "scikit-learn", "numpy", "skops")
REFERENCES = "references.parquet"
"""The spectra it learned from, which mixtures are unmixed on."""
ALLOWED = [
    "ionprint.models.normalisation.PerDose",
    "ionprint.models.normalisation.ProbabilisticQuotient",
    "ionprint.models.normalisation.SumOfPeaks",
    "ionprint.models.normalisation.TotalCounts",
    "ionprint.models.pls.PLSDiscriminant",
    "ionprint.models.scaling.Log",
    "ionprint.models.scaling.Pareto",
    "ionprint.models.scaling.Poisson",
    "ionprint.models.scaling.Robust",
    "ionprint.models.scaling.SquareRoot",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.preprocessing._function_transformer.FunctionTransformer",
    "sklearn.tree._tree.Tree",
]
"""Types beyond those that skops trusts by itself; a model with any other is not loaded."""


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
    import yaml

    data = skops.io.dumps(model.pipeline)
    foreign = [t for t in skops.io.get_untrusted_types(data=data) if t not in ALLOWED]
    if foreign:
        raise ModelFileError(
            f"a pipeline with {', '.join(foreign)} cannot be saved safely: these types are not on "
            f"the list in ionprint/models/storage.py. Choose another model or scaling."
        )
    (folder / FILE).write_bytes(_same_bytes(data))
    versions = {"versions": {name: version(name) for name in PACKAGES}}
    about = {"classes": model.classes, **model.about, **versions}
    (folder / "model.yaml").write_text(
        yaml.safe_dump(about, sort_keys=False, allow_unicode=True), encoding="utf-8", newline="\n"
    )
    pd.DataFrame({"mz": model.columns}).to_csv(
        folder / "peaks.csv", index=False, lineterminator="\n"
    )
    seal(folder)


def load_model(folder: str | Path) -> TrainedModel:
    """Read what `save_model` wrote.

    Raises
    ------
    ModelFileError
        A file is missing, changed or damaged, holds a type that is not allowed in it, or was saved
        with another minor version of scikit-learn.
    """
    import skops.io
    import yaml
    from skops.io.exceptions import UntrustedTypesFoundException

    folder = Path(folder)
    files, _ = sealed(folder)
    try:
        about = yaml.safe_load(files["model.yaml"].read_text(encoding="utf-8"))
        refuse_other_versions(about, folder)
        mz = pd.read_csv(files["peaks.csv"])["mz"].to_numpy(dtype=float)
        pipeline = skops.io.loads(files[FILE].read_bytes(), trusted=ALLOWED)
    except ModelFileError:
        raise
    except UntrustedTypesFoundException as exc:
        raise ModelFileError(
            f"{folder / FILE} holds types that are not allowed in a model and is not loaded: {exc}"
        ) from exc
    except Exception as exc:  # a damaged archive raises whatever its readers stumble over
        raise ModelFileError(f"{folder}: the model is damaged ({exc}); train it again") from exc
    if not isinstance(pipeline, Pipeline) or not isinstance(about, Mapping):
        raise ModelFileError(f"{folder} holds no ionprint model; train it again")
    model = TrainedModel(pipeline, mz, dict(about))
    reads = getattr(pipeline, "n_features_in_", model.n_inputs)
    if reads != model.n_inputs:
        also = f" and model.yaml {model.dose_column!r}" if model.dose_column else ""
        raise ModelFileError(f"{folder}: peaks.csv has {len(mz)} peaks{also}, the model {reads}")
    return model


def load_references(folder: str | Path) -> PeakTable:
    """Read the spectra that a model learned from.

    Raises
    ------
    ModelFileError
        The file is missing or damaged.
    """
    path = Path(folder) / REFERENCES
    try:
        return PeakTable.read(path)
    except FileNotFoundError as exc:
        raise ModelFileError(f"{path} is not there; train with `ionprint train`") from exc
    except (OSError, ValueError) as exc:
        raise ModelFileError(f"{path} is damaged ({exc}); train again") from exc


def _same_bytes(data: bytes) -> bytes:
    """Rewrite a skops file so that the same model is the same bytes.

    skops names things by their place in memory and the zip by the time of day; both are replaced,
    the first by their order in the schema.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = archive.read("schema.json").decode()
        arrays = {n: archive.read(n) for n in archive.namelist() if n != "schema.json"}
    order: dict[str, str] = {}
    named = re.compile(r'("__id__": |"file": ")([0-9a-f-]+)')
    for _, name in named.findall(schema):
        order.setdefault(name, str(len(order) + 1))
    schema = named.sub(lambda m: m[1] + order[m[2]], schema)
    entries = {"schema.json": schema.encode()}
    for name, content in arrays.items():
        stem, _, ending = name.partition(".")
        entries[f"{order[stem]}.{ending}"] = content
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(entries):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), entries[name])
    return out.getvalue()
