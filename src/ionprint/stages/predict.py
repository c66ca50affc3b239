"""Read spectra with a trained model: what each holds, and which ions prove it."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ionprint.serving.model import Model

HELP = """\
Read exported spectra with a trained model. FILE is an export, a folder of exports, a pattern in
quotes ('day1/*.txt'), or a table of peak areas (.csv). A file that cannot be read is told of and
the others are done."""
EPILOG = """\
exit code: 0 all were read, 3 some could not be read, 2 none could."""
SOME_BAD = 3
FORMATS = ("table", "csv", "json")
FILES = 20
"""Files a task: reading one takes little longer than sending a task."""
IONS = 4
"""Ions shown as proof of a compound in the table."""


def add_model(made: argparse.ArgumentParser) -> None:
    """Let a command choose the model that answers."""
    made.add_argument(
        "--model",
        metavar="URI",
        help="a folder (outputs/model) or a registered version (models:/NAME@champion, "
        "models:/NAME/3); the champion of the project's data set when left out",
    )


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "ionprint predict",
        description=HELP,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("files", nargs="+", metavar="FILE")
    add_model(made)
    made.add_argument("--format", choices=FORMATS, default="table")
    made.add_argument("--output", metavar="FILE", help="write there instead of on the screen")
    made.add_argument(
        "--primary-ions", type=float, metavar="N", help="of each spectrum, if the model needs them"
    )
    made.add_argument(
        "--pulses", type=float, metavar="N", help="primary-ion pulses, for a dead-time correction"
    )
    made.add_argument(
        "--dask",
        metavar="WHERE",
        help="for very many files: `cluster`, processes on this machine, or the address of a Dask "
        "scheduler, whose workers must see the files at the same place",
    )
    made.add_argument("--workers", type=int, metavar="N", help="processes of `--dask cluster`")
    return made


def main(args: list[str]) -> int:
    """Run `ionprint predict FILE...`.

    Raises
    ------
    IonprintError
        There is no such model, or nothing to read.
    """
    options = parser().parse_args(args)

    from ionprint.errors import DataError
    from ionprint.serving.given import files_of
    from ionprint.tracking.fetch import load

    for name in ("primary_ions", "pulses", "workers"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise DataError(f"--{name.replace('_', '-')} {value:g}: expected a number above 0")
    more = {"primary_ions": options.primary_ions, "pulses": options.pulses}
    files = files_of(options.files)
    model = load(options.model or champion())
    if options.dask is None:
        told = [read_file((model, more), file) for file in _bar(files)]
    else:
        told = _on_dask((model, more), files, options.dask, options.workers)
    answers = [answer for found, _ in told for answer in found]
    problems = [problem for _, problem in told if problem]
    if answers:
        _write(answers, model, options.format, options.output)
    for problem in problems:
        print(f"ionprint predict: {problem}", file=sys.stderr)
    if problems:
        print(f"{len(problems)} of {len(files)} files could not be read", file=sys.stderr)
    return 0 if not problems else SOME_BAD if answers else 2


def read_file(common: "tuple[Model, dict[str, Any]]", file: Path) -> tuple[list[dict], str]:
    """Return the answers for the spectra of one file, or what is wrong with it.

    Parameters
    ----------
    common : tuple
        The model; primary ions and pulses of each spectrum, where they are given.
    file : Path
    """
    from dataclasses import replace

    from ionprint.errors import IonprintError
    from ionprint.serving.given import of_file

    model, more = common
    try:
        return [model.answer(replace(given, **more)) for given in of_file(file)], ""
    except IonprintError as exc:
        return [], str(exc)


def read_files(common: Any, files: list[Path]) -> list[tuple[list[dict], str]]:
    """Read some files; see `read_file`."""
    return [read_file(common, file) for file in files]


def _on_dask(
    common: Any, files: list[Path], where: str, workers: int | None
) -> list[tuple[list[dict], str]]:
    """Read files with Dask, some at a time, in their order."""
    from ionprint.cluster import CLUSTER, Lost, Where, pool
    from ionprint.stages.progress import counter

    address = None if where == CLUSTER else where
    files = [file.absolute() for file in files]
    parts = [files[n : n + FILES] for n in range(0, len(files), FILES)]
    told: list[tuple[list[dict], str]] = []
    with (
        pool(Where(CLUSTER, workers, address)) as started,
        counter(len(parts), f"reading spectra, {FILES} files at a time") as advance,
    ):
        for part, found in zip(parts, started.run(read_files, common, parts, advance), strict=True):
            lost = (
                [([], f"{file}: {found.why}") for file in part] if isinstance(found, Lost) else []
            )
            told += lost or found
    return told


def champion() -> str:
    """Return the address of the champion of the project's data set."""
    from ionprint.config import compose, project_root

    return f"models:/{compose([], project_root()).tracking.model_name}@champion"


def _bar(files: list[Path]) -> Any:
    """Go through files, under a bar where there are many: drawing one takes time too."""
    if len(files) < 20:
        return files
    from ionprint.stages.progress import progress

    return progress(files, "reading spectra")


def _write(answers: list[dict[str, Any]], model: "Model", kind: str, output: str | None) -> None:
    """Print the answers, or write them to a file, whole or not at all."""
    import contextlib

    if output is None:
        _told(answers, model, kind)
        return
    from ionprint.files import replaced

    with (
        replaced(Path(output)) as new,
        new.open("w", encoding="utf-8", newline="\n") as file,
        contextlib.redirect_stdout(file),
    ):
        _told(answers, model, kind)


def _told(answers: list[dict[str, Any]], model: "Model", kind: str) -> None:
    from ionprint.serving.model import row_of, to_json

    if kind == "json":
        print(to_json(answers))
    elif kind == "csv":
        import csv

        from ionprint.files import as_cell

        rows = [{as_cell(k): as_cell(v) for k, v in row_of(answer).items()} for answer in answers]
        table = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    else:
        _table(answers, model)


def _table(answers: list[dict[str, Any]], model: "Model") -> None:
    from ionprint.stages.terminal import print_table

    rows = []
    for answer in answers:
        there = {c: said for c, said in answer["compounds"].items() if said["present"]}
        order = sorted(there, key=lambda c: -there[c]["fraction"])
        proof = [_proof(c, there[c]) for c in order]
        alarm = answer["alarm"]
        holds = answer["holds"].partition("OUTSIDE")[0].rstrip("; ")
        foreign = ", ".join(_ion(one) for one in alarm["unexplained"])
        rows.append(
            [
                answer["name"],
                holds or "none of them",
                "\n".join(proof),
                f"OUTSIDE: {foreign}".rstrip(": ") if alarm["outside"] else "",
            ]
        )
    known = model.identity
    named = f"{known['name']} version {known['version']}" if known["name"] else known["id"]
    print_table(
        f"Read with {named} ({model.source} references)",
        ["spectrum", "holds (share of the signal)", "proof", "alarm"],
        rows,
    )
    warned: dict[str, int] = {}
    for answer in answers:
        for warning in answer["warnings"]:
            warned[warning] = warned.get(warning, 0) + 1
    for warning, number in warned.items():
        print(f"{number} of {len(answers)}: {warning}")


def _proof(compound: str, said: dict[str, Any]) -> str:
    for_it = [e for e in said["evidence"] if e["strength"] in ("strong", "weak")]
    ions = ", ".join(_ion(one) for one in for_it[:IONS])
    return f"{compound} {said['proof']}: {ions}".rstrip(": ")


def _ion(one: dict[str, Any]) -> str:
    from ionprint.composition.wording import ion_text

    return ion_text(one["mz"], one["ion"])
