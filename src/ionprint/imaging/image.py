"""What every image is to the rest: counts of pixels on one mass axis, read a piece at a time."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ionprint.errors import ImageError
from ionprint.spectra.spectrum import LIGHTEST

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Size = tuple[int, int, int]
"""Of an image or a piece of it: scans, rows, columns."""
Piece = tuple[slice, slice, slice]
"""Which scans, rows and columns."""
KEPT = 4
"""Opened images that a process keeps for the next task that asks for them."""
FORMATS = (
    "an ionprint image (.zarr), imzML (.imzML with its .ibd), SIMS-H5 (.h5), BIF6 (.bif6) "
    "or a folder of TIFF images, one a peak"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Image(ABC):
    """Counts of an image on one mass axis. One subclass a format.

    An image holds what its file says of itself, never the counts; these are read when asked for.
    It can be read by many threads at once, and sent to other processes: they open the file anew.

    Attributes
    ----------
    path : Path
    shape : tuple of int
        Scans (layers in depth), rows, columns. Row 0 is the top.
    tile : tuple of int
        What is read at one go cheaply (scans, rows, columns); the last tiles may be smaller.
    kind : str
        `peaks` if the columns are finished peaks, `spectra` if they are channels of a mass axis.
    mz : ndarray, shape (n_columns,)
        u, rising: centres of the peaks, or of the channels on the file's own scale.
    lower, upper : ndarray of shape (n_columns,), optional
        Integration windows of peaks (u), where the file knows them.
    channel : ndarray of shape (n_columns,), optional
        Numbers of the channels of spectra, linear in sqrt(m/z), where the file knows them. They
        rise, but some may be left out.
    pixel_um : float, optional
        Side of a pixel (um).
    polarity : int, optional
        -1 or +1.
    source : str
        `simulated` or `measured`.
    """

    path: Path
    shape: Size
    tile: Size
    kind: Literal["peaks", "spectra"]
    mz: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    channel: np.ndarray | None = None
    pixel_um: float | None = None
    polarity: int | None = None
    source: Literal["simulated", "measured"] = "measured"

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ImageError(f"{self.path}: the image is empty: {size_text(self.shape)}")
        mz = self.mz
        if not mz.size:
            raise ImageError(
                f"{self.path}: the image has no mass axis: there is no peak or channel in it"
            )
        if not (np.isfinite(mz).all() and mz[0] >= LIGHTEST and (np.diff(mz) > 0).all()):
            raise ImageError(
                f"{self.path}: no usable mass axis: expected m/z (u) that rise from {LIGHTEST} or "
                f"above, got {mz[0]:.6g} to {mz[-1]:.6g}"
            )

    @abstractmethod
    def read(self, scans: slice, rows: slice, columns: slice) -> csr_array | np.ndarray:
        """Read the counts of a piece.

        Parameters
        ----------
        scans, rows, columns : slice
            Which part, without steps.

        Returns
        -------
        csr_array of float32, or ndarray of the stored type, shape (n_pixels, n_columns)
            Counts, pixels in C order (scan, row, column). Dense only if `kind` is `peaks`.

        Raises
        ------
        ImageError
            A part of the file is damaged; the message names it.
        """

    @property
    def n_pixels(self) -> int:
        """Pixels of all scans."""
        return int(np.prod(self.shape))

    def tiles(self) -> list[Piece]:
        """Return all tiles, in C order of their grid."""
        return list(tiles_of(self.shape, self.tile))

    def bounds(self, scans: slice, rows: slice, columns: slice) -> tuple[Size, Size]:
        """Return where a piece begins, and its size."""
        piece = [s.indices(n) for s, n in zip((scans, rows, columns), self.shape, strict=True)]
        if any(step != 1 for _, _, step in piece):
            raise ValueError(f"pieces of images have no steps, got {scans}, {rows}, {columns}")
        start = tuple(first for first, _, _ in piece)
        return start, tuple(max(0, end - first) for first, end, _ in piece)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as a path: the other process opens the file itself, once for all its tasks."""
        return reopened, (type(self), str(self.path.absolute()), stamp(self.path))

    @classmethod
    @abstractmethod
    def open(cls, path: Path) -> Image:
        """Open an image of this format.

        Raises
        ------
        ImageError
            It is damaged, or cannot be used; one line that says what to do.
        """


def open_image(path: str | Path) -> Image:
    """Open an image by what it is, not by its name alone.

    Parameters
    ----------
    path : str or Path
        Our own Zarr store, an .imzML file, a SIMS-H5 file, a BIF6 file, or a folder of TIFF images.

    Returns
    -------
    Image

    Raises
    ------
    ImageError
        There is no such file, its format is not known or its library not installed, it is damaged,
        or it has no usable mass axis.
    """
    path = Path(path)
    return _format(path).open(path)


