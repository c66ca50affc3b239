"""Our own stores: what is written is read back, and damage is named."""

import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ionprint.errors import ImageError
from ionprint.imaging.cube import Events, Peaks
from ionprint.imaging.image import open_image, tiles_of
from ionprint.imaging.maps import total_of

SCALE = {"k": 300.0, "t0": 20.0, "first_channel": 330, "last_channel": 2000}
EVERY = (slice(None),) * 3


def pieces(size):
    """Give any slice of an axis."""
    return st.tuples(st.integers(0, size), st.integers(0, size)).map(
        lambda ends: slice(min(ends), max(ends))
    )


@st.composite
def plans(draw):
    """Give the size of an image, of its tiles, a seed and a piece to read."""
    shape = draw(st.tuples(*(st.integers(1, n) for n in (3, 6, 7))))
    tile = draw(st.tuples(*(st.integers(1, n) for n in (2, 4, 9))))
    return shape, tile, draw(st.integers(0, 99)), draw(st.tuples(*map(pieces, shape)))


quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def peaks_image(path, shape=(2, 5, 6), tile=(1, 2, 4), seed=0, skip=(), **more):
    counts = np.random.default_rng(seed).poisson(2.0, (*shape, 3))
    more = {"mz": [1.0073, 7.0155, 29.0269], "polarity": -1, "pixel_um": 0.5} | more
    store = Peaks.create(path, shape=shape, tile=tile, **more)
    for number, piece in enumerate(tiles_of(shape, store.tile)):
        if number not in skip:
            store.write(*piece, counts[piece])
    return counts


