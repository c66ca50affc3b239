"""The figure of maps, of small hand-made stores: their numbers mean nothing."""

import numpy as np
import pytest
import zarr
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from ionprint.errors import DataError
from ionprint.figures.maps import (
    GREY,
    MOST,
    READINGS,
    colors_of,
    foreign,
    largest_of,
    maps_figure,
    nice,
)
from ionprint.figures.style import save
from ionprint.imaging.maps import FEW, JOB, READ, UNREAD


@pytest.fixture
def make_store(tmp_path):
    def made(names, shape=(2, 12, 16), readings=True, **more):
        rng = np.random.default_rng(0)
        store = zarr.create_group(tmp_path / f"{len(list(tmp_path.iterdir()))}.zarr")
        state = np.full(shape, READ, "uint8")
        state[:, :3], state[:, 3:5] = UNREAD, FEW
        arrays = {"state": state, "counts": rng.poisson(40, shape).astype("f4")}
        arrays["counts"][state == UNREAD] = np.nan
        read = ("probability", "presence", "fraction", "low", "high")
        for name in read if readings else read[:1]:
            arrays[name] = rng.random((*shape, len(names)), dtype="f4")
        if readings:
            arrays["low"], arrays["high"] = arrays["fraction"] * 0.5, arrays["fraction"]
            arrays["p"] = rng.random(shape, dtype="f4")
        for name, values in arrays.items():
            if name not in ("state", "counts"):
                values[state != READ] = np.nan
            store.create_array(name, data=values, chunks=(1, 8, 8, *values.shape[3:]))
        store.attrs[JOB] = {
            "image": "a $1 image.zarr",
            "classes": list(names),
            "bins": [1, 1, 1],
            "pixel_um": 0.5,
            "source": "measured",
            "model_source": "simulated",
            "settings": {"least_counts": 27},
        } | more
        return store

    return made


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def images(figure):
    """The maps, without the grey below them; a panel each."""
    return [axes.get_images()[-1] for axes in figure.axes if axes.get_images()]


def test_a_row_a_reading_and_a_column_a_compound(make_store, compounds):
    figure = maps_figure(make_store(compounds), 1)
    figure.draw_without_rendering()
    assert len(images(figure)) == 3 * len(compounds) + 2
    said = texts(figure)
    assert "Li₂CO₃" in said
    for name in ("presence", "fraction", "width", "p", "counts"):
        assert any(READINGS[name].title in text for text in said)
    title = figure.get_suptitle()
    assert title.startswith(r"a \$1 image.zarr, layer 2 of 2")
    assert title.endswith("measured image, read by a model of simulated references")
    assert figure.get_supxlabel() == "Measured data"


def test_values_are_drawn_and_grey_or_hatched_where_there_are_none(make_store):
    store = make_store(["LiH", "Li2O"])
    figure = maps_figure(store)
    drawn = images(figure)[1].get_array()
    wanted = store["presence"][0][..., 1]
    assert np.array_equal(drawn.filled(np.nan), wanted, equal_nan=True)
    figure.set_dpi(100)
    figure.canvas.draw()
    panel = figure.axes[0]
    shown = np.asarray(figure.canvas.buffer_rgba())[::-1]

    def color(row, column):
        x, y = panel.transData.transform((0.5 * (column + 0.5), 0.5 * (row + 0.5)))
        return shown[int(y), int(x)] / 255

    assert color(3.5, 10) == pytest.approx(to_rgba(GREY), abs=0.01)
    above = np.array([color(row, column) for row in (0.4, 1, 1.6) for column in range(2, 15)])
    assert (above[:, :3].max(axis=1) - above[:, :3].min(axis=1) < 0.02).all()  # no colour
    value = float(store["presence"][0, 8, 8, 0])
    assert color(8, 8)[:3] == pytest.approx(colors_of("presence")(value)[:3], abs=0.02)


def test_probabilities_alone(make_store):
    figure = maps_figure(make_store(["LiH", "Li2O", "Li3N"], readings=False, pixel_um=None))
    figure.draw_without_rendering()
    assert len(images(figure)) == 3 + 1
    assert "5 pixels" in texts(figure)


def test_large_maps_are_averaged(make_store):
    store = make_store(["LiH"], shape=(1, 6, MOST + 8), readings=False)
    figure = maps_figure(store)
    assert images(figure)[0].get_array().shape == (3, MOST // 2 + 4)
    assert "means of 2 x 2 pixels" in texts(figure)


def test_colours_only_grow_lighter_and_none_is_grey():
    for name in READINGS:
        red, green, blue, _ = colors_of(name)(np.arange(256)).T
        light = 0.299 * red + 0.587 * green + 0.114 * blue
        assert (np.diff(light) > -0.004).all() and light[-1] - light[0] > 0.4
        grey = to_rgba(GREY)[0]
        away = np.max(np.abs(np.stack([red, green, blue]) - grey), axis=0)
        assert away.min() > 0.15


def test_scales():
    assert [nice(length) for length in (0.7, 1, 4.9, 5, 23.9, 99)] == [0.5, 1, 2, 5, 20, 50]
    assert foreign(np.array([1, 0.01, 0])).tolist() == [0, 2, 4]
    assert largest_of(np.array([np.nan])) == 1
    assert largest_of(np.array([3, 12, np.nan])) == pytest.approx(12, rel=0.01)


def test_a_layer_that_is_not_there_is_an_error(make_store):
    with pytest.raises(DataError, match="layer 2, expected 0 to 1"):
        maps_figure(make_store(["LiH"]), 2)


def test_the_same_maps_give_the_same_files(make_store, tmp_path, contents):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save(maps_figure(make_store(["LiH"], readings=False)), tmp_path / name, "maps")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
