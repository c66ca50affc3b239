"""Simulated images: the surface as set, the ions as the surface says, tiles as promised."""

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from ionprint.cli import main
from ionprint.errors import ConfigError
from ionprint.imaging.image import open_image
from ionprint.simulation.chemistry import surface_weights
from ionprint.simulation.image_ions import virtual_image
from ionprint.simulation.instrument import arrival_time
from ionprint.spectra.calibration import calibrate
from ionprint.spectra.spectrum import Spectrum
from ionprint.stages.image import Axis, refuse_others, write_image

CONF = Path(__file__).parents[2] / "conf"
SMALL = {"size": [40, 56], "scans": 5, "tile": [2, 24, 32]}


def conf(group, option, changes=None):
    """Return one group of the configuration, some of its settings changed."""
    cfg = OmegaConf.load(CONF / group / f"{option}.yaml")
    for key, value in (changes or {}).items():
        OmegaConf.update(cfg, key.replace("__", "."), value)
    return OmegaConf.to_container(cfg)


def made(**changes):
    """Return a small virtual image."""
    image = conf("image", "default", {**SMALL, **changes})
    return virtual_image(image, conf("simulation", "lithium"))


def whole(image):
    """Return what lies on all of an image."""
    return image.scene.truth(*(slice(0, n) for n in image.image.shape))


@pytest.fixture(scope="module")
def small():
    return made(drift=0.3, cracks__spacing=30)


def test_a_pixel_holds_the_same_however_the_image_is_cut(small):
    full = whole(small)
    for tile in small.tiles:
        part = small.scene.truth(*tile)
        assert part.shares == pytest.approx(full.shares[tile], abs=1e-5)
        assert (part.hole == full.hole[tile]).all()
    assert sum(small.scene.truth(*t).covered.size for t in small.tiles) == full.covered.size


def test_shares_add_up_and_holes_have_none(small):
    full = whole(small)
    assert full.shares.min() >= 0
    total = full.shares.sum(axis=-1)
    assert full.hole.any()
    assert not full.hole.all()
    assert total[~full.hole] == pytest.approx(1, abs=1e-5)
    assert not total[full.hole].any()
    assert not full.signal[full.hole].any()


def test_shares_of_the_signal_are_those_of_single_spectra(small):
    full, matrix = whole(small), small.scene.matrix
    names = small.image.compounds
    for place in [(0, 3, 3), (3, 20, 30), (4, 39, 55)]:
        shares = dict(zip(names, full.shares[place].tolist(), strict=True))
        expected = surface_weights(shares, **matrix)
        signal = dict(zip(names, full.signal[place].tolist(), strict=True))
        assert signal == pytest.approx({c: expected.get(c, 0.0) for c in names}, abs=1e-5)


def test_the_cover_thins_with_depth_and_bares_islands_and_base():
    image = made(size=200, scans=10, drift=0.0, cracks__open=0.0)
    mean = whole(image).shares.mean(axis=(1, 2))
    assert image.image.compounds == ["Li2CO3", "Li3N", "LiH", "Li2O"]
    assert (np.diff(mean[:, 0]) < 0).all()
    assert mean[0, 0] > 0.9
    assert mean[-1, 0] < 0.1
    assert (mean[-1, 1:] > 0.03).all()


def test_an_islands_edge_is_as_wide_as_set():
    image = made(
        size=200, scans=1, drift=0.0, cracks__open=0.0, cover__thickness=0.0, cover__roughness=0.0,
        cover__width=0.01, islands__edge=6.0, islands__components={"LiH": 1.0},
    )  # fmt: skip
    share = whole(image).shares[0, :, :, image.image.compounds.index("LiH")]
    part = (share > 0.01) & (share < 0.99)
    # the border between more and less than half, and how many pixels lie along it
    inside = share > 0.5
    border = (inside[1:] != inside[:-1]).sum() + (inside[:, 1:] != inside[:, :-1]).sum()
    assert inside.any()
    # a line at any angle crosses 4 / pi as many pixels' sides as it is long
    assert part.sum() / (border * np.pi / 4) == pytest.approx(6 * 0.88, rel=0.15)


def test_drift_moves_the_surface():
    still, moving = made(drift=0.0), made(drift=2.0)
    assert not still.scene.drift.any()
    steps = np.diff(moving.scene.drift, axis=0)
    assert not moving.scene.drift[0].any()
    assert 0.8 < steps.std() < 4
    one, other = whole(still), whole(moving)
    assert one.shares[0] == pytest.approx(other.shares[0], abs=1e-5)
    assert abs(one.shares[-1] - other.shares[-1]).max() > 0.1
    # by whole pixels, the surface is the same beside
    moving.scene.drift[:] = [3, 5]
    assert whole(moving).shares[:, :-3, :-5] == pytest.approx(one.shares[:, 3:, 5:], abs=1e-5)


