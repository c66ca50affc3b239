"""A run in words: the description that a run shows in MLflow, the finding first."""

import re
from pathlib import Path
from typing import Any

from ionprint.composition.wording import called_present, holds
from ionprint.models.families import families
from ionprint.tracking.results import Results, accepted_checks, failed_checks

_IONS_SHOWN = 5
_SAMPLES_SHOWN = 12
PICTURES = ("composition/composition", "composition/samples", "ions/ranking", "validation/scores")
"""Figures that tell most, the first two that a run has are shown."""


def description(results: Results, run_id: str) -> str:
    """Return the run's description in markdown.

    Parameters
    ----------
    results : Results
        The result files of the run.
    run_id : str
        Whose pictures are shown.
    """
    samples = results.table("composition/samples.csv")
    kind = "Simulated data" if results.simulated else "Measured data"
    parts = [f"**{_finding(results, samples)}** {kind}."]
    if samples is not None and len(samples):
        parts.append(_samples(samples))
    parts += [_scores(results.metrics), _worth(results), *_pictures(results, run_id)]
    ions = results.table("ranking/ions.csv")
    if ions is not None and len(ions):
        parts.append(_ions(ions))
    return "\n\n".join(parts) + "\n"


MARKUP = re.compile(r"([\\`*{}\[\]()<>#|!~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def plain(text: Any) -> str:
    """Return a text that markdown shows letter by letter: names are no markup."""
    return MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def leaderboard(board: Any, source: str) -> str:
    """Describe a sweep by its runs, the best first.

    Parameters
    ----------
    board : pandas.DataFrame
        A row for each run.
    source : str
        simulated or measured.
    """
    columns = [c for c in board if not c.endswith(("_low", "_high"))]
    lines = [f"{source.capitalize()} data.", ""]
    lines += [f"| {' | '.join(map(plain, columns))} |", "| --- " * len(columns) + "|"]
    for row in board.to_dict("records"):
        cells = [f"{row[c]:.3f}" if isinstance(row[c], float) else plain(row[c]) for c in columns]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _finding(results: Results, samples: Any) -> str:
    unknown = None if samples is None else _unknown(samples)
    if unknown is None or unknown.empty:
        score = results.metrics["score"]
        return (
            f"{plain(results.best['model'])} tells the compounds of "
            f"{plain(results.dataset['name'])} apart "
            f"with accuracy {score['accuracy']:.2f}, F1 {score['f1_macro']:.2f}."
        )
    names = [c.removeprefix("p_") for c in _probabilities(unknown)]
    told = []
    for row in unknown.head(_SAMPLES_SHOWN).to_dict("records"):
        if "outside" in row:
            shown = [f"{plain(n)} {row[f'fraction_{n}']:.2f}" for n in called_present(row, names)]
        else:
            by_size = sorted(names, key=lambda n: -row[f"p_{n}"])
            likely = [n for n in by_size[:3] if row[f"p_{n}"] >= 0.1] or by_size[:1]
            shown = [f"{plain(n)} {row[f'p_{n}']:.2f}" for n in likely]
        told.append(f"{plain(row['sample'])}: {', '.join(shown) or 'none of the compounds'}")
    return "; ".join(told) + "."


def _scores(metrics: dict[str, Any]) -> str:
    """Tabulate the scores with their 95 % intervals, the quoted one marked."""
    lines = ["| cross-validation | accuracy | F1 | log loss | Brier |", "| --- " * 5 + "|"]
    for kind in ("nested", "grouped", "plain", "dummy"):
        numbers = metrics.get(kind)
        if not numbers:
            lines += ["| grouped | not possible | | | |"] if kind == "grouped" else []
            continue
        quoted = numbers["folds"] == metrics["score"]["folds"]
        cells = [
            f"{numbers[key]:.3f} [{numbers[f'{key}_low']:.3f}, {numbers[f'{key}_high']:.3f}]"
            for key in ("accuracy", "f1_macro", "log_loss", "brier")
        ]
        name = f"**{kind}** (quoted)" if quoted else kind
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _worth(results: Results) -> str:
    """Say what the score means, the gap between the folds, and what failed."""
    metrics = results.metrics
    told = [f"The quoted score means: {metrics['meaning']}."]
    if metrics["gap"]:
        told.append(f"Plain minus grouped accuracy: {metrics['gap']['accuracy']:+.3f}.")
    if metrics["permutation"]:
        told.append(f"p = {metrics['permutation']['p_value']} against shuffled compounds.")
    failed = failed_checks(results)
    accepted = accepted_checks(results)
    told.append(f"Checks failed: {plain(', '.join(failed))}." if failed else "No check failed.")
    told += [f"Accepted failures: {plain(accepted)}."] if accepted else []
    return " ".join(told)


def _samples(samples: Any) -> str:
    """Tabulate what the first samples hold, and the probabilities of the classifier."""
    columns = _probabilities(samples)
    names = [c.removeprefix("p_") for c in columns]
    read = "outside" in samples
    head = ["sample", "role", "expected", *(["holds, share of the signal [90 %]"] if read else [])]
    head += [f"p {plain(name)}" for name in names]
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for row in samples.head(_SAMPLES_SHOWN).to_dict("records"):
        cells = [*map(plain, (row["sample"], row["role"], row["expected"] or "not stated"))]
        cells += [plain(holds(row, names))] if read else []
        cells += [f"{row[c]:.2f}" for c in columns]
        lines.append(f"| {' | '.join(cells)} |")
    if len(samples) > _SAMPLES_SHOWN:
        lines += ["", f"and {len(samples) - _SAMPLES_SHOWN} more samples: composition/samples.json"]
    return "\n".join(lines)


def _pictures(results: Results, run_id: str) -> list[str]:
    """Show the run's own pictures."""
    return [
        f"![{path.stem}](get-artifact?path={name}&run_uuid={run_id})"
        for name, path in pictures(results).items()
    ]


def pictures(results: Results) -> dict[str, Path]:
    """Return the figures of the description, by the names of their small copies in the run.

    Parameters
    ----------
    results : Results
    """
    found = [results.files.get(f"figures/{name}.png") for name in PICTURES]
    return {f"description/{path.name}": path for path in [p for p in found if p][:2]}


def _ions(ions: Any) -> str:
    lines = ["| compound | first ions (m/z), satellites with their parent |", "| --- | --- |"]
    for compound, rows in families(ions).groupby("compound", sort=True):
        rows = rows.head(_IONS_SHOWN).to_dict("records")
        shown = [
            f"{plain(r['ion'])} ({r['mz']:.4f})" if r["ion"] else f"{r['mz']:.4f}" for r in rows
        ]
        lines.append(f"| {plain(compound)} | {', '.join(shown)} |")
    return "\n".join(lines)


def _unknown(samples: Any) -> Any:
    return samples[samples["role"] != "reference"]


def _probabilities(samples: Any) -> list[str]:
    return [c for c in samples.columns if c.startswith("p_")]
