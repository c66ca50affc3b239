"""The paper's reading: a classifier's probabilities taken as a qualitative composition."""

import numpy as np
import pandas as pd

from ionprint.models.storage import TrainedModel
from ionprint.spectra.table import PeakTable

CLIPPED = ["file", "sample", "mz", "counts", "scaled", "limit"]


def probabilities(model: TrainedModel, table: PeakTable) -> pd.DataFrame:
    """Return the probability of each compound for each spectrum, columns `p_<compound>`.

    Parameters
    ----------
    model : TrainedModel
    table : PeakTable
        Mixtures and anodes, on the model's own peaks, with the primary ions in the sheet where the
        model divides by them.
    """
    return model.probabilities(table.inputs(model.dose_column))


def limits(model: TrainedModel, references: PeakTable, multiple: float) -> np.ndarray:
    """Return what scaled intensities of outliers are clipped at, shape (n_peaks,).

    Parameters
    ----------
    model : TrainedModel
    references : PeakTable
        What the model learned from.
    multiple : float
        See `truncated`.
    """
    known = model.scaled(references.inputs(model.dose_column))
    lowest, highest = known.min(axis=0), known.max(axis=0)
    return lowest + multiple * (highest - lowest)


def truncated(
    model: TrainedModel, table: PeakTable, references: PeakTable, multiple: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return probabilities with intensities clipped to the range of the references.

    Parameters
    ----------
    model : TrainedModel
    table : PeakTable
        Outliers, on the model's own peaks.
    references : PeakTable
        What the model learned from.
    multiple : float
        An ion is clipped at lowest + multiple x (highest - lowest) of its scaled intensities in the
        references.

    Returns
    -------
    probabilities : DataFrame
        Columns `p_<compound>`.
    clipped : DataFrame
        One row an ion that was clipped: file, sample, mz (u), counts, its scaled intensity, and the
        limit set for it.

    Notes
    -----
    After Zhao, Otto et al. 2023, section S10, which truncates an outlier by hand.
    """
    if table.samples.empty:
        return probabilities(model, table), pd.DataFrame(columns=CLIPPED)
    limit = limits(model, references, multiple)
    scaled = model.scaled(table.inputs(model.dose_column))
    over = scaled > limit
    found = model.classified(np.minimum(scaled, limit))
    rows, peaks = np.nonzero(over)
    clipped = pd.DataFrame(
        {
            "file": table.column("file")[rows],
            "sample": table.column("sample")[rows],
            "mz": table.mz[peaks],
            "counts": table.areas[rows, peaks],
            "scaled": scaled[rows, peaks],
            "limit": limit[peaks],
        },
        columns=CLIPPED,
    )
    return pd.DataFrame(found, columns=[f"p_{c}" for c in model.classes]), clipped
