"""Two thousand damaged sheets: each is read, or refused in words with a line where there is one."""

import codecs
import os
import random
import re
from pathlib import Path

import numpy as np
import pytest

from ionprint.config import compose
from ionprint.errors import IonprintError, SheetError
from ionprint.spectra.sheet import COLUMNS, read_sheet
from ionprint.stages.peaks import run

ROOT = Path(__file__).parents[2]
MUTANTS = 2000 if os.environ.get("IONPRINT_FULL") else 400
THROUGH = MUTANTS // 20
"""Go through the whole stage too."""
GOOD = """\
file,sample,spot,role,compound,expected,polarity,pulses
a1.txt,A 1,1,reference,LiH,,negative,1e6
a2.txt,A 1,2,reference,LiH,,negative,1e6
b1.txt,B 1,1,reference,Li2O,,negative,1e6
b2.txt,B 2,1,reference,Li2O,,negative,
m1.txt,M,1,mixture,,LiH+Li2O,negative,1e6
"""
NAMES = [line.split(",")[0] for line in GOOD.splitlines()[1:]]
IONS = {"H": 900, "[6Li]": 400, "[7Li]": 4000, "C": 300, "O": 3000, "OH": 2500, "O2": 800}
ODD = ["", " ", ".", "..", "/", "./", "../x", "/etc/passwd", "~", "*", "a\0b", "\0", "x" * 300]
ODD += ["x/" * 3000, "x" * 140_000, '"', '""', '"a', 'a"b', "'", "a\nb", "\r", "\t", ";", ",", "#"]
ODD += ["\ufeff", "\u2028", "\x85", "\x1c", "\x0b", "\ufffd", "ünï", "😀", "١", "=1+1", "nan", "NA"]
ODD += ["inf", "1e400", "-1", "0", "1,5", "1_0", "0x10", "1e-400", "1" * 400, "160", "source"]
ODD += ["p_x", "16.0555", "file", "role", "reference", "./a1.txt", "x/../a1.txt", "loop", "link"]
ODD += ["out", "dir", "a1.txt/", "a1.txt/x", "C:\\a1.txt", "samples.csv", "None", "True", "a1.TXT"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "cp037"]
# nothing in such a file has a line
WHOLE = re.compile(
    r"is empty|is no whole UTF|no row has the role|all references are|two polarities"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, drawn_spectrum):
    """Five small exports, and names that lead elsewhere."""
    root = tmp_path_factory.mktemp("fuzz") / "set"
    (root / "x").mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        spectrum = drawn_spectrum(IONS, seed=seed)
        some = np.flatnonzero(spectrum.counts)
        rows = [f"{b}\t{x**2:.6f}\t{spectrum.counts[b]:g}" for b, x in zip(
            some, spectrum.centres()[some], strict=True)]  # fmt: skip
        (root / name).write_text("\n".join(["Channel\tm/z\tIntensity", *rows]) + "\n")
    (root / "loop").symlink_to("loop")
    (root / "link").symlink_to("a1.txt")
    (root.parent / "outside.txt").write_text((root / "a1.txt").read_text())
    (root / "out").symlink_to(root.parent / "outside.txt")
    (root / "dir").mkdir()
    return root


def in_cells(rng, text):
    """Put something odd into one to three cells, or take cells, rows and columns away."""
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(rng.randint(1, 3)):
        row = rng.choice(rows)
        kind = rng.random()
        if kind < 0.7 and row:
            row[rng.randrange(len(row))] = rng.choice(ODD)
        elif kind < 0.8 and row:
            del row[rng.randrange(len(row))]
        elif kind < 0.9:
            row.insert(rng.randint(0, len(row)), rng.choice(ODD))
        else:
            rows.insert(rng.randint(0, len(rows)), list(rng.choice(rows)))
    quoted = rng.random() < 0.5
    return "\n".join(",".join(quote(c) if quoted else c for c in row) for row in rows) + "\n"


def quote(cell):
    return '"' + cell.replace('"', '""') + '"' if re.search(r'[",\n\r;]', cell) else cell


