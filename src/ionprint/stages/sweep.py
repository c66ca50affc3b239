"""Sweeps: one tuned, evaluated, checked and tracked run a combination of choices, then compared.

Every run keeps a record of the stages it has done, so that a sweep that was killed goes on where
it stopped: finished stages and logged runs are not done again.
"""

import contextlib
import hashlib
import importlib
import itertools
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.errors import ConfigError, IonprintError, listed, masked
from ionprint.files import read_json, required, write_json, write_table
from ionprint.stages.progress import progress, silence, silent

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig

PARENT = "IONPRINT_PARENT_RUN"
OPTIONS = {
    "figures": {"tuning_only": True},
    "train": {"classifier_only": True},
    "composition": {"probability_only": True},
}
"""Runs of a sweep differ in the classifier; what does not depend on it is left out."""
STAGES = ("tune", "evaluate", "rank", "check", "train", "composition", "figures")
STORAGE = "IONPRINT_STORAGE"
"""Variable of the environment that a sweep's database is handed to its jobs in."""
RECORD, ERROR, LOG = "record.json", "error.txt", "log.txt"
SHARED = ("dataset", "spectra", "ions", "outputs", "peaks", "sweep", "experiment", "dask")
BOARD = ("accuracy", "f1_macro", "log_loss", "brier")
LOOK_EVERY = 0.5  # seconds


def launch(overrides: list[str], root: Path) -> int:
    """Launch every combination of the swept choices through Hydra and compare them.

    All combinations are composed, and so checked, and the tracking store must answer, before the
    first one runs. They run on all cores (`hydra/launcher=joblib`) unless another launcher is
    given.

    Parameters
    ----------
    overrides : list of str
        As typed; a comma list or a Hydra sweep function makes a choice swept. Where none is, the
        chosen file of conf/sweep says what is.
    root : Path
        The project's folder, which is the working directory.

    Returns
    -------
    int
        0, or 2 when a combination failed.

    Raises
    ------
    IonprintError
        An override is wrong, the peak table is not there, or the tracking store does not answer.
    """
    from ionprint.config import compose

    own = [o for o in overrides if o.lstrip("+~").startswith(("hydra.", "hydra/"))]
    choices = planned([o for o in overrides if o not in own], root)
    varied = [key for key, values in choices if len(values) > 1]
    fixed = [key for key, values in choices if len(values) == 1]
    shared = [k for k in varied if k.split(".")[0] in SHARED]
    if shared:
        raise ConfigError(
            f"{shared[0]} cannot be swept: all runs of a sweep share one peak table and one place. "
            f"Run `ionprint peaks {shared[0]}=... outputs=...` for each, then sweep each."
        )
    if not varied:
        raise ConfigError(
            "nothing to sweep: give a choice several values, e.g. model=logistic,dummy"
        )
    combinations = [
        [f"{key}={value}" for (key, _), value in zip(choices, values, strict=True)]
        for values in itertools.product(*(values for _, values in choices))
    ]
    configs = [compose(combination, root) for combination in progress(combinations, "checking")]
    compose(own, root)
    if configs[0].tuning.storage:  # must answer before anything runs
        from ionprint.models.shared_study import connect

        connect(configs[0].tuning.storage).engine.dispose()
        choices = _referring(choices, configs[0].tuning.storage)
        fixed = [key for key, values in choices if len(values) == 1]
    base = Path(configs[0].outputs)
    source = read_json(required(Path(configs[0].peaks) / "dataset.json", "peaks"))["source"]
    runs, prints = {}, {}
    for combination, cfg in zip(combinations, configs, strict=True):
        swept = [o for o in combination if o.partition("=")[0] in varied]
        name = ",".join(sorted(swept))  # sorted, as Hydra names a job's folder
        runs[name] = dict(o.split("=", 1) for o in swept)
        prints[name] = fingerprint(cfg)

    from ionprint.tracking.run import finish_parent, start_parent

    title = f"sweep of {', '.join(varied)}"
    sweep_id = hashlib.sha256("\n".join(sorted(prints.values())).encode()).hexdigest()
    parent = start_parent(configs[0], title, f"{len(runs)} runs: {'; '.join(runs)}", sweep_id)
    board, best = None, []
    try:
        with watching(base / "sweep", prints):
            if configs[0].dask.address is None and configs[0].dask.name == "threads":
                if not any(o.startswith("hydra/launcher=") for o in own):
                    own = ["hydra/launcher=joblib", *own]
                arguments = [f"{key}={','.join(values)}" for key, values in choices]
                _hydra([*arguments, *own, *_settings(base, fixed, parent)], root)
            else:
                _on_dask(list(zip(runs, combinations, strict=True)), configs[0], root, parent)
        board, failed = leaderboard(base, runs)
        best = board.filter(BOARD).head(1).to_dict("records")
        if not board.empty:
            _draw(board, {k: v for k, v in choices if k in varied}, base / "sweep", source, parent)
    finally:
        best = {f"best/{k}": v for row in best for k, v in row.items()}
        finish_parent(parent, board, best, source)
    write_table(board, base / "sweep" / "leaderboard.csv", 4)
    _show(board, base, varied, source)
    if failed:
        raise IonprintError(f"{len(failed)} of {len(runs)} runs failed:\n{listed(failed)}")
    return 0


