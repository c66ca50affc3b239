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
    return made


def main(args: list[str]) -> int:
    """Run `ionprint predict FILE...`.

    Raises
    ------
    IonprintError
        There is no such model, or nothing to read.
    """
    options = parser().parse_args(args)

    from dataclasses import replace

    from ionprint.errors import DataError, IonprintError
    from ionprint.serving.given import files_of, of_file
    from ionprint.tracking.fetch import load

    for name in ("primary_ions", "pulses"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise DataError(f"--{name.replace('_', '-')} {value:g}: expected a number above 0")
    more = {"primary_ions": options.primary_ions, "pulses": options.pulses}
    files = files_of(options.files)
    model = load(options.model or champion())
    answers: list[dict[str, Any]] = []
    problems: list[str] = []
    for file in _bar(files):
        try:
            answers += [model.answer(replace(given, **more)) for given in of_file(file)]
        except IonprintError as exc:
            problems.append(str(exc))
    if answers:
        _write(answers, model, options.format, options.output)
    for problem in problems:
        print(f"ionprint predict: {problem}", file=sys.stderr)
    if problems:
        print(f"{len(problems)} of {len(files)} files could not be read", file=sys.stderr)
    return 0 if not problems else SOME_BAD if answers else 2


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

        rows = [row_of(answer) for answer in answers]
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
