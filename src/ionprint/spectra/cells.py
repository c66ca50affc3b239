"""The cells of a small table as spreadsheets and people write it, each row with its line."""

import codecs
import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ionprint.errors import SheetError, listed
from ionprint.files import of_cell

MOST_COLUMNS = 16_384
"""Of a spreadsheet (Excel); more are no sheet."""
MOST_BYTES = 1 << 27
"""A million rows of a hundred letters, which is what a spreadsheet holds."""
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""What a text may begin with, and its encoding. The mark of UTF-32 begins with that of UTF-16."""


@dataclass(frozen=True)
class Cells:
    """A table of texts.

    Attributes
    ----------
    titles : list of str
        Each once, none empty.
    rows : list of list of str
        As many cells each as there are titles.
    line : int
        Of the titles; the first of a file is 1.
    lines : list of int
        On which each row begins.
    """

    titles: list[str]
    rows: list[list[str]]
    line: int
    lines: list[int]


def read_cells(path: Path, expected: str) -> Cells:
    """Read a table with commas, semicolons or tabs between cells.

    Any line ends; UTF-8, UTF-16 or UTF-32, else the Windows code page 1252. Empty rows, and columns
    without title and cells, are left out.

    Parameters
    ----------
    path : Path
    expected : str
        What its header row should be, for messages.

    Raises
    ------
    SheetError
        It cannot be read, or is no table; with all such problems, each with its line.
    FileNotFoundError
        It is not there.
    """
    text = _text(path)
    head = next((r for r in text.split("\n") if r.strip(' \t;,"')), None)
    if head is None:
        raise SheetError(f"{path} is empty; expected a header row {expected}")
    # spreadsheets of countries with a decimal comma write semicolons
    separator = max(",;\t", key=head.count)
    found = _split(text, separator, path)
    line, titles = found[0]
    while titles and not titles[-1]:
        titles.pop()
    if len(titles) > MOST_COLUMNS:
        raise SheetError(
            f"{path}, line {line}: {len(titles):,} columns, more than a spreadsheet has; expected "
            f"a header row {expected}"
        )
    rows, lines, problems = [], [], []
    for at, row in found[1:]:
        while len(row) > len(titles) and not row[-1]:
            row.pop()
        if len(row) == len(titles):
            rows.append(row)
            lines.append(at)
        else:
            problems.append(
                f"line {at}: {len(row)} cells, expected {len(titles)} as in the header row"
            )
    doubled = [title for title, n in Counter(titles).items() if n > 1 and title]
    problems += [f"line {line}: column {shown(title)} stands twice" for title in doubled]
    keep = [i for i, title in enumerate(titles) if title or any(row[i] for row in rows)]
    problems += [
        f"line {line}: column {i + 1} has cells, but no title" for i in keep if not titles[i]
    ]
    if problems:
        raise SheetError(f"{path} needs mending:\n{listed(problems)}")
    titles, *rows = ([row[i] for i in keep] for row in (titles, *rows))
    return Cells(titles, rows, line, lines)


def shown(text: str) -> str:
    """Return a cell's text for a message: on one line, and not all of a long one."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


def plain(text: str) -> str:
    """Return a name for a message: as it is, if it is short and can be printed."""
    return text if len(text) <= 120 and text.isprintable() else shown(text)


def _text(path: Path) -> str:
    """Return a file's text with LF line ends."""
    try:
        if path.exists() and not path.is_file():
            raise SheetError(f"{path} is no file; expected a table of text")
        if path.stat().st_size > MOST_BYTES:
            raise SheetError(f"{path} has more than {MOST_BYTES:,} bytes; expected a table of text")
        raw = path.read_bytes()
    except (FileNotFoundError, SheetError):
        raise
    except (OSError, ValueError) as exc:
        raise SheetError(f"{path} cannot be read ({exc})") from exc
    encoding = next((name for mark, name in MARKS.items() if raw.startswith(mark)), None)
    if encoding is None:
        # of UTF-16 in the letters of most of Europe every other byte is 0
        nulls = [raw[at::2].count(0) for at in (0, 1)]
        encoding = "utf-16-be" if nulls[0] > nulls[1] else "utf-16-le"
        encoding = encoding if 4 * max(nulls) > len(raw) else "utf-8"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as exc:
        if not encoding.startswith("utf-8"):
            raise SheetError(
                f"{path} is no whole {encoding.upper()} text ({exc.reason} at byte {exc.start}); "
                f"save it as UTF-8"
            ) from exc
        text = raw.decode("cp1252", errors="replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SheetError(f"{path}, line {line}: a NUL character, so no text; save it as UTF-8")
    return text


def _split(text: str, separator: str, path: Path) -> list[tuple[int, list[str]]]:
    """Return each row that is not empty with the line on which it begins."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    found, line = [], 1
    try:
        for row in reader:
            cells = [of_cell(cell.strip()) for cell in row]
            if any(cells):
                found.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as exc:
        raise SheetError(
            f"{path}, line {line}: cannot be split into cells ({exc}). A cell that begins with a "
            f"quotation mark ends with one, and holds 131,072 characters at most"
        ) from exc
    return found
