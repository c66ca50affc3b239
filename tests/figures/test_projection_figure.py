import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from omegaconf import OmegaConf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from ionprint.errors import ConfigError, DataError
from ionprint.figures.projection import Map, projection_figure
from ionprint.figures.style import compound_looks
from ionprint.models.normalisation import TotalCounts
from ionprint.models.storage import REFERENCES, TrainedModel, save_model
from ionprint.spectra.table import PeakTable
from ionprint.stages.drawings import LeftOut, ions, model
from ionprint.stages.results import ResultFiles

SHARES = np.array([0.431, 0.2, 0.1])
GRID = np.linspace(-5.0, 5.0, 6)


@pytest.fixture
def make_points():
    """Scores of four spectra a compound and two a mixture."""

    def made(names, mixtures=("mix $1", "NaOH"), far=1.0):
        rng = np.random.default_rng(0)
        rows = [(f"{c} pellet", "reference", c, c) for c in names for _ in range(4)]
        rows += [(m, "mixture", "", "Li2CO3+LiOH") for m in mixtures for _ in range(2)]
        points = pd.DataFrame(rows, columns=["sample", "role", "compound", "expected"])
        points[["PC1", "PC2", "PC3"]] = rng.uniform(-1.0, 1.0, (len(rows), 3))
        points.loc[points["role"] == "mixture", "PC1"] *= far
        return points

    return made


def offsets(axes):
    return np.concatenate([dots.get_offsets() for dots in axes.collections])


def test_a_row_a_plane_with_the_variance_on_the_axes(make_points, compounds):
    maps = [Map(GRID, GRID, np.tile(np.linspace(0, 1, 6), (6, 1)))] * 2
    points = make_points(compounds)
    figure = projection_figure(
        points, [(1, 2), (2, 3)], SHARES, "simulated", maps=maps, mapped=compounds[0]
    )
    left, right = figure.axes[0], figure.axes[1]
    labels = [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes[:4]]
    assert labels[:2] == [("PC1 (43.1 %)", "PC2 (20.0 %)")] * 2
    assert labels[2:] == [("PC2 (20.0 %)", "PC3 (10.0 %)")] * 2
    assert sorted(offsets(left).tolist()) == sorted(points[["PC1", "PC2"]].to_numpy().tolist())
    assert right.images[0].get_array().shape == (6, 6)
    assert right.get_xlim() == left.get_xlim() and right.get_ylim() == left.get_ylim()
    assert "probability of" in figure.axes[4].get_ylabel()
    figure.draw_without_rendering()


def test_dots_have_the_compounds_colours(make_points):
    points = make_points(["LiH", "LiOH"])
    known = ["Li2CO3", "LiH", "LiOH"]
    figure = projection_figure(points, [(1, 2)], SHARES, "measured", compounds=known)
    colours = [to_hex(dots.get_facecolor()[0]).upper() for dots in figure.axes[0].collections]
    looks = compound_looks(known)
    assert colours == [looks["LiH"].color, looks["LiOH"].color, "#FFFFFF", "#FFFFFF"]
    written = [text.get_text() for text in figure.legends[0].get_texts()]
    assert written == ["LiH", "LiOH", "mix \\$1\nLi₂CO₃ + LiOH", "NaOH\nLi₂CO₃ + LiOH"]


def test_samples_are_as_many_as_have_room(make_points):
    points = make_points(["LiH"], [f"mix {i}" for i in range(40)])
    figure = projection_figure(points, [(1, 2)], SHARES, "measured", most=30)
    assert figure.legends[0].get_texts()[-1].get_text() == "and 10 more,\nnot shown"
    dots = figure.axes[0].collections[1:]
    assert len(dots) == 30
    marks = {(d.get_paths()[0].vertices.tobytes(), to_hex(d.get_facecolor()[0])) for d in dots}
    assert len(marks) == 30


