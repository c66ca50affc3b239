"""Altered models in every door: nothing is written, nothing crashes, all are refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import altered
import pytest
import yaml

from ionprint.errors import IonprintError
from ionprint.models.sealing import seal, sealed

KINDS = ("linear", "tree", "random_forest", "gradient_boosting", "svm_rbf", "knn")


@pytest.fixture(scope="module")
def spectrum(finished):
    return next((finished / "data/spectra").glob("*LiH*"))


def refitted(finished, kind, folder):
    """Write the model of the finished project with another classifier."""
    from ionprint.config import compose
    from ionprint.files import below, joined, read_arrays, write_arrays
    from ionprint.models.pipeline import build
    from ionprint.models.storage import TrainedModel, load_model, load_references, save_model

    shutil.copytree(finished / "outputs/model", folder)
    if kind == "linear":
        return
    old, references = load_model(folder), load_references(folder)
    cfg = compose([f"model={kind}"], Path(__file__).parents[2])
    few = {"n_estimators": 3} if kind in ("random_forest", "gradient_boosting") else {}
    pipeline = build(cfg.normalisation, cfg.scaling, cfg.model, few)
    pipeline.fit(references.areas, references.column("compound"))
    arrays = read_arrays(folder / "reading.npz")
    kept = {part: below(arrays, part) for part in ("reader", "method", "peaks")}
    write_arrays(joined(kept), folder / "reading.npz")
    save_model(TrainedModel(pipeline, old.mz, old.about), folder)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_refused_whatever_was_altered(finished, spectrum, tmp_path, measured, kind):
    refitted(finished, kind, tmp_path / kind)
    (tmp_path / "scratch").mkdir()
    words = [altered.__file__, tmp_path / kind, tmp_path / "scratch", spectrum]
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, cwd=tmp_path
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (lines[-1:], done.stderr[-500:])
    asked = [line for line in lines if line.startswith("? ")]
    wrong = [line for line in lines if line.startswith(("foreign", "taken"))]
    assert not wrong
    refused = sum(line.startswith("refused") for line in lines)
    same = sum(line.startswith("same") for line in lines)  # settings of the fit say nothing later
    assert len(asked) == refused + same and refused > 20
    assert not (tmp_path / altered.EFFECT).exists()
    told = f"{refused} refused, {same} the same answer, 0 crashes"
    measured(f"altered models, predict: {kind}", told, "0 crashes, 0 others")


# ---- the registry: who writes there may renew the seal, and even what was registered


def champion(client):
    return int(client.get_registered_model("altered").aliases["champion"])


@pytest.fixture
def versions(root, finished):
    """Two versions of one model on different data, the first is champion; and their folders."""
    from ionprint.config import compose
    from ionprint.files import read_json, write_json
    from ionprint.stages import evaluate, train, tune
    from ionprint.tracking.run import log_run

    name = "altered"
    words = [f"outputs={name}", f"tracking.model_name={name}", f"tracking.experiment={name}"]
    words += ["tuning.trials=1", "evaluation.permutations=2", "evaluation.rebuild_peaks=false"]
    cfg = compose([*words, "composition.pseudo_mixtures=200"], Path(__file__).parents[2])
    made = (root / name).exists()  # by the test before, in this process
    if not made:
        shutil.copytree(finished / "outputs", root / name)
        checks = "name,result,finding,accepted\na,passed,,\n"
        (root / name / "checks/checks.csv").write_text(checks)
    for data in "" if made else "ab":
        about = read_json(root / name / "peaks/dataset.json")
        write_json({**about, "sha256": data * 64}, root / name / "peaks/dataset.json")
        for stage in (tune, evaluate, train):
            stage.run(cfg)
        log_run(cfg)
    import mlflow

    client = mlflow.MlflowClient()
    assert champion(client) == 1
    folders = [
        root / client.get_model_version_download_uri(name, n) / "artifacts/model" for n in "12"
    ]
    return cfg, client, folders


@pytest.fixture
def restored(versions, contents):
    """Put the folders and what was registered back after each variant."""
    _, client, folders = versions
    good = [contents(folder) for folder in folders]
    ids = [sealed(folder).id for folder in folders]

    def restore():
        for number, (folder, held, id_) in enumerate(zip(folders, good, ids, strict=True), 1):
            shutil.rmtree(folder)
            folder.mkdir()
            for name, data in held.items():
                (folder / name).write_bytes(data)
            client.set_model_version_tag("altered", str(number), "ionprint.model", id_)

    return restore


def test_promote_makes_nothing_of_altered_settings(versions, restored, root, contents, measured):
    from ionprint.stages import promote

    cfg, client, folders = versions
    settings = yaml.safe_load((folders[0] / "config.yaml").read_text())
    everything = list(altered.evil_settings(settings))
    before = sorted(p for p in root.rglob("*") if "mlflow.db" not in p.name)
    refused = 0
    for how in ("as it was", "sealed", "registered"):
        some = everything if how == "registered" else everything[:6]
        for what, evil in some:
            (folders[0] / "config.yaml").write_text(yaml.safe_dump(evil))
            if how != "as it was":
                seal(folders[0])
            if how == "registered":
                id_ = sealed(folders[0]).id
                client.set_model_version_tag("altered", "1", "ionprint.model", id_)
            with pytest.raises(IonprintError) as told:
                promote.run(cfg, 2)
            if how == "as it was":
                assert "is not what was saved" in str(told.value), what
            elif how == "sealed":
                assert "were changed since" in str(told.value), what
            refused += 1
            restored()
    assert sorted(p for p in root.rglob("*") if "mlflow.db" not in p.name) == before
    assert champion(client) == 1
    measured("altered settings, promote", f"{refused} refused, 0 files written", "0 files")


def test_no_door_takes_what_was_not_registered(versions, restored, root, measured, monkeypatch):
    """Promote, roll back, predict, serve, maps: the seal and the registered id are asked first."""
    import ionprint
    from ionprint.serving.service import Service
    from ionprint.stages import promote, rollback

    cfg, client, folders = versions
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlruns/mlflow.db")
    service = Service(lambda: ionprint.load("models:/altered@champion"))
    answers = service.model.identity
    variants = [(*one, False) for one in altered.unsealed()]
    variants += [(*one, True) for one in altered.settings_altered()]
    variants += [(*one, True) for one in list(altered.arrays_altered(folders[0]))[::12]]
    refused = 0
    for name, alter, again in variants:
        for folder in folders:
            alter(folder)
            if again:
                seal(folder)
        doors = (
            lambda: ionprint.load("models:/altered@champion"),
            lambda: service.reload(),
            lambda: promote.run(cfg, 2),
            lambda: promote.run(cfg, 2, force="because"),
        )
        for door in doors:
            with pytest.raises(IonprintError):
                door()
            refused += 1
        assert service.model.identity == answers, name
        restored()
    assert champion(client) == 1
    promote.run(cfg, 2, force="it is sound")
    (folders[0] / "peaks.csv").write_bytes(b"mz\n")
    with pytest.raises(IonprintError, match="peaks.csv is not what was saved"):
        rollback.run(cfg)
    restored()
    rollback.run(cfg)
    measured("altered models, load, reload, promote, force", f"{refused} refused", "all")


def test_a_ranking_that_was_not_logged_is_not_compared(root, results, measured):
    from omegaconf import OmegaConf

    from ionprint.stages import compare
    from ionprint.tracking.run import log_run

    cfg = OmegaConf.merge(results, {"ranking": {"first": 15}})
    one = log_run(cfg, name=f"{cfg.outputs} one", register=False)
    path = Path(cfg.outputs) / "ranking/ions.csv"
    path.write_text(path.read_text().replace("LiO1,", "LiO99,"))
    two = log_run(cfg, name=f"{cfg.outputs} two", register=False)
    import mlflow

    place = Path(mlflow.MlflowClient().get_run(two.run_id).info.artifact_uri)
    path = place / "results/ranking/ions.csv"
    good, refused = path.read_bytes(), 0
    lines = good.splitlines(True)
    for content in (b"", b"compound\n", good[:-1], good + b"x", lines[0], b"\xff" * 99, good * 2):
        path.write_bytes(content)
        with pytest.raises(IonprintError, match="is not the one that was logged"):
            compare.run(cfg, one.run_id, two.run_id)
        refused += 1
    path.write_bytes(good)
    compare.run(cfg, one.run_id, two.run_id)
    measured("altered rankings, compare", f"{refused} refused", "all")
