"""Sweeps: `ionprint evaluate -m`, one tuned, evaluated and tracked run a combination."""

import contextlib
import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ionprint.errors import ConfigError, IonprintError, listed
from ionprint.files import read_json, required, write_table

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig

PARENT = "IONPRINT_PARENT_RUN"
STAGES = ("tune", "evaluate", "rank", "train", "composition", "figures")


def launch(overrides: list[str], root: Path) -> int:
    """Launch every combination of the swept choices through Hydra and compare them.

    All combinations are composed, and so checked, before the first one runs;
    `hydra/launcher=joblib` runs them on all cores.

    Parameters
    ----------
    overrides : list of str
        As typed; a comma list or a Hydra sweep function makes a choice swept.
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

    own = [o for o in overrides if o.startswith(("hydra.", "hydra/", "+hydra", "~hydra"))]
    choices = expand([o for o in overrides if o not in own])
    varied = [key for key, values in choices if len(values) > 1]
    fixed = [key for key, values in choices if len(values) == 1]
    shared = [k for k in varied if k.split(".")[0] in ("dataset", "spectra", "outputs", "peaks")]
    if shared:
        raise ConfigError(
            f"{shared[0]} cannot be swept: all runs of a sweep share one peak table. Run "
            f"`ionprint peaks {shared[0]}=... outputs=...` for each, then sweep each."
        )
    if not varied:
        raise ConfigError(
            "nothing to sweep: give a choice several values, e.g. model=logistic,dummy"
        )
    combinations = [
        [f"{key}={value}" for (key, _), value in zip(choices, values, strict=True)]
        for values in itertools.product(*(values for _, values in choices))
    ]
    configs = [compose(combination, root) for combination in combinations]
    compose(own, root)
    base = Path(configs[0].outputs)
    source = read_json(required(Path(configs[0].peaks) / "dataset.json", "peaks"))["source"]
    runs = {}
    for combination in combinations:
        swept = [o for o in combination if o.partition("=")[0] in varied]
        # sorted, as Hydra names a job's folder
        runs[",".join(sorted(swept))] = dict(o.split("=", 1) for o in swept)

    from ionprint.tracking.run import finish_parent, start_parent

    title = f"sweep of {', '.join(varied)}"
    parent = start_parent(configs[0], title, f"{len(runs)} runs: {'; '.join(runs)}")
    board, best = None, []
    try:
        _hydra([*overrides, *_settings(base, fixed, parent)], root)
        board, failed = leaderboard(base, runs)
        best = board.filter(["accuracy", "f1_macro", "log_loss"]).head(1).to_dict("records")
    finally:
        best = {f"best/{k}": v for row in best for k, v in row.items()}
        finish_parent(parent, board, best, source)
    write_table(board, base / "sweep" / "leaderboard.csv", 4)
    _show(board, base, varied, source)
    if failed:
        raise IonprintError(f"{len(failed)} of {len(runs)} runs failed:\n{listed(failed)}")
    return 0


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


def job(cfg: "DictConfig") -> None:
    """Tune, evaluate, rank, train, read, draw and track one combination in its own folder."""
    import importlib

    from hydra.core.hydra_config import HydraConfig

    from ionprint.config import checked
    from ionprint.errors import NoWeightsError
    from ionprint.tracking.run import log_run

    name = HydraConfig.get().job.override_dirname
    cfg = checked(cfg)
    folder = Path(cfg.outputs) / "sweep" / name
    cfg.outputs = str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "error.txt").unlink(missing_ok=True)
    try:
        log = (folder / "log.txt").open("w", encoding="utf-8")
        with log, contextlib.redirect_stdout(log):
            for stage in STAGES:
                try:
                    importlib.import_module(f"ionprint.stages.{stage}").run(cfg)
                except NoWeightsError as exc:
                    print(exc)
            log_run(cfg, name=name, parent_run_id=os.environ[PARENT], register=False)
        score = read_json(folder / "evaluation" / "metrics.json")["score"]
        print(f"{name}: accuracy {score['accuracy']:.3f}, log loss {score['log_loss']:.3f}")
    except IonprintError as exc:
        (folder / "error.txt").write_text(str(exc), encoding="utf-8")
        print(f"{name}: failed: {exc}", file=sys.stderr)


def leaderboard(base: Path, runs: dict[str, dict[str, str]]) -> "tuple[pd.DataFrame, list[str]]":
    """Return the runs of a sweep, best first, and what failed.

    Parameters
    ----------
    runs : dict of str to dict
        What each run varied, by its name: ``{"model=logistic,scaling=minmax": {"model": ...}}``.
    """
    import pandas as pd

    rows, failed = [], []
    for name, varied in runs.items():
        folder = base / "sweep" / name
        error = folder / "error.txt"
        if error.exists():
            failed.append(f"{name}: {error.read_text(encoding='utf-8')}")
            continue
        metrics = read_json(required(folder / "evaluation" / "metrics.json", "evaluate -m"))
        score = metrics["score"]
        rows.append(
            {
                **varied,
                **score,
                "plain_accuracy": metrics["plain"]["accuracy"],
            }
        )
    board = pd.DataFrame(rows)
    if rows:
        board = board.sort_values(
            ["accuracy", "log_loss"], ascending=[False, True], kind="stable", ignore_index=True
        )
    return board, failed


def _show(board: "pd.DataFrame", base: Path, varied: list[str], source: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"leaderboard, {source} data ({base}/sweep/leaderboard.csv)",
        title_justify="left",
        box=None,
    )
    for title in varied:
        table.add_column(title.rpartition(".")[2], overflow="fold")
    for title in ("accuracy", "macro F1", "log loss", "plain accuracy"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in board.to_dict("records"):
        table.add_row(
            *(row[key] for key in varied),
            f"{row['accuracy']:.3f} ± {row['accuracy_sd']:.3f}",
            f"{row['f1_macro']:.3f}",
            f"{row['log_loss']:.3f} ± {row['log_loss_sd']:.3f}",
            f"{row['plain_accuracy']:.3f}",
        )
    Console().print(table)
    print("compare the runs side by side: make ui")
