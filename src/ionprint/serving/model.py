"""A trained model complete in itself: from a spectrum as exported to what lies on the surface."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ionprint.composition.alignment import matches
from ionprint.composition.evidence import witnesses
from ionprint.composition.reader import Reader
from ionprint.composition.wording import holds, ion_text
from ionprint.errors import InputError, ModelFileError, UnsoundError
from ionprint.files import below, joined, read_arrays, write_arrays
from ionprint.models.linear import LinearModel
from ionprint.models.sealing import SHORT, Sealed, about_of, damaged, sealed
from ionprint.serving.given import Given, gather, refuse_relative
from ionprint.serving.soundness import refuse_unsound_arrays
from ionprint.spectra.extent import extent_by, unmeasured
from ionprint.spectra.method import Measured, Method
from ionprint.spectra.spectrum import LIGHTEST

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

    from ionprint.models.storage import TrainedModel
    from ionprint.spectra.table import PeakTable

FILE = "reading.npz"
"""All that a spectrum is read with beside the classifier."""
ANSWER = (
    *("name", "holds", "compounds", "alarm", "counts", "coverage", "scale", "beside"),
    *("warnings", "source", "model"),
)
"""What `Model.answer` says of a spectrum."""
KEPT = "kept"
ROWS = 10_000
"""Spectra classified at once."""
NAMED = 8
"""Ions named in a message, as many as fit into two lines."""


@dataclass(frozen=True)
class Areas:
    """One spectrum on the model's peaks.

    Attributes
    ----------
    areas, errors : ndarray, shape (n_peaks,)
        Counts and their standard errors; 0 where a given list has no such peak.
    mz, beside, beside_errors : ndarray, shape (n_more,)
        Peaks beside the model's (u), their counts and standard errors.
    coverage : float
        Part of the references' signal that there is a place for.
    scale : dict or None
        How well the mass scale fits: result, ions, error_ppm.
    ends : float or None
        m/z (u) behind which the spectrum has no rows or counts, though the model has peaks there.
    """

    areas: np.ndarray
    errors: np.ndarray
    mz: np.ndarray
    beside: np.ndarray
    beside_errors: np.ndarray
    coverage: float
    scale: dict[str, Any]
    ends: float | None = None


class Predictions(list):
    """Answers, a dict a spectrum, as `Model.predict` gives them."""

    def table(self) -> "pd.DataFrame":
        """Return a row a spectrum, with the columns of `outputs/composition/spectra.csv`."""
        import pandas as pd

        return pd.DataFrame([row_of(answer) for answer in self])

    def json(self) -> str:
        """Return all of it as JSON, as the server answers."""
        return to_json(list(self))


@dataclass(frozen=True)
class Model:
    """Everything a prediction needs.

    Attributes
    ----------
    about : dict
        What the model was made of: choices, hyperparameters, data set, versions.
    identity : dict
        name and version in the registry (None for a folder), and id, a hash of all its files.
    classifier : LinearModel or TrainedModel
    reader : Reader
    method : Method or None
        How an export becomes areas; None for a model of areas that were made elsewhere.
    mz : ndarray, shape (n_peaks,)
        u.
    ion : ndarray of str, shape (n_peaks,)
        Empty where it is not known.
    weight : ndarray, shape (n_peaks,)
        Of each peak in the references' signal; sums to 1.
    limit : ndarray, shape (n_peaks,)
        What scaled intensities of outliers are clipped at.
    """

    about: dict[str, Any]
    identity: dict[str, Any]
    classifier: "LinearModel | TrainedModel"
    reader: Reader
    method: Method | None
    mz: np.ndarray = field(repr=False)
    ion: np.ndarray = field(repr=False)
    weight: np.ndarray = field(repr=False)
    limit: np.ndarray = field(repr=False)

    @classmethod
    def of_folder(
        cls,
        folder: str | Path,
        name: str | None = None,
        version: str | None = None,
        registered: str | None = None,
    ) -> "Model":
        """Load a model that `ionprint train` wrote.

        Parameters
        ----------
        folder : str or Path
        name, version : str, optional
            Of the registry that the folder came from.
        registered : str, optional
            The id it must have.

        Raises
        ------
        ModelFileError
            A file is missing, changed or damaged, or another minor version of scikit-learn is
            here.
        """
        return cls.of_files(sealed(folder, registered), name, version)

    @classmethod
    def of_files(
        cls, files: Sealed, name: str | None = None, version: str | None = None
    ) -> "Model":
        """Load a model from files whose seal was checked, see `of_folder`."""
        identity = {"name": name, "version": version, "id": files.id[:SHORT]}
        about = about_of(files)
        if FILE not in files:
            raise ModelFileError(
                f"{files.folder} holds a classifier alone, as a sweep trains it: {FILE} is not "
                f"there. Train it with the same choices by `ionprint train`, or `dvc repro`"
            )
        try:
            arrays = read_arrays(files[FILE], FILE)
            refuse_unsound_arrays(arrays, about)
            linear, method = below(arrays, "classifier"), below(arrays, "method")
            model = cls(
                about,
                identity,
                LinearModel.of_arrays(linear) if linear else _fitted(files),
                Reader.of_arrays(below(arrays, "reader")),
                Method.of_arrays(method) if method else None,
                **below(arrays, "peaks"),
            )
            if not linear and not np.allclose(model.classifier.mz, model.mz, rtol=0, atol=1e-4):
                raise UnsoundError("its classifier reads other peaks")
        except ModelFileError:
            raise
        except Exception as exc:  # a damaged file raises whatever its readers stumble over
            raise damaged(files, exc) from exc
        return model

    @property
    def classes(self) -> list[str]:
        """The compounds it knows."""
        return list(self.about["classes"])

    @property
    def dose_column(self) -> str | None:
        """Name of the primary ions that it divides by; None: by none."""
        return self.about.get("dose_column")

    @property
    def source(self) -> str:
        """Where its references come from: simulated or measured."""
        return str(self.about["dataset"]["source"])

    def predict(self, spectra: Any) -> Predictions:
        """Read spectra; each by itself, so that an answer hangs on nothing else that is asked.

        Parameters
        ----------
        spectra : path, record, DataFrame or array, or a list of paths or records
            Exports and folders of them; tables of peak areas (`.csv`). Records with `export` (its
            text), or `mz` and `counts`, or `mz` and `area`, and if wanted `name`, `channel`,
            `primary_ions`, `pulses`; the same as rows of a DataFrame. A DataFrame with a column a
            peak (m/z with four decimals), or an array of areas on the model's own peaks, shape
            (n_spectra, n_peaks).

        Returns
        -------
        Predictions
            For each spectrum what `answer` returns.

        Raises
        ------
        IonprintError
            One cannot be read; nothing is answered.
        """
        return Predictions(map(self.answer, gather(spectra, self.mz, self.dose_column)))

    def answer(self, given: Given) -> dict[str, Any]:
        """Read one spectrum.

        Parameters
        ----------
        given : Given

        Returns
        -------
        dict
            Plain values: name; holds, in words; compounds, each with probability (of the
            classifier, qualitative), presence (score), present, fraction with the ends of its 90 %
            interval (low, high), proof and evidence ions; the alarm with its unexplained ions;
            counts, coverage, mass scale, peaks beside the model's, warnings, source, model.

        Raises
        ------
        IonprintError
            The spectrum cannot be brought onto the model's peaks, or its numbers are such that no
            finite answer comes out.
        """
        try:
            # a number that cannot be told says nothing of the surface, and its warning nothing
            with np.errstate(over="raise", divide="raise", invalid="raise"):
                return self._answer(given, self.areas_of(given))
        except (FloatingPointError, np.linalg.LinAlgError) as exc:
            field, counts = given.counts
            raise InputError(
                field,
                f"{counts[counts > 0].min():.3g} to {counts.max():.3g} in {given.name}, too far "
                f"apart to be read ({exc}); expected numbers of ions as they were measured",
            ) from exc

    def _answer(self, given: Given, measured: Areas) -> dict[str, Any]:
        counts = np.concatenate([measured.areas, measured.beside])[None]
        errors = np.concatenate([measured.errors, measured.beside_errors])[None]
        if not counts.sum() > 0:
            raise InputError(given.name, "no counts in any peak of the model, nothing to read")
        reader, n_peaks = self.reader, self.mz.size
        if counts.size > n_peaks:
            reader = reader.spread(np.arange(n_peaks), counts.size)
        reading = reader.read(counts)
        chances, clipped = self._probabilities(measured.areas, given, bool(reading.outlier[0]))
        low, high = reader.intervals.around(reading.fraction)
        mz = np.concatenate([self.mz, measured.mz])
        ion = np.concatenate([self.ion, np.full(measured.mz.size, "")])

        compounds: dict[str, Any] = {}
        for place, name in enumerate(reader.classes):
            compounds[name] = {
                "probability": _round(chances[place]),
                "presence": _round(reading.presence[0, place]),
                "present": bool(reading.present[0, place]),
                "fraction": _round(reading.fraction[0, place]),
                "low": _round(low[0, place]),
                "high": _round(high[0, place]),
                "proof": "",
                "evidence": [],
            }
        errors = np.maximum(errors, 1)
        for _, place, ions, verdict in witnesses(counts, errors, reading.present, reader.unmixing):
            said = compounds[reader.classes[place]]
            said["proof"] = verdict
            said["evidence"] = [
                {
                    "mz": _round(mz[one.peak], 4),
                    "ion": str(ion[one.peak]),
                    "side": one.side,
                    "strength": one.weight,
                    "counts": _round(one.counts, 2),
                    "above_background": _round(one.above_background, 3),
                    "above_others": _round(one.above_others, 3),
                }
                for one in ions
            ]
        outside = bool(reading.outside[0])
        unexplained = reader.unexplained(counts)[0] if outside else []
        answer = {
            "name": given.name,
            "holds": "",
            "compounds": compounds,
            "alarm": {
                "outside": outside,
                "p": _round(reading.p[0]),
                "distance": _round(reading.distance[0]),
                "unexplained": [_peak(mz[k], ion[k], counts[0, k]) for k in unexplained],
                "outlier": bool(reading.outlier[0]),
                "outlier_p": _round(reading.outlier_p[0]),
                "clipped": [_peak(mz[k], ion[k], counts[0, k]) for k in clipped],
            },
            "counts": _round(counts.sum(), 2),
            "coverage": _round(measured.coverage),
            "scale": measured.scale,
            "beside": [_peak(m, "", c) for m, c in zip(measured.mz, measured.beside, strict=True)],
            "warnings": self._warnings(measured, given),
            "source": given.source,
            "model": {**self.identity, "source": self.source},
        }
        answer["holds"] = holds(_row_of_compounds(answer) | _row_of_alarm(answer), reader.classes)
        return answer

    def probabilities(
        self, counts: "np.ndarray | csr_array", primary_ions: float | None = None
    ) -> np.ndarray:
        """Return the probability of each compound in many spectra at once: `LinearModel.of_counts`.

        Parameters
        ----------
        counts : ndarray or csr_array, shape (n_spectra, n_peaks)
            On the model's peaks.
        primary_ions : float, optional
            Of each spectrum.
        """
        if isinstance(self.classifier, LinearModel):
            return self.classifier.of_counts(counts, primary_ions)
        found = np.full((counts.shape[0], len(self.classes)), np.nan, np.float32)
        for start in range(0, counts.shape[0], ROWS):
            some = counts[start : start + ROWS]
            some = some if isinstance(some, np.ndarray) else some.toarray()
            if self.dose_column:
                if primary_ions is None:
                    raise InputError("primary_ions", f"missing: {self.dose_column} of each pixel")
                some = np.hstack([some, np.full((len(some), 1), primary_ions)])
            seen = some.sum(axis=1) > 0
            if seen.any():
                scaled = self.classifier.scaled(some[seen].astype(float))
                found[start : start + len(some)][seen] = self.classifier.classified(scaled)
        return found

    def areas_of(self, given: Given) -> Areas:
        """Bring a spectrum onto the model's peaks.

        Raises
        ------
        IonprintError
            Its scale cannot be calibrated, too few of the model's peaks are there, or what it
            holds are no counts.
        """
        none = np.zeros(0)
        refuse_relative(given)
        if given.spectrum is None:
            return self._aligned(given)
        if self.method is None:
            raise InputError(
                given.name,
                "a spectrum, but this model was trained on areas that were made elsewhere and "
                "knows no way from one to the other; give the peaks, `mz` with `area`",
            )
        found = self.method.measure(given.spectrum, given.pulses)
        result, beside = found.calibrated.result, found.unlisted
        scale = {
            "result": result,
            "ions": found.calibrated.scale.ions,
            "error_ppm": None if result == KEPT else _round(found.rms_ppm, 2),
        }
        missing, ends = self._unmeasured(found, given.name)
        covered = 1.0 - float(self.weight[missing].sum())
        self.refuse_uncovered(covered, given.name)
        parts = beside.mz, beside.areas, beside.errors
        if result == KEPT:  # they may be the model's own on a scale that is off
            parts = none, none, none
        return Areas(found.areas, found.errors, *parts, covered, scale, ends)

    def _unmeasured(self, found: Measured, name: str) -> tuple[np.ndarray, float | None]:
        """Return which peaks lie behind the end of a spectrum, and where that is (u)."""
        shares = self.reader.unmixing.members[:, : self.mz.size]
        spectrum = found.calibrated.spectrum
        extents = extent_by(shares, self.mz, self.method.width, found.areas, spectrum)
        below, above = unmeasured(extents, self.mz)
        self._refuse_below(below, float(extents[0] ** 2), name)
        return above, float(extents[1] ** 2) if above.any() else None

    def _refuse_below(self, below: np.ndarray, begins: float, name: str) -> None:
        """Raise InputError where the model has ions below what was measured."""
        if below.any():
            raise InputError(
                name,
                f"begins at m/z {begins:.2f}, above {below.sum()} ions of this model, "
                f"which would be taken as zero: {self._named(below)}. Export it from m/z "
                f"{max(self.mz[0] - 0.5, LIGHTEST):.1f} on, with the rows without counts; or "
                f"train a model on references that begin where it does",
            )

    def _named(self, peaks: np.ndarray) -> str:
        """Return the ions of some peaks, those that weigh most first."""
        order = np.flatnonzero(peaks)
        order = order[np.argsort(-self.weight[order], kind="stable")]
        told = ", ".join(ion_text(self.mz[k], str(self.ion[k])) for k in order[:NAMED])
        return told + (f" and {order.size - NAMED} more" if order.size > NAMED else "")

    def _aligned(self, given: Given) -> Areas:
        near = float(self.about["align_ppm"])
        if np.array_equal(given.mz, self.mz):
            own = theirs = np.arange(self.mz.size)
        else:
            own, theirs = matches(self.mz, given.mz, near)
        covered = float(self.weight[own].sum())
        self.refuse_uncovered(covered, given.name)
        begins = float(given.mz[0])
        self._refuse_below(self.mz < begins * (1 - near * 1e-6), begins, given.name)
        areas = np.zeros(self.mz.size)
        areas[own] = given.areas[theirs]
        beside = np.delete(given.areas, theirs)
        off = given.mz[theirs] / self.mz[own] - 1
        error = float(np.sqrt(np.mean(off**2))) * 1e6
        return Areas(
            areas,
            np.sqrt(areas),
            np.delete(given.mz, theirs),
            beside,
            np.sqrt(beside),
            min(covered, 1.0),
            {"result": "peak list", "ions": int(own.size), "error_ppm": _round(error, 2)},
        )

    def refuse_uncovered(self, covered: float, name: str) -> None:
        """Raise InputError where too few of the model's peaks are there.

        Parameters
        ----------
        covered : float
            Part of the references' signal that there is a place for.
        name : str
            Of what is to be read.
        """
        least = float(self.about["coverage"])
        if covered < least:
            raise InputError(
                name,
                f"has peaks for {covered:.0%} of the references' signal, expected {least:.0%} or "
                f"more. Was it cut at a lower m/z, badly calibrated, or measured in the other "
                f"polarity? Integrate it on the model's own peaks",
            )

    def _probabilities(
        self, areas: np.ndarray, given: Given, outlier: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities, of an outlier those of what was clipped, and its peaks."""
        inputs = areas[None]
        if self.dose_column:
            if given.primary_ions is None:
                raise InputError(
                    "primary_ions",
                    f"missing for {given.name}: this model divides by the primary ions of each "
                    f"spectrum ({self.dose_column})",
                )
            inputs = np.append(inputs, [[given.primary_ions]], axis=1)
        scaled = self.classifier.scaled(inputs)
        clipped = np.flatnonzero(outlier & (scaled > self.limit)[0])
        if outlier:
            scaled = np.minimum(scaled, self.limit)
        return self.classifier.classified(scaled)[0], clipped

    def _warnings(self, measured: Areas, given: Given) -> list[str]:
        found = []
        if measured.scale["result"] == KEPT:
            found.append(
                "the bins are too wide to calibrate the mass scale: the export's own is taken"
            )
        if measured.ends is not None:
            found.append(f"nothing was measured from m/z {measured.ends:.2f} on")
        if measured.coverage < 1:
            found.append(
                f"peaks for {measured.coverage:.1%} of the references' signal; missing ones count "
                f"as zero"
            )
        if given.source == "measured" and self.source == "simulated":
            found.append("measured spectrum, but the model's references are simulated")
        return found


