"""Compare two logged runs: which ions changed rank, and what else differs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from omegaconf import DictConfig

CHANGES = 3  # of each compound
SCORES = {"accuracy": ("accuracy", 3), "f1_macro": ("macro F1", 3), "log_loss": ("log loss", 4)}


def run(cfg: DictConfig, one: str, other: str) -> None:
    """Print how the ion rankings of two runs differ, and log the comparison to both.

    Writes `<outputs>/compared/`, of the last two runs that were compared. Each run gets
    `compared/<other run>/` with `ranks.json`, which MLflow shows as a table, and the chart `slopes`
    as SVG and PNG; an earlier comparison of the two is replaced.

    Parameters
    ----------
    cfg : DictConfig
        Uses `outputs` and `ranking.first`.
    one, other : str
        Names, ids or beginnings of ids of two runs, A and B.

    Raises
    ------
    ConfigError
        Both are the same run.
    TrackingError
        A run is not found, or has no ranking.
    DataError
        The runs have no compound in common.
    """
    from ionprint.errors import ConfigError
    from ionprint.figures.ranks import ranks_figure
    from ionprint.figures.style import save
    from ionprint.files import fresh_folder, write_table
    from ionprint.models.comparison import agreement, compare_rankings
    from ionprint.tracking.compare import find_runs, log_comparison, read_ranking, told

    first = cfg.ranking.first
    a, b = find_runs((one, other), str(cfg.outputs))
    if a.info.run_id == b.info.run_id:
        raise ConfigError(f"{one} and {other} are one run, {told(a)}: give two")
    rankings = [read_ranking(run) for run in (a, b)]
    table = compare_rankings(*rankings, first)
    names = (told(a), told(b))
    sources = [run.data.tags.get("ionprint.source", "measured") for run in (a, b)]
    table_of_both = table.assign(run_a=names[0], run_b=names[1])
    with fresh_folder(Path(cfg.outputs) / "compared") as folder:
        pictures = save(ranks_figure(table, first, names, sources), folder, "slopes")
        write_table(table_of_both, folder / "ranks.csv", 4)
        kept = [file for file in pictures if file.suffix != ".pdf"]
        tables = {"ranks.json": table_of_both}
        places = [log_comparison(x, y, tables, kept) for x, y in ((a, b), (b, a))]
    _show((a, b), sources, table, agreement(table, first), first)
    alone = set(rankings[0]["compound"]) ^ set(rankings[1]["compound"])
    if alone:
        print(f"in one run only, not compared: {', '.join(sorted(alone))}")
    for name, place in zip(names, places, strict=True):
        print(f"logged to {name}: {place}/ (ranks.json, slopes.svg, slopes.png)")
    print(f"written to {cfg.outputs}/compared/")


def _show(
    runs: Sequence[Any],
    sources: Sequence[str],
    table: pd.DataFrame,
    agreed: pd.DataFrame,
    first: int,
) -> None:
    """Print what differs: scores, choices, and the ions that changed most."""
    import sys

    from ionprint.tracking.compare import told

    for side, run in zip("AB", runs, strict=True):
        print(f"{side}: {told(run)}")
    if len({run.data.tags.get("ionprint.data") for run in runs}) > 1:
        print("warning: the runs are of different data sets: ions and scores differ for that too")
    source = f"{' and '.join(dict.fromkeys(sources))} data"
    _scores(runs, source)
    _choices(runs, source)
    _ranks(table, agreed, first, source, sys.stdout.encoding)


def _scores(runs: Sequence[Any], source: str) -> None:
    """Print the quoted scores of both runs with their 95 % intervals."""
    from ionprint.stages.terminal import print_table

    rows = [
        (name, *(_score(run.data.metrics, f"score/{key}", digits) for run in runs))
        for key, (name, digits) in SCORES.items()
    ]
    rows.append(("folds", *(str(run.data.params.get("folds", "-")) for run in runs)))
    print_table(f"Quoted scores [95 %] ({source})", ("score", "A", "B"), rows, right=("A", "B"))


def _score(metrics: dict[str, float], key: str, digits: int) -> str:
    if key not in metrics:
        return "-"
    ends = [metrics.get(f"{key}_{end}") for end in ("low", "high")]
    told = f"{metrics[key]:.{digits}f}"
    return told if None in ends else f"{told} [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"


def _choices(runs: Sequence[Any], source: str) -> None:
    """Print the choices and hyperparameters that differ."""
    from ionprint.stages.terminal import print_table

    # what wraps another estimator names the inner one's parameters by it
    one, two = (
        {key.replace("estimator__", ""): _short(value) for key, value in run.data.params.items()}
        for run in runs
    )
    differ = [key for key in sorted({**one, **two}) if one.get(key) != two.get(key)]
    if not differ:
        print("no choice differs")
        return
    rows = [(key, one.get(key, "-"), two.get(key, "-")) for key in differ]
    print_table(f"Choices that differ ({source})", ("choice", "A", "B"), rows)


def _short(value: str) -> str:
    """Write a number with the digits that tell choices apart, any other text as it is."""
    try:
        return f"{float(value):.6g}"
    except ValueError:
        return value


def _ranks(
    table: pd.DataFrame, agreed: pd.DataFrame, first: int, source: str, encoding: str | None
) -> None:
    """Print how far the rankings agree, and the largest changes of each compound."""
    from ionprint.stages.show import signs_for
    from ionprint.stages.terminal import print_table

    signs, rows = signs_for(encoding), []
    for told in agreed.itertuples():
        own = table[table["compound"] == told.compound]
        # a rank beyond the first ones counts as the next: how far beyond says little
        ends = [own[f"rank_{side}"].fillna(first + 1).clip(upper=first + 1) for side in "ab"]
        size = (ends[0] - ends[1]).abs()
        moved = own[size > 0].loc[size[size > 0].sort_values(ascending=False, kind="stable").index]
        changes = [
            f"{signs.formula(ion.ion, '-') if ion.ion else f'{_mz(ion):.4f}'} "
            f"{_rank(ion.rank_a)} > {_rank(ion.rank_b)}"
            for ion in moved.head(CHANGES).itertuples()
        ]
        tau = "-" if told.tau != told.tau else f"{told.tau:.2f}"
        rows.append(
            (
                signs.formula(told.compound),
                f"{told.shared} of {told.first}",
                tau,
                ", ".join(changes) or "none",
            )
        )
    headings = ("compound", "shared", "order (tau)", "largest changes, rank in A > in B")
    print_table(f"First {first} ions of each compound ({source})", headings, rows)


def _mz(ion: Any) -> float:
    return ion.mz_a if ion.mz_a == ion.mz_a else ion.mz_b


def _rank(rank: Any) -> str:
    import pandas as pd

    return "none" if pd.isna(rank) else str(rank)
