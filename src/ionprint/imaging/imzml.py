"""imzML images: a spectrum a pixel, all on one axis (continuous) or each on its own (processed)."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ionprint.errors import ImageError
from ionprint.imaging.image import Image, Size, counts_of, library, size_text
from ionprint.spectra.spectrum import LIGHTEST

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SAMPLED = 500
"""Spectra, evenly spread over the image, that tell how close masses of processed spectra lie."""
COARSEST, FINEST = 5e-5, 1e-5
"""Steps (sqrt(u)) of the axis of masses that are on no raw axis: 3.5 ppm at 200 u is half of the
coarser one, a channel of most spectrometers."""
PRECISION = 4
"""Units of the last place that a mass on an even axis may be off."""
EXACT = 0.2
"""Part of a channel that it may be off in all."""
SMOOTH = 0.1
"""Part by which the distances of neighbouring channels may differ."""
MOST_CHANNELS = 10_000_000
POINTS = 1 << 22
"""Values of the spectra of one tile."""
UUID = "IMS:1000080"


@dataclass(frozen=True, eq=False, kw_only=True)
class ImzML(Image):
    """An imzML image; places without a spectrum are empty pixels."""

    _ibd: Path = field(repr=False)
    _at: np.ndarray = field(repr=False)
    _offsets: np.ndarray = field(repr=False)
    _lengths: np.ndarray = field(repr=False)
    _dtypes: tuple[np.dtype, np.dtype] = field(repr=False)
    _kept: np.ndarray | None = field(repr=False)
    _scale: tuple[float, float] | None = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> ImzML:
        """Open an image; see `Image.open`.

        The image is the box around the file's own coordinates. If all its spectra share one axis,
        that is the image's; its columns are channels if they lie on a raw axis or their distances
        hardly change, else peaks.
        Spectra with masses of their own are put on an axis even in sqrt(m/z). If the masses of
        500 spectra lie on a raw axis, as bins of equal time do, it is that one. If not, as with
        centroids, or if it is finer than 1e-5 sqrt(u), as single picoseconds are, its step is half
        the distance of the one in a hundred neighbours that are closest, but from 1e-5 to 5e-5
        sqrt(u); a mass moves by half a step at most. Masses below 0.5 u, where no ion can be, are
        left out.
        """
        parser = _parsed(path)
        ibd = _ibd(path)
        dtypes = _dtypes(path, parser)
        offsets = np.array([parser.mzOffsets, parser.intensityOffsets], dtype=np.int64).T
        lengths = np.array([parser.mzLengths, parser.intensityLengths], dtype=np.int64).T
        _check(path, ibd, parser, offsets, lengths, dtypes)
        at, shape = _places(path, np.array(parser.coordinates, dtype=np.int64))
        shared = not (offsets[:, 0] - offsets[0, 0]).any() and not np.ptp(lengths)
        kind, channel, kept, scale = "spectra", None, None, None
        with ibd.open("rb") as file:
            if shared:
                mz = _values(file, offsets[0, 0], lengths[0, 0], dtypes[0]).astype(np.float64)
                _check_masses(path, mz)
                kept = np.argsort(mz, kind="stable")
                kept = kept[mz[kept] >= LIGHTEST]
                mz = mz[kept]
                twice = np.flatnonzero(np.diff(mz) == 0)
                if twice.size:
                    raise ImageError(
                        f"{path} has no usable mass axis: it has m/z {mz[twice[0]]:.6g} u twice"
                    )
                scale = _even_scale(np.sqrt(mz), dtypes[0])
                kind = "spectra" if scale or _smooth_axis(mz) else "peaks"
                if scale:
                    channel = np.rint((np.sqrt(mz) - scale[0]) / scale[1]).astype(np.int64)
            else:
                first, last, scale = _axis(path, file, offsets[:, 0], lengths[:, 0], dtypes[0])
                channel = np.arange(last - first + 1)
                scale = scale[0] + first * scale[1], scale[1]
                mz = (scale[0] + channel * scale[1]) ** 2
        height = max(1, POINTS // max(1, int(lengths[:, 1].mean())) // shape[2])
        pixel_um = parser.imzmldict.get("pixel size x")
        return cls(
            path=path,
            shape=shape,
            tile=(1, min(height, shape[1]), shape[2]),
            kind=kind,
            mz=mz,
            channel=channel,
            pixel_um=float(pixel_um) if pixel_um else None,
            polarity={"positive": 1, "negative": -1}.get(parser.polarity),
            _ibd=ibd,
            _at=at,
            _offsets=offsets,
            _lengths=lengths,
            _dtypes=dtypes,
            _kept=kept,
            _scale=scale,
        )

    def read(self, scans: slice, rows: slice, columns: slice) -> csr_array | np.ndarray:
        """Read a piece; see `Image.read`."""
        self.bounds(scans, rows, columns)
        piece = self._at[scans, rows, columns].ravel()
        held = np.flatnonzero(piece >= 0)
        spectra = piece[held]
        lengths = self._lengths[spectra, 1]
        counts = self._stored(spectra, 1)
        good = (counts >= 0) & (counts < np.inf)
        if not good.all():
            where = np.repeat(spectra, lengths)[np.argmin(good)]
            raise ImageError(
                f"{self.path}: {self._name(where)}: counts must be finite and not negative"
            )
        if self._kept is None:
            return self._placed(self._stored(spectra, 0), counts, np.repeat(held, lengths), piece)
        counts = counts.reshape(spectra.size, self._lengths[0, 1])[:, self._kept]
        if self.kind == "peaks":
            dense = np.zeros((piece.size, self.mz.size), dtype=counts.dtype)
            dense[held] = counts
            return dense
        row, column = np.nonzero(counts)
        return counts_of(held[row], column, (piece.size, self.mz.size), counts[row, column])

    def _stored(self, spectra: np.ndarray, part: int) -> np.ndarray:
        """Return the masses (0) or counts (1) of spectra, one after the other."""
        dtype = self._dtypes[part]
        with self._ibd.open("rb") as file:
            values = [
                _values(file, self._offsets[n, part], self._lengths[n, part], dtype)
                for n in spectra
            ]
        return np.concatenate([np.empty(0, dtype), *values])

    def _placed(
        self, mz: np.ndarray, counts: np.ndarray, pixel: np.ndarray, piece: np.ndarray
    ) -> csr_array:
        """Put the ions of processed spectra on the axis."""
        # a NaN is above nothing, and is kept to be refused
        keep = (counts > 0) & ~(mz < LIGHTEST)
        pixel = pixel[keep]
        place = np.rint((np.sqrt(mz[keep].astype(np.float64)) - self._scale[0]) / self._scale[1])
        good = (place >= 0) & (place < self.mz.size)
        if not good.all():
            raise ImageError(
                f"{self.path}: {self._name(piece[pixel[np.argmin(good)]])}: its masses are not in "
                "order, or damaged; expected m/z that rise"
            )
        shape = (piece.size, self.mz.size)
        return counts_of(pixel, place.astype(np.int64), shape, counts[keep])

    def _name(self, spectrum: int) -> str:
        scan, row, column = np.argwhere(self._at == spectrum)[0]
        return f"spectrum {spectrum + 1} (scan {scan}, row {row}, column {column})"


def _parsed(path: Path) -> Any:
    """Read the description, without its numbers."""
    parser = library("pyimzml.ImzMLParser", path, "imzML", "imzml")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # at every term it would have written otherwise
            parsed = parser.ImzMLParser(str(path), ibd_file=None)
        params = [group.param_by_name for group in
                  parsed.metadata.referenceable_param_groups.values()]  # fmt: skip
    except MemoryError:
        raise
    except Exception as exc:  # it raises nearly anything for what it does not expect
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise ImageError(f"{path} is no imzML image, or damaged or empty: {reason}") from exc
    if any("zlib compression" in names for names in params):
        raise ImageError(f"{path}: its spectra are compressed, which pyimzml does not read; "
                         "export it without compression")  # fmt: skip
    return parsed


def _ibd(path: Path) -> Path:
    """Find the file with the numbers."""
    found = [p for p in path.parent.iterdir()
             if p.stem == path.stem and p.suffix.lower() == ".ibd"]  # fmt: skip
    if not found:
        raise ImageError(
            f"{path} describes the image alone: the file with its numbers, {path.stem}.ibd, is "
            "not beside it"
        )
    return found[0]


def _dtypes(path: Path, parser: Any) -> tuple[np.dtype, np.dtype]:
    """Return the types of masses and counts."""
    codes = {"f": "<f4", "d": "<f8", "i": "<i4", "l": "<i8"}
    given = parser.mzPrecision, parser.intensityPrecision
    if not all(code in codes for code in given):
        raise ImageError(
            f"{path} has no usable mass axis: it does not tell how masses and counts are stored; "
            "expected an m/z array and an intensity array of 32 or 64 bits"
        )
    return np.dtype(codes[given[0]]), np.dtype(codes[given[1]])


def _check(
    path: Path,
    ibd: Path,
    parser: Any,
    offsets: np.ndarray,
    lengths: np.ndarray,
    dtypes: tuple[np.dtype, np.dtype],
) -> None:
    """Refuse numbers that cannot belong to the description."""
    unlike = np.flatnonzero(lengths[:, 0] != lengths[:, 1])
    if unlike.size or (lengths < 0).any() or (offsets < 0).any():
        n = unlike[0] if unlike.size else 0
        raise ImageError(
            f"{path}: spectrum {n + 1} has {lengths[n, 0]} masses, {lengths[n, 1]} counts"
        )
    if not lengths.any():
        raise ImageError(f"{path} is empty: there is no count in it")
    ends = offsets + lengths * [dtype.itemsize for dtype in dtypes]
    size = ibd.stat().st_size
    if ends.max() > size:
        first = int(np.argmax((ends > size).any(axis=1)))
        raise ImageError(
            f"{ibd} is cut off: expected {ends.max()} bytes, got {size}; spectrum {first + 1} of "
            f"{len(lengths)} and others are not in it; copy it again"
        )
    try:
        said = str(parser.metadata.file_description.param_by_accession[UUID])
    except (AttributeError, KeyError):
        return
    said = re.sub("[^0-9a-f]", "", said.lower())
    with ibd.open("rb") as file:
        got = file.read(16).hex()
    if len(said) == 32 and said != got:
        raise ImageError(f"{ibd} does not belong to {path.name}: its identity is {got}, expected "
                         f"{said}; put the two files of one export beside each other")  # fmt: skip


def _places(path: Path, coordinates: np.ndarray) -> tuple[np.ndarray, Size]:
    """Return which spectrum is at each pixel (-1 for none), and the image's size."""
    place = (coordinates - coordinates.min(axis=0))[:, ::-1]
    shape = tuple(int(n) for n in place.max(axis=0) + 1)
    if int(np.prod(shape)) > 1000 * len(place) + 1_000_000:
        raise ImageError(
            f"{path}: its {len(place)} spectra lie in an image of {size_text(shape)}; "
            "its coordinates are damaged"
        )
    at = np.full(shape, -1, dtype=np.int64)
    at[tuple(place.T)] = np.arange(len(place))
    lost = np.flatnonzero(at[tuple(place.T)] != np.arange(len(place)))
    if lost.size:
        x, y, z = coordinates[lost[0]]
        raise ImageError(f"{path}: two spectra are at x {x}, y {y}, z {z}; expected one a pixel")
    return at, shape


