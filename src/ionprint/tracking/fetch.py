"""Models by their address: a folder, or a version in the registry."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.errors import ModelFileError, TrackingError
from ionprint.models.sealing import Sealed, sealed

if TYPE_CHECKING:
    from ionprint.serving.model import Model

REGISTERED, SQLITE = "models:/", "sqlite:///"
ID = "ionprint.model"
"""Tag of a version: the id of the model it was registered with."""
META = "registered_model_meta"
"""The file in which MLflow says which version a folder that it fetched is of."""
ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


def load(uri: str | Path) -> "Model":
    """Load a model.

    Parameters
    ----------
    uri : str or Path
        The folder that `ionprint train` wrote (``outputs/model``), or a registered version:
        ``models:/ionprint-lithium@champion``, ``models:/ionprint-lithium/3``. For the latter the
        registry is that of MLFLOW_TRACKING_URI, else that of the project around the working
        directory.

    Returns
    -------
    Model
        Its `predict` reads spectra.

    Raises
    ------
    ModelFileError
        There is no such model, or it is not what was registered.
    TrackingError
        The registry cannot be used.

    Examples
    --------
    >>> import ionprint
    >>> model = ionprint.load("models:/ionprint-lithium@champion")  # doctest: +SKIP
    >>> spectrum = "data/spectra/neg_Li2CO3_p1_s1.txt.gz"  # simulated
    >>> model.predict(spectrum)[0]["holds"]  # doctest: +SKIP
    'Li2CO3 1.00 [0.97, 1.00]'
    """
    from ionprint.serving.model import Model

    if not str(uri).startswith(REGISTERED):
        return Model.of_folder(Path(uri).expanduser())
    with _registry() as (registry, place):
        return _registered(str(uri), registry, place)


def fetched(folder: Path) -> "Model":
    """Load the model in a folder that MLflow fetched, which may say which version it is."""
    from ionprint.files import read_yaml
    from ionprint.serving.model import Model

    for place in list(folder.parents)[:3]:
        if (place / META).is_file():
            meta = read_yaml(place / META)
            return Model.of_folder(folder, meta.get("model_name"), str(meta.get("model_version")))
    return Model.of_folder(folder)


@contextlib.contextmanager
def _registry() -> Iterator[tuple[str, Path]]:
    """Find the registry, and tell what fails in it.

    Yields
    ------
    uri : str
        Its address, whole: MLflow keeps what it has opened by its address, and a relative one would
        be that of another project when a process goes from one to the other.
    place : Path
        Where its files are addressed from.
    """
    from ionprint.config import project_root
    from ionprint.tracking.store import quiet_mlflow, tracking_uri, usable_store

    place = Path.cwd() if os.environ.get("MLFLOW_TRACKING_URI") else project_root()
    uri = tracking_uri()
    if uri.startswith(SQLITE):
        path = place / uri.removeprefix(SQLITE)
        if not path.exists():
            raise TrackingError(
                f"no registry at {path}; `make run` makes one, or name another by "
                f"MLFLOW_TRACKING_URI"
            )
        uri = f"{SQLITE}{_plain_path(path).as_posix()}"
    quiet_mlflow()
    with usable_store():
        yield uri, place


def _plain_path(path: Path) -> Path:
    """Return a way to a file that an address can hold: `?`, `%` and `#` mean something there.

    A link in a folder of its own leads to the folder, for as long as this process lasts.
    """
    if PLAIN.fullmatch(path.as_posix()):
        return path
    if path.parent not in _LINKS:
        scratch = tempfile.TemporaryDirectory(prefix="ionprint-")
        (Path(scratch.name) / "store").symlink_to(path.parent, target_is_directory=True)
        _LINKS[path.parent] = scratch
    return Path(_LINKS[path.parent].name) / "store" / path.name


PLAIN = re.compile(r"[\w/:.,+=@ ()-]+")
_LINKS: dict[Path, tempfile.TemporaryDirectory] = {}


def _registered(uri: str, registry: str, place: Path) -> "Model":
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    from ionprint.serving.model import Model

    address = ADDRESS.fullmatch(uri)
    if not address:
        raise ModelFileError(
            f"{uri}: expected models:/NAME@ALIAS or models:/NAME/VERSION, such as "
            f"models:/ionprint-lithium@champion"
        )
    name, client = address["name"], MlflowClient(registry, registry)
    try:
        version = (
            client.get_model_version_by_alias(name, address["alias"])
            if address["alias"]
            else client.get_model_version(name, address["version"])
        )
    except MlflowException as exc:
        known = sorted(model.name for model in client.search_registered_models())
        raise ModelFileError(
            f"{uri}: {str(exc).splitlines()[0]}. Registered are: {', '.join(known) or 'none'}. "
            f"`ionprint track` registers a model, `ionprint promote` makes it champion"
        ) from exc
    with folder_of(version, registry, place) as folder:
        return Model.of_folder(folder, name, str(version.version), version.tags.get(ID, ""))


def files_of(version: Any) -> Sealed:
    """Return the files of a version's model in this project's store, as they were registered.

    Parameters
    ----------
    version : mlflow.entities.model_registry.ModelVersion

    Raises
    ------
    ModelFileError
        They are not what was registered.
    TrackingError
        They cannot be fetched.
    """
    from ionprint.tracking.store import tracking_uri

    with folder_of(version, tracking_uri(), Path()) as folder:
        return sealed(folder, version.tags.get(ID, ""))


@contextlib.contextmanager
def folder_of(version: Any, registry: str, place: Path) -> Iterator[Path]:
    """Give the folder of a version's model, fetched where it does not lie on this disk.

    Nothing in it is to be used before its seal was found to be the one that was registered:
    ``sealed(folder, version.tags.get(ID, ""))``.

    Parameters
    ----------
    version : mlflow.entities.model_registry.ModelVersion
    registry : str
        Its address.
    place : Path
        Where its files are addressed from.

    Raises
    ------
    TrackingError
        The files cannot be fetched.
    """
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    lies = MlflowClient(registry, registry).get_model_version_download_uri(
        version.name, version.version
    )
    with tempfile.TemporaryDirectory(prefix="ionprint-") as scratch:
        folder = place / lies
        if not folder.is_dir():
            try:
                folder = Path(download_artifacts(lies, dst_path=scratch, tracking_uri=registry))
            except (MlflowException, OSError) as exc:
                reason = str(exc).strip().splitlines()[0]
                raise TrackingError(
                    f"the files of version {version.version} of {version.name} cannot be fetched: "
                    f"{reason}"
                ) from exc
        yield folder / "artifacts" / "model"
