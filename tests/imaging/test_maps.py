"""Maps of a small simulated image: right, and the same bytes whatever happens on the way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from scipy.ndimage import binary_dilation, binary_erosion

from ionprint.cli import main
from ionprint.cluster import CLUSTER, Where
from ionprint.imaging.maps import BY_COMPOUND, FEW, JOB, READ, UNREAD

from .conftest import BLOCKS, SMALL

BIN = Path(sys.executable).parent
CLEAR, ABSENT = 0.2, 1e-3
"""Shares of the signal."""


def opened(store):
    return zarr.open_group(store, mode="r")


def finished(store):
    """Return the numbers of the blocks that are finished, while others are at work."""
    return {int(path.name) for path in (store / "finished/c").glob("[0-9]*") if not path.suffix}


def files_of(block):
    """Return the files of some arrays in the store of a block of a grid of 4 x 4."""
    row, column = divmod(block, 4)
    place = f"0/{row}/{column}"
    names = [f"{name}/c/{place}/0" for name in BY_COMPOUND]
    return [*names, f"state/c/{place}", f"sums/c/{block}/0/0", f"finished/c/{block}"]


def whole(files):
    """Return all files but those that a killed process was writing under another name."""
    return {name: data for name, data in files.items() if not name.endswith(".partial")}


def wait_for(happens, process=None, seconds=60):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.002)


@pytest.fixture(scope="module")
def truth(images, lithium):
    """Share of each compound of the model in the signal, and which part is a hole, a scan each."""
    group = zarr.open_group(images / "small.zarr/truth", mode="r")
    compounds = group.attrs["ionprint"]["compounds"]
    signal = group["signal"][:].astype(float)
    shares = np.zeros((*signal.shape[:3], len(lithium.classes)))
    for place, name in enumerate(lithium.classes):
        if name in compounds:
            shares[..., place] = signal[..., compounds.index(name)]
    return shares, group["hole"][:]


def together(values, bins):
    """Return the mean over blocks of pixels; all scans make one layer."""
    values = values.mean(axis=0)
    rows, columns = (n // bins for n in values.shape[:2])
    return values.reshape(rows, bins, columns, bins, *values.shape[2:]).mean(axis=(1, 3))


def f1(called, true, where):
    """Return the F1 of clear compounds against absent ones."""
    clear, absent = true[where] >= CLEAR, true[where] <= ABSENT
    called = called[where]
    hits, wrong = (called & clear).sum(), (called & absent).sum() + (~called & clear).sum()
    return 2 * hits / (2 * hits + wrong)


@pytest.fixture(scope="module")
def small(undisturbed):
    """The store of the image of single ions."""
    return opened(undisturbed / "small/maps.zarr")


def right(group, truth, bins):
    """Return the F1 of a store of one layer, of whole pixels with 100 ions and more."""
    shares, hole = truth
    where = (together(hole, bins) == 0) & (group["counts"][0] >= 100)
    assert where.sum() > 0.7 * where.size
    return f1(group["presence"][0] >= 0.5, together(shares, bins), where)


def test_what_is_called_present_in_a_pixel_is_there(small, truth):
    assert right(small, truth, 1) > 0.9


def test_binned_pixels_are_surer(maps, small, truth):
    binned = opened(maps(bin=4))
    assert right(binned, truth, 4) > 0.97
    wide = [np.nanmean(group["high"][:] - group["low"][:]) for group in (small, binned)]
    assert wide[1] < wide[0]
    counts = small["counts"][0].reshape(12, 4, 12, 4).sum(axis=(1, 3))
    assert binned["counts"][0] == pytest.approx(counts, rel=1e-4)


def test_fractions_lie_in_their_intervals_and_islands_where_they_are(small, truth, lithium):
    group = small
    shares, hole = truth
    true, full = together(shares, 1), together(hole, 1) == 0
    low, high = group["low"][0], group["high"][0]
    inside = (low <= true) & (true <= high)
    assert (inside[full & (group["state"][0] == READ)]).mean() > 0.85
    for name in ("Li3N", "LiH"):
        place = lithium.classes.index(name)
        island = true[..., place] >= CLEAR
        called = group["presence"][0, ..., place] >= 0.5
        # off by one pixel at most, along its edge
        within = binary_erosion(island) & full
        beyond = ~binary_dilation(island, iterations=2) & full
        assert within.sum() > 50
        assert called[within].mean() > 0.97
        assert called[beyond].mean() < 0.03


@pytest.mark.parametrize("smooth", [0, 1])
def test_pixels_with_too_few_counts_are_grey_everywhere(maps, small, truth, smooth):
    group = opened(maps(smooth=smooth)) if smooth else small
    state = group["state"][:]
    grey = state == FEW
    assert set(np.unique(state)) == {FEW, READ}
    for name in (*BY_COMPOUND, "p"):
        values = group[name][:]
        assert np.isnan(values[grey]).all(), name
        assert np.isfinite(values[~grey]).all(), name
    assert np.isfinite(group["counts"][:]).all()
    # cracks give nothing but background
    empty = truth[1].all(axis=0)
    assert empty.sum() > 50
    assert grey[0][empty].mean() > 0.99
    if not smooth:
        least = group.attrs[JOB]["settings"]["least_counts"]
        assert (group["counts"][:] < least)[grey].all()
        assert (group["counts"][:] > least - 1)[~grey].all()


def test_readings_keep_within_their_bounds(small):
    group = small
    read = group["state"][:] == READ
    of = {name: group[name][:][read] for name in (*BY_COMPOUND, "p")}
    for name, values in of.items():
        assert (values >= 0).all() and (values <= 1).all(), name
    assert of["probability"].sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert of["fraction"].sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert (of["low"] <= of["fraction"]).all() and (of["fraction"] <= of["high"]).all()
    about = group.attrs[JOB]
    assert (about["source"], about["model_source"]) == ("simulated", "simulated")


def test_layers_come_from_their_scans(maps, small, truth, lithium):
    group = opened(maps(scans=2))
    assert group["presence"].shape[0] == 2
    place = lithium.classes.index("Li2CO3")
    fraction = np.nanmean(group["fraction"][..., place], axis=(1, 2))
    true = truth[0][..., place].reshape(2, 2, 48, 48).mean(axis=(1, 2, 3))
    assert fraction[0] > fraction[1] + 0.1
    assert fraction == pytest.approx(true, abs=0.12)
    assert group["counts"][:].sum(axis=0) == pytest.approx(small["counts"][0], abs=1e-3)


def test_probabilities_alone_are_the_same(maps, small):
    group = opened(maps(readings=False))
    assert "presence" not in group and "p" not in group
    assert np.array_equal(group["probability"][:], small["probability"][:], equal_nan=True)


@pytest.mark.parametrize(
    "where",
    [Where(workers=2), Where(CLUSTER, 2)],
    ids=["threads", "processes"],
)
def test_two_workers_write_the_bytes_of_one(maps, undisturbed, contents, where):
    store = maps(where=where)
    expected = contents(undisturbed / "small")
    assert len(expected) > 10 * BLOCKS
    assert contents(store.parent) == expected


def test_what_is_done_is_not_done_again_but_with_other_settings_all_is(
    tmp_path, maps, undisturbed, capsys, times
):
    store = tmp_path / "maps/small/maps.zarr"
    shutil.copytree(undisturbed / "small", store.parent)
    before = times(store)
    assert maps() == store
    assert f"{BLOCKS} of {BLOCKS} blocks were finished before" in capsys.readouterr().out
    assert times(store) == before
    grey = (opened(store)["state"][:] == FEW).sum()
    maps(least_counts=150)
    assert "finished before" not in capsys.readouterr().out
    assert (opened(store)["state"][:] == FEW).sum() > grey + 50


def test_another_image_of_the_same_name_and_size_is_read_anew(
    project, tmp_path, maps, undisturbed, capsys
):
    shutil.copytree(undisturbed / "small", tmp_path / "maps/small")
    assert main(["image", *SMALL, "image.seed=2", "image.name=small"]) == 0
    other = project / "outputs/images/small.zarr"
    store = maps(image=other)
    assert "finished before" not in capsys.readouterr().out
    counts, before = (
        opened(path)["counts"][:] for path in (store, undisturbed / "small/maps.zarr")
    )
    assert not np.array_equal(counts, before)


def test_killed_in_the_middle_it_goes_on_with_the_rest(
    project, tmp_path, maps, images, model_folder, undisturbed, contents, times, capsys
):
    store = project / "outputs/maps/small/maps.zarr"
    words = [images / "small.zarr", "--model", model_folder, "dask.workers=1"]
    running = subprocess.Popen(
        [BIN / "ionprint", "maps", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for(lambda: len(finished(store)) > 2, running)
    running.kill()
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    done, before = finished(store), times(store)
    assert 2 < len(done) < BLOCKS
    shutil.move(project / "outputs/maps", tmp_path / "maps")
    store = maps()
    assert f"{len(done)} of {BLOCKS} blocks were finished before" in capsys.readouterr().out
    after = times(store)
    kept = [name for block in done for name in files_of(block)]
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert whole(contents(store.parent)) == contents(undisturbed / "small")


@pytest.fixture
def workers(tmp_path):
    """A scheduler and two workers as processes of their own; give its address and theirs."""
    processes = []

    def start(*words):
        command = [BIN / "dask", *words, "--dashboard-address", "127.0.0.1:0"]
        with (tmp_path / f"{len(processes)}.log").open("wb") as log:
            processes.append(
                subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
            )

    known = tmp_path / "scheduler.json"
    logs = [tmp_path / f"{n}.log" for n in (1, 2)]
    try:
        start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(known))
        for _ in logs:
            start("worker", "--scheduler-file", str(known), "--nthreads", "1", "--no-nanny")
        wait_for(lambda: all("Registered to" in log.read_text() for log in logs), processes[0])
        yield json.loads(known.read_text())["address"], processes[1:]
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:  # a busy worker may not hear
                process.kill()
                process.wait()


def test_a_worker_of_a_cluster_that_dies_loses_nothing(
    tmp_path, maps, workers, undisturbed, contents
):
    address, (first, _) = workers
    store, died = tmp_path / "maps/small/maps.zarr", []

    def kill():
        wait_for(lambda: len(finished(store)) > 2)
        died.append(len(finished(store)))
        os.kill(first.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    maps(where=Where(address=address))
    killer.join()
    assert first.wait(5) == -signal.SIGKILL
    assert died[0] < BLOCKS
    assert whole(contents(store.parent)) == contents(undisturbed / "small")


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_part_is_named_and_the_rest_is_finished(
    tmp_path, maps, images, undisturbed, contents, times, capsys, damage
):
    image = tmp_path / "peaks.zarr"
    shutil.copytree(images / "peaks.zarr", image)
    part = image / "counts/c/0/2/1/0"
    good = part.read_bytes()
    if damage == "missing":
        part.unlink()
    else:
        part.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    named = "counts/c/0/2/1/0", "rows 24 to 35, columns 12 to 23"
    store = maps(image, problems=[named])
    assert finished(store) == set(range(BLOCKS)) - {9}
    state = opened(store)["state"][0]
    assert (state[24:36, 12:24] == UNREAD).all() and (state == UNREAD).sum() == 144
    assert np.isnan(opened(store)["counts"][0, 24:36, 12:24]).all()

    part.write_bytes(good)
    before = times(store)
    maps(image)
    assert "15 of 16 blocks were finished before" in capsys.readouterr().out
    after = times(store)
    assert {n for n in after if after[n] != before.get(n)} >= set(files_of(9))
    others = [name for block in set(range(BLOCKS)) - {9} for name in files_of(block)]
    assert {n: after[n] for n in others} == {n: before[n] for n in others}
    assert contents(store.parent) == contents(undisturbed / "peaks")


def test_damage_among_single_ions_is_named_and_repaired_too(tmp_path, maps, images, small, times):
    image = tmp_path / "small.zarr"
    shutil.copytree(images / "small.zarr", image)
    part = sorted((image / "channel/c").iterdir())[-1]
    good = part.read_bytes()
    part.write_bytes(good[:-5] + b"\0" + good[-4:])
    begin = zarr.open_group(image)["first"][:] > int(part.name) * 2**18
    problems = [[f"channel/c/{part.name}", f"tile {n}"] for n in np.flatnonzero(begin[1:])]
    assert 0 < len(problems) < BLOCKS
    store = maps(image, problems=problems)
    done, before = finished(store), times(store)
    assert len(done) == BLOCKS - len(problems)
    part.write_bytes(good)
    maps(image)
    after = times(store)
    kept = [name for block in done for name in files_of(block)]
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    # the mass scale comes from all counts that there were, which makes next to no difference
    called, expected = (group["presence"][:] >= 0.5 for group in (opened(store), small))
    assert (called == expected).mean() > 0.99
