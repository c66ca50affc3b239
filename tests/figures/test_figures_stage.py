import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from ionprint.errors import MissingInputError
from ionprint.files import read_json, read_table
from ionprint.stages import figures
from ionprint.stages.peaks import _write_sum, peak_frame
from ionprint.stages.results import ResultFiles

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture
def project(tmp_path, make_ions, make_samples, calibration, make_fit):
    outputs = tmp_path / "outputs"
    for folder in ("ranking", "composition", "peaks", "tuning"):
        (outputs / folder).mkdir(parents=True)
    (outputs / "tuning" / "best.yaml").write_text("metric: log_loss\n")
    rows = {"trial": range(4), "score": [3, 1, 0.1, 2], "score_se": 0.1, "C": [1, 10, 0.01, 5]}
    pd.DataFrame(rows).to_csv(outputs / "tuning" / "trials.csv", index=False)
    names = ["Li2CO3", "LiOH"]
    make_ions(names).to_csv(outputs / "ranking" / "ions.csv", index=False)
    make_samples(names).to_csv(outputs / "composition" / "samples.csv", index=False)
    calibration.to_csv(outputs / "peaks" / "calibration.csv", index=False)
    total, peaks, formulas = make_fit()
    frame = peak_frame(peaks, np.full(1, np.inf), peaks.counts[None], 0.5).assign(ion=formulas)
    frame.to_csv(outputs / "peaks" / "peaks.csv", index=False)
    _write_sum(total, peaks, outputs / "peaks")
    (outputs / "peaks" / "dataset.json").write_text(json.dumps({"source": "simulated"}))
    settings = OmegaConf.load(CONF / "figures" / "default.yaml")
    places = {"outputs": str(outputs), "peaks": str(outputs / "peaks")}
    return OmegaConf.create({**places, "figures": settings}), outputs


def names(outputs):
    folder = outputs / "figures"
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*"))


def test_draws_all_and_the_same_bytes_again(project, contents):
    cfg, outputs = project
    figures.run(cfg)
    drawn = ("spectra/calibration", "spectra/overlap", "ions/ranking", "validation/tuning")
    assert set(names(outputs)) >= {
        "figures.json",
        *(f"{n}.{k}" for n in (*drawn, "composition/samples") for k in ("svg", "pdf", "png")),
    }
    first = contents(outputs / "figures")
    figures.run(cfg)
    assert first == contents(outputs / "figures")


def test_what_does_not_apply_is_left_out_and_said(project, capsys, make_samples):
    cfg, outputs = project
    figures.run(cfg)
    (outputs / "ranking" / "ions.csv").unlink()
    make_samples(["Li2CO3"]).head(0).to_csv(outputs / "composition" / "samples.csv", index=False)
    (outputs / "peaks" / "sum_spectrum.json").unlink()
    (outputs / "tuning" / "trials.csv").write_text("trial,score,score_se\n0,1.6,0.1\n")
    capsys.readouterr()
    figures.run(cfg)
    assert {n.split(".")[0] for n in names(outputs)} == {"figures", "spectra/calibration"}
    out = capsys.readouterr().out
    assert out.splitlines()[:-1] == read_json(outputs / "figures" / "figures.json")["left_out"]
    assert (
        "nothing to tune" in out
        and "no weights" in out
        and "no mixture" in out
        and "no peak shape" in out
    )


def test_imported_areas_have_no_calibration_to_draw(project, capsys, calibration):
    cfg, outputs = project
    calibration.head(0).to_csv(outputs / "peaks" / "calibration.csv", index=False)
    figures.run(cfg)
    assert "spectra/calibration.svg" not in names(outputs)
    assert "nothing was calibrated" in capsys.readouterr().out


def test_a_spectrum_without_a_shape_or_without_neighbours_has_no_overlaps(
    project, capsys, make_fit
):
    cfg, outputs = project
    about = outputs / "peaks" / "sum_spectrum.json"
    text = about.read_text()
    about.write_text(json.dumps({**json.loads(text), "shape": None}))
    figures.run(cfg)
    assert "spectra/overlap.svg" not in names(outputs)
    assert "no peak shape was fitted" in capsys.readouterr().out
    about.write_text(text)
    path = outputs / "peaks" / "peaks.csv"
    read_table(path)[::2].to_csv(path, index=False)
    figures.run(cfg)
    assert "spectra/overlap.svg" not in names(outputs)
    assert "no two strong peaks" in capsys.readouterr().out


def test_the_fit_is_read_as_it_was_written(project, make_fit):
    cfg, _ = project
    total, peaks, ions = ResultFiles(cfg).fit
    spectrum, fitted, formulas = make_fit()
    assert (total.counts == spectrum.counts).all()
    assert (total.start, total.step) == (spectrum.start, spectrum.step)
    assert (peaks.shape, peaks.width) == (fitted.shape, fitted.width)
    assert peaks.centres == pytest.approx(fitted.centres)
    assert ions.tolist() == formulas.tolist()


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("peaks/dataset.json", "peaks"),
        ("peaks/calibration.csv", "peaks"),
        ("composition/samples.csv", "composition"),
        ("tuning/best.yaml", "tune"),
    ],
)
def test_a_missing_input_names_its_stage(project, path, stage):
    cfg, outputs = project
    (outputs / path).unlink()
    with pytest.raises(MissingInputError, match=f"ionprint {stage}"):
        figures.run(cfg)


def test_sodium_nitride_is_no_missing_value(tmp_path):
    path = tmp_path / "ions.csv"
    path.write_text(
        "compound,rank,mz,ion,error_ppm,weight,weight_sd,sample\nNa,1,36.99,NaN,,0.5,nan,007\n"
    )
    row = read_table(path).iloc[0]
    assert row["ion"] == "NaN" and row["sample"] == "007"
    assert row["error_ppm"] != row["error_ppm"] and row["weight_sd"] != row["weight_sd"]
