import io
import sys

import pytest

from ionprint.cli import main
from ionprint.stages.terminal import LOG, console, logged, quiet, summary


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_command_is_kept_in_the_log_with_what_it_said(with_results, capsys):
    assert main(["show"]) == 0
    shown = capsys.readouterr().out
    log = LOG.read_text(encoding="utf-8")
    assert "$ ionprint show" in log
    for line in filter(str.strip, shown.splitlines()):
        assert line.strip() in log


@pytest.mark.parametrize("place", [0, 1])
def test_quiet_prints_nothing_and_keeps_the_log(with_results, capsys, place):
    words = ["show"]
    words.insert(place, "--quiet")
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
    log = LOG.read_text(encoding="utf-8")
    assert log.count("Characteristic ions") == 1


def test_quiet_still_tells_errors(project, capsys):
    assert main(["-q", "show"]) == 2
    assert "ionprint peaks" in capsys.readouterr().err


def test_an_error_stands_in_the_log(tmp_path):
    with pytest.raises(ValueError), logged(tmp_path / "log", "ionprint tune"):
        print("half of a line", end="")
        raise ValueError("too few")
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert [line.split(maxsplit=2)[2] for line in lines] == [
        "INFO    $ ionprint tune", "INFO    half of a line", "ERROR   ValueError: too few",
    ]  # fmt: skip


def test_the_terminal_keeps_its_colours_and_the_log_has_none(tmp_path, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with logged(tmp_path / "log", "ionprint show"):
        summary("Results", [("score", 1)])
    assert "\x1b[1m" in terminal.getvalue()
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "Results" in log and "\x1b" not in log


def test_a_summary_leaves_out_what_is_not_there(capsys):
    summary("Tuning [draft]", [("best", "C=1"), ("again", ""), ("other", None), ("none", 0)])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["Tuning [draft]", "best  C=1", "none  0"]


def test_quiet_ends_with_its_block(capsys):
    with quiet():
        console().print("hidden")
    console().print("seen")
    assert capsys.readouterr().out.strip() == "seen"
