"""SIMS-H5 files, written as their specification says, and compared with what simsh5 reads."""

import h5py
import numpy as np
import pytest
import simsh5
from numpy.testing import assert_allclose, assert_array_equal

from ionprint.errors import ImageError
from ionprint.imaging.image import open_image

EVERY = (slice(None),) * 3
COEFFICIENTS = (0.3798407, -1.587125)
"""a (sqrt(u)/us), b (sqrt(u)) of a real instrument."""
SHAPES = {"image_2d": (3, 6, 5), "depth_profile": (4, 2, 6, 5), "mosaic": (4, 2, 6, 5)}


def write(path, mode="image_2d", bin_ps=128, polarity="-", coefficients=COEFFICIENTS, **attributes):
    """Write 3000 ions of few masses; some cells hold more than 255."""
    shape = SHAPES[mode]
    rng = np.random.default_rng(5)
    times = np.array([6_966_000, 9_000_000, 11_000_000, 11_000_200, 40_000_000])
    bins = np.sort(rng.choice(times, 3000) + rng.integers(0, 400, 3000)) // bin_ps
    cells = np.stack([bins, rng.integers(0, np.prod(shape), 3000)])
    cells = np.concatenate([cells, np.repeat(cells[:, ::800], 300, axis=1)], axis=1)
    (mass, pixel), counts = np.unique(cells, axis=1, return_counts=True)
    mass_bin, first = np.unique(mass, return_index=True)
    over = np.flatnonzero(counts > 255)
    with h5py.File(path, "w") as file:
        file.attrs.update(
            {"format": "tof-sims-sparse-hdf5", "format_version": "0.1"}
            | {"acquisition_mode": mode, "polarity": polarity}
            | attributes
        )
        csr = file.create_group("data/mass_csr")
        if bin_ps > 1:
            csr.attrs["mass_bin_width_ps"] = bin_ps
        csr["mass_bin"] = mass_bin.astype("u4")
        csr["indptr"] = np.append(first, counts.size).astype("u8")
        csr["pixel_id"] = pixel.astype("u4")
        csr["count"] = np.minimum(counts, 255).astype("u1")
        csr["count_exceptions/nnz_index"] = over.astype("u8")
        csr["count_exceptions/value"] = counts[over].astype("u4")
        file["calibration/mass/coefficients"] = np.array(coefficients)
        file["calibration/mass"].attrs["ps_per_bin"] = 128.0
        file.create_group("calibration/spatial").attrs["pixel_pitch_um"] = 0.3125
        file.create_group("geometry").attrs["row_shape"] = np.array(shape, "u8")
        if mode == "mosaic":
            file["mosaic/tile_index_xy"] = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], "u4")
        if mode == "depth_profile":
            file["frames/sputter_time_s"] = np.arange(4.0)
    return path


@pytest.mark.parametrize("bin_ps", [1, 128])
@pytest.mark.parametrize("mode", SHAPES)
def test_it_reads_what_simsh5_reads(tmp_path, mode, bin_ps):
    path = write(tmp_path / "a.h5", mode, bin_ps)
    image = open_image(path)
    expected = {"image_2d": (1, 6, 5), "depth_profile": (4, 6, 5), "mosaic": (1, 12, 10)}
    assert (image.kind, image.shape) == ("spectra", expected[mode])
    assert (image.polarity, image.pixel_um, image.source) == (-1, 0.3125, "measured")
    counts = image.read(*EVERY)
    assert counts.has_canonical_format and counts.dtype == np.float32
    cube = counts.toarray().reshape(*image.shape, -1)
    with simsh5.open_archive(path) as archive:
        assert_array_equal(cube.sum(axis=(0, 3))[::-1], simsh5.total_ion_image(archive))
        for low, high in ((1.0, 1.2), (3.3, 3.6), (6.5, 6.9), (180.0, 190.0)):
            window = (image.mz > low) & (image.mz < high)
            theirs = simsh5.ion_image(archive, low, high)
            assert theirs.any()
            assert_array_equal(cube[..., window].sum(axis=(0, 3))[::-1], theirs)
        if mode == "depth_profile":
            _, profile = simsh5.depth_profile(archive)
            assert_array_equal(cube.sum(axis=(1, 2, 3)), profile)


def test_channels_are_linear_in_the_root_of_mass_and_as_wide_as_the_file_recommends(tmp_path):
    fine = open_image(write(tmp_path / "a.h5", bin_ps=1))
    coarse = open_image(write(tmp_path / "b.h5", bin_ps=128))
    assert_array_equal(fine.channel, coarse.channel)
    assert_allclose(fine.mz, coarse.mz)
    a, b = COEFFICIENTS
    assert_allclose(np.sqrt(fine.mz), a * 128e-6 * (fine.channel + 0.5) + b)
    assert abs(fine.read(*EVERY) - coarse.read(*EVERY)).nnz == 0


def test_a_piece_is_that_part_of_the_whole(tmp_path):
    image = open_image(write(tmp_path / "a.h5", "depth_profile"))
    whole = image.read(*EVERY).toarray().reshape(*image.shape, -1)
    piece = (slice(1, 3), slice(2, 6), slice(0, 4))
    got = image.read(*piece).toarray()
    assert_array_equal(got, whole[piece].reshape(got.shape))


@pytest.mark.parametrize(("polarity", "sign"), [("+", 1), ("Pos", 1), ("Neg", -1), ("?", None)])
def test_polarity_is_known_by_its_names(tmp_path, polarity, sign):
    assert open_image(write(tmp_path / "a.h5", polarity=polarity)).polarity == sign


@pytest.mark.parametrize("coefficients", [(0.38, -100.0), (-0.38, 1.0), (np.nan, 0.0)])
def test_a_file_without_a_usable_mass_axis_is_refused(tmp_path, coefficients):
    with pytest.raises(ImageError, match="no usable mass axis"):
        open_image(write(tmp_path / "a.h5", coefficients=coefficients))


def test_another_hdf5_file_is_refused(tmp_path):
    with pytest.raises(ImageError, match="its format is 'other', expected 'tof-sims"):
        open_image(write(tmp_path / "a.h5", format="other"))
    (tmp_path / "b.h5").write_bytes(b"nothing of the kind")
    with pytest.raises(ImageError, match=r"b.h5 is no SIMS-H5 file, or damaged"):
        open_image(tmp_path / "b.h5")


@pytest.mark.parametrize("part", ["geometry", "calibration", "data/mass_csr/pixel_id"])
def test_a_file_without_one_of_its_parts_is_refused(tmp_path, part):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        del file[part]
    with pytest.raises(ImageError, match="a.h5 is no SIMS-H5 file, or damaged"):
        open_image(path)


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    path = write(tmp_path / "a.h5")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ImageError, match="damaged"):
        open_image(path).read(*EVERY)


def test_pixels_outside_of_the_image_are_damage(tmp_path):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["data/mass_csr/pixel_id"][7] = 90
    with pytest.raises(ImageError, match="a.h5 is damaged"):
        open_image(path).read(*EVERY)


def test_what_is_no_image_is_refused_with_what_would_be(tmp_path):
    (tmp_path / "a.txt").write_text("m/z")
    (tmp_path / "b.bin").touch()
    (tmp_path / "c.zip").write_bytes(b"PK\x03\x04")
    for name, message in (
        ("a.txt", "no image that ionprint knows; expected an ionprint image"),
        ("b.bin", "is empty"),
        ("c.zip", "is packed"),
        ("d.imzML", "is not there"),
    ):
        with pytest.raises(ImageError, match=message):
            open_image(tmp_path / name)
