"""The measuring stick: what it says of good and of bad spectra, and that it is written down."""

import json
from pathlib import Path

import numpy as np
import pytest

from ionprint.cli import main
from ionprint.simulation.verification import figures, planted_lines, scale_errors

SMALL = ["simulation.references.spots=1"]
SMALL += [f"simulation.samples.sample_{n}.spots=1" for n in range(1, 6)]


def test_figures_are_printed_and_written(project, capsys):
    assert main(["verify", "spectra", "simulation.seed=3", *SMALL]) == 0
    found = json.loads(Path("outputs/verify/spectra.json").read_text())
    assert found["source"] == "simulated"
    assert found["seed"] == 3
    assert found["calibration_rms_ppm"] < 10
    assert found["peaks_found"] > 0.6
    assert found["peaks_false"] < 0.05
    assert found["area_error_alone"] < 0.05
    assert found["first_assignment_right"] > 0.8
    out = capsys.readouterr().out
    assert "simulated spectra, seed 3" in out
    assert all(name in out for name in found if name not in ("source", "seed"))


def test_a_worse_calibration_is_told(project):
    assert main(["verify", "spectra", *SMALL]) == 0
    good = json.loads(Path("outputs/verify/spectra.json").read_text())
    assert main(["verify", "spectra", "spectra.calibration.max_bin_ppm=1", *SMALL]) == 0
    kept = json.loads(Path("outputs/verify/spectra.json").read_text())
    assert kept["calibration_rms_ppm"] > 10 * good["calibration_rms_ppm"]
    assert kept["first_assignment_right"] < 0.5 * good["first_assignment_right"]


@pytest.mark.parametrize("args", [[], ["composition"]])
def test_what_cannot_be_verified_is_refused(project, capsys, args):
    assert main(["verify", *args]) == 2
    assert "ionprint verify spectra" in capsys.readouterr().err


def test_a_true_scale_has_no_error():
    k, t0 = np.array([34_310.0]), np.array([123.0])
    nominal, mz = (34_300.0, 120.0), np.array([7.0, 16.0, 100.0])
    slope, offset = np.array([nominal[0] / k[0]]), np.array([(nominal[1] - t0[0]) / k[0]])
    assert scale_errors(slope, offset, k, t0, nominal, mz) == pytest.approx(0, abs=1e-6)
    assert scale_errors(slope * (1 + 5e-6), offset, k, t0, nominal, mz)[0, 2] == pytest.approx(
        10, rel=0.01
    )


def test_figures_count_what_is_missed_wrong_and_false():
    mz = np.array([16.0, 17.0, 20.0, 30.0])
    ions = np.array(["O", "OH", "HF", "NO"])
    counts = np.array([[20_000.0, 20_000, 5_000, 50]])
    width = np.full(4, 0.003)
    lines = planted_lines(mz, ions, counts, width)
    peaks = np.array([16.0, 17.0, 25.0])
    areas = np.array([[20_000.0, 22_000, 300]])
    names = ["O", "NH3", "C2H"]
    # the exact masses lie a few mDa off the round ones: names are compared by formula
    found = figures(lines, np.array([[3.0, -4.0]]), peaks, areas, names, np.full(3, 0.003))
    assert found["peaks_found"] == pytest.approx(2 / 3)
    assert found["peaks_false"] == pytest.approx(1 / 3)
    assert found["area_error_alone"] == pytest.approx(np.sqrt(0.1**2 / 2))
    assert found["first_assignment_right"] == 0.5
    assert found["calibration_rms_ppm"] == pytest.approx(np.sqrt(12.5))
    assert found["calibration_worst_ppm"] == 4.0
