from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from omegaconf import OmegaConf

from ionprint.errors import DataError
from ionprint.figures.mirror import FLAG, WHOLE, mirror_figure
from ionprint.figures.style import compound_looks
from ionprint.stages.drawings.composition import mirror

COUNTS = [4000.0, 100.0, 900.0, 0.0]


@pytest.fixture
def explained():
    """Four ions: one of either compound, one of neither, and one that is expected but missing."""
    return pd.DataFrame(
        {
            "sample": "foil $1",
            "role": "anode",
            "mz": [15.9955, 17.0033, 18.999, 23.0115],
            "ion": ["O", "OH", "", "LiO"],
            "counts": COUNTS,
            "explained_Li2O": [3900.0, 10.0, 0.0, 400.0],
            "explained_LiOH": [100.0, 90.0, 0.0, 0.0],
            "foreign": [0.0, 0.0, 1.0, 0.0],
        }
    )


def sticks(figure):
    """Return the peaks of each colour: height over m/z."""
    drawn = {}
    for line in figure.axes[0].lines:
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        if x.size % 3 == 0 and x.size:
            peaks = dict(zip(x[1::3].tolist(), y[1::3].tolist(), strict=True))
            drawn.setdefault(to_hex(line.get_color()).upper(), {}).update(peaks)
    return drawn


def test_peaks_are_mirrored_on_a_root_scale(explained):
    drawn = sticks(mirror_figure(explained, "simulated"))
    total = sum(COUNTS)
    assert drawn[WHOLE] == pytest.approx(
        {15.9955: np.sqrt(4000 / total), 17.0033: np.sqrt(100 / total)}
    )
    assert drawn[FLAG] == pytest.approx({18.999: np.sqrt(900 / total)})
    looks = compound_looks(["Li2O", "LiOH"])
    assert drawn[looks["Li2O"].color] == pytest.approx(
        {15.9955: -np.sqrt(4000 / total), 23.0115: -np.sqrt(400 / total)}
    )
    assert drawn[looks["LiOH"].color] == pytest.approx({17.0033: -np.sqrt(100 / total)})


def test_ions_are_named_and_what_is_explained_is_told(explained):
    figure = mirror_figure(explained, "simulated")
    axes = figure.axes[0]
    said = {text.get_text(): text.get_color() for text in axes.texts}
    assert said == {
        "O⁻  15.9955": "black",
        "OH⁻  17.0033": "black",
        "18.9990": FLAG,
        "LiO⁻  23.0115": "black",
    }
    assert figure.get_suptitle() == r"foil \$1, anode: 82 % of the signal is explained"
    missing = mirror_figure(explained.assign(explained_LiOH=2000.0), "simulated")
    assert "is expected but missing" in missing.get_suptitle()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == labels[::-1] and "0" in labels


def test_names_of_neighbours_do_not_overlap():
    mz = 25.0 + 0.02 * np.arange(30)
    rows = pd.DataFrame({"sample": "a", "role": "anode", "mz": mz, "ion": "LiC2O4H3"})
    rows = rows.assign(counts=np.arange(30.0) + 1, explained_LiH=1.0, foreign=[1.0, 0.0] * 15)
    figure = mirror_figure(rows, "measured", compounds=["LiH", "LiOH"])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) >= 12
    for i, box in enumerate(boxes):
        assert box.y1 <= figure.bbox.y1 and 0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_several_samples_or_none_are_refused(explained):
    with pytest.raises(DataError, match="got 0"):
        mirror_figure(explained.head(0), "simulated")
    with pytest.raises(DataError, match="got 2"):
        mirror_figure(explained.assign(sample=list("aabb")), "simulated")


def test_a_drawing_a_sample_up_to_what_is_asked(explained):
    samples = pd.DataFrame({"sample": list("abc"), "role": "anode", "spectra": 2, "outside": 0.0})
    results = SimpleNamespace(
        samples=samples,
        explained=pd.concat([explained.assign(sample=name) for name in "abc"]),
        source="simulated",
        compounds=["Li2O", "LiOH"],
    )
    drawings = list(mirror(results, OmegaConf.create({"samples": 2})))
    assert [drawing.name for drawing in drawings] == ["mirror_1", "mirror_2"]
    assert [d.figure.get_suptitle()[0] for d in drawings] == ["a", "b"]
    assert all("first 2 of 3 samples" in drawing.says for drawing in drawings)
