"""Exports are read exactly, or refused with file and line."""

import gzip
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.errors import SpectrumError
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
