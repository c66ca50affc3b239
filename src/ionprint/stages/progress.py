"""One look for all progress bars."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


@contextlib.contextmanager
def counter(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Draw a progress bar on standard error; nothing where that is not a terminal.

    Yields
    ------
    callable
        To be called once for each step done.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """Go through `items` under a progress bar."""
    with counter(len(items), what) as advance:
        for item in items:
            yield item
            advance()
