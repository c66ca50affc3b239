"""Our own images: Zarr stores of finished peaks, or of single ions (events)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ionprint.errors import ImageError
from ionprint.imaging.image import Image, Piece, Size, counts_of, piece_text, size_text, tiles_of
from ionprint.spectra.spectrum import LIGHTEST

if TYPE_CHECKING:
    import zarr
    from scipy.sparse import csr_array

FORMAT = 1
OURS = "ionprint"
"""The attribute of a store's group that says what the store holds."""
CHUNK = 1 << 18
"""Events a chunk: a megabyte, of which a tile needs one or some."""
SOURCES = ("simulated", "measured")
NONE = np.uint32(2**32 - 1)
"""Fill value of events: no channel and no pixel has this number, so a missing chunk is seen."""
DAMAGE = (ValueError, RuntimeError, OSError, KeyError, TypeError, IndexError)
"""What zarr and its codecs raise when a file is not what was written."""


class Peaks:
    """Writes an image of finished peaks.

    Sent to other processes it goes on writing there: tiles are files of their own.

    Attributes
    ----------
    path : Path
    shape, tile : tuple of int
        Scans, rows, columns.
    """

    def __init__(self, path: Path, shape: Size, tile: Size, counts: zarr.Array) -> None:
        self.path, self.shape, self.tile, self._counts = path, shape, tile, counts

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        shape: Size,
        tile: Size,
        mz: np.ndarray,
        lower: np.ndarray | None = None,
        upper: np.ndarray | None = None,
        dtype: str = "uint16",
        pixel_um: float | None = None,
        polarity: int | None = None,
        source: str = "simulated",
    ) -> Peaks:
        """Make a new store; a tile that is never written counts as damaged.

        Parameters
        ----------
        path : str or Path
            Must not be there yet.
        shape, tile : tuple of int
            Scans, rows, columns of the image, and of what is stored in one file.
        mz, lower, upper : ndarray, shape (n_peaks,)
            Centres and integration windows (u), rising.
        dtype : str
            An unsigned integer; its largest value marks what is missing.
        pixel_um, polarity, source
            See `Image`.

        Raises
        ------
        ImageError
            The path is taken, or the size or the type is impossible.
        """
        stored = np.dtype(dtype)
        if stored.kind != "u":
            raise ImageError(f"{path}: counts are stored as unsigned integers, got {stored}")
        mz = np.asarray(mz, dtype=np.float64)
        windows = {name: w for name, w in (("lower", lower), ("upper", upper)) if w is not None}
        if mz.ndim != 1 or any(np.shape(w) != mz.shape for w in windows.values()):
            raise ImageError(f"{path}: expected one m/z, and a lower and an upper one, for a peak")
        if not (mz.size and mz[0] >= LIGHTEST and (np.diff(mz) > 0).all()):
            raise ImageError(f"{path}: expected m/z (u) that rise from {LIGHTEST} or above")
        shape, tile = _checked(path, shape, tile)
        group = _group(Path(path))
        counts = group.create_array(
            "counts",
            shape=(*shape, mz.size),
            chunks=(*tile, mz.size),
            dtype=stored,
            fill_value=np.iinfo(stored).max,
            dimension_names=("scan", "row", "column", "peak"),
            compressors=_codecs(),
        )
        for name, values in {"mz": mz, **windows}.items():
            _small(group, name, np.asarray(values, dtype=np.float64))
        group.attrs[OURS] = _attributes("peaks", shape, tile, pixel_um, polarity, source)
        return cls(Path(path), shape, tile, counts)

    def write(self, scans: slice, rows: slice, columns: slice, counts: np.ndarray) -> None:
        """Write whole tiles.

        Parameters
        ----------
        scans, rows, columns : slice
            Which; must begin and end where tiles do, as two writers cannot share a file.
        counts : ndarray of int, shape (n_pixels, n_peaks) or (scans, rows, columns, n_peaks)

        Raises
        ------
        ImageError
            The piece cuts a tile, or the counts do not fit into the type of the store.
        """
        piece = (scans, rows, columns)
        for s, size, step in zip(piece, self.shape, self.tile, strict=True):
            if s.start % step or (s.stop % step and s.stop != size):
                raise ImageError(
                    f"{self.path}: {piece_text(piece)} cut a tile; tiles are {size_text(self.tile)}"
                )
        most = np.iinfo(self._counts.dtype).max - 1
        if counts.size and not (counts.min() >= 0 and counts.max() <= most):
            raise ImageError(
                f"{self.path}: counts from {counts.min()} to {counts.max()} do not fit; "
                f"{self._counts.dtype} holds 0 to {most}"
            )
        size = tuple(s.stop - s.start for s in piece)
        self._counts[piece] = np.asarray(counts).reshape(*size, -1)


