"""Maps of an image: what a model reads in each pixel, block by block, into a Zarr store.

Each block is read, worked on and written by itself, in any order, by any worker; a block that is
marked as finished is whole. So work that was stopped goes on where it was, and the bytes do not
depend on who did what.
"""

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ionprint.composition.pixels import PRESENT
from ionprint.errors import ClusterError, ImageError, IonprintError
from ionprint.imaging.columns import Columns
from ionprint.imaging.image import Image, Piece, Size, stamp, tiles_of
from ionprint.imaging.pooling import binning, reach, smoothing

if TYPE_CHECKING:
    import zarr
    from scipy.sparse import csr_array

    from ionprint.serving.model import Model

STORE = "maps.zarr"
JOB = "ionprint_maps"
"""The attribute of a store that says what it holds."""
FORMAT = 1
SIDE = 128
"""Pixels along a side of the overview at most, as far as blocks can be divided so."""
PIXELS = 1 << 20
"""Pixels of the image, scans together, that a block may be made of."""
HOLE = 0.01
"""How unlikely so few counts are among those around, in a pixel that is not read for that."""
UNREAD, FEW, READ = 0, 1, 2
"""States of a pixel: its part of the image is damaged or was not reached; too few counts; read."""
FOUND = ("all", "too few counts", "alarm")
"""Regions that every image has; and one of each compound, where it is present."""
BY_COMPOUND = ("probability", "presence", "fraction", "low", "high")
BY_PIXEL = ("counts", "p")


