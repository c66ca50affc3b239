"""Columns of an image brought onto the peaks of a model, or refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from ionprint.errors import CalibrationError, ImageError, IonprintError
from ionprint.imaging.columns import on_peaks
from ionprint.imaging.image import open_image
from ionprint.imaging.maps import total_of
from ionprint.serving.given import of_spectrum
from ionprint.spectra.reading import spectrum_of


def drawn(mz, seed=0):
    return np.random.default_rng(seed).poisson(0.3, (1, 3, 4, len(mz))).astype("uint8")


def read(image):
    return image.read(*(slice(None),) * 3)


def test_the_peaks_of_the_model_are_taken_as_they_are(lithium, in_memory):
    image = in_memory(drawn(lithium.mz), lithium.mz)
    columns = on_peaks(image, lithium, None)
    for counts in (read(image), csr_array(read(image))):
        assert (columns.areas(counts).toarray() == read(image)).all()
    assert columns.coverage == pytest.approx(1)
    assert not columns.left_out.size
    assert columns.scale == {"result": "peak list", "ions": lithium.mz.size, "error_ppm": 0.0}


def test_peaks_the_model_does_not_have_are_left_out(lithium, in_memory):
    mz = np.sort(np.concatenate([lithium.mz * (1 + 3e-6), [5.5, 150.25]]))
    image = in_memory(drawn(mz), mz)
    columns = on_peaks(image, lithium, None)
    assert columns.left_out.tolist() == [5.5, 150.25]
    assert columns.scale["error_ppm"] == pytest.approx(3, rel=0.01)
    own = ~np.isin(mz, [5.5, 150.25])
    for counts in (read(image), csr_array(read(image))):
        assert (columns.areas(counts).toarray() == read(image)[:, own]).all()


def test_peaks_the_image_does_not_have_are_zero(lithium, in_memory):
    faint = np.sort(np.argsort(lithium.weight)[:30])
    mz = np.delete(lithium.mz, faint)
    image = in_memory(drawn(mz), mz)
    columns = on_peaks(image, lithium, None)
    areas = columns.areas(read(image)).toarray()
    assert columns.coverage == pytest.approx(1 - lithium.weight[faint].sum())
    assert (areas[:, faint] == 0).all()
    assert (np.delete(areas, faint, axis=1) == read(image)).all()


def test_an_image_with_too_few_of_the_peaks_is_refused_by_name(lithium, in_memory):
    half = lithium.mz < 30
    image = in_memory(drawn(lithium.mz[half]), lithium.mz[half])
    with pytest.raises(IonprintError, match=r"image\.zarr.* 80\s?%"):
        on_peaks(image, lithium, None)
    other = in_memory(drawn(lithium.mz), lithium.mz + 0.03)
    with pytest.raises(IonprintError, match=r"image\.zarr"):
        on_peaks(other, lithium, None)


@pytest.mark.parametrize("knows_spectra", [True, False])
def test_ions_of_the_other_polarity_are_refused(lithium, in_memory, knows_spectra):
    model = lithium if knows_spectra else replace(lithium, method=None)
    told = r"image\.zarr holds positive ions, but the model was trained on negative ones"
    with pytest.raises(ImageError, match=told):
        on_peaks(in_memory(drawn(model.mz), model.mz, polarity=1), model, None)
    for polarity in (-1, None):
        on_peaks(in_memory(drawn(model.mz), model.mz, polarity=polarity), model, None)


@pytest.fixture(scope="module")
def small(images):
    return open_image(images / "small.zarr")


@pytest.fixture(scope="module")
def total(small):
    return sum(total_of(small, tile) for tile in small.tiles())


def test_spectra_are_calibrated_from_their_sum_and_integrated(lithium, small, total):
    columns = on_peaks(small, lithium, total)
    assert columns.scale["result"] == "calibrated"
    assert columns.scale["ions"] >= 20 and 0 < columns.scale["error_ppm"] < 20
    assert columns.coverage == pytest.approx(1)
    summed = spectrum_of(small.mz, total, small.channel, "image")
    expected = lithium.areas_of(of_spectrum(summed))
    parts = [columns.areas(small.read(*tile)).sum(axis=0) for tile in small.tiles()]
    # areas of single spectra are rounded and end at 0; sums over pixels do not
    found = np.maximum(np.sum(parts, axis=0), 0)
    assert found == pytest.approx(expected.areas, rel=1e-4, abs=0.1)
    assert columns.scale["ions"] == expected.scale["ions"]


def test_channels_that_the_file_leaves_out_hold_nothing(lithium, small, total, in_memory):
    there = np.flatnonzero(total)
    image = in_memory(
        total[None, None, None, there],
        small.mz[there],
        "spectra",
        channel=small.channel[there],
    )
    whole = on_peaks(small, lithium, total)
    some = on_peaks(image, lithium, total[there])
    expected = whole.areas(csr_array(total[None])).toarray()
    assert some.areas(csr_array(total[None, there])).toarray() == pytest.approx(
        expected, rel=1e-4, abs=0.1
    )


def test_spectra_need_a_model_that_knows_how_to_integrate(lithium, small, total):
    with pytest.raises(ImageError, match=r"small\.zarr holds spectra, but .* made elsewhere"):
        on_peaks(small, replace(lithium, method=None), total)


def test_spectra_without_counts_or_ions_to_calibrate_by_are_refused(lithium, small, total):
    with pytest.raises(ImageError, match=r"small\.zarr: there are no counts"):
        on_peaks(small, lithium, np.zeros_like(total))
    noise = np.zeros_like(total)
    noise[::1000] = 1
    with pytest.raises(CalibrationError, match=r"small\.zarr"):
        on_peaks(small, lithium, noise)
