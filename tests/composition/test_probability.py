"""Probabilities of mixtures and anodes, spectrum by spectrum and averaged."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from ionprint.composition.probability import probabilities, truncated
from ionprint.errors import DataError
from ionprint.models.normalisation import PerDose
from ionprint.models.storage import TrainedModel
from ionprint.spectra.table import PeakTable

MZ = np.array([7.0165, 9.0322])


@pytest.fixture
def model():
    areas = np.array([[1.0, 0], [2, 0], [0, 1], [0, 2]])
    steps = [("scale", FunctionTransformer()), ("classify", LogisticRegression())]
    fitted = Pipeline(steps).fit(areas, ["a", "a", "b", "b"])
    return TrainedModel(fitted, MZ, {})


@pytest.fixture
def table():
    samples = pd.DataFrame(
        {
            "file": ["1", "2", "3"],
            "sample": ["M", "A", "M"],
            "spot": ["1", "1", "2"],
            "role": ["mixture", "anode", "mixture"],
            "compound": ["", "", ""],
            "expected": ["a+b", "", "a+b"],
            "source": ["measured"] * 3,
        }
    )
    return PeakTable(samples, MZ, np.array([[2.0, 1], [0, 3], [1, 1]]))


def test_each_spectrum_is_read_as_the_model_reads_it(model, table):
    spectra = probabilities(model, table)
    expected = model.pipeline.predict_proba(table.areas)
    assert spectra[["p_a", "p_b"]].to_numpy() == pytest.approx(expected)


@pytest.fixture
def by_dose():
    """Make a model that divides by the primary ions, in the column `ions` of the sheet."""
    inputs = np.array([[1.0, 0, 1e8], [4, 0, 2e8], [0, 1, 1e8], [0, 4, 2e8]])
    steps = [("normalise", PerDose()), ("classify", LogisticRegression())]
    return TrainedModel(
        Pipeline(steps).fit(inputs, ["a", "a", "b", "b"]), MZ, {"dose_column": "ions"}
    )


def test_the_sheet_tells_the_primary_ions(by_dose, table):
    told = PeakTable(table.samples.assign(ions=["1e8", "2.0E+08", "50000000"]), MZ, table.areas)
    assert told.inputs("ions").tolist() == [[2, 1, 1e8], [0, 3, 2e8], [1, 1, 5e7]]
    assert told.inputs() is told.areas
    spectra = probabilities(by_dose, told)
    per_dose = np.array([[2.0, 1], [0, 1.5], [2, 2]])
    expected = by_dose.pipeline[-1].predict_proba(per_dose)
    assert spectra[["p_a", "p_b"]].to_numpy() == pytest.approx(expected)


def test_a_sheet_without_primary_ions_is_refused(by_dose, table):
    with pytest.raises(DataError, match="the sample sheet has no column 'ions'; it has file, "):
        probabilities(by_dose, table)


@pytest.mark.parametrize("bad", ["", "0", "-1e8", "nan", "inf", "many", "1,5e8"])
def test_a_spectrum_without_primary_ions_is_named(by_dose, table, bad):
    told = PeakTable(table.samples.assign(ions=["1e8", bad, "1e8"]), MZ, table.areas)
    with pytest.raises(DataError, match=rf"1 of 3 spectra (?s:.*)2: ions is '{bad}'"):
        probabilities(by_dose, told)


@pytest.fixture
def references(table):
    known = table.samples.assign(role="reference", compound=["a", "b", "a"])
    return PeakTable(known, MZ, np.array([[2.0, 0], [0, 4], [1, 0]]))


@pytest.mark.parametrize(("multiple", "limit"), [(1.0, 4.0), (2.0, 8.0)])
def test_an_ion_above_the_references_is_clipped_and_named(
    model, table, references, multiple, limit
):
    odd = PeakTable(table.samples, MZ, np.array([[1.0, 9.0], [0, 3], [2, 4]]))
    spectra, clipped = truncated(model, odd, references, multiple)
    assert clipped.to_dict("records") == [
        {"file": "1", "sample": "M", "mz": MZ[1], "counts": 9.0, "scaled": 9.0, "limit": limit}
    ]
    within = np.array([[1.0, limit], [0, 3], [2, 4]])
    assert spectra.to_numpy() == pytest.approx(model.pipeline.predict_proba(within))
