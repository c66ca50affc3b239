"""A project root with a ready store, and small results in it as the stages write them."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
from toy_project import write_results


@pytest.fixture(scope="session")
def project(fresh_store, tmp_path_factory):
    """One project root for all tests of this process: MLflow keeps one engine for one address."""
    root = tmp_path_factory.mktemp("project")
    for name in ("mlruns", "template"):
        shutil.copytree(fresh_store, root / name)
    return root


@pytest.fixture
def root(project, monkeypatch):
    """The project root as working directory, with MLflow speaking to its own store."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlruns/mlflow.db")
    return project


@pytest.fixture
def results(root, request):
    """Results and configuration under a name of their own, for one test."""
    return write_results(root, request.node.name)