def _fitted(files: Sealed) -> "TrainedModel":
    """Load a classifier that arrays alone cannot hold, which takes scikit-learn."""
    from ionprint.models.storage import load_model

    return load_model(files)


def save_reading(
    folder: Path,
    model: "TrainedModel",
    reader: Reader,
    method: Method | None,
    references: "PeakTable",
    ion: np.ndarray,
    truncation: float,
) -> None:
    """Write what `Model` needs beside the classifier; the folder is to be sealed afterwards.

    Parameters
    ----------
    folder : Path
    model : TrainedModel
    reader : Reader
    method : Method or None
    references : PeakTable
        What both learned from.
    ion : ndarray of str, shape (n_peaks,)
    truncation : float
        Outliers are clipped at this multiple of the references' range.
    """
    from ionprint.composition.alignment import signal_weight
    from ionprint.composition.probability import limits

    linear = LinearModel.of(model.pipeline)
    parts = {
        "peaks": {
            "mz": model.mz,
            "ion": ion.astype(str),
            "weight": signal_weight(references),
            "limit": limits(model, references, truncation),
        },
        "reader": reader.arrays(),
        "method": method.arrays() if method else {},
        "classifier": linear.arrays() if linear else {},
    }
    write_arrays(joined(parts), folder / FILE)