def test_tiles_are_the_same_in_any_order(small):
    again = made(drift=0.3, cracks__spacing=30)
    for tile in reversed(range(len(small.tiles))):
        for one, other in zip(small.draw(tile), again.draw(tile), strict=True):
            assert one.tobytes() == other.tobytes()
    other = made(drift=0.3, cracks__spacing=30, seed=2)
    assert other.draw(0)[0].size != small.draw(0)[0].size or (
        other.draw(0)[0] != small.draw(0)[0]
    ).any()  # fmt: skip


def test_counts_agree_with_the_truth():
    image = made(ions=400.0, background=20.0, hydrocarbon__surface=0.8)
    expected, drawn, on_peaks = [], [], []
    mz = np.array([1.0078, 15.9949, 17.0027, 25.0078, 60.0])
    lower, upper = mz - 0.1, mz + 0.1
    yields = image.peak_yields(lower, upper)
    wanted = np.zeros(mz.size)
    axis = ((np.arange(image.first, image.last + 1) - image.t0) / image.k) ** 2
    found = np.zeros(mz.size)
    for number, tile in enumerate(image.tiles):
        patch = image.scene.truth(*tile)
        channel, pixel = image.draw(number, patch)
        drawn.append(np.bincount(pixel, minlength=patch.covered.size))
        sources = image.sources(patch)
        totals = np.append(image.each.sum(axis=1), 1.0)
        expected.append(totals @ sources)
        wanted += sources.sum(axis=1) @ yields
        counts = image.draw_peaks(number, yields, patch)
        on_peaks.append(counts.sum(axis=(0, 1, 2), dtype=float))
        masses = axis[channel - image.first][:, None]
        found += ((masses > lower) & (masses < upper)).sum(axis=0)
    expected, drawn = np.concatenate(expected), np.concatenate(drawn)
    assert expected[expected > 6].mean() * 5 == pytest.approx(420, rel=0.15)
    chi2 = ((drawn - expected) ** 2 / expected).sum() / expected.size
    assert chi2 == pytest.approx(1, abs=5 * np.sqrt(2 / expected.size) + 0.02)
    for sums in (np.sum(on_peaks, axis=0), found):
        assert sums == pytest.approx(wanted, abs=5 * np.sqrt(wanted.max()), rel=0.01)


def test_counts_within_narrow_borders_follow_the_shape_of_peaks(small):
    instrument = small.instrument
    delay = instrument.tail_fraction * instrument.tail_ns / instrument.channel_ns
    # borders at the ends of bins in and beside the peak of O-
    fine = np.linspace(15.5, 16.5, 100_001)
    time = arrival_time(instrument, small.flight, fine) + delay
    top = int(np.interp(15.9955, fine, time) / instrument.binning)
    bins = top + np.array([-30, -3, -1, 0, 1, 2, 4, 30])
    edges = np.interp(bins * instrument.binning, time, fine)
    yields = small.peak_yields(edges[:-1], edges[1:])
    assert yields.sum(axis=1) == pytest.approx(small.peak_yields(edges[:1], edges[-1:])[:, 0])
    channel = np.concatenate([small.draw(n)[0] for n in range(len(small.tiles))])
    found = np.histogram(channel, bins)[0]
    there = sum(small.sources(small.scene.truth(*tile)).sum(axis=1) for tile in small.tiles)
    expected = there @ yields
    assert (np.abs(found[:-1] - expected[:-1]) < 5 * np.sqrt(expected[:-1])).all()


def test_holes_hold_background_only():
    image = made(background=40.0, cracks__spacing=30, cracks__open=1.0, cracks__width=8.0)
    patches = [image.scene.truth(*t) for t in image.tiles]
    drawn = [image.draw(n, p) for n, p in enumerate(patches)]
    dark, lit, channels = [], [], []
    for patch, (channel, pixel) in zip(patches, drawn, strict=True):
        counts = np.bincount(pixel, minlength=patch.covered.size)
        dark.append(counts[patch.hole.ravel()])
        lit.append(counts[patch.covered.ravel() == 1])
        channels.append(channel[patch.hole.ravel()[pixel]])
    dark, lit = np.concatenate(dark), np.concatenate(lit)
    assert dark.mean() == pytest.approx(40 / 5, abs=5 * np.sqrt(8 / dark.size))
    assert lit.mean() == pytest.approx(190 / 5, rel=0.15)
    # the detector's own counts come at any time
    thirds = np.histogram(np.concatenate(channels), 3, (image.first, image.last))[0]
    assert thirds == pytest.approx(thirds.mean(), abs=5 * np.sqrt(thirds.mean()))


