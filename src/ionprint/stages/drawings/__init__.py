"""Which figures are drawn of the result files: one module a topic, which is also their folder.

Each module has `plans`, functions that take the result files and the settings `figures` and yield
drawings, or raise `LeftOut` with the reason where a figure does not apply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Drawing(NamedTuple):
    """A figure, and what is said of it.

    Attributes
    ----------
    name : str
        File name without its ending.
    title : str
        Short heading.
    says : str
        What it shows, in a sentence or two for those who cannot see it.
    figure : matplotlib.figure.Figure
    """

    name: str
    title: str
    says: str
    figure: Figure


class LeftOut(Exception):
    """A figure does not apply to these results; its text is the sentence why."""
