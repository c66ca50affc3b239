"""A project in a temporary folder, and a small simulated data set to run its stages on."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[threads] = "1"  # workers that share the cores otherwise wait for each other

import pytest  # noqa: E402
from filelock import FileLock  # noqa: E402

from ionprint.cli import main  # noqa: E402

PLACE = "shared/real/noble-metal-alloys-negative/spectra.tar.xz"
ALLOYS = Path(os.environ.get("IONPRINT_ALLOYS", Path(__file__).parents[2] / PLACE))
"""Measured spectra of alloys, public, not part of the repository."""
CONF = Path(__file__).parents[1] / "conf"
SMALL = ["simulation.references.spots=2"]
SMALL += [f"simulation.samples.sample_{n}.spots=2" for n in range(1, 6)]
STAGES = ("peaks", "tune", "evaluate", "rank", "check", "train", "composition")
QUICK = ["tuning.trials=4", "evaluation.permutations=5", "ranking.resamples=5"]
QUICK += ["composition.pseudo_mixtures=200"]


LONG = (
    *("test_project.py", "test_sweep.py", "test_pipeline_stages.py", "test_postgresql.py"),
    *("test_report.py", "test_measured.py", "test_tune.py", "test_service.py", "test_app.py"),
    *("test_promote.py", "test_served_model.py", "test_page.py", "test_verify_composition.py"),
    *("test_verification.py", "test_maps_page.py", "test_maps.py"),
)
"""Files of few long tests, which go first so that no worker is left alone with them at the end."""


def pytest_collection_modifyitems(items):
    """Put the long files first."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture
def measured(record_property):
    """Keep what a test measured, for the table at the end: what, found, wanted."""

    def keep(what, found, wanted):
        record_property("measured", (what, str(found), str(wanted)))

    return keep


def pytest_terminal_summary(terminalreporter):
    """Print what the tests measured."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.getreports(kind)]
    rows = [row for r in reports for name, row in r.user_properties if name == "measured"]
    if rows:
        terminalreporter.section("measured")
        rows = [("", "found", "wanted"), *sorted(map(tuple, rows))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            terminalreporter.write_line("  ".join(cells).rstrip())


def make_project(root):
    shutil.copytree(CONF, root / "conf")
    (root / "dvc.yaml").touch()
    return root


def run_in(root, *commands):
    """Run commands in a folder, as a user would, and come back."""
    here = Path.cwd()
    os.chdir(root)
    try:
        for command in commands:
            assert main(command) == 0, command
    finally:
        os.chdir(here)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Return a folder that one of the test processes has filled, for reading by all."""

    def made(name, fill):
        place = tmp_path_factory.getbasetemp()
        if "PYTEST_XDIST_WORKER" in os.environ:
            place = place.parent
        root = place / f"{name}-of-all"
        with FileLock(place / f"{name}.lock"):
            if not (root / ".made").exists():
                shutil.rmtree(root, ignore_errors=True)
                root.mkdir()
                fill(root)
                (root / ".made").touch()
        return root

    return made


@pytest.fixture(scope="session")
def simulated(made_once):
    """A project with simulated spectra in data/: 5 compounds x 3 pellets x 2 spots, 5 samples."""
    return made_once("simulated", lambda root: run_in(make_project(root), ["simulate", *SMALL]))


@pytest.fixture(scope="session")
def finished(simulated, made_once):
    """A project in which all stages have run on the simulated spectra."""

    def fill(root):
        make_project(root)
        (root / "data").symlink_to(simulated / "data")
        run_in(root, *([stage, *QUICK] for stage in STAGES))

    return made_once("finished", fill)


QUICKER = {
    "tuning": ("trials: 50", "trials: 4"),
    "evaluation": ("permutations: 100", "permutations: 5"),
    "ranking": ("resamples: 100", "resamples: 5"),
    "composition": ("mixtures: 2000", "mixtures: 200"),
    "figures": ("samples: 12 ", "samples: 2 "),
}


@pytest.fixture(scope="session")
def repeated(simulated, made_once):
    """A copy of the whole project with the small simulated set, after one `dvc repro`."""

    def fill(root):
        leave = shutil.ignore_patterns("__pycache__", "cache", "tmp", "store", "*.egg-info")
        for name in ("conf", "src", ".dvc"):
            shutil.copytree(CONF.parent / name, root / name, ignore=leave)
        for name in ("dvc.yaml", ".dvcignore", "pyproject.toml"):
            shutil.copy(CONF.parent / name, root / name)
        shutil.copytree(simulated / "data", root / "data")
        for group, (old, new) in QUICKER.items():
            path = root / "conf" / group / "default.yaml"
            text = path.read_text().replace("rebuild_peaks: true", "rebuild_peaks: false")
            assert old in text
            path.write_text(text.replace(old, new))
        bin_ = Path(sys.executable).parent
        env = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
        env.pop("MLFLOW_TRACKING_URI", None)
        for command in ("config core.no_scm true", "add data", "repro"):
            done = subprocess.run(
                ["dvc", *command.split()], cwd=root, env=env, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"

    return made_once("repeated", fill)


@pytest.fixture(scope="session")
def fresh_store(made_once):
    """The folder of a tracking store without runs, to be copied: making one takes seconds."""

    def fill(root):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(root)
            patch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlruns/mlflow.db")
            from ionprint.tracking.store import ready_store

            ready_store()

    return made_once("store", fill) / "mlruns"


@pytest.fixture(scope="session")
def unpacked_alloys(tmp_path_factory):
    """Unpack the measured alloys anew at each call and return the folder of their spectra."""

    def unpacked():
        if not ALLOYS.is_file():
            pytest.skip(f"{ALLOYS} is not there; IONPRINT_ALLOYS names another place")
        folder = tmp_path_factory.mktemp("alloys")
        with tarfile.open(ALLOYS) as archive:
            # the first releases of 3.11 do not know the argument `filter`
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(folder)
        return next(folder.rglob("N_*.txt")).parent

    return unpacked


@pytest.fixture(scope="module")
def browser():
    """Chromium, for pages as people open them."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project as working directory."""
    root = make_project(tmp_path / "project")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def with_data(project, simulated):
    """A project with the simulated spectra, before any stage."""
    (project / "data").symlink_to(simulated / "data")
    return project


@pytest.fixture
def with_results(with_data, finished):
    """A project in which all stages have run."""
    shutil.copytree(finished / "outputs", with_data / "outputs")
    return with_data


@pytest.fixture
def contents():
    """Return every file below a folder with its bytes."""

    def read(folder):
        files = (p for p in sorted(Path(folder).rglob("*")) if p.is_file())
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}

    return read
