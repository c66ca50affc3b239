"""Area tables in every layout read the same, or are refused with every problem; and alignment."""

import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.errors import DataError, SheetError
from ionprint.spectra.area_table import AreaTable, align, read_area_table

MZ = [1.0073, 16.9996, 30.9738]
SPECTRA = ["LiOH, p1.txt", "Li2O p2", "3"]
AREAS = np.array([[1.0, 250.5, 0.0], [0.25, 3e6, 7.0], [12.0, 0.0, 1.5]])
TITLES = [
    "{}",
    "m/z {}",
    "{} u",
    "OH- ({})",
    "mass = {} amu",
    "C(13)H- [{} u]",
    "Mass_{}",
    "(no) ({}u)",
]


def text_of(rows, separator, comma=False):
    """Write cells as text; numbers are floats."""

    def cell(value):
        text = repr(value) if isinstance(value, float) else value
        text = text.replace(".", ",") if comma and isinstance(value, float) else text
        return f'"{text}"' if separator in text else text

    return [separator.join(cell(v) for v in row) for row in rows]


def table_rows(layout, mz, spectra, areas, comma=False, title="{}"):
    mz = [float(m) for m in mz]
    areas = [[float(a) for a in row] for row in areas]
    if layout == "rows":
        top = ["m/z", "Ion", *spectra]
        return [
            top,
            *([m, f"ion{i}", *a] for i, (m, *a) in enumerate(zip(mz, *areas, strict=True))),
        ]
    if layout == "columns":
        names = [title.format(repr(m).replace(".", ",") if comma else repr(m)) for m in mz]
        return [["File", *names], *([s, *a] for s, a in zip(spectra, areas, strict=True))]
    cells = [
        [s, m, a]
        for s, row in zip(spectra, areas, strict=True)
        for m, a in zip(mz, row, strict=True)
    ]
    return [["file", "m/z", "area"], *cells]


def read_text(folder, text, encoding="utf-8"):
    path = folder / "areas.txt"
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return read_area_table(path)


def refused(folder, text):
    with pytest.raises(SheetError) as caught:
        read_text(folder, text)
    assert "areas.txt" in str(caught.value)
    return str(caught.value)


def assert_same(table, mz=MZ, spectra=SPECTRA, areas=AREAS):
    assert table.spectra == spectra
    assert table.mz.tolist() == mz
    assert table.areas.tolist() == np.asarray(areas).tolist()


