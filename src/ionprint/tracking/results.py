"""What a run is made of: the result files, read once, with nothing of MLflow in it."""

import functools
import hashlib
import math
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ionprint.config import MINIMISED
from ionprint.errors import DataError
from ionprint.files import read_json, read_table, read_yaml, required
from ionprint.models.evaluation import METRICS
from ionprint.models.families import families
from ionprint.models.sealing import about_of, sealed

TOP_IONS = 15
# every result folder, its files that a run must have, and the stage that writes them
_FOLDERS = {
    "peaks": (("dataset.json", "peaks.csv"), "peaks"),
    "tuning": (("trials.csv", "best.yaml"), "tune"),
    "evaluation": (("metrics.json", "folds.csv"), "evaluate"),
    "checks": (("checks.csv",), "check"),
    "model": (("config.yaml", "model.yaml"), "train"),
    "ranking": ((), "rank"),
    "composition": ((), "composition"),
    "figures": ((), "figures"),
    "report": ((), "report"),
}
_OF_PEAKS = ("dataset.json", "peaks.csv", "calibration.csv")


@dataclass(frozen=True)
class Results:
    """The result files of one trained model.

    Attributes
    ----------
    files : dict of str to Path
        Every file that a run holds, by its name in the run, sorted.
    dataset, metrics, best, config, about : dict
        `dataset.json`, `metrics.json`, `best.yaml`, the composed configuration, and what the model
        says of itself.
    model_id : str
        Of the model's folder, as its seal tells.
    """

    files: dict[str, Path]
    dataset: dict[str, Any]
    metrics: dict[str, Any]
    best: dict[str, Any]
    config: dict[str, Any] = field(repr=False)
    about: dict[str, Any] = field(repr=False)
    model_id: str

    @functools.cached_property
    def sha256(self) -> str:
        """Hash of the names and bytes of all files."""
        total = hashlib.sha256()
        for name, path in self.files.items():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{name}\n{content}\n".encode())
        return total.hexdigest()

    def table(self, name: str) -> Any:
        """Read one of the CSV files, or give None where this run has none of it."""
        path = self.files.get(name)
        return None if path is None else read_table(path)

    @property
    def simulated(self) -> bool:
        """Whether the spectra come from a simulation."""
        return self.dataset["source"] == "simulated"


def read_results(outputs: str | Path, peaks: str | Path) -> Results:
    """Find and read the results of one run.

    Parameters
    ----------
    outputs : str or Path
        The results folder.
    peaks : str or Path
        The peaks folder, which several results folders may share.

    Raises
    ------
    MissingInputError
        A file that every run has is not there; the message names the stage that writes it.
    DataError
        Tuning, evaluation and model are not of the same choices.
    ModelFileError
        The model's files are not what was saved.
    """
    files: dict[str, Path] = {}
    for folder, (needed, stage) in _FOLDERS.items():
        place = Path(peaks) if folder == "peaks" else Path(outputs) / folder
        for name in needed:
            required(place / name, stage)
        for path in sorted(place.rglob("*")):
            name = path.relative_to(place).as_posix()
            wanted = name in _OF_PEAKS if folder == "peaks" else not path.name.startswith(".")
            if wanted and path.is_file():
                files[f"{folder}/{name}"] = path
    model = sealed(Path(outputs) / "model")
    results = Results(
        files=dict(sorted(files.items())),
        dataset=read_json(files["peaks/dataset.json"]),
        metrics=read_json(files["evaluation/metrics.json"]),
        best=read_yaml(files["tuning/best.yaml"]),
        config=read_yaml(model["config.yaml"]),
        about=about_of(model),
        model_id=model.id,
    )
    _must_agree(results)
    return results


def _must_agree(results: Results) -> None:
    """Refuse results of several choices: one model's score must not stand beside another model."""
    held = (("evaluation", results.metrics, "evaluate"), ("model", results.about, "train"))
    for folder, about, stage in held:
        for key in ("normalisation", "scaling", "model", "params"):
            if about.get(key) != results.best[key]:
                raise DataError(
                    f"{folder}/ was made with {key}={about.get(key)}, tuning/ with "
                    f"{key}={results.best[key]}: they are not of one model. Run `ionprint {stage}` "
                    f"with the choices that were tuned, or `dvc repro` for the whole pipeline."
                )


