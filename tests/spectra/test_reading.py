"""Exports are read exactly, or refused with file and line."""

import gzip
import itertools
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.errors import SpectrumError
from ionprint.spectra import reading
from ionprint.spectra.reading import read_spectrum

COUNTS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4]
HEADER_LINES = 4


def read_bytes(folder, data):
    path = folder / "export.txt"
    path.write_bytes(data)
    return read_spectrum(path, "export.txt")


def refused(folder, data):
    with pytest.raises(SpectrumError) as caught:
        read_bytes(folder, data)
    assert str(caught.value).startswith("export.txt")
    return str(caught.value)


@pytest.mark.parametrize("channel", [True, False])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize(
    "dialect", [{}, {"comma": True}, {"gz": True}, {"bom": True}, {"comma": True, "bom": True}]
)
def test_every_dialect_reads_the_same(tmp_path, export, channel, end, dialect):
    spectrum = read_bytes(tmp_path, export(COUNTS, channel=channel, end=end, **dialect))
    assert spectrum.counts.tolist() == COUNTS
    exact = np.sqrt([((400 + 2 * i) / 400) ** 2 for i in range(len(COUNTS))])
    assert spectrum.centres() == pytest.approx(exact, abs=1e-6)


def test_all_comments_are_kept(tmp_path, export):
    spectrum = read_bytes(tmp_path, export(COUNTS))
    assert spectrum.metadata["Binning"] == "2 channels"
    assert spectrum.metadata["Anything else"] == "kept: whole"


@settings(max_examples=60, deadline=None)
@given(
    first=st.lists(st.integers(1, 10**6), min_size=12, max_size=20),
    rest=st.lists(st.integers(0, 10**6) | st.just(0), max_size=150),
    dialect=st.fixed_dictionaries(
        {name: st.booleans() for name in ("channel", "comma", "gz", "bom", "sparse")}
    ),
)
def test_what_is_written_reads_back_exactly(tmp_path_factory, export, first, rest, dialect):
    counts = np.array(first + rest, dtype=float)
    folder = tmp_path_factory.mktemp("read")
    spectrum = read_bytes(folder, export(counts.astype(int), **dialect))
    assert (
        spectrum.counts.tolist()
        == np.pad(
            counts[: spectrum.counts.size], (0, max(spectrum.counts.size - counts.size, 0))
        ).tolist()
    )
    assert spectrum.counts.sum() == counts.sum()


def test_a_narrow_last_bin_is_no_new_grid(tmp_path, export):
    # the exports of measured spectra end with a bin of fewer channels
    row = f"{439}\t{(439 / 400) ** 2:.6f}\t7\r\n".encode()
    spectrum = read_bytes(tmp_path, export(COUNTS) + row)
    assert spectrum.counts.tolist() == [*COUNTS, 7]


def test_rows_below_the_lightest_ion_are_left_out(tmp_path, export):
    full = export([9, 9, *COUNTS], start=280)  # from m/z 0.49
    spectrum = read_bytes(tmp_path, full)
    assert spectrum.start**2 == pytest.approx(0.5, abs=0.01)
    assert spectrum.counts.size < len(COUNTS) + 2


def row_changed(data, number, change):
    """Return `data` with row `number` below the header changed; that is line 5 + number."""
    lines = data.split(b"\r\n")
    lines[HEADER_LINES + number] = change(lines[HEADER_LINES + number])
    return b"\r\n".join(lines)


def field_set(place, text):
    def change(row):
        fields = row.split(b"\t")
        fields[place] = text
        return b"\t".join(fields)

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (field_set(2, b"-1"), "not negative"),
        (field_set(2, b"many"), "Intensity is 'many'"),
        (field_set(2, b""), "Intensity is ''"),
        (field_set(2, b"nan"), "not negative"),
        (field_set(2, b"inf"), "not negative"),
        (field_set(2, b"1e300"), "not negative"),
        (field_set(1, b"nan"), "m/z is nan"),
        (field_set(1, b"0.9"), "expected rising m/z"),
        (field_set(1, b"-2"), "m/z is -2"),
        (field_set(1, b"1.0.0"), "m/z is '1.0.0'"),
        (field_set(0, b"400"), "expected rising channels"),
        (field_set(0, b"4.5"), "a whole number"),
        (lambda row: row.replace(b"\t", b" "), "1 columns, expected 3"),
        (lambda row: row.rpartition(b"\t")[0], "2 columns, expected 3"),
        (lambda row: row + b"\t1", "4 columns, expected 3"),
    ],
)
@pytest.mark.parametrize("number", [3, 19])
def test_a_bad_row_is_refused_with_its_line(tmp_path, export, change, told, number):
    message = refused(tmp_path, row_changed(export(COUNTS), number, change))
    assert f"line {number + HEADER_LINES + 1}:" in message
    assert told in message


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b"\r\n\r\n", "empty"),
        (b"# only\r\n# comments\r\n", "line 2: comments only"),
        (b"Channel\tm/z\tIntensity\r\n", "line 2: no rows"),
        (b"Channel\tm/z\r\n1\t1.0\r\n", "line 1: got 'Channel\\tm/z'"),
        (b"# c\r\nm/z Intensity\r\n1.0 3\r\n", "line 2: got 'm/z Intensity'"),
        ("m/z\tIntensity\r\n1.0\t3\r\n".encode("utf-16"), "UTF-16"),
        (b"m/z\tIntensity\r\n1.0\t3\r\n1.1\t3\r\n", "fewer than three rows"),
    ],
)
def test_what_is_no_spectrum_is_refused(tmp_path, data, told):
    assert told in refused(tmp_path, data)


