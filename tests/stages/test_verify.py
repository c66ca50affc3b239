"""The measuring stick: what it says of hand-made peaks, and the targets that the pipeline meets."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from ionprint.cli import main
from ionprint.ions.formula import ion_mz
from ionprint.simulation.dataset import Settings
from ionprint.simulation.truth import Truth
from ionprint.simulation.verification import figures, planted_lines, scale_errors

SIMULATION = Path(__file__).parents[2] / "conf" / "simulation" / "lithium.yaml"
WIDTH = 0.003
SMALL = ["simulation.references.spots=1", "dataset.mz_max=30"]
SMALL += [f"simulation.samples.sample_{n}.spots=1" for n in range(1, 6)]
AT_MOST = {
    "calibration_rms_ppm": 5,
    "calibration_worst_ppm": 20,
    "peaks_false": 0.02,
    "area_error_alone": 0.02,
    "area_error_close": 0.05,
}
AT_LEAST = {"peaks_found": 0.98, "first_assignment_right": 0.95}


def test_the_targets_are_met_on_another_set_than_the_one_at_hand(project, capsys):
    assert main(["verify", "spectra", "simulation.seed=7"]) == 0
    found = json.loads(Path("outputs/verify/spectra.json").read_text())
    assert set(found) == {"source", "seed", *AT_MOST, *AT_LEAST}
    assert (found["source"], found["seed"]) == ("simulated", 7)
    for name, limit in AT_MOST.items():
        assert 0 < found[name] <= limit, name
    for name, limit in AT_LEAST.items():
        assert limit <= found[name] <= 1, name
    out = capsys.readouterr().out
    assert "Verified spectra (simulated, seed 7)" in out
    assert all(name in out for name in (*AT_MOST, *AT_LEAST))
    assert [p.name for p in Path("outputs").iterdir()] == ["verify"]
    assert not Path("data").exists()


def test_a_worse_calibration_is_told_and_the_set_at_hand_is_left_alone(with_data, contents):
    before = contents("data")
    kept = "spectra.calibration.max_bin_ppm=1"
    assert main(["verify", "spectra", "simulation.seed=5", kept, *SMALL]) == 0
    found = json.loads(Path("outputs/verify/spectra.json").read_text())
    assert found["calibration_rms_ppm"] > 50
    assert found["first_assignment_right"] < 0.7
    assert contents("data") == before


@pytest.mark.parametrize("args", [[], ["peaks"]])
def test_what_cannot_be_verified_is_refused(project, capsys, args):
    assert main(["verify", *args]) == 2
    error = capsys.readouterr().err
    assert "`ionprint verify spectra [overrides]` or `ionprint verify composition" in error


def truth(k, t0, **instrument):
    """Return the truth of spectra of which only the constants of flight are asked."""
    settings = Settings.from_mapping(OmegaConf.to_container(OmegaConf.load(SIMULATION)))
    settings = replace(settings, instrument=replace(settings.instrument, **instrument))
    names = [f"{i}.txt" for i in range(len(k))]
    nothing = np.zeros(len(k))
    return Truth(names, nothing, np.array(k), np.array(t0), nothing, pd.DataFrame(), [],
                 np.empty(0), np.empty((len(k), 0)), settings)  # fmt: skip


def scales_of(known, slope_error=0.0):
    """Return the true scales: t = k sqrt(m) + t0, exported by the nominal constants."""
    nominal = known.settings.instrument
    return pd.DataFrame(
        {
            "file": known.files,
            "slope": nominal.k / known.k * (1 + slope_error),
            "offset": (nominal.t0 - known.t0) / known.k * (1 + slope_error),
        }
    )


MZ = np.array([7.0, 16.0, 100.0])


def test_a_true_scale_has_no_error():
    known = truth([34_310.0, 34_290.0], [123.0, 118.0], nonlinearity_ns=0.0)
    assert scale_errors(known, scales_of(known), MZ) == pytest.approx(np.zeros((2, 3)), abs=1e-6)


def test_a_wrong_slope_counts_twice_in_m_z():
    known = truth([34_310.0], [123.0], nonlinearity_ns=0.0)
    found = scale_errors(known, scales_of(known, slope_error=5e-6), MZ)
    assert found == pytest.approx(np.full((1, 3), 10.0), rel=1e-3)


def test_scales_belong_to_spectra_by_name():
    known = truth([34_310.0, 34_290.0], [123.0, 118.0], nonlinearity_ns=0.0)
    scales = scales_of(known)[::-1]
    assert scale_errors(known, scales, MZ) == pytest.approx(np.zeros((2, 3)), abs=1e-6)
    # a spectrum set aside has no scale
    assert scale_errors(known, scales[:1], MZ).shape == (1, 3)


def test_a_straight_scale_shows_where_flight_times_bend():
    known = truth([34_300.0], [120.0], nonlinearity_ns=0.02)
    found = scale_errors(known, scales_of(known), np.array([30.0]))[0]
    # 0.2 channels of 34,300 sqrt(30) are 1.06 ppm, twice as much in m/z
    assert found == pytest.approx([2.13], abs=0.02)


def lines_of(counts, offsets=(), at=16.0):
    """Return lines at `at` and at some widths from it."""
    mz = np.array([at, *(at + WIDTH * o for o in offsets)])
    names = np.array([f"ion{i}" for i in range(mz.size)])
    return planted_lines(mz, names, np.atleast_2d(counts).astype(float), np.full(mz.size, WIDTH))


def test_isotopologues_within_a_fifth_of_a_width_are_one_line():
    lines = lines_of([[30, 10, 5], [30, 50, 5]], [0.15, 1.0])
    assert lines.mz == pytest.approx([16.0 + 0.15 * WIDTH / 2, 16.0 + WIDTH])
    assert lines.counts.tolist() == [[40, 5], [80, 5]]
    assert lines.ion == ["ion0", "ion2"]


def test_a_line_bears_the_name_of_its_strongest_isotopologue():
    assert lines_of([30, 40], [0.1]).ion == ["ion1"]


def test_isotopologues_without_counts_are_no_lines():
    assert lines_of([[0, 10], [0, 5]], [1.0]).ion == ["ion1"]


def test_only_lines_of_100_counts_narrow_the_gap():
    lines = lines_of([200, 99, 100], [1.0, 2.0])
    assert lines.gap == pytest.approx([2, 1, 2])


def test_only_lines_of_a_hundredth_disturb():
    lines = lines_of([10_000, 99, 100], [1.0, 2.0])
    assert lines.clear == pytest.approx([2, 1, 1])
    assert lines_of([10_000]).clear == np.inf


def peaks_of(mz, counts, ions=None):
    ions = [""] * len(mz) if ions is None else ions
    return pd.DataFrame({"mz": mz, "counts": counts, "ion": ions})


def figures_of(lines, peaks, areas, errors=None, scale=((0.0,),)):
    areas = np.atleast_2d(areas).astype(float)
    errors = np.zeros_like(areas) if errors is None else np.atleast_2d(errors)
    return figures(lines, np.array(scale), peaks, areas, errors, np.full(len(peaks), WIDTH))


def test_calibration_figures_are_rms_and_worst():
    found = figures_of(lines_of([2000]), peaks_of([16.0], [2000]), [2000], scale=[[3.0], [-4.0]])
    assert found["calibration_rms_ppm"] == pytest.approx(np.sqrt(12.5))
    assert found["calibration_worst_ppm"] == 4.0


def test_a_line_is_found_by_a_peak_within_half_a_width():
    lines = lines_of([2000, 2000, 2000, 99], [10, 20, 30])
    near, far = 16.0 + 10.45 * WIDTH, 16.0 + 20.55 * WIDTH
    found = figures_of(lines, peaks_of([16.0, near, far], [2000] * 3), [2000] * 3)
    # the fourth is too weak to be asked for
    assert found["peaks_found"] == pytest.approx(2 / 3)


def test_lines_nearer_than_1_2_widths_are_not_asked_for():
    lines = lines_of([2000, 2000, 2000], [1.1, 10])
    at = [16.0, 16.0 + 10 * WIDTH]
    assert figures_of(lines, peaks_of(at, [4000, 2000]), [4000, 2000])["peaks_found"] == 1.0


def test_a_peak_is_false_that_holds_less_than_half_its_counts_of_lines():
    lines = lines_of([2000, 400], [10])
    at = [16.0, 16.0 + 5 * WIDTH, 16.0 + 10 * WIDTH, 16.0 + 10.9 * WIDTH]
    good = figures_of(lines, peaks_of(at[:3:2], [2000, 790]), [2000, 790])
    assert good["peaks_false"] == 0
    # one stands where nothing is, one holds twice what is there, one is a neighbour's
    bad = figures_of(lines, peaks_of(at, [2000, 150, 810, 100]), [2000, 150, 810, 100])
    assert bad["peaks_false"] == 3 / 4


def test_a_line_counts_for_the_nearest_peak_alone():
    lines = lines_of([2000])
    at = [16.0 - 0.3 * WIDTH, 16.0 + 0.4 * WIDTH]
    assert figures_of(lines, peaks_of(at, [1000, 1000]), [1000, 1000])["peaks_false"] == 0.5


def test_area_errors_are_those_of_the_sum_of_all_spectra():
    lines = lines_of([[5000, 2000], [5000, 2000]], [10])
    at = [16.0, 16.0 + 10 * WIDTH]
    found = figures_of(lines, peaks_of(at, [10_000, 4000]), [[6000, 1800], [5000, 2000]])
    assert found["area_error_alone"] == pytest.approx(np.sqrt((0.1**2 + 0.05**2) / 2))


def test_what_counting_explains_is_no_area_error():
    lines, peaks = lines_of([[5000], [5000]]), peaks_of([16.0], [10_000])
    some = figures_of(lines, peaks, [[5500], [5500]], [[300], [400]])
    assert some["area_error_alone"] == pytest.approx(np.sqrt(0.1**2 - 0.05**2))
    all_ = figures_of(lines, peaks, [[5500], [5500]], [[3000], [4000]])
    assert all_["area_error_alone"] == 0


def test_areas_of_lines_with_a_neighbour_are_told_apart_from_those_alone():
    # alone; with a neighbour at 2 widths; with one at 1 width, which nobody can part; too weak
    lines = lines_of([5000] * 5 + [900], [10, 12, 20, 21, 30])
    at = 16.0 + WIDTH * np.array([0, 10, 12, 20, 21, 30])
    areas = [5100, 5200, 5200, 9000, 9000, 9000]
    found = figures_of(lines, peaks_of(at, [5000] * 5 + [900]), areas)
    assert found["area_error_alone"] == pytest.approx(0.02)
    assert found["area_error_close"] == pytest.approx(0.04)


def test_a_name_is_right_if_its_mass_is():
    mz = np.array([ion_mz(ion) for ion in ("O", "OH", "HF", "NO", "C3")])
    ions = np.array(["O", "OH", "HF", "NO", "C3"])
    counts = np.array([[20_000.0, 20_000, 5_000, 999, 2_000]])
    lines = planted_lines(mz, ions, counts, np.full(5, WIDTH))
    # another order is the same ion, another mass is not, and no name is none; NO is too weak to be
    # asked for, and the peak at C3 is mostly something else
    names = ["O", "HO", "NH3", "C", "H36"]
    found = figures_of(lines, peaks_of(mz, [20_000, 20_000, 5_000, 999, 4_100], names), counts)
    assert found["first_assignment_right"] == pytest.approx(2 / 3)
    none = figures_of(lines, peaks_of(mz, [20_000, 20_000, 5_000, 999, 4_100]), counts)
    assert none["first_assignment_right"] == 0


def test_a_figure_that_no_line_answers_is_not_a_number():
    found = figures_of(lines_of([50]), peaks_of([16.0], [50]), [50])
    assert found["peaks_false"] == 0
    for name in ("peaks_found", "area_error_alone", "area_error_close", "first_assignment_right"):
        assert np.isnan(found[name])
