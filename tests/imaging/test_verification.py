"""The measuring stick of maps: what it says of hand-made maps, and of a small simulated image."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ionprint.cli import main
from ionprint.imaging.verification import Calls, Truth, edges
from ionprint.simulation.images import Patch

SMALL = ["image.size=[64,72]", "image.scans=4", "image.tile=[2,40,40]", "image.cracks.spacing=30"]


def patch(signal, covered):
    """Return what lies on a piece; the signal of one of two compounds, the rest is the other's."""
    signal = np.asarray(signal, float)
    both = np.stack([signal, 1 - signal], axis=-1) * (np.asarray(covered) > 0)[..., None]
    return Patch(both, both, np.asarray(covered, float), np.zeros(len(covered)))


def test_truth_is_weighed_by_what_gives_ions_and_does_not_hang_on_the_pieces():
    signal = [[[1.0, 0.5, 0, 0]], [[0.0, 0.5, 0.4, 0]]]
    covered = [[[1.0, 1.0, 0.0, 0]], [[0.5, 1.0, 1.0, 0]]]
    every = slice(0, 1)
    whole = Truth.of_patches(
        [((slice(0, 2), every, slice(0, 4)), patch(signal, covered))], (2, 1, 4), 2
    )
    assert whole.share[0, :, 0] == pytest.approx([2 / 3, 0.5, 0.4, 0])
    assert whole.share[0, :3].sum(axis=-1) == pytest.approx(1)
    assert whole.full.tolist() == [[False, True, False, False]]
    assert whole.empty.tolist() == [[False, False, False, True]]
    signal, covered = np.array(signal), np.array(covered)
    pieces = [
        ((n, every, x), patch(signal[n, :, x], covered[n, :, x]))
        for x in (slice(0, 2), slice(2, 4))
        for n in (slice(1, 2), slice(0, 1))
    ]
    parts = Truth.of_patches(pieces, (2, 1, 4), 2)
    assert parts.amount == pytest.approx(whole.amount)
    assert parts.covered == pytest.approx(whole.covered)


def test_bins_hold_what_their_pixels_hold_and_the_last_ones_may_be_smaller():
    amount = np.array([[[1.0], [0.0], [0.6]]])
    truth = Truth(amount, np.array([[1.0, 1.0, 1.0]]), np.ones((1, 3))).binned(2)
    assert truth.share[..., 0] == pytest.approx(np.array([[0.5, 0.6]]))
    assert truth.full.all()


def test_between_none_and_a_fifth_neither_answer_is_wrong():
    share = np.array([[0.5, 0.5], [0.9, 0.1], [1.0, 0.0], [0.9, 0.1]])
    called = np.array([[True, False], [True, True], [True, True], [False, False]])
    calls = Calls.of(called, share)
    assert calls.f1() == pytest.approx(6 / (6 + 2 + 1))
    assert calls.f1(strict=True) == pytest.approx(6 / (6 + 2 + 2))
    assert calls.f1_each() == pytest.approx([6 / 7, 0])
    nowhere = Calls.of(np.array([[True]]), np.array([[0.0]]))
    assert np.isnan(nowhere.f1_each()[0])
    assert nowhere.false.tolist() == [1]


def disc(radius=20.0, inside=0.6, centre=(40.0, 45.0), width=2.0):
    """Return an island of one compound, its edge some pixels wide."""
    y, x = np.mgrid[:90, :100]
    distance = np.hypot(y - centre[0], x - centre[1])
    return inside * np.clip(0.5 + (radius - distance) / width, 0, 1)


EVERY = np.ones((90, 100), bool)


def test_the_truth_itself_has_no_errors():
    found = edges(disc(), disc(), EVERY)
    assert found.far.max() < 1e-9
    assert found.shift == pytest.approx(0)
    assert found.blur == pytest.approx(0)


@pytest.mark.parametrize("grown", [-2.0, -0.5, 0.5, 2.0])
def test_an_island_that_is_read_too_large_is_told_by_how_much(grown):
    found = edges(disc(20 + grown), disc(), EVERY)
    assert np.median(found.far) == pytest.approx(abs(grown), abs=0.15)
    assert found.shift == pytest.approx(grown, abs=0.2)


def test_a_moved_island_is_off_at_its_edges_though_its_mean_profile_is_not():
    found = edges(disc(centre=(40, 48)), disc(), EVERY)
    assert np.quantile(found.far, 0.95) == pytest.approx(3, abs=0.2)
    assert abs(found.shift) < 0.3


