"""SurfaceLab ASCII exports, read exactly or refused with file and line.

A file is read in blocks of whole lines, so that one of any size needs little more memory than its
numbers; parsing, unpacking and the arithmetic let other threads run.
"""

import gzip
import io
import math
import re
import zlib
from collections.abc import Callable, Iterator
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
TITLES = {"channel": "Channel", "mz": "m/z", "counts": "Intensity"}
MOST_BINS = 1e7
"""Bins of one spectrum: a cycle of 100 us in bins of 25 ps has 4 million."""
LARGEST = 2.0**53
"""Counts above this are not exact whole numbers in double precision; no detector gives them."""
MOST_BYTES = 1 << 30
"""Of text, unpacked: a hundred for each row of the longest spectrum."""
BLOCK = 1 << 21
"""Bytes read at a time. Comments and header row must fit in the first; no line may be longer."""
ROWS = 1 << 16
"""Rows (or bytes) worked on at a time: larger temporary arrays cost memory, and time to get."""
TELLING = 1 << 18
"""Rows, the heaviest, that tell the width of a bin where there are no channels."""
LONE_CR = re.compile(rb"\r(?!\n)")
LINE = re.compile(rb"(.*)\n")
WHOLE = re.compile(rb" *-?0*\d{1,18} *")
NUMBER = {
    mark: re.compile(rb" *[+-]?(\d+%b?\d*|%b\d+)([eE][+-]?\d+)? *" % (sign, sign))
    for mark, sign in ((".", rb"\."), (",", rb","))
}


