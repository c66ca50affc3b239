"""The truth beside a simulated set: complete, exact, and refused when it is not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from ionprint.errors import DataError, MissingInputError
from ionprint.ions.formula import ion_mz
from ionprint.simulation.dataset import LithiumSet, Settings
from ionprint.simulation.files import read_ion_table, write_set
from ionprint.simulation.truth import read_truth

CONF = Path(__file__).parents[2] / "conf" / "simulation" / "lithium.yaml"


@pytest.fixture(scope="module")
def small():
    """Settings of a set of three spectra."""
    values = OmegaConf.to_container(OmegaConf.load(CONF))
    values["references"] |= {"compounds": ["Li3N", "LiH"], "pellets": 1, "spots": 1}
    values["samples"] = {"sample_2": values["samples"]["sample_2"] | {"spots": 1}}
    return Settings.from_mapping(values)


@pytest.fixture(scope="module")
def written(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth") / "data"
    steps = []
    write_set(small, folder, lambda: steps.append(1))
    assert len(steps) == 3
    return folder


def test_truth_is_what_was_planted(small, written):
    truth = read_truth(written)
    lithium = LithiumSet(small, read_ion_table())
    sheet = pd.read_csv(written / "samples.csv")
    assert truth.files == sheet["file"].tolist() == [spot.file for spot in lithium.spots]
    assert truth.sample.tolist() == sheet["sample"].tolist()
    assert truth.settings == small
    for row, spot in enumerate(lithium.spots):
        spectrum = lithium.simulate(spot)
        planted = dict(zip(lithium.isotopologues.label, spectrum.planted, strict=True))
        expected = [planted[label] for label in truth.labels]
        assert truth.counts[row] == pytest.approx(np.array(expected), abs=0.006)
        assert truth.counts[row].sum() == pytest.approx(spectrum.planted.sum(), abs=5)
        assert truth.k[row] == pytest.approx(spectrum.flight.k, abs=1e-4)
        assert truth.t0[row] == pytest.approx(spectrum.flight.t0, abs=1e-4)


def test_labels_rise_by_exact_mass(written):
    truth = read_truth(written)
    assert len(set(truth.labels)) == len(truth.labels) > 300
    assert (np.diff(truth.mz) > 0).all()
    assert truth.mz[truth.labels.index("[6Li]H2")] == ion_mz("[6Li]H2")
    assert (truth.counts.max(axis=0) > 0).all()


def test_shares_are_by_weight(written):
    truth = read_truth(written)
    assert truth.shares.columns.tolist() == ["Li2CO3", "Li2O", "Li3N", "LiH", "LiOH"]
    assert truth.shares.sum(axis=1).to_numpy() == pytest.approx(np.ones(3), abs=1e-5)
    assert truth.shares.loc[0, "Li3N"] == truth.shares.loc[1, "LiH"] == 1
    assert 0.005 < truth.shares.loc[2, "Li3N"] < 0.08
    assert truth.hydrocarbon.tolist() == [0.05] * 3


def test_areas_of_the_spectrum_are_those_of_the_truth(written):
    """Expected counts of m/z 59.5 to 60.5 against the counts there, within counting."""
    truth = read_truth(written)
    for file, row in zip(truth.files, truth.counts, strict=True):
        rows = pd.read_csv(written / file, sep="\t", comment="#")
        for low, high in ((8.5, 9.5), (59.5, 60.5)):
            found = rows.loc[rows["m/z"].between(low, high), "Intensity"].sum()
            expected = row[(truth.mz > low) & (truth.mz < high)].sum()
            assert found == pytest.approx(expected, abs=10 + 5 * np.sqrt(expected), rel=0.01)


@pytest.mark.parametrize("name", ["truth.csv", "simulation.yaml"])
def test_missing_truth_says_what_writes_it(written, copy_of, name):
    (copy_of / name).unlink()
    with pytest.raises(MissingInputError, match=f"{name}.*ionprint simulate"):
        read_truth(copy_of)


@pytest.fixture
def copy_of(written, tmp_path):
    """The truth alone, to be spoilt."""
    for name in ("truth.csv", "simulation.yaml"):
        (tmp_path / name).write_bytes((written / name).read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="k"), "expected the columns"),
        (lambda t: t.head(0), "expected the columns"),
        (lambda t: t.assign(H=""), "convert|empty cells"),
        (lambda t: t.assign(t0="early"), "early"),
        (lambda t: t.rename(columns={"H": "Colour"}), "Colour"),
        (lambda t: t.rename(columns={"H": "Li5", "Li5": "H"}), "rising"),
        (lambda t: t.assign(share_LiH=0.5), "add up to 1"),
        (lambda t: t.iloc[:, :10], "no ions"),
    ],
)
def test_spoilt_truth_is_refused(copy_of, spoil, message):
    table = pd.read_csv(copy_of / "truth.csv")
    spoil(table).to_csv(copy_of / "truth.csv", index=False)
    with pytest.raises(DataError, match=message):
        read_truth(copy_of)


@pytest.mark.parametrize("text", ["", "seed: [", "seed: 1\n", "- 1\n", "just words\n"])
def test_spoilt_settings_are_refused(copy_of, text):
    (copy_of / "simulation.yaml").write_text(text)
    with pytest.raises(DataError, match="settings of a simulation"):
        read_truth(copy_of)