def _values(file: BinaryIO, offset: int, length: int, dtype: np.dtype) -> np.ndarray:
    file.seek(int(offset))
    data = file.read(int(length) * dtype.itemsize)
    if len(data) < int(length) * dtype.itemsize:
        raise ImageError(f"{file.name} is cut off; it was changed while it was read")
    return np.frombuffer(data, dtype=dtype)


def _check_masses(path: Path, mz: np.ndarray) -> None:
    if not (np.isfinite(mz).all() and mz.max(initial=0.0) >= LIGHTEST):
        raise ImageError(f"{path} has no usable mass axis: expected m/z (u) of {LIGHTEST} or more, "
                         "that are numbers")  # fmt: skip


def _axis(
    path: Path, file: BinaryIO, offsets: np.ndarray, lengths: np.ndarray, dtype: np.dtype
) -> tuple[int, int, tuple[float, float]]:
    """Choose the axis of processed spectra.

    Returns
    -------
    first, last : int
        Its channels.
    (offset, step) : tuple of float
        sqrt(m/z) of a channel is offset + step * channel (sqrt(u)).
    """
    full = np.flatnonzero(lengths)
    ends = []
    for n in full:
        ends.append(_values(file, offsets[n], 1, dtype)[0])
        ends.append(_values(file, offsets[n] + (lengths[n] - 1) * dtype.itemsize, 1, dtype)[0])
    sampled = full[np.unique(np.linspace(0, full.size - 1, SAMPLED).astype(int))]
    spectra = [_values(file, offsets[n], lengths[n], dtype).astype(np.float64) for n in sampled]
    masses = np.concatenate([np.array(ends, dtype=np.float64), *spectra])
    _check_masses(path, masses)
    masses = masses[masses >= LIGHTEST]
    roots = np.sqrt(masses)
    scale = _even_scale(np.unique(roots), dtype)
    if scale is None or scale[1] < FINEST:
        near = np.concatenate([np.diff(np.sqrt(s[s >= LIGHTEST])) for s in spectra])
        near = near[near > 0]
        closest = np.quantile(near, 0.01) / 2 if near.size else COARSEST
        scale = 0.0, float(np.clip(closest, FINEST, COARSEST))
    first, last = (int(np.rint((r - scale[0]) / scale[1])) for r in (roots.min(), roots.max()))
    if last - first >= MOST_CHANNELS:
        raise ImageError(f"{path} has no usable mass axis: its masses, {masses.min():.6g} to "
                         f"{masses.max():.6g} u, need {last - first + 1} channels")  # fmt: skip
    return first, last, scale


