"""The sample sheet: which spectrum is what."""

import re
from pathlib import Path

import pandas as pd

from ionprint.errors import SheetError, listed
from ionprint.spectra.cells import Cells, plain, read_cells, shown
from ionprint.spectra.table import PEAK

ROLES = ("reference", "mixture", "anode")
COLUMNS = ("file", "sample", "spot", "role", "compound", "expected")
SHEET = "samples.csv"
MOST_TOLD = 20
"""Column titles named in a message."""


def read_sheet(
    folder: str | Path, polarity: str = "negative", spectra: list[str] | None = None
) -> pd.DataFrame:
    """Read and check `samples.csv` of a folder of spectra.

    Parameters
    ----------
    folder : str or Path
        The folder; `file` in the sheet is relative to it.
    polarity : str
        negative or positive: what the configuration says of the spectra; a `polarity` column of
        the sheet (negative, neg, N, - ...) must agree.
    spectra : list of str, optional
        Names that `file` may have, where the spectra are no files but rows of an area table.

    Returns
    -------
    DataFrame
        One row a spectrum, all columns text, in the sheet's order.

    Raises
    ------
    SheetError
        With every problem of the sheet, each with its line.
    """
    path = Path(folder) / SHEET
    cells = _load(path)
    problems = _columns(cells)
    sheet, lines = pd.DataFrame(cells.rows, columns=cells.titles, dtype=object), cells.lines
    if not problems:
        problems = _rows(sheet, lines, Path(folder), spectra) + _classes(sheet, lines)
        problems += _polarity(sheet, lines, polarity)
    if problems:
        raise SheetError(f"{path} needs mending:\n{listed(problems)}")
    return sheet.reset_index(drop=True)


def _load(path: Path) -> Cells:
    try:
        return read_cells(path, ", ".join(COLUMNS))
    except FileNotFoundError:
        raise SheetError(
            f"{path} is not there. Write a first one from the file names with "
            f"`ionprint samples {path.parent} --pattern '...'` and correct it."
        ) from None


def _columns(cells: Cells) -> list[str]:
    got = ", ".join(map(plain, cells.titles[:MOST_TOLD])) + (
        ", ..." if len(cells.titles) > MOST_TOLD else ""
    )
    problems = [
        f"line {cells.line}: the column {c!r} is missing; got {got}"
        for c in COLUMNS
        if c not in cells.titles
    ]
    problems += [
        f"line {cells.line}: a column may not be called {shown(c)}; rename it"
        for c in cells.titles
        if reserved(c)
    ]
    if not problems and not cells.rows:
        problems.append(f"line {cells.line}: no rows below the header")
    return problems


def reserved(title: str) -> bool:
    """Return whether results have a column of this name."""
    return title == "source" or title.startswith("p_") or bool(PEAK.fullmatch(title))


def _rows(
    sheet: pd.DataFrame, lines: list[int], folder: Path, spectra: list[str] | None
) -> list[str]:
    problems = []
    first_line: dict[str, int] = {}
    known = None if spectra is None else set(spectra)
    for line, row in zip(lines, sheet.to_dict("records"), strict=True):
        file, name = row["file"], plain(row["file"])
        place, wrong = (file, "") if known is not None else _place(folder, file)
        if not file:
            problems.append(f"line {line}: no file is named")
        elif place in first_line:
            problems.append(
                f"line {line}: {name} stands on line {first_line[place]} already; "
                f"name each file once"
            )
        elif wrong:
            problems.append(f"line {line}: {name} {wrong}")
        elif known is not None and file not in known:
            problems.append(f"line {line}: the area table has no spectrum {shown(file)}")
        first_line.setdefault(place, line)
        if row["role"] not in ROLES:
            problems.append(
                f"line {line}: role is {shown(row['role'])}, expected one of {', '.join(ROLES)}"
            )
        elif row["role"] == "reference" and not row["compound"]:
            problems.append(f"line {line}: reference {name} has no compound; name what it is")
        if not row["sample"]:
            problems.append(
                f"line {line}: {name} has no sample; name the pellet or foil it was measured on"
            )
    return problems


def _place(folder: Path, file: str) -> tuple[str, str]:
    """Return where a file really is, however it is spelt, and what is wrong with it."""
    try:
        root, place = folder.resolve(), (folder / file).resolve()
        there = place.is_file()
    except (OSError, RuntimeError, ValueError):  # too long, links in a circle, no characters
        return file, "cannot be the name of a file"
    if Path(file).is_absolute():
        wrong = "is an absolute path; give the path below the folder of the sheet"
    elif not place.is_relative_to(root):
        wrong = f"leads out of {folder}, where nothing is watched for changes; copy the file there"
    else:
        wrong = "" if there else f"is not there in {folder}"
    return str(place), wrong


def _classes(sheet: pd.DataFrame, lines: list[int]) -> list[str]:
    problems = []
    references = sheet[sheet["role"] == "reference"]
    counts = references["compound"].value_counts()
    for compound, count in counts.items():
        if count == 1 and compound:
            line = lines[int(references.index[references["compound"] == compound][0])]
            problems.append(
                f"line {line}: compound {shown(compound)} has one reference spectrum; a class "
                f"needs at least two, better five. Is the name misspelt?"
            )
    if len([c for c in counts.index if c]) == 1:
        problems.append(
            f"all references are {shown(counts.index[0])}; expected two compounds or more"
        )
    if references.empty:
        problems.append("no row has the role reference: there is nothing to learn from")
    return problems


