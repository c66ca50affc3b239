"""Print the last results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from omegaconf import DictConfig
    from rich.console import Console, JustifyMethod
    from rich.table import Table

WIDTH = 100  # columns
IONS = 5  # a compound, or one fewer where they have no room
ROWS = 12  # mixtures and anodes


def run(cfg: DictConfig) -> None:
    """Print the results in one screenful, plain where the output is no terminal.

    Parameters
    ----------
    cfg : DictConfig
        Uses `outputs` and `peaks`.
    """
    from rich.console import Console

    from ionprint.stages.results import RANKING, SAMPLES, ResultFiles

    results = ResultFiles(cfg)
    outputs, samples = results.outputs, results.table(SAMPLES)

    out = sys.stdout
    signs = signs_for(out.encoding)
    terminal = out.isatty()
    console = Console(
        file=out,
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        markup=False,
        emoji=False,
        highlight=False,
    )
    console.width = min(console.width, WIDTH) if terminal else WIDTH
    with console.capture() as captured:
        _title(console, results.dataset)
        _scores(console, results.metrics)
        _checks(console, results.table("checks/checks.csv"))
        _ions(console, results.ranking, signs, outputs / RANKING)
        _samples(console, samples, signs, outputs / SAMPLES)
        _composition(console, samples, signs, outputs)
        _next(console, outputs)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    encoding = out.encoding or "utf-8"
    out.write(("\n".join(lines) + "\n").encode(encoding, "replace").decode(encoding))


class Signs(NamedTuple):
    """How formulas are written, as far as the output can show them."""

    formula: Callable[..., str]


def signs_for(encoding: str | None) -> Signs:
    """Choose Unicode where `encoding` has it, else ASCII."""
    from ionprint.figures.formula import ascii_text, unicode_text

    try:
        "₀₁₂₃₄₅₆₇₈₉⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻".encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return Signs(ascii_text)
    return Signs(unicode_text)


def _title(console: Console, dataset: dict[str, Any]) -> None:
    """Print what the data are: name, size, simulated or measured."""
    from rich.text import Text

    text = f"{dataset['name']}: {dataset['spectra']} spectra, {dataset['peaks']} peaks, "
    source = f"{dataset['source'].upper()} data"
    console.print(Text.assemble((text, "bold"), (source, "bold reverse")))


def _scores(console: Console, metrics: dict[str, Any]) -> None:
    """Print the scores of all schemes of folds side by side, with their 95 % intervals."""
    console.print()
    kinds = ("nested", "grouped", "plain", "dummy")
    columns = {kind: metrics[kind] for kind in kinds if metrics.get(kind)}
    quoted = metrics["score"]["folds"]
    shown = {"accuracy [95 %]": "accuracy", "macro F1": "f1_macro", "log loss": "log_loss"}
    table = _table("Cross-validation", list(shown))
    for kind, score in columns.items():
        name = f"{kind} (quoted)" if score["folds"] == quoted else kind
        table.add_row(name, *(_interval(score, key) for key in shown.values()))
    console.print(table)
    console.print(metrics["meaning"], style="italic")


def _interval(score: dict[str, Any], key: str) -> str:
    return f"{score[key]:.3f} [{score[f'{key}_low']:.3f}, {score[f'{key}_high']:.3f}]"


def _checks(console: Console, checks: pd.DataFrame | None) -> None:
    """Print the checks that failed, or how many passed."""
    if checks is None:
        return
    failed = checks[(checks["result"] == "failed") & (checks["accepted"] == "")]
    for row in failed.itertuples(index=False):
        console.print(f"check failed: {row.name}: {row.finding}", style="bold red")
    if failed.empty:
        accepted = (checks["accepted"] != "").sum()
        told = f", {accepted} failed and accepted" if accepted else ", none failed"
        console.print(f"checks: {(checks['result'] == 'passed').sum()} passed{told}")


def _ions(console: Console, ions: pd.DataFrame | None, signs: Signs, path: Path) -> None:
    """Print the first ions of each compound, a compound a row, satellites with their parent."""
    from ionprint.models.families import families

    console.print()
    if ions is None:
        console.print("No characteristic ions: this model has no weights to rank them by.")
        return
    ions = families(ions)
    counted = " (+n: with n isotope satellites)" if ions["satellites"].any() else ""
    console.print(f"Characteristic ions, m/z in u{counted}; all: {path}", style="bold")
    forms = [(IONS - fewer, decimals) for fewer in (0, 1) for decimals in (4, 3, 2)]
    for shown, decimals in forms:
        table = _table("compound", [str(i + 1) for i in range(shown)], "left")
        for compound in sorted(set(ions["compound"])):
            own = ions[ions["compound"] == compound].head(shown)
            cells = [
                f"{signs.formula(row.ion, '-') if row.ion else ''} {row.mz:.{decimals}f}".strip()
                + (f" +{row.satellites}" if row.satellites else "")
                for row in own.itertuples()
            ]
            table.add_row(signs.formula(compound), *cells)
        if _fits(console, table):
            break
    console.print(table)


def _samples(console: Console, samples: pd.DataFrame | None, signs: Signs, path: Path) -> None:
    """Print what the classifier reads in mixtures and anodes, as the paper's Table 2."""
    console.print()
    rows = samples if samples is None else samples[samples["role"] != "reference"]
    if rows is None or rows.empty:
        console.print("No mixture and no anode was read.")
        return
    console.print("Composition probability (of the classifier; qualitative)", style="bold")
    console.print(_probabilities(console, rows.head(ROWS), signs))
    if len(rows) > ROWS:
        console.print(f"... and {len(rows) - ROWS} more in {path}")


