"""The sample sheet: which spectrum is what."""

import csv
import io
import re
from pathlib import Path

import pandas as pd

from ionprint.errors import SheetError, listed

ROLES = ("reference", "mixture", "anode")
COLUMNS = ("file", "sample", "spot", "role", "compound", "expected")
SHEET = "samples.csv"


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
    sheet, lines = _load(path)
    problems = _columns(sheet)
    if not problems:
        problems = _rows(sheet, lines, Path(folder), spectra) + _classes(sheet, lines)
        problems += _polarity(sheet, lines, polarity)
    if problems:
        raise SheetError(f"{path} needs mending:\n{listed(problems)}")
    return sheet.reset_index(drop=True)


def _load(path: Path) -> tuple[pd.DataFrame, list[int]]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise SheetError(
            f"{path} is not there. Write a first one from the file names with "
            f"`ionprint samples {path.parent} --pattern '...'` and correct it."
        ) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    if not text.strip():
        raise SheetError(f"{path} is empty; expected a header row {', '.join(COLUMNS)}")
    header = text.lstrip().splitlines()[0]
    # spreadsheets of countries with a decimal comma write semicolons
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    titles: list[str] = []
    rows, lines, problems = [], [], []
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if not titles:
            titles = cells
        elif len(cells) != len(titles):
            problems.append(
                f"line {reader.line_num}: {len(cells)} cells, expected {len(titles)} as in the "
                f"header row"
            )
        else:
            rows.append(cells)
            lines.append(reader.line_num)
    doubled = sorted({t for t in titles if titles.count(t) > 1})
    if doubled:
        problems.append(f"line 1: column {doubled[0]!r} stands twice")
    if problems:
        raise SheetError(f"{path} needs mending:\n{listed(problems)}")
    return pd.DataFrame(rows, columns=titles, dtype=object), lines


def _columns(sheet: pd.DataFrame) -> list[str]:
    missing = [c for c in COLUMNS if c not in sheet]
    problems = [
        f"line 1: the column {c!r} is missing; got {', '.join(sheet.columns)}" for c in missing
    ]
    numeric = [c for c in sheet if re.fullmatch(r"\d+\.\d{4}", c)]
    reserved = [c for c in sheet if c in ("source",) or c.startswith("p_")]
    problems += [f"line 1: a column may not be called {c!r}; rename it" for c in numeric + reserved]
    if not problems and sheet.empty:
        problems.append("line 1: no rows below the header")
    return problems


def _rows(
    sheet: pd.DataFrame, lines: list[int], folder: Path, spectra: list[str] | None
) -> list[str]:
    problems = []
    first_line: dict[str, int] = {}
    for line, row in zip(lines, sheet.to_dict("records"), strict=True):
        file = row["file"]
        if not file:
            problems.append(f"line {line}: no file is named")
        elif file in first_line:
            problems.append(
                f"line {line}: {file} stands on line {first_line[file]} already; "
                f"name each file once"
            )
        elif spectra is None and not (folder / file).is_file():
            problems.append(f"line {line}: {file} is not there in {folder}")
        elif spectra is not None and file not in spectra:
            problems.append(f"line {line}: the area table has no spectrum {file!r}")
        first_line.setdefault(file, line)
        if row["role"] not in ROLES:
            problems.append(
                f"line {line}: role is {row['role']!r}, expected one of {', '.join(ROLES)}"
            )
        elif row["role"] == "reference" and not row["compound"]:
            problems.append(f"line {line}: reference {file} has no compound; name what it is")
        if not row["sample"]:
            problems.append(
                f"line {line}: {file} has no sample; name the pellet or foil it was measured on"
            )
    return problems


def _classes(sheet: pd.DataFrame, lines: list[int]) -> list[str]:
    problems = []
    references = sheet[sheet["role"] == "reference"]
    counts = references["compound"].value_counts()
    for compound, count in counts.items():
        if count == 1 and compound:
            line = lines[int(references.index[references["compound"] == compound][0])]
            problems.append(
                f"line {line}: compound {compound!r} has one reference spectrum; a class needs at "
                f"least two, better five. Is the name misspelt?"
            )
    if len([c for c in counts.index if c]) == 1:
        problems.append(f"all references are {counts.index[0]!r}; expected two compounds or more")
    if references.empty:
        problems.append("no row has the role reference: there is nothing to learn from")
    return problems


def _polarity(sheet: pd.DataFrame, lines: list[int], polarity: str) -> list[str]:
    if "polarity" not in sheet:
        return []
    found = sorted(sheet["polarity"].unique())
    at = {p: lines[int(sheet.index[sheet["polarity"] == p][0])] for p in found}
    if len(found) > 1:
        told = " and ".join(f"{p!r} (line {n})" for p, n in at.items())
        return [f"two polarities in one set: {told}. Make a folder and sheet for each."]
    meant = {"n": "negative", "-": "negative", "p": "positive", "+": "positive"}
    if meant.get(found[0][:1].lower()) != polarity:
        return [
            f"line {at[found[0]]}: polarity is {found[0]!r}, dataset.polarity={polarity}. Correct "
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
    fields = re.findall(r"\{(\w*)\}", pattern)
    bad = [f for f in fields if not f.isidentifier()] + [f for f in fields if fields.count(f) > 1]
    if bad or not fields:
        raise SheetError(
            f"pattern {pattern!r}: expected fields in braces, each name once, e.g. "
            f"'{{polarity}}_{{compound}}_{{primary_ion}}_{{spot}}.txt'"
        )
    if "compound" not in fields and "sample" not in fields:
        raise SheetError(f"pattern {pattern!r}: expected a field {{compound}} or {{sample}}")
    parts = re.split(r"(\{\w+\})", pattern)
    expression = "".join(f"(?P<{p[1:-1]}>[^/]+?)" if p[:1] == "{" else re.escape(p) for p in parts)
    match = re.compile(expression + r"(\.gz)?")
    rows, others = [], []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SHEET):
        relative = path.relative_to(folder).as_posix()
        found = match.fullmatch(relative if "/" in pattern else path.name)
        if found:
            rows.append({"file": relative, **found.groupdict()})
        else:
            others.append(relative)
    if not rows:
        shown = f", e.g. {others[0]}" if others else ""
        raise SheetError(f"no file in {folder} matches {pattern!r}{shown}")
    sheet = pd.DataFrame(rows, dtype=object)
    return _filled(sheet), others


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
