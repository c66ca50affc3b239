"""The stages one after another on the small simulated set: what they write, twice the same."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from ionprint.cli import main
from ionprint.composition.wording import holds
from ionprint.config import compose
from ionprint.files import read_table
from ionprint.ions.formula import ion_mz
from ionprint.models.storage import load_model
from ionprint.spectra.table import PeakTable
from ionprint.stages import rank
from ionprint.stages.drawings import composition
from ionprint.stages.results import ResultFiles

from ..conftest import QUICK, STAGES

COMPOUNDS = ["Li2CO3", "Li2O", "Li3N", "LiH", "LiOH"]
PROBABILITIES = [f"p_{c}" for c in COMPOUNDS]
OUT = Path("outputs")


def test_all_files_are_there_and_no_others(with_results, contents):
    assert set(contents(OUT)) == {
        "peaks/peak_table.parquet",
        "peaks/area_errors.parquet",
        "peaks/peaks.csv",
        "peaks/calibration.csv",
        "peaks/scales.csv",
        "peaks/dataset.json",
        "peaks/sum_spectrum.json",
        "peaks/sum_spectrum.parquet",
        "peaks/sample_spectra.parquet",
        "peaks/method.npz",
        "tuning/trials.csv",
        "tuning/outer_trials.csv",
        "tuning/best.yaml",
        "evaluation/metrics.json",
        "evaluation/folds.csv",
        "evaluation/predictions.csv",
        "evaluation/confusion.csv",
        "ranking/ions.csv",
        "ranking/methods.csv",
        "ranking/published.csv",
        "ranking/summary.json",
        "checks/checks.csv",
        "model/model.skops",
        "model/reading.npz",
        "model/SHA256SUMS",
        "model/model.yaml",
        "model/peaks.csv",
        "model/config.yaml",
        "model/references.parquet",
        "composition/spectra.csv",
        "composition/samples.csv",
        "composition/clipped.csv",
        "composition/evidence.csv",
        "composition/profile.csv",
        "composition/explained.parquet",
        "composition/reader.json",
    }


def test_the_peak_table(with_results):
    columns = pq.read_schema(OUT / "peaks" / "peak_table.parquet").names
    sheet = pd.read_csv("data/samples.csv", dtype=str, keep_default_na=False)
    metadata = [*sheet.columns, "source"]
    assert columns[: len(metadata)] == metadata
    table = PeakTable.read(OUT / "peaks" / "peak_table.parquet")
    assert columns[len(metadata) :] == table.columns
    pd.testing.assert_frame_equal(table.samples[sheet.columns], sheet, check_dtype=False)
    assert set(table.samples["source"]) == {"simulated"}
    assert table.areas.shape == (40, len(table.mz))
    assert len(table.mz) > 100

    peaks = pd.read_csv(OUT / "peaks" / "peaks.csv", keep_default_na=False)
    found = ["mz", "lower", "upper", "counts", "counts_error", "saturated"]
    named = ["ion", "candidates", "error_ppm", "confidence", "satellite_of"]
    assert peaks.columns.tolist() == [*found, *named]
    assert peaks["mz"].tolist() == table.mz.tolist()
    assert (peaks["lower"] < peaks["upper"]).all()
    # areas are fitted spectrum by spectrum, the counts to their sum
    strong = peaks["counts"] > 10_000
    areas = table.areas.sum(axis=0)[strong]
    assert areas == pytest.approx(peaks["counts"][strong].to_numpy(), rel=0.1)

    errors = pd.read_parquet(OUT / "peaks" / "area_errors.parquet")
    assert errors.columns.tolist() == ["file", *table.columns]
    assert errors["file"].tolist() == sheet["file"].tolist()
    assert (errors[table.columns].to_numpy() >= 0).all()

    dataset = json.loads((OUT / "peaks" / "dataset.json").read_text())
    assert (dataset["name"], dataset["source"], dataset["scale"]) == (
        "lithium",
        "simulated",
        "calibrated",
    )
    assert (dataset["spectra"], dataset["peaks"]) == table.areas.shape
    assert dataset["integration"] == "fit"


def test_peaks_are_named_with_their_satellites(with_results):
    peaks = read_table(OUT / "peaks" / "peaks.csv").set_index("ion")
    for ion in ("O", "OH", "LiH2", "CN", "LiCO3"):
        assert abs(peaks.loc[ion, "mz"] / ion_mz(ion) - 1) < 30e-6
        assert peaks.loc[ion, "confidence"] > 0.9
        assert peaks.loc[ion, "satellite_of"] == ""
        assert peaks.loc[ion, "candidates"].split()[0] == ion
    assert peaks.loc["[6Li]H2", "satellite_of"] == "LiH2"
    assert peaks.loc["[18O]", "satellite_of"] == "O"


def test_the_sum_of_the_spectra_holds_all_counts(with_results):
    about = json.loads((OUT / "peaks" / "sum_spectrum.json").read_text())
    assert set(about) == {"start", "step", "bins", "width", "shape", "sums"}
    assert set(about["shape"]) == {"pulse", "growth", "tails", "error"}
    total = pd.read_parquet(OUT / "peaks" / "sum_spectrum.parquet")
    assert total.columns.tolist() == ["bin", "counts"]
    assert total["bin"].between(0, about["bins"] - 1).all()
    assert total["bin"].is_monotonic_increasing and (total["counts"] >= 0).all()
    peaks = pd.read_csv(OUT / "peaks" / "peaks.csv")
    assert total["counts"].sum() == pytest.approx(peaks["counts"].sum(), rel=0.02)


def test_the_calibration_finds_the_true_masses(with_results):
    rows = pd.read_csv(OUT / "peaks" / "calibration.csv")
    assert set(rows["kind"]) == {"calibrant", "added"}
    assert (rows["kind"] == "calibrant").sum() == 40 * 5
    used = rows[rows["used"]]
    assert len(used) > 40 * 10
    assert (used["error_before_ppm"] ** 2).mean() > 100**2
    assert (used["error_after_ppm"] ** 2).mean() < 10**2
    scales = pd.read_csv(OUT / "peaks" / "scales.csv")
    assert scales["file"].tolist() == rows["file"].drop_duplicates().tolist()
    assert scales["ions"].tolist() == used.groupby("file", sort=False).size().tolist()


def test_the_evaluation(with_results):
    metrics = json.loads((OUT / "evaluation" / "metrics.json").read_text())
    assert metrics["source"] == "simulated"
    assert metrics["meaning"].startswith("how well spectra of a sample never seen")
    assert (metrics["spectra"], metrics["classes"], metrics["groups"]) == (30, 5, 15)
    assert metrics["score"] == metrics["nested"]
    assert metrics["score"]["folds"] == "nested grouped"
    kinds = {"nested grouped": "nested", **{k: k for k in ("grouped", "plain", "dummy")}}
    folds = pd.read_csv(OUT / "evaluation" / "folds.csv")
    assert folds.groupby("folds")["spectra"].sum().to_dict() == dict.fromkeys(kinds, 30)
    for folds_of, rows in folds.groupby("folds"):
        score = metrics[kinds[folds_of]]
        mean = np.average(rows["accuracy"], weights=rows["spectra"])
        assert score["accuracy"] == pytest.approx(mean, abs=1e-4)
        assert score["accuracy_low"] <= score["accuracy"] <= score["accuracy_high"]
    assert (metrics["score"]["unit"], metrics["score"]["units"]) == ("sample", 15)
    assert metrics["dummy"]["accuracy"] == 0.2
    assert metrics["dummy"]["log_loss"] == pytest.approx(np.log(5), abs=1e-4)
    gap = metrics["plain"]["log_loss"] - metrics["grouped"]["log_loss"]
    assert metrics["gap"]["log_loss"] == pytest.approx(gap, abs=1e-4)
    assert metrics["permutation"]["p_value"] == pytest.approx(1 / 6, abs=1e-4)
    assert metrics["tuned"]["again"] == pytest.approx(metrics["tuned"]["score"], abs=1e-6)


def test_peak_lists_found_in_training_spectra_alone(with_results):
    metrics = json.loads((OUT / "evaluation" / "metrics.json").read_text())
    rebuilt, score = metrics["rebuilt_peaks"], metrics["score"]
    assert len(rebuilt["peaks"]) == score["n_folds"]
    assert len(set(rebuilt["peaks"])) > 1  # each fold found its own
    assert max(rebuilt["peaks"]) < metrics["peaks"]  # fewer spectra, fewer peaks
    difference = rebuilt["log_loss"] - score["log_loss"]
    assert rebuilt["difference"]["log_loss"] == pytest.approx(difference, abs=1e-4)
    assert rebuilt["log_loss"] != score["log_loss"]
    assert rebuilt["accuracy"] > 0.9


def test_the_checks(with_results):
    checks = pd.read_csv(OUT / "checks" / "checks.csv").set_index("name")["result"]
    assert len(checks) == 9
    assert set(checks.drop(["optimum_at_edge", "saturated_top_ions"])) == {"passed"}
    page = Path(__file__).parents[2] / "docs" / "checks.md"
    headings = [line[3:] for line in page.read_text().splitlines() if line.startswith("## ")]
    assert [h.replace(" ", "_") for h in headings] == checks.index.tolist()


def test_plain_folds_fail_a_check(with_results, capsys):
    choices = ["cross_validation=stratified", *QUICK, "evaluation.rebuild_peaks=false"]
    for stage in ("tune", "evaluate", "check"):
        assert main([stage, *choices]) == 0
    assert re.search(r"groups across folds +failed", capsys.readouterr().out)
    checks = pd.read_csv(OUT / "checks" / "checks.csv").set_index("name")
    assert checks.loc["groups_across_folds", "finding"] == "14 of 15 (sample) on both sides"


def test_repeated_folds_are_predicted_once_a_draw(with_results):
    choices = ["cross_validation=repeated", "cross_validation.n_repeats=2", "tuning.trials=2"]
    choices += ["evaluation.permutations=0", "evaluation.rebuild_peaks=false"]
    for stage in ("tune", "evaluate"):
        assert main([stage, *choices]) == 0
    predictions = pd.read_csv(OUT / "evaluation" / "predictions.csv")
    assert predictions.groupby("file")["draw"].apply(list).map(sorted).tolist() == [[1, 2]] * 30
    metrics = json.loads((OUT / "evaluation" / "metrics.json").read_text())
    assert metrics["permutation"] is None
    confusion = pd.read_csv(OUT / "evaluation" / "confusion.csv").set_index("compound")
    assert confusion.to_numpy().sum() == 60


def test_the_predictions(with_results):
    predictions = pd.read_csv(OUT / "evaluation" / "predictions.csv")
    head = ["file", "sample", "spot", "compound", "predicted", "fold"]
    assert predictions.columns.tolist() == [*head, *PROBABILITIES]
    assert predictions.groupby("sample")["fold"].nunique().max() == 1
    assert predictions[PROBABILITIES].sum(axis=1).to_numpy() == pytest.approx(np.ones(30), abs=1e-3)
    right = (predictions["predicted"] == predictions["compound"]).mean()
    confusion = pd.read_csv(OUT / "evaluation" / "confusion.csv").set_index("compound")
    assert confusion.columns.tolist() == confusion.index.tolist() == COMPOUNDS
    assert np.trace(confusion) / 30 == pytest.approx(right)
    assert right > 0.9


def test_the_ranking_names_ions_of_each_compound(with_results):
    ions = pd.read_csv(OUT / "ranking" / "ions.csv", keep_default_na=False)
    told = ["ion", "error_ppm", "confidence", "satellite_of"]
    assert ions.columns.tolist() == rank.COLUMNS
    names = pd.read_csv(OUT / "peaks" / "peaks.csv", keep_default_na=False).set_index("mz")
    assert ions[told].astype(str).to_numpy().tolist() == (
        names.loc[ions["mz"], told].astype(str).to_numpy().tolist()
    )
    for compound, rows in ions.sort_values("rank").groupby("compound"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1)), compound
        assert (rows["weight"].diff().dropna() <= 0).all()
    first = ions[ions["rank"] <= 10].groupby("compound")["ion"].apply(set)
    for compound, expected in {
        "LiH": {"LiH2", "Li2H3", "Li3H4", "Li4H5", "Li2OH3"},
        "Li3N": {"CN", "LiN", "NH", "LiNH", "LiCN"},
        "Li2CO3": {"LiCO3", "CO3", "CO3H"},
        "LiOH": {"LiO2H3", "LiO2H4", "Li2O2H2", "Li2O3H3"},
    }.items():
        assert first[compound] & expected, compound


def test_the_model_knows_where_it_comes_from(with_results):
    model = load_model(OUT / "model")
    assert model.classes == COMPOUNDS
    assert model.about["dataset"]["source"] == "simulated"
    assert model.about["spectra"] == 30
    best = yaml.safe_load((OUT / "tuning" / "best.yaml").read_text())
    assert model.pipeline[-1].C == best["params"]["C"]
    text = (OUT / "model" / "config.yaml").read_text()
    assert str(with_results) not in text
    assert "path" not in yaml.safe_load(text)["dataset"]


def test_the_composition_is_the_mean_of_the_spectra(with_results):
    spectra = pd.read_csv(OUT / "composition" / "spectra.csv", keep_default_na=False)
    samples = pd.read_csv(OUT / "composition" / "samples.csv", keep_default_na=False)
    head = ["sample", "role", "expected", "source", "spectra"]
    assert samples.columns.tolist()[: len(head) + 5] == [*head, *PROBABILITIES]
    assert "compound" not in spectra
    assert set(spectra["role"]) == {"mixture", "anode"}
    assert samples["spectra"].tolist() == [2] * 5
    means = spectra.groupby("sample", sort=False)[PROBABILITIES].mean()
    assert samples[PROBABILITIES].to_numpy() == pytest.approx(means.to_numpy(), abs=1e-4)
    largest = samples.set_index("expected")[PROBABILITIES].idxmax(axis=1)
    assert largest["Li3N"] == "p_Li3N"


def test_running_twice_gives_the_same_bytes(with_results, contents):
    before = contents(OUT)
    shutil.rmtree(OUT)
    for stage in STAGES:
        assert main([stage, *QUICK]) == 0
    after = contents(OUT)
    assert [name for name in before if before[name] != after.get(name)] == []
    assert set(after) == set(before)


def test_the_order_of_the_sheet_changes_no_area(with_results):
    before = PeakTable.read(OUT / "peaks" / "peak_table.parquet")
    source = Path("data").readlink()
    Path("data").unlink()
    Path("data").mkdir()
    shutil.copytree(Path(source) / "spectra", "data/spectra")
    sheet = pd.read_csv(Path(source) / "samples.csv", dtype=str, keep_default_na=False)
    sheet[::-1].to_csv("data/samples.csv", index=False)
    assert main(["peaks"]) == 0
    after = PeakTable.read(OUT / "peaks" / "peak_table.parquet")
    assert after.mz.tolist() == before.mz.tolist()
    assert after.areas[::-1].tolist() == before.areas.tolist()


def test_spectra_with_peaks_of_their_own_are_aligned_and_the_coverage_is_told(with_results, capsys):
    assert main(["peaks", "peaks=other", "spectra.search.min_counts=2000"]) == 0
    assert main(["composition", "peaks=other", *QUICK]) == 0
    after = pd.read_csv(OUT / "composition" / "samples.csv", keep_default_na=False)
    for expected in ("Li2CO3+LiOH", "LiH+Li2O", "Li2O+LiH"):
        row = after[after["expected"] == expected].iloc[0]
        first = sorted(COMPOUNDS, key=lambda c: -row[f"fraction_{c}"])[:2]
        assert {*first} == {*expected.split("+")}
    covered = json.loads((OUT / "composition" / "reader.json").read_text())["coverage"]
    assert 0.8 < covered < 1
    out = capsys.readouterr().out
    assert f"peaks for {covered:.1%} of the references' signal" in out
    assert "Composition of 5 mixtures and anodes, 10 spectra (simulated data)" in out
    lines = {line[:8]: line for line in out.splitlines()}
    for row in after.to_dict("records"):
        first = holds(row, COMPOUNDS).split(";")[0]
        assert first in lines[row["sample"]] and row["expected"] in lines[row["sample"]]
        outside = f"{round(2 * row['outside'])} of 2 spectra"
        assert outside in lines[row["sample"]]


def test_spectra_that_end_early_are_refused_and_nothing_is_lost(with_results, capsys, contents):
    before = contents(OUT / "composition")
    assert main(["peaks", "peaks=other", "dataset.mz_max=90"]) == 0
    assert main(["composition", "peaks=other"]) == 2
    assert "searched up to m/z 90, the references of outputs/model up to 120" in (
        capsys.readouterr().err
    )
    assert contents(OUT / "composition") == before


def test_spectra_with_hardly_a_peak_of_the_references_are_refused(with_results, capsys):
    assert main(["peaks", "peaks=other", "spectra.search.min_counts=1e5"]) == 0
    assert main(["composition", "peaks=other"]) == 2
    error = capsys.readouterr().err
    assert "of the references' signal, expected 80% or more" in error
    assert "spectra.peak_list=" in error


def test_a_spectrum_without_counts_is_named(with_results, capsys):
    path = OUT / "peaks" / "peak_table.parquet"
    table = PeakTable.read(path)
    row = int(np.flatnonzero(table.samples["role"] == "mixture")[0])
    areas = table.areas.copy()
    areas[row] = 0
    replace(table, areas=areas).write(path)
    assert main(["composition"]) == 2
    error = capsys.readouterr().err
    assert "1 of 10 spectra hold no counts" in error
    assert table.samples["file"][row] in error


def test_spectra_of_the_other_polarity_are_refused(with_results, capsys):
    assert main(["composition", "dataset.polarity=positive"]) == 2
    assert "trained on negative ions, dataset.polarity is positive" in capsys.readouterr().err


def test_every_reading_stands_beside_the_others(with_results):
    spectra = read_table(OUT / "composition" / "spectra.csv")
    for compound in COMPOUNDS:
        for kind in ("fraction", "forest", "kernel"):
            share = spectra[f"{kind}_{compound}"]
            assert (spectra[f"{kind}_{compound}_low"] <= share).all()
            assert (share <= spectra[f"{kind}_{compound}_high"]).all()
        assert spectra[f"presence_{compound}"].between(0, 1).all()
    for kind in ("fraction", "forest", "kernel", "nmf", "p"):
        sums = spectra[[f"{kind}_{c}" for c in COMPOUNDS]].sum(axis=1)
        assert sums.to_numpy() == pytest.approx(1, abs=1e-3)
    assert set(spectra["alarm"]) <= {"inside", "outside"}
    outside = spectra["alarm"] == "outside"
    assert (spectra["unexplained"] != "").tolist() == outside.tolist()
    film = spectra["sample"] == "sample 4"
    assert outside[film].all()
    assert spectra.loc[film, "unexplained"].str.contains("59.985 CO3-").all()
    clipped = read_table(OUT / "composition" / "clipped.csv")
    counted = clipped["file"].value_counts().reindex(spectra["file"]).fillna(0)
    assert counted.tolist() == spectra["clipped"].tolist()
    assert (clipped["scaled"] > clipped["limit"]).all()
    assert set(clipped["ion"][clipped["mz"].round(3) == 59.985]) == {"CO3"}


def test_what_compounds_explain_of_each_ion(with_results):
    explained = pd.read_parquet(OUT / "composition" / "explained.parquet")
    parts = [f"explained_{c}" for c in COMPOUNDS]
    ends = ["sample", "role", "mz", "ion", "counts"]
    assert explained.columns.tolist() == [*ends, *parts, "foreign"]
    samples = read_table(OUT / "composition" / "samples.csv").set_index("sample")
    spectra = read_table(OUT / "composition" / "spectra.csv")
    assert explained["sample"].unique().tolist() == samples.index.tolist()
    totals = explained.groupby("sample")[["counts", *parts]].sum()
    counts = spectra.groupby("sample")["counts"].mean()
    assert totals["counts"].to_numpy() == pytest.approx(counts[totals.index].to_numpy(), rel=1e-3)
    # most is explained, and most of that by the compound of the largest fraction
    clean = totals.loc["sample 1"]
    assert 0.7 < clean[parts].sum() / clean["counts"] < 1.1
    largest = samples.loc["sample 1", [f"fraction_{c}" for c in COMPOUNDS]].astype(float).idxmax()
    assert clean[parts].astype(float).idxmax() == largest.replace("fraction", "explained")
    foreign = explained[explained["foreign"] >= 0.5]
    assert "CO3" in set(foreign.loc[foreign["sample"] == "sample 4", "ion"])
    assert not len(foreign[foreign["sample"] == "sample 1"])


def test_spectra_of_one_sample_at_many_doses_are_a_depth_profile(with_results, capsys):
    path = OUT / "peaks" / "peak_table.parquet"
    table = PeakTable.read(path)
    others = np.flatnonzero(table.samples["role"] != "reference")
    table.samples.loc[others, ["sample", "role"]] = ["foil", "anode"]
    table.samples.loc[others, "sputter_dose"] = [f"{n}e15" for n in range(1, len(others) + 1)]
    table.write(path)
    assert main(["composition", *QUICK]) == 0
    profile = read_table(OUT / "composition" / "depth.csv")
    assert profile["step"].tolist() == np.repeat(range(1, len(others) + 1), 5).tolist()
    assert set(profile["unit"]) == {"ions/cm2"}
    changes = read_table(OUT / "composition" / "depth_changes.csv")
    assert "Li2CO3" in set(changes["compound"])
    assert changes["text"].iloc[0] in capsys.readouterr().out
    artefacts = read_table(OUT / "composition" / "depth_artefacts.csv")
    assert "unknown" in set(artefacts["kind"])  # sample 4 and its film lie in the middle
    samples = read_table(OUT / "composition" / "samples.csv")
    assert samples["expected"].tolist() == ["varies"]
    cfg = compose([])
    (drawing,) = composition.depth(ResultFiles(cfg), cfg.figures)
    assert (drawing.name, drawing.title) == ("depth_1", "Depth profile of foil")


def test_what_is_called_present_has_its_proof(with_results):
    spectra = read_table(OUT / "composition" / "spectra.csv").set_index("file")
    evidence = read_table(OUT / "composition" / "evidence.csv")
    claims = set(zip(evidence["file"], evidence["compound"], strict=True))
    called = {(f, c) for c in COMPOUNDS for f in spectra.index[spectra[f"present_{c}"]]}
    assert claims == called
    assert set(evidence["claim"]) <= {"strong", "weak", "noise"}
    for_it = evidence[(evidence["side"] == "for") & (evidence["strength"] == "strong")]
    assert (for_it["above_others"] >= 5).all()
    assert (for_it["above_background"] >= 10).all()
    carbonate = evidence[(evidence["sample"] == "sample 1") & (evidence["compound"] == "Li2CO3")]
    assert set(carbonate["claim"]) == {"strong"}
    assert "LiCO3" in set(carbonate["ion"])


def test_a_model_without_weights_ranks_nothing(with_results, capsys):
    assert main(["tune", "model=dummy"]) == 0
    assert main(["rank", "model=dummy"]) == 2
    assert "has no weights" in capsys.readouterr().err


def test_references_alone_have_an_empty_composition(with_results):
    table = PeakTable.read(OUT / "peaks" / "peak_table.parquet")
    table.of_role("reference").write(OUT / "peaks" / "peak_table.parquet")
    assert main(["composition"]) == 0
    samples = pd.read_csv(OUT / "composition" / "samples.csv")
    assert samples.empty
    assert samples.columns.tolist()[5:] == PROBABILITIES


def test_one_pellet_a_class_is_told_as_repeatability(with_results, capsys):
    path = OUT / "peaks" / "peak_table.parquet"
    table = PeakTable.read(path)
    table.samples["sample"] = table.samples["sample"].str.replace(r"\W*\d+$", "", regex=True)
    table.samples.loc[table.samples["role"] == "reference", "sample"] = table.samples["compound"]
    table.write(path)
    assert main(["tune", "tuning.trials=2"]) == 0
    assert main(["evaluate", *QUICK, "evaluation.rebuild_peaks=false"]) == 0
    metrics = json.loads((OUT / "evaluation" / "metrics.json").read_text())
    assert metrics["grouped"] is None
    assert metrics["score"]["folds"] == "nested plain"
    assert metrics["score"]["unit"] == "spectrum"
    assert metrics["permutation"] is None
    assert "repeatability within a sample, not generalisation" in metrics["meaning"]
    out = " ".join(capsys.readouterr().out.split())
    assert "repeatability within a sample, not generalisation" in out


def calibrants():
    """Exact m/z of the calibrants in each spectrum."""
    rows = pd.read_csv(OUT / "peaks" / "calibration.csv")
    return rows.loc[rows["kind"] == "calibrant"].set_index(["file", "ion"])["mz"]


def test_cations_are_named_and_weighed_as_such(with_results):
    # the same spectra taken for positive ones: the scale moves by two electron masses
    choices = ["dataset.polarity=positive", "spectra.calibration.max_error_ppm=200"]
    sheet = Path("data/samples.csv").read_text().replace("negative", "positive")
    source = Path("data").readlink()
    Path("data").unlink()
    Path("data").mkdir()
    shutil.copytree(source / "spectra", "data/spectra")
    Path("data/samples.csv").write_text(sheet)
    negative = calibrants()
    for stage in ("peaks", "tune", "rank"):
        assert main([stage, *QUICK, "tuning.trials=1", *choices]) == 0
    assert (negative - calibrants()).to_numpy() == pytest.approx(2 * 0.00054858, abs=2e-5)
    ions = pd.read_csv(OUT / "ranking" / "ions.csv", keep_default_na=False)["ion"]
    assert ions[ions != ""].str.endswith("+").all()
