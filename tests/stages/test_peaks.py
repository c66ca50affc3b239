"""From spectra, or from a table of areas, to the peak table: what the choices change."""

import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from ionprint.cli import main
from ionprint.config import compose
from ionprint.spectra.table import PeakTable
from ionprint.stages.drawings import LeftOut, composition, ions, spectra
from ionprint.stages.results import ResultFiles

from ..conftest import QUICK, make_project, run_in

OUT = Path("outputs/peaks")
LIGHT = "dataset.mz_max=30"
FEW = ["simulation.references.pellets=2", "simulation.references.spots=1"]
FEW += [f"simulation.samples.sample_{n}.spots=1" for n in range(1, 6)]
"""15 spectra."""


def table_of(folder=OUT):
    return PeakTable.read(folder / "peak_table.parquet")


def peaks_of(folder=OUT):
    return pd.read_csv(folder / "peaks.csv", keep_default_na=False).set_index("mz")


def dataset_of(folder=OUT):
    return json.loads((folder / "dataset.json").read_text())


def own_data(source, sheet=None):
    """Put a folder in place of the link to the data; return its sheet."""
    data = Path("data")
    if data.is_symlink():
        data.unlink()
    data.mkdir(exist_ok=True)
    if not (data / "spectra").exists():
        shutil.copytree(source / "spectra", data / "spectra")
    if sheet is None:
        sheet = pd.read_csv(source / "samples.csv", dtype=str, keep_default_na=False)
    sheet.to_csv(data / "samples.csv", index=False)
    return sheet


@pytest.fixture
def sheet(with_data, simulated):
    """The sheet of the simulated spectra, in a folder of its own."""
    return own_data(simulated / "data")


def spoil(sheet, row=3):
    """Put a spectrum in the place of another: heavy ions alone, up to the end; return its name."""
    with gzip.open(Path("data") / sheet["file"][row], "rt") as export:
        lines = export.read().splitlines()
    rows = [line for line in lines[4:] if float(line.split("\t")[1]) > 33]
    (Path("data") / "bad.txt").write_text("\n".join([*lines[:4], *rows]) + "\n")
    own_data(None, sheet.assign(file=sheet["file"].where(sheet.index != row, "bad.txt")))
    return "bad.txt"


def test_a_spectrum_that_cannot_be_calibrated_stops_all_and_is_named(sheet, capsys):
    bad = spoil(sheet)
    assert main(["peaks", LIGHT]) == 2
    told = capsys.readouterr().err
    assert "1 of 40 spectra cannot be calibrated" in told
    assert f"{bad}: 0 of 5 calibrant ions found" in told
    assert "Not found: [6Li], [7Li], O, OH, O2" in told
    assert "spectra.on_bad=skip" in told
    assert not OUT.exists()


def test_a_bad_spectrum_is_set_aside_and_listed(sheet, capsys):
    bad = spoil(sheet)
    assert main(["peaks", LIGHT, "spectra.on_bad=skip"]) == 0
    out = capsys.readouterr().out
    assert "Peaks (simulated data)" in out
    assert re.search(r"^spectra +39 *$", out, re.MULTILINE)
    assert f"set aside: {bad}: 0 of 5 calibrant ions found" in out
    table = table_of()
    assert table.samples["file"].tolist() == [f for i, f in enumerate(sheet["file"]) if i != 3]
    assert dataset_of()["spectra"] == 39
    for name in ("scales.csv", "calibration.csv"):
        assert set(pd.read_csv(OUT / name)["file"]) == set(table.samples["file"])
    assert len(pd.read_parquet(OUT / "area_errors.parquet")) == 39


def test_nothing_left_is_an_error_however_bad_spectra_are_treated(with_data, capsys):
    choices = ["spectra.on_bad=skip", "spectra.calibration.min_counts=1e9"]
    assert main(["peaks", LIGHT, *choices]) == 2
    assert "40 of 40 spectra cannot be calibrated" in capsys.readouterr().err


def test_a_spectrum_that_cannot_be_read_stops_whatever_is_asked(sheet, capsys):
    bad = spoil(sheet)
    Path("data", bad).write_text("# Binning: 4 channels\nChannel\tm/z\tIntensity\nno\tno\tno\n")
    assert main(["peaks", LIGHT, "spectra.on_bad=skip"]) == 2
    assert bad in capsys.readouterr().err


