"""A folder of TIFF images, one a peak; its mass is read from the file's name."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ionprint.errors import FormulaError, ImageError, listed
from ionprint.imaging.image import Image, library
from ionprint.ions.formula import ion_mz

SUFFIXES = (".tif", ".tiff")
DECIMAL = re.compile(r"(?<![\d.,])\d+[.,]\d+(?![.,]?\d)")
ION = re.compile(r"(.+?)\^?([+-])")
TOTAL = re.compile(r"(?:.*[_\s])?(total|tic|sum)(?:[_\s].*)?", re.IGNORECASE)
"""A name that says that this is no peak."""
MOST_BYTES = 1 << 27
"""Of a tile: images are unpacked whole, so that few tiles are better."""
NAMES = "a mass with decimals (15.9949.tif, Li2O_29.0269.tif) or an ion with its charge (CO3-.tif)"


@dataclass(frozen=True, eq=False, kw_only=True)
class TiffFolder(Image):
    """Images of one size, one a peak; several pages of an image are scans."""

    _files: tuple[str, ...] = field(repr=False)
    _dtype: np.dtype = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> TiffFolder:
        """Open a folder; see `Image.open`.

        Images called total, TIC or sum, without a mass, are left out.
        """
        every = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        files = [p for p in every if DECIMAL.search(p.stem) or not TOTAL.fullmatch(p.stem)]
        if not files:
            raise ImageError(
                f"{path} holds no TIFF image of a peak, so it has no usable mass axis; expected "
                f"one image a peak, named by {NAMES}"
            )
        mz, polarity = _masses(path, files)
        tifffile = library("tifffile", path, "TIFF images", "tiff")
        described = [_described(file, tifffile) for file in files]
        sizes = Counter(shape for shape, _ in described)
        shape = sizes.most_common(1)[0][0]
        other = [
            f"{file.name}: {size}"
            for file, (size, _) in zip(files, described, strict=True)
            if size != shape
        ]
        if other:
            raise ImageError(
                f"{path}: expected images of one size (scans, rows, columns), {shape} as most are; "
                f"got\n{listed(other)}"
            )
        dtype = np.result_type(*(_stored(dtype) for _, dtype in described))
        order = np.argsort(mz, kind="stable")
        row = dtype.itemsize * shape[2] * len(files)
        return cls(
            path=path,
            shape=shape,
            tile=(1, max(1, min(shape[1], MOST_BYTES // row)), shape[2]),
            kind="peaks",
            mz=mz[order],
            polarity=polarity,
            _files=tuple(files[n].name for n in order),
            _dtype=dtype,
        )

    def read(self, scans: slice, rows: slice, columns: slice) -> np.ndarray:
        """Read a piece; see `Image.read`."""
        tifffile = library("tifffile", self.path, "TIFF images", "tiff")
        start, size = self.bounds(scans, rows, columns)
        counts = np.empty((*size, len(self._files)), dtype=self._dtype)
        if not counts.size:
            return counts.reshape(-1, len(self._files))
        inside = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        for column, name in enumerate(self._files):
            file = self.path / name
            layers = _layers(file, tifffile, inside[0], self.shape)
            values = layers[:, *inside[1:]]
            if values.dtype.kind != "u":
                good = (values >= 0) & (values <= np.iinfo(self._dtype).max)
                good &= values == np.floor(values)
                if not good.all():
                    place = np.argwhere(~good)[0] + start
                    raise ImageError(
                        f"{file}: expected counts, whole and not negative, got "
                        f"{values[~good][0]:g} at scan {place[0]}, row {place[1]}, column "
                        f"{place[2]}; export the counts themselves, not a picture of them"
                    )
            counts[..., column] = values
        return counts.reshape(-1, len(self._files))


def peak_mz(stem: str) -> tuple[float, int | None]:
    """Read a mass from a file's name without its ending.

    Parameters
    ----------
    stem : str
        With one number that has decimals, or one ion with its charge: `Li2O_29.0269`, `CO3-`.

    Returns
    -------
    float, int or None
        m/z (u), and the charge if the name gives it.

    Raises
    ------
    ImageError
        None, or several; the message says which.
    """
    masses = sorted({float(text.replace(",", ".")) for text in DECIMAL.findall(stem)})
    if len(masses) == 1:
        return masses[0], None
    if masses:
        raise ImageError(f"several masses: {', '.join(map(str, masses))}")
    ions = {}
    for word in re.split(r"[_\s]+", stem):
        match = ION.fullmatch(word)
        if match:
            charge = 1 if match[2] == "+" else -1
            try:
                ions[word] = ion_mz(match[1], charge), charge
            except FormulaError:
                continue
    if len(ions) > 1:
        raise ImageError(f"several ions: {', '.join(ions)}")
    if not ions:
        raise ImageError("no mass")
    return ions.popitem()[1]


def _masses(path: Path, files: list[Path]) -> tuple[np.ndarray, int | None]:
    """Return the m/z (u) of all files, and the polarity if their names give it."""
    problems, found, first = [], [], {}
    for file in files:
        try:
            mz, charge = peak_mz(file.stem)
        except ImageError as exc:
            problems.append(f"{file.name}: {exc}")
            continue
        if mz in first:
            problems.append(f"{file.name}: the same mass as {first[mz]}, {mz:.6g} u")
        first.setdefault(mz, file.name)
        found.append((mz, charge))
    charges = {charge for _, charge in found if charge}
    if not problems and len(charges) > 1:
        problems.append("positive and negative ions; keep them in two folders")
    if problems:
        raise ImageError(
            f"{path}: the names of its images do not tell one mass each; expected {NAMES}:\n"
            f"{listed(problems)}"
        )
    return np.array([mz for mz, _ in found]), charges.pop() if charges else None


def _stored(dtype: np.dtype) -> np.dtype:
    """Return the type that holds the counts of an image of this type."""
    if dtype.kind == "u":
        return dtype
    return np.dtype(np.uint64 if dtype.kind == "i" and dtype.itemsize == 8 else np.uint32)


def _described(file: Path, tifffile: Any) -> tuple[tuple[int, int, int], np.dtype]:
    """Return scans, rows, columns and type of an image, without its values."""
    with _reading(file, tifffile) as tiff:
        series = tiff.series
        if len(series) != 1:
            raise ImageError(f"{file}: expected pages of one size, got {len(series)} sizes")
        shape, axes, dtype = series[0].shape, series[0].axes, series[0].dtype
    if "S" in axes or len(shape) not in (2, 3):
        raise ImageError(
            f"{file} is a picture in colours, or no image: its axes are {axes} of {shape}; "
            "expected counts, a number a pixel"
        )
    if dtype is None or dtype.kind not in "uif":
        raise ImageError(f"{file}: expected counts, got values of type {dtype}")
    return (*(1,) * (3 - len(shape)), *shape), dtype


def _layers(file: Path, tifffile: Any, scans: slice, expected: tuple[int, int, int]) -> np.ndarray:
    """Read some scans of an image whole."""
    with _reading(file, tifffile) as tiff:
        series = tiff.series[0]
        if len(series.pages) == expected[0]:  # a page a scan: the others need not be unpacked
            pages = [series.pages[n] for n in range(scans.start, scans.stop)]
            layers = np.stack([page.asarray() for page in pages])
        else:
            layers = series.asarray().reshape(-1, *series.shape[-2:])[scans]
    if layers.shape[1:] != expected[1:] or layers.shape[0] != scans.stop - scans.start:
        raise ImageError(f"{file} was changed while it was read; start again")
    return layers


@contextlib.contextmanager
def _reading(file: Path, tifffile: Any) -> Iterator[Any]:
    """Open a TIFF image; whatever the library finds wrong with it is one clear error."""
    try:
        with tifffile.TiffFile(file) as tiff:
            yield tiff
    except (ImageError, MemoryError):
        raise
    except Exception as exc:  # it raises nearly anything for a damaged file
        raise ImageError(f"{file} is damaged or no TIFF image ({exc}); export it again") from exc
