import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from ionprint.errors import MissingInputError
from ionprint.files import read_json, read_table
from ionprint.stages import figures
from ionprint.stages.drawings import LeftOut, composition, ions, spectra, validation
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


def drawn(plan, cfg):
    """Return the names of the figures of a plan."""
    return [drawing.name for drawing in plan(ResultFiles(cfg), cfg.figures)]


def test_figures_are_saved_by_topic_and_the_same_bytes_again(project, contents):
    cfg, outputs = project
    figures.run(cfg, tuning_only=True)
    first = contents(outputs / "figures")
    kinds = ("svg", "pdf", "png")
    assert set(first) == {"figures.json", *(f"validation/tuning.{kind}" for kind in kinds)}
    figures.run(cfg, tuning_only=True)
    assert first == contents(outputs / "figures")


def test_what_is_drawn_is_said(project):
    cfg, outputs = project
    figures.run(cfg, tuning_only=True)
    index = read_json(outputs / "figures" / "figures.json")
    assert index["source"] == "simulated"
    (figure,) = index["figures"]
    assert (figure["topic"], figure["name"]) == ("validation", "tuning")
    assert "4 trials" in figure["says"]


def test_what_does_not_apply_is_left_out_and_said(project, capsys):
    cfg, outputs = project
    (outputs / "tuning" / "trials.csv").write_text("trial,score,score_se\n0,1.6,0.1\n")
    figures.run(cfg, tuning_only=True)
    assert [path.name for path in (outputs / "figures").iterdir()] == ["figures.json"]
    reason = "No figure of the tuning: there was nothing to tune."
    assert read_json(outputs / "figures" / "figures.json")["left_out"] == [reason]
    assert reason in capsys.readouterr().out


def test_plans_draw_what_is_there(project):
    cfg, _ = project
    for plan in (spectra.calibration, spectra.overlap, ions.ranking, composition.samples):
        assert drawn(plan, cfg) == [plan.__name__]


def test_a_model_without_weights_and_no_samples(project, make_samples):
    cfg, outputs = project
    make_samples(["Li2CO3"]).head(0).to_csv(outputs / "composition" / "samples.csv", index=False)
    (outputs / "ranking" / "ions.csv").unlink()
    for plan in (ions.ranking, ions.circles):
        with pytest.raises(LeftOut, match="no weights"):
            drawn(plan, cfg)
    for plan in (composition.samples, composition.composition, composition.mirror):
        with pytest.raises(LeftOut, match="no mixture and no anode"):
            drawn(plan, cfg)


def test_imported_areas_have_no_calibration_to_draw(project, calibration):
    cfg, outputs = project
    calibration.head(0).to_csv(outputs / "peaks" / "calibration.csv", index=False)
    with pytest.raises(LeftOut, match="nothing was calibrated"):
        drawn(spectra.calibration, cfg)


def test_a_spectrum_without_a_shape_or_without_neighbours_has_no_overlaps(project):
    cfg, outputs = project
    about = outputs / "peaks" / "sum_spectrum.json"
    text = about.read_text()
    about.write_text(json.dumps({**json.loads(text), "shape": None}))
    with pytest.raises(LeftOut, match="no peak shape was fitted"):
        drawn(spectra.overlap, cfg)
    about.write_text(text)
    path = outputs / "peaks" / "peaks.csv"
    read_table(path)[::2].to_csv(path, index=False)
    with pytest.raises(LeftOut, match="no two strong peaks"):
        drawn(spectra.overlap, cfg)


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
    ("path", "stage", "plan"),
    [
        ("peaks/dataset.json", "peaks", spectra.overlap),
        ("peaks/calibration.csv", "peaks", spectra.calibration),
        ("composition/samples.csv", "composition", composition.samples),
        ("tuning/best.yaml", "tune", validation.tuning),
        ("evaluation/metrics.json", "evaluate", validation.scores),
        ("model", "train", ions.circles),
    ],
)
def test_a_missing_input_names_its_stage(project, path, stage, plan):
    cfg, outputs = project
    if (outputs / path).exists():
        (outputs / path).unlink()
    with pytest.raises(MissingInputError, match=f"ionprint {stage}"):
        drawn(plan, cfg)


def test_sodium_nitride_is_no_missing_value(tmp_path):
    path = tmp_path / "ions.csv"
    path.write_text(
        "compound,rank,mz,ion,error_ppm,weight,weight_sd,sample\nNa,1,36.99,NaN,,0.5,nan,007\n"
    )
    row = read_table(path).iloc[0]
    assert row["ion"] == "NaN" and row["sample"] == "007"
    assert row["error_ppm"] != row["error_ppm"] and row["weight_sd"] != row["weight_sd"]
