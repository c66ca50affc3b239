"""The rank stage on the small simulated set: its files, its numbers, and what it prints."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ionprint.cli import main
from ionprint.errors import DataError
from ionprint.files import read_table
from ionprint.spectra.table import PeakTable
from ionprint.stages.rank import COLUMNS, read_published

OUT = Path("outputs") / "ranking"
COMPOUNDS = ["Li2CO3", "Li2O", "Li3N", "LiH", "LiOH"]
QUICK = "ranking.resamples=10"


@pytest.fixture(scope="module")
def once(finished, tmp_path_factory):
    """A finished project in which the ions were ranked with few resamples."""
    root = tmp_path_factory.mktemp("ranked") / "project"
    shutil.copytree(finished, root, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert main(["rank", QUICK]) == 0
    return root


@pytest.fixture
def ranked(with_results, once):
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.copytree(once / OUT, OUT)
    return read_table(OUT / "ions.csv")


def test_every_peak_has_a_rank_and_a_family(ranked):
    assert ranked.columns.tolist() == COLUMNS
    peaks = read_table(Path("outputs/peaks/peaks.csv"))
    for compound, rows in ranked.groupby("compound"):
        by_rank = rows.sort_values("rank")
        assert by_rank["rank"].tolist() == list(range(1, len(peaks) + 1)), compound
        assert (by_rank["weight"].diff().dropna() <= 0).all()
        assert rows["family_rank"].is_monotonic_increasing
        assert set(rows["family_rank"]) == set(range(1, rows["family"].nunique() + 1))
        assert np.allclose(rows["in_first"].sum(), 15, atol=0.01)
    parents = ranked[ranked["satellite_of"] == ""]
    named = parents["ion"] != ""
    assert (parents["family"] == parents["ion"])[named].all()
    minor = ranked[ranked["satellite_of"] != ""]
    assert len(minor) and (minor["family"] == minor["satellite_of"]).all()


def test_evidence_follows_the_areas(ranked):
    table = PeakTable.read(Path("outputs/peaks/peak_table.parquet")).of_role("reference")
    shares = table.areas / table.areas.sum(axis=1, keepdims=True)
    means = pd.DataFrame(shares, columns=table.mz).groupby(table.column("compound")).mean()
    assert ranked["highest_in"].tolist() == means.idxmax()[ranked["mz"]].tolist()
    specific = ranked[ranked["evidence"] == "specific"]
    assert (specific["highest_in"] == specific["compound"]).all()
    assert (specific["lacking"] == "").all()
    own = ranked[ranked["own"]]
    assert set(own["evidence"]) == {"specific"}
    assert own["ratio"].min() >= 2 and own["above"].min() >= 3
    odd = ranked[ranked["evidence"] == "incompatible"]
    assert (odd["lacking"] != "").all()
    carbon = ranked[(ranked["compound"] == "Li2O") & (ranked["ion"] == "C4")]
    assert carbon[["evidence", "lacking"]].to_numpy().tolist() == [["incompatible", "C"]]
    assert set(ranked.loc[ranked["ion"] == "", "evidence"]) <= {""}


def test_lithium_oxide_has_no_ion_of_its_own_and_the_others_have(ranked):
    """The paper's section 3.2; the rule knows neither the compounds nor the paper."""
    summary = json.loads((OUT / "summary.json").read_text())
    assert summary["first"] == 15
    compounds = summary["compounds"]
    assert list(compounds) == COMPOUNDS
    assert {c: about["own_ion"] for c, about in compounds.items()} == {
        c: c != "Li2O" for c in COMPOUNDS
    }
    for compound, about in compounds.items():
        first = ranked[(ranked["compound"] == compound) & (ranked["rank"] <= 15)]
        kinds = [about[k] for k in ("specific", "compatible", "incompatible")]
        assert sum(kinds) <= 15
        assert about["specific"] == (first["evidence"] == "specific").sum()
        assert about["own_ions"] == first["own"].sum()
        assert compound == "Li2O" or about["specific"] >= 12
    # what one would take for its own is more intense in the carbonate
    expected = ranked[(ranked["compound"] == "Li2O") & ranked["ion"].isin(["LiO", "LiO2"])]
    assert expected["highest_in"].tolist() == ["Li2CO3"] * 2


