"""The sample sheet is read, or refused with every problem and its line."""

import os

import pytest

from ionprint.cli import main
from ionprint.errors import SheetError
from ionprint.spectra.sheet import read_sheet, sheet_from_names

GOOD = """\
file,sample,spot,role,compound,expected
a1.txt,A 1,1,reference,LiH,
a2.txt,A 1,2,reference,LiH,
b1.txt,B 1,1,reference,Li2O,
b2.txt,B 2,1,reference,Li2O,
m1.txt,M,1,mixture,,LiH+Li2O
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("a1", "a2", "b1", "b2", "m1"):
        (tmp_path / f"{name}.txt").touch()
    return tmp_path


def read(folder, text, encoding="utf-8"):
    (folder / "samples.csv").write_bytes(text.encode(encoding))
    return read_sheet(folder)


def refused(folder, text):
    with pytest.raises(SheetError) as caught:
        read(folder, text)
    return str(caught.value)


def test_a_sheet_is_read_as_text_in_its_order(folder):
    sheet = read(folder, GOOD)
    assert sheet["file"].tolist() == ["a1.txt", "a2.txt", "b1.txt", "b2.txt", "m1.txt"]
    assert sheet["spot"].tolist() == ["1", "2", "1", "1", "1"]
    assert sheet["expected"].tolist() == ["", "", "", "", "LiH+Li2O"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_spreadsheets_write_reads_the_same(folder, encoding, separator, end):
    text = GOOD.replace("A 1", "Probe für 1").replace(",", separator).replace("\n", end)
    assert read(folder, text + end, encoding)["sample"][0] == "Probe für 1"


def test_quoted_cells_and_more_columns_are_kept(folder):
    lines = GOOD.splitlines()
    text = "\n".join([lines[0] + ",operator", *(f'{line}," X, Y "' for line in lines[1:])])
    assert read(folder, text)["operator"].unique().tolist() == ["X, Y"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("b2.txt,B 2,1,reference", "b2.txt,B 2,1,standard", "line 5: role is 'standard'"),
        ("b2.txt", "b1.txt", "line 5: b1.txt stands on line 4 already"),
        ("b2.txt", "c9.txt", "line 5: c9.txt is not there"),
        ("b2.txt", "", "line 5: no file is named"),
        ("a2.txt,A 1,2,reference,LiH,", "a2.txt,A 1,2,reference,,", "line 3: reference a2.txt has"),
        ("a2.txt,A 1", "a2.txt,", "line 3: a2.txt has no sample"),
        ("B 2,1,reference,Li2O", "B 2,1,reference,Li20", "line 5: compound 'Li20' has one"),
        ("b1.txt,B 1,1,reference,Li2O,", "b1.txt,B 1,1", "line 4: 3 cells, expected 6"),
        ("compound,expected", "compound,compound", "line 1: column 'compound' stands twice"),
        ("spot", "place", "line 1: the column 'spot' is missing"),
        ("file,sample", "path,sample", "line 1: the column 'file' is missing"),
        ("Li2O", "LiH", "all references are 'LiH'"),
        ("reference", "anode", "no row has the role reference"),
    ],
)
def test_each_problem_is_told_with_its_line(folder, old, new, told):
    assert told in refused(folder, GOOD.replace(old, new))


@pytest.mark.parametrize("title", ["source", "p_LiH", "16.0555"])
def test_columns_that_results_need_are_refused(folder, title):
    lines = GOOD.splitlines()
    text = "\n".join([f"{lines[0]},{title}", *(line + ",1" for line in lines[1:])])
    assert f"line 1: a column may not be called '{title}'" in refused(folder, text)


def test_two_polarities_are_refused_with_their_lines(folder):
    signs = ["polarity", "negative", "negative", "negative", "positive", "negative"]
    lines = zip(GOOD.splitlines(), signs, strict=True)
    message = refused(folder, "\n".join(f"{line},{sign}" for line, sign in lines))
    assert "'negative' (line 2) and 'positive' (line 5)" in message


def test_all_problems_are_told_at_once(folder):
    text = GOOD.replace("a1.txt", "x1.txt").replace("b1.txt", "y1.txt").replace("mixture", "mix")
    message = refused(folder, text)
    assert "samples.csv needs mending" in message
    for told in ("line 2: x1.txt is not", "line 4: y1.txt is not", "line 6: role is 'mix'"):
        assert told in message


def test_a_flood_of_problems_is_cut_and_counted(folder):
    rows = "".join(f"z{i}.txt,Z,{i},reference,LiH,\n" for i in range(50))
    message = refused(folder, GOOD + rows)
    assert "line 26: z19.txt" in message
    assert "... and 30 more" in message


@pytest.mark.parametrize(("text", "told"), [("", "is empty"), (GOOD.splitlines()[0], "no rows")])
def test_an_empty_sheet_is_refused(folder, text, told):
    assert told in refused(folder, text)


def test_a_missing_sheet_says_how_to_write_one(tmp_path):
    with pytest.raises(SheetError, match=r"samples\.csv is not there.*ionprint samples"):
        read_sheet(tmp_path)


ENCODINGS = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp1252"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_a_sheet_of_any_making_is_read(folder, encoding, end):
    text = GOOD.replace("A 1", "Probe für 1").replace("\n", end)
    sheet = read(folder, text, encoding)
    assert sheet["sample"].tolist()[:2] == ["Probe für 1"] * 2
    assert sheet["file"].tolist() == ["a1.txt", "a2.txt", "b1.txt", "b2.txt", "m1.txt"]


def test_columns_that_a_spreadsheet_left_empty_are_no_columns(folder):
    text = "\n".join(line + ",,," for line in GOOD.splitlines()) + "\n,,,,,,,,\n"
    assert len(read(folder, text).columns) == 6
    assert "line 1: column 7 has cells, but no title" in refused(
        folder, text.replace("expected,,,", "expected,,x,").replace("LiH+Li2O,,,", "LiH,7,,")
    )


def test_a_cell_may_have_lines_and_lines_are_counted_from_where_a_row_begins(folder):
    text = GOOD.replace("A 1,1", '"A\n1",1').replace("b2.txt", "c9.txt")
    assert "line 6: c9.txt is not there" in refused(folder, text)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("B 2", '"B 2', "line 5: cannot be split into cells"),
        ("B 2", "x" * 200_000, "line 5: cannot be split into cells"),
        ("B 2", "B\0 2", "line 5: a NUL character"),
        ("b2.txt", "x" * 300 + ".txt", "line 5: 'xxx"),
        ("b2.txt", ".", "line 5: . is not there"),
        ("expected\n", "expected" + ",c" * 20_000 + "\n", "line 1: 20,006 columns"),
        ("b2.txt", "./b1.txt", "line 5: ./b1.txt stands on line 4 already"),
        ("b2.txt", "x/../b1.txt", "line 5: x/../b1.txt stands on line 4 already"),
        ("b2.txt", "link.txt", "line 5: link.txt stands on line 4 already"),
        ("b2.txt", "circle.txt", "line 5: circle.txt cannot be the name of a file"),
        ("b2.txt", "../outside.txt", "line 5: ../outside.txt leads out of"),
        ("b2.txt", "leads.txt", "line 5: leads.txt leads out of"),
        ("b2.txt", "/etc/hostname", "line 5: /etc/hostname is an absolute path"),
    ],
)
def test_odd_cells_are_refused_with_their_line(tmp_path, old, new, told):
    folder = tmp_path / "set"
    (folder / "x").mkdir(parents=True)
    for name in ("a1", "a2", "b1", "b2", "m1", "../outside"):
        (folder / f"{name}.txt").touch()
    (folder / "link.txt").symlink_to("b1.txt")
    (folder / "circle.txt").symlink_to("circle.txt")
    (folder / "leads.txt").symlink_to("../outside.txt")
    assert told in refused(folder, GOOD.replace(old, new))


def test_a_folder_or_half_a_text_in_place_of_the_sheet_is_refused(folder):
    (folder / "samples.csv").write_bytes(GOOD.encode("utf-16")[:-1])
    with pytest.raises(SheetError, match="no whole UTF-16 text"):
        read_sheet(folder)
    (folder / "samples.csv").unlink()
    (folder / "samples.csv").mkdir()
    with pytest.raises(SheetError, match=r"samples\.csv is no file"):
        read_sheet(folder)


PATTERN = "{polarity}_{compound}_{primary_ion}_{spot}.txt"


@pytest.fixture
def exports(tmp_path):
    (tmp_path / "day 2").mkdir()
    for name in ("N_Ru-Pt_Bi3++_1.txt", "N_Ru-Pt_Bi1_2.txt.gz", "day 2/N_Ru_Bi1_1.txt", "notes.md"):
        (tmp_path / name).touch()
    return tmp_path


def test_names_tell_what_the_pattern_names(exports):
    sheet, others = sheet_from_names(exports, PATTERN)
    rows = sheet.set_index("file").to_dict("index")
    assert set(rows) == {"N_Ru-Pt_Bi3++_1.txt", "N_Ru-Pt_Bi1_2.txt.gz", "day 2/N_Ru_Bi1_1.txt"}
    assert rows["N_Ru-Pt_Bi3++_1.txt"] == {
        "sample": "Ru-Pt",
        "spot": "1",
        "role": "reference",
        "compound": "Ru-Pt",
        "expected": "",
        "polarity": "N",
        "primary_ion": "Bi3++",
    }
    assert others == ["notes.md"]


def test_a_pattern_with_a_folder_in_it(exports):
    sheet, others = sheet_from_names(exports, "{sample}/N_{compound}_Bi1_{spot}.txt")
    assert sheet["sample"].tolist() == ["day 2"]
    assert len(others) == 3


def test_spots_are_counted_where_the_names_do_not_tell(tmp_path):
    for name in ("LiH a.txt", "LiH b.txt", "Li2O a.txt"):
        (tmp_path / name).touch()
    sheet, _ = sheet_from_names(tmp_path, "{compound} {run}.txt")
    assert sheet.groupby("sample")["spot"].apply(list).to_dict() == {
        "LiH": ["1", "2"],
        "Li2O": ["1"],
    }


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("{compound}-{spot}.dat", "no file in .* matches"),
        ("*.txt", "expected fields in braces"),
        ("{}_{compound}.txt", "expected fields in braces"),
        ("{compound}_{compound}.txt", "each name once"),
        ("{spot}.txt", "expected a field {compound} or {sample}"),
        ("{compound}{spot}.txt", "nothing between two fields"),
        ("{file}_{compound}.txt", "a field may not be called {file}"),
        ("{source}_{compound}.txt", "a field may not be called {source}"),
        ("{compound}_{1}.txt", "expected fields in braces"),
        ("{compound}_(.txt", "no file in .* matches"),
        ("{compound}\0{spot}.txt", "no file in .* matches"),
    ],
)
def test_a_bad_pattern_is_refused(exports, pattern, told):
    with pytest.raises(SheetError, match=told):
        sheet_from_names(exports, pattern)


@pytest.mark.parametrize("name", [" LiH_1.txt", "LiH_1.txt\r", b"LiH\xff_1.txt"])
def test_a_name_that_no_sheet_can_hold_is_refused(tmp_path, name):
    (tmp_path / os.fsdecode(name)).touch()
    with pytest.raises(SheetError, match="no sheet can name it"):
        sheet_from_names(tmp_path, "{compound}_{spot}.{ending}")


@pytest.mark.parametrize(
    "name", ["Li,H_1.txt", 'Li"H_1.txt', "Li\nH_1.txt", "Li;H_1.txt", "'_1.txt"]
)
def test_a_name_that_a_sheet_can_hold_comes_back(tmp_path, name):
    for n in (1, 2):
        (tmp_path / name.replace("1", str(n))).touch()
        (tmp_path / f"Li2O_{n}.txt").touch()
    assert main(["samples", str(tmp_path), "--pattern", "{compound}_{spot}.txt"]) == 0
    assert name in set(read_sheet(tmp_path)["file"])


def test_a_name_of_many_places_to_part_it_takes_no_time(tmp_path):
    (tmp_path / ("_" * 250)).touch()
    pattern = "_".join(f"{{{field}}}" for field in ("compound", *"abcdefghij")) + ".txt"
    with pytest.raises(SheetError, match="no file in .* matches"):
        sheet_from_names(tmp_path, pattern)


def test_links_that_lead_out_are_left_out(exports):
    (exports / "day 2" / "N_LiH_Bi1_9.txt").symlink_to("/etc/hostname")
    sheet, others = sheet_from_names(exports, PATTERN)
    assert len(sheet) == 3 and "day 2/N_LiH_Bi1_9.txt" in others


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(SheetError, match="is not a folder"):
        sheet_from_names(tmp_path / "no", PATTERN)


def test_samples_writes_a_sheet_and_never_over_one(exports, capsys):
    command = ["samples", str(exports), "--pattern", PATTERN]
    assert main(command) == 0
    assert "3 spectra, 2 compounds" in capsys.readouterr().out
    (exports / "samples.csv").write_text("corrected by hand")
    assert main(command) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert (exports / "samples.csv").read_text() == "corrected by hand"
    assert main([*command, "--force"]) == 0
    assert (exports / "samples.csv").read_text().startswith("file,sample,spot,role")


def with_polarity(polarity):
    lines = GOOD.splitlines()
    return "\n".join([f"{lines[0]},polarity", *(f"{line},{polarity}" for line in lines[1:])])


@pytest.mark.parametrize("polarity", ["negative", "Neg", "N", "-"])
def test_a_polarity_may_be_written_in_many_ways(folder, polarity):
    assert set(read(folder, with_polarity(polarity))["polarity"]) == {polarity}


@pytest.mark.parametrize("polarity", ["positive", "P", "+", "both"])
def test_another_polarity_than_the_configurations_is_refused(folder, polarity):
    told = f"line 2: polarity is '{polarity}', dataset.polarity=negative"
    assert told in refused(folder, with_polarity(polarity))


NAMES = ["a1.txt", "a2.txt", "b1.txt", "b2.txt", "m1.txt", "not in the sheet"]


def read_with_spectra(folder, text, spectra):
    (folder / "samples.csv").write_text(text)
    return read_sheet(folder, spectra=spectra)


def test_spectra_of_a_table_need_no_files(tmp_path):
    sheet = read_with_spectra(tmp_path, GOOD, NAMES)
    assert sheet["file"].tolist() == NAMES[:5]


def test_a_spectrum_that_the_table_lacks_is_refused_with_its_line(folder):
    with pytest.raises(SheetError) as caught:
        read_with_spectra(folder, GOOD, [n for n in NAMES if n != "b1.txt"])
    # that there is a file of this name does not help
    assert "line 4: the area table has no spectrum 'b1.txt'" in str(caught.value)
    assert "line 3" not in str(caught.value)


def test_names_of_a_table_are_checked_like_files(tmp_path):
    text = GOOD.replace("b2.txt", "b1.txt").replace("a1.txt", "")
    with pytest.raises(SheetError) as caught:
        read_with_spectra(tmp_path, text, NAMES)
    assert "line 2: no file is named" in str(caught.value)
    assert "line 5: b1.txt stands on line 4 already" in str(caught.value)


def test_an_empty_table_has_none_of_the_spectra(tmp_path):
    with pytest.raises(SheetError, match=r"line 2: the area table has no spectrum 'a1\.txt'"):
        read_with_spectra(tmp_path, GOOD, [])


def test_names_that_look_like_formulas_go_into_the_sheet_as_text_and_come_back(tmp_path, capsys):
    from ionprint.cli import main

    for name in ("=LiH_1.txt", "=LiH_2.txt", "-Li2O_1.txt", "-Li2O_2.txt"):
        (tmp_path / name).touch()
    assert main(["samples", str(tmp_path), "--pattern", "{compound}_{spot}.txt"]) == 0
    text = (tmp_path / "samples.csv").read_text()
    assert all(line[0] not in "=-" for line in text.splitlines())
    assert sorted(set(read_sheet(tmp_path)["compound"])) == ["-Li2O", "=LiH"]
