"""The command line: help, exit codes, near names, and results that errors leave alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ionprint import __version__
from ionprint.cli import STAGES, main

from .conftest import QUICK


def ionprint(*args, cwd):
    command = [sys.executable, "-m", "ionprint.cli", *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_help_lists_every_stage(tmp_path):
    done = ionprint("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    for stage, text in STAGES.items():
        assert f"  {stage} " in done.stdout
        assert text in done.stdout


@pytest.mark.parametrize("args", [[], ["-h"], ["--help"], ["help"], ["tune", "--help"]])
def test_help_is_no_error(args, capsys):
    assert main(args) == 0
    assert "ionprint" in capsys.readouterr().out


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["tun"], ["no stage 'tun'", "Did you mean tune"]),
        (["tune", "modle=logistic"], ["no 'modle'", "Did you mean model"]),
        (["tune", "model=logistc"], ["Did you mean logistic"]),
        (["tune", "tuning.trails=3"], ["Did you mean tuning.trials"]),
        (["tune", "tuning.trials=abc"], ["abc"]),
        (["peaks", "dataset=folder"], ["dataset.path has no value"]),
        (["peaks", "spectra.search.min_counts=-1"], ["expected a number above 0"]),
        (["peaks", "svm_linear"], ["svm_linear: expected KEY=VALUE"]),
        (["peaks", "--model", "x"], ["--model: expected KEY=VALUE"]),
        (["tune", "-m", "model=logistic"], ["ionprint sweep"]),
        (["promote", "x"], ["got 'x', expected the number of a registered version"]),
        (["promote", "--force"], ["--force has no value"]),
        (["rollback", "--to", "champion"], ["got 'champion', expected the number"]),
    ],
)
def test_slips_end_with_2_and_tell_what_is_near(project, capsys, args, told):
    assert main(args) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"ionprint {args[0]}: ")
    for words in told:
        assert words in error
    assert not (project / "outputs").exists()


def test_a_slip_shows_no_traceback(project):
    done = ionprint("tune", "modle=logistic", cwd=project)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "Did you mean model" in done.stderr


@pytest.mark.parametrize(
    ("stage", "needs"),
    [
        ("peaks", "ionprint samples"),
        ("tune", "ionprint peaks"),
        ("evaluate", "ionprint peaks"),
        ("rank", "ionprint peaks"),
        ("train", "ionprint peaks"),
        ("composition", "ionprint peaks"),
    ],
)
def test_a_stage_before_its_inputs_says_what_to_run(project, capsys, stage, needs):
    assert main([stage]) == 2
    error = capsys.readouterr().err
    assert "is not there" in error
    assert needs in error


def test_stages_that_need_a_tuning_or_a_model_say_so(with_results, capsys):
    shutil.rmtree("outputs/tuning")
    for stage in ("evaluate", "rank", "train"):
        assert main([stage]) == 2
        assert "ionprint tune" in capsys.readouterr().err
    shutil.rmtree("outputs/model")
    assert main(["composition"]) == 2
    assert "ionprint train" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(with_results, capsys, monkeypatch):
    def interrupted(cfg):
        raise KeyboardInterrupt

    monkeypatch.setattr("ionprint.stages.tune.run", interrupted)
    assert main(["tune"]) == 130
    assert "earlier results are as they were" in capsys.readouterr().err


def break_sheet(root):
    sheet = (root / "data" / "samples.csv").read_text()
    (root / "data" / "samples.csv").write_text(sheet.replace("reference", "referenz", 1))


def break_spectra(root):
    first, second, *_ = sorted((root / "data" / "spectra").iterdir())
    first.write_bytes(first.read_bytes()[:1000])
    second.write_bytes(b"nothing")


@pytest.mark.parametrize(
    ("damage", "args", "told"),
    [
        (break_sheet, ["peaks"], ["line 2: role is 'referenz'"]),
        (break_spectra, ["peaks"], ["2 of 40 spectra", "gzip file is cut off", "line 1"]),
        (
            None,
            ["peaks", "dataset.calibrants=[Cs,Rb,K]"],
            ["40 of 40 spectra cannot be", "20 more"],
        ),
        (None, ["peaks", "spectra.search.min_counts=1e12"], ["lower spectra.search.min_counts"]),
        (None, ["peaks", "dataset.mz_max=500"], ["ends at m/z 12", "expected 500"]),
        (None, ["tune", "cross_validation.group=pellet"], ["no column 'pellet'"]),
        (None, ["evaluate", "scaling=standard"], ["ionprint tune scaling=standard"]),
        (None, ["train", "model=svm_linear"], ["ionprint tune model=svm_linear"]),
        (None, ["peaks", "dataset.calibrants=[Xx]"], ["'Xx' is not a formula"]),
    ],
)
def test_an_error_leaves_earlier_results_alone(with_results, capsys, contents, damage, args, told):
    if damage:
        source = Path("data").readlink()
        Path("data").unlink()
        shutil.copytree(source, "data")
        damage(with_results)
    before = contents("outputs")
    assert main(args) == 2
    error = capsys.readouterr().err
    for words in told:
        assert words in error
    assert contents("outputs") == before


def test_a_stage_that_breaks_within_leaves_no_half_results(with_results, contents, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("the disk is full")

    before = contents("outputs")
    monkeypatch.setattr("ionprint.models.evaluation.confusion", broken)
    with pytest.raises(RuntimeError):
        main(["evaluate", *QUICK])
    assert contents("outputs") == before


def test_relative_paths_mean_the_folder_they_were_typed_in(with_data, monkeypatch):
    below = with_data / "below"
    below.mkdir()
    (below / "mine").symlink_to(with_data / "data")
    monkeypatch.chdir(below)
    assert main(["peaks", "dataset.path=mine", "outputs=out"]) == 0
    assert (below / "out" / "peaks" / "peak_table.parquet").is_file()
    assert not (with_data / "outputs").exists()