def _referring(choices: list[tuple[str, list[str]]], storage: str) -> list[tuple[str, list[str]]]:
    """Name a database that asks for a password by a variable: Hydra writes settings to a file."""
    if masked(storage) == storage:
        return choices
    os.environ[STORAGE] = storage
    others = [choice for choice in choices if choice[0].lstrip("+") != "tuning.storage"]
    return [*others, ("tuning.storage", [f"${{oc.env:{STORAGE}}}"])]


def planned(overrides: list[str], root: Path) -> list[tuple[str, list[str]]]:
    """Return every override of a sweep with its values: typed ones, else those of conf/sweep.

    Raises
    ------
    ConfigError
        An override cannot be parsed, or the chosen sweep names what is not there.
    """
    from ionprint.config import compose

    typed = expand(overrides)
    given = {key for key, _ in typed}
    if any(key == "sweep" and len(values) > 1 for key, values in typed):
        raise ConfigError("sweep cannot be swept: give one of conf/sweep/")
    plan = compose([o for o in overrides if o.startswith("sweep=")], root).sweep
    swept = [] if any(len(values) > 1 for _, values in typed) else list(plan.over.items())
    choices = [(key, [str(v) for v in values]) for key, values in swept if key not in given]
    # the settings first: of two values for a key the typed one must count
    settings = [s for s in expand(list(plan.settings)) if s[0] not in given]
    return [*settings, *choices, *typed]


def expand(overrides: list[str]) -> list[tuple[str, list[str]]]:
    """Return the values that each override asks for, in order.

    Raises
    ------
    ConfigError
        An override cannot be parsed.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
        result = []
        for override in parsed:
            if override.is_sweep_override():
                values = [str(v) for v in override.sweep_string_iterator()]
            else:
                values = [override.input_line.partition("=")[2]]
            result.append((override.input_line.partition("=")[0], values))
    except HydraException as exc:
        raise ConfigError(str(exc).splitlines()[0]) from exc
    return result


def fingerprint(cfg: "DictConfig") -> str:
    """Return a hash of all that decides a run's results: settings, peak table, code."""
    from omegaconf import OmegaConf

    import ionprint

    config = OmegaConf.to_container(cfg)
    for key in ("outputs", "peaks", "simulation", "tracking", "sweep", "image", "maps", "dask"):
        config.pop(key)
    for key in ("storage", "workers"):  # where and how trials are made does not change them
        config["tuning"].pop(key)
    config["dataset"].pop("path")
    total = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    code = Path(ionprint.__file__).parent
    files = [required(Path(cfg.peaks) / "peak_table.parquet", "peaks")]
    files += sorted(code.glob("models/*.py"))
    files += [code / "stages" / f"{stage}.py" for stage in STAGES]
    for file in files:
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def _settings(base: Path, fixed: list[str], parent: str) -> list[str]:
    """Hydra's own settings: where a job lies, what it is called, and no logging of Hydra's."""
    return [
        f"hydra.sweep.dir={base}/sweep",
        "hydra.sweep.subdir=${hydra.job.override_dirname}",
        f"hydra.job.config.override_dirname.exclude_keys=[{','.join(fixed)}]",
        "hydra.output_subdir=null",
        f"+hydra.job.env_set.{PARENT}={parent}",
        "hydra/job_logging=disabled",
        "hydra/hydra_logging=disabled",
    ]


