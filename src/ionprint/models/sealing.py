"""The seal on a model's folder: files that are not what was saved are not read."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ionprint.errors import ModelFileError

SUMS = "SHA256SUMS"
"""What all files of a model's folder are checked by, as `sha256sum -c` does."""


def seal(folder: Path) -> None:
    """Write down what every file of a folder holds."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    sums = "".join(f"{_sha256(path)}  {path.name}\n" for path in files)
    (folder / SUMS).write_text(sums, encoding="utf-8", newline="\n")


def sealed(folder: str | Path) -> tuple[dict[str, Path], str]:
    """Return the files of a model's folder, each as it was saved, and the model's id.

    Returns
    -------
    files : dict of str to Path
        By name.
    id : str
        Hash of all of them.

    Raises
    ------
    ModelFileError
        A file is missing or has been changed.
    """
    folder = Path(folder)
    try:
        content = (folder / SUMS).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise ModelFileError(
            f"{folder} holds no model: {SUMS} is not there; train with `ionprint train`"
        ) from exc
    files = {}
    for line in content.splitlines():
        expected, _, name = line.partition("  ")
        path = files[name] = folder / name
        if Path(name).name != name or not path.is_file():
            raise ModelFileError(f"{path} is not there, but {SUMS} names it; train it again")
        if _sha256(path) != expected:
            raise ModelFileError(
                f"{path} is not what was saved: its hash is another than in {SUMS}, so it is not "
                f"loaded. Take the model from where it came from again, or train it again"
            )
    return files, hashlib.sha256(content.encode()).hexdigest()


def refuse_other_versions(about: Mapping[str, Any], folder: str | Path) -> None:
    """Refuse a model that another minor version of scikit-learn saved.

    Raises
    ------
    ModelFileError
        With both versions and the ways out.
    """
    saved, here = about["versions"]["scikit-learn"], version("scikit-learn")
    if saved.split(".")[:2] != here.split(".")[:2]:
        raise ModelFileError(
            f"{folder}: saved with scikit-learn {saved}, here is {here}; models are only sure to "
            f"answer alike within one minor version. Install that one (pip install "
            f"scikit-learn=={saved}), or train again (`dvc repro`)"
        )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