def test_a_text_cut_inside_its_last_row_is_refused(tmp_path, export):
    data = export([*COUNTS[:-1], 1234])
    assert "line 24: the last line has no line end" in refused(tmp_path, data[:-4])


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.99])
def test_a_cut_gzip_is_refused(tmp_path, export, kept):
    data = export(COUNTS, gz=True)
    assert "gzip" in refused(tmp_path, data[: int(kept * len(data))])


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(SpectrumError, match=r"no\.txt: the file is not there"):
        read_spectrum(tmp_path / "no.txt", "no.txt")
    with pytest.raises(SpectrumError, match="cannot be read"):
        read_spectrum(tmp_path)


def mutated(data, rng):
    """Change some bytes or lines at random."""
    kind = rng.integers(9)
    at = int(rng.integers(len(data)))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes([rng.integers(256)]) + data[at + 1 :]
    if kind == 2:
        return data[:at] + rng.bytes(int(rng.integers(1, 9))) + data[at:]
    if kind == 3:
        return data[:at] + data[at + int(rng.integers(1, 40)) :]
    lines = data.split(b"\r\n")
    i, j = (int(n) for n in rng.integers(len(lines), size=2))
    if kind == 4:
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == 5:
        lines.insert(i, lines[j])
    elif kind == 6:
        del lines[i]
    elif kind == 7:
        lines[i] = rng.bytes(30)
    else:
        odd = [b"nan", b"-inf", b"-0", b"1e999", b"0x1F", b"", b"1_000", b"1,5", b'"3"', b"9" * 40]
        fields = lines[i].split(b"\t")
        fields[int(rng.integers(len(fields)))] = odd[int(rng.integers(len(odd)))]
        lines[i] = b"\t".join(fields)
    return b"\r\n".join(lines)


@pytest.mark.parametrize("dialect", [{}, {"channel": False}, {"comma": True}, {"sparse": True}])
def test_a_damaged_file_reads_or_is_refused(tmp_path, export, dialect):
    counts = np.random.default_rng(1).poisson(0.8, 300)
    good = export(counts, **dialect)
    outcomes = {"read": 0, "refused": 0}
    for seed, packed in itertools.product(range(150), (False, True)):
        rng = np.random.default_rng(seed)
        data = mutated(good, rng)
        if packed:
            data = gzip.compress(data)
            data = mutated(data, rng) if seed % 2 else data
        try:
            spectrum = read_bytes(tmp_path, data)
        except SpectrumError as exc:
            assert str(exc).startswith("export.txt"), seed
            outcomes["refused"] += 1
        else:
            assert np.isfinite(spectrum.counts).all(), seed
            outcomes["read"] += 1
    assert min(outcomes.values()) > 20, outcomes


def test_noise_is_refused(tmp_path):
    for seed in range(100):
        refused(tmp_path, np.random.default_rng(seed).bytes(500) + b"\n")


@settings(max_examples=150, deadline=None)
@given(
    # up to 1000 bins from m/z 0.5: narrower ones would lie closer than six decimals tell
    start=st.integers(8_000, 20_000),
    width=st.integers(1, 50),
    gaps=st.lists(st.just(1) | st.integers(1, 40), min_size=4, max_size=60),
    counts=st.lists(st.floats(0, 2.0**53) | st.integers(1, 999), min_size=61, max_size=61),
    block=st.sampled_from([100, 1 << 21]),
)
def test_any_grid_reads_back_exactly(tmp_path_factory, start, width, gaps, counts, block):
    channels = start + width * np.cumsum([0, 1, *gaps])
    rows = list(zip(channels.tolist(), counts, strict=False))
    lines = [f"{c}\t{(c / 10_000) ** 2:.9f}\t{float(n)!r}\r\n" for c, n in rows]
    data = "".join(["Channel\tm/z\tIntensity\r\n", *lines]).encode()
    folder = tmp_path_factory.mktemp("grid")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK", block)
        spectrum = read_bytes(folder, data)
    # the last gap may be any: the last bin of an export may be narrower
    bins = np.rint((channels - channels[0]) / np.gcd.reduce(np.diff(channels)[:-1])).astype(int)
    assert np.flatnonzero(spectrum.counts).tolist() == [
        b for b, (_, n) in zip(bins, rows, strict=True) if n
    ]
    assert spectrum.counts[bins].tolist() == [n for _, n in rows]


