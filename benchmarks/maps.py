"""Maps of images: a model over many pixels; beside the bare product, scikit-learn, decoding."""

import argparse
import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.measure import scratch_project

ROOT = Path(__file__).resolve().parents[1]
PEAKS, PIXELS, IONS = 300, 1_000_000, 20
TILE = 256
DISTINCT = 4
"""Tiles that differ; larger images repeat them, as files that share their bytes."""
ROUNDS = 5


def main(quick: bool = False, figure: Path | None = None) -> None:
    """Measure with the model of `data/` on its strongest peaks.

    Parameters
    ----------
    quick : bool
        Images to 10^7 pixels, not 10^8.
    figure : Path, optional
        Where to draw cost against pixels.
    """
    from ionprint.cli import main as ionprint

    with scratch_project(), threadpool_limits(1):  # as the command line does
        _machine()
        Path("data").symlink_to(ROOT / "data")
        for stage in ("peaks", "tune", "train"):
            assert ionprint(["--quiet", stage, *(["tuning.trials=5"] * (stage != "peaks"))]) == 0
        model, pipeline, shares = _model()
        counts = _counts(shares, PIXELS)
        _in_memory(model, pipeline, counts)
        del counts
        _readings(model, shares)
        most = 10**7 if quick else 10**8
        own = get_context("spawn").Process(target=_from_zarr, args=(model, shares, most, figure))
        own.start()  # its memory is that of this work alone
        own.join()
        assert own.exitcode == 0


def told(what: str, got: str, wanted: str = "") -> None:
    """Print a figure beside what is wanted of it."""
    print(f"  {what:<52} {got:<40}{f'(wanted {wanted})' if wanted else ''}".rstrip(), flush=True)