class Events:
    """Writes an image of single ions, tile after tile.

    Attributes
    ----------
    path : Path
    shape, tile : tuple of int
        Scans, rows, columns.
    """

    def __init__(self, path: Path, shape: Size, tile: Size, group: zarr.Group, ends: Size) -> None:
        self.path, self.shape, self.tile, self._group = path, shape, tile, group
        self._ends = ends
        self._sizes = [_size(piece) for piece in tiles_of(shape, tile)]
        self._first = [0]
        self._pending: list[tuple[np.ndarray, np.ndarray]] = []
        self._written = 0

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        shape: Size,
        tile: Size,
        k: float,
        t0: float,
        first_channel: int,
        last_channel: int,
        pixel_um: float | None = None,
        polarity: int | None = None,
        source: str = "simulated",
    ) -> Events:
        """Make a new store.

        Parameters
        ----------
        path : str or Path
            Must not be there yet.
        shape, tile : tuple of int
            Scans, rows, columns of the image, and of what is read at one go.
        k, t0 : float
            The file's own mass scale: channel = k sqrt(m/z) + t0 (channels per sqrt(u); channels).
        first_channel, last_channel : int
            Of the mass axis, both included.
        pixel_um, polarity, source
            See `Image`.

        Raises
        ------
        ImageError
            The path is taken, or the size is impossible.
        """
        if not (
            k > 0
            and 0 <= first_channel <= last_channel < NONE
            and first_channel >= k * np.sqrt(LIGHTEST) + t0
        ):
            raise ImageError(
                f"{path}: expected channels that rise from {LIGHTEST} u or above, got "
                f"{first_channel} to {last_channel} with k = {k:g}, t0 = {t0:g}"
            )
        shape, tile = _checked(path, shape, tile)
        group = _group(Path(path))
        for name in ("channel", "pixel"):
            group.create_array(
                name,
                shape=(0,),
                chunks=(CHUNK,),
                dtype="uint32",
                fill_value=NONE,
                dimension_names=("event",),
                compressors=_codecs(),
            )
        group.attrs[OURS] = {
            **_attributes("events", shape, tile, pixel_um, polarity, source),
            **{"k": float(k), "t0": float(t0)},
            **{"first_channel": int(first_channel), "last_channel": int(last_channel)},
            "complete": False,
        }
        return cls(Path(path), shape, tile, group, (int(first_channel), int(last_channel)))

    def append(self, tile_number: int, channel: np.ndarray, pixel: np.ndarray) -> None:
        """Add the ions of the next tile.

        Parameters
        ----------
        tile_number : int
            Of the grid of tiles, in C order; they come one after the other.
        channel, pixel : ndarray of int, shape (n_ions,)
            Sorted by pixel, then channel. Pixels are counted in C order inside the tile as it is,
            the last ones being smaller.

        Raises
        ------
        ImageError
            Not the next tile, or ions that are not in it, or not sorted.
        """
        if tile_number != len(self._first) - 1 or tile_number >= len(self._sizes):
            raise ImageError(
                f"{self.path}: expected tile {len(self._first) - 1} of {len(self._sizes)}, "
                f"got tile {tile_number}"
            )
        channel, pixel = np.asarray(channel), np.asarray(pixel)
        problem = _misplaced(channel, pixel, self._ends, self._sizes[tile_number])
        if not problem:
            key = pixel.astype(np.int64) * (self._ends[1] + 1) + channel
            if (key[1:] < key[:-1]).any():
                problem = "ions that are not sorted by pixel, then channel"
        if problem:
            raise ImageError(f"{self.path}: tile {tile_number} holds {problem}")
        self._pending.append((channel.astype(np.uint32), pixel.astype(np.uint32)))
        self._first.append(self._first[-1] + channel.size)
        if self._first[-1] - self._written >= 4 * CHUNK:
            self._flush(whole=True)

    def close(self) -> None:
        """Mark the image as complete; one that is not cannot be opened.

        Raises
        ------
        ImageError
            Tiles are lacking.
        """
        if len(self._first) != len(self._sizes) + 1:
            raise ImageError(
                f"{self.path}: {len(self._first) - 1} of {len(self._sizes)} tiles were written"
            )
        self._flush(whole=False)
        _small(self._group, "first", np.array(self._first, dtype=np.int64))
        self._group.attrs[OURS] = {**self._group.attrs[OURS], "complete": True}

    def _flush(self, whole: bool) -> None:
        """Write what is pending; only `whole` chunks, so that none is written twice."""
        number = self._first[-1] - self._written
        number -= number % CHUNK if whole else 0
        if not number:
            return
        rest = []
        for part, name in enumerate(("channel", "pixel")):
            values = np.concatenate([pending[part] for pending in self._pending])
            array = self._group[name]
            array.resize((self._written + number,))
            array[self._written :] = values[:number]
            rest.append(values[number:])
        self._pending = [(rest[0], rest[1])]
        self._written += number


