"""A trained model on disk: the same probabilities back, the same bytes, nothing foreign."""

import hashlib
import os
import subprocess
import sys
import zipfile
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

from ionprint.errors import DataError, ModelFileError
from ionprint.models.pipeline import fitting
from ionprint.models.sealing import seal
from ionprint.models.storage import TrainedModel, load_model, save_model

MZ = np.array([7.0165, 9.0322, 16.048, 33.0511])


@pytest.fixture(scope="module")
def problem(pellets):
    areas, y, _ = pellets(signal=0.5, effect=0.1, classes=3, peaks=len(MZ))
    return areas, y


@pytest.fixture
def trained(choose, problem):
    return TrainedModel(choose().fit(*problem), MZ, {"dataset": {"name": "t"}, "seed": 0})


@pytest.fixture
def saved(trained, tmp_path):
    save_model(trained, tmp_path)
    return tmp_path


def comes_back_the_same(pipeline, inputs, y, folder, **about):
    if "n_estimators" in pipeline[-1].get_params():
        pipeline.set_params(classify__n_estimators=10)
    with fitting():
        model = TrainedModel(pipeline.fit(inputs, y), MZ, {"seed": 0, **about})
    save_model(model, folder)
    back = load_model(folder)
    pd.testing.assert_frame_equal(
        back.probabilities(inputs), model.probabilities(inputs), check_exact=True
    )
    assert back.classes == ["c0", "c1", "c2"]
    assert back.mz.tolist() == MZ.tolist()
    assert back.about["seed"] == 0
    assert back.dose_column == about.get("dose_column")


def test_every_model_comes_back_the_same(choose_parts, problem, tmp_path, each_model):
    comes_back_the_same(choose_parts(model=each_model), *problem, tmp_path)


def test_every_scaling_comes_back_the_same(choose_parts, problem, tmp_path, each_scaling):
    comes_back_the_same(choose_parts(scaling=each_scaling), *problem, tmp_path)


def test_every_normalisation_comes_back_the_same(
    choose_parts, inputs_of, problem, tmp_path, each_normalisation
):
    areas, y = problem
    inputs = inputs_of(each_normalisation, areas)
    dose = {"dose_column": "primary_ions"} if inputs is not areas else {}
    comes_back_the_same(choose_parts(each_normalisation), inputs, y, tmp_path, **dose)


FIT = """
import sys
from pathlib import Path
import numpy as np
from ionprint.config import compose
from ionprint.models.pipeline import build
from ionprint.models.sealing import seal
from ionprint.models.storage import TrainedModel, save_model
areas = np.random.default_rng(0).poisson(50, (30, 4))
MODELS = "logistic svm_linear random_forest pls_da gradient_boosting mlp".split()
for model in MODELS:
    cfg = compose([f"model={model}"], Path(sys.argv[2]))
    params = {"n_estimators": 5} if model in ("random_forest", "gradient_boosting") else {}
    pipeline = build(cfg.normalisation, cfg.scaling, cfg.model, params)
    pipeline.fit(areas, np.repeat(["a", "b", "c"], 10))
    folder = Path(sys.argv[1]) / model
    folder.mkdir(parents=True)
    save_model(TrainedModel(pipeline, np.arange(1.0, 5), {"seed": 0}), folder)
"""


def test_equal_models_are_equal_bytes_in_any_process(project, tmp_path, contents):
    files = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", FIT, str(folder), str(project)]
        subprocess.run(command, check=True, env=environment)
        files.append(contents(folder))
    assert len(files[0]) == 4 * 6
    assert files[0] == files[1]


def double(values):
    return 2 * values


class Foreign(GaussianNB):
    pass


@pytest.mark.parametrize(
    "steps",
    [
        [MinMaxScaler(), Foreign()],
        [FunctionTransformer(double), LogisticRegression()],
        [FunctionTransformer(os.getpid), LogisticRegression()],
    ],
)
def test_foreign_types_are_neither_saved_nor_loaded(problem, saved, tmp_path_factory, steps):
    pipeline = make_pipeline(*steps)
    pipeline[-1].fit(problem[0] / 500, problem[1])
    before = (saved / "model.skops").read_bytes()
    with pytest.raises(ModelFileError, match=r"cannot be saved safely"):
        save_model(TrainedModel(pipeline, MZ, {}), saved)
    assert (saved / "model.skops").read_bytes() == before
    skops.io.dump(pipeline, saved / "model.skops")
    seal(saved)
    with pytest.raises(ModelFileError, match="not allowed"):
        load_model(saved)


def test_what_is_no_pipeline_is_refused(saved):
    skops.io.dump(LogisticRegression(), saved / "model.skops")
    seal(saved)
    with pytest.raises(ModelFileError, match="no ionprint model"):
        load_model(saved)


@pytest.mark.parametrize("name", ["model.skops", "model.yaml", "peaks.csv", "SHA256SUMS"])
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(ModelFileError, match=rf"{name} is not there.*train"):
        load_model(saved)


def test_a_file_that_was_changed_is_not_loaded(saved):
    for name in ("model.skops", "model.yaml", "peaks.csv"):
        good = (saved / name).read_bytes()
        (saved / name).write_bytes(good + b"\n")
        with pytest.raises(ModelFileError, match=rf"{name} is not what was saved"):
            load_model(saved)
        (saved / name).write_bytes(good)
    assert load_model(saved).classes == ["c0", "c1", "c2"]


def test_the_seal_is_one_that_people_can_check(saved):
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=saved, capture_output=True)
    assert checked.returncode == 0, checked.stderr


