"""How results are read and written: folders whole, the same bytes for the same results."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ionprint.errors import MissingInputError


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
    new = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield new
        new.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
            os.rename(path, old / path.name)
            os.rename(new, path)
            shutil.rmtree(old)
        else:
            os.rename(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


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
    frame.to_csv(path, index=False, lineterminator="\n")


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
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(texts, str),
        keep_default_na=False,
        na_values={c: ["", "nan"] for c in columns if c not in texts},
    )


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
    with tempfile.TemporaryDirectory(prefix=f".{path.stem}-", dir=path.parent) as scratch:
        yield Path(scratch) / path.name
        (Path(scratch) / path.name).replace(path)


def replace_json(value: Any, path: Path) -> None:
    """Write JSON beside other results; an earlier file stays until this one is whole."""
    with replaced(path) as new:
        write_json(value, new)


def write_yaml(value: Any, path: Path) -> None:
    """Write a plain mapping as YAML, keys in the order given."""
    import yaml

    path.write_text(
        yaml.safe_dump(value, sort_keys=False, allow_unicode=True), encoding="utf-8", newline="\n"
    )


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values."""
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


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


def read_arrays(path: Path) -> dict[str, Any]:
    """Read what `write_arrays` wrote; nothing in the file can be more than numbers and text."""
    import numpy as np

    # numpy leaves open what it cannot read
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)