@dataclass(frozen=True, eq=False, kw_only=True)
class PeaksCube(Image):
    """An image of finished peaks that `Peaks` wrote; read dense."""

    _counts: Any = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> PeaksCube:
        """Open a store; see `Image.open`."""
        group, known = _described(path)
        arrays = {name: _whole(group, name, path) for name in ("mz", "lower", "upper")
                  if name == "mz" or name in group}  # fmt: skip
        counts = _array(group, "counts", path)
        expected = (*known["shape"], arrays["mz"].size)
        if counts.shape != expected or counts.dtype.kind != "u":
            raise ImageError(
                f"{path}: its counts are {counts.dtype} of {counts.shape}, expected unsigned "
                f"integers of {expected}; write the image again"
            )
        return cls(path=path, kind="peaks", _counts=counts, **arrays, **_common(known))

    def read(self, scans: slice, rows: slice, columns: slice) -> np.ndarray:
        """Read a piece; see `Image.read`."""
        start, size = self.bounds(scans, rows, columns)
        piece = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        try:
            counts = self._read(piece)
        except ImageError:
            damaged = [tile for tile in self.tiles() if _touch(tile, piece) and self._damaged(tile)]
            if not damaged:
                raise
            raise ImageError(
                f"{self.path}: damaged or missing: "
                + "; ".join(f"{self._file(tile)} ({piece_text(tile)})" for tile in damaged[:5])
                + (f"; and {len(damaged) - 5} more" if len(damaged) > 5 else "")
                + "; write the image again"
            ) from None
        return counts.reshape(int(np.prod(size)), self.mz.size)

    def _read(self, piece: Piece) -> np.ndarray:
        try:
            counts = self._counts[piece]
        except DAMAGE as exc:
            raise ImageError(f"{self.path}: {exc}") from exc
        if counts.size and counts.max() == np.iinfo(counts.dtype).max:
            raise ImageError(f"{self.path}: a part of {piece_text(piece)} is missing")
        return counts

    def _damaged(self, tile: Piece) -> bool:
        try:
            self._read(tile)
        except ImageError:
            return True
        return False

    def _file(self, tile: Piece) -> str:
        """Return the file of a tile."""
        at = [s.start // step for s, step in zip(tile, self.tile, strict=True)]
        return "/".join(["counts", "c", *map(str, at), "0"])


@dataclass(frozen=True, eq=False, kw_only=True)
class EventsCube(Image):
    """An image of single ions that `Events` wrote."""

    _channel: Any = field(repr=False)
    _pixel: Any = field(repr=False)
    _first: np.ndarray = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> EventsCube:
        """Open a store; see `Image.open`."""
        group, known = _described(path)
        if not known.get("complete"):
            raise ImageError(f"{path} is not finished: its writing was stopped; write it again")
        ions = [_array(group, name, path) for name in ("channel", "pixel")]
        first = _whole(group, "first", path)
        tiles = sum(1 for _ in tiles_of(known["shape"], known["tile"]))
        ends = (ions[0].shape, ions[1].shape)
        rises = first.size == tiles + 1 and first[0] == 0 and (np.diff(first) >= 0).all()
        if not rises or ends != (((int(first[-1]),),) * 2):
            raise ImageError(
                f"{path} is damaged: `first`, `channel` and `pixel` do not fit each other; "
                "write the image again"
            )
        try:
            channel = np.arange(known["first_channel"], known["last_channel"] + 1)
            mz = ((channel - known["t0"]) / known["k"]) ** 2
        except (KeyError, TypeError, ZeroDivisionError) as exc:
            raise ImageError(f"{path}: its mass scale is not told ({exc}); write it again") from exc
        return cls(
            path=path,
            kind="spectra",
            mz=mz,
            channel=channel,
            _channel=ions[0],
            _pixel=ions[1],
            _first=first,
            **_common(known),
        )

    @cached_property
    def _grid(self) -> np.ndarray:
        """Numbers of the tiles, by their place on the grid."""
        counts = [-(-n // step) for n, step in zip(self.shape, self.tile, strict=True)]
        return np.arange(int(np.prod(counts))).reshape(counts)

    def read(self, scans: slice, rows: slice, columns: slice) -> csr_array:
        """Read a piece; see `Image.read`."""
        start, size = self.bounds(scans, rows, columns)
        end = [a + n for a, n in zip(start, size, strict=True)]
        shape = (int(np.prod(size)), self.mz.size)
        if not shape[0]:
            return counts_of(np.empty(0, int), np.empty(0, int), shape)
        near = tuple(
            slice(a // step, -(-b // step))
            for a, b, step in zip(start, end, self.tile, strict=True)
        )
        pixels, channels = [], []
        for at in np.ndindex(self._grid[near].shape):
            place = [s.start + i for s, i in zip(near, at, strict=True)]
            origin = [p * step for p, step in zip(place, self.tile, strict=True)]
            extent = [
                min(step, n - o) for step, n, o in zip(self.tile, self.shape, origin, strict=True)
            ]
            channel, pixel = self._tile(int(self._grid[tuple(place)]), int(np.prod(extent)))
            if tuple(origin) == start and tuple(extent) == size:
                return counts_of(pixel, channel, shape)
            # a table of where each pixel of the tile goes, -1 if it was not asked for
            goes = np.full(extent, -1, dtype=np.int64)
            inner = [
                (max(a, o), min(b, o + n))
                for a, b, o, n in zip(start, end, origin, extent, strict=True)
            ]
            target = np.ix_(*(np.arange(a, b) - s for (a, b), s in zip(inner, start, strict=True)))
            goes[tuple(slice(a - o, b - o) for (a, b), o in zip(inner, origin, strict=True))] = (
                target[0] * size[1] + target[1]
            ) * size[2] + target[2]
            placed = goes.ravel()[pixel]
            keep = placed >= 0
            pixels.append(placed[keep])
            channels.append(channel[keep])
        return counts_of(np.concatenate(pixels), np.concatenate(channels), shape)

    def _tile(self, number: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the ions of a tile: columns of the mass axis, and pixels inside the tile."""
        begin, end = int(self._first[number]), int(self._first[number + 1])
        channel = self._ions(self._channel, begin, end, number)
        pixel = self._ions(self._pixel, begin, end, number)
        ends = int(self.channel[0]), int(self.channel[-1])
        problem = _misplaced(channel, pixel, ends, pixels)
        if problem:
            raise ImageError(
                f"{self.path}: tile {number} is damaged: it holds {problem}; write the image again"
            )
        return channel - np.uint32(ends[0]), pixel

    def _ions(self, array: Any, begin: int, end: int, tile: int) -> np.ndarray:
        def read(begin: int, end: int) -> np.ndarray:
            values = array[begin:end]
            if values.size and values.max() == NONE:
                raise ValueError("missing")
            return values

        try:
            return read(begin, end)
        except DAMAGE as exc:
            step = array.chunks[0]
            chunks = range(begin // step, -(-end // step))
            damaged = [
                f"{array.basename}/c/{n}"
                for n in chunks
                if _fails(lambda n=n: read(n * step, min((n + 1) * step, array.shape[0])))
            ]
            raise ImageError(
                f"{self.path}: damaged or missing: {', '.join(damaged) or exc} (tile {tile}, "
                f"{piece_text(self.tiles()[tile])}); write the image again"
            ) from exc


def open_class(path: Path) -> type[Image]:
    """Return the class that reads a store, by the kind it gives.

    Raises
    ------
    ImageError
        The store is damaged, or not one of ours.
    """
    return {"peaks": PeaksCube, "events": EventsCube}[_described(path)[1]["kind"]]


def _described(path: Path) -> tuple[zarr.Group, dict]:
    """Open a store and read what it says of itself."""
    import zarr

    try:
        group = zarr.open_group(path, mode="r", zarr_format=3)
        known = dict(group.attrs[OURS])
        known["shape"], known["tile"] = tuple(known["shape"]), tuple(known["tile"])
        numbers = [*known["shape"], *known["tile"]]
        good = len(numbers) == 6 and all(type(n) is int and n > 0 for n in numbers)
        good = good and known["source"] in SOURCES
    except DAMAGE as exc:
        raise ImageError(
            f"{path} is a Zarr store but no image that ionprint wrote, or is damaged: expected the "
            f"attribute {OURS!r} with format, kind, shape and tile"
        ) from exc
    if known.get("format") != FORMAT or known.get("kind") not in ("peaks", "events") or not good:
        raise ImageError(
            f"{path}: format {known.get('format')!r}, kind {known.get('kind')!r}, shape "
            f"{known['shape']}, tile {known['tile']} is not known; this ionprint reads format "
            f"{FORMAT}, kinds peaks and events"
        )
    return group, known


def _common(known: dict) -> dict[str, Any]:
    """Return what every store says of itself."""
    return {name: known.get(name) for name in ("shape", "tile", "pixel_um", "polarity", "source")}


def _array(group: zarr.Group, name: str, path: Path) -> zarr.Array:
    try:
        return group[name]
    except DAMAGE as exc:
        raise ImageError(f"{path} is damaged: {name} is missing; write the image again") from exc


def _whole(group: zarr.Group, name: str, path: Path) -> np.ndarray:
    array = _array(group, name, path)
    try:
        values = array[:]
        # a fill value of NaN, or below zero, that no axis has
        if not (values >= 0).all():
            raise ValueError("missing")
    except DAMAGE as exc:
        raise ImageError(f"{path} is damaged: {name} ({exc}); write the image again") from exc
    return values


def _small(group: zarr.Group, name: str, values: np.ndarray) -> None:
    """Write an array of one chunk."""
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(max(1, values.size),),
        dtype=values.dtype,
        fill_value=np.nan if values.dtype.kind == "f" else -1,
        compressors=_codecs(),
    )
    array[:] = values


def _group(path: Path) -> zarr.Group:
    import zarr

    if path.exists():
        raise ImageError(f"{path} is there already; remove it, or name another")
    return zarr.create_group(path, zarr_format=3)


def _codecs() -> tuple:
    """Pack, then add a checksum, so that a damaged byte is noticed."""
    from zarr.codecs import Crc32cCodec, ZstdCodec

    return ZstdCodec(level=1), Crc32cCodec()


def _checked(path: str | Path, shape: Size, tile: Size) -> tuple[Size, Size]:
    """Return the sizes of an image and its tiles, which are not larger than the image."""
    if len(shape) != 3 or len(tile) != 3 or min(*shape, *tile) < 1:
        raise ImageError(
            f"{path}: an image and its tiles have scans, rows and columns, got {shape} and {tile}"
        )
    tile = tuple(int(min(n, step)) for n, step in zip(shape, tile, strict=True))
    return tuple(int(n) for n in shape), tile


def _attributes(
    kind: str,
    shape: Size,
    tile: Size,
    pixel_um: float | None,
    polarity: int | None,
    source: str,
) -> dict[str, Any]:
    if source not in SOURCES:
        raise ImageError(f"an image is {' or '.join(SOURCES)}, got source {source!r}")
    return {
        "format": FORMAT,
        "kind": kind,
        "shape": list(shape),
        "tile": list(tile),
        "pixel_um": None if pixel_um is None else float(pixel_um),
        "polarity": None if polarity is None else int(polarity),
        "source": source,
    }


def _size(piece: Piece) -> int:
    """Return the pixels of a piece."""
    return int(np.prod([s.stop - s.start for s in piece]))


def _misplaced(
    channel: np.ndarray, pixel: np.ndarray, ends: tuple[int, int], pixels: int
) -> str | None:
    """Say what is wrong with the ions of a tile."""
    if channel.shape != pixel.shape or channel.ndim != 1:
        return f"{channel.size} channels for {pixel.size} pixels"
    if channel.size and not (channel.min() >= ends[0] and channel.max() <= ends[1]):
        return f"channels {channel.min()} to {channel.max()}, outside of {ends[0]} to {ends[1]}"
    if pixel.size and not (pixel.min() >= 0 and pixel.max() < pixels):
        return f"pixel {pixel.max()}, but has {pixels} pixels"
    return None


def _touch(one: Piece, other: Piece) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


def _fails(action: Callable[[], object]) -> bool:
    try:
        action()
    except DAMAGE:
        return True
    return False
