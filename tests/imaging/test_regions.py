"""Regions: sums over the pixels they say, read as any spectrum."""

import shutil

import numpy as np
import pytest
import zarr

from ionprint.imaging.columns import on_peaks
from ionprint.imaging.image import open_image
from ionprint.imaging.maps import JOB, READ
from ionprint.imaging.regions import depth_table, region_table, regions_of
from ionprint.serving.given import of_peaks

from .conftest import read_image

WHOLE = (slice(None),) * 3
DRAWN = {"left": (0, 0, 47, 11), "corner": (40, 41, 47, 47), "pixel": (5, 7, 5, 7)}


@pytest.fixture(scope="module")
def counts(images, lithium):
    """Counts of the image on the model's peaks, shape (scans, rows, columns, peaks)."""
    image = open_image(images / "peaks.zarr")
    areas = on_peaks(image, lithium, None).areas(image.read(*WHOLE)).toarray()
    return areas.reshape(*image.shape, -1).astype(float)


def regions_read(folder, images, lithium, **settings):
    """Read the peaks image with regions drawn, and return the store and all regions."""
    store = folder / "maps.zarr"
    assert read_image(images / "peaks.zarr", lithium, store, regions=DRAWN, **settings) == []
    group = zarr.open_group(store, mode="r")
    return group, regions_of(group, lithium)


@pytest.fixture(scope="module")
def found(tmp_path_factory, images, lithium):
    """The store and its regions, of pixels as they are."""
    return regions_read(tmp_path_factory.mktemp("found"), images, lithium)


@pytest.fixture(scope="module")
def binned(tmp_path_factory, images, lithium):
    """The same in two layers, and four by four pixels together."""
    return regions_read(tmp_path_factory.mktemp("binned"), images, lithium, scans=2, bin=4)


def inside(counts, ends):
    top, left, bottom, right = ends
    return counts[:, top : bottom + 1, left : right + 1]


def test_regions_are_sums_of_their_pixels(found, counts, lithium):
    group, regions = found
    by_name = {one.name: one for one in regions}
    assert by_name["all"].areas.sum(axis=0) == pytest.approx(counts.sum(axis=(0, 1, 2)))
    for name, ends in DRAWN.items():
        one = by_name[name]
        assert (one.kind, one.place) == ("drawn", ends)
        part = inside(counts, ends)
        assert one.areas.sum(axis=0) == pytest.approx(part.sum(axis=(0, 1, 2)))
        assert one.pixels.tolist() == [part[0, ..., 0].size]
    present, p = group["presence"][:], group["p"][:]
    summed = counts.sum(axis=0)
    for place, name in enumerate(lithium.classes):
        there = present[0, ..., place] >= 0.5
        one = by_name[f"{name} present"]
        assert (one.kind, one.place, one.pixels.sum()) == ("found", None, there.sum())
        assert one.areas[0] == pytest.approx(summed[there].sum(axis=0))
    odd = p[0] <= lithium.reader.pixels.alarm_at
    assert by_name["alarm"].pixels.sum() == odd.sum()
    grey = group["state"][0] != READ
    assert by_name["too few counts"].areas[0] == pytest.approx(summed[grey].sum(axis=0))


def test_a_region_is_answered_as_its_summed_spectrum(found, counts, lithium):
    _, regions = found
    for one in regions:
        if one.name in DRAWN or one.name == "all":
            assert one.answer == lithium.answer(
                of_peaks(lithium.mz, one.areas.sum(axis=0), one.name)
            )
        if one.answer is None:
            assert one.areas.sum() < lithium.reader.pixels.least_counts


@pytest.mark.parametrize("which", ["found", "binned"])
def test_cells_cover_the_image_once(which, request, counts):
    group, regions = request.getfixturevalue(which)
    cells = [one for one in regions if one.kind == "cell"]
    seen = np.zeros(counts.shape[1:3], int)
    for one in cells:
        top, left, bottom, right = one.place
        seen[top : bottom + 1, left : right + 1] += 1
        part = inside(counts, one.place).sum(axis=(1, 2))
        layers = part.reshape(len(one.areas), -1, part.shape[-1]).sum(axis=1)
        assert one.areas == pytest.approx(layers)
    assert (seen == 1).all()
    assert sum(one.pixels.sum() for one in cells) == group["state"].size


