"""The seal on a model's folder: files that are not what was saved are not read."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ionprint.errors import ModelFileError, UnsoundError
from ionprint.files import MOST_UNPACKED, read_yaml

SUMS = "SHA256SUMS"
"""What all files of a model's folder are checked by, as `sha256sum -c` does."""
LINE = re.compile(r"([0-9a-f]{64})  (\S[^/\\]*)")
MOST_LINES = 100
"""Files of a model's folder; there are seven."""
ABOUT = "model.yaml"
"""What a model says of itself."""
LONGEST = 500
"""Letters of a reason: readers of damaged files may quote all of them."""
SHORT = 12
"""Letters of an id that people see; whether it is the registered one is told by all 64."""


@dataclass(frozen=True)
class Sealed:
    """The files of a model's folder as they were when the seal was checked.

    What was checked is what is used: no file is read a second time.

    Attributes
    ----------
    folder : Path
    files : dict of str to bytes
        By name.
    id : str
        A hash of all of them.
    """

    folder: Path
    files: dict[str, bytes] = field(repr=False)
    id: str

    def __getitem__(self, name: str) -> bytes:
        """Return what a file holds.

        Raises
        ------
        ModelFileError
            The model has none of that name.
        """
        if name not in self.files:
            raise ModelFileError(
                f"{self.folder / name} is not there; train the model with `ionprint train`"
            )
        return self.files[name]

    def __contains__(self, name: str) -> bool:
        """Tell whether the model has a file of that name."""
        return name in self.files


def seal(folder: Path) -> None:
    """Write down what every file of a folder holds."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    sums = "".join(f"{_sha256(path.read_bytes())}  {path.name}\n" for path in files)
    (folder / SUMS).write_text(sums, encoding="utf-8", newline="\n")


def sealed(folder: str | Path, registered: str | None = None) -> Sealed:
    """Read the files of a model's folder, each as it was saved.

    The seal proves that the files belong together and are whole. Who can write the folder can write
    a new seal too: that these are the files that were registered only the id tells.

    Parameters
    ----------
    folder : str or Path
    registered : str, optional
        The id that the model must have; it is compared before any file but the seal is read.

    Raises
    ------
    ModelFileError
        A file is missing, was changed or added since, or the id is another.
    """
    folder = Path(folder)
    sums, content = _sums(folder)
    found = _sha256(content)
    if registered is not None and found != registered:
        if found.startswith(registered or " "):
            raise ModelFileError(
                f"{folder}: registered by an earlier version of ionprint, which kept too short an "
                f"id to tell whether its files were changed. Train and track it again"
            )
        raise ModelFileError(
            f"{folder}: the files have the id {found[:SHORT]}, registered was "
            f"{registered[:SHORT] or 'none'}; they were changed since and are not loaded. Train "
            f"and track it again"
        )
    added = sorted({path.name for path in folder.iterdir()} - {*sums, SUMS})
    if added:
        raise ModelFileError(
            f"{folder / added[0]} is not named in {SUMS}: it was added since the model was saved, "
            f"so the model is not loaded. Take the file away, or train again"
        )
    missing = [name for name in sums if not (folder / name).is_file()]
    if missing:
        raise ModelFileError(
            f"{folder / missing[0]} is not there, but {SUMS} names it; train it again"
        )
    if (size := sum((folder / name).stat().st_size for name in sums)) > MOST_UNPACKED:
        raise ModelFileError(f"{folder}: {size:,} bytes, expected {MOST_UNPACKED:,} at most")
    files = {name: (folder / name).read_bytes() for name in sums}
    for name, held in files.items():
        if _sha256(held) != sums[name]:
            raise ModelFileError(
                f"{folder / name} is not what was saved: its hash is another than in {SUMS}, so it "
                f"is not loaded. Take the model from where it came from again, or train it again"
            )
    return Sealed(folder, files, found)


def _sums(folder: Path) -> tuple[dict[str, str], bytes]:
    """Return the hash that each file should have, and the seal itself."""
    try:
        with (folder / SUMS).open("rb") as file:
            content = file.read(MOST_LINES << 10)
    except OSError as exc:
        raise ModelFileError(
            f"{folder} holds no model: {SUMS} is not there; train with `ionprint train`"
        ) from exc
    lines = content.decode("utf-8", errors="replace").splitlines()
    found = [LINE.fullmatch(line) for line in lines[: MOST_LINES + 1]]
    sums = {line[2]: line[1] for line in found if line}
    if not lines or len(sums) != len(lines) or SUMS in sums:
        raise ModelFileError(
            f"{folder / SUMS} is damaged: expected a line for each file of the folder, a hash and "
            f"a name, each once; train it again"
        )
    return sums, content


def damaged(files: Sealed, exc: Exception) -> ModelFileError:
    """Return the error for a model whose files say what cannot be."""
    told = str(exc)[:LONGEST]
    return ModelFileError(f"{files.folder}: the model is damaged ({told}); train it again")


def about_of(files: Sealed) -> dict[str, Any]:
    """Return what a model says of itself, with its kinds of values checked.

    Raises
    ------
    ModelFileError
        It is damaged, lacks what every model has, or another minor version of scikit-learn is here.
    """
    try:
        about = read_yaml(files[ABOUT])
        if not isinstance(about, dict):
            raise ModelFileError(f"{files.folder} holds no ionprint model; train it again")
        versions, classes = about["versions"], about["classes"]
        for name, value, kind in (
            ("versions", versions, dict),
            ("classes", classes, list),
            ("dose_column", about.get("dose_column", ""), str),
            *((f"versions: {key}", text, str) for key, text in versions.items()),
            *(("classes", text, str) for text in classes),
        ):
            if not isinstance(value, kind):
                raise UnsoundError(f"{ABOUT}: {name} is {str(value)[:60]!r}")
        if len(set(classes)) < max(len(classes), 2):
            raise UnsoundError(f"{ABOUT}: classes are {classes}, expected two or more, each once")
    except ModelFileError:
        raise
    except Exception as exc:
        raise damaged(files, exc) from exc
    refuse_other_versions(about, files.folder)
    return about


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


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
