"""The columns of an image brought onto a model's peaks."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ionprint.composition.alignment import matches
from ionprint.errors import ImageError
from ionprint.imaging.image import Image, sparse

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from ionprint.serving.model import Model


@dataclass(frozen=True, eq=False)
class Columns:
    """How counts of an image become areas on a model's peaks.

    Attributes
    ----------
    weights : csr_array, shape (n_columns, n_peaks)
        What one count in each column adds to each area.
    same : bool
        Whether the columns are the model's peaks, in their order.
    coverage : float
        Part of the references' signal that the image has a place for.
    left_out : ndarray
        m/z (u) of peaks of the image that the model does not have.
    scale : dict
        How well the mass scale fits: result, ions, error_ppm.
    total : ndarray, shape (n_columns,), or None
        Counts of each column over all pixels, which the scale was found in.
    """

    weights: "csr_array"
    same: bool
    coverage: float
    left_out: np.ndarray
    scale: dict[str, Any]
    total: np.ndarray | None = None

    def areas(self, counts: "np.ndarray | csr_array") -> "csr_array":
        """Return areas, shape (n_pixels, n_peaks).

        Where peaks overlap, a count may add to one and take from another, so that single areas may
        be below zero; sums over many pixels are those of the summed spectrum.
        """
        from scipy.sparse import csr_array

        counts = sparse(counts) if isinstance(counts, np.ndarray) else counts
        return counts if self.same else csr_array(counts @ self.weights)


def on_peaks(image: Image, model: "Model", total: np.ndarray | None) -> Columns:
    """Find how an image is brought onto a model's peaks.

    Spectra are calibrated and integrated as those that the model was trained on: the sum over all
    pixels has the counts that this takes. Finished peaks are paired by m/z.

    Parameters
    ----------
    image : Image
    model : Model
    total : ndarray, shape (n_columns,), or None
        Counts of each column over all pixels; not needed of finished peaks.

    Raises
    ------
    IonprintError
        Other polarity, a mass scale that cannot be calibrated, or too few of the model's peaks.
    """
    polarity = {"negative": -1, "positive": 1}.get(model.about.get("polarity"))
    if None not in (image.polarity, polarity) and image.polarity != polarity:
        names = {-1: "negative", 1: "positive"}
        raise ImageError(
            f"{image.path} holds {names[image.polarity]} ions, but the model was trained on "
            f"{names[polarity]} ones; name another with --model"
        )
    made = _of_peaks(image, model) if image.kind == "peaks" else _of_spectra(image, model, total)
    model.refuse_uncovered(made.coverage, str(image.path))
    return made


def _of_peaks(image: Image, model: "Model") -> Columns:
    from scipy.sparse import csr_array

    own, theirs = matches(model.mz, image.mz, float(model.about["align_ppm"]))
    weights = csr_array(
        (np.ones(own.size, np.float32), (theirs, own)), shape=(image.mz.size, model.mz.size)
    )
    off = image.mz[theirs] / model.mz[own] - 1
    error = float(np.sqrt(np.mean(off**2))) * 1e6 if own.size else None
    return Columns(
        weights,
        np.array_equal(theirs, np.arange(model.mz.size)) and own.size == image.mz.size,
        min(float(model.weight[own].sum()), 1.0),
        np.delete(image.mz, theirs),
        {"result": "peak list", "ions": int(own.size), "error_ppm": error},
    )


def _of_spectra(image: Image, model: "Model", total: np.ndarray | None) -> Columns:
    from scipy.sparse import csr_array

    from ionprint.spectra.reading import spectrum_of

    if model.method is None:
        raise ImageError(
            f"{image.path} holds spectra, but the model was trained on areas that were made "
            f"elsewhere and knows no way from one to the other; export the images of its peaks"
        )
    if total is None or not total.sum() > 0:
        raise ImageError(f"{image.path}: there are no counts in the image")
    raw = spectrum_of(image.mz, total, image.channel, Path(image.path).name)
    found = model.method.calibrate(raw)
    # the file may leave out channels
    bins = np.clip(raw.bin_at(np.sqrt(image.mz)).astype(np.intp), 0, raw.counts.size - 1)
    weights = csr_array(model.method.integrate.weights_of(found.spectrum))
    covered = float(model.weight[model.mz <= found.spectrum.end**2].sum())
    after = [row["error_after_ppm"] for row in found.rows if row["used"]]
    error = float(np.sqrt(np.mean(np.square(after)))) if after else None
    return Columns(
        csr_array(weights[bins].astype(np.float32)),
        False,
        min(covered, 1.0),
        np.zeros(0),
        {"result": found.result, "ions": found.scale.ions, "error_ppm": error},
        total,
    )
