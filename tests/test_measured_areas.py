"""Areas against the counts that the authors of measured spectra published for the same ions.

Data: Laurent et al., Analytical Chemistry (2024), ruthenium-based alloys, negative ions.
"""

import numpy as np
import pandas as pd
import pytest

from ionprint.cli import main
from ionprint.spectra.table import PeakTable

from .conftest import ALLOYS

COUNTS = ALLOYS.with_name("published_ion_counts.csv")
PATTERN = "{polarity}_{compound}_{primary_ion}_{spot}.txt"
IONS = {"H": 1, "OH": 17, "Cl": 35, "O2": 32, "CH3": 15}
"""Nominal masses (u)."""
RATIO = (0.97, 1.04)


@pytest.fixture(scope="module")
def spectra(unpacked_alloys):
    folder = unpacked_alloys()
    if not COUNTS.is_file():
        pytest.skip(f"{COUNTS} is not there")
    assert main(["samples", str(folder), "--pattern", PATTERN]) == 0
    return folder


def published():
    """Return the authors' counts by sample, primary ion and replicate."""
    counts = pd.read_csv(COUNTS, dtype={"replicat": str})
    return counts.set_index(["sample_name", "primary_ion", "replicat"])


def test_areas_agree_with_the_published_counts(project, spectra):
    choices = ["dataset=folder", f"dataset.path={spectra}", "dataset.name=alloys"]
    assert main(["peaks", *choices, "dataset.mz_max=300"]) == 0
    table = PeakTable.read(project / "outputs" / "peaks" / "peak_table.parquet")

    theirs = published()
    keys = pd.MultiIndex.from_frame(table.samples[["sample", "primary_ion", "spot"]].astype(str))
    both = keys.isin(theirs.index)
    assert both.sum() >= 130
    theirs = theirs.loc[keys[both]]
    found = {}
    for ion, mass in IONS.items():
        near = np.flatnonzero(np.rint(table.mz) == mass)
        assert near.size, f"no peak at the nominal mass of {ion}"
        ours = table.areas[both][:, near[table.areas[:, near].sum(axis=0).argmax()]]
        counts = theirs[ion].to_numpy(dtype=float)
        found[ion] = (np.corrcoef(ours, counts)[0, 1], np.median(ours / counts))
    for ion, (correlation, ratio) in found.items():
        assert correlation >= 0.995, f"{ion}: {found}"
        assert RATIO[0] <= ratio <= RATIO[1], f"{ion}: {found}"
