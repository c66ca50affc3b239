"""Small results as the stages write them, and processes that run beside the tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from omegaconf import OmegaConf

SUPPORT = Path(__file__).parent
SOURCE = SUPPORT.parents[2] / "src"
COMPOUNDS = ["Li2CO3", "LiF", "LiOH"]
PEAKS = 12
ENDS = (("low", -0.02), ("high", 0.01))


def write_results(
    root, name, *, seed=0, score=(0.95, 0.94, 0.2), data="a", failed=(), accepted=None
):
    """Write what the stages write below `<root>/<name>` and return the configuration."""
    rng, accepted = np.random.default_rng(seed), accepted or {}
    outputs = Path(root) / name
    folders = ("peaks", "tuning", "evaluation", "ranking", "checks", "model", "composition")
    for folder in (*folders, "figures"):
        (outputs / folder).mkdir(parents=True)
    mz = np.round(np.linspace(6.0151, 105.9, PEAKS), 4)
    _write_peaks(outputs / "peaks", mz, data)
    _write_tuning(outputs / "tuning", rng)
    _write_evaluation(outputs / "evaluation", score, rng)
    checks = [(n, "failed" if n in failed else "passed", "", "") for n in ("dummy", *failed)]
    checks += [(n, "failed", "", reason) for n, reason in accepted.items()]
    columns = ["name", "result", "finding", "accepted"]
    pd.DataFrame(checks, columns=columns).to_csv(outputs / "checks" / "checks.csv", index=False)
    ions = [
        {
            "compound": c,
            "rank": r,
            "mz": mz[r % PEAKS],
            "ion": "" if r == 2 else f"LiO{r}",
            "error_ppm": 3.0,
            "weight": 20 - r,
            "weight_sd": 0.1,
        }
        for c in COMPOUNDS
        for r in range(1, 21)
    ]
    pd.DataFrame(ions).to_csv(outputs / "ranking" / "ions.csv", index=False)
    samples = [("pellet LiF", "reference", "LiF"), ("anode 1", "anode", "")]
    frame = pd.DataFrame(samples, columns=["sample", "role", "expected"]).assign(spectra=4)
    for c, p in zip(COMPOUNDS, ([0.01, 0.7], [0.98, 0.25], [0.01, 0.05]), strict=True):
        frame[f"p_{c}"] = p
    frame.to_csv(outputs / "composition" / "samples.csv", index=False)
    cfg = OmegaConf.create(
        {
            "seed": 0,
            "outputs": name,
            "peaks": f"{name}/peaks",
            "dataset": {"name": "toy", "path": "data"},
            "cross_validation": {"n_splits": 5, "group": "sample"},
            "tracking": {"experiment": name, "model_name": name, "register": True},
        }
    )
    OmegaConf.save(cfg, outputs / "model" / "config.yaml")
    _write_model(outputs / "model", mz, rng)
    for kind in ("png", "svg"):
        (outputs / "figures" / f"ranking.{kind}").write_bytes(b"picture")
    return cfg


def _write_peaks(folder, mz, data):
    dataset = {
        "name": "toy",
        "source": "simulated",
        "spectra": 12,
        "peaks": PEAKS,
        "sha256": data * 64,
        "mz_max": 120,
    }
    (folder / "dataset.json").write_text(json.dumps(dataset))
    peaks = pd.DataFrame({"mz": mz, "lower": mz - 0.01, "upper": mz + 0.01, "counts": 1000})
    peaks.to_csv(folder / "peaks.csv", index=False)
    peaks[["mz"]].to_csv(folder / "calibration.csv", index=False)


def _write_tuning(folder, rng):
    trials = pd.DataFrame({"trial": range(8), "score": rng.random(8), "C": rng.random(8)})
    trials.to_csv(folder / "trials.csv", index=False)
    best = {
        "model": "logistic",
        "normalisation": "total_counts",
        "scaling": "minmax",
        "folds": 5,
        "metric": "log_loss",
        "trials": 8,
        "score": float(trials["score"].min()),
        "params": {"C": 0.5},
    }
    (folder / "best.yaml").write_text(yaml.safe_dump(best))


def _write_evaluation(folder, score, rng):
    names = ("accuracy", "f1_macro", "log_loss", "brier")
    numbers = dict(zip(names, (*score, 0.1), strict=True))
    numbers |= {f"{n}_{end}": v + d for n, v in numbers.items() for end, d in ENDS}
    metrics = {
        "source": "simulated",
        "normalisation": "total_counts",
        "scaling": "minmax",
        "model": "logistic",
        "params": {"C": 0.5},
        "meaning": "nothing, it is a toy",
        "score": {"folds": "grouped", **numbers},
        **{kind: {"folds": kind, **numbers} for kind in ("grouped", "plain", "dummy")},
        "nested": None,
        "gap": {"accuracy": 0.0},
        "permutation": {"p_value": 0.01},
        "rebuilt_peaks": {"difference": {"accuracy": 0.1}},
        "spectra": 12,
        "classes": 3,
        "groups": 6,
        "peaks": PEAKS,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    folds = [
        {"folds": kind, "fold": k, "spectra": 2, **dict(zip(names, rng.random(4), strict=True))}
        for kind in ("grouped", "plain")
        for k in range(5)
    ]
    pd.DataFrame(folds).to_csv(folder / "folds.csv", index=False)


def _write_model(folder, mz, rng):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler

    from ionprint.models.normalisation import TotalCounts
    from ionprint.models.storage import TrainedModel, save_model

    steps = ("normalise", TotalCounts()), ("scale", MinMaxScaler())
    pipeline = Pipeline([*steps, ("classify", LogisticRegression())])
    pipeline.fit(rng.poisson(50, size=(12, PEAKS)).astype(float), COMPOUNDS * 4)
    about = {"normalisation": "total_counts", "scaling": "minmax", "model": "logistic"}
    save_model(TrainedModel(pipeline, mz, {**about, "params": {"C": 0.5}}), folder)


def environment(**more):
    """The environment of a process of its own: no tracking address, this folder in its path."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_TRACKING")}
    path = os.pathsep.join([str(SUPPORT), str(SOURCE)])
    binary = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": binary}
    return env | quiet | {"PYTHONPATH": path} | more


def python(code, root, **env):
    """Run code in a process of its own at `root` and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
