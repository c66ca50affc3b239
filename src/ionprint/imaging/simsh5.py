"""SIMS-H5 files of PHI's spectrometers: sparse counts of flight times, read by simsh5."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ionprint.errors import ImageError
from ionprint.imaging.image import Image, library
from ionprint.spectra.spectrum import LIGHTEST

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FORMAT = "tof-sims-sparse-hdf5"
MODES = {"image_2d": 3, "depth_profile": 4, "mosaic": 4}
"""Axes of each kind of measurement."""
TILE = 256
"""Rows and columns of a tile: any will do once the file is in memory."""
_turning = threading.Lock()


@dataclass(frozen=True, eq=False, kw_only=True)
class SimsH5(Image):
    """A SIMS-H5 file.

    The file is sorted by mass. It is turned round to pixels once a process, at the first read, and
    kept: some 8 bytes for each pixel of each occupied channel, three times as many while it turns.
    """

    _target: np.ndarray = field(repr=False)
    _width: int = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> SimsH5:
        """Open a file; see `Image.open`.

        Frames of one place are added up; cycles of a depth profile are scans; the tiles of a
        mosaic are put together. The file has row 0 at the bottom, the image at the top. Times
        stored to a picosecond are put into the channels that the file recommends, of 128 ps in
        general. A channel reaches from its number to the next one, so its m/z is that of the
        middle: sqrt(m/z) = a t + b, with a and b of the file. Channels below 0.5 u, where no ion
        can be, are left out.
        """
        library("simsh5", path, "SIMS-H5", "simsh5")  # also lets h5py unpack its datasets
        try:
            known = _described(path)
            target, shape = _places(path, known)
        except (ImageError, MemoryError):
            raise
        except Exception as exc:  # h5py raises nearly anything for a damaged file
            raise ImageError(f"{path} is no SIMS-H5 file, or damaged: {exc}") from exc
        a, b = known["coefficients"]
        if not (np.isfinite([a, b]).all() and a > 0):
            raise ImageError(
                f"{path} has no usable mass axis: expected sqrt(m/z) = a t + b that rises with the "
                f"flight time, got a = {a:g}, b = {b:g}"
            )
        width = known["width"]
        channel = np.unique(known["mass_bin"].astype(np.int64) // width)
        root = (channel + 0.5) * width * known["bin_ps"] * 1e-6 * a + b
        usable = root >= np.sqrt(LIGHTEST)
        if not usable.any():
            raise ImageError(
                f"{path} has no usable mass axis: by its calibration, sqrt(m/z) = {a:g} t + "
                f"({b:g}), no ion has {LIGHTEST} u or more"
            )
        return cls(
            path=path,
            shape=shape,
            tile=(1, min(TILE, shape[1]), min(TILE, shape[2])),
            kind="spectra",
            mz=root[usable] ** 2,
            channel=channel[usable],
            pixel_um=known["pixel_um"],
            polarity=known["polarity"],
            _target=target,
            _width=width,
        )

    def read(self, scans: slice, rows: slice, columns: slice) -> csr_array:
        """Read a piece; see `Image.read`."""
        start, size = self.bounds(scans, rows, columns)
        axes = [np.arange(a, a + n) for a, n in zip(start, size, strict=True)]
        wanted = np.ravel_multi_index(np.meshgrid(*axes, indexing="ij"), self.shape).ravel()
        with _turning:  # two threads must not both hold the file
            pixels = self._pixels
        return pixels[wanted]

    @cached_property
    def _pixels(self) -> csr_array:
        """Counts of all pixels, shape (n_pixels, n_columns)."""
        from scipy.sparse import csr_array

        simsh5 = library("simsh5", self.path, "SIMS-H5", "simsh5")
        try:
            with simsh5.open_archive(self.path) as archive:
                ends = archive.indptr.astype(np.int64)
                if (np.diff(ends) < 0).any() or ends[0] or ends[-1] != archive.pixel_id.size:
                    raise ValueError("indptr does not rise from 0 to the number of counts")
                column = np.searchsorted(
                    self.channel, archive.mass_bin.astype(np.int64) // self._width
                )
                place = self._target[archive.pixel_id]
                counts = archive.count.astype(np.float32)
                outside = archive.mass_bin.astype(np.int64) // self._width < self.channel[0]
        except MemoryError:
            raise
        except Exception as exc:
            raise ImageError(f"{self.path} is damaged: {exc}; export it again") from exc
        column = np.repeat(np.where(outside, -1, column).astype(np.int32), np.diff(ends))
        keep = column >= 0
        pixels = csr_array(
            (counts[keep], (place[keep], column[keep])),
            shape=(self.n_pixels, self.mz.size),
        )  # of frames and picoseconds, it has added up those that fell together
        pixels.sort_indices()
        return pixels


def _described(path: Path) -> dict[str, Any]:
    """Read what a file says of itself, and its occupied channels."""
    import h5py

    with h5py.File(path, "r") as file:
        if _text(file.attrs.get("format")) != FORMAT:
            raise ImageError(
                f"{path} is HDF5, but not SIMS-H5: its format is "
                f"{_text(file.attrs.get('format'))!r}, expected {FORMAT!r}"
            )
        mode = _text(file.attrs["acquisition_mode"])
        shape = tuple(int(n) for n in file["geometry"].attrs["row_shape"])
        if MODES.get(mode) != len(shape):
            raise ImageError(
                f"{path}: a measurement {mode!r} of shape {shape} is not known; expected one of "
                f"{', '.join(MODES)}"
            )
        counts = file["data/mass_csr"]
        if not counts["count"].size or min(shape) < 1:
            raise ImageError(f"{path} is empty: there is no count in it")
        sizes = counts["count"].size, counts["pixel_id"].size
        if sizes[0] != sizes[1] or counts["indptr"].size != counts["mass_bin"].size + 1:
            raise ImageError(f"{path} is damaged: its counts, pixels and channels do not fit")
        bin_ps = float(counts.attrs.get("mass_bin_width_ps", 1))
        mass = file["calibration/mass"]
        own = float(mass.attrs.get("ps_per_bin", 1))
        pitch = None
        if "calibration/spatial" in file:
            spatial = file["calibration/spatial"]
            pitch = spatial.attrs.get("pixel_pitch_um")
            if pitch is None and "pixel_pitch_um" in spatial:
                pitch = spatial["pixel_pitch_um"][()]
        return {
            "mode": mode,
            "shape": shape,
            "mass_bin": counts["mass_bin"][:],
            "bin_ps": bin_ps,
            "width": max(1, round(own / bin_ps)),
            "coefficients": tuple(float(v) for v in mass["coefficients"][:]),
            "pixel_um": None if pitch is None else float(np.ravel(pitch)[0]),
            "polarity": {"+": 1, "-": -1}.get(_sign(_text(file.attrs.get("polarity")))),
            "tiles": file["mosaic/tile_index_xy"][:] if mode == "mosaic" else None,
        }


def _places(path: Path, known: dict[str, Any]) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Return which pixel of the image each one of the file is, and the image's size."""
    rows, columns = known["shape"][-2:]
    number = np.arange(int(np.prod(known["shape"])))
    *lead, _, row, column = np.unravel_index(number, known["shape"])
    scan = np.zeros_like(row)
    if known["mode"] == "depth_profile":
        scan = lead[0]
        shape = (known["shape"][0], rows, columns)
    elif known["mode"] == "mosaic":
        tiles = known["tiles"].astype(np.int64)
        if tiles.shape != (known["shape"][0], 2) or len(np.unique(tiles, axis=0)) != len(tiles):
            raise ImageError(
                f"{path} is damaged: mosaic/tile_index_xy does not give each of the "
                f"{known['shape'][0]} tiles a place of its own"
            )
        across, up = tiles.max(axis=0) + 1
        row, column = row + tiles[lead[0], 1] * rows, column + tiles[lead[0], 0] * columns
        shape = (1, int(up * rows), int(across * columns))
    else:
        shape = (1, rows, columns)
    place = np.ravel_multi_index((scan, shape[1] - 1 - row, column), shape)
    return place.astype(np.min_scalar_type(-int(np.prod(shape)))), shape


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else None if value is None else str(value)


def _sign(polarity: str | None) -> str:
    """Return + or - for what files call it: +, Pos, Positive and so on."""
    begin = (polarity or "").strip().lower()[:3]
    return {"pos": "+", "neg": "-"}.get(begin, begin)