def choices(results: Results) -> dict[str, str]:
    """Return what was chosen for this run, by names that fit MLflow's parameters."""
    config, best = results.config, results.best
    chosen = {
        "dataset": results.dataset["name"],
        "normalisation": best["normalisation"],
        "scaling": best["scaling"],
        "model": best["model"],
        "folds": results.metrics["score"]["folds"],
        "n_folds": results.metrics["score"].get("n_folds"),
        "seed": config.get("seed"),
    }
    for group in ("cross_validation", "tuning", "evaluation", "ranking", "spectra", "ions"):
        chosen |= _flat(config.get(group) or {}, group)
    chosen |= {f"data.{key}": _count(results.metrics.get(key)) for key in _COUNTED}
    chosen |= {f"best.{key}": value for key, value in (best.get("params") or {}).items()}
    return {key: str(value)[:500] for key, value in chosen.items() if value is not None}


_COUNTED = ("spectra", "classes", "groups", "peaks")


SCORES = ("score", "nested", "grouped", "plain", "dummy", "gap", "permutation", "rebuilt_peaks")


def scores(results: Results) -> dict[str, float]:
    """Return the cross-validated numbers, named so that they sort: `grouped/accuracy`."""
    kinds = {kind: results.metrics.get(kind) or {} for kind in SCORES}
    summary = results.files.get("ranking/summary.json")
    if summary:  # of the first ions: how many are a compound's own, how many were published
        compounds = read_json(summary)["compounds"].items()
        kinds["ranking"] = {
            c: {k: float(v) for k, v in n.items() if v is not None} for c, n in compounds
        }
    return {
        key: value
        for kind, numbers in kinds.items()
        for key, value in _flat(numbers, kind, "/").items()
        if isinstance(value, float) and math.isfinite(value)
        if not (kind == "dummy" and key.endswith(("_low", "_high")))
    }


def failed_checks(results: Results) -> list[str]:
    """Return the names of the checks that failed and were not accepted."""
    checks = results.table("checks/checks.csv")
    return list(checks.loc[(checks["result"] == "failed") & (checks["accepted"] == ""), "name"])


def accepted_checks(results: Results) -> str:
    """Return the failures that were accepted, with the reasons; empty where there are none."""
    checks = results.table("checks/checks.csv")
    accepted = checks[checks["accepted"] != ""]
    return "; ".join(f"{c.name}: {c.accepted}" for c in accepted.itertuples(index=False))


def composition_figures(results: Results) -> dict[str, float]:
    """Return how mixtures whose compounds are known were read.

    Known is what the sheet's `expected` says of spectra with the role mixture. On an anode it is a
    belief, which the reading may rightly contradict.

    Returns
    -------
    dict of str to float
        mixtures: how many spectra; presence_f1: F1 of what is called present over all spectra and
        compounds; exactly_right: share of spectra that are said to hold just what they hold;
        false_alarms: share of spectra outside among those made of the references' compounds alone,
        left out where there are none. Empty where nothing can be judged.
    """
    import numpy as np

    table = results.table("composition/spectra.csv")
    if table is None or "alarm" not in table:
        return {}
    known = table[(table["role"] == "mixture") & (table["expected"] != "")]
    columns = [c for c in known if c.startswith("present_")]
    names = [c.removeprefix("present_") for c in columns]
    expected = [set(text.split("+")) for text in known["expected"]]
    there = np.array([[name in held for name in names] for held in expected], dtype=bool)
    if not there.any():
        return {}
    called = known[columns].to_numpy(dtype=bool)
    inside = np.array([held <= set(names) for held in expected])
    figures = {
        "mixtures": float(len(known)),
        "presence_f1": float(2 * (called & there).sum() / (called.sum() + there.sum())),
        "exactly_right": float((called == there).all(axis=1).mean()),
    }
    if inside.any():
        figures["false_alarms"] = float((known["alarm"][inside] == "outside").mean())
    return figures


