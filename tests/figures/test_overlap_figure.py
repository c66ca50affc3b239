import itertools
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from ionprint.errors import DataError
from ionprint.figures.overlap import overlap_figure, windows


def test_the_six_nearest_pairs_are_shown_by_rising_mass(make_fit):
    total, peaks, ions = make_fit()
    chosen = windows(peaks)
    assert [round(peaks.mz[window.pair[0]]) for window in chosen] == [13, 24, 32, 40, 48, 56]
    gaps = [window.gap for window in chosen]
    assert gaps == pytest.approx([1.6, 1.7, 1.8, 1.9, 2.0, 2.1], abs=0.01)
    figure = overlap_figure(total, peaks, ions, "simulated")
    assert len(figure.axes) == 6
    for axes, window in zip(figure.axes, chosen, strict=True):
        low, high = axes.get_xlim()
        assert low < peaks.mz[window.pair[0]] < peaks.mz[window.pair[1]] < high
        assert axes.get_xlabel() == "m/z (u)"


@pytest.mark.parametrize(
    ("choices", "number"),
    [
        ({}, 6),
        ({"masses": (13, 24)}, 2),
        ({"masses": (13,)}, 1),
        ({"masses": (13,), "gap": 1.1}, 0),  # too near to be told apart
        ({"masses": (13,), "second": 0.06}, 1),
        ({"masses": (13,), "second": 0.04}, 0),  # 800 counts
    ],
)
def test_only_strong_peaks_that_are_told_apart_count(make_fit, choices, number):
    assert len(windows(make_fit(**choices)[1])) == number


def test_a_faint_neighbour_of_a_very_strong_peak_does_not_count(make_fit):
    _, peaks, _ = make_fit((13,))
    strong = replace(peaks, counts=peaks.counts * [1000, 10])
    assert strong.counts[1] > 1000
    assert windows(strong) == []


def test_the_curves_add_up_to_the_spectrum(make_fit):
    figure = overlap_figure(*make_fit(), "simulated")
    for axes in figure.axes:
        counts, edges, _ = axes.patches[0].get_data()
        line = axes.lines[0]
        fit = np.interp((edges[1:] + edges[:-1]) / 2, line.get_xdata(), line.get_ydata())
        strong = counts > 0.2 * counts.max()
        assert fit[strong] == pytest.approx(counts[strong], rel=0.1)
        assert len(axes.collections) == 2


def test_peaks_are_named_with_formula_and_mass(make_fit):
    total, peaks, ions = make_fit((13,))
    labels = [
        text.get_text() for text in overlap_figure(total, peaks, ions, "measured").axes[0].texts
    ]
    assert labels[0] == f"LiO₃H⁻\n{peaks.mz[0]:.4f}"
    assert labels[1] == f"\n{peaks.mz[1]:.4f}"


@pytest.mark.parametrize("gap", [1.25, 2.0, 4.5])
def test_labels_do_not_overlap_and_stay_above_the_peaks(make_fit, gap):
    figure = overlap_figure(*make_fit(gap=gap), "simulated")
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the line
        assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(boxes))
        highest = axes.patches[0].get_data().values.max()
        top = axes.transData.transform((axes.get_xlim()[0], highest))[1]
        assert min(box.y0 for box in boxes) > top


def test_a_window_at_the_end_of_the_spectrum_is_drawn(make_fit):
    total, peaks, ions = make_fit((13,))
    last = int(total.bin_at(np.sqrt(peaks.mz[-1])))
    short = replace(total, counts=total.counts[: last + 2].copy())
    overlap_figure(short, peaks, ions, "simulated").draw_without_rendering()


def test_nothing_to_show_is_an_error(make_fit):
    total, peaks, ions = make_fit((13,))
    with pytest.raises(DataError, match="no two strong peaks"):
        overlap_figure(total, replace(peaks, shape=None), ions, "simulated")
    with pytest.raises(DataError, match="no two strong peaks"):
        overlap_figure(total, peaks.take(np.array([0])), ions.head(1), "simulated")