@pytest.mark.parametrize("channel", [True, False])
@pytest.mark.parametrize("block", [150, 151, 152, 200, 1000])
def test_blocks_leave_no_trace(tmp_path, export, monkeypatch, channel, block):
    data = export(np.arange(500) % 7, channel=channel, sparse=True)
    whole = read_bytes(tmp_path, data)
    monkeypatch.setattr(reading, "BLOCK", block)
    monkeypatch.setattr(reading, "ROWS", 11)
    parts = read_bytes(tmp_path, data)
    assert parts.counts.tolist() == whole.counts.tolist()
    assert (parts.start, parts.step) == pytest.approx((whole.start, whole.step), rel=1e-12)
    bad = row_changed(data, 300, field_set(-1, b"-1"))
    assert f"line {300 + HEADER_LINES + 1}: Intensity is -1" in refused(tmp_path, bad)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"1.030225", b"1.040000", "line 8: m/z 1.04 lies 0.9 bins off the flight-time grid"),
        (b"406", b"0x196", "line 8: Channel is '0x196', expected a whole number"),
        (b"406", b"-406", "line 8: Channel is -406, expected a whole number from 0"),
        (b"406\t", b"406\r\t", "line 8: a carriage return (CR) inside the line"),
        (b"1.030225", b"1,030225", "line 8: m/z is '1,030225', expected a number (decimal '.')"),
        (b"1.030225\t1", b"1.030225\t1,5", "line 8: Intensity is '1,5', expected a number"),
        (b"406", b"9" * 30, "line 8: Channel is '9999"),
        (b"406", b"9007199254740993", "line 8: Channel is 9007199254740993, expected"),
    ],
)
def test_a_number_that_could_mislead_is_refused(tmp_path, export, old, new, told):
    data = export(COUNTS)
    assert old in data
    assert told in refused(tmp_path, data.replace(old, new))


def test_a_comma_in_intensity_alone_is_no_decimal_sign(tmp_path):
    rows = b"".join(b"%d\t%d\t1,000\r\n" % (n, n * n) for n in range(1, 9))
    assert "line 2: Intensity is '1,000'" in refused(
        tmp_path, b"Channel\tm/z\tIntensity\r\n" + rows
    )


def test_more_bins_than_an_instrument_has_are_refused(tmp_path, export, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK", 200)
    monkeypatch.setattr(reading, "MOST_BINS", 15)
    assert "more than 15 rows" in refused(tmp_path, export(COUNTS))
    sparse = export([1, 1, 1, *[0] * 20, 1], sparse=True)
    for data in (sparse, export([1, 1, 1, *[0] * 20, 1], sparse=True, channel=False)):
        assert "fewer than 15 bins" in refused(tmp_path, data)


@pytest.mark.parametrize("data", [b"\0" * 600, b"7" * 600, b"#" * 600])
def test_a_line_without_end_is_refused_early(tmp_path, monkeypatch, data):
    monkeypatch.setattr(reading, "BLOCK", 200)
    refused(tmp_path, b"# a\n" + data)


def test_threads_read_the_same(tmp_path, export):
    counts = np.arange(20_000) % 5
    path = tmp_path / "export.txt"
    path.write_bytes(export(counts))
    read = [None] * 2

    def work(place):
        read[place] = [read_spectrum(path).counts for _ in range(5)]

    threads = [threading.Thread(target=work, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(c, counts) for c in read[0] + read[1])


# measures in a process of its own: the peak of a process never falls
MEASURE = """
import resource, sys
import numpy, pyarrow, pyarrow.csv
from pathlib import Path
unit = 1 if sys.platform == "darwin" else 1024
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
before = peak()
from ionprint.spectra.reading import read_spectrum
spectrum = read_spectrum(sys.argv[1])
print(peak() - before, spectrum.counts.size, int(spectrum.counts.sum()))
"""


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_file_takes_less_than_three_times_its_size(tmp_path, packed):
    rows, size = 4_800_000, 0
    path = tmp_path / "large.txt"
    with gzip.open(path, "wb", 1) if packed else path.open("wb") as file:
        size += file.write(b"Channel\tm/z\tIntensity\r\n")
        for first in range(0, rows, 100_000):
            channel = 2_000_000 + np.arange(first, first + 100_000)
            lines = map("%d\t%.6f\t7\r\n".__mod__, zip(channel, (channel / 5e5) ** 2, strict=True))
            size += file.write("".join(lines).encode())
    assert size >= 100e6
    command = [sys.executable, "-c", MEASURE, str(path)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    taken, bins, total = map(int, out.split())
    assert (bins, total) == (rows, 7 * rows)
    assert taken < 3 * size