def read_spectrum(source: str | Path | bytes, name: str | None = None) -> Spectrum:
    """Read one exported spectrum.

    Parameters
    ----------
    source : str, Path or bytes
        Where the file is, or its content. Text, or gzipped text: `#` comment lines, a header row,
        then tab-separated rows of `Channel, m/z, Intensity` or `m/z, Intensity`. CRLF or LF line
        ends, decimal point or comma; rows without counts may be left out.
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
    if not isinstance(source, bytes):
        source, name = Path(source), name or str(source)
    name = name or "spectrum"
    metadata, values, lighter = _read(source, name)

    def line_of(row: int) -> int:
        return _line_of(source, name, row + lighter)

    start, step, index = _grid(values.pop("x"), values.pop("channel", None), name, line_of)
    counts, bins = values.pop("counts"), int(index[-1]) + 1
    sparse = bins > counts.size
    if sparse:
        rows, counts = counts, np.zeros(bins)
        counts[index] = rows
    return Spectrum(name, counts, start, step, metadata, sparse=sparse)


def spectrum_of(
    mz: np.ndarray, counts: np.ndarray, channel: np.ndarray | None = None, name: str = "spectrum"
) -> Spectrum:
    """Make a spectrum of arrays, as if their rows had been exported.

    Parameters
    ----------
    mz : ndarray, shape (n,)
        u, rising.
    counts : ndarray, shape (n,)
    channel : ndarray of int, shape (n,), optional
        Time channels, rising.
    name : str
        How to call it in messages; their lines are rows here, the first is 1.

    Raises
    ------
    SpectrumError
        A row is not what a spectrum holds.
    """
    values = {"mz": np.array(mz, dtype=float), "counts": np.array(counts, dtype=float)}
    if channel is not None:
        values["channel"] = np.array(channel, dtype=np.int64)
    if len({v.shape for v in values.values()}) > 1 or values["mz"].ndim != 1:
        raise SpectrumError(
            f"{name}: {', '.join(f'{k} of shape {v.shape}' for k, v in values.items())}; expected "
            f"rows of the same number"
        )
    if values["mz"].size < 3 or values["mz"].size > MOST_BINS:
        raise SpectrumError(f"{name}: {values['mz'].size} rows, expected 3 to {MOST_BINS:,.0f}")
    _check(values, {"mz": -1.0, "channel": -1}, lambda row: row + 1, name)
    light = int(np.searchsorted(values["mz"], LIGHTEST))
    x, channel, counts = (
        None if v is None else v[light:]
        for v in (np.sqrt(values["mz"]), values.get("channel"), values["counts"])
    )
    if x.size < 3:
        raise SpectrumError(f"{name}: fewer than three rows above m/z {LIGHTEST}: nothing to read")
    start, step, index = _grid(x, channel, name, lambda row: row + light + 1)
    spread = np.zeros(int(index[-1]) + 1)
    spread[index] = counts
    return Spectrum(name, spread, start, step, sparse=spread.size > counts.size)


def _read(source: Path | bytes, name: str) -> tuple[dict[str, str], dict[str, np.ndarray], int]:
    """Return comments, the checked columns, and how many rows below the lightest ion are left out.

    Of m/z its square root is kept, as x.
    """
    metadata: dict[str, str] = {}
    whole: dict[str, np.ndarray] = {}
    columns: list[str] = []
    rows = lighter = 0
    last = {"mz": -1.0, "channel": -1}
    for block, line in _blocks(source, name):
        begin, first_line = 0, line
        if not columns:
            metadata, columns, begin, first_line = _header(block, name)
            decimal, body_line = _decimal(block, begin, columns), first_line
        values = _parse(block, begin, columns, decimal, name, first_line)
        if values is None:
            continue
        _check(values, last, lambda r, b=block, p=begin, n=first_line: _filled(b, p, n, r), name)
        last = {c: values[c][-1] for c in last if c in values}
        light = int(np.searchsorted(values["mz"], LIGHTEST)) if values["mz"][0] < LIGHTEST else 0
        values = {"x" if c == "mz" else c: v[light:] for c, v in values.items()}
        values["x"] = np.sqrt(values["x"])
        lighter, before, rows = lighter + light, rows, rows + values["x"].size
        if rows > MOST_BINS:
            raise SpectrumError(
                f"{name}: more than {MOST_BINS:,.0f} rows, more than a spectrum has bins. "
                f"Export it with wider bins."
            )
        if not before:
            whole = values
            continue
        for column, part in values.items():
            if whole[column].size < rows:
                # memory is taken page by page as rows come, so the room for all costs nothing
                first, whole[column] = whole[column], np.empty(int(MOST_BINS), part.dtype)
                whole[column][:before] = first
            whole[column][before:rows] = part
    if not columns:
        raise SpectrumError(f"{name}: the file is empty")
    if last["mz"] < 0:
        raise SpectrumError(f"{name}, line {body_line}: no rows below the header: cut off?")
    if rows < 3:
        raise SpectrumError(f"{name}: fewer than three rows above m/z {LIGHTEST}: nothing to read")
    return metadata, {c: v[:rows] for c, v in whole.items()}, lighter


def _blocks(source: Path | bytes, name: str) -> Iterator[tuple[bytes, int]]:
    """Yield blocks of whole lines, each with the number of its first line."""
    rest, line, size = b"", 1, 0
    try:
        opened = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb", 0)
        with io.BufferedReader(opened) as raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            file = gzip.GzipFile(fileobj=raw) if packed else raw
            while chunk := file.read(BLOCK):
                size += len(chunk)
                if size > MOST_BYTES:
                    raise SpectrumError(
                        f"{name}: more than {MOST_BYTES:,} bytes of text, more than a spectrum "
                        f"has. Is this an ASCII export?"
                    )
                data = rest + (_text(chunk, name) if line == 1 and not rest else chunk)
                cut = data.rfind(b"\n") + 1
                if not cut and len(data) > BLOCK:
                    raise SpectrumError(
                        f"{name}, line {line}: no line end in {len(data):,} bytes, expected rows "
                        f"of two or three numbers. Is this an ASCII export?"
                    )
                block, rest = data[:cut], data[cut:]
                if block:
                    lines = _line_ends(block, line, name)
                    yield block, line
                    line += lines
    except FileNotFoundError:
        raise SpectrumError(f"{name}: the file is not there") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
        raise SpectrumError(
            f"{name}: the gzip file is cut off or damaged ({exc}). Export or copy it again."
        ) from exc
    except OSError as exc:
        raise SpectrumError(f"{name}: cannot be read ({exc.strerror})") from exc
    if rest:
        raise SpectrumError(
            f"{name}, line {line}: the last line has no line end, so the file looks cut off. "
            f"Export it again, or add the line end if you know it is whole."
        )


def _text(start: bytes, name: str) -> bytes:
    """Return the beginning of the text without its mark, if it is of an encoding that is read."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start[:4]:
        raise SpectrumError(f"{name}: UTF-16 text; expected plain ASCII. Export it as ASCII again.")
    return start.removeprefix(b"\xef\xbb\xbf")