def test_other_methods_stand_beside_the_weights(ranked):
    methods = read_table(OUT / "methods.csv")
    assert methods.columns.tolist() == (
        ["compound", "mz", "ion", "weight", "permutation", "forest", "pca"]
    )
    both = methods.merge(ranked, on=["compound", "mz"], suffixes=("_rank", ""))
    assert len(both) == len(ranked)
    assert (both["weight_rank"] == both["rank"]).all()
    n = ranked["rank"].max()
    for _, rows in methods.groupby("compound"):
        for name in ("weight", "pca"):
            assert sorted(rows[name]) == list(range(1, n + 1))
        for name in ("permutation", "forest"):
            placed = rows[name].dropna()
            assert set(range(1, 16)) <= set(placed) and placed.is_unique and placed.max() <= n
    shared = methods[(methods["weight"] <= 15) & (methods["pca"] <= 15)]
    assert len(shared) > 5 * 15 * 15 / n * 3  # far more than by chance


def test_the_published_list_is_looked_for(ranked, capsys):
    found = read_table(OUT / "published.csv")
    assert len(found) == 75
    summary = json.loads((OUT / "summary.json").read_text())["compounds"]
    for compound, rows in found.groupby("compound"):
        assert summary[compound]["published_found"] == rows["found"].sum()
        assert summary[compound]["published_total"] == len(rows) == 15
    hit = found[found["found"]]
    assert len(hit) and (hit["here"] <= 15).all()
    assert (abs(hit["peak"] - hit["exact_mz"]) < 0.01).all()
    capsys.readouterr()
    assert main(["rank", QUICK]) == 0
    out = capsys.readouterr().out
    assert "published" in out and "no evidence for the method" in out


def test_without_a_list_and_without_resamples(with_results, capsys):
    capsys.readouterr()
    assert main(["rank", "dataset.published_ions=null", "ranking.resamples=0"]) == 0
    out = capsys.readouterr().out
    assert "published" not in out and "no evidence" not in out
    assert {path.name for path in OUT.iterdir()} == {"ions.csv", "methods.csv", "summary.json"}
    assert read_table(OUT / "ions.csv")["in_first"].isna().all()
    assert "published_found" not in (OUT / "summary.json").read_text()


def test_twice_the_same_bytes_and_another_seed_other_shares(ranked, contents):
    before = contents(OUT)
    assert main(["rank", QUICK]) == 0
    assert contents(OUT) == before
    assert main(["rank", QUICK, "seed=5"]) == 0
    assert (read_table(OUT / "ions.csv")["in_first"] != ranked["in_first"]).any()


def test_one_pellet_a_compound_is_told(with_results, capsys):
    path = Path("outputs/peaks/peak_table.parquet")
    table = PeakTable.read(path)
    table.samples.loc[table.samples["role"] == "reference", "sample"] = table.samples["compound"]
    table.write(path)
    capsys.readouterr()
    assert main(["rank", QUICK]) == 0
    assert "a compound has one sample only" in capsys.readouterr().out


def test_compounds_whose_names_are_no_formulas_are_ranked_but_not_judged(with_results, capsys):
    path = Path("outputs/peaks/peak_table.parquet")
    table = PeakTable.read(path)
    table.samples["compound"] = table.samples["compound"].map(lambda c: f"powder {c}" if c else "")
    table.write(path)
    capsys.readouterr()
    assert main(["rank", QUICK]) == 0
    out = capsys.readouterr().out
    assert "specific" not in out and "permutation" in out
    assert "zhao2023_table1.csv lists none of these compounds" in out
    ions = read_table(OUT / "ions.csv")
    assert set(ions["evidence"]) == {""} and not ions["own"].any()
    about = json.loads((OUT / "summary.json").read_text())["compounds"]["powder LiH"]
    assert about["specific"] is None and about["own_ion"] is None
    assert "published_found" not in about


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("compound,rank,ion\nLiH,1,LiH2\n", "no column mz; expected compound, rank, ion, mz"),
        ("compound,rank,ion,mz\nLiH,1,LiH2,9.03\nLiH,2,lithium,7.0\n", "line 3: 'lithium' is not"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(tmp_path, text, message):
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_published(str(path))


def test_a_list_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read_published(str(tmp_path / "none.csv"))
    assert read_published(None) is None
