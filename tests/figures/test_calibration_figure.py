import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from ionprint.figures.calibration import calibration_figure, spread


def points(axes):
    """Return the plotted m/z and errors by their label in the legend."""
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in axes.lines
        if line.get_marker() == "o"
    }


def test_every_spectrum_is_a_point_before_and_after(calibration):
    figure = calibration_figure(calibration, "simulated")
    for axes, when in zip(figure.axes, ("before", "after"), strict=True):
        drawn = points(axes)
        for label, chosen in {
            "calibrants": calibration["used"] & (calibration["kind"] == "calibrant"),
            "other ions known beyond doubt": calibration["kind"] == "added",
            "not used in a fit": ~calibration["used"],
        }.items():
            own = calibration[chosen]
            assert drawn[label] == (own["mz"].tolist(), own[f"error_{when}_ppm"].tolist())
        low, high = axes.get_ylim()
        assert low == -high and high > calibration[f"error_{when}_ppm"].abs().max()
    before, after = figure.axes
    assert before.get_ylabel() == "mass error (ppm)\nbefore: median size 91.5 ppm"
    assert after.get_ylabel() == "mass error (ppm)\nafter: median size 1.5 ppm"
    assert after.get_xlabel() == "m/z (u)"


def test_calibrants_alone_are_labelled(calibration):
    figure = calibration_figure(calibration, "simulated")
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert labels == [
        "⁶Li⁻",
        "Li⁻",
        "O₂⁻",
    ]
    assert not figure.axes[1].texts


def test_many_added_ions_leave_room_for_the_axes(calibration):
    added = calibration.tail(1)
    rows = [added.assign(mz=10.0 + i, ion=f"Li{i + 1}") for i in range(80)]
    figure = calibration_figure(pd.concat([calibration, *rows]), "simulated")
    figure.draw_without_rendering()
    assert len(figure.axes[0].texts) == 3
    assert min(axes.get_position().height for axes in figure.axes) > 0.25


def test_a_kept_scale_is_said_in_the_title(calibration):
    calibration["result"] = "kept"
    calibration["used"] = "False"
    calibration["error_after_ppm"] = calibration["error_before_ppm"]
    figure = calibration_figure(calibration, "measured")
    assert "kept in all spectra" in figure.get_suptitle()
    figure.draw_without_rendering()
    calibration.loc[:3, "result"] = "calibrated"
    title = calibration_figure(calibration, "measured").get_suptitle()
    assert "1 of 2 spectra" in title and "kept in 1" in title


@pytest.mark.parametrize("rows", [0, 6])
def test_no_calibrant_found_still_draws(calibration, rows):
    empty = calibration.head(rows).assign(error_before_ppm=np.nan, error_after_ppm=np.nan)
    figure = calibration_figure(empty, "measured")
    assert "no calibrant was found" in [text.get_text() for text in figure.axes[0].texts]
    figure.draw_without_rendering()


def test_labels_of_near_ions_do_not_overlap(calibration):
    near = calibration.head(3).assign(mz=[16.0, 17.0, 200.0], ion=["O", "OH", "C2H"])
    figure = calibration_figure(near, "simulated")
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]  # without the line
    assert boxes[0].x1 <= boxes[1].x0


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.1, 0.9], [0.1, 0.9]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.0, 0.0, 0.0], [0.0, 0.1, 0.2]),
        ([1.0, 1.0], [0.9, 1.0]),
    ],
)
def test_spread(positions, expected):
    assert np.allclose(spread(np.array(positions), 0.1, 0.0, 1.0), expected)


def test_many_points_become_a_picture(calibration):
    many = pd.concat([calibration] * 100, ignore_index=True)
    for table, picture in ((calibration, False), (many, True)):
        lines = calibration_figure(table, "simulated").axes[0].lines
        assert {bool(line.get_rasterized()) for line in lines if line.get_marker() == "o"} == {
            picture
        }