def _composition(
    console: Console, samples: pd.DataFrame | None, signs: Signs, outputs: Path
) -> None:
    """Print what is present, how much, how well proved, and the alarm."""
    if samples is None or samples.empty or "outside" not in samples:
        return
    console.print()
    console.print(
        "Present compounds, share of the signal [90 %] (semi-quantitative: matrix effects)",
        style="bold",
    )
    console.print(composition_table(samples.head(ROWS), signs))
    console.print(f"proof: {outputs / 'composition' / 'evidence.csv'}", soft_wrap=True)


def composition_table(rows: pd.DataFrame, signs: Signs) -> Table:
    """Build the table of compounds called present, a compound a row under its sample.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `composition.tables.samples_table`.
    signs : Signs
        How formulas are written.

    Returns
    -------
    rich.table.Table
        Compounds called present in half of a sample's spectra or more, the largest first.
    """
    from rich.text import Text

    from ionprint.composition.wording import CALLED, called_present

    names = [c.removeprefix("present_") for c in rows.columns if c.startswith("present_")]
    columns = ["compound", "probability", "presence", "fraction [90 %]", "proof", "alarm"]
    table = _table("no.", columns, "left")
    for number, row in enumerate(rows.to_dict("records"), start=1):
        alarm = Text("inside")
        if row["outside"] >= CALLED:
            alarm = Text(f"OUTSIDE: {row['unexplained']}", "bold")
        for place, name in enumerate(called_present(row, names) or [""]):
            cells = ["none"] + [""] * 4
            if name:
                low, high = (row[f"fraction_{name}_{end}"] for end in ("low", "high"))
                cells = [
                    signs.formula(name),
                    f"{row[f'p_{name}']:.2f}",
                    f"{row[f'presence_{name}']:.2f}",
                    f"{row[f'fraction_{name}']:.2f} [{low:.2f}, {high:.2f}]",
                    row[f"proof_{name}"],
                ]
            table.add_row(str(number) if not place else "", *cells, alarm if not place else "")
    return table


def _probabilities(console: Console, rows: pd.DataFrame, signs: Signs) -> Table:
    """Lay out the probabilities in the fullest form that the console has room for."""
    for compounds_apart, with_sample in ((True, True), (True, False), (False, True)):
        table = probability_table(rows, signs, compounds_apart, with_sample)
        if _fits(console, table):
            break
    return table


def probability_table(
    rows: pd.DataFrame, signs: Signs, compounds_apart: bool = True, with_sample: bool = True
) -> Table:
    """Build the table of probabilities, a mixture or an anode a row.

    Parameters
    ----------
    rows : pandas.DataFrame
        Columns sample, role, expected, and p_<compound> for every compound.
    signs : Signs
        How formulas are written.
    compounds_apart : bool, optional
        One column a compound; else the three largest probabilities in one column.
    with_sample : bool, optional
        With a column for the sample's name.

    Returns
    -------
    rich.table.Table
        The two largest probabilities of a row are bold.
    """
    from rich.text import Text

    from ionprint.figures.formula import mixture_text
    from ionprint.figures.samples import PREFIX

    names = sorted(c.removeprefix(PREFIX) for c in rows.columns if c.startswith(PREFIX))
    left = ["composition expected", "category", *(["sample"] if with_sample else [])]
    table = _table("no.", left, "left")
    for column in table.columns[1:]:
        column.max_width = 24
    for title in [signs.formula(n) for n in names] if compounds_apart else ["largest"]:
        table.add_column(title, justify="right" if compounds_apart else "left")
    for number, row in enumerate(rows.to_dict("records"), start=1):
        expected = mixture_text(row["expected"], signs.formula) or "not stated"
        sample = [str(row["sample"])] if with_sample else []
        values = {n: row[PREFIX + n] for n in names if row[PREFIX + n] == row[PREFIX + n]}
        order = sorted(values, key=lambda n: (-values[n], n))
        bold = {n for n in order[:2] if values[n] >= 0.005}
        cells = {n: Text(f"{v:.2f}", "bold" if n in bold else "") for n, v in values.items()}
        if compounds_apart:
            last = [cells.get(n, "-") for n in names]
        else:
            parts = [Text.assemble(signs.formula(n), " ", cells[n]) for n in order[:3]]
            last = [Text(", ").join(parts)]
        table.add_row(str(number), expected, row["role"], *sample, *last)
    return table


def _table(first: str, others: list[str], justify: JustifyMethod = "right") -> Table:
    """Begin a table with a first column of names."""
    from ionprint.stages.terminal import new_table

    table = new_table()
    table.add_column(first, overflow="fold")
    for title in others:
        table.add_column(title, justify=justify, overflow="fold")
    return table


def _fits(console: Console, table: Table) -> bool:
    """Tell whether a table needs no more columns than the console has."""
    from rich.measure import Measurement

    options = console.options.update(width=10 * WIDTH)
    return Measurement.get(console, options, table).maximum <= console.width


def _next(console: Console, outputs: Path) -> None:
    """Print what to do next, and where the results are."""
    figures, report = outputs / "figures", outputs / "report" / "report.html"
    pictures = sum(1 for _ in figures.rglob("*.svg"))
    console.print()
    console.print("Next", style="bold")
    if report.exists():
        console.print(f"  report       {report}", soft_wrap=True)
    console.print("  make ui      compare the runs in the browser")
    console.print("  make serve   a page to drop new spectra on")
    console.print(f"  results      {outputs}", soft_wrap=True)
    if pictures:
        console.print(f"  figures      {figures}: {pictures} as svg, pdf and png", soft_wrap=True)