@pytest.mark.parametrize("layout", ["rows", "columns", "long"])
@pytest.mark.parametrize("separator", ["\t", ";", ","])
@pytest.mark.parametrize("comma", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("comments", ["", "# SurfaceLab: areas\n# a; b, c\n\n"])
def test_every_layout_reads_the_same(tmp_path, layout, separator, comma, end, comments):
    lines = text_of(table_rows(layout, MZ, SPECTRA, AREAS, comma), separator, comma)
    text = comments + "\n".join(lines) + "\n"
    encoding = "utf-8-sig" if comments else "utf-8"
    assert_same(read_text(tmp_path, text.replace("\n", end), encoding))


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("comma", [False, True])
def test_a_title_tells_its_mz(tmp_path, title, comma):
    rows = table_rows("columns", MZ, SPECTRA, AREAS, comma, title)
    assert_same(read_text(tmp_path, "\n".join(text_of(rows, "\t", comma))))


@pytest.mark.parametrize("top", ["m/z", "mz", "Mass (u)", "Center Mass [u]", "mass u"])
def test_peaks_in_rows_may_be_described(tmp_path, top):
    text = f"Ion\t{top}\tLower mass\tUpper mass\tA\tB\nOH-\t17.003\t16.9\t17.1\t5\t6\n"
    assert_same(read_text(tmp_path, text), [17.003], ["A", "B"], [[5.0], [6.0]])


def test_rows_may_end_with_a_separator_and_peaks_stand_in_any_order(tmp_path):
    text = "m/z\tA\tB\t\r\n17.003\t5\t6\t\r\n\r\n1.0073\t1\t2\t\r\n"
    assert_same(read_text(tmp_path, text), [1.0073, 17.003], ["A", "B"], [[1.0, 5.0], [2.0, 6.0]])


def test_a_peak_that_a_spectrum_has_not_is_zero(tmp_path):
    text = "spectrum,ion,mz,counts\nA,H-,1.0073,4\nB,OH-,17.003,5\nA,O-,15.995,6\n"
    areas = [[4.0, 6.0, 0.0], [0.0, 0.0, 5.0]]
    assert_same(read_text(tmp_path, text), [1.0073, 15.995, 17.003], ["A", "B"], areas)


def test_decimal_commas_of_whole_masses_are_known_by_the_semicolons(tmp_path):
    assert read_text(tmp_path, "file;17;19\nA;1,5;2\n").areas.tolist() == [[1.5, 2.0]]
    assert read_text(tmp_path, "file;17;19\nA;1.5;2\n").areas.tolist() == [[1.5, 2.0]]
    assert "expected a number (decimal '.')" in refused(tmp_path, "file\t17\t19\nA\t1,500\t2\n")


def test_a_line_of_separators_above_the_titles_is_blank(tmp_path):
    assert_same(read_text(tmp_path, ";;\nfile;17.003;\nA;5;\n;;\n"), [17.003], ["A"], [[5.0]])


def test_names_of_another_encoding_are_read(tmp_path):
    text = "file\t17.003\nMünster µ\t5\n"
    assert read_text(tmp_path, text, "cp1252").spectra == ["Münster µ"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["is empty"]),
        ("# only\n\n", ["is empty"]),
        (";;\n\t\t\n", ["is empty"]),
        ("m/z\tA\n", ["line 1: no areas"]),
        ("file\t17.003\n", ["line 1: no areas"]),
        ("m/z\tIon\n17.003\tOH-\n", ["line 1: no spectra"]),
        ("file\tA\tB\nx\t1\t2\n", ["line 1: no column 'm/z'", "'A', 'B'"]),
        ("17.003\t5\t6\n1.0073\t1\t2\n", ["line 1: no column 'm/z'"]),
        ("OH-\t17.003\t5\nH-\t1.0073\t1\n", ["line 1: no column 'm/z'"]),
        ("#\tm/z\tA\n1\t17.003\t5\n", ["line 1: begins with '#' but has as many cells"]),
        ("m/z\tA\n17.003\tmany\n", ["line 2: area of 'A' is 'many', expected a number"]),
        ("m/z\tA\n17.003\t\n", ["line 2: area of 'A' is ''"]),
        ("m/z\tA\nOH-\t5\n", ["line 2: m/z is 'OH-', expected a number"]),
        ("m/z\tA\n17.003\t-5\n", ["line 2: area of 'A' is -5, expected finite, not negative"]),
        ("m/z\tA\n17.003\tinf\n", ["line 2: area of 'A' is inf"]),
        ("m/z\tA\n17.003\tNaN\n", ["line 2: area of 'A' is nan"]),
        ("m/z\tA\n17.003\t1e999\n", ["line 2: area of 'A' is inf"]),
        ("m/z\tA\n17.003\t1_000\n", ["line 2: area of 'A' is '1_000'"]),
        ("m/z\tA\n17.003\t1,5\n", ["line 2: area of 'A' is '1,5', expected a number"]),
        ("m/z\tA\n17,003\t1.5\n", ["line 2: area of 'A' is '1.5', expected a number"]),
        ("m/z\tA\n17.003\t1,234.5\n", ["line 2: area of 'A' is '1,234.5'"]),
        ("m/z\tA\n0\t5\n2e5\t5\n", ["line 2: m/z is 0, expected 0 to", "line 3: m/z is 200000"]),
        ("m/z\tA\n17.003\t5\n17.003\t6\n", ["line 3: peak m/z 17.003 stands on line 2 already"]),
        ("m/z\tA\tA\n17.003\t5\t6\n", ["line 1: spectrum 'A' has columns 2 and 3"]),
        ("m/z\tA\t\tB\n17.003\t5\t6\t7\n", ["line 1: column 3 is called ''"]),
        ("m/z\tA\tmass\n17.003\t5\t6\n", ["line 1: 'm/z' and 'mass' both name the m/z"]),
        ("file\t17.003\tm/z 17.003\nA\t5\t6\n", ["line 1: peak m/z 17.003 has columns 2 and 3"]),
        ("file\t17.003\nA\t5\nB\t5\nA\t6\n", ["line 4: spectrum 'A' stands on line 2 already"]),
        ("file\t17.003\ttotal\nA\t5\t6\n", ["line 1: column 3 is called 'total'"]),
        ("file\t17.003\tC(13)\nA\t5\t6\n", ["line 1: column 3 is called 'C(13)'"]),
        ("file\t17.003\n\t5\n", ["line 2: no spectrum is named"]),
        ("file\t17.003\t18.1\nA\t5\nB\t1\t2\t3\n", ["line 2: 2 cells", "line 3: 4 cells"]),
        ("file,mz,area\nA,17.003,5\nB,17.003,5\nA,17.003,6\n", ["line 4: m/z 17.003 of 'A'"]),
        ("file,mz,area,counts\nA,17.003,5,5\n", ["'area' and 'counts' both name"]),
        ("file,mz,area\nA,17.003,5\nB,x,-1\nC,18.1,-1\n", ["line 3: m/z is 'x'", "line 4: area"]),
        ('file,mz,area\n"A,17.003,5\n', ["cannot be split into cells"]),
        ("file\t17.003\nA\t5\n".encode("utf-16"), ["UTF-16"]),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path, text, told):
    message = refused(tmp_path, text)
    for part in told:
        assert part in message