def _line_ends(block: bytes, line: int, name: str) -> int:
    """Return the number of lines; refuse a CR that is not part of a line end.

    Some readers take it for a line end and some do not: what the rows are would be a guess.
    """
    codes = np.frombuffer(block, np.uint8)
    lines = 0
    for part in _slices(codes.size, overlap=1):
        lf = codes[part] == 10
        if ((codes[part] == 13)[:-1] > lf[1:]).any():
            line += block.count(b"\n", 0, LONE_CR.search(block).start())
            raise SpectrumError(
                f"{name}, line {line}: a carriage return (CR) inside the line; expected CRLF or LF "
                f"at line ends only. Export it again."
            )
        lines += int(np.count_nonzero(lf[1:]))
    return lines + int(codes[0] == 10)


def _header(block: bytes, name: str) -> tuple[dict[str, str], list[str], int, int]:
    """Return comments, column names, where the rows below the header begin, and on which line."""
    metadata: dict[str, str] = {}
    line = 0
    for line, found in enumerate(LINE.finditer(block), 1):
        row = found[1].strip(b"\r \t")
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
            return metadata, columns, found.end(), line + 1
    if not metadata:
        raise SpectrumError(f"{name}: the file is empty")
    raise SpectrumError(
        f"{name}, line {line}: comments only; the header row and counts are missing"
    )


def _decimal(block: bytes, begin: int, columns: list[str]) -> str:
    """Return the decimal sign, settled by the first m/z that has one.

    A comma in Intensity alone could separate thousands, so it does not count.
    """
    place = columns.index("mz")
    for row in LINE.finditer(block, begin):
        mz = row[1].split(b"\t")[place : place + 1]
        if mz and (b"," in mz[0] or b"." in mz[0]):
            return "," if b"," in mz[0] else "."
    return "."


def _parse(
    block: bytes, begin: int, columns: list[str], decimal: str, name: str, first_line: int
) -> dict[str, np.ndarray] | None:
    """Return the columns of a block, or None if it holds blank lines only."""
    import pyarrow as pa
    from pyarrow import csv

    if not block[begin : begin + 2].strip() and not block[begin:].strip():
        return None
    types = {c: pa.int64() if c == "channel" else pa.float64() for c in columns}
    try:
        if block.find(b"x", begin) >= 0 or block.find(b"X", begin) >= 0:
            raise pa.ArrowInvalid("pyarrow takes 0x10 for the whole number 16")
        # open_csv, because read_csv costs a short file twice the time
        table = csv.open_csv(
            pa.py_buffer(memoryview(block)[begin:]),
            read_options=csv.ReadOptions(
                column_names=columns, use_threads=False, block_size=max(len(block), 1 << 16)
            ),
            parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types=types, null_values=[], decimal_point=decimal, check_utf8=False
            ),
        ).read_all()
    except pa.ArrowInvalid as exc:
        told = _explain(block, begin, columns, decimal, first_line)
        raise SpectrumError(f"{name}, {told}") from exc
    return {c: table.column(c).to_numpy() for c in columns}