def test_one_worker_and_two_write_the_same_bytes(with_data, contents):
    found = []
    for workers in (1, 2):
        assert main(["peaks", LIGHT, f"spectra.workers={workers}"]) == 0
        found.append(contents(OUT))
    assert found[0] == found[1]


def test_areas_between_borders_and_by_a_fit_agree_where_peaks_stand_alone(with_data, contents):
    found, tables = {}, {}
    for method in ("auto", "fit", "borders"):
        assert main(["peaks", LIGHT, f"spectra.integration={method}"]) == 0
        found[method], tables[method] = contents(OUT), table_of()
        assert dataset_of()["integration"] == ("fit" if method == "auto" else method)
    assert found["auto"] == found["fit"]
    fit, borders = tables["fit"], tables["borders"]
    assert borders.mz.tolist() == fit.mz.tolist()
    alone = np.diff(fit.mz, prepend=0, append=99)
    alone = np.minimum(alone[1:], alone[:-1]) > 0.025
    strong = alone & (fit.areas.sum(axis=0) > 1e5)
    assert strong.sum() >= 2
    assert borders.areas[:, strong].sum(axis=0) == pytest.approx(
        fit.areas[:, strong].sum(axis=0), rel=0.02
    )
    assert (borders.areas != fit.areas).any()


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    """Spectra with bins as wide as three peaks."""
    root = make_project(tmp_path_factory.mktemp("coarse"))
    run_in(root, ["simulate", *FEW, "simulation.instrument.binning=40"])
    return root / "data"


def test_a_fit_is_refused_of_spectra_with_wide_bins(project, coarse, capsys):
    assert main(["peaks", LIGHT, f"dataset.path={coarse}", "spectra.integration=fit"]) == 2
    told = capsys.readouterr().err
    assert "spectra.integration=fit" in told
    assert "spectra.integration=borders" in told


def test_spectra_with_wide_bins_keep_their_scale_and_are_integrated_between_borders(
    project, coarse, capsys
):
    assert main(["peaks", LIGHT, f"dataset.path={coarse}"]) == 0
    assert (dataset_of()["integration"], dataset_of()["scale"]) == ("borders", "kept")
    scales = pd.read_csv(OUT / "scales.csv")
    assert set(scales["result"]) == {"kept"}
    assert (scales["ions"] == 0).all()
    out = " ".join(capsys.readouterr().out.split())
    assert "scale kept that of 15 spectra" in out
    assert "ions are named by isotope patterns alone" in out
    assert json.loads((OUT / "sum_spectrum.json").read_text())["shape"] is None


def test_new_spectra_come_onto_the_peaks_of_an_earlier_set(sheet, simulated):
    assert main(["peaks", LIGHT]) == 0
    earlier = table_of()
    Path("list.csv").write_bytes((OUT / "peaks.csv").read_bytes())
    own_data(simulated / "data", sheet[10:])
    assert main(["peaks", LIGHT, "spectra.peak_list=list.csv"]) == 0
    table = table_of()
    assert table.mz.tolist() == earlier.mz.tolist()
    assert len(table.samples) == 30
    # the shape and the scale are measured on fewer spectra
    errors = pd.read_parquet(OUT / "area_errors.parquet")[table.columns].to_numpy()
    before = earlier.areas[10:]
    strong = before > 2000
    off = np.abs(table.areas - before)[strong] / np.hypot(errors, 0.01 * before)[strong]
    assert np.quantile(off, 0.99) < 2


def test_a_bad_peak_list_is_refused_with_its_line(with_data, capsys):
    Path("list.csv").write_text("mz,lower,upper\n16.0,15.9,16.1\n15.0,14.9,15.1\n")
    assert main(["peaks", LIGHT, "spectra.peak_list=list.csv"]) == 2
    assert "list.csv, line 2" in capsys.readouterr().err
    assert main(["peaks", LIGHT, "spectra.peak_list=none.csv"]) == 2
    assert "spectra.peak_list=none.csv: the file is not there" in capsys.readouterr().err


@pytest.fixture(scope="module")
def uncorrected(tmp_path_factory):
    """Spectra exported with `Deadtime Correction: off`."""
    root = make_project(tmp_path_factory.mktemp("uncorrected"))
    run_in(root, ["simulate", *FEW, "simulation.instrument.dead_time_correction=false"])
    return root / "data"


def planted(folder, ion):
    return pd.read_csv(folder / "truth.csv")[ion].to_numpy()


def area_of(table, mz):
    return table.areas[:, int(np.abs(table.mz - mz).argmin())]


