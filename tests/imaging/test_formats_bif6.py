"""BIF6 files, written byte by byte as pybif6 describes them, and compared with what it reads."""

import struct

import numpy as np
import pybif6
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ionprint.errors import ImageError
from ionprint.imaging.image import open_image

NAN = float("nan")
TOTAL = (0, NAN, NAN, NAN)
PEAKS = [(7, 29.03, 28.7, 29.4), (5, 15.99, 15.6, 16.4), (9, 60.0, 59.7, 60.3)]
"""Number, centre, lower and upper end (u); not in order of mass."""
EVERY = (slice(None),) * 3


def write(path, intervals=(TOTAL, *PEAKS), rows=4, columns=6):
    images = np.random.default_rng(0).poisson(3.0, (len(intervals), rows, columns))
    data = struct.pack("<6s3H", b"\x00\x00BIF6", len(intervals), columns, rows)
    for interval, image in zip(intervals, images, strict=True):
        data += struct.pack("<I3f", *interval) + image.astype("<u4").tobytes()
    path.write_bytes(data)
    return path


def test_it_reads_what_pybif6_reads(tmp_path):
    path = write(tmp_path / "a.bif6")
    image = open_image(path)
    with pybif6.parse_bif6(path) as other:
        theirs = {i.mz_center: i for i in other if not i.is_tic_image()}
    assert (image.kind, image.shape) == ("peaks", (1, 4, 6))
    assert list(image.mz) == sorted(theirs)
    counts = image.read(*EVERY).reshape(4, 6, 3)
    for column, mz in enumerate(image.mz):
        assert_array_equal(counts[..., column], theirs[mz].image)
        assert image.lower[column] == theirs[mz].mz_interval_lower
        assert image.upper[column] == theirs[mz].mz_interval_upper
    assert_allclose(image.mz, [15.99, 29.03, 60.0], rtol=1e-6)


def test_a_piece_is_that_part_of_the_whole(tmp_path):
    image = open_image(write(tmp_path / "a.other"))  # known by its first bytes
    whole = image.read(*EVERY).reshape(4, 6, 3)
    got = image.read(slice(0, 1), slice(1, 3), slice(2, 5))
    assert_array_equal(got, whole[1:3, 2:5].reshape(-1, 3))
    assert image.read(slice(0, 0), slice(0, 4), slice(0, 6)).shape == (0, 3)


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        ([TOTAL], "total image alone, so it has no usable mass axis"),
        ([TOTAL, (3, NAN, NAN, NAN)], "interval 3 has no usable mass"),
        ([(3, 20.0, 29.0, 30.0)], "interval 3 has no usable mass: centre 20"),
        ([PEAKS[0], (8, *PEAKS[0][1:])], "intervals 7 and 8 have the same m/z"),
        ([], "is empty"),
    ],
)
def test_a_file_without_usable_masses_is_refused(tmp_path, intervals, message):
    with pytest.raises(ImageError, match=message):
        open_image(write(tmp_path / "a.bif6", intervals))


def test_a_file_that_was_cut_off_or_is_no_bif6_is_refused(tmp_path):
    path = write(tmp_path / "a.bif6")
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(ImageError, match=r"cut off: expected 460 bytes of 4 intervals, got 459"):
        open_image(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(ImageError, match="damaged: expected 460 bytes"):
        open_image(path)
    path.write_bytes(b"\x01" + data[1:])
    with pytest.raises(ImageError, match="no BIF6 file: it begins with"):
        open_image(path)
    with pytest.raises(ImageError, match="is empty: 4 intervals of 0 rows"):
        open_image(write(path, rows=0))
