"""One self-contained HTML page: styles, scripts, pictures and numbers are in it."""

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ionprint.figures.formula import unicode_text
from ionprint.figures.style import compound_looks
from ionprint.report.sentences import Finding

if TYPE_CHECKING:
    from jinja2 import Environment

WIDTH = 1600
"""Pixels of a picture at most: 230 dpi on a page."""
QUALITY = 88
"""Of WebP, at which letters stay sharp."""


@dataclass
class Picture:
    """A figure on the page.

    Attributes
    ----------
    topic, name, title : str
    says : str
        Its text alternative.
    path : Path
        The PNG.
    """

    topic: str
    name: str
    title: str
    says: str
    path: Path

    def shrunk(self) -> tuple[str, int, int]:
        """Return the picture as a data URI, no wider than `WIDTH`, and its width and height."""
        from PIL import Image

        with Image.open(self.path) as image:
            small = image.convert("RGB")
            small.thumbnail((WIDTH, 4 * WIDTH), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "webp", quality=QUALITY, method=4)
        data = base64.b64encode(buffer.getvalue()).decode()
        return f"data:image/webp;base64,{data}", *small.size


@dataclass
class Page:
    """What a report tells; the template lays it out.

    Attributes
    ----------
    name, source, polarity : str
        Of the data set; source is simulated or measured.
    compounds : list of str
        Of the model.
    measured : list of (str, str)
        What was measured: words and values.
    roles : DataFrame
        role, compound or sample, spectra, and conditions, a row each.
    findings : list of Finding
    proof : DataFrame or None
        From `sentences.proof`.
    ranking : DataFrame or None
        The first ion families of each compound.
    metrics : dict
        The scores.
    checks : DataFrame or None
    pictures : list of Picture
    left_out : list of str
        Why other figures were not drawn.
    charts : dict
        What the page draws itself, see `charts`.
    settings : list of (str, str)
        Choices and versions that repeat the results.
    config : str
        The composed configuration.
    """

    name: str
    source: str
    polarity: str
    compounds: list[str]
    measured: list[tuple[str, str]]
    roles: pd.DataFrame
    findings: list[Finding]
    proof: pd.DataFrame | None
    ranking: pd.DataFrame | None
    metrics: dict[str, Any]
    checks: pd.DataFrame | None
    pictures: list[Picture]
    left_out: list[str]
    charts: dict[str, Any]
    settings: list[tuple[str, str]]
    config: str
    looks: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.looks = compound_looks(self.compounds)

    @property
    def simulated(self) -> bool:
        """Whether any of the spectra is simulated."""
        return self.source == "simulated"

    @property
    def charge(self) -> str:
        """The sign of the ions."""
        return "-" if self.polarity == "negative" else "+"

    def of_topic(self, *topics: str) -> list[Picture]:
        """Return the pictures of some topics, in the order they were drawn."""
        return [picture for picture in self.pictures if picture.topic in topics]


def templates() -> "Environment":
    """Return the environment of the templates beside this module; values are escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("ionprint.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(page: Page) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    page : Page
    """
    from plotly.offline import get_plotlyjs

    environment = templates()
    environment.filters |= {"formula": unicode_text, "records": _records}
    here = resources.files("ionprint.report")
    read: Callable[[str], str] = lambda name: (here / name).read_text(encoding="utf-8")  # noqa: E731
    return environment.get_template("report.html").render(
        page=page,
        style=read("report.css"),
        script=read("report.js"),
        plotly=get_plotlyjs() if page.charts else "",
        charts=script_text(page.charts),
    )


def script_text(data: Any) -> str:
    """Return JSON that cannot end, or open, the element it stands in."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.to_dict("records")