def _explain(block: bytes, begin: int, columns: list[str], decimal: str, first_line: int) -> str:
    """Find the first row that is not numbers and say what is wrong with it."""
    line = first_line
    for line, found in enumerate(LINE.finditer(block, begin), first_line):
        row = found[1].removesuffix(b"\r")
        if not row:
            continue
        fields = row.split(b"\t")
        if len(fields) != len(columns):
            return (
                f"line {line}: got {_shown(row)} with {len(fields)} columns, expected "
                f"{len(columns)}. Is the file cut off? Export it again."
            )
        for column, field in zip(columns, fields, strict=True):
            if column == "channel" and not WHOLE.fullmatch(field):
                return f"line {line}: Channel is {_shown(field)}, expected a whole number."
            if column != "channel" and not NUMBER[decimal].fullmatch(field):
                return (
                    f"line {line}: {TITLES[column]} is {_shown(field)}, expected a number "
                    f"(decimal {decimal!r})."
                )
    return f"line {first_line} to {line}: some row is not numbers separated by tabs"


def _shown(text: bytes) -> str:
    return repr(text[:60].decode("latin-1"))


def _filled(block: bytes, begin: int, first_line: int, row: int) -> int:
    """Return the line of a row of a block; blank lines are no rows."""
    lines = enumerate(LINE.finditer(block, begin), first_line)
    return [n for n, found in lines if found[1].rstrip(b"\r")][row]


def _line_of(source: Path | bytes, name: str, row: int) -> int:
    """Return the line of a row of the file, reading it once more."""
    header = False
    for block, line in _blocks(source, name):
        begin, first_line = (0, line) if header else _header(block, name)[2:]
        header = True
        for n, found in enumerate(LINE.finditer(block, begin), first_line):
            if found[1].rstrip(b"\r"):
                if not row:
                    return n
                row -= 1
    raise SpectrumError(f"{name}: the file changed while it was read")


def _check(
    values: dict[str, np.ndarray], last: dict[str, float], line_of: Callable[[int], int], name: str
) -> None:
    """Refuse what no spectrum holds, with the line of the first such row.

    `last` holds m/z and channel of the row before.
    """
    mz, counts, channel = values["mz"], values["counts"], values.get("channel")
    # comparisons with NaN are false, so these are true for good values only
    good = mz[0] > last["mz"] and mz[0] >= 0 and mz[-1] <= 1e5 and (mz[1:] > mz[:-1]).all()
    good = good and counts.min() >= 0 and counts.max() <= LARGEST
    if good and channel is not None:
        good = channel[0] > last["channel"] and (channel[1:] > channel[:-1]).all()
        good = good and channel[-1] <= int(LARGEST)
    if good:
        return

    before = np.concatenate([[last["mz"]], mz[:-1]])
    problems = [
        (
            ~(np.isfinite(mz) & (mz >= 0) & (mz <= 1e5)),
            lambda r: f"m/z is {mz[r]:g}, expected a mass from 0 to 100,000 u",
            "Export the spectrum again.",
        ),
        (
            mz <= before,
            lambda r: f"m/z {mz[r]:g} follows {before[r]:g}, expected rising m/z",
            "Rows are out of order or doubled: export the spectrum again.",
        ),
        (
            ~(np.isfinite(counts) & (counts >= 0) & (counts <= LARGEST)),
            lambda r: f"Intensity is {counts[r]:g}, expected counts: finite and not negative",
            "Export counts, not a normalised or background-subtracted spectrum.",
        ),
    ]
    if channel is not None:
        previous = np.concatenate([[last["channel"]], channel[:-1]])
        problems += [
            (
                (channel < 0) | (channel > int(LARGEST)),
                lambda r: f"Channel is {channel[r]}, expected a whole number from 0 to 2^53",
                "Export the spectrum again.",
            ),
            (
                channel <= previous,
                lambda r: f"Channel {channel[r]} follows {previous[r]}, expected rising channels",
                "Rows are out of order or doubled: export the spectrum again.",
            ),
        ]
    found = [(int(np.argmax(bad)), what, advice) for bad, what, advice in problems if bad.any()]
    row, what, advice = min(found, key=lambda problem: problem[0])
    raise SpectrumError(f"{name}, line {line_of(row)}: {what(row)}. {advice}")


def _slices(size: int, overlap: int = 0) -> Iterator[slice]:
    """Yield slices that cover `size` rows, each beginning `overlap` rows before the last ended."""
    for first in range(0, max(size - overlap, 1), ROWS):
        yield slice(first, min(first + ROWS + overlap, size))