def test_all_problems_are_told_together(tmp_path):
    text = "# a\nm/z\tA\tB\tA\n17.003\t5\t-6\t1\nOH-\t5\t6\t1\n17.003\tx\t6\t1\n18.1\t5\n"
    message = refused(tmp_path, text)
    for part in (
        "line 2: spectrum 'A' has columns 2 and 4",
        "line 3: area of 'B' is -6",
        "line 4: m/z is 'OH-'",
        "line 5: area of 'A' is 'x'",
        "line 5: peak m/z 17.003 stands on line 3 already",
        "line 6: 2 cells, expected 4",
    ):
        assert message.count(part) == 1, message


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(SheetError, match="is not there"):
        read_area_table(tmp_path / "no.txt")
    with pytest.raises(SheetError, match="cannot be read"):
        read_area_table(tmp_path)


NAMES = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=9
)
AMOUNT = st.floats(0, allow_infinity=False, allow_nan=False) | st.integers(0, 10**9).map(float)


@settings(max_examples=200, deadline=None)
@given(
    mz=st.lists(st.floats(0.5, 1e5), min_size=1, max_size=6, unique=True).map(sorted),
    spectra=st.lists(NAMES.map("s{}".format), min_size=1, max_size=5, unique=True),
    data=st.data(),
    layout=st.sampled_from(["rows", "columns", "long"]),
    separator=st.sampled_from("\t;,"),
    comma=st.booleans(),
    title=st.sampled_from(TITLES),
)
def test_what_is_written_reads_back(
    tmp_path_factory, mz, spectra, data, layout, separator, comma, title
):
    # a quote or a separator in a name is the business of the csv module, tested above
    spectra = list(dict.fromkeys(s.translate({ord(c): "_" for c in '"\t;,'}) for s in spectra))
    row = st.lists(AMOUNT, min_size=len(mz), max_size=len(mz))
    areas = [data.draw(row) for _ in spectra]
    lines = text_of(table_rows(layout, mz, spectra, areas, comma, title), separator, comma)
    table = read_text(tmp_path_factory.mktemp("table"), "\n".join(lines) + "\n")
    assert_same(table, mz, spectra, areas)


def a_table(mz, areas=None):
    areas = np.arange(1.0, 2 * len(mz) + 1).reshape(2, -1) if areas is None else areas
    return AreaTable(["A", "B"], np.array(mz), areas)


def test_columns_within_tolerance_come_onto_the_list():
    areas, warnings = align(a_table([1.0001, 16.9995]), np.array([1.0, 17.0]), 150)
    assert areas.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert warnings == []


def test_two_columns_on_one_peak_are_added_and_named():
    areas, warnings = align(a_table([16.999, 17.0005]), np.array([17.0]), 100)
    assert areas.tolist() == [[3.0], [7.0]]
    assert warnings == [
        "columns 16.9990 and 17.0005 fall on one peak, 17.0000: their areas are added"
    ]