def _hydra(arguments: list[str], root: Path) -> None:
    """Let Hydra expand and launch the jobs."""
    import hydra

    before = sys.argv
    sys.argv = ["ionprint", "--multirun", "--config-path", str(root / "conf"), *arguments]
    try:
        hydra.main(version_base="1.3", config_name="config")(job)()
    except SystemExit as exc:
        raise IonprintError("Hydra could not launch the sweep; its message stands above") from exc
    finally:
        sys.argv = before


def _on_dask(jobs: list[tuple[str, list[str]]], cfg: "DictConfig", root: Path, parent: str) -> None:
    """Give the combinations to the workers of a Dask scheduler, one at a time to each."""
    from ionprint.cluster import Lost, Where, pool

    where = Where(cfg.dask.name, cfg.dask.workers, cfg.dask.address)
    variables = {PARENT: parent}
    if "MLFLOW_TRACKING_URI" in os.environ:
        variables["MLFLOW_TRACKING_URI"] = os.environ["MLFLOW_TRACKING_URI"]
    with pool(where) as workers:
        ends = workers.run(dask_job, (root, variables), jobs)
    for (name, _), end in zip(jobs, ends, strict=True):
        if isinstance(end, Lost):
            folder = Path(cfg.outputs) / "sweep" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ERROR).write_text(masked(end.why), encoding="utf-8")


def dask_job(common: tuple[Path, dict[str, str]], item: tuple[str, list[str]]) -> None:
    """Do one combination in a worker, which must see the project's folder at the same place.

    Parameters
    ----------
    common : tuple
        The project's folder; environment variables of the sweep.
    item : tuple
        The name of the combination, and its overrides.
    """
    from ionprint.config import compose

    root, variables = common
    name, overrides = item
    os.environ.update(variables)
    os.chdir(root)
    one(compose(overrides, root), name)


def job(cfg: "DictConfig") -> None:
    """Do one combination that Hydra launches."""
    from hydra.core.hydra_config import HydraConfig

    from ionprint.config import checked

    one(checked(cfg), HydraConfig.get().job.override_dirname)


def one(cfg: "DictConfig", name: str) -> None:
    """Do what is missing of one combination, in its own folder, and track it."""
    from filelock import FileLock

    cfg.tuning.workers = 1  # the launcher uses the cores
    folder = Path(cfg.outputs) / "sweep" / name
    cfg.outputs = str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # another process may do the same sweep; a killed one lets go
    with FileLock(folder / ".lock"), silence():
        (folder / ERROR).unlink(missing_ok=True)
        try:
            with (folder / LOG).open("a", encoding="utf-8") as log, contextlib.redirect_stdout(log):
                _do(cfg, folder, name)
        except IonprintError as exc:
            (folder / ERROR).write_text(str(exc), encoding="utf-8")


def _do(cfg: "DictConfig", folder: Path, name: str) -> None:
    """Run the stages that the record lacks, then log the run; both once."""
    from ionprint.errors import NoWeightsError
    from ionprint.tracking.run import log_run

    mark = fingerprint(cfg)
    record = _record(folder)
    if record["fingerprint"] != mark:
        record = {"fingerprint": mark, "stages": [], "logged": []}
    for stage in STAGES:
        if stage in record["stages"]:
            continue
        options = OPTIONS.get(stage, {})
        try:
            importlib.import_module(f"ionprint.stages.{stage}").run(cfg, **options)
        except NoWeightsError as exc:
            print(exc)
        record["stages"].append(stage)
        _keep(record, folder)
    parent = os.environ[PARENT]
    if parent not in record["logged"]:
        log_run(cfg, name=name, parent_run_id=parent, register=False)
        record["logged"].append(parent)
        _keep(record, folder)


def _record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    return read_json(path) if path.exists() else {"fingerprint": None, "stages": [], "logged": []}


def _keep(record: dict[str, Any], folder: Path) -> None:
    """Write the record whole or not at all."""
    new = folder / f".{RECORD}"
    write_json(record, new)
    new.replace(folder / RECORD)


