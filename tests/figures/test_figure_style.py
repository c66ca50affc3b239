import matplotlib
import pandas as pd
import pytest
from matplotlib.text import Text

from ionprint.errors import DataError
from ionprint.figures.calibration import calibration_figure
from ionprint.figures.overlap import overlap_figure
from ionprint.figures.ranking import ranking_figure
from ionprint.figures.samples import samples_figure
from ionprint.figures.style import PALETTE, compound_looks, save


@pytest.fixture
def draw_all(make_ions, make_samples, calibration, make_fit):
    def drawn(source, names=("Li2CO3", "LiH")):
        return {
            "ranking": ranking_figure(make_ions(list(names)), source),
            "samples": samples_figure(make_samples(list(names)), source),
            "calibration": calibration_figure(calibration, source),
            "overlap": overlap_figure(*make_fit(), source),
        }

    return drawn


@pytest.mark.parametrize(
    ("source", "foot"), [("simulated", "Simulated data"), ("measured", "Measured data")]
)
def test_every_foot_says_where_the_data_come_from(draw_all, source, foot):
    assert {figure.get_supxlabel() for figure in draw_all(source).values()} == {foot}


def test_an_unknown_source_is_refused(draw_all):
    with pytest.raises(DataError, match="'guessed'"):
        draw_all("guessed")


def test_same_data_give_the_same_bytes(calibration, make_samples, tmp_path):
    many = pd.concat([calibration] * 70)  # so many points that they are drawn as a picture
    for folder in ("first", "second"):
        names = [f"C{i}" for i in range(1, 10)]
        hatched = samples_figure(make_samples(names), "simulated")
        points = calibration_figure(many, "simulated")
        (tmp_path / folder).mkdir()
        with matplotlib.rc_context({"font.size": 20 if folder == "second" else 10}):
            for name, figure in {"samples": hatched, "calibration": points}.items():
                save(figure, tmp_path / folder, name)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert len(files) == 6
    for name in files:
        content = (tmp_path / "first" / name).read_bytes()
        assert content == (tmp_path / "second" / name).read_bytes(), name
        assert b"Software" not in content and b"dc:date" not in content
        assert b"<text" not in content  # letters are paths, whatever fonts the reader has


def test_saving_twice_gives_the_same_bytes(draw_all, tmp_path):
    figure = draw_all("simulated")["samples"]
    once = [path.read_bytes() for path in save(figure, tmp_path, "one")]
    assert once == [path.read_bytes() for path in save(figure, tmp_path, "one")]


def test_text_is_large_enough_and_settings_are_left_alone(draw_all):
    before = dict(matplotlib.rcParams)
    for figure in draw_all("simulated").values():
        assert min(text.get_fontsize() for text in figure.findobj(Text)) >= 8
    assert dict(matplotlib.rcParams) == before


def test_looks_are_by_sorted_name_and_all_different():
    names = [f"c{i:02d}" for i in range(30)]
    looks = compound_looks(reversed(names))
    assert list(looks) == names
    assert len(set(looks.values())) == 30
    assert [looks[n].color for n in names[:8]] == list(PALETTE)
    assert looks["c00"].hatch == "" and looks["c08"].hatch