def _smooth_axis(mz: np.ndarray) -> bool:
    """Tell whether the distance of masses hardly changes, as that of channels, not of peaks."""
    steps = np.diff(mz)
    if steps.size < 2:
        return False
    return bool(np.median(np.abs(steps[1:] / steps[:-1] - 1)) < SMOOTH)


def _even_scale(roots: np.ndarray, dtype: np.dtype) -> tuple[float, float] | None:
    """Find the raw axis that masses lie on, if they do.

    Parameters
    ----------
    roots : ndarray
        sqrt(m/z) (sqrt(u)), rising.
    dtype : numpy.dtype
        How the masses were stored; its precision blurs them.

    Returns
    -------
    offset, step : float or None
        sqrt(m/z) = offset + step * channel (sqrt(u)), channel 0 that of the lightest.
    """
    blur = PRECISION * np.finfo(dtype if dtype.kind == "f" else np.float64).eps * roots
    roots = roots[np.concatenate([[True], np.diff(roots) > blur[1:]])]
    gaps = np.diff(roots)
    if gaps.size < 10:
        return None
    step = np.quantile(gaps, 0.01)
    step = gaps[gaps < 1.5 * step].mean()
    # wide gaps span more channels than a first guess can count; each round reaches further
    for reach in (3, 30, 300, 3000, np.inf):
        near = gaps < reach * step
        step = gaps[near].sum() / np.rint(gaps[near] / step).sum()
    channel = np.concatenate([[0], np.cumsum(np.rint(gaps / step))])
    step, offset = np.polyfit(channel, roots, 1)
    off = np.abs(roots - offset - step * channel)
    return (float(offset), float(step)) if off.max() < EXACT * step else None