def series(results: Results) -> list[tuple[str, float, int]]:
    """Return what has a course: each fold's scores and each trial's, as (name, value, step)."""
    points = [
        (f"fold/{row['folds']}/{key}", row.get(key), int(row["fold"]))
        for row in results.table("evaluation/folds.csv").to_dict("records")
        for key in METRICS
    ]
    trials = results.table("tuning/trials.csv").dropna(subset=["score"]).sort_values("trial")
    if len(trials):
        lowest = results.best["metric"] in MINIMISED
        best = trials["score"].cummin() if lowest else trials["score"].cummax()
        for trial, score, best_score in zip(trials["trial"], trials["score"], best, strict=True):
            points.append(("tuning/score", score, int(trial)))
            points.append(("tuning/best_score", best_score, int(trial)))
    return [(n, float(v), s) for n, v, s in points if v is not None and math.isfinite(v)]


def top_ions(results: Results) -> Any:
    """Return the first ions of each compound, a row for each compound and rank, or None.

    Ranks are those of ion families: satellites stand with their parent. The first column tells rows
    apart and the second, the ion with its m/z, is what MLflow compares between runs.
    """
    ions = results.table("ranking/ions.csv")
    if ions is None:
        return None
    ions = families(ions)
    ions = ions[ions["family_rank"] <= TOP_IONS]
    placed = zip(ions["compound"], ions["family_rank"], strict=True)
    named = zip(ions["ion"], ions["mz"], strict=True)
    ions = ions.assign(
        rank=[f"{c} {int(r):02d}" for c, r in placed],
        named=[f"{ion} {mz:.4f}".strip() for ion, mz in named],
    )
    first = ["rank", "named", "mz", "ion", "compound"]
    left = ("family", "family_rank", "satellite_of")
    return ions[first + [c for c in ions.columns if c not in (*first, *left)]]


def samples_read(results: Results) -> Any:
    """Return what mixtures and anodes hold, a row a sample, or None.

    The first column tells rows apart and the second is what MLflow compares between runs: what the
    sample holds, or the probabilities where nothing else was read.
    """
    import pandas as pd

    from ionprint.composition.wording import holds

    samples = results.table("composition/samples.csv")
    if samples is None or samples.empty:
        return None
    names = [c.removeprefix("p_") for c in samples if c.startswith("p_")]
    rows = []
    for row in samples.to_dict("records"):
        told = {f"p {n}": row[f"p_{n}"] for n in names}
        if "outside" in samples:
            text = holds(row, names)
            told |= {f"fraction {n}": row[f"fraction_{n}"] for n in names}
            told |= {f"proof {n}": row[f"proof_{n}"] for n in names}
        else:
            text = ", ".join(f"{n} {row[f'p_{n}']:.2f}" for n in names)
        head = {"sample": row["sample"], "holds" if "outside" in samples else "probabilities": text}
        rows.append({**head, **{k: row[k] for k in ("expected", "role", "spectra")}, **told})
    return pd.DataFrame(rows)


def data_version(path: str | Path) -> str | None:
    """Return the hash that DVC keeps of a data folder, or None when it keeps none."""
    pointer = Path(f"{str(path).rstrip('/')}.dvc")
    if not pointer.is_file():
        return None
    outs = (read_yaml(pointer) or {}).get("outs") or [{}]
    return outs[0].get("md5")


def code_version() -> tuple[str | None, bool]:
    """Return the git commit and whether files differ from it; (None, False) without git."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None, False
    # the pipeline itself writes dvc.lock while it runs
    return commit, bool(_git("status", "--porcelain", "--", ".", ":(exclude)dvc.lock"))


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _flat(group: dict[str, Any], prefix: str, joint: str = ".") -> dict[str, Any]:
    flat = {}
    for key, value in group.items():
        name = f"{prefix}{joint}{key}"
        flat |= _flat(value, name, joint) if isinstance(value, dict) else {name: value}
    return flat


def _count(value: Any) -> Any:
    return len(value) if isinstance(value, list | dict) else value