def test_a_column_near_two_peaks_goes_to_the_nearest_and_is_named():
    areas, warnings = align(a_table([17.001]), np.array([17.0, 17.0025]), 100)
    assert areas.tolist() == [[1.0, 0.0], [2.0, 0.0]]
    assert "column 17.0010 lies within 100 ppm of peaks 17.0000 and 17.0025" in warnings[0]
    assert "nearest, 17.0000" in warnings[0]
    assert "1 peaks of the list have no column" in warnings[1]
    assert "17.0025" in warnings[1]


def test_columns_and_peaks_without_a_partner_are_listed_once():
    areas, warnings = align(a_table([1.0, 5.0, 6.0]), np.array([1.0, 2.0, 3.0]), 10)
    assert areas.tolist() == [[1.0, 0.0, 0.0], [4.0, 0.0, 0.0]]
    assert warnings == [
        "2 columns lie on no peak of the list within 10 ppm and are left out: 5.0000 and 6.0000",
        "2 peaks of the list have no column within 10 ppm and are 0 in all spectra: 2.0000 and "
        "3.0000",
    ]


@settings(max_examples=100, deadline=None)
@given(
    columns=st.lists(st.integers(1, 400), min_size=1, max_size=30, unique=True).map(sorted),
    peaks=st.lists(st.integers(1, 400), min_size=1, max_size=30, unique=True).map(sorted),
    tolerance=st.floats(1, 1e5),
)
def test_no_area_is_lost_or_made(columns, peaks, tolerance):
    mz, peaks = np.array(columns) / 7, np.array(peaks) / 7
    table = a_table(mz)
    areas, warnings = align(table, peaks, tolerance)
    near = np.abs(mz[:, None] / peaks - 1) * 1e6 <= tolerance
    used = near.any(axis=1)
    assert areas.sum(axis=1) == pytest.approx(table.areas[:, used].sum(axis=1))
    assert (areas.sum(axis=0) > 0).sum() <= used.sum()
    assert any("no peak of the list" in w for w in warnings) == (not used.all())


@pytest.mark.parametrize("peaks", [[2.0, 1.0], [1.0, 1.0], [-1.0, 1.0], [np.nan], [[1.0]]])
def test_a_list_that_does_not_rise_is_refused(peaks):
    with pytest.raises(DataError, match="rising"):
        align(a_table([1.0]), np.array(peaks), 10)


@pytest.mark.parametrize("tolerance", [0, -1, np.nan, np.inf])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises(DataError, match="tolerance"):
        align(a_table([1.0]), np.array([1.0]), tolerance)


@pytest.mark.parametrize(
    ("spectra", "mz", "areas"),
    [
        (["A"], [1.0], [[1.0, 2.0]]),
        (["A", "A"], [1.0], [[1.0], [2.0]]),
        (["A"], [2.0, 1.0], [[1.0, 2.0]]),
        (["A"], [1.0], [[-1.0]]),
    ],
)
def test_a_table_that_cannot_be_is_refused(spectra, mz, areas):
    with pytest.raises(DataError):
        AreaTable(spectra, np.array(mz), np.array(areas))


def test_the_module_imports_neither_pandas_nor_pandera():
    code = (
        "import sys, ionprint.spectra.area_table; print({'pandas', 'pandera'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout.strip() == "set()"


def test_a_damaged_table_reads_or_is_refused(tmp_path):
    rng = random.Random(0)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(600):
        separator, comma = rng.choice("\t;,"), rng.random() < 0.5
        layout, title = rng.choice(["rows", "columns", "long"]), rng.choice(TITLES)
        lines = text_of(table_rows(layout, MZ, SPECTRA, AREAS, comma, title), separator, comma)
        data = bytearray("\n".join(lines).encode() + b"\n")
        at = rng.randrange(len(data))
        match rng.randrange(5):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                del data[at : at + rng.randint(1, 30)]
            case 2:
                data[at:at] = rng.choice([b"\n", b'"', b"\t", b";;", b"\0", b"nan", b"#", b"-"])
            case 3:
                data = data[:at]
            case 4:
                data[at:at] = rng.randbytes(5)
        try:
            table = read_text(tmp_path, bytes(data))
        except SheetError as exc:
            assert "areas.txt" in str(exc)
            outcomes["refused"] += 1
        else:
            assert np.isfinite(table.areas).all()
            outcomes["read"] += 1
    assert min(outcomes.values()) > 60, outcomes