def test_a_written_image_is_read_and_its_sum_is_calibrated(tmp_path):
    image = made()
    steps = []
    result = write_image(image, tmp_path / "a.zarr", advance=lambda: steps.append(1))
    assert len(steps) == len(image.tiles)
    read = open_image(tmp_path / "a.zarr")
    assert (read.kind, read.shape, read.source) == ("spectra", (5, 40, 56), "simulated")
    counts = np.asarray(read.read(slice(0, 5), slice(0, 40), slice(0, 56)).sum(axis=0)).ravel()
    assert counts.sum() == result.counts
    x = np.sqrt(read.mz)
    step = np.diff(x).mean()
    spectrum = Spectrum("sum", counts.astype(float), x[0] - step / 2, step)
    limits = conf("spectra", "default")["calibration"]
    del limits["refine"]
    calibrants = conf("dataset", "lithium")["calibrants"]
    found = calibrate(spectrum, calibrants, **limits, charge=-1)
    true = image.k * image.instrument.binning / image.flight.k
    assert found.scale.slope == pytest.approx(true, abs=1e-5)
    assert abs(true - 1) > 5e-5


def test_the_truth_is_written_beside_the_ions(tmp_path, contents):
    import zarr

    image = made(drift=0.3)
    for name in "ab":
        write_image(image, tmp_path / f"{name}.zarr")
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b.zarr")
    truth = zarr.open_group(tmp_path / "a.zarr", mode="r")["truth"]
    about = truth.attrs["ionprint"]
    assert (about["source"], about["compounds"]) == ("simulated", image.image.compounds)
    full = whole(image)
    for name in ("shares", "signal"):
        assert truth[name].shape == (5, 40, 56, 4)
        assert truth[name][:].astype(float) == pytest.approx(getattr(full, name), abs=1e-3)
    assert (truth["hole"][:] == full.hole).all()
    assert about["drift"] == image.scene.drift.round(4).tolist()


def test_counts_of_peaks_are_written_too(tmp_path):
    image = made()
    mz = np.array([15.995, 17.003, 17.02, 25.008])
    axis = Axis(mz, *image.typical_peak(mz))
    assert (axis.lower < mz).all()
    assert (axis.upper > mz).all()
    assert (axis.upper[:-1] <= axis.lower[1:]).all()
    result = write_image(image, tmp_path / "p.zarr", axis)
    read = open_image(tmp_path / "p.zarr")
    assert read.kind == "peaks"
    assert read.lower == pytest.approx(axis.lower)
    assert read.read(slice(0, 5), slice(0, 40), slice(0, 56)).sum() == result.counts > 0


def test_an_image_that_was_not_simulated_stays(tmp_path):
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "data").write_text("measured")
    with pytest.raises(ConfigError, match=r"mine.zarr was not written by the simulation"):
        write_image(made(), tmp_path / "mine.zarr")
    assert [p.name for p in tmp_path.rglob("*")] == ["mine.zarr", "data"]
    refuse_others(tmp_path / "new.zarr")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("seed", -1, "image.seed is -1"),
        ("kind", "cube", "expected events or peaks"),
        ("size", [10], r"\[rows, columns\]"),
        ("size", "big", "image.size"),
        ("scans", 0, "image.scans is 0"),
        ("tile", [100, 1000, 1000], "held in memory"),
        ("ions", 0, "image.ions is 0"),
        ("drift", "far", "image.drift is 'far'"),
        ("name", "../up", "image.name"),
        ("pixel_um", True, "image.pixel_um"),
        ("islands__radius", [5, 80], "image.islands.radius"),
        ("islands__radius", [9, 5], "least <= most"),
        ("islands__components", {"LiH": 0}, "image.islands.components.LiH is 0"),
        ("islands__components", {"LiCl": 1.0}, "no ions are known of the compound 'LiCl'"),
        ("cracks__open", 1.5, "image.cracks.open is 1.5"),
        ("cracks__wide", 1, "image.cracks: expected spacing, width, open"),
        ("speed", 1, "image: a setting is missing or unknown"),
    ],
)
def test_impossible_settings_are_refused(key, value, words):
    with pytest.raises(ConfigError, match=words):
        made(**{key: value})


def test_an_unknown_surface_can_be_planted():
    image = made(islands__components={"LiF": 1.0})
    assert "LiF" in image.image.compounds
    assert image.draw(0)[0].size


def test_the_command_line(project, capsys):
    small = ["image.size=32", "image.scans=2", "image.ions=30"]
    assert main(["image", *small]) == 0
    out = capsys.readouterr().out
    assert "Simulated image" in out
    assert "32 x 32 pixels, 2 scans" in out
    assert open_image(project / "outputs" / "images" / "default.zarr").shape == (2, 32, 32)
    assert main(["image", *small, "image.ions=-1"]) == 2
    assert "image.ions is -1" in capsys.readouterr().err
    assert main(["image", *small, "image.kind=peaks", "image.name=p"]) == 2
    assert "model" in capsys.readouterr().err
    assert [p.name for p in (project / "outputs" / "images").iterdir()] == ["default.zarr"]
