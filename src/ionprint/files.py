"""How results are read and written: folders whole, the same bytes for the same results."""

import contextlib
import glob
import io
import json
import math
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ionprint.errors import DataError, MissingInputError

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None

MOST_UNPACKED = 1 << 30
"""Bytes that an archive may hold unpacked. Arrays of a model take 2 MB with 771 peaks and 60
references and grow in proportion to both: a hundred times either fits, and memory holds it."""


@contextlib.contextmanager
def fresh_folder(path: str | Path) -> Iterator[Path]:
    """Give a new folder that takes the place of `path` only when the block ends well.

    A stage that stops half-way leaves the earlier results as they were.

    Parameters
    ----------
    path : str or Path
        The folder to replace. Its parents are made.

    Yields
    ------
    Path
        An empty folder beside `path` to write into.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_debris(path)
    new = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        with _held(new):
            yield new
            new.chmod(0o755)
            if path.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
                with _held(old):
                    os.rename(path, old / path.name)
                    os.rename(new, path)
                    shutil.rmtree(old)
            else:
                os.rename(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder, so that others see that it is in use; a killed process lets go."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network disks know no such locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _clear_debris(path: Path) -> None:
    """Take away what killed commands left of their new folders beside `path`.

    A folder is left alone while a process holds it, and in the moment between its making and its
    being held.
    """
    if fcntl is None:
        return
    for left in path.parent.glob(f".{glob.escape(path.name)}-*"):
        with contextlib.suppress(OSError):
            if not left.is_dir() or time.time() - left.stat().st_mtime < MOMENT:
                continue
            handle = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (left / path.name).exists() and not path.exists():
                    os.rename(left / path.name, path)  # killed between its two moves
                shutil.rmtree(left)
            finally:
                os.close(handle)


MOMENT = 5.0
"""Seconds; making a folder and holding it takes a thousandth."""


def required(path: str | Path, stage: str) -> Path:
    """Return `path` if it is there, else say which stage writes it.

    Raises
    ------
    MissingInputError
        The file does not exist.
    """
    path = Path(path)
    if not path.exists():
        raise MissingInputError(
            f"{path} is not there: it is written by `ionprint {stage}`. "
            f"Run that first, or `dvc repro` for the whole pipeline."
        )
    return path


def write_table(frame: Any, path: Path, digits: dict[str, int] | int | None = None) -> None:
    """Write a DataFrame as CSV with LF line ends, rounded to what its numbers mean.

    Parameters
    ----------
    frame : pandas.DataFrame
    path : Path
    digits : dict of str to int, or int, optional
        Decimals per column, or for every float column.
    """
    frame = frame.copy()
    for column in frame.select_dtypes("floating").columns:
        places = digits.get(column) if isinstance(digits, dict) else digits
        if places is not None:
            # adding 0.0 turns -0.0 into 0.0
            frame[column] = frame[column].round(places) + 0.0
    path.write_text(csv_text(frame), encoding="utf-8", newline="")


COMMAND = re.compile(r"'*[=+@\t\r-]")
"""What a spreadsheet may take for a formula, or what was marked not to be one."""


def as_cell(value: Any) -> Any:
    """Return a value for a cell that a spreadsheet takes for text, whatever it begins with.

    Numbers stay; `of_cell` gives the text back.

    Examples
    --------
    >>> as_cell("=1+1"), as_cell("LiH"), as_cell(-1.5)
    ("'=1+1", 'LiH', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and COMMAND.match(value) else value


def of_cell(text: Any) -> Any:
    """Return the text of a cell that `as_cell` made."""
    marked = isinstance(text, str) and text[:1] == "'" and COMMAND.match(text)
    return text[1:] if marked else text


def csv_text(frame: Any) -> str:
    """Return a DataFrame as CSV with LF line ends, its texts as `as_cell` writes them."""
    frame = frame.copy()
    for column in frame.columns:
        if frame[column].dtype.kind not in "biufc":
            frame[column] = frame[column].map(as_cell)
    return frame.rename(columns=as_cell).to_csv(index=False, lineterminator="\n")


TEXTS = (
    *("compound", "ion", "sample", "role", "expected", "file", "spot", "source"),
    *("predicted", "used", "result", "folds", "kind", "candidates", "satellite_of"),
    *("family", "evidence", "lacking", "highest_in"),
    *("name", "finding", "accepted"),
    *("claim", "side", "strength", "alarm", "unexplained", "unit", "other", "text"),
)
"""Columns of result tables that hold text, whatever they look like."""
TEXT_PREFIX = "proof_"
"""Such columns, one a compound."""


def read_table(path: Path) -> Any:
    """Read a table of results: names and formulas as text, the rest as numbers.

    Empty cells are empty text or NaN; the ion NaN, of sodium nitride, stays a formula.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    columns = pd.read_csv(path, nrows=0).columns
    texts = {c for c in columns if c in TEXTS or c.startswith(TEXT_PREFIX)}
    frame = pd.read_csv(
        path,
        dtype=dict.fromkeys(texts, str),
        keep_default_na=False,
        na_values={c: ["", "nan"] for c in columns if c not in texts},
    )
    for column in frame.columns[frame.dtypes == "str"]:
        frame[column] = frame[column].map(of_cell, na_action="ignore")
    return frame.rename(columns=of_cell)


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(value: Any, path: Path) -> None:
    """Write JSON, indented, keys in the order given, with a newline at its end."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a new file that takes the place of `path` only when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_debris(path)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        with _held(Path(scratch)):
            yield Path(scratch) / path.name
        (Path(scratch) / path.name).replace(path)


def replace_json(value: Any, path: Path) -> None:
    """Write JSON beside other results; an earlier file stays until this one is whole."""
    with replaced(path) as new:
        write_json(value, new)


def write_yaml(value: Any, path: Path) -> None:
    """Write a plain mapping as YAML, keys in the order given, each value written out."""
    import yaml

    class WrittenOut(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    text = yaml.dump(value, Dumper=WrittenOut, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def read_yaml(source: Path | bytes) -> Any:
    """Read YAML of plain values, a file or its content.

    Raises
    ------
    yaml.YAMLError
        It is none, or refers to parts of itself: a few lines of that can stand for more values
        than memory holds.
    """
    import yaml

    content = source if isinstance(source, bytes) else source.read_bytes()
    return yaml.load(content.decode("utf-8"), Loader=_plain_loader())


@cache
def _plain_loader() -> Any:
    import yaml

    class Plain(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark
                raise yaml.composer.ComposerError(None, None, "refers to another part", mark)
            return super().compose_node(parent, index)

    return Plain


def write_arrays(arrays: Any, path: Path) -> None:
    """Write arrays by name, compressed; the same arrays give the same bytes."""
    import numpy as np

    np.savez_compressed(path, allow_pickle=False, **arrays)


def joined(parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Bring several sets of arrays together, each name behind that of its set: `votes/weights`."""
    return {f"{part}/{name}": value for part, own in parts.items() for name, value in own.items()}


def below(arrays: Any, part: str) -> dict[str, Any]:
    """Return one of the sets that `joined` brought together."""
    return {
        name.removeprefix(f"{part}/"): value
        for name, value in arrays.items()
        if name.startswith(f"{part}/")
    }


def read_arrays(source: Path | bytes, name: str = "") -> dict[str, Any]:
    """Read what `write_arrays` wrote; nothing in it can be more than numbers and text.

    Parameters
    ----------
    source : Path or bytes
        The file, or its content.
    name : str
        How to call it in messages; its path when left out.

    Raises
    ------
    DataError
        It is damaged, or larger than `MOST_UNPACKED` when unpacked.
    """
    from numpy.lib import format as npy

    name = name or str(source)
    content = source if isinstance(source, bytes) else source.read_bytes()
    found = {}
    for part, data in unpacked(content, name).items():
        if not part.endswith(NPY):
            raise DataError(f"{name}: holds {part!r}, expected arrays alone")
        try:
            refuse_unlike_header(data)
            found[part.removesuffix(NPY)] = npy.read_array(io.BytesIO(data), allow_pickle=False)
        except ValueError as exc:
            raise DataError(f"{name}: the array {part!r} is damaged ({exc})") from exc
    return found


NPY = ".npy"


def refuse_unlike_header(data: bytes) -> None:
    """Raise ValueError where an array's header promises other than the bytes that follow it.

    Room for what is promised would be made before the first number is read.
    """
    from numpy.lib import format as npy

    file = io.BytesIO(data)
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"of version {version}, expected 1.0 or 2.0")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, kind = read(file)
    if kind.hasobject or any(size < 0 for size in shape):
        raise ValueError(f"of shape {shape} and type {kind}, expected numbers or text")
    if (there := len(data) - file.tell()) != (said := math.prod(shape) * kind.itemsize):
        raise ValueError(f"{there:,} bytes of values, expected {said:,} for its shape {shape}")


def unpacked(content: bytes, name: str) -> dict[str, bytes]:
    """Return the files in a zip archive, by their names.

    Raises
    ------
    DataError
        It is damaged, holds a name twice, or is larger than `MOST_UNPACKED` when unpacked: sizes
        are added up before anything is, and no file yields more than it says.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = archive.infolist()
            if len({file.filename for file in files}) < len(files):
                raise DataError(f"{name}: the archive holds a name twice")
            if (size := sum(file.file_size for file in files)) > MOST_UNPACKED:
                raise DataError(
                    f"{name}: {size:,} bytes when unpacked, expected {MOST_UNPACKED:,} at most"
                )
            return {file.filename: archive.read(file) for file in files}
    except DataError:
        raise
    except Exception as exc:  # each way of packing has errors of its own
        raise DataError(f"{name}: the archive is damaged ({exc})") from exc