def test_binned_regions_hold_the_bins_that_begin_in_them(binned, counts):
    group, regions = binned
    left = next(one for one in regions if one.name == "left")
    assert group.attrs[JOB]["bins"] == [2, 4, 4]
    assert left.pixels.tolist() == [12 * 3] * 2
    assert left.areas.sum(axis=0) == pytest.approx(
        inside(counts, DRAWN["left"]).sum(axis=(0, 1, 2))
    )


def test_a_drawn_region_smaller_than_a_bin_is_not_empty(binned):
    _, regions = binned
    assert next(one for one in regions if one.name == "pixel").pixels.tolist() == [1, 1]


def test_what_could_not_be_read_is_in_no_region(tmp_path, images, lithium, counts):
    image = tmp_path / "peaks.zarr"
    shutil.copytree(images / "peaks.zarr", image)
    (image / "counts/c/0/0/0/0").unlink()
    store = tmp_path / "maps" / "maps.zarr"
    assert len(read_image(image, lithium, store, regions=DRAWN)) == 1
    by_name = {one.name: one for one in regions_of(zarr.open_group(store, mode="r"), lithium)}
    there = counts.sum(axis=0)
    there[:12, :12] = 0
    assert by_name["all"].areas[0] == pytest.approx(there.sum(axis=(0, 1)))
    assert by_name["all"].pixels.sum() == 48 * 48 - 144
    assert by_name["left"].areas[0] == pytest.approx(there[:, :12].sum(axis=(0, 1)))
    empty = by_name["rows 0-5, columns 0-5"]
    assert (empty.areas == 0).all() and empty.answer is None


def test_the_table_says_where_regions_are_and_what_they_hold(found, lithium):
    _, regions = found
    table = region_table(regions, 0.5).set_index("region")
    assert table.index.is_unique and len(table) == len(regions)
    ends = ["first_row", "first_column", "last_row", "last_column"]
    assert table.loc["corner", ends].tolist() == list(DRAWN["corner"])
    assert table.loc["all", ends].isna().all()
    assert table.loc["all", "pixels"] == 48 * 48
    for name in lithium.classes:
        assert {f"p_{name}", f"fraction_{name}"} <= set(table.columns)
    assert "Li2O" in table.loc["all", "holds"]


def test_the_table_says_how_large_regions_are_where_pixels_have_a_size(found, binned):
    for _, regions in (found, binned):
        table = region_table(regions, 0.5).set_index("region")
        assert table.loc["left", "area_um2"] == pytest.approx(48 * 12 * 0.25)
        assert "area_um2" not in region_table(regions, None)


def test_the_depth_table_follows_regions_that_have_a_place_layer_by_layer(binned, lithium):
    _, regions = binned
    depth = depth_table(regions, lithium, 30)
    assert depth.columns.tolist()[:4] == ["region", "layer", "pixels", "counts"]
    assert set(depth["region"]) == {"all", *DRAWN, *(r.name for r in regions if r.kind == "cell")}
    whole = depth[depth["region"] == "all"]
    assert whole["layer"].tolist() == [1, 2]
    # the cover goes, and what lies below comes to light
    assert whole["fraction_Li2CO3"].is_monotonic_decreasing
    assert whole["low_Li2CO3"].le(whole["fraction_Li2CO3"]).all()


def test_layers_with_too_few_counts_are_empty_in_the_depth_table(binned, lithium):
    _, regions = binned
    least = int(np.median([one.areas.sum(axis=1).min() for one in regions]))
    depth = depth_table(regions, lithium, least)
    few = depth["counts"] < least
    assert few.any() and not few.all()
    for name in ("fraction_LiH", "low_LiH", "high_LiH", "presence_LiH"):
        assert (depth[name].isna() == few).all()
