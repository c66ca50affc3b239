"""The whole way on measured spectra with a known answer: ruthenium-based alloys, negative ions.

References are Ru-Ir, Ru-Pd, Ru-Pt and Ru-Rh under four primary ions; what the mixtures hold is
known. Data: Laurent et al., Analytical Chemistry (2024).
"""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import ionprint
from ionprint.cli import main

SCRIPT = Path(__file__).parents[1] / "scripts" / "alloys.py"
alloys = SimpleNamespace(**runpy.run_path(str(SCRIPT)))
CHOICES = [
    "dataset=folder",
    "dataset.name=alloys",
    "dataset.mz_max=300",
    "cross_validation.group=primary_ion",
    "normalisation=total_counts",
    "tuning.trials=5",
    "composition.pseudo_mixtures=500",
]


@pytest.fixture(scope="module")
def spectra(unpacked_alloys):
    folder = unpacked_alloys()
    assert main(["samples", str(folder), "--pattern", alloys.PATTERN]) == 0
    alloys.correct_sheet(folder / "samples.csv")
    return folder


def test_measured_alloys_are_recognised_and_a_mixture_is_read(project, spectra):
    choices = [*CHOICES, f"dataset.path={spectra}"]
    for stage in ("peaks", "tune", "evaluate", "rank", "train", "composition"):
        assert main([stage, *choices]) == 0, stage

    outputs = project / "outputs"
    calibration = pd.read_csv(outputs / "peaks" / "calibration.csv")
    assert set(calibration["result"]) == {"kept"}
    assert json.loads((outputs / "peaks" / "dataset.json").read_text())["source"] == "measured"

    metrics = json.loads((outputs / "evaluation" / "metrics.json").read_text())
    assert metrics["plain"]["accuracy"] == 1.0
    assert metrics["grouped"]["accuracy"] >= 0.98

    samples = pd.read_csv(outputs / "composition" / "samples.csv").set_index("sample")
    read = samples.filter(regex="^p_").loc["Ru-Pt-Pd"].sort_values(ascending=False)
    assert set(read.index[:2]) == {"p_Ru-Pt", "p_Ru-Pd"}

    ions = pd.read_csv(outputs / "ranking" / "ions.csv")
    first = ions[(ions["compound"] == "Ru-Ir") & (ions["rank"] <= 10)]
    assert {223, 225, 239, 241} & set(first["mz"].round().astype(int))

    expected = pd.read_csv(outputs / "composition" / "spectra.csv")
    model = ionprint.load(outputs / "model")
    found = model.predict([spectra / file for file in expected["file"]]).table()
    assert found["source"].eq("measured").all()
    assert found["warnings"].str.contains("too wide to calibrate").all()
    for column in expected.filter(regex="^(p|presence|fraction)_"):
        assert found[column].to_numpy() == pytest.approx(expected[column], abs=6e-5), column


def test_known_mixtures_of_alloys_are_read_and_a_foreign_alloy_is_noticed(project, spectra, capsys):
    assert main(["verify", "composition", *CHOICES, f"dataset.path={spectra}"]) == 0
    found = json.loads((project / "outputs" / "verify" / "composition.json").read_text())
    assert found["source"] == "measured"
    ours = {name: figure["ours"] for name, figure in found["figures"].items()}
    paper = {name: figure["paper"] for name, figure in found["figures"].items()}
    # lower than the figures of full lessons, which docs/composition.md quotes
    assert ours["presence_auc"] >= 0.97
    assert ours["presence_f1"] >= 0.95
    assert ours["presence_left_out_auc"] >= 0.95
    assert ours["presence_left_out_f1"] >= 0.9
    assert ours["alarm_left_out: references"] >= 0.99
    assert ours["alarm_left_out: Ru-Pt-Pd"] >= 0.98
    assert all(ours[name] > paper[name] for name in ours)
    assert "measured, dataset alloys" in capsys.readouterr().out