OXIDE = {"O": 15.9955, "OH": 17.0033}


def test_what_dead_time_took_from_strong_peaks_is_given_back(project, uncorrected):
    assert main(["peaks", LIGHT, f"dataset.path={uncorrected}"]) == 0
    corrected = table_of()
    pulses = OmegaConf.load("conf/simulation/lithium.yaml").instrument.pulses
    lost = []
    for ion, mz in OXIDE.items():
        true = planted(uncorrected, ion)
        error = area_of(corrected, mz) / true - 1
        assert abs(error.mean()) < 0.01
        assert (np.abs(error) < 0.02 + 3 / np.sqrt(true)).all()
        # without a correction the strongest would lack a tenth of its ions
        most = true.max() / pulses
        lost.append(1 + np.expm1(-most) / most)
    assert max(lost) > 0.1


def test_dead_time_is_taken_from_the_sheet_before_the_configuration(project, uncorrected, capsys):
    sheet = own_data(uncorrected)
    assert main(["peaks", LIGHT]) == 0
    from_sheet = table_of()
    own_data(None, sheet.drop(columns=["pulses", "dead_time_ns", "channel_ns"]))
    assert main(["peaks", LIGHT]) == 2
    told = capsys.readouterr().err
    assert "15 of 15 spectra" in told
    assert f"{sheet['file'][0]}: exported without dead-time correction" in told
    assert "pulses, dead_time_ns, channel_ns is missing" in told

    known = [f"spectra.dead_time.{n}={v}" for n, v in
             {"pulses": 160000, "dead_time_ns": 40, "channel_ns": 0.1}.items()]  # fmt: skip
    assert main(["peaks", LIGHT, *known]) == 0
    assert table_of().areas.tolist() == from_sheet.areas.tolist()
    # an empty cell of the sheet leaves it to the configuration, another pulses count does not
    own_data(None, sheet.assign(pulses="1e9", dead_time_ns="", channel_ns="0,1"))
    assert main(["peaks", LIGHT, *known]) == 0
    assert area_of(table_of(), 15.9955).max() < 0.9 * area_of(from_sheet, 15.9955).max()


@pytest.mark.parametrize("value", ["many", "0", "-3", "nan", "inf"])
def test_a_bad_number_in_the_sheet_is_refused_with_its_spectrum(sheet, capsys, value):
    pulses = sheet["pulses"].where(sheet.index != 2, value)
    own_data(None, sheet.assign(pulses=pulses))
    assert main(["peaks", LIGHT]) == 2
    told = capsys.readouterr().err
    assert f"{sheet['file'][2]} has pulses '{value}', expected a number above 0" in told


def test_peaks_near_saturation_are_counted_and_told(with_data, capsys):
    assert main(["peaks", LIGHT]) == 0
    told = capsys.readouterr().out
    peaks, table = peaks_of(), table_of()
    share = 1 - np.exp(-table.areas / 160_000)
    assert peaks["saturated"].astype(int).tolist() == (share > 0.5).sum(axis=0).tolist()
    flagged = peaks[peaks["saturated"].astype(int) > 0]
    assert 0 < len(flagged) < 10
    assert "near saturation" in told
    assert all(f"{mz:.4f} {row.ion}" in told for mz, row in flagged.iterrows())
    assert main(["peaks", LIGHT, "spectra.saturation=0.999"]) == 0
    assert "near saturation" not in capsys.readouterr().out
    assert set(peaks_of()["saturated"].astype(int)) == {0}


def test_without_pulses_nobody_knows_what_is_near_saturation(sheet, capsys):
    own_data(None, sheet.drop(columns="pulses"))
    assert main(["peaks", LIGHT]) == 0
    assert set(peaks_of()["saturated"]) == {""}
    assert "near saturation" not in capsys.readouterr().out


def test_every_area_has_its_error(finished):
    table = table_of(finished / OUT)
    errors = pd.read_parquet(finished / OUT / "area_errors.parquet")
    assert errors.columns.tolist() == ["file", *table.columns]
    assert errors["file"].tolist() == table.samples["file"].tolist()
    errors = errors[table.columns].to_numpy()
    assert np.isfinite(errors).all()
    strong = table.areas > 1000
    assert (errors[strong] > 0.9 * np.sqrt(table.areas[strong])).all()
    assert np.median(errors[strong] / np.sqrt(table.areas[strong])) < 1.5
    # near saturation an area is less sure than counting says
    most = np.unravel_index(table.areas.argmax(), table.areas.shape)
    assert errors[most] > 1.1 * np.sqrt(table.areas[most])


