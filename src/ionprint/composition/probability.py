"""The paper's reading: a classifier's probabilities taken as a qualitative composition."""

import pandas as pd

from ionprint.models.storage import TrainedModel
from ionprint.spectra.table import PeakTable


def read_spectra(model: TrainedModel, table: PeakTable) -> pd.DataFrame:
    """Return the probability of each compound for each spectrum.

    Parameters
    ----------
    table : PeakTable
        Mixtures and anodes, on the model's own peaks, with the primary ions in the sheet where the
        model divides by them.

    Returns
    -------
    DataFrame
        The sheet's columns without `compound`, then `p_<compound>`.
    """
    probabilities = model.probabilities(table.inputs(model.dose_column))
    samples = table.samples.drop(columns=["compound"])
    return pd.concat([samples.reset_index(drop=True), probabilities], axis=1)


def average_samples(spectra: pd.DataFrame) -> pd.DataFrame:
    """Average the spectra of each sample, as in the paper's Table 2.

    Parameters
    ----------
    spectra : DataFrame
        From `read_spectra`.

    Returns
    -------
    DataFrame
        sample, role, expected, source, spectra (how many), then the mean of each `p_<compound>`.
    """
    columns = [c for c in spectra if c.startswith("p_")]
    keys = ["sample", "role", "expected", "source"]
    grouped = spectra.groupby(keys, sort=False)
    means = grouped[columns].mean()
    return pd.concat([grouped.size().rename("spectra"), means], axis=1).reset_index()
