"""Files of results: whole or not at all, cells that are text, nothing left of killed commands."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yaml import YAMLError

from ionprint.errors import IonprintError, masked, of_disk
from ionprint.files import (
    as_cell,
    fresh_folder,
    of_cell,
    read_table,
    read_yaml,
    write_table,
    write_yaml,
)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=20)


@given(TEXT)
@example("=HYPERLINK(1)")
@example("'=1")
@example("''@x")
def test_a_cell_is_text_to_a_spreadsheet_and_comes_back(text):
    shown = as_cell(text)
    assert shown[0] not in "=+-@\t\r"
    assert of_cell(shown) == text
    assert (as_cell(-1.5), as_cell(None)) == (-1.5, None)


def test_tables_of_hostile_names_come_back(tmp_path):
    names = ["=1+1", "+a", "-b", "@c", "'=d", "LiH", "", "NaN", "\tx"]
    frame = pd.DataFrame({"sample": names, "p_=x": [-0.5] * len(names), "=y": names})
    write_table(frame, tmp_path / "a.csv", 3)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "sample,p_=x,'=y"
    assert all(line[:1] not in "=+-@" for line in lines if line)
    back = read_table(tmp_path / "a.csv")
    assert back["sample"].tolist() == names
    assert list(back.columns) == ["sample", "p_=x", "=y"]
    assert back["p_=x"].tolist() == [-0.5] * len(names)


def test_what_a_killed_command_left_goes_with_the_next(tmp_path):
    left = tmp_path / ".figures-abc"
    left.mkdir()
    (left / "half.png").touch()
    others = tmp_path / ".ranking-abc"
    others.mkdir()
    for folder in (left, others):
        os.utime(folder, (time.time() - 60,) * 2)
    with fresh_folder(tmp_path / "figures") as new:
        assert not left.exists() and others.exists()
        os.utime(new, (time.time() - 60,) * 2)
        with fresh_folder(tmp_path / "figures") as second:  # by another command at the same time
            assert new.exists()
            (second / "b").touch()
        (new / "a").touch()
    assert sorted(p.name for p in tmp_path.iterdir()) == [".ranking-abc", "figures"]
    assert (tmp_path / "figures/a").exists()


def test_a_command_killed_between_its_moves_loses_nothing(tmp_path):
    old = tmp_path / ".figures-old-abc"
    (old / "figures").mkdir(parents=True)
    (old / "figures/kept").touch()
    os.utime(old, (time.time() - 60,) * 2)
    with pytest.raises(ZeroDivisionError), fresh_folder(tmp_path / "figures"):
        raise ZeroDivisionError
    assert (tmp_path / "figures/kept").exists() and not old.exists()


def test_yaml_that_refers_to_itself_is_refused(tmp_path):
    with pytest.raises(YAMLError, match="refers to another part"):
        read_yaml(b"a: &a [1]\nb: *a\n")
    with pytest.raises(YAMLError):
        read_yaml(b"!!python/object/apply:os.system [true]")
    same = [1, 2]
    write_yaml({"a": same, "b": same}, tmp_path / "a.yaml")
    assert read_yaml(tmp_path / "a.yaml") == {"a": same, "b": same}


LETTERS = st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'\"")


@given(st.text(LETTERS, min_size=1))
@example("p@ss:w/ord")
def test_no_message_tells_a_password(password):
    asked = f"tuning.storage=postgresql+psycopg://anna:{password}@host:5432/studies"
    shown = "tuning.storage=postgresql+psycopg://anna:***@host:5432/studies"
    assert masked(f"{asked} and more") == f"{shown} and more"
    assert str(IonprintError(f"{asked}: no answer")) == f"{shown}: no answer"


def test_what_is_no_password_stays():
    query = "sqlite:///a.db?timeout=1&sslpassword=secret&token=abc&a=1"
    assert masked(query) == "sqlite:///a.db?timeout=1&sslpassword=***&token=***&a=1"
    for text in ("models:/ionprint-lithium@champion", "http://127.0.0.1:5000/?a=1", "a@b.org"):
        assert masked(text) == text


@pytest.mark.parametrize(
    ("number", "told"), [(28, "make room"), (30, "outputs="), (13, "who owns"), (21, "a folder")]
)
def test_faults_of_the_disk_are_told_with_what_to_do(number, told):
    text = of_disk(OSError(number, os.strerror(number), "outputs/a.csv"))
    assert text.startswith("outputs/a.csv: ") and told in text


@pytest.mark.parametrize("stage", ["peaks", "rank", "figures", "track"])
def test_a_full_disk_ends_in_words_and_leaves_results(with_results, contents, stage):
    before = contents("outputs")

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    # what another test told MLflow stays in the environment
    env = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_TRACKING")}
    command = [sys.executable, "-m", "ionprint.cli", stage]
    done = subprocess.run(command, preexec_fn=full, capture_output=True, text=True, env=env)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and (
        "too large" in done.stderr or "Make room" in done.stderr
    )
    assert contents("outputs") == before


def test_a_file_where_results_belong_is_told(with_results, capsys):
    from ionprint.cli import main

    Path("file").touch()
    assert main(["rank", "outputs=file/deeper", "peaks=outputs/peaks"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("ionprint rank: ") and "file" in told
