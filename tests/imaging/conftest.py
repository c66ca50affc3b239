"""Small simulated images with a model to read them, made once for all tests."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ionprint.cluster import Where, pool
from ionprint.imaging.columns import on_peaks
from ionprint.imaging.image import Image, open_image
from ionprint.imaging.maps import Job, Settings, total_of
from ionprint.stages.maps import read_missing

from ..conftest import make_project, run_in

SMALL = ["image.size=48", "image.scans=4", "image.tile=[4,12,12]", "image.ions=250"]
SMALL += ["image.islands.spacing=20", "image.islands.radius=[5,8]", "image.islands.edge=1"]
SMALL += ["image.cover.spacing=30", "image.cracks.spacing=24", "image.cracks.width=3"]
"""16 tiles with islands of both compounds, and cracks."""
BLOCKS = 16
ONE = Where(workers=1)


@dataclass(frozen=True, eq=False, kw_only=True)
class InMemory(Image):
    """An image without a file."""

    counts: np.ndarray

    @classmethod
    def open(cls, path):
        raise NotImplementedError

    def read(self, scans, rows, columns):
        piece = self.counts[scans, rows, columns]
        return piece.reshape(-1, piece.shape[-1])


def in_memory(counts, mz, kind="peaks", **more):
    shape = counts.shape[:3]
    where = {"path": Path("image.zarr"), "shape": shape, "tile": shape, "source": "simulated"}
    return InMemory(counts=counts, mz=np.asarray(mz, float), kind=kind, **where, **more)


@pytest.fixture(scope="session", name="in_memory")
def in_memory_fixture():
    """Make an image of counts, shape (scans, rows, columns, peaks)."""
    return in_memory


@pytest.fixture(scope="session")
def model_folder(finished):
    return finished / "outputs/model"


@pytest.fixture(scope="session")
def lithium(model_folder):
    """A model of the simulated references."""
    from ionprint.tracking.fetch import load

    return load(model_folder)


@pytest.fixture(scope="session")
def images(made_once, model_folder):
    """Return a folder with small.zarr, of single ions, and peaks.zarr, of the model's peaks."""

    def fill(root):
        peaks = ["image.name=peaks", "image.kind=peaks", f"image.model={model_folder}"]
        commands = ["image.name=small"], peaks
        run_in(make_project(root), *(["image", *SMALL, *own] for own in commands))

    return made_once("images", fill) / "outputs/images"


def read_image(path, model, store, where=ONE, **changes):
    """Read an image into a store as `ionprint maps` does; return what was wrong."""
    image = open_image(path)
    least = model.reader.pixels.least_counts
    known = {"bin": 1, "scans": None, "smooth": 0.0, "least_counts": least} | changes
    with pool(where) as workers:
        total = None
        if image.kind == "spectra":
            sums = workers.run(total_of, image, image.tiles())
            total = sum(one for one in sums if isinstance(one, np.ndarray))
        columns = on_peaks(image, model, total)
        return read_missing(Job(image, model, columns, Settings(**known), store), workers)


@pytest.fixture
def maps(tmp_path, images, lithium):
    """Read an image, by default with one thread, and return the store."""

    def run(image="small", where=ONE, problems=(), **settings):
        path = image if isinstance(image, Path) else images / f"{image}.zarr"
        store = tmp_path / "maps" / path.stem / "maps.zarr"
        found = read_image(path, lithium, store, where, **settings)
        assert len(found) == len(problems)
        for said, parts in zip(found, problems, strict=True):
            assert all(part in said for part in parts), said
        return store

    return run


@pytest.fixture(scope="session")
def undisturbed(made_once, images, lithium):
    """Return a folder with the maps of both images, each read at one go by one thread."""

    def fill(root):
        for name in ("small", "peaks"):
            read_image(images / f"{name}.zarr", lithium, root / name / "maps.zarr")

    return made_once("maps", fill)


@pytest.fixture
def times():
    """Return when each file below a folder was written."""

    def read(folder):
        files = (p for p in Path(folder).rglob("*") if p.is_file())
        return {os.path.relpath(p, folder): p.stat().st_mtime_ns for p in files}

    return read
