"""The data set that a clone pulls is what `ionprint simulate` writes."""

import gzip
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from ionprint.simulation.dataset import LithiumSet, Settings
from ionprint.simulation.files import export_text, read_ion_table
from ionprint.simulation.truth import read_truth

ROOT = Path(__file__).parents[2]


def test_the_pulled_spectra_are_the_simulated_ones():
    if not (ROOT / "data" / "samples.csv").exists():
        pytest.skip("data/ is not there: run `dvc pull`")
    conf = OmegaConf.load(ROOT / "conf" / "simulation" / "lithium.yaml")
    settings = Settings.from_mapping(OmegaConf.to_container(conf))
    lithium = LithiumSet(settings, read_ion_table())
    pulled = pd.read_csv(ROOT / "data" / "samples.csv", keep_default_na=False)
    assert pulled["file"].tolist() == lithium.sheet()["file"].tolist()
    truth = read_truth(ROOT / "data")
    assert truth.settings == settings
    for row in (0, -1):
        spot = lithium.spots[row]
        spectrum = lithium.simulate(spot)
        assert truth.counts[row].sum() == pytest.approx(spectrum.planted.sum(), abs=20)
        text = export_text(spectrum, settings.instrument, settings.seed)
        kept = gzip.decompress((ROOT / "data" / "spectra" / f"{spot.name}.txt.gz").read_bytes())
        assert kept.decode("ascii") == text