def timed(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the shortest time of some rounds (s)."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _machine() -> None:
    """Tell how fast memory and BLAS are, which bound all that follows."""
    large = np.ones(50_000_000)
    copy = np.empty_like(large)
    read = large.nbytes / timed(lambda: large.sum()) / 1e9
    moved = 2 * large.nbytes / timed(lambda: np.copyto(copy, large)) / 1e9
    square = np.random.default_rng(0).random((1500, 1500))
    flops = 2 * 1500**3 / timed(lambda: square @ square) / 1e9
    small = square.astype(np.float32)
    single = 2 * 1500**3 / timed(lambda: small @ small) / 1e9
    told("memory, one thread", f"{read:.1f} GB/s read, {moved:.1f} GB/s copied")
    told("BLAS, one thread", f"{flops:.0f} GFlop/s float64, {single:.0f} float32")


def _model():
    """Return a model on the strongest peaks, its pipeline, and the shares of its references."""
    from sklearn.base import clone

    import ionprint
    from ionprint.composition.reader import Reader
    from ionprint.composition.references import References
    from ionprint.models.linear import LinearModel
    from ionprint.models.storage import load_model, load_references

    table = load_references("outputs/model")
    keep = np.sort(np.argsort(-table.areas.mean(axis=0), kind="stable")[:PEAKS])
    areas = table.areas[:, keep]
    pipeline = clone(load_model("outputs/model").pipeline).fit(areas, table.column("compound"))
    references = References(areas, table.column("compound"), table.column("sample"))
    whole = ionprint.load("outputs/model")
    model = replace(
        whole,
        classifier=LinearModel.of(pipeline),
        reader=Reader.fit(references, 2000, 0.05, 0),
        method=None,
        mz=whole.mz[keep],
        ion=whole.ion[keep],
        weight=whole.weight[keep] / whole.weight[keep].sum(),
        limit=whole.limit[keep],
    )
    return model, pipeline, references.shares


def _counts(shares: np.ndarray, pixels: int, ions: int = IONS):
    """Return Poisson counts of pixels, each of one reference spectrum, as a sparse array."""
    from ionprint.imaging.image import counts_of

    rng = np.random.default_rng(0)
    number = rng.poisson(ions, pixels)
    cumulative = np.cumsum(shares, axis=1)
    cumulative[:, -1] = 1.0
    kind = np.repeat(rng.integers(len(shares), size=pixels), number)
    at, peak = rng.random(kind.size), np.empty(kind.size, int)
    for n, row in enumerate(cumulative):
        peak[kind == n] = np.searchsorted(row, at[kind == n])
    return counts_of(np.repeat(np.arange(pixels), number), peak, (pixels, PEAKS))


def _in_memory(model, pipeline, sparse) -> None:
    dense = sparse.toarray()
    weights = pipeline[-1].coef_.T.astype(np.float32)
    intercept = pipeline[-1].intercept_.astype(np.float32)

    def bare() -> np.ndarray:
        odds = dense @ weights + intercept
        odds = np.exp(odds - odds.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    some = slice(0, PIXELS // 5)  # its copies of all pixels would need 10 GB
    seen = dense[some].sum(axis=1) > 0
    apart = np.abs(model.probabilities(dense[some]) - pipeline.predict_proba(dense[some]))
    ours = timed(lambda: model.probabilities(dense))
    bare_ = timed(bare)
    scikit = timed(lambda: pipeline.predict_proba(dense[some]), 2) * 5
    few = timed(lambda: model.probabilities(sparse))
    size = f"{PIXELS:,} pixels x {PEAKS} peaks, float32"
    told(f"probabilities, {size}", f"{ours:.3f} s")
    told(
        "against the bare product and softmax",
        f"{ours / bare_:.2f} times ({bare_:.3f} s)",
        "<= 1.3",
    )
    told(
        "against Pipeline.predict_proba",
        f"{scikit / ours:.0f} times faster ({scikit:.1f} s)",
        ">= 4",
    )
    told("largest difference from it", f"{apart[seen].max():.1e}", "<= 1e-6")
    stored = sparse.nnz / PIXELS
    told(
        f"sparse, {IONS} ions a pixel ({stored:.0f} stored), against dense ours",
        f"{ours / few:.1f} times faster ({few:.3f} s)",
        ">= 5",
    )


def _readings(model, shares) -> None:
    from ionprint.serving.given import of_peaks

    side, ions = 256, 150
    sparse = _counts(shares, side * side, ions)
    ours = timed(lambda: model.reader.pixels.read(sparse), 3)
    rows = sparse[:200].toarray().astype(float)
    given = [of_peaks(model.mz, row, "pixel") for row in rows]
    single = timed(lambda: [model.answer(one) for one in given], 3) / len(given) * side**2
    told(
        f"presence, fraction, alarm of {side} x {side} pixels",
        f"{single / ours:.0f} times faster ({ours:.2f} s, {single:.0f} s)",
        ">= 100 than one at a time",
    )


class Stored:
    """An image of counts on the model's peaks in Zarr, of repeated tiles."""

    def __init__(self, folder: Path, model, shares: np.ndarray) -> None:
        self.folder, self.model = folder, model
        self.tiles = [
            _counts(shares, TILE * TILE).toarray().astype(np.uint8) for _ in range(DISTINCT)
        ]

    def of(self, pixels: int) -> Path:
        """Write an image of about so many pixels."""
        from ionprint.imaging.cube import Peaks

        across = max(1, round(np.sqrt(pixels) / TILE))
        side = min(TILE, int(np.sqrt(pixels)))
        path = self.folder / f"{pixels}.zarr"
        shape = (1, across * side, across * side)
        made = Peaks.create(
            path, shape=shape, tile=(1, side, side), mz=self.model.mz, dtype="uint8"
        )
        files: dict[int, Path] = {}
        for row in range(across):
            for column in range(across):
                kind = (row * across + column) % DISTINCT
                file = path / "counts" / "c" / "0" / str(row) / str(column) / "0"
                if kind in files:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    os.link(files[kind], file)
                    continue
                piece = [slice(n * side, (n + 1) * side) for n in (row, column)]
                counts = self.tiles[kind].reshape(TILE, TILE, -1)[:side, :side]
                made.write(slice(0, 1), *piece, counts.reshape(1, side, side, -1))
                files[kind] = file
        return path


def _from_zarr(model, shares, most: int, figure: Path | None) -> None:
    from ionprint.imaging.image import open_image

    threadpool_limits(1)
    with tempfile.TemporaryDirectory(prefix="ionprint-bench-", dir=".") as scratch:
        stored = Stored(Path(scratch), model, shares)
        _mapped(open_image(stored.of(1000)), model, True, 1)  # imports
        done = []
        for n in range(4, int(np.log10(most)) + 1):
            image = open_image(stored.of(10**n))
            decoding, reading, maps = (
                _decoded(image),
                _probabilities(image, model),
                _mapped(image, model, False, 1),
            )
            done.append((image.n_pixels, decoding, reading, maps))
            last = image.n_pixels if 10**n == most else None
            told(
                f"{image.n_pixels:,} pixels from Zarr: decoding alone",
                f"{decoding:.2f} s",
            )
            told(
                "  decoding and probabilities",
                f"{reading:.2f} s, {reading / decoding:.2f} times",
                "<= 2 times" if last else "",
            )
            told("  maps written, regions, overview", f"{maps:.2f} s, {maps / decoding:.2f} times")
        told("most memory of this process", f"{_memory():.2f} GB", "< 2")
        cost = np.log(np.array(done)[1:])
        for column, what in ((2, "probabilities"), (3, "maps")):
            slope = np.polyfit(cost[:, 0], cost[:, column], 1)[0]
            told(f"time for {what} goes as pixels to the power of", f"{slope:.3f}", "1")
        if figure is not None:
            _draw(np.array(done), figure)
        image = open_image(stored.of(2**20 + 1))
        for name in ("threads", "cluster"):
            one, two = (_mapped(image, model, True, n, name) for n in (1, 2))
            told(
                f"{image.n_pixels:,} pixels, all readings, two {name}",
                f"{one / two:.2f} times faster ({one:.1f} s, {two:.1f} s)",
                ">= 1.7" if name == "cluster" else "",
            )


def _memory() -> float:
    """Return the most memory that this process has had (GB); nan where Linux does not tell it."""
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1e6
    return float("nan")


def _decoded(image) -> float:
    """Return the time that decoding all tiles takes, nothing else (s)."""
    import zarr

    counts = zarr.open_group(image.path, mode="r")["counts"]
    start = time.perf_counter()
    for piece in image.tiles():
        counts[piece]
    return time.perf_counter() - start


def _probabilities(image, model) -> float:
    """Return the time that reading all tiles and their probabilities takes (s)."""
    start = time.perf_counter()
    for piece in image.tiles():
        model.probabilities(image.read(*piece))
    return time.perf_counter() - start


def _mapped(image, model, readings: bool, workers: int, name: str = "threads") -> float:
    """Return the time that maps of an image take, written to a store (s)."""
    from ionprint.cluster import Where, pool
    from ionprint.imaging.columns import on_peaks
    from ionprint.imaging.maps import Job, Settings, create, read_block

    settings = Settings(bin=1, scans=None, smooth=0.0, least_counts=1, readings=readings)
    store = Path("benchmark.zarr").absolute()
    shutil.rmtree(store, ignore_errors=True)
    job = Job(image, model, on_peaks(image, model, None), settings, store)
    create(job)
    with pool(Where(name, workers)) as started:
        started.run(read_block, job, [0] * workers)  # imports, and the job sent
        start = time.perf_counter()
        found = started.run(read_block, job, list(range(len(job.blocks()))))
        took = time.perf_counter() - start
    assert not any(found), found
    shutil.rmtree(store)
    return took


def _draw(done: np.ndarray, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.5, 3.2), layout="constrained")
    labels = "decoding the image alone", "and probabilities", "and maps written"
    for column, (label, mark) in enumerate(zip(labels, ("s--", "^-", "o-"), strict=True), start=1):
        axes.loglog(done[:, 0], done[:, column], mark, label=label)
    axes.set(xlabel="pixels", ylabel="time / s", title="300 peaks, 20 ions a pixel, one thread")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(path)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="images to 10^7 pixels")
    parser.add_argument("--figure", type=Path, help="draw cost against pixels to this file")
    options = parser.parse_args()
    main(options.quick, options.figure)
