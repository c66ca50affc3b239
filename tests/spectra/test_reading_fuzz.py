"""Twenty thousand damaged exports: each is read as a slow plain reading reads it, or refused."""

import gzip
import math
import random
import re

import numpy as np
import pytest

from ionprint.errors import SpectrumError
from ionprint.spectra import reading
from ionprint.spectra.reading import read_spectrum

MUTANTS = 20_000
BATCHES = 8
FLOAT = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *", re.ASCII)
INTEGER = re.compile(r" *-?\d+ *", re.ASCII)
ODD = """nan -nan inf -inf Infinity -0 0 -1 +5 1e3 1E+3 1e-3 1e999 1e-999 0x1F 0XA 1_000 1,5 1.5
    1,234.5 1.234,5 1.234.567 1'000 "3" '3' 3. .5 , . - + 1e e5 1e+ 1d3 NA null None #
    99999999999999999999 9007199254740993 1e15 12345678 0007 ١٢ ½""".split()
ODD += ["", " ", " 12", "12 ", " 1 2", "\v12", "12\f", "\xa012", "12\0", "9" * 400]
# a file as a whole can be refused without a line
WHOLE_FILE = re.compile(r"gzip|UTF-16|is empty|fewer than three|even grid|comments only")
# found in an earlier block than a row that is not numbers
EARLIER = re.compile(
    r"expected (rising|counts|a mass)|Channel is|off the flight|same bin|no line end in"
)


class Refused(Exception):
    """The plain reading finds line `line` (or, with 0, the file) unreadable."""

    def __init__(self, line=0, values=False):
        self.line, self.values = line, values