def _grid(
    x: np.ndarray, channel: np.ndarray | None, name: str, line_of: Callable[[int], int]
) -> tuple[float, float, np.ndarray]:
    """Return start and step of the even grid in sqrt(m/z), and each row's bin on it.

    Exports that leave out empty rows still name each row's place: by its channel, or, without
    channels, by sqrt(m/z), which is linear in flight time.
    """
    index = _bins(x, name) if channel is None else _channel_bins(channel)
    if index is None or index[-1] >= MOST_BINS:
        raise SpectrumError(
            f"{name}: the rows do not lie on an even grid of flight time with fewer than "
            f"{MOST_BINS:,.0f} bins. Export it again, with all rows or wider bins."
        )
    for part in _slices(index.size, overlap=1):
        same = index[part][1:] <= index[part][:-1]
        if same.any():
            row = part.start + int(np.argmax(same)) + 1
            raise SpectrumError(
                f"{name}, line {line_of(row)}: m/z {x[row] ** 2:g} lies in the same bin of flight "
                f"time as the row before. Was the file edited? Export it again."
            )
    start, step = _line(index, x)
    for part in _slices(index.size):
        off = start + step * index[part]
        off -= x[part]
        np.abs(off, out=off)
        if off.max() > 0.5 * step:
            row = int(np.argmax(off))
            raise SpectrumError(
                f"{name}, line {line_of(part.start + row)}: m/z {x[part.start + row] ** 2:g} lies "
                f"{off[row] / step:.1f} bins off the flight-time grid of the other rows; expected "
                f"sqrt(m/z) linear in channel. Was the file edited?"
            )
    return start - step / 2, step, index


def _channel_bins(channel: np.ndarray) -> np.ndarray:
    """Return each row's bin: its channel in units of the channels of a bin."""
    width = 0
    # the last bin of an export may be narrower than the others, so its gap is left out
    for part in _slices(channel.size - 1, overlap=1):
        width = math.gcd(width, int(np.gcd.reduce(np.diff(channel[part]))))
    index = np.subtract(channel, channel[0], out=channel if channel.flags.writeable else None)
    last = round(int(index[-1]) / width)
    index //= width
    index[-1] = last
    return index


def _bins(x: np.ndarray, name: str) -> np.ndarray | None:
    """Return each row's bin by the usual gap of sqrt(m/z), or None where there is none."""
    gaps = np.diff(x[-TELLING:])
    heavy = x[-gaps.size :] > x[-1] / 4
    near = gaps[gaps < 1.5 * gaps[heavy].min()]
    if not near.size:
        return None
    step = float(np.median(near))
    for longest in (10, 100, 1000, np.inf):
        length = bins = most = 0.0
        for part in _slices(x.size, overlap=1):
            gaps = np.diff(x[part])
            whole = np.rint(gaps / step)
            most = max(most, float(whole.max()))
            whole *= (whole >= 1) & (whole <= longest)
            bins += float(whole.sum())
            length += float(gaps @ (whole > 0))
        if not bins:
            return None
        step = length / bins
        if most <= longest:
            break
    if not (x[-1] - x[0]) / step < MOST_BINS:
        return None
    index = np.empty(x.size, np.int32)
    for part in _slices(x.size):
        index[part] = np.rint((x[part] - x[0]) / step)
    return index


def _line(index: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """Fit x = start + step * index by least squares."""
    # sums about the middle lose no digits
    middle, at = float(index[-1]) / 2, float(x[0] + x[-1]) / 2
    i_sum = x_sum = ii = ix = 0.0
    for part in _slices(index.size):
        i, away = index[part] - middle, x[part] - at
        i_sum, x_sum = i_sum + float(i.sum()), x_sum + float(away.sum())
        ii, ix = ii + float(i @ i), ix + float(i @ away)
    size = index.size
    step = (ix - i_sum * x_sum / size) / (ii - i_sum * i_sum / size)
    return at + x_sum / size - step * (middle + i_sum / size), step
