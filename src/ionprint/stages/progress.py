"""One look for all progress bars."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
_silent = False


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Draw no bars inside the block, whose caller draws one of its own."""
    global _silent
    before, _silent = _silent, True
    try:
        yield
    finally:
        _silent = before


def silent() -> bool:
    """Whether bars are not to be drawn now."""
    return _silent


@contextlib.contextmanager
def counter(total: int, what: str) -> Iterator[Callable[..., None]]:
    """Draw a progress bar on standard error; nothing where that is not a terminal.

    Yields
    ------
    callable
        To be called once for each step done, with a new text if what runs has changed.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from ionprint.stages.terminal import console

    out = console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=out, disable=_silent or not out.is_terminal, transient=True
    ) as bar:
        task = bar.add_task(what, total=total)

        def step(text: str | None = None) -> None:
            bar.update(task, advance=1, description=text)

        yield step


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """Go through `items` under a progress bar."""
    with counter(len(items), what) as advance:
        for item in items:
            yield item
            advance()