def plainly(data):
    """Read an export one character at a time, so to speak; return rows of channel, m/z, counts."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except Exception:
            raise Refused from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise Refused
    lines = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n")
    if lines.pop() or any("\r" in line.removesuffix("\r") for line in lines):
        raise Refused
    rows, titles, comma = [], None, None
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\r")
        if titles is None:
            if line.strip() and not line.lstrip(" \t").startswith("#"):
                titles = [t.strip().strip('"').lower() for t in line.strip(" \t").split("\t")]
                known = {"m/z", "mz", "mass", "mass (u)"}, {"intensity", "counts"}
                want = [{"channel"}, *known] if len(titles) == 3 else [*known]
                if len(titles) != len(want) or any(
                    t not in w for t, w in zip(titles, want, strict=True)
                ):
                    raise Refused
        elif line:
            fields = line.split("\t")
            mz = fields[len(titles) - 2] if len(fields) > len(titles) - 2 else ""
            if comma is None and re.search("[.,]", mz):
                comma = "," in mz
            rows.append((number, fields))
    if titles is None:
        raise Refused
    return [numbers(number, fields, len(titles), bool(comma)) for number, fields in rows]


def numbers(line, fields, columns, comma):
    if len(fields) != columns:
        raise Refused(line)
    if len(fields) == 3 and not INTEGER.fullmatch(fields[0]):
        raise Refused(line)
    if comma and any("." in f for f in fields[-2:]):
        raise Refused(line)
    texts = [f.replace(",", ".") if comma else f for f in fields[-2:]]
    if not all(FLOAT.fullmatch(t) for t in texts):
        raise Refused(line)
    return line, int(fields[0]) if len(fields) == 3 else line, *map(float, texts)


def sensible(rows):
    """Refuse what cannot be a spectrum."""
    for i, (line, channel, mz, counts) in enumerate(rows):
        before = rows[i - 1] if i else (0, -1, -1.0, 0)
        if not (channel > before[1] and mz > before[2] and 0 <= mz <= 1e5):
            raise Refused(line, values=True)
        if not 0 <= counts <= 2.0**53 or channel > 2**53:
            raise Refused(line, values=True)


def in_place(spectrum, rows):
    """Tell whether every count stands in the bin of its m/z, and nothing else stands anywhere."""
    rows = [(mz, counts) for _, _, mz, counts in rows if mz >= 0.5]
    left = spectrum.counts.copy()
    for mz, counts in rows:
        position = (math.sqrt(mz) - spectrum.start) / spectrum.step
        bins = {math.floor(position - 1e-4), math.floor(position + 1e-4)}
        found = [b for b in bins if 0 <= b < left.size and left[b] == counts]
        if not found:
            return False
        left[found[0]] = 0
    return not left.any()


def base_file(rng, export):
    counts = [rng.choice((0, 1, 3, 12, 250)) for _ in range(rng.randint(8, 22))]
    data = export(
        counts,
        channel=rng.random() < 0.5,
        end=rng.choice(("\r\n", "\n")),
        comma=rng.random() < 0.4,
        sparse=rng.random() < 0.3,
        start=rng.choice((280, 400)),
    )
    if rng.random() < 0.3:
        data = b"".join(r for r in data.splitlines(True) if not r.startswith(b"#"))
    return data


def mutated(data, rng):
    """Damage a file once."""
    at, size = rng.randrange(len(data) + 1), len(data)
    lines = data.split(b"\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    fields = lines[i].rstrip(b"\r").split(b"\t")
    f, g = rng.randrange(len(fields)), rng.randrange(len(fields))
    end = b"\r" if lines[i].endswith(b"\r") else b""

    def row(new):
        return b"\n".join([*lines[:i], b"\t".join(new) + end, *lines[i + 1 :]])

    def columns(change):
        return b"\n".join(b"\t".join(change(r.split(b"\t"))) for r in lines)

    match rng.randrange(27):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[at + rng.randint(1, 40) :]
        case 2:
            return data[:at] + rng.randbytes(rng.randint(1, 8)) + data[at:]
        case 3 if at < size:
            return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        case 4:
            lines[i], lines[j] = lines[j], lines[i]
        case 5:
            lines.insert(i, lines[j])
        case 6:
            del lines[i]
        case 7:
            lines.insert(i, rng.choice((b"", b"\r", b" ", b"\t\t", b"\r\r", b"# late: comment")))
        case 8:
            lines[i] = rng.randbytes(rng.randint(1, 30))
        case 9 | 10 | 11 | 12:
            return row([*fields[:f], rng.choice(ODD).encode(), *fields[f + 1 :]])
        case 13:
            fields[f], fields[g] = fields[g], fields[f]
            return row(fields)
        case 14:
            return row(fields[:f] + fields[f + 1 :])
        case 15:
            return row([*fields[:f], fields[f], *fields[f:]])
        case 16:
            return columns(lambda c: c[:f] + c[f + 1 :])
        case 17:
            return columns(lambda c: [*c[:f], *c[f : f + 1], *c[f:]])
        case 18:
            return columns(lambda c: c[::-1])
        case 19:
            sign = (b".", b",") if b"," in lines[i] else (b",", b".")
            lines[i] = lines[i].replace(sign[1], sign[0])
        case 20:
            return data.replace(*rng.choice(((b".", b","), (b",", b"."), (b"\t", b";"))))
        case 21:
            text = data.decode("latin-1")
            return text.encode(
                rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"))
            )
        case 22:
            return "# Ort: Münster, 3 µA\r\n".encode(rng.choice(("latin-1", "utf-8"))) + data
        case 23:
            return data.replace(*rng.choice(((b"\r\n", b"\r"), (b"\n", b"\r\n"), (b"\n", b"\n\n"))))
        case 24:
            return row([b'"' + c + b'"' for c in fields])
        case 25:
            number = b"%d" % rng.choice((0, 1, 7, 10**3, 10**9, 2**53, 2**63, 10**40))
            return row([*fields[:f], rng.choice((b"", b"-")) + number, *fields[f + 1 :]])
        case 26 if fields[f]:
            at = rng.randrange(len(fields[f]))
            digit = b"%d" % rng.randrange(10)
            return row(
                [*fields[:f], fields[f][:at] + digit + fields[f][at + 1 :], *fields[f + 1 :]]
            )
    return b"\n".join(lines)


def judge(path, data):
    """Read one file both ways; return how it went."""
    path.write_bytes(data)
    problem, rows = None, []
    try:
        rows = plainly(data)
        sensible(rows)
    except Refused as exc:
        problem = exc
    try:
        spectrum = read_spectrum(path, "export.txt")
    except SpectrumError as exc:
        told = str(exc)
        assert told.startswith("export.txt")
        line = re.match(r"export\.txt, line (\d+):", told)
        assert line or WHOLE_FILE.search(told), told
        if problem is None:
            # good numbers, so only their place can be wrong
            assert re.search("grid|same bin|fewer than three|no rows", told), told
        elif problem.line and line and problem.values:
            assert int(line[1]) == problem.line, (told, problem.line)
        elif problem.line and line and int(line[1]) != problem.line:
            # values of one block are checked before the next block is read
            assert int(line[1]) < problem.line, (told, problem.line)
            assert EARLIER.search(told), told
        return "refused"
    assert problem is None, problem.line
    assert in_place(spectrum, rows)
    return "read"


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_mutant_is_read_exactly_or_refused(tmp_path, export, monkeypatch, batch):
    rng = random.Random(batch)
    monkeypatch.setattr(reading, "MOST_BINS", 1e5)
    outcomes = {"read": 0, "refused": 0}
    for number in range(MUTANTS // BATCHES):
        # small blocks, so that some borders fall into the damage
        monkeypatch.setattr(reading, "BLOCK", rng.choice((180, 256, 1 << 21)))
        monkeypatch.setattr(reading, "ROWS", rng.choice((5, 1 << 17)))
        data = base_file(rng, export)
        for _ in range(rng.choice((1, 1, 1, 2))):
            data = mutated(data, rng) or b"\n"
        if rng.random() < 0.2:
            data = gzip.compress(data, 1)
            data = mutated(data, rng) if rng.random() < 0.5 else data
        try:
            outcomes[judge(tmp_path / "export.txt", data)] += 1
        except BaseException as exc:
            exc.add_note(f"mutant {number} of batch {batch}: {data!r}")
            raise
    assert min(outcomes.values()) > MUTANTS / BATCHES / 10, outcomes


def test_the_plain_reading_agrees_on_good_files(tmp_path, export):
    rng = random.Random(99)
    for _ in range(200):
        assert judge(tmp_path / "export.txt", base_file(rng, export)) == "read"


def test_counts_out_of_place_are_seen(tmp_path, export):
    data = export([3, 1, 4, 1, 5, 9])
    (tmp_path / "export.txt").write_bytes(data)
    spectrum, rows = read_spectrum(tmp_path / "export.txt"), plainly(data)
    assert in_place(spectrum, rows)
    for wrong in (np.roll(spectrum.counts, 1), spectrum.counts + 1):
        moved = type(spectrum)("moved", wrong, spectrum.start, spectrum.step)
        assert not in_place(moved, rows)
