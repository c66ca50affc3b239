from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ionprint.errors import DataError
from ionprint.figures.components import components_figure
from ionprint.spectra.table import PeakTable
from ionprint.stages.drawings import LeftOut
from ionprint.stages.drawings.composition import components


def profile_of(names):
    frames = [
        pd.DataFrame(
            {
                "compound": name,
                "similarity": 0.9,
                "rank": [2, 1],  # the order of rows must not matter
                "mz": [17.0033, 15.9955],
                "ion": ["", "O"],
                "share": [0.2, 0.3],
            }
        )
        for name in names
    ]
    return pd.concat(frames, ignore_index=True)


def test_bars_are_the_shares_of_component_and_references(compounds):
    known = {name: np.array([0.1, 0.4]) for name in compounds}
    figure = components_figure(profile_of(compounds), known, "simulated")
    assert len(figure.axes) == len(compounds)
    for axes in figure.axes:
        component, references = axes.containers
        assert [bar.get_width() for bar in component] == pytest.approx([30, 20])
        assert [bar.get_width() for bar in references] == pytest.approx([40, 10])
        assert [t.get_text() for t in axes.get_yticklabels()] == ["O⁻  15.9955", "17.0033"]
    assert figure.axes[0].get_title() == "likest Li₂CO₃: similarity 0.90"
    figure.draw_without_rendering()


def test_no_components_are_refused():
    with pytest.raises(DataError, match="no components"):
        components_figure(profile_of(["LiH"]).head(0), {}, "simulated")


def test_the_references_are_those_of_the_model():
    samples = pd.DataFrame(
        {"file": list("abc"), "role": "reference", "compound": ["LiH", "LiH", "LiOH"]}
    )
    areas = np.array([[1.0, 3.0], [2.0, 2.0], [4.0, 0.0]])
    table = PeakTable(samples, np.array([15.9955, 20.0]), areas)
    results = SimpleNamespace(
        table=lambda name: profile_of(["LiH", "LiOH"]),
        references=table,
        source="measured",
        compounds=["LiH", "LiOH"],
    )
    (drawing,) = components(results, None)
    first, second = drawing.figure.axes
    # the second ion is no peak of the references
    assert [bar.get_width() for bar in first.containers[1]] == pytest.approx([37.5, 0])
    assert [bar.get_width() for bar in second.containers[1]] == pytest.approx([100, 0])
    assert "least similarity is 0.90" in drawing.says


def test_without_readings_there_are_none():
    with pytest.raises(LeftOut, match="by more than the classifier"):
        next(components(SimpleNamespace(table=lambda name: None), None))