def test_every_spectrum_has_its_scale_with_errors(finished, simulated):
    scales = pd.read_csv(finished / OUT / "scales.csv").set_index("file")
    truth = pd.read_csv(simulated / "data" / "truth.csv").set_index("file")
    assert scales.index.tolist() == truth.index.tolist()
    assert set(scales["result"]) == {"calibrated"}
    nominal = OmegaConf.load(finished / "conf/simulation/lithium.yaml").instrument.k
    assert scales["slope"].to_numpy() == pytest.approx(nominal / truth["k"].to_numpy(), abs=5e-6)
    assert (scales[["slope_error", "offset_error"]] > 0).all(axis=None)
    assert (scales["slope_error"] < 3e-6).all()
    assert (scales["rms_ppm"] < 10).all()
    rows = pd.read_csv(finished / OUT / "calibration.csv")
    used = rows[rows["used"]].groupby("file").size()
    assert used[scales.index].tolist() == scales["ions"].tolist()
    assert set(rows["kind"]) == {"calibrant", "added"}
    assert (scales["ions"] > 20).all()


def test_the_sum_of_the_spectra_is_kept_with_the_shape_of_its_peaks(finished):
    scale = json.loads((finished / OUT / "sum_spectrum.json").read_text())
    counts = pd.read_parquet(finished / OUT / "sum_spectrum.parquet")
    assert counts["bin"].is_monotonic_increasing
    assert counts["bin"].max() < scale["bins"]
    peaks = peaks_of(finished / OUT)
    assert counts["counts"].sum() == pytest.approx(peaks["counts"].sum(), rel=0.03)
    assert 2 < scale["width"] / scale["step"] < 5
    assert scale["shape"]["tails"]


def test_the_sums_of_compounds_and_samples_add_up_to_the_sum_of_all(finished):
    about = json.loads((finished / OUT / "sum_spectrum.json").read_text())
    groups = pd.DataFrame(about["sums"])
    sums = pd.read_parquet(finished / OUT / "sample_spectra.parquet")
    assert sums.columns.tolist() == ["name", "role", "bin", "counts"]
    assert groups["spectra"].sum() == 40
    names = groups.set_index("name")["role"]
    assert names["LiOH"] == "reference" and names["sample 4"] == "anode"
    added = sums.groupby("name")["counts"].sum()
    assert added[groups["name"]].to_numpy() == pytest.approx(groups["total"].to_numpy(), rel=1e-4)
    total = pd.read_parquet(finished / OUT / "sum_spectrum.parquet").set_index("bin")["counts"]
    together = sums.groupby("bin")["counts"].sum().reindex(total.index).fillna(0)
    assert together.to_numpy() == pytest.approx(total.to_numpy(), abs=0.2, rel=1e-4)


@pytest.fixture
def imported(with_data, finished, simulated):
    """A folder with a sheet and a table of the areas of an earlier run, and no spectra."""
    table = table_of(finished / OUT)
    Path("data").unlink()
    Path("data").mkdir()
    sheet = (simulated / "data" / "samples.csv").read_text()
    Path("data/samples.csv").write_text(sheet)
    write_areas(table)
    return table


def write_areas(table, comment="# simulated"):
    rows = pd.DataFrame(table.areas, columns=table.columns)
    rows.insert(0, "file", table.samples["file"].to_numpy())
    text = rows.to_csv(sep="\t", index=False)
    Path("data/areas.csv").write_text(f"{comment}\n{text}" if comment else text)


IMPORT = "dataset.areas=areas.csv"