def row_of(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer as one row of a table.

    Returns
    -------
    dict
        name, holds, counts, coverage; p_, presence_, present_, fraction_ with _low and _high, and
        proof_ of each compound; evidence_, its strong and weak ions; alarm and its numbers as in
        `outputs/composition/spectra.csv`; beside, scale, error_ppm, warnings, source, model.
    """
    row = {key: answer[key] for key in ("name", "holds", "counts", "coverage")}
    row |= _row_of_compounds(answer)
    for name, said in answer["compounds"].items():
        proving = [e for e in said["evidence"] if e["strength"] in ("strong", "weak")]
        row |= {f"proof_{name}": said["proof"], f"evidence_{name}": _ions(proving)}
    alarm, told = answer["alarm"], _row_of_alarm(answer)
    row |= {
        "alarm": "outside" if alarm["outside"] else "inside",
        "distance": alarm["distance"],
        "alarm_p": alarm["p"],
        "unexplained": told["unexplained"],
        "outlier": alarm["outlier"],
        "outlier_p": alarm["outlier_p"],
        "clipped": len(alarm["clipped"]),
        "beside": _ions(answer["beside"]),
        "scale": answer["scale"]["result"],
        "error_ppm": answer["scale"]["error_ppm"],
        "warnings": "; ".join(answer["warnings"]),
        "source": answer["source"],
    }
    model = answer["model"]
    return row | {"model": f"{model['name']}/{model['version']}" if model["name"] else model["id"]}


def _row_of_compounds(answer: dict[str, Any]) -> dict[str, Any]:
    row = {}
    for name, said in answer["compounds"].items():
        row |= {
            f"p_{name}": said["probability"],
            f"presence_{name}": said["presence"],
            f"present_{name}": said["present"],
            f"fraction_{name}": said["fraction"],
            f"fraction_{name}_low": said["low"],
            f"fraction_{name}_high": said["high"],
        }
    return row


def _row_of_alarm(answer: dict[str, Any]) -> dict[str, Any]:
    alarm = answer["alarm"]
    return {"outside": float(alarm["outside"]), "unexplained": _ions(alarm["unexplained"])}


def to_json(value: Any) -> str:
    """Return JSON, the same text for the same answer wherever it is given."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _ions(ions: list[dict[str, Any]]) -> str:
    return ", ".join(ion_text(one["mz"], one["ion"]) for one in ions)


def _peak(mz: float, ion: str, counts: float) -> dict[str, Any]:
    return {"mz": _round(mz, 4), "ion": str(ion), "counts": _round(counts, 2)}


def _round(value: float, digits: int = 6) -> float:
    """Round to what a number means; adding 0 turns -0.0 into 0.0.

    Raises
    ------
    FloatingPointError
        There is no such number: JSON has none, and no reader could use it.
    """
    if not math.isfinite(value):
        raise FloatingPointError(f"{value} came out")
    return round(float(value), digits) + 0.0