def _polarity(sheet: pd.DataFrame, lines: list[int], polarity: str) -> list[str]:
    if "polarity" not in sheet:
        return []
    at: dict[str, int] = {}
    for line, found in zip(lines, sheet["polarity"], strict=True):
        at.setdefault(found, line)
    if len(at) > 1:
        told = " and ".join(f"{shown(p)} (line {n})" for p, n in list(at.items())[:MOST_TOLD])
        return [f"two polarities in one set: {told}. Make a folder and sheet for each."]
    meant = {"n": "negative", "-": "negative", "p": "positive", "+": "positive"}
    if meant.get(found[:1].lower()) != polarity:
        return [
            f"line {at[found]}: polarity is {shown(found)}, dataset.polarity={polarity}. Correct "
            f"the one that is wrong: exact masses and calibrants depend on it."
        ]
    return []


def sheet_from_names(folder: str | Path, pattern: str) -> tuple[pd.DataFrame, list[str]]:
    """Write down what file names tell, for a person to correct.

    Parameters
    ----------
    folder : str or Path
        Searched with all folders below it.
    pattern : str
        The file name (or path below `folder`) with fields in braces, e.g.
        ``'{polarity}_{compound}_{primary_ion}_{spot}.txt'``. A trailing `.gz` is optional.

    Returns
    -------
    sheet : DataFrame
        One row a matching file. Where the pattern does not tell: role is reference, sample is the
        compound, spot counts up, expected is empty.
    others : list of str
        Files that do not match.

    Raises
    ------
    SheetError
        The folder is not there, the pattern has no usable field, or no file matches.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SheetError(f"{folder} is not a folder")
    match = _expression(pattern)
    rows, others = [], []
    try:
        paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SHEET)
    except OSError as exc:
        raise SheetError(f"{folder} cannot be searched ({exc})") from exc
    for path in paths:
        relative = path.relative_to(folder).as_posix()
        found = match.fullmatch(relative if "/" in pattern else path.name)
        if found and not _place(folder, relative)[1]:
            fields = {name: text.strip() for name, text in found.groupdict().items()}
            rows.append({"file": _writable(relative), **fields})
        else:
            others.append(relative.encode(errors="backslashreplace").decode())
    if not rows:
        told = f", e.g. {others[0]}" if others else ""
        raise SheetError(f"no file in {folder} matches {pattern!r}{told}")
    sheet = pd.DataFrame(rows, dtype=object)
    return _filled(sheet), others


def _expression(pattern: str) -> re.Pattern[str]:
    fields = re.findall(r"\{(\w*)\}", pattern)
    bad = [f for f in fields if not f.isidentifier()] + [f for f in fields if fields.count(f) > 1]
    if bad or not fields:
        raise SheetError(
            f"pattern {pattern!r}: expected fields in braces, each name once, e.g. "
            f"'{{polarity}}_{{compound}}_{{primary_ion}}_{{spot}}.txt'"
        )
    if "compound" not in fields and "sample" not in fields:
        raise SheetError(f"pattern {pattern!r}: expected a field {{compound}} or {{sample}}")
    for field in fields:
        if field == "file" or reserved(field):
            raise SheetError(f"pattern {pattern!r}: a field may not be called {{{field}}}")
    if re.search(r"\}\{\w+\}", pattern):
        raise SheetError(
            f"pattern {pattern!r}: nothing between two fields tells where one ends; put in what "
            f"stands there"
        )
    before, *parts = re.split(r"\{(\w+)\}", pattern)
    steps = [f"(?P<{f}>[^/]+?){re.escape(t)}" for f, t in zip(parts[::2], parts[1::2], strict=True)]
    # a field ends where what follows it first stands: tried again from there, a name of many such
    # places would take for ever
    steps = [*(f"(?>{step})" for step in steps[:-1]), steps[-1]]
    return re.compile(re.escape(before) + "".join(steps) + r"(\.gz)?")


def _writable(name: str) -> str:
    """Return a file's name if a sheet can hold it."""
    if name != name.strip() or "\r" in name or name != name.encode(errors="replace").decode():
        raise SheetError(
            f"{name!r} begins or ends with a space, or has characters that are no text: no sheet "
            f"can name it. Rename the file"
        )
    return name


def _filled(sheet: pd.DataFrame) -> pd.DataFrame:
    for column, source in (("compound", "sample"), ("sample", "compound")):
        if column not in sheet:
            sheet[column] = sheet[source]
    if "role" not in sheet:
        sheet["role"] = "reference"
    if "spot" not in sheet:
        sheet["spot"] = (sheet.groupby("sample").cumcount() + 1).astype(str)
    if "expected" not in sheet:
        sheet["expected"] = ""
    return sheet[[*COLUMNS, *(c for c in sheet if c not in COLUMNS)]]
