"""`ionprint maps`: what is wrong is said in one line, before anything is written."""

import shutil
import socket

import pandas as pd
import pytest

from ionprint import cluster
from ionprint.cli import main
from ionprint.files import read_arrays, write_arrays
from ionprint.models.sealing import seal

from ..conftest import make_project, run_in

TINY = ["image.size=12", "image.scans=2", "image.tile=[2,6,12]", "image.kind=peaks"]


@pytest.fixture(scope="module")
def folder(finished):
    return finished / "outputs/model"


@pytest.fixture(scope="module")
def image(tmp_path_factory, folder):
    """A simulated image of two tiles."""
    root = make_project(tmp_path_factory.mktemp("image"))
    run_in(root, ["image", *TINY, "image.name=tiny", f"image.model={folder}", "-q"])
    return root / "outputs/images/tiny.zarr"


@pytest.fixture
def refused(project, image, folder, capsys):
    """Run the command and return what it says as it refuses."""

    def run(*overrides, path=image, model=folder):
        assert main(["maps", str(path), "--model", str(model), *overrides]) == 2
        assert not (project / "outputs").exists()
        said = capsys.readouterr()
        assert said.err.startswith("ionprint maps: ") and said.err.count("\n") == 1
        return said.err

    return run


@pytest.mark.parametrize("words", [[], ["maps.bin=2"], ["--model", "outputs/model"]])
def test_without_an_image_it_says_what_it_takes(project, capsys, words):
    assert main(["maps", *words]) == 2
    assert "got no image, expected `ionprint maps IMAGE" in capsys.readouterr().err


def test_an_image_that_is_not_there(refused, project):
    told = refused(path="there/is/none.zarr")
    assert f"{project}/there/is/none.zarr is not there; expected an ionprint image" in told


@pytest.mark.parametrize("name", ["..", "a/b"])
def test_maps_stay_in_their_folder(refused, name):
    assert f"maps.folder={name}: expected the name of a folder" in refused(f"maps.folder={name}")


def test_what_is_no_image_is_refused(refused, project):
    (project / "notes.txt").write_text("nothing to see\n")
    assert "notes.txt is no image that ionprint knows" in refused(path="notes.txt")


def test_a_folder_without_a_model(refused, project):
    assert "holds no model" in refused(model=project)


def test_without_a_model_the_champion_is_asked_for(project, image, capsys):
    assert main(["maps", str(image)]) == 2
    assert "no registry at" in capsys.readouterr().err


@pytest.mark.parametrize(
    "ends", ["0,0,12,1", "0,0,1,12", "-1,0,3,3", "3,0,1,1", "0,0,1", "0,0,1,1,1"]
)
def test_regions_outside_of_the_image_are_refused(refused, ends):
    told = refused(f"+maps.regions.spot=[{ends}]")
    assert "maps.regions.spot=[" in told
    assert "within 12 rows and 12 columns, counted from 0" in told


@pytest.mark.parametrize("ends", ["5", "[a,b,c,d]", "[0.5,0,1,1]"])
def test_regions_that_are_no_four_whole_numbers_are_refused(refused, ends):
    told = refused(f"+maps.regions.spot={ends}")
    assert "maps.regions.spot" in told and "no key" not in told


@pytest.mark.parametrize("name", ["all", "alarm"])
def test_a_region_cannot_have_the_name_of_one_that_is_found(refused, name):
    assert f"maps.regions.{name}" in refused(f"+maps.regions.{name}=[0,0,1,1]")


@pytest.mark.parametrize("name", ["many", ""])
def test_work_is_done_on_threads_or_a_cluster(refused, name):
    told = refused(f"dask.name={name}")
    assert "dask.name" in told and "threads" in told and "cluster" in told


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("maps.bin=0", "maps.bin=0: expected a number above 0"),
        ("maps.bin=1.5", "maps.bin"),
        ("maps.scans=0", "maps.scans=0: expected a number above 0"),
        ("maps.scans=-2", "maps.scans=-2: expected a number above 0"),
        ("maps.smooth=-0.1", "maps.smooth=-0.1: expected a number from 0 to 100"),
        ("maps.smooth=100", "maps.smooth=100.0: expected a number from 0 to 100"),
        ("maps.smooth=.nan", "maps.smooth"),
        ("maps.least_counts=0", "maps.least_counts=0: expected a number above 0"),
        ("maps.primary_ions=0", "maps.primary_ions=0.0: expected a number above 0"),
        ("maps.readings=maybe", "maps.readings"),
        ("maps.views=-1", "maps.views=-1: expected a number from 0 to 100"),
        ("dask.workers=0", "dask.workers=0: expected a number above 0"),
        ("dask=many", "Options of dask: cluster, threads"),
    ],
)
def test_settings_out_of_range_are_refused(refused, setting, says):
    assert says in refused(setting)


def test_a_scheduler_that_is_not_there(refused, monkeypatch):
    monkeypatch.setattr(cluster, "WAIT", "1s")
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{port.getsockname()[1]}"
        told = refused(f"dask.address={address}")
    assert f"dask.address={address}: no Dask scheduler answers there" in told
    assert "`dask scheduler`" in told


def test_a_model_of_an_earlier_version_is_to_be_trained_again(refused, folder, tmp_path):
    earlier = tmp_path / "earlier"
    shutil.copytree(folder, earlier)
    arrays = read_arrays(earlier / "reading.npz")
    kept = {k: v for k, v in arrays.items() if not k.startswith("reader/pixels/")}
    assert len(kept) < len(arrays)
    write_arrays(kept, earlier / "reading.npz")
    seal(earlier)
    assert "a version without maps; train it again" in refused(model=earlier)


def test_an_image_becomes_a_store_and_tables_that_say_simulated(project, image, folder, capsys):
    assert main(["maps", str(image), "--model", str(folder), "maps.bin=100"]) == 0
    out = capsys.readouterr().out
    assert "Regions (simulated image and references)" in out
    assert "Maps (simulated image and references)" in out
    assert "tiny.zarr: 2 x 12 x 12 scans, rows, columns; simulated" in out
    made = project / "outputs/maps/tiny"
    assert {"maps.zarr", "regions.csv", "depth.csv"} <= {p.name for p in made.iterdir()}
    regions = pd.read_csv(made / "regions.csv").set_index("region")
    assert regions.loc["all", "pixels"] == 1  # a bin is no larger than the image
    assert not list(project.glob("outputs/maps/**/*.partial"))


def test_all_but_a_damaged_part_is_written_and_the_exit_code_says_so(
    project, image, folder, capsys
):
    damaged = project / "tiny.zarr"
    shutil.copytree(image, damaged)
    (damaged / "counts/c/0/1/0/0").write_bytes(b"nothing")
    assert main(["maps", str(damaged), "--model", str(folder), "maps.views=0"]) == 2
    told = capsys.readouterr()
    assert "1 of 2 parts of the image could not be read" in told.err
    assert "counts/c/0/1/0/0 (scans 0 to 1, rows 6 to 11, columns 0 to 11)" in told.err
    assert "Regions (simulated" in told.out
    regions = pd.read_csv(project / "outputs/maps/tiny/regions.csv").set_index("region")
    assert regions.loc["all", "pixels"] == 72
