"""SurfaceLab ASCII exports, read exactly or refused with file and line."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from ionprint.errors import SpectrumError
from ionprint.spectra.spectrum import LIGHTEST, Spectrum

COLUMNS = {
    "channel": "channel",
    "m/z": "mz",
    "mz": "mz",
    "mass": "mz",
    "mass (u)": "mz",
    "intensity": "counts",
    "counts": "counts",
}
MOST_BINS = 1e7
"""Bins of one spectrum: a cycle of 100 us in bins of 25 ps has 4 million."""
LARGEST = 2.0**53
"""Counts above this are not exact whole numbers in double precision; no detector gives them."""


def read_spectrum(path: str | Path, name: str | None = None) -> Spectrum:
    """Read one exported spectrum.

    Parameters
    ----------
    path : str or Path
        Text, or gzipped text: `#` comment lines, a header row, then tab-separated rows of
        `Channel, m/z, Intensity` or `m/z, Intensity`. CRLF or LF line ends, decimal point or
        comma; rows without counts may be left out.
    name : str, optional
        How to call the file in messages; its path when left out.

    Returns
    -------
    Spectrum

    Raises
    ------
    SpectrumError
        The file is not there, empty, cut off, or any row of it is not what a spectrum holds; the
        message names the line.
    """
    name = name or str(path)
    text = _bytes(Path(path), name)
    metadata, columns, body, first_line = _header(text, name)
    values = _parse(body, columns, name, first_line)
    _check(values, body, name, first_line)
    keep = values["mz"] >= LIGHTEST
    if np.count_nonzero(keep) < 3:
        raise SpectrumError(f"{name}: fewer than three rows above m/z {LIGHTEST}: nothing to read")
    start, step, index = _grid({k: v[keep] for k, v in values.items()}, name)
    counts = np.bincount(index, weights=values["counts"][keep])
    return Spectrum(name, counts, start, step, metadata)


def _bytes(path: Path, name: str) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SpectrumError(f"{name}: the file is not there") from None
    except OSError as exc:
        raise SpectrumError(f"{name}: cannot be read ({exc.strerror})") from exc
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as exc:
            raise SpectrumError(
                f"{name}: the gzip file is cut off or damaged ({exc}). Export or copy it again."
            ) from exc
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SpectrumError(f"{name}: UTF-16 text; expected plain ASCII. Export it as ASCII again.")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise SpectrumError(f"{name}: the file is empty")
    if not data.endswith(b"\n"):
        line = data.count(b"\n") + 1
        raise SpectrumError(
            f"{name}, line {line}: the last line has no line end, so the file looks cut off. "
            f"Export it again, or add the line end if you know it is whole."
        )
    return data


def _header(text: bytes, name: str) -> tuple[dict[str, str], list[str], bytes, int]:
    """Return comments, column names, the rows below the header and the line they start at."""
    metadata: dict[str, str] = {}
    position, line = 0, 0
    while position < len(text):
        end = text.find(b"\n", position)
        row = text[position:end].strip(b"\r \t")
        position, line = end + 1, line + 1
        if row.startswith(b"#"):
            key, _, value = row[1:].decode("latin-1").partition(":")
            metadata[key.strip()] = value.strip()
        elif row:
            titles = [t.strip().strip('"').lower() for t in row.decode("latin-1").split("\t")]
            columns = [COLUMNS.get(t, "") for t in titles]
            if columns not in (["channel", "mz", "counts"], ["mz", "counts"]):
                shown = row[:80].decode("latin-1")
                raise SpectrumError(
                    f"{name}, line {line}: got {shown!r}, expected the header row 'Channel, m/z, "
                    f"Intensity' or 'm/z, Intensity' with tabs between (SurfaceLab: ASCII export)."
                )
            return metadata, columns, text[position:], line + 1
    raise SpectrumError(
        f"{name}, line {line}: comments only; the header row and counts are missing"
    )


def _parse(body: bytes, columns: list[str], name: str, first_line: int) -> dict[str, np.ndarray]:
    import pyarrow as pa
    from pyarrow import csv

    if not body.strip():
        raise SpectrumError(f"{name}, line {first_line}: no rows below the header: cut off?")
    decimal = "," if b"," in body[:4096] else "."
    types = {c: pa.int64() if c == "channel" else pa.float64() for c in columns}
    try:
        table = csv.read_csv(
            pa.py_buffer(body),
            read_options=csv.ReadOptions(
                column_names=columns, use_threads=False, block_size=max(len(body), 1 << 16)
            ),
            parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types=types, null_values=[], decimal_point=decimal, check_utf8=False
            ),
        )
    except pa.ArrowInvalid as exc:
        raise SpectrumError(_explain(body, columns, decimal, name, first_line)) from exc
    return {c: table.column(c).to_numpy() for c in columns}


def _explain(body: bytes, columns: list[str], decimal: str, name: str, first_line: int) -> str:
    """Find the first row that is not numbers and say what is wrong with it."""
    for line, row in enumerate(body.split(b"\n")[:-1], first_line):
        row = row.rstrip(b"\r")
        if not row:
            continue
        fields = row.decode("latin-1").split("\t")
        shown = repr(row[:60].decode("latin-1"))
        if len(fields) != len(columns):
            return (
                f"{name}, line {line}: got {shown} with {len(fields)} columns, expected "
                f"{len(columns)}. Is the file cut off? Export it again."
            )
        for column, text in zip(columns, fields, strict=True):
            title = {"channel": "Channel", "mz": "m/z", "counts": "Intensity"}[column]
            try:
                number = float(text.replace(",", ".") if decimal == "," else text)
                fits = column != "channel" or number == int(number)
            except (ValueError, OverflowError):
                fits = False
            if not fits or ("." in text and decimal == ","):
                kind = (
                    "a whole number" if column == "channel" else f"a number (decimal {decimal!r})"
                )
                return f"{name}, line {line}: {title} is {text[:40]!r}, expected {kind}."
    return f"{name}: some row is not numbers separated by tabs"


def _check(values: dict[str, np.ndarray], body: bytes, name: str, first_line: int) -> None:
    """Refuse what no spectrum holds, with the line of the first such row."""

    def refuse(bad: np.ndarray, what: str, advice: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            filled = [i for i, r in enumerate(body.split(b"\n"), first_line) if r.strip()]
            raise SpectrumError(f"{name}, line {filled[row]}: {what(row)}. {advice}")

    mz, counts = values["mz"], values["counts"]
    refuse(
        ~np.isfinite(mz) | (mz < 0) | (mz > 1e5),
        lambda r: f"m/z is {mz[r]:g}, expected a mass from 0 to 100,000 u",
        "Export the spectrum again.",
    )
    refuse(
        np.concatenate([[False], np.diff(mz) <= 0]),
        lambda r: f"m/z {mz[r]:g} follows {mz[r - 1]:g}, expected rising m/z",
        "Rows are out of order or doubled: export the spectrum again.",
    )
    refuse(
        ~np.isfinite(counts) | (counts < 0) | (counts > LARGEST),
        lambda r: f"Intensity is {counts[r]:g}, expected counts: finite and not negative",
        "Export counts, not a normalised or background-subtracted spectrum.",
    )
    if "channel" in values:
        channel = values["channel"]
        refuse(
            np.concatenate([[False], np.diff(channel) <= 0]),
            lambda r: f"Channel {channel[r]} follows {channel[r - 1]}, expected rising channels",
            "Rows are out of order or doubled: export the spectrum again.",
        )


def _grid(values: dict[str, np.ndarray], name: str) -> tuple[float, float, np.ndarray]:
    """Return start and step of the even grid in sqrt(m/z), and each row's bin on it.

    Exports that leave out empty rows still name each row's place: by its channel, or, without
    channels, by sqrt(m/z), which is linear in flight time.
    """
    x = np.sqrt(values["mz"])
    if "channel" in values:
        # the last bin of an export may be narrower than the others, so its gap is left out
        gaps = np.diff(values["channel"])[:-1]
        bins = math.gcd(*(int(g) for g in np.unique(gaps)))
        index = np.rint((values["channel"] - values["channel"][0]) / bins).astype(np.int64)
    else:
        gaps = np.diff(x)
        step = float(np.median(gaps[gaps < 1.5 * np.min(gaps[x[1:] > x[-1] / 4])]))
        for longest in (10, 100, 1000, np.inf):
            near = np.rint(gaps / step)
            use = (near >= 1) & (near <= longest)
            step = float(gaps[use].sum() / near[use].sum())
        index = np.rint((x - x[0]) / step).astype(np.int64)
    if np.any(np.diff(index) < 1) or index[-1] > MOST_BINS:
        raise SpectrumError(f"{name}: the rows do not lie on an even grid of flight time")
    span = index - index.mean()
    step = float((span * (x - x.mean())).sum() / (span * span).sum())
    start = float(x.mean() - step * index.mean())
    off = np.abs(start + step * index - x) / step
    if off.max() > 0.5:
        row = int(np.argmax(off))
        raise SpectrumError(
            f"{name}: m/z {values['mz'][row]:g} lies {off[row]:.1f} bins off the flight-time grid "
            f"of the other rows; expected sqrt(m/z) linear in channel. Was the file edited?"
        )
    return start - step / 2, step, index
