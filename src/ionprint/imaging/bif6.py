"""BIF6 files of SurfaceLab: one image an integration interval, each a finished peak."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ionprint.errors import ImageError
from ionprint.imaging.image import Image

HEADER = struct.Struct("<6s3H")
"""Magic word; intervals, columns, rows."""
MAGIC = b"\x00\x00BIF6"
INTERVAL = struct.Struct("<I3f")
"""Number of the peak (0 for the total image), then m/z (u): centre, lower and upper end."""
PIXEL = np.dtype("<u4")
MOST_BYTES = 1 << 26
"""Of a tile."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Bif6(Image):
    """A BIF6 file. Rows are given as they are stored: the file does not say which side is up."""

    _order: np.ndarray = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> Bif6:
        """Open a file; see `Image.open`.

        The total image is left out, as it is no peak.
        """
        size = path.stat().st_size
        with path.open("rb") as file:
            begin = file.read(HEADER.size)
            if len(begin) < HEADER.size or not begin.startswith(MAGIC):
                raise ImageError(
                    f"{path} is no BIF6 file: it begins with {begin[:6]!r}, expected {MAGIC!r}"
                )
            _, intervals, columns, rows = HEADER.unpack(begin)
            step = INTERVAL.size + PIXEL.itemsize * rows * columns
            if not (intervals and rows and columns):
                raise ImageError(
                    f"{path} is empty: {intervals} intervals of {rows} rows, {columns} columns"
                )
            if size != HEADER.size + intervals * step:
                raise ImageError(
                    f"{path} is {'cut off' if size < HEADER.size + intervals * step else 'damaged'}"
                    f": expected {HEADER.size + intervals * step} bytes of {intervals} intervals, "
                    f"got {size}; export it again"
                )
            known = np.empty((intervals, 4))
            for n in range(intervals):
                file.seek(HEADER.size + n * step)
                known[n] = INTERVAL.unpack(file.read(INTERVAL.size))
        peaks = np.flatnonzero(known[:, 0] != 0)
        if not peaks.size:
            raise ImageError(
                f"{path} holds the total image alone, so it has no usable mass axis; "
                "export it with its peaks"
            )
        centre, lower, upper = known[peaks, 1:].T
        # NaN fails too; centres are rounded to single precision as their ends are
        wrong = peaks[~((lower <= centre) & (centre <= upper) & (lower < upper))]
        if wrong.size:
            number, *window = known[wrong[0]]
            raise ImageError(
                f"{path}: interval {number:.0f} has no usable mass: centre {window[0]:.6g}, from "
                f"{window[1]:.6g} to {window[2]:.6g} u; expected its centre between its ends"
            )
        order = np.argsort(centre, kind="stable")
        same = np.flatnonzero(np.diff(centre[order]) == 0)
        if same.size:
            ids = known[peaks[order[same[0] : same[0] + 2]], 0].astype(int)
            raise ImageError(
                f"{path}: intervals {ids[0]} and {ids[1]} have the same m/z, "
                f"{centre[order[same[0]]]:.6g} u; export each peak once"
            )
        height = max(1, min(rows, MOST_BYTES // (PIXEL.itemsize * columns * peaks.size)))
        return cls(
            path=path,
            shape=(1, rows, columns),
            tile=(1, height, columns),
            kind="peaks",
            mz=centre[order],
            lower=lower[order],
            upper=upper[order],
            _order=peaks[order],
        )

    def read(self, scans: slice, rows: slice, columns: slice) -> np.ndarray:
        """Read a piece; see `Image.read`."""
        (_, top, left), (depth, height, width) = self.bounds(scans, rows, columns)
        counts = np.empty((depth, height, width, self._order.size), dtype=PIXEL)
        if not counts.size:
            return counts.reshape(-1, self._order.size)
        across = self.shape[2]
        step = INTERVAL.size + PIXEL.itemsize * self.shape[1] * across
        with self.path.open("rb") as file:
            for column, interval in enumerate(self._order):
                file.seek(
                    HEADER.size + interval * step + INTERVAL.size + PIXEL.itemsize * top * across
                )
                block = np.fromfile(file, dtype=PIXEL, count=height * across)
                if block.size < height * across:
                    raise ImageError(
                        f"{self.path} is cut off at the peak of m/z {self.mz[column]:.4f}; "
                        "it was changed while it was read"
                    )
                counts[0, ..., column] = block.reshape(height, across)[:, left : left + width]
        return counts.reshape(-1, self._order.size)