def test_a_seal_names_files_of_its_own_folder_alone(saved):
    sums = (saved / "SHA256SUMS").read_text()
    (saved / "SHA256SUMS").write_text(sums.replace("peaks.csv", "../peaks.csv"))
    with pytest.raises(ModelFileError, match="SHA256SUMS is damaged"):
        load_model(saved)


def test_a_seal_names_every_file_of_the_folder(saved):
    (saved / "reading.npz").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"reading.npz is not named in SHA256SUMS"):
        load_model(saved)


def test_another_minor_version_of_scikit_learn_is_refused(saved):
    about = (saved / "model.yaml").read_text()
    here = version("scikit-learn")
    major, minor, patch = here.split(".")[:3]
    for other, good in ((f"{major}.{minor}.77", True), (f"{major}.{int(minor) + 1}.0", False)):
        (saved / "model.yaml").write_text(about.replace(f"learn: {here}", f"learn: {other}"))
        seal(saved)
        if good:
            load_model(saved)
            continue
        with pytest.raises(ModelFileError, match=rf"pip install scikit-learn=={other}.*dvc repro"):
            load_model(saved)


@pytest.mark.parametrize("name", ["model.skops", "model.yaml", "peaks.csv"])
@pytest.mark.parametrize("content", [b"", b"\0\xff\xfe{[", b"PK\x03\x04", b"mz\nmany\n", b"x: 'y"])
def test_a_damaged_file_is_refused(saved, name, content):
    (saved / name).write_bytes(content)
    seal(saved)
    with pytest.raises(ModelFileError):
        load_model(saved)


def test_a_cut_or_changed_archive_is_refused_or_right(saved, trained, problem):
    good = (saved / "model.skops").read_bytes()
    right = trained.probabilities(problem[0])
    rng = np.random.default_rng(0)
    refused = 0
    for kind in range(120):
        at = int(rng.integers(len(good)))
        flipped = bytes([good[at] ^ (1 << kind % 8)])
        bad = good[:at] if kind % 3 == 0 else good[:at] + flipped + good[at + 1 :]
        (saved / "model.skops").write_bytes(bad)
        seal(saved)
        try:
            back = load_model(saved)
        except ModelFileError:
            refused += 1
        else:
            pd.testing.assert_frame_equal(back.probabilities(problem[0]), right)
    assert refused > 60


def test_a_schema_without_a_part_is_refused(saved):
    path = saved / "model.skops"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for text in (b"{}", b"[]", b"null", parts["schema.json"].replace(b"Pipeline", b"Pipelone")):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in {**parts, "schema.json": text}.items():
                archive.writestr(name, content)
        seal(saved)
        with pytest.raises(ModelFileError):
            load_model(saved)


def test_another_number_of_peaks_is_refused(saved):
    (saved / "peaks.csv").write_text("mz\n7.0165\n9.0322\n")
    seal(saved)
    with pytest.raises(ModelFileError, match="2 peaks, the model 4"):
        load_model(saved)


@pytest.mark.parametrize(
    ("areas", "told"),
    [
        (np.ones((2, 3)), r"expected \(n, 4\)"),
        (np.ones(4), r"expected \(n, 4\)"),
        (-np.ones((1, 4)), "not negative"),
        (np.full((1, 4), np.nan), "finite"),
    ],
)
def test_what_are_no_areas_is_refused(trained, areas, told):
    with pytest.raises(DataError, match=told):
        trained.probabilities(areas)


@pytest.fixture
def by_dose(choose, inputs_of, problem):
    """Make a model that divides by the primary ions, and what it reads."""
    inputs = inputs_of("primary_ion_dose", problem[0])
    pipeline = choose("normalisation=primary_ion_dose").fit(inputs, problem[1])
    return TrainedModel(pipeline, MZ, {"dose_column": "primary_ions"}), inputs


def dosed(inputs, primary_ions):
    return np.column_stack([inputs[:, :-1], np.broadcast_to(primary_ions, len(inputs))])


def test_primary_ions_stand_last_and_are_divided_by(by_dose):
    model, inputs = by_dose
    right = model.probabilities(inputs)
    pd.testing.assert_frame_equal(model.probabilities(3 * inputs), right)
    assert not np.allclose(model.probabilities(dosed(inputs, 1e8)), right)


def test_areas_without_primary_ions_are_refused(by_dose):
    model, inputs = by_dose
    with pytest.raises(DataError, match=r"expected \(n, 5\), the last being primary_ions"):
        model.probabilities(inputs[:, :-1])
    with pytest.raises(DataError, match="1 of 36 spectra cannot be normalised: .* primary ions"):
        model.probabilities(dosed(inputs, [0, *[1e8] * 35]))


def test_a_folder_that_forgot_its_primary_ions_is_refused(by_dose, tmp_path):
    save_model(by_dose[0], tmp_path)
    about = (tmp_path / "model.yaml").read_text()
    (tmp_path / "model.yaml").write_text(about.replace("dose_column: primary_ions\n", ""))
    seal(tmp_path)
    with pytest.raises(ModelFileError, match="4 peaks, the model 5"):
        load_model(tmp_path)


def test_saving_twice_gives_the_same_bytes(choose, problem, tmp_path):
    digests = set()
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        save_model(TrainedModel(choose().fit(*problem), MZ, {}), folder)
        digests.add(hashlib.sha256((folder / "model.skops").read_bytes()).hexdigest())
    assert len(digests) == 1