def in_text(rng, text):
    """Change the making of the whole: separators, line ends, rows, columns."""
    kind = rng.randrange(9)
    if kind == 0:
        return text.replace(",", rng.choice([";", "\t", "|", " ", ",,"]))
    if kind == 1:
        return text.replace("\n", rng.choice(["\r", "\r\n", "\n\r", "\n\n", "\u2028", "\x85", " "]))
    if kind == 2:
        return text[: rng.randrange(len(text))]
    if kind == 3:
        return "\n".join(text.splitlines()[rng.choice([0, 1, -1]) :])
    if kind == 4:
        return text.splitlines()[0] + "\n" * rng.randrange(3)
    if kind == 5:
        more = rng.choice([1, 3, 20_000])
        titles = [f"c{i}" if rng.random() < 0.9 else "" for i in range(more)]
        lines = text.splitlines()
        return "\n".join([f"{lines[0]},{','.join(titles)}", *(s + "," * more for s in lines[1:])])
    if kind == 6:
        at = rng.randrange(len(text))
        return text[:at] + rng.choice(ODD) + text[at:]
    if kind == 7:
        return (
            rng.choice(["", "\n", ",,,,\n", '"""\n', "sep=,\n", "# a comment\n", "\ufeff"]) + text
        )
    return "".join(rng.sample(text.splitlines(True), 6))


def in_bytes(rng, data):
    """Damage the file as such."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.choice([0, 0, 1, 5])] = rng.choice(
            [
                b"",
                b"\0",
                b"\xff",
                b"\xed\xa0\x80",
                b"\xff\xfe",
                b"\xfe\xff",
                b"\x1f\x8b",
                b'"',
                b"\r",
            ]
        )
    return bytes(data)


def mutant(rng):
    text = GOOD
    kind = rng.random()
    if kind < 0.75:
        text = in_cells(rng, text)
    if kind > 0.5:
        text = in_text(rng, text)
    encoding = rng.choice(ENCODINGS) if rng.random() < 0.4 else "utf-8"
    data = text.encode(encoding, errors="replace")
    if encoding.startswith("utf-16-") and rng.random() < 0.5:
        data = (codecs.BOM_UTF16_LE if encoding.endswith("le") else codecs.BOM_UTF16_BE) + data
    return in_bytes(rng, data) if rng.random() < 0.3 else data


def mutants(number):
    rng = random.Random(2023)
    return [mutant(rng) for _ in range(number)]


def test_damaged_sheets_are_read_or_refused_in_words(folder, measured):
    read = refused = 0
    foreign = []
    for data in mutants(MUTANTS):
        (folder / "samples.csv").write_bytes(data)
        try:
            sheet = read_sheet(folder)
        except SheetError as exc:
            refused += 1
            told = str(exc)
            assert re.search(r"line \d+", told) or WHOLE.search(told), told
            assert len(told) < 10_000 and "\0" not in told
        except Exception as exc:  # what is counted here
            foreign.append((data[:200], exc))
        else:
            read += 1
            assert set(COLUMNS) <= set(sheet) and sheet["file"].is_unique
            assert all((folder / file).resolve().is_relative_to(folder) for file in sheet["file"])
    measured(f"foreign errors of {MUTANTS} mutated sheets", len(foreign), 0)
    assert not foreign
    assert read > MUTANTS / 20 and refused > MUTANTS / 4


def test_what_is_read_goes_through_the_stage_or_is_refused_in_words(folder, tmp_path, measured):
    places = [f"dataset.path={folder}", f"outputs={tmp_path}", f"peaks={tmp_path / 'peaks'}"]
    cfg = compose([*places, "dataset.mz_max=40", "spectra.workers=1"], ROOT)
    foreign, done, tried = [], 0, 0
    for data in mutants(MUTANTS):
        (folder / "samples.csv").write_bytes(data)
        try:
            read_sheet(folder)
            tried += 1
            run(cfg)
            done += 1
        except IonprintError:
            pass
        except Exception as exc:  # what is counted here
            foreign.append((data[:200], exc))
        if tried == THROUGH:
            break
    measured(f"foreign errors of {THROUGH} mutated sheets in `peaks`", len(foreign), 0)
    assert not foreign
    assert THROUGH / 2 < done and tried == THROUGH