def _format(path: Path) -> type[Image]:
    """Return the class that reads what is at a path."""
    if not path.exists():
        raise ImageError(f"{path} is not there; expected {FORMATS}")
    if path.is_dir():
        if (path / "zarr.json").exists() or path.suffix == ".zarr":
            from ionprint.imaging.cube import open_class

            return open_class(path)
        from ionprint.imaging.tiff import TiffFolder

        return TiffFolder
    try:
        with path.open("rb") as file:
            begin = file.read(512)
    except OSError as exc:
        raise ImageError(f"{path} cannot be read: {exc.strerror}") from exc
    if not begin:
        raise ImageError(f"{path} is empty; expected {FORMATS}")
    suffix = path.suffix.lower()
    if begin.startswith(b"\x89HDF\r\n\x1a\n") or suffix in (".h5", ".hdf5"):
        from ionprint.imaging.simsh5 import SimsH5

        return SimsH5
    if begin.startswith(b"\x00\x00BIF6") or suffix == ".bif6":
        from ionprint.imaging.bif6 import Bif6

        return Bif6
    if suffix == ".imzml":
        from ionprint.imaging.imzml import ImzML

        return ImzML
    if suffix == ".ibd":
        raise ImageError(f"{path} holds the numbers of an imzML image; name its .imzML file")
    if begin[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        raise ImageError(
            f"{path} is one TIFF image; name the folder with the images of all peaks, {path.parent}"
        )
    if begin.startswith(b"PK"):
        raise ImageError(f"{path} is packed; unpack it and name the folder")
    raise ImageError(f"{path} is no image that ionprint knows; expected {FORMATS}")


_opened: dict[tuple[type[Image], str, tuple], Image] = {}
_opening = threading.Lock()


def reopened(format_: type[Image], path: str, before: tuple[int, int]) -> Image:
    """Open an image that another process sent, or give it again if this one has it open.

    Raises
    ------
    ImageError
        The file was changed since, or see `open_image`.
    """
    key = (format_, path, before)
    with _opening:  # two threads must not open, and hold, the same image twice
        if key not in _opened:
            if not Path(path).exists():
                raise ImageError(f"{path} is not there: a worker must see it at the same place")
            if stamp(Path(path)) != before:
                raise ImageError(f"{path} was changed while it was read; start again")
            while len(_opened) >= KEPT:
                del _opened[next(iter(_opened))]
            _opened[key] = format_.open(Path(path))
        return _opened[key]


def stamp(path: Path) -> tuple[int, int]:
    """Return what tells one version of a file, or of a store's description, from another."""
    status = (path / "zarr.json" if (path / "zarr.json").exists() else path).stat()
    return status.st_size, status.st_mtime_ns


def tiles_of(shape: Size, tile: Size) -> Iterator[Piece]:
    """Give all tiles of an image, in C order of their grid; the last ones may be smaller."""
    spans = [
        [slice(first, min(first + step, size)) for first in range(0, size, step)]
        for size, step in zip(shape, tile, strict=True)
    ]
    for scans in spans[0]:
        for rows in spans[1]:
            for columns in spans[2]:
                yield scans, rows, columns


def counts_of(
    pixel: np.ndarray, column: np.ndarray, shape: tuple[int, int], weights: np.ndarray | None = None
) -> csr_array:
    """Add up ions, a row and a column each, to counts.

    Parameters
    ----------
    pixel, column : ndarray of int, shape (n_ions,)
        Quicker if sorted by pixel, then column.
    shape : tuple of int
        Pixels, columns.
    weights : ndarray, shape (n_ions,), optional
        Counts of each; one each when left out.

    Returns
    -------
    csr_array of float32
        Sorted, without zeros and doubles.
    """
    from scipy.sparse import csr_array

    key = pixel.astype(np.int64) * shape[1] + column
    if (key[1:] < key[:-1]).any():
        order = np.argsort(key, kind="stable")
        key, weights = key[order], None if weights is None else weights[order]
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if key.size else key
    if weights is None:
        data = np.diff(first, append=key.size)
    else:
        data = np.add.reduceat(weights, first) if key.size else weights
    key = key[first]
    row = key // shape[1]
    indices = (key - row * shape[1]).astype(np.int32)
    ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=shape[0]))])
    index = np.int32 if key.size < np.iinfo(np.int32).max else np.int64
    return csr_array(
        (data.astype(np.float32), indices.astype(index, copy=False), ends.astype(index)),
        shape=shape,
    )


def sparse(counts: np.ndarray) -> csr_array:
    """Return counts, shape (n_pixels, n_columns), as what a map is made of: those that are not 0.

    Returns
    -------
    csr_array of float32
    """
    from scipy.sparse import csr_array

    n, width = counts.shape
    there = np.flatnonzero(counts != 0)  # of a plain array: far faster than scipy's row by row
    ends = np.searchsorted(there, np.arange(n + 1) * width)
    index = np.int32 if there.size < np.iinfo(np.int32).max else np.int64
    data = counts.ravel()[there].astype(np.float32)
    columns = (there % width).astype(index)
    return csr_array((data, columns, ends.astype(index)), shape=counts.shape)


def library(name: str, path: Path, what: str, extra: str) -> Any:
    """Import the library a format needs.

    Raises
    ------
    ImageError
        It is not installed; says how to.
    """
    try:
        return import_module(name)
    except ImportError as exc:
        raise ImageError(
            f"{path}: reading {what} needs the library {name.partition('.')[0]}, which is not "
            f"installed: pip install 'ionprint[{extra}]'"
        ) from exc


def size_text(shape: tuple[int, ...]) -> str:
    """Return a size in words."""
    return ", ".join(
        f"{n} {what}" for n, what in zip(shape, ("scans", "rows", "columns"), strict=False)
    )


def piece_text(piece: Piece) -> str:
    """Return which part of an image a piece is, in words; the last of each is included."""
    names = ("scans", "rows", "columns")
    return ", ".join(
        f"{name} {s.start} to {s.stop - 1}" for name, s in zip(names, piece, strict=True)
    )