def test_noise_leaves_edges_where_they_are_and_smoothing_makes_them_wider():
    rng = np.random.default_rng(0)
    noisy = disc() + rng.normal(0, 0.15, EVERY.shape)
    found = edges(noisy, disc(), EVERY)
    assert np.sqrt((found.far**2).mean()) < 1
    assert found.far_all.max() > 10  # specks count where all is asked for
    assert abs(found.shift) < 0.15
    assert abs(found.blur) < 0.4
    smooth = edges(gaussian_filter(noisy, 2), disc(), EVERY)
    assert smooth.blur > 1
    assert smooth.far_all.max() < 2


def test_a_missed_and_a_made_up_island_are_far_off():
    two = disc(12, centre=(25, 25)) + disc(12, centre=(60, 70))
    missed = edges(disc(12, centre=(25, 25)), two, EVERY)
    made_up = edges(two, disc(12, centre=(25, 25)), EVERY)
    for found in (missed, made_up):
        assert np.quantile(found.far, 0.4) < 0.1
        assert (found.far > 10).mean() == pytest.approx(1 / 3, abs=0.05)


def test_where_an_island_is_half_covered_its_outline_is_not():
    share = disc()
    share[:, 50:] /= 2
    rng = np.random.default_rng(1)
    found = edges(share + rng.normal(0, 0.05, share.shape), share, EVERY)
    assert found.far.max() < 2


def test_outlines_at_cracks_and_of_weak_islands_are_not_asked_for():
    usable = EVERY.copy()
    usable[38:42] = False
    share = disc() * usable
    found = edges(np.where(usable, share, np.nan), share, usable)
    assert found.far.max() < 1e-9
    assert edges(disc(inside=0.15), disc(inside=0.15), EVERY) is None
    assert edges(disc(), np.zeros(EVERY.shape), EVERY) is None
    weak = disc(12, centre=(25, 25)) + disc(12, 0.15, (60, 70))
    assert edges(disc(12, centre=(25, 25)), weak, EVERY).far.max() < 1


def test_a_map_without_the_island_is_as_far_off_as_can_be():
    found = edges(np.zeros(EVERY.shape), disc(), EVERY)
    assert found.far.min() > 100
    assert not found.far_all.size
    assert np.isnan(found.shift)


def test_maps_of_simulated_images_are_measured(with_results, capsys):
    assert main(["verify", "maps", *SMALL]) == 0
    found = json.loads(Path("outputs/verify/maps.json").read_text())
    assert (found["source"], found["seeds"], found["size"]) == ("simulated", [1, 2, 3], [4, 64, 72])
    figures = found["figures"]
    for figure in figures.values():
        assert figure["mean"] is None or figure["least"] <= figure["mean"] <= figure["most"]
    mean = {name: figure["mean"] for name, figure in figures.items()}
    assert mean["presence_f1"] > 0.75
    assert mean["presence_f1_bin4"] > mean["presence_f1"] > mean["presence_f1_strict"]
    assert mean["presence_f1_smoothed"] > mean["presence_f1"]
    assert mean["edge_fraction_median"] < 1
    assert mean["empty_present"] < 0.01
    assert mean["empty_grey"] > 0.9
    assert mean["fraction_error_bin4"] < mean["fraction_error"]
    assert mean["foreign_alarmed_bin4"] > mean["foreign_alarmed"]
    assert set(found["compounds"]) == {"Li2CO3", "Li2O", "Li3N", "LiH", "LiOH"}
    assert found["compounds"]["LiOH"]["f1"]["mean"] is None  # there is none in the image
    assert found["compounds"]["Li3N"]["f1"]["mean"] > 0.7
    out = capsys.readouterr().out
    assert "Verified maps (simulated, 64 x 72 pixels, 4 scans, seeds 1-3)" in out
    assert all(name in out for name in figures)
    assert not Path("outputs/images").exists()
    assert not Path("outputs/maps").exists()


def test_a_model_of_measured_spectra_is_refused(with_results, capsys):
    model = Path("outputs/model")
    about = (model / "model.yaml").read_text()
    (model / "model.yaml").write_text(about.replace("source: simulated", "source: measured"))
    sums = [line.split() for line in (model / "SHA256SUMS").read_text().splitlines()]
    lines = [
        f"{hashlib.sha256((model / name).read_bytes()).hexdigest()}  {name}" for _, name in sums
    ]
    (model / "SHA256SUMS").write_text("\n".join(lines) + "\n")
    assert main(["verify", "maps", *SMALL]) == 2
    assert "expected one trained on simulated spectra" in capsys.readouterr().err
    assert not Path("outputs/verify").exists()


def test_without_a_model_it_says_what_to_do(project, capsys):
    assert main(["verify", "maps", *SMALL]) == 2
    assert "ionprint train" in capsys.readouterr().err