def events_image(path, shape=(2, 5, 6), tile=(1, 2, 4), seed=0, stop=None):
    """Write single ions and return them as counts, shape (*shape, n_channels)."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.002, (*shape, 2000 - 330 + 1))
    store = Events.create(path, shape=shape, tile=tile, polarity=1, **SCALE)
    for number, piece in enumerate(tiles_of(shape, store.tile)):
        if number == stop:
            return counts
        inside = counts[piece].reshape(-1, counts.shape[-1])
        pixel, column = np.nonzero(inside)
        ions = inside[pixel, column]
        store.append(number, np.repeat(column + 330, ions), np.repeat(pixel, ions))
    store.close()
    return counts


@quick
@given(plans())
def test_peaks_are_read_back(tmp_path, plan):
    shape, tile, seed, piece = plan
    shutil.rmtree(tmp_path / "a.zarr", ignore_errors=True)
    counts = peaks_image(tmp_path / "a.zarr", shape, tile, seed)
    image = open_image(tmp_path / "a.zarr")
    assert image.kind == "peaks" and image.shape == shape
    got = image.read(*piece)
    assert got.dtype == np.uint16
    assert_array_equal(got, counts[piece].reshape(got.shape))


@quick
@given(plans())
def test_events_are_read_back(tmp_path, plan):
    shape, tile, seed, piece = plan
    shutil.rmtree(tmp_path / "a.zarr", ignore_errors=True)
    counts = events_image(tmp_path / "a.zarr", shape, tile, seed)
    image = open_image(tmp_path / "a.zarr")
    assert image.kind == "spectra" and image.shape == shape
    got = image.read(*piece)
    assert got.has_canonical_format and got.dtype == np.float32
    assert_array_equal(got.toarray(), counts[piece].reshape(got.shape))


def test_what_an_image_says_of_itself(tmp_path):
    peaks_image(tmp_path / "p.zarr", lower=[1.0, 7.0, 29.0], upper=[1.01, 7.03, 29.04])
    events_image(tmp_path / "e.zarr")
    peaks, events = open_image(tmp_path / "p.zarr"), open_image(str(tmp_path / "e.zarr"))
    assert (peaks.source, peaks.polarity, peaks.pixel_um) == ("simulated", -1, 0.5)
    assert_array_equal(peaks.mz, [1.0073, 7.0155, 29.0269])
    assert_array_equal(peaks.upper, [1.01, 7.03, 29.04])
    assert (events.polarity, events.pixel_um, events.lower) == (1, None, None)
    assert_array_equal(events.channel, np.arange(330, 2001))
    assert_allclose(300 * np.sqrt(events.mz) + 20, events.channel)
    assert len(events.tiles()) == 2 * 3 * 2 and events.n_pixels == 60


def test_threads_and_other_processes_read_the_same(tmp_path):
    counts = events_image(tmp_path / "a.zarr", (2, 9, 9), (1, 4, 4))
    image = open_image(tmp_path / "a.zarr")
    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(lambda tile: image.read(*tile).sum(), image.tiles()))
    assert sum(parts) == counts.sum()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        assert process.submit(total_of, image, EVERY).result().sum() == counts.sum()
    sent = pickle.dumps(image)
    assert len(sent) < 500
    assert pickle.loads(sent) is pickle.loads(sent)


def test_peaks_are_written_by_other_processes(tmp_path):
    tile = (slice(0, 1), slice(0, 2), slice(0, 2))
    store = Peaks.create(tmp_path / "a.zarr", shape=(1, 2, 2), tile=(1, 2, 2), mz=[1.0, 2.0])
    counts = np.arange(8).reshape(4, 2)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        process.submit(store.write, *tile, counts).result()
    assert_array_equal(open_image(tmp_path / "a.zarr").read(*tile), counts)


def test_an_image_changed_since_it_was_sent_is_refused(tmp_path):
    events_image(tmp_path / "a.zarr")
    sent = pickle.dumps(open_image(tmp_path / "a.zarr"))
    shutil.rmtree(tmp_path / "a.zarr")
    with pytest.raises(ImageError, match="is not there"):
        pickle.loads(sent)
    events_image(tmp_path / "a.zarr", seed=1)
    with pytest.raises(ImageError, match="changed while it was read"):
        pickle.loads(sent)


def spoil(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [spoil, cut, lambda path: path.unlink()])
def test_a_damaged_tile_of_peaks_is_named_and_the_others_are_read(tmp_path, harm):
    counts = peaks_image(tmp_path / "a.zarr")
    harm(tmp_path / "a.zarr" / "counts/c/1/2/0/0")
    image = open_image(tmp_path / "a.zarr")
    with pytest.raises(ImageError, match=r"counts/c/1/2/0/0 \(scans 1 to 1, rows 4 to 4, columns"):
        image.read(*EVERY)
    good = (slice(1, 2), slice(0, 4), slice(0, 6))
    assert_array_equal(image.read(*good), counts[good].reshape(-1, 3))


@pytest.mark.parametrize("harm", [spoil, cut, lambda path: path.unlink()])
@pytest.mark.parametrize("array", ["channel", "pixel"])
def test_a_damaged_chunk_of_events_is_named_with_its_tile(tmp_path, monkeypatch, harm, array):
    monkeypatch.setattr("ionprint.imaging.cube.CHUNK", 16)
    counts = events_image(tmp_path / "a.zarr")
    harm(tmp_path / "a.zarr" / array / "c" / "2")
    image = open_image(tmp_path / "a.zarr")
    with pytest.raises(ImageError, match=rf"{array}/c/2 \(tile \d+, scans 0 to 0, rows \d"):
        image.read(*EVERY)
    last = image.tiles()[-1]
    got = image.read(*last)
    assert_array_equal(got.toarray(), counts[last].reshape(got.shape))


def test_a_tile_that_was_never_written_is_missing_not_zero(tmp_path):
    peaks_image(tmp_path / "a.zarr", skip=[3])
    with pytest.raises(ImageError, match="counts/c/0/1/1/0"):
        open_image(tmp_path / "a.zarr").read(*EVERY)


def test_unfinished_events_are_refused(tmp_path):
    events_image(tmp_path / "a.zarr", stop=3)
    with pytest.raises(ImageError, match="not finished"):
        open_image(tmp_path / "a.zarr")


@pytest.mark.parametrize("name", ["counts", "mz"])
def test_a_store_without_one_of_its_arrays_is_refused(tmp_path, name):
    peaks_image(tmp_path / "a.zarr")
    shutil.rmtree(tmp_path / "a.zarr" / name)
    with pytest.raises(ImageError, match=f"{name} is missing"):
        open_image(tmp_path / "a.zarr")


def test_a_store_without_its_mass_axis_is_refused(tmp_path):
    peaks_image(tmp_path / "a.zarr")
    (tmp_path / "a.zarr/mz/c/0").unlink()
    with pytest.raises(ImageError, match="damaged: mz"):
        open_image(tmp_path / "a.zarr")


def test_another_zarr_store_is_refused(tmp_path):
    import zarr

    zarr.create_group(tmp_path / "a.zarr").create_array("x", shape=(3,), dtype="f4")
    (tmp_path / "b.zarr").mkdir()
    for name in ("a.zarr", "b.zarr"):
        with pytest.raises(ImageError, match="no image that ionprint wrote"):
            open_image(tmp_path / name)


def test_a_newer_format_is_refused(tmp_path):
    import zarr

    peaks_image(tmp_path / "a.zarr")
    group = zarr.open_group(tmp_path / "a.zarr")
    group.attrs["ionprint"] = {**group.attrs["ionprint"], "format": 2}
    with pytest.raises(ImageError, match="this ionprint reads format 1"):
        open_image(tmp_path / "a.zarr")


def test_what_does_not_fit_is_not_written(tmp_path):
    store = Peaks.create(tmp_path / "a.zarr", shape=(1, 4, 4), tile=(1, 2, 2), mz=[1.0], dtype="u1")
    tile = (slice(0, 1), slice(0, 2), slice(0, 2))
    for bad in (255, -1):
        with pytest.raises(ImageError, match="uint8 holds 0 to 254"):
            store.write(*tile, np.full((4, 1), bad))
    with pytest.raises(ImageError, match="cut a tile"):
        store.write(slice(0, 1), slice(0, 3), slice(0, 2), np.zeros((6, 1), int))
    with pytest.raises(ImageError, match="is there already"):
        Peaks.create(tmp_path / "a.zarr", shape=(1, 4, 4), tile=(1, 2, 2), mz=[1.0])


@pytest.mark.parametrize(
    ("tile", "channel", "pixel", "message"),
    [
        (1, [400], [0], "expected tile 0"),
        (0, [2001], [0], "channels 2001 to 2001, outside of 330 to 2000"),
        (0, [400], [8], "pixel 8, but has 8 pixels"),
        (0, [400, 399], [1, 1], "not sorted"),
        (0, [400, 401], [1], "2 channels for 1 pixels"),
    ],
)
def test_ions_out_of_place_are_not_written(tmp_path, tile, channel, pixel, message):
    store = Events.create(tmp_path / "a.zarr", shape=(1, 5, 6), tile=(1, 2, 4), **SCALE)
    with pytest.raises(ImageError, match=message):
        store.append(tile, np.array(channel), np.array(pixel))
    with pytest.raises(ImageError, match="0 of 6 tiles were written"):
        store.close()
