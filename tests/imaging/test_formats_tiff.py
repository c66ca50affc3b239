"""Folders of TIFF images, written by tifffile."""

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

from ionprint.errors import ImageError
from ionprint.imaging.image import open_image
from ionprint.imaging.tiff import peak_mz
from ionprint.ions.formula import ion_mz

EVERY = (slice(None),) * 3
NAMES = ("15.9949.tif", "Li2O_29.0269.TIFF", "CO3-.tif")


def folder(path, names=NAMES, shape=(4, 5), dtype="uint16", **options):
    path.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    images = [rng.poisson(3.0, shape).astype(dtype) for _ in names]
    for name, image in zip(names, images, strict=True):
        tifffile.imwrite(path / name, image, photometric="minisblack", **options)
    return np.stack(images, axis=-1)


def refused(path, *messages):
    with pytest.raises(ImageError) as caught:
        open_image(path).read(*EVERY)
    for message in messages:
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("stem", "mz", "charge"),
    [
        ("15.9949", 15.9949, None),
        ("Li2O_29.0269", 29.0269, None),
        ("mz 29.0269 u", 29.0269, None),
        ("29,0269 u", 29.0269, None),
        ("29.0269.ome", 29.0269, None),
        ("29.0269_29.0269", 29.0269, None),
        ("CO3-", ion_mz("CO3", -1), -1),
        ("CO3^-", ion_mz("CO3", -1), -1),
        ("anode_3_Li2H+", ion_mz("Li2H", 1), 1),
    ],
)
def test_a_name_gives_a_mass(stem, mz, charge):
    assert peak_mz(stem) == (pytest.approx(mz), charge)


@pytest.mark.parametrize("stem", ["29", "CO3", "surface", "2.5_29.0269", "CO3-_OH-", "v1.2.3"])
def test_a_name_without_one_mass_gives_none(stem):
    with pytest.raises(ImageError, match="no mass|several"):
        peak_mz(stem)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int32", "float32", "float64"])
def test_images_are_put_in_order_of_mass(tmp_path, dtype):
    counts = folder(tmp_path / "a", dtype=dtype)
    (tmp_path / "a" / "notes.txt").write_text("of no interest")
    tifffile.imwrite(tmp_path / "a" / "total.tif", counts.sum(axis=-1))
    image = open_image(tmp_path / "a")
    assert (image.kind, image.shape, image.polarity) == ("peaks", (1, 4, 5), -1)
    assert_allclose(image.mz, [15.9949, 29.0269, ion_mz("CO3", -1)])
    got = image.read(*EVERY)
    assert got.dtype.kind == "u"
    assert_array_equal(got, counts.reshape(-1, 3))


@pytest.mark.parametrize("options", [{}, {"imagej": True}, {"compression": "zlib"}])
def test_pages_are_scans(tmp_path, options):
    counts = folder(tmp_path / "a", shape=(3, 4, 5), **options)
    image = open_image(tmp_path / "a")
    assert image.shape == (3, 4, 5)
    assert_array_equal(image.read(*EVERY), counts.reshape(-1, 3))
    piece = (slice(1, 3), slice(2, 4), slice(1, 2))
    assert_array_equal(image.read(*piece), counts[piece].reshape(-1, 3))


def test_names_that_give_no_mass_are_all_listed(tmp_path):
    names = ("15.9949.tif", "surface.tif", "1.5_16.5.tif", "O_15.9949.tif")
    folder(tmp_path / "a", names)
    refused(
        tmp_path / "a",
        "surface.tif: no mass",
        "1.5_16.5.tif: several masses: 1.5, 16.5",
        "O_15.9949.tif: the same mass as 15.9949.tif",
    )


def test_positive_and_negative_ions_are_not_one_image(tmp_path):
    folder(tmp_path / "a", ("CO3-.tif", "Li2H+.tif"))
    refused(tmp_path / "a", "positive and negative ions; keep them in two folders")


def test_images_of_another_size_are_named(tmp_path):
    folder(tmp_path / "a")
    tifffile.imwrite(tmp_path / "a" / "30.5.tif", np.zeros((4, 6), "uint16"))
    refused(tmp_path / "a", "(1, 4, 5) as most are", "30.5.tif: (1, 4, 6)")


@pytest.mark.parametrize("value", [0.5, -1.0, float("nan"), 1e12])
def test_values_that_are_no_counts_are_refused(tmp_path, value):
    folder(tmp_path / "a")
    image = np.ones((4, 5), "float32")
    image[2, 3] = value
    tifffile.imwrite(tmp_path / "a" / "30.5.tif", image)
    refused(tmp_path / "a", "30.5.tif: expected counts", "at scan 0, row 2, column 3")


def test_pictures_in_colours_are_refused(tmp_path):
    folder(tmp_path / "a")
    picture = np.zeros((4, 5, 3), "uint8")
    tifffile.imwrite(tmp_path / "a" / "30.5.tif", picture, photometric="rgb")
    refused(tmp_path / "a", "30.5.tif is a picture in colours")


def test_damaged_images_are_named(tmp_path):
    folder(tmp_path / "a", shape=(40, 50), compression="zlib")
    path = tmp_path / "a" / "15.9949.tif"
    data = path.read_bytes()
    path.write_bytes(data[:-60])
    refused(tmp_path / "a", "15.9949.tif is damaged or no TIFF image")
    path.write_bytes(b"not at all")
    refused(tmp_path / "a", "15.9949.tif is damaged or no TIFF image")
    path.write_bytes(b"")
    refused(tmp_path / "a", "15.9949.tif is damaged or no TIFF image")


def test_a_folder_without_peaks_is_refused(tmp_path):
    refused(tmp_path, "holds no TIFF image of a peak")
    folder(tmp_path, ("total.tif",))
    refused(tmp_path, "no usable mass axis")
    refused(tmp_path / "total.tif", "name the folder")