@contextlib.contextmanager
def watching(place: Path, prints: dict[str, str]) -> Iterator[None]:
    """Tell how a sweep goes while the block runs it: what runs, what is done, the best so far.

    A line is printed for every finished run; where all is silent, for one that failed alone.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from ionprint.stages.terminal import console

    out = console(stderr=True)
    mute = silent()  # asked before the block, whose runs are silent in any case
    columns = (
        TextColumn("sweep"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    bar = Progress(*columns, console=out, disable=mute or not out.is_terminal, transient=True)
    task = bar.add_task("", total=len(prints))
    over, seen = threading.Event(), {}

    def look() -> None:
        running = []
        for name, mark in prints.items():
            if name in seen:
                continue
            record = _record(place / name)
            if (place / name / ERROR).exists():
                seen[name] = {}
                out.print(f"{name}: failed", soft_wrap=True)
            elif record["fingerprint"] == mark and record["logged"]:
                seen[name] = read_json(place / name / "evaluation" / "metrics.json")["score"]
                if not mute:
                    out.print(f"{name}: {_told(seen[name])}", soft_wrap=True)
            elif record["fingerprint"] == mark or (place / name / LOG).exists():
                running.append(name)
        scored = [n for n in seen if seen[n]]
        best = min(scored, key=lambda n: (-seen[n]["accuracy"], seen[n]["log_loss"]), default=None)
        text = f"running {'; '.join(running)}" if running else ""
        text += f"  best {best}: {_told(seen[best])}" if best else ""
        bar.update(task, completed=len(seen), description=text)

    def watch() -> None:
        while not over.wait(LOOK_EVERY):
            look()

    with bar:
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            look()


def _told(score: dict[str, Any]) -> str:
    return f"accuracy {score['accuracy']:.3f}, log loss {score['log_loss']:.3f}"


def leaderboard(base: Path, runs: dict[str, dict[str, str]]) -> "tuple[pd.DataFrame, list[str]]":
    """Return the runs of a sweep, best first, and what failed.

    Parameters
    ----------
    runs : dict of str to dict
        What each run varied, by its name: ``{"model=logistic,scaling=minmax": {"model": ...}}``.
    """
    import pandas as pd

    from ionprint.files import read_table

    rows, failed = [], []
    for name, varied in runs.items():
        folder = base / "sweep" / name
        error = folder / ERROR
        if error.exists():
            failed.append(f"{name}: {error.read_text(encoding='utf-8')}")
            continue
        metrics = read_json(required(folder / "evaluation" / "metrics.json", "sweep"))
        checks = read_table(folder / "checks" / "checks.csv")
        failed_checks = (checks["result"] == "failed") & (checks["accepted"] == "")
        score, gap = metrics["score"], metrics["gap"] or {}
        rows.append(
            {
                **varied,
                **{f"{m}{end}": score[f"{m}{end}"] for m in BOARD for end in ("", "_low", "_high")},
                "folds": score["folds"],
                "plain_accuracy": metrics["plain"]["accuracy"],
                "gap": gap.get("accuracy"),
                "checks_failed": ", ".join(checks["name"][failed_checks]),
            }
        )
    board = pd.DataFrame(rows)
    if rows:
        board = board.sort_values(
            ["accuracy", "log_loss"], ascending=[False, True], kind="stable", ignore_index=True
        )
    return board, failed


def _draw(
    board: "pd.DataFrame", choices: dict[str, list[str]], folder: Path, source: str, parent: str
) -> None:
    """Draw the leaderboard as a heat map, and put it beside the sweep's run."""
    from mlflow import MlflowClient

    from ionprint.figures.heatmap import heatmap_figure
    from ionprint.figures.style import save
    from ionprint.tracking.store import usable_store

    files = save(heatmap_figure(board, choices, source), folder, "heatmap")
    with usable_store():
        client = MlflowClient()
        for file in files:
            client.log_artifact(parent, str(file), "figures")


def _show(board: "pd.DataFrame", base: Path, varied: list[str], source: str) -> None:
    from ionprint.stages.terminal import print_table

    if board.empty:
        return
    numbers = ("accuracy [95 %]", "log loss [95 %]", "plain accuracy")
    print_table(
        f"Leaderboard ({source} data, {board['folds'][0]} folds)",
        (*(key.rpartition(".")[2] for key in varied), *numbers, "failed checks"),
        [
            (
                *(row[key] for key in varied),
                "{accuracy:.3f} [{accuracy_low:.3f}, {accuracy_high:.3f}]".format(**row),
                "{log_loss:.3f} [{log_loss_low:.3f}, {log_loss_high:.3f}]".format(**row),
                f"{row['plain_accuracy']:.3f}",
                row["checks_failed"].replace("_", " ") or "none",
            )
            for row in board.to_dict("records")
        ],
        right=numbers,
    )
    print(f"written to {base}/sweep: leaderboard.csv, heatmap (svg, pdf and png)")
    print("compare the runs side by side: make ui")