def test_imported_areas_come_back_and_all_later_stages_run_on_them(imported, capsys):
    assert main(["peaks", IMPORT]) == 0
    assert "areas of areas.csv" in capsys.readouterr().out
    table = table_of()
    assert table.mz.tolist() == imported.mz.tolist()
    assert table.areas.tolist() == imported.areas.tolist()
    pd.testing.assert_frame_equal(table.samples, imported.samples)
    dataset = dataset_of()
    assert (dataset["scale"], dataset["integration"]) == ("imported", "imported")
    assert (dataset["source"], dataset["spectra"], dataset["peaks"]) == (
        "simulated",
        *table.areas.shape,
    )
    peaks = pd.read_csv(OUT / "peaks.csv", keep_default_na=False)
    assert set(peaks["lower"]) == set(peaks["saturated"]) == {""}
    named = peaks.set_index("mz")["ion"]
    assert {16: "O", 17: "OH"} == {round(m): named[m] for m in (15.9955, 17.0033)}
    assert pd.read_csv(OUT / "calibration.csv").empty
    assert pd.read_csv(OUT / "scales.csv").empty
    errors = pd.read_parquet(OUT / "area_errors.parquet")[table.columns].to_numpy()
    assert errors == pytest.approx(np.sqrt(table.areas), abs=0.01)

    for stage in ("tune", "evaluate", "rank", "train", "composition"):
        assert main([stage, IMPORT, *QUICK, "tuning.trials=2"]) == 0, stage
    metrics = json.loads(Path("outputs/evaluation/metrics.json").read_text())
    assert metrics["score"]["accuracy"] > 0.8
    assert len(pd.read_csv("outputs/composition/samples.csv")) == 5
    cfg = compose([IMPORT])
    results = ResultFiles(cfg)
    for plan in (ions.ranking, composition.composition, composition.mirror):
        assert list(plan(results, cfg.figures))
    for plan in (spectra.calibration, spectra.overlap, composition.profiles):
        with pytest.raises(LeftOut):
            list(plan(results, cfg.figures))


def test_the_order_of_the_table_is_not_that_of_the_sheet(imported):
    order = np.arange(40)[::-1]
    shuffled = imported.samples.iloc[order].reset_index(drop=True)
    write_areas(PeakTable(shuffled, imported.mz, imported.areas[order]), comment="")
    assert main(["peaks", IMPORT]) == 0
    table = table_of()
    assert table.samples["file"].tolist() == imported.samples["file"].tolist()
    assert table.areas.tolist() == imported.areas.tolist()
    assert dataset_of()["source"] == "measured"


def test_imported_columns_come_onto_a_list_and_what_does_not_fit_is_told(imported, capsys):
    some = pd.DataFrame({"mz": imported.mz[imported.mz < 20][2:]})
    some = some[(some["mz"].diff().fillna(1) > 0.01)]
    extra = pd.DataFrame({"mz": [19.5]})
    listed = pd.concat([some, extra]).sort_values("mz")
    listed["lower"], listed["upper"] = listed["mz"] - 0.002, listed["mz"] + 0.002
    listed.to_csv("list.csv", index=False)
    assert main(["peaks", IMPORT, "spectra.peak_list=list.csv"]) == 0
    out = capsys.readouterr().out
    assert "look at:" in out
    assert "columns lie on no peak of the list within 100 ppm and are left out" in out
    assert "1 peaks of the list have no column within 100 ppm and are 0 in all spectra: 19.5" in out
    table = table_of()
    assert table.mz.tolist() == listed["mz"].round(4).tolist()
    assert (area_of(table, 19.5) == 0).all()
    assert area_of(table, 15.9955).tolist() == area_of(imported, 15.9955).tolist()


def test_a_spectrum_that_the_table_lacks_is_refused_with_its_line(imported, capsys):
    keep = np.arange(40) != 4
    samples = imported.samples[keep].reset_index(drop=True)
    write_areas(PeakTable(samples, imported.mz, imported.areas[keep]))
    assert main(["peaks", IMPORT]) == 2
    told = capsys.readouterr().err
    assert f"line 6: the area table has no spectrum '{imported.samples['file'][4]}'" in told
    assert not OUT.exists()


def test_a_table_that_is_not_there_is_refused(with_data, capsys):
    assert main(["peaks", IMPORT]) == 2
    assert "areas.csv" in capsys.readouterr().err


DOUBLETS = [(16.048, 16.055), (21.020, 21.049), (33.020, 33.051, 33.104)]
DOUBLETS += [(34.006, 34.028), (49.008, 49.046)]
"""Neighbours that the paper's Table 1 lists as peaks of their own (u)."""


def test_neighbours_of_the_papers_table_are_peaks_of_their_own(project):
    data = Path(__file__).parents[2] / "data"
    if not (data / "samples.csv").exists():
        pytest.skip("data/ is not there: run `dvc pull`")
    assert main(["peaks", f"dataset.path={data}"]) == 0
    strong = peaks_of().query("counts >= 10000").index.to_numpy(dtype=float)
    for doublet in DOUBLETS:
        found = [strong[np.abs(strong - mz).argmin()] for mz in doublet]
        assert len(set(found)) == len(doublet)
        # the paper prints two decimals
        assert found == pytest.approx(doublet, abs=0.001)
