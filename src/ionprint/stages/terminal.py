"""What commands say: short tables on standard output, and all of it in a log."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ionprint.errors import masked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDTH = 100  # columns, where there is no terminal to ask
LOG = Path("logs") / "ionprint.log"  # in the project's folder
LOG_BYTES = 1_000_000  # then an older log makes room for a new one
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_logger = logging.getLogger("ionprint")


def console(stderr: bool = False) -> Console:
    """Return a console on standard output, as wide as the terminal, or `WIDTH` where it is none.

    Parameters
    ----------
    stderr : bool, optional
        On standard error instead.
    """
    from rich.console import Console

    width = None if (sys.stderr if stderr else sys.stdout).isatty() else WIDTH
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def summary(title: str, rows: Iterable[tuple[str, object]]) -> None:
    """Print a short table of results: words and values.

    Parameters
    ----------
    title : str
        What it is of; says whether the data are simulated or measured.
    rows : iterable of (str, object)
        Rows whose value is empty or None are left out.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for word, value in rows:
        if value not in (None, ""):
            table.add_row(word, Text(str(value)))
    out = console()
    out.print(Text(title, "bold"))
    out.print(table)


def new_table() -> Table:
    """Return a table without columns, in the one look of all tables with headings."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def print_table(
    title: str,
    headings: Iterable[str],
    rows: Iterable[Sequence[str | Text]],
    right: Collection[str] = (),
) -> None:
    """Print a table of results with headings; cells without room are folded, never cut off.

    Parameters
    ----------
    title : str
        What it is of; says whether the data are simulated or measured.
    headings : iterable of str
    rows : iterable of sequence
        Cells, one a column.
    right : collection of str, optional
        Headings of the columns that stand to the right, as numbers do.
    """
    from rich.text import Text

    table = new_table()
    out = console()
    for heading in headings:
        number = heading in right
        table.add_column(
            heading,
            justify="right" if number else "left",
            overflow="fold",
            no_wrap=number and out.width >= WIDTH,  # where there is room, words make it
        )
    for row in rows:
        table.add_row(*row)
    out.print(Text(title, "bold"))
    out.print(table)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Print nothing on standard output inside the block, and draw no bars."""
    from ionprint.stages.progress import silence

    with (
        silence(),
        Path(os.devnull).open("w", encoding=sys.stdout.encoding) as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        yield


@contextlib.contextmanager
def logged(path: Path, command: str) -> Iterator[None]:
    """Write what the block prints, and its error, to a log as well.

    Parameters
    ----------
    path : Path
        Of the log; its folder is made if it is not there.
    command : str
        Begins the entry.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", delay=True
    )
    handler.setFormatter(_Masked("%(asctime)s %(levelname)-7s %(message)s"))
    _logger.addHandler(handler)
    _logger.setLevel(logging.INFO)
    _logger.propagate = False
    _logger.info("$ %s", command)
    both = _Both(sys.stdout)
    try:
        with contextlib.redirect_stdout(both):
            yield
    except BaseException as error:
        both.flush_log()
        _logger.error("%s: %s", type(error).__name__, error)
        raise
    finally:
        both.flush_log()
        _logger.removeHandler(handler)
        handler.close()


class _Masked(logging.Formatter):
    """Write records without the passwords of addresses in them."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


class _Both(io.TextIOBase):
    """A stream that passes text on, and writes its whole lines to the log."""

    def __init__(self, shown: TextIO) -> None:
        self._shown, self._rest = shown, ""

    @property
    def encoding(self) -> str | None:
        return self._shown.encoding

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._shown.isatty()

    def fileno(self) -> int:
        return self._shown.fileno()

    def write(self, text: str) -> int:
        self._shown.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            _log(line)
        return len(text)

    def flush(self) -> None:
        self._shown.flush()

    def flush_log(self) -> None:
        """Write what has not ended with a line break."""
        rest, self._rest = self._rest, ""
        _log(rest)


def _log(line: str) -> None:
    if line.strip() and _logger.handlers:
        _logger.info(_COLOUR.sub("", line).rstrip())
