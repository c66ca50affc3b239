"""imzML images, written by pyimzml."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pyimzml.compression import ZlibCompression
from pyimzml.ImzMLWriter import ImzMLWriter

from ionprint.errors import ImageError
from ionprint.imaging.image import open_image

EVERY = (slice(None),) * 3
PEAKS = np.array([1.0073, 7.0155, 15.9949, 29.0269, 59.9853])
HOLES = {(1, 0, 2), (0, 3, 3)}
"""Places (scan, row, column) without a spectrum."""


def raw_axis(channels, k=9000.0, t0=150.0):
    return ((np.asarray(channels) - t0) / k) ** 2


def write(path, spectra, **options):
    """Write spectra {(scan, row, column): (mz, counts)}; coordinates begin at 3, 5, 1."""
    with ImzMLWriter(str(path), **options) as writer:
        for (scan, row, column), (mz, counts) in spectra.items():
            writer.addSpectrum(mz, counts, (column + 3, row + 5, scan + 1))
    return path


def places(shape):
    return [at for at in np.ndindex(shape) if at not in HOLES]


def shared(path, mz, shape=(2, 4, 5), **options):
    counts = np.random.default_rng(1).poisson(0.4, (*shape, mz.size)).astype(np.float32)
    for at in HOLES:
        counts[at] = 0
    write(path, {at: (mz, counts[at]) for at in places(shape)}, mode="continuous", **options)
    return counts


def processed(path, fine=1, precision=np.float64, jitter=0.0, shape=(2, 4, 5)):
    """Write spectra of their own masses; return each ion's place, m/z and counts.

    A channel is divided into `fine` ones; `jitter` moves ions by that part of a channel at most.
    """
    rng = np.random.default_rng(2)
    spectra, ions = {}, []
    for at in places(shape):
        channels = np.sort(rng.choice(np.arange(9000, 90000), 200, replace=False))
        channels = channels + rng.integers(fine, size=200) / fine
        mz = raw_axis(channels + jitter * rng.random(200))
        spectra[at] = mz, rng.poisson(1.5, 200).astype(float)
        ions += [(np.ravel_multi_index(at, shape), *ion) for ion in zip(*spectra[at], strict=True)]
    write(path, spectra, mode="processed", mz_dtype=precision)
    return np.array(ions)


def test_a_list_of_peaks_is_read_dense(tmp_path):
    counts = shared(tmp_path / "a.imzML", PEAKS, polarity="negative")
    image = open_image(tmp_path / "a.imzML")
    assert (image.kind, image.shape, image.polarity) == ("peaks", (2, 4, 5), -1)
    assert (image.source, image.channel) == ("measured", None)
    assert_array_equal(image.mz, PEAKS)
    assert_array_equal(image.read(*EVERY), counts.reshape(-1, 5))
    piece = (slice(1, 2), slice(0, 3), slice(2, 5))
    assert_array_equal(image.read(*piece), counts[piece].reshape(-1, 5))


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_a_shared_raw_axis_keeps_its_channels(tmp_path, precision):
    mz = raw_axis(np.arange(9000, 12000))
    counts = shared(tmp_path / "a.imzML", mz, polarity="positive", mz_dtype=precision)
    image = open_image(tmp_path / "a.imzML")
    assert (image.kind, image.polarity) == ("spectra", 1)
    assert_array_equal(image.channel, np.arange(3000))
    assert_allclose(image.mz, mz, rtol=1e-6)
    assert_array_equal(image.read(*EVERY).toarray(), counts.reshape(-1, 3000))


def test_channels_left_out_of_a_shared_axis_are_counted(tmp_path):
    channels = np.sort(np.random.default_rng(3).choice(5000, 2000, replace=False)) + 9000
    shared(tmp_path / "a.imzML", raw_axis(channels))
    image = open_image(tmp_path / "a.imzML")
    assert image.kind == "spectra"
    assert_array_equal(image.channel, channels - channels[0])


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_processed_spectra_find_the_raw_axis_they_came_from(tmp_path, precision):
    ions = processed(tmp_path / "a.imzML", precision=precision)
    image = open_image(tmp_path / "a.imzML")
    assert (image.kind, image.shape) == ("spectra", (2, 4, 5))
    assert image.mz.size <= 81000
    assert_allclose(np.diff(np.sqrt(image.mz)).mean(), 1 / 9000, rtol=1e-7)
    counts = image.read(*EVERY)
    assert counts.has_canonical_format and counts.dtype == np.float32
    column = np.abs(np.sqrt(image.mz)[None] - np.sqrt(ions[:50, 1])[:, None]).argmin(axis=1)
    assert_allclose(image.mz[column], ions[:50, 1], rtol=1e-6)
    assert_array_equal(counts[ions[:50, 0].astype(int), column], ions[:50, 2])
    assert counts.sum() == ions[:, 2].sum()
    top = image.read(slice(0, 1), slice(0, 1), slice(0, 5))
    assert abs(top - counts[:5]).nnz == 0


def test_centroids_are_put_on_a_fine_axis(tmp_path):
    ions = processed(tmp_path / "a.imzML", jitter=0.9)
    image = open_image(tmp_path / "a.imzML")
    steps = np.diff(np.sqrt(image.mz))
    assert_allclose(steps, steps[0])
    assert 1e-5 <= steps[0] <= 5e-5
    counts = image.read(*EVERY)
    for place in range(0, 40, 7):
        row, own = counts[[place]], ions[ions[:, 0] == place]
        # sums below any mass are right to half a step
        for mass in (10.0, 50.0):
            edge = np.sqrt(mass)
            near = np.abs(np.sqrt(own[:, 1]) - edge) < 2 * steps[0]
            below = row[:, image.mz < mass].sum()
            assert abs(below - own[own[:, 1] < mass, 2].sum()) <= own[near, 2].sum()
        assert row.sum() == own[:, 2].sum()


def test_single_picoseconds_are_put_into_channels(tmp_path):
    ions = processed(tmp_path / "a.imzML", fine=300)
    image = open_image(tmp_path / "a.imzML")
    assert np.diff(np.sqrt(image.mz))[0] >= 1e-5
    assert image.read(*EVERY).sum() == ions[ions[:, 1] >= 0.5, 2].sum()


def test_places_without_a_spectrum_are_empty(tmp_path):
    processed(tmp_path / "a.imzML")
    shared(tmp_path / "b.imzML", PEAKS)
    shared(tmp_path / "c.imzML", raw_axis(np.arange(9000, 9100)))
    for name in ("a.imzML", "b.imzML", "c.imzML"):
        image = open_image(tmp_path / name)
        for scan, row, column in HOLES:
            empty = image.read(*(slice(n, n + 1) for n in (scan, row, column)))
            assert empty.shape == (1, image.mz.size) and empty.sum() == 0


def test_tiles_bring_the_whole_image(tmp_path):
    counts = shared(tmp_path / "a.imzML", raw_axis(np.arange(9000, 12000)))
    image = open_image(tmp_path / "a.imzML")
    assert sum(image.read(*tile).sum() for tile in image.tiles()) == counts.sum()


def refused(path, message):
    with pytest.raises(ImageError, match=message):
        image = open_image(path)
        image.read(*EVERY)


def test_a_missing_ibd_is_named(tmp_path):
    shared(tmp_path / "a.imzML", PEAKS)
    (tmp_path / "a.ibd").rename(tmp_path / "b.ibd")
    refused(tmp_path / "a.imzML", "a.ibd, is not beside it")
    refused(tmp_path / "b.ibd", "name its .imzML file")


def test_an_ibd_that_was_cut_off_is_named(tmp_path):
    shared(tmp_path / "a.imzML", PEAKS)
    data = (tmp_path / "a.ibd").read_bytes()
    (tmp_path / "a.ibd").write_bytes(data[:-30])
    refused(tmp_path / "a.imzML", r"a.ibd is cut off: expected \d+ bytes, got \d+; spectrum 37 of")


def test_an_ibd_of_another_image_is_refused(tmp_path):
    shared(tmp_path / "a.imzML", PEAKS)
    shared(tmp_path / "b.imzML", PEAKS)
    (tmp_path / "b.ibd").replace(tmp_path / "a.ibd")
    refused(tmp_path / "a.imzML", "does not belong to a.imzML")


def test_a_damaged_description_is_refused(tmp_path):
    shared(tmp_path / "a.imzML", PEAKS)
    path = tmp_path / "a.imzML"
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    refused(path, "a.imzML is no imzML image, or damaged")
    path.write_text("nothing of the kind")
    refused(path, "a.imzML is no imzML image")


def test_compressed_spectra_are_refused(tmp_path):
    shared(tmp_path / "a.imzML", PEAKS, intensity_compression=ZlibCompression())
    refused(tmp_path / "a.imzML", "export it without compression")


def test_two_spectra_of_one_pixel_are_refused(tmp_path):
    with ImzMLWriter(str(tmp_path / "a.imzML"), mode="continuous") as writer:
        for _ in range(2):
            writer.addSpectrum(PEAKS, np.ones(5), (1, 2, 1))
    refused(tmp_path / "a.imzML", "two spectra are at x 1, y 2, z 1")


def test_negative_counts_are_refused(tmp_path):
    write(tmp_path / "a.imzML", {(0, 0, 0): (PEAKS, -np.ones(5))}, mode="continuous")
    refused(tmp_path / "a.imzML", r"spectrum 1 \(scan 0, row 0, column 0\): counts must be")


def test_masses_out_of_order_are_refused_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr("ionprint.imaging.imzml.SAMPLED", 2)  # of the others, the ends are read
    mz = np.append(raw_axis(np.arange(9000, 9050)), 900.0)
    spectra = {(0, 0, n): (mz[:50], np.ones(50)) for n in range(5)}
    spectra[0, 0, 3] = (mz[[*range(49), 50, 49]], np.ones(51))
    image = open_image(write(tmp_path / "a.imzML", spectra, mode="processed"))
    assert image.read(slice(0, 1), slice(0, 1), slice(0, 3)).sum() == 150
    with pytest.raises(ImageError, match=r"spectrum 4 \(scan 0, row 0, column 3\): its masses"):
        image.read(*EVERY)


@pytest.mark.parametrize(
    "mz", [np.full(5, np.nan), np.zeros(5), np.array([1.0, 1.0, 2.0, 3.0, 4.0])]
)
def test_a_file_without_a_usable_mass_axis_is_refused(tmp_path, mz):
    write(tmp_path / "a.imzML", {(0, 0, 0): (mz, np.ones(5))}, mode="continuous")
    refused(tmp_path / "a.imzML", "no usable mass axis")


def test_without_its_library_an_image_says_how_to_get_it(tmp_path, monkeypatch):
    shared(tmp_path / "a.imzML", PEAKS)
    monkeypatch.setitem(__import__("sys").modules, "pyimzml.ImzMLParser", None)
    refused(tmp_path / "a.imzML", r"pip install 'ionprint\[imzml\]'")