@dataclass(frozen=True)
class Settings:
    """How an image is read.

    Attributes
    ----------
    bin : int
        Pixels brought together along a side.
    scans : int or None
        Scans brought together to a layer; None: all to one.
    smooth : float
        Standard deviation (pixels after binning) of a Gaussian over neighbours; 0: none.
    least_counts : int
        Counts from which on a pixel is read.
    primary_ions : float or None
        Of each pixel and scan of the image, for a model that divides by them.
    readings : bool
        Presence, fractions and the alarm, beside probabilities.
    regions : dict
        Name of each region drawn: first row, first column, last row, last column of the image, the
        last ones included.
    """

    bin: int
    scans: int | None
    smooth: float
    least_counts: int
    primary_ions: float | None = None
    readings: bool = True
    regions: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that a worker needs to read any block of an image.

    Attributes
    ----------
    image : Image
    model : Model
    columns : Columns or None
        None before the mass scale is known.
    settings : Settings
    store : Path
        Where results go.
    """

    image: Image
    model: "Model"
    columns: Columns | None
    settings: Settings
    store: Path

    @cached_property
    def bins(self) -> Size:
        """Scans, rows, columns of the image that make a pixel of the maps."""
        return (self.settings.scans or self.image.shape[0], *2 * (self.settings.bin,))

    @cached_property
    def shape(self) -> Size:
        """Layers, rows, columns of the maps."""
        return tuple(-(-n // step) for n, step in zip(self.image.shape, self.bins, strict=True))

    @cached_property
    def block(self) -> Size:
        """Layers, rows, columns of a block: what tiles of the image fill, not too much at once."""
        most = max(1, int(np.sqrt(PIXELS / self.bins[0])) // self.bins[1])
        tiles = (max(1, step // self.bins[1]) for step in self.image.tile[1:])
        return (1, *(min(n, most, step) for n, step in zip(self.shape[1:], tiles, strict=True)))

    @cached_property
    def coarse(self) -> tuple[int, int]:
        """Rows and columns of the maps that make a pixel of the overview."""
        return tuple(
            next(f for f in range(1, b + 1) if b % f == 0 and (f == b or -(-n // f) <= SIDE))
            for b, n in zip(self.block[1:], self.shape[1:], strict=True)
        )

    def blocks(self) -> list[Piece]:
        """Return all blocks, as pieces of the maps."""
        return list(tiles_of(self.shape, self.block))

    @property
    def classes(self) -> list[str]:
        """The compounds."""
        return self.model.reader.classes

    @property
    def regions(self) -> list[str]:
        """What the counts of each block are summed over."""
        everything, few, alarm = FOUND
        read = [*(f"{name} present" for name in self.classes), alarm]
        return [everything, few, *read * self.settings.readings, *self.settings.regions]

    def identity(self) -> dict[str, Any]:
        """Return what tells this job from any other."""
        known = {
            "format": FORMAT,
            "image": str(self.image.path.name),
            "written": list(stamp(self.image.path)),
            "shape": list(self.image.shape),
            "model": self.model.identity,
            "settings": asdict(self.settings),
        }
        return json.loads(json.dumps(known))  # as the store gives it back


def create(job: Job) -> None:
    """Make the store of a job, without results.

    Raises
    ------
    ImageError
        The store is there already.
    """
    import zarr
    from zarr.codecs import BloscCodec

    if job.store.exists():
        raise ImageError(f"{job.store} is there already")
    group = zarr.create_group(job.store, zarr_format=3)
    kinds, n_blocks = len(job.classes), len(job.blocks())

    def add(name: str, shape: tuple[int, ...], chunks: tuple[int, ...], kind: str) -> None:
        # what is read from counts is half noise: a slow codec would gain little
        packed = BloscCodec(
            cname="lz4", clevel=3, shuffle="bitshuffle", typesize=np.dtype(kind).itemsize
        )
        group.create_array(
            name,
            shape=shape,
            chunks=chunks,
            dtype=kind,
            fill_value=np.nan if np.dtype(kind).kind == "f" else 0,
            compressors=packed,
        )

    readings = BY_COMPOUND if job.settings.readings else BY_COMPOUND[:1]
    for name in readings:
        add(name, (*job.shape, kinds), (*job.block, kinds), "float32")
    for name in BY_PIXEL[: 1 + job.settings.readings]:
        add(name, job.shape, job.block, "float32")
    add("state", job.shape, job.block, "uint8")
    peaks = job.model.mz.size
    overview = [-(-n // f) for n, f in zip(job.shape[1:], job.coarse, strict=True)]
    chunk = [b // f for b, f in zip(job.block[1:], job.coarse, strict=True)]
    add("overview", (job.shape[0], *overview, peaks), (1, *chunk, peaks), "float32")
    add("sums", (n_blocks, len(job.regions), peaks), (1, len(job.regions), peaks), "float64")
    if job.settings.readings:
        add("by_chance", (n_blocks, kinds), (1, kinds), "float64")
    add("pixels", (n_blocks, len(job.regions)), (1, len(job.regions)), "int64")
    if job.columns.total is not None:
        total = job.columns.total
        add("total", total.shape, total.shape, "float64")
        group["total"][:] = total
    add("finished", (n_blocks,), (1,), "uint8")
    group.attrs[JOB] = job.identity() | {
        "classes": job.classes,
        "regions": job.regions,
        "block": list(job.block),
        "bins": list(job.bins),
        "coarse": list(job.coarse),
        "pixel_um": job.image.pixel_um,
        "source": job.image.source,
        "model_source": job.model.source,
        "coverage": job.columns.coverage,
        "scale": job.columns.scale,
        "left_out": job.columns.left_out.tolist(),
        "unit": {"counts": "counts", "p": "p-value", **dict.fromkeys(BY_COMPOUND, "1")},
    }


def _begun(job: Job) -> "zarr.Group | None":
    """Return the store of this very job; None where there is none."""
    import zarr

    try:
        group = zarr.open_group(job.store, mode="r")
        about = dict(group.attrs[JOB])
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):
        return None
    same = {key: about.get(key) for key in job.identity()} == job.identity()
    return group if same and "finished" in group else None


def pending(job: Job) -> list[int] | None:
    """Return which blocks are to be done yet; None where there is no store of this very job."""
    group = _begun(job)
    return None if group is None else np.flatnonzero(group["finished"][:] == 0).tolist()


def kept_total(job: Job) -> np.ndarray | None:
    """Return the sum over all pixels that an earlier, unfinished run found its mass scale in.

    A part of the image may have been damaged then and be whole now: with another sum the blocks of
    one store would be on two scales.
    """
    group = _begun(job)
    return group["total"][:] if group is not None and "total" in group else None


def total_of(image: Image, piece: Piece) -> np.ndarray | str:
    """Return the counts of each column in a piece of an image, or what is wrong with it."""
    try:
        return np.asarray(image.read(*piece).sum(axis=0), dtype=float)
    except ImageError as exc:
        return str(exc)


def read_block(job: Job, number: int) -> str | None:
    """Read one block and write what was found; last of all that it is finished.

    Returns
    -------
    str or None
        What is wrong with its part of the image.
    """
    piece = job.blocks()[number]
    try:
        raw, counts, near = _counts(job, piece)
    except IonprintError as exc:
        return str(exc)
    size = tuple(s.stop - s.start for s in piece)
    store = _opened(job.store)
    values, state, chance = _values(job, counts, near)
    values["counts"] = np.asarray(raw.sum(axis=1), dtype=np.float32).ravel()
    for name, found in values.items():
        store[name][piece] = found.reshape(*size, *found.shape[1:])
    store["state"][piece] = state.reshape(size)
    place = [
        slice(s.start // f, -(-s.stop // f)) for s, f in zip(piece[1:], job.coarse, strict=True)
    ]
    overview = _overview(raw, size, job.coarse)
    store["overview"][(piece[0], *place)] = overview
    member = _members(job, piece, values, state)
    sums = [raw[own].sum(axis=0, dtype=float) for own in member]
    store["sums"][number] = [overview.sum(axis=(0, 1, 2), dtype=float), *sums]
    if chance is not None:
        store["by_chance"][number] = chance
    store["pixels"][number] = [state.size, *member.sum(axis=1)]
    store["finished"][number] = 1
    return None


def _overview(areas: "csr_array", size: Size, coarse: tuple[int, int]) -> np.ndarray:
    """Return the areas of a block's pixels summed to those of the overview."""
    rows, columns = (-(-n // f) for n, f in zip(size[1:], coarse, strict=True))
    pixel = (np.arange(size[1]) // coarse[0])[:, None] * columns + np.arange(size[2]) // coarse[1]
    n_peaks = areas.shape[1]
    place = np.repeat(pixel.ravel() * n_peaks, np.diff(areas.indptr)) + areas.indices
    found = np.bincount(place, areas.data, rows * columns * n_peaks)
    return found.astype(np.float32).reshape(1, rows, columns, n_peaks)


def _counts(job: Job, piece: Piece) -> "tuple[csr_array, csr_array, np.ndarray]":
    """Return the areas of a block's pixels, what is to be read of them, and whether it may be.

    That is the areas themselves, or smoothed ones. Of neighbours alone nothing is said: a pixel
    with far fewer counts than around it is a hole.
    """
    from scipy.stats import poisson

    margin = reach(job.settings.smooth)
    wide = [
        piece[0],
        *(
            slice(max(s.start - margin, 0), min(s.stop + margin, n))
            for s, n in zip(piece[1:], job.shape[1:], strict=True)
        ),
    ]
    source = [
        slice(s.start * step, min(s.stop * step, n))
        for s, step, n in zip(wide, job.bins, job.image.shape, strict=True)
    ]
    areas = job.columns.areas(job.image.read(*source))
    if job.bins != (1, 1, 1):
        areas = binning(tuple(s.stop - s.start for s in source), job.bins) @ areas
    if not margin:
        return areas, areas, np.ones(areas.shape[0], bool)
    size = tuple(w.stop - w.start for w in wide[1:])
    inside = tuple(
        slice(s.start - w.start, s.stop - w.start) for s, w in zip(piece[1:], wide[1:], strict=True)
    )
    own = np.arange(size[0] * size[1]).reshape(size)[inside].ravel()
    raw, kernel = areas[own], smoothing(inside, size, job.settings.smooth)
    smooth = kernel @ areas
    around = np.maximum(smooth.sum(axis=1) / kernel.sum(axis=1), 0)
    return raw, smooth, poisson.cdf(np.rint(raw.sum(axis=1)), around) >= HOLE


def _values(
    job: Job, counts: "csr_array", near: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray | None]:
    """Return what is read of pixels, NaN where too few counts say nothing, and their states.

    Last in how many each compound would be called present if it were nowhere.
    """
    if counts.data.size and counts.data.min() < 0:
        counts = counts.copy()
        np.maximum(counts.data, 0, out=counts.data)
    total = counts.sum(axis=1, dtype=float)
    seen = near & (total >= job.settings.least_counts)
    enough = np.flatnonzero(seen)
    values: dict[str, np.ndarray] = {}

    def put(name: str, found: np.ndarray) -> None:
        whole = np.full((seen.size, *found.shape[1:]), np.nan, np.float32)
        whole[enough] = found
        values[name] = whole

    some = counts if enough.size == seen.size else counts[enough]
    ions = job.settings.primary_ions
    ions = None if ions is None else ions * float(np.prod(job.bins))
    put("probability", job.model.probabilities(some, ions))
    chance = None
    if job.settings.readings:
        found = job.model.reader.pixels.read(some)
        chance = found.by_chance.sum(axis=0)
        for name in (*BY_COMPOUND[1:], "p"):
            put(name, getattr(found, name))
    return values, np.where(seen, READ, FEW).astype(np.uint8), chance


def _members(
    job: Job, piece: Piece, values: dict[str, np.ndarray], state: np.ndarray
) -> np.ndarray:
    """Return which pixels of a block belong to each of `Job.regions` but the first, all."""
    member = [state == FEW]
    if job.settings.readings:
        member += [
            *(values["presence"] >= PRESENT).T,
            values["p"] <= job.model.reader.pixels.alarm_at,
        ]
    rows, columns = (np.arange(s.start, s.stop) for s in piece[1:])
    for region in job.settings.regions.values():
        # every bin that the region has a part of
        top, left, bottom, right = (end // job.settings.bin for end in region)
        inside = ((rows >= top) & (rows <= bottom))[:, None]
        member.append((inside & (columns >= left) & (columns <= right)).ravel())
    return np.array(member)


_stores: dict[Path, "zarr.Group"] = {}


def _opened(path: Path) -> "zarr.Group":
    """Return a store to write into, opened once by each process."""
    import zarr

    if path not in _stores:
        _stores.clear()
        try:
            _stores[path] = zarr.open_group(path, mode="r+")
        except FileNotFoundError as exc:
            raise ClusterError(
                f"{path} is not there for a worker: all must see the project's folder at one place"
            ) from exc
    return _stores[path]