def test_far_samples_stand_at_the_edge(make_points):
    points = make_points(["LiH", "Li2O"], far=100.0)
    figure = projection_figure(points, [(1, 2)], SHARES, "measured")
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    assert -4 < low < offsets(axes)[:, 0].min() and offsets(axes)[:, 0].max() < high < 4
    assert "drawn at the edge" in figure.legends[0].get_texts()[-1].get_text()


def test_nothing_to_project_is_an_error(make_points):
    with pytest.raises(DataError, match="no spectra"):
        projection_figure(make_points([], []), [(1, 2)], SHARES, "measured")


RNG = np.random.default_rng(1)
MZ = np.array([7.0165, 8.0244, 9.0322, 12.0005, 15.9955, 17.0033])
NAMES = ["Li2CO3", "Li2O", "LiH"]
MEANS = {"Li2CO3": [9, 1, 1, 40, 60, 9], "Li2O": [9, 2, 2, 8, 70, 20], "LiH": [30, 60, 60, 1, 5, 5]}


def spectra(mean, count):
    return RNG.poisson(100 * np.array(mean), (count, 6)).astype(float)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of a small model: references of three compounds, a mixture and an anode."""
    root = tmp_path_factory.mktemp("results")
    for name in ("model", "peaks", "composition", "ranking"):
        (root / name).mkdir()
    rows = [(f"{c} {p}", "reference", c, c) for c in NAMES for p in (1, 2) for _ in range(2)]
    rows += [("mix", "mixture", "", "Li2O+LiH")] * 2 + [("foil", "anode", "", "")] * 2
    samples = pd.DataFrame(rows, columns=["sample", "role", "compound", "expected"])
    samples = samples.assign(file=samples.index.astype(str), source="simulated")
    mixed = np.add(MEANS["Li2O"], MEANS["LiH"]) / 2
    areas = [spectra(MEANS[c], 4) for c in NAMES] + [spectra(mixed, 2), spectra(MEANS["LiH"], 2)]
    table = PeakTable(samples, MZ, np.vstack(areas))
    table.write(root / "peaks" / "peak_table.parquet")
    (root / "peaks" / "dataset.json").write_text('{"source": "simulated"}')
    references = table.of_role("reference")
    references.write(root / "model" / REFERENCES)
    parts = TotalCounts(), MinMaxScaler(), LogisticRegression()
    steps = list(zip(("normalise", "scale", "classify"), parts, strict=True))
    pipeline = Pipeline(steps).fit(references.areas, references.column("compound"))
    about = {"group": "sample", "align_ppm": 100.0}
    save_model(TrainedModel(pipeline, MZ, about), root / "model")
    held = {f"present_{c}": [float(c != "Li2CO3"), float(c == "LiH")] for c in NAMES}
    said = {f"p_{c}": [0.3, 0.4] for c in NAMES}
    about = {"sample": ["mix", "foil"], "role": ["mixture", "anode"]}
    pd.DataFrame({**about, **held, **said}).to_csv(root / "composition" / "samples.csv")
    ranking = [
        (name, rank, MZ[peak], "LiH" if peak == 1 else "", weights[peak], 0.01)
        for name, weights in zip(NAMES, pipeline[-1].coef_, strict=True)
        for rank, peak in enumerate(np.argsort(-weights), start=1)
    ]
    columns = ["compound", "rank", "mz", "ion", "weight", "weight_sd"]
    pd.DataFrame(ranking, columns=columns).to_csv(root / "ranking" / "ions.csv", index=False)
    return root


@pytest.fixture
def results(folder):
    return ResultFiles(OmegaConf.create({"outputs": str(folder), "peaks": str(folder / "peaks")}))


@pytest.fixture
def settings():
    return OmegaConf.create(
        {
            "planes": [[1, 2], [2, 3]],
            "decision_map": None,
            "comparison": None,
            "circle_ions": 5,
            "samples": 12,
        }
    )


def test_the_compound_of_the_map_is_the_one_most_often_present(results, settings):
    (drawing,) = model.projection(results, settings)
    assert drawing.figure.axes[4].get_ylabel() == "probability of LiH (of the classifier)"
    assert "probability of LiH" in drawing.says and "12 reference spectra" in drawing.says
    settings.decision_map = "Li2O"
    (drawing,) = model.projection(results, settings)
    assert "probability of Li₂O" in drawing.figure.axes[4].get_ylabel()


def test_maps_reach_as_far_as_the_panels(results, settings):
    (drawing,) = model.projection(results, settings)
    for axes in (drawing.figure.axes[1], drawing.figure.axes[3]):
        assert axes.images[0].get_extent() == pytest.approx([*axes.get_xlim(), *axes.get_ylim()])


def test_a_map_of_an_unknown_compound_names_those_there_are(results, settings):
    settings.decision_map = "Li3N"
    with pytest.raises(ConfigError, match="names 'Li3N'; the model knows Li2CO3, Li2O, LiH"):
        next(model.projection(results, settings))


@pytest.mark.parametrize("plane", [[1, 1], [0, 1], [1, 2, 3]])
def test_what_is_no_plane_is_an_error(results, settings, plane):
    settings.planes = [plane]
    with pytest.raises(ConfigError, match="two different .* numbered from 1"):
        next(model.projection(results, settings))


def test_a_plane_beyond_the_references_is_left_out(results, settings):
    settings.planes = [[2, 40]]
    with pytest.raises(LeftOut, match=r"\[2, 40\], and these references have \d+ components"):
        next(model.projection(results, settings))


def test_anodes_are_drawn_without_mixtures(results, settings):
    (drawing,) = model.anodes(results, settings)
    written = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert written == ["Li₂CO₃", "Li₂O", "LiH", "foil"]
    assert not any(axes.images for axes in drawing.figure.axes)
    results.peak_table = results.peak_table.of_role("mixture")
    with pytest.raises(LeftOut, match="the data set has none"):
        next(model.anodes(results, settings))


def test_too_few_references_leave_the_figure_out(results, settings, monkeypatch):
    few, samples = model.spectra_of(results)
    monkeypatch.setattr(model, "spectra_of", lambda _: (few.rows(np.arange(2)), samples))
    with pytest.raises(LeftOut, match="need 3 reference spectra, there are 2"):
        next(model.projection(results, settings))


def test_plans_of_ions_draw_what_was_ranked(results, settings):
    (loadings,) = model.loadings(results, settings)
    assert len(loadings.figure.axes) == 2 * 3 + 1
    (circles,) = ions.circles(results, settings)
    assert "2 of 2 anodes and mixtures" in circles.says and "all 16 spectra" in circles.says
    (comparison,) = ions.comparison(results, settings)
    assert comparison.title == "Li2CO3 and Li2O" and "most alike" in comparison.says
    assert "means by sample" in comparison.figure.axes[1].get_xlabel()
    settings.comparison = ["LiH", "Li2O"]
    (comparison,) = ions.comparison(results, settings)
    assert comparison.title == "LiH and Li2O" and "most alike" not in comparison.says


@pytest.mark.parametrize("pair", [["LiH", "Li3N"], ["LiH"], ["LiH", "LiH"]])
def test_a_wrong_comparison_names_the_compounds(results, settings, pair):
    settings.comparison = pair
    with pytest.raises(ConfigError, match="two of the compounds Li2CO3, Li2O, LiH"):
        next(ions.comparison(results, settings))


@pytest.mark.parametrize("plan", [model.loadings, ions.circles, ions.comparison])
def test_without_weights_these_are_left_out(results, settings, plan, monkeypatch):
    monkeypatch.setattr(ResultFiles, "ranking", None)
    with pytest.raises(LeftOut, match="no weights"):
        next(plan(results, settings))
