"""`ionprint predict`: files, folders and patterns in; a table, CSV or JSON out."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ionprint.cli import main
from ionprint.serving.model import Model


@pytest.fixture
def predict(finished, capsys, monkeypatch, tmp_path):
    """Run the command in a folder that is no project, with the finished model."""
    monkeypatch.chdir(tmp_path)
    folder = str(finished / "outputs/model")

    def run(*words):
        code = main(["predict", *map(str, words), "--model", folder])
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


@pytest.fixture
def files(finished):
    return sorted((finished / "data/spectra").iterdir())


def test_a_folder_is_read_whole(predict, finished, files):
    code, out, err = predict(finished / "data", "--format", "json")
    assert code == 0
    answers = json.loads(out)
    assert sorted(a["name"] for a in answers) == [f.name for f in files]
    assert err == ""
    direct = Model.of_folder(finished / "outputs/model").predict(finished / "data")
    assert out == direct.json() + "\n"


def test_csv_has_the_rows_of_the_table(predict, files):
    code, out, _ = predict(*files[:3], "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["name"] for row in rows] == [file.name for file in files[:3]]
    assert {"holds", "p_LiH", "fraction_LiH_low", "evidence_LiH", "alarm"} <= set(rows[0])


def test_the_table_says_what_is_there_and_what_proves_it(predict, files):
    sample = next(f for f in files if "sample4" in f.name)
    code, out, _ = predict(sample)
    assert code == 0
    assert "simulated references" in out
    assert "Li2CO3 0." in out
    assert "OUTSIDE" in out
    assert "CO3" in out


def test_one_bad_file_among_many_is_told_and_the_rest_done(predict, files, tmp_path):
    (tmp_path / "bad.txt").write_text("# Source: me\nm/z\tIntensity\n1.0\tmany\n")
    code, out, err = predict(files[0], "bad.txt", files[1], "--format", "json")
    assert code == 3
    assert len(json.loads(out)) == 2
    assert "bad.txt, line 3: Intensity is 'many'" in err
    assert "1 of 3 files could not be read" in err
    code, out, err = predict("bad.txt", "--format", "json")
    assert (code, out) == (2, "")


def test_nothing_there_is_an_error(predict):
    code, out, err = predict("nothing/*.txt")
    assert (code, out) == (2, "")
    assert "nothing/*.txt: no file there" in err


def test_output_is_written_whole_or_not_at_all(predict, files, tmp_path):
    target = tmp_path / "new" / "answers.csv"
    assert predict(files[0], "--format", "csv", "--output", target)[0] == 0
    before = target.read_text()
    assert before.startswith("name,holds,")
    (tmp_path / "bad.txt").write_text("nothing\n")
    assert predict("bad.txt", "--format", "csv", "--output", target)[0] == 2
    assert target.read_text() == before
    assert [p.name for p in target.parent.iterdir()] == ["answers.csv"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--primary-ions", "0"], "--primary-ions 0: expected a number above 0"),
        (["--pulses", "-3"], "--pulses -3: expected a number above 0"),
    ],
)
def test_impossible_numbers_are_refused(predict, files, words, says):
    code, _, err = predict(files[0], *words)
    assert code == 2
    assert says in err


def test_a_folder_without_a_model_is_refused(capsys, tmp_path, files):
    assert main(["predict", str(files[0]), "--model", str(tmp_path)]) == 2
    assert "holds no model: SHA256SUMS is not there" in capsys.readouterr().err


def test_neither_mlflow_nor_scikit_learn_is_waited_for(finished, files):
    code = (
        "import sys; from ionprint.cli import main; "
        f"assert main(['predict', {str(files[0])!r}, '--model', "
        f"{str(finished / 'outputs/model')!r}]) == 0; "
        "assert not {'mlflow', 'sklearn', 'hydra'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_it_is_not_logged_outside_a_project(predict, files, tmp_path):
    predict(files[0])
    assert not Path(tmp_path / "logs").exists()


def test_processes_answer_as_one_does_and_tell_of_the_same_bad_file(predict, files, tmp_path):
    bad = tmp_path / "bad.txt"
    bad.write_text("no spectrum\n")
    asked = (*files[:3], bad, *files[3:25], "--format", "json")
    alone = predict(*asked)
    assert alone[0] == 3
    assert predict(*asked, "--dask", "cluster", "--workers", "2") == alone


def test_a_scheduler_that_is_not_there_is_told(predict, files, monkeypatch):
    monkeypatch.setattr("ionprint.cluster.WAIT", "1s")
    code, _, err = predict(files[0], "--dask", "tcp://127.0.0.1:9")
    assert code == 2
    assert "no Dask scheduler answers there" in err
