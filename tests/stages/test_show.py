"""The tables here are made by hand, not measured and not simulated: their numbers mean nothing."""

import io
import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from omegaconf import OmegaConf

from ionprint.errors import MissingInputError
from ionprint.stages import show


def score(folds, accuracy):
    metrics = {"accuracy": accuracy, "f1_macro": 0.8, "log_loss": 0.3}
    ends = {
        f"{m}_{end}": v + d
        for m, v in metrics.items()
        for end, d in (("low", -0.1), ("high", 0.05))
    }
    return {"folds": folds, **metrics, **ends}


NESTED, GROUPED, PLAIN = (
    score(f, a) for f, a in (("nested grouped", 0.85), ("grouped", 0.9), ("plain", 0.95))
)
NAMES = "Li2CO3 Li2O Li3N LiH LiOH LiF Li2O2 Li2S LiNO3 Na2CO3 NaOH NMC-811".split()


class Project:
    """A folder of hand-made results."""

    def __init__(self, root):
        self.outputs = root / "outputs"
        for folder in ("ranking", "composition", "evaluation", "checks", "peaks", "figures"):
            (self.outputs / folder).mkdir(parents=True)
        self.cfg = OmegaConf.create(
            {"outputs": str(self.outputs), "peaks": str(self.outputs / "peaks")}
        )
        (self.outputs / "figures" / "ranking.svg").touch()
        self.dataset("lithium", "simulated")
        self.metrics(nested=NESTED, grouped=GROUPED, plain=PLAIN)
        self.checks("passed", "passed", "not applicable")
        self.tables(NAMES[:5])

    def dataset(self, name, source):
        value = {"name": name, "source": source, "spectra": 77, "peaks": 321}
        path = self.outputs / "peaks" / "dataset.json"
        path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")

    def metrics(self, **scores):
        quoted = next(s for s in scores.values() if s)
        value = {"meaning": "Never the same pellet twice.", "score": quoted, **scores}
        (self.outputs / "evaluation" / "metrics.json").write_text(json.dumps(value))

    def checks(self, *results):
        rows = [
            {"name": f"check {i}", "result": r, "finding": f"saw {i}", "accepted": ""}
            for i, r in enumerate(results)
        ]
        pd.DataFrame(rows).to_csv(self.outputs / "checks" / "checks.csv", index=False)

    def tables(self, names, samples=2):
        ions = [
            (n, r, 8 + r / 7, "[6Li]H2" if r == 1 else "", 1 / r)
            for n in names
            for r in (6, 5, 4, 3, 2, 1)
        ]
        columns = ["compound", "rank", "mz", "ion", "weight"]
        pd.DataFrame(ions, columns=columns).to_csv(self.outputs / "ranking/ions.csv", index=False)
        rows = [
            {"sample": f"foil [{i}]", "role": "anode", "expected": "LiH+Li2O", "spectra": 3}
            | {f"p_{n}": round(0.6 / 2**k, 4) for k, n in enumerate(names)}
            for i in range(samples)
        ]
        header = ["sample", "role", "expected", "spectra", *[f"p_{n}" for n in names]]
        pd.DataFrame(rows, columns=header).to_csv(
            self.outputs / "composition/samples.csv", index=False
        )


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def shown(project, capsys):
    show.run(project.cfg)
    return capsys.readouterr().out


def line(text, start):
    return next(row for row in text.splitlines() if row.startswith(start)).split()


def test_says_what_the_files_say(project, capsys):
    out = shown(project, capsys)
    assert out.startswith("lithium: 77 spectra, 321 peaks, SIMULATED data\n")
    assert line(out, "nested")[:5] == ["nested", "(quoted)", "0.850", "[0.750,", "0.900]"]
    assert line(out, "grouped")[:4] == ["grouped", "0.900", "[0.800,", "0.950]"]
    assert line(out, "plain")[-3:] == ["0.300", "[0.200,", "0.350]"]
    assert "checks: 2 passed, none failed" in out
    assert "Never the same pellet twice." in out
    first = line(out, "Li₂CO₃")
    assert first == ["Li₂CO₃", "⁶LiH₂⁻", "8.1429", "8.2857", "8.4286", "8.5714", "8.7143"]
    row = line(out, "1    LiH")
    assert row == [
        "1",
        "LiH",
        "+",
        "Li₂O",
        "anode",
        "foil",
        "[0]",
        *"0.60 0.30 0.15 0.07 0.04".split(),
    ]
    for text in ("make ui", "make serve", str(project.outputs), "figures: 1 as svg"):
        assert text in out


def test_measured_data_are_called_measured(project, capsys):
    project.dataset("alloys", "measured")
    assert "MEASURED data" in shown(project, capsys)


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_fits_the_screen_and_is_plain(project, capsys, monkeypatch, count):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    project.tables(NAMES[:count], samples=5)
    out = shown(project, capsys)
    assert "\x1b" not in out
    rows = out.splitlines()
    assert len(rows) <= 45
    short = [row for row in rows if str(project.outputs) not in row]
    assert max(map(len, short)) <= 100
    assert "…" not in out
    assert all(
        any(row.startswith(show.signs_for("utf-8").formula(name)) for row in rows)
        for name in NAMES[:count]
    )


def test_too_many_compounds_for_columns_give_the_largest(project, capsys):
    project.tables(NAMES)
    assert "Li₂CO₃ 0.60, Li₂O 0.30, Li₃N 0.15" in shown(project, capsys)


def test_many_samples_are_cut_and_said(project, capsys):
    project.tables(NAMES[:5], samples=40)
    out = shown(project, capsys)
    assert "... and 28 more in" in out
    assert len(out.splitlines()) <= 45


def test_without_mixtures_ranking_and_groups(project, capsys):
    project.tables(NAMES[:5], samples=0)
    (project.outputs / "ranking" / "ions.csv").unlink()
    project.metrics(nested=None, grouped=None, plain=PLAIN)
    out = shown(project, capsys)
    assert "No mixture and no anode was read." in out
    assert "this model has no weights" in out
    assert line(out, "plain")[:3] == ["plain", "(quoted)", "0.950"]
    assert not any(row.startswith(("nested", "grouped")) for row in out.splitlines())
    (project.outputs / "composition" / "samples.csv").unlink()
    assert "No mixture and no anode was read." in shown(project, capsys)


def test_failed_checks_are_named(project, capsys):
    project.checks("passed", "failed")
    assert "check failed: check 1: saw 1" in shown(project, capsys)


def test_without_scores_says_what_to_run(project):
    (project.outputs / "evaluation" / "metrics.json").unlink()
    with pytest.raises(MissingInputError, match="ionprint evaluate"):
        show.run(project.cfg)


class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True


def test_ascii_output_is_ascii(project, monkeypatch):
    project.dataset("Lithium für Ω", "simulated")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    show.run(project.cfg)
    stream.flush()
    out = stream.buffer.getvalue().decode("ascii")
    assert "[6Li]H2- 8.1429" in out and "Lithium f?r ?" in out


def test_a_terminal_gets_the_two_largest_in_bold(project, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    show.run(project.cfg)
    stream.flush()
    out = stream.buffer.getvalue().decode()
    bold = re.findall(r"\x1b\[1m +(0\.\d\d)\x1b|\x1b\[1m(0\.\d\d)\x1b", out)
    assert ["".join(pair) for pair in bold] == ["0.60", "0.30"] * 2


def test_stage_modules_import_nothing_heavy():
    code = (
        "import sys, ionprint.stages.show, ionprint.stages.figures;"
        "print([m for m in ('pandas', 'rich', 'matplotlib', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
