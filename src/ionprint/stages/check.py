"""Check what the score rests on: each check passed, failed or not applicable."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ionprint.files import fresh_folder, read_json, read_table, required, write_table
from ionprint.stages.problem import load_problem, tuned_pipeline

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ionprint.models.checks import Check


def run(cfg: "DictConfig") -> None:
    """Check tuning, scores and ranking and write `checks/`.

    A failed check is a finding, no error: it keeps the model from becoming champion, unless
    `dataset.accepted` gives a reason why it does no harm.

    Raises
    ------
    ConfigError
        `dataset.accepted` names no check.
    MissingInputError
        A stage before has not run.
    """
    import pandas as pd

    from ionprint.models.checks import FAILED

    accepted = dict(cfg.dataset.accepted)
    _must_be_checks(accepted)
    done = [
        replace(check, accepted=accepted.get(check.name, "") if check.result == FAILED else "")
        for check in checks(cfg)
    ]
    with fresh_folder(Path(cfg.outputs) / "checks") as out:
        write_table(pd.DataFrame(done), out / "checks.csv")
    _tell(done, read_json(Path(cfg.peaks) / "dataset.json")["source"])


def _must_be_checks(names: dict[str, str]) -> None:
    from ionprint.config import near
    from ionprint.errors import ConfigError
    from ionprint.models.checks import NAMES

    for name in names:
        if name not in NAMES:
            raise ConfigError(
                f"dataset.accepted.{name}: there is no such check.{near(name, list(NAMES))} "
                f"Checks: {', '.join(NAMES)}."
            )


def checks(cfg: "DictConfig") -> "list[Check]":
    """Return all checks of the results below `cfg.outputs`, as NAMES has them."""
    from ionprint.config import MINIMISED
    from ionprint.models import checks as of

    outputs = Path(cfg.outputs)
    problem = load_problem(cfg)
    _, best = tuned_pipeline(cfg)
    trials = read_table(required(outputs / "tuning" / "trials.csv", "tune"))
    metrics = read_json(required(outputs / "evaluation" / "metrics.json", "evaluate"))
    peaks = read_table(required(Path(cfg.peaks) / "peaks.csv", "peaks"))
    ranking = outputs / "ranking" / "ions.csv"
    ions = read_table(ranking) if ranking.exists() else None
    # without a column of its own, a pellet is what the sheet calls a sample
    column = problem.group or "sample"
    groups = problem.table.column(column)
    areas, files = problem.table.areas, list(problem.table.samples["file"])
    lower = best["metric"] in MINIMISED
    return [
        of.groups_across_folds(problem.folds, groups, column),
        of.scaling_outside_folds(areas, metrics["tuned"]),
        of.optimum_at_edge(cfg.model.search_space, best["params"], trials, lower),
        of.solver_not_converged(metrics["stopped"]),
        of.worse_than_dummy(metrics["score"], metrics["dummy"]),
        of.too_few_groups(problem.y, groups, column),
        of.far_from_class(areas, problem.y, files),
        of.saturated_top_ions(ions, peaks.set_index("mz")["saturated"], cfg.ranking.first),
        of.total_counts_alone(metrics["score"], metrics["total_counts_alone"]),
    ]


def _tell(done: "list[Check]", source: str) -> None:
    from rich.text import Text

    from ionprint.stages.terminal import print_table

    colours = {"passed": "green", "failed": "bold red", "accepted": "yellow"}
    rows = []
    for check in done:
        result = "accepted" if check.accepted else check.result
        finding = check.finding + (f" (accepted: {check.accepted})" if check.accepted else "")
        name = check.name.replace("_", " ")
        rows.append((name, Text(result, colours.get(result, "dim")), finding))
    print_table(f"Checks ({source} data)", ("check", "result", "finding"), rows)
    failed = sum(check.result == "failed" and not check.accepted for check in done)
    if failed:
        print(f"{failed} failed: the model will not become champion (docs/checks.md)")
