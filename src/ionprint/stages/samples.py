"""Write a first sample sheet from file names, for a person to correct."""

import argparse

HELP = """\
Write samples.csv in a folder of spectra from what their names tell. Correct it by hand
afterwards: role (reference, mixture, anode), compound (the class of a reference), sample (the
pellet or foil that several spots share) and expected (what is believed to be in it; never used
for learning)."""


def main(args: list[str]) -> int:
    """Run `ionprint samples FOLDER --pattern PATTERN`.

    Raises
    ------
    SheetError
        The folder or the pattern does not fit, or a sheet is there already.
    """
    parser = argparse.ArgumentParser(
        "ionprint samples", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="folder with the exported spectra")
    parser.add_argument(
        "--pattern",
        required=True,
        help="file names with fields in braces, e.g. '{polarity}_{compound}_{spot}.txt'",
    )
    parser.add_argument("--force", action="store_true", help="replace a samples.csv that is there")
    options = parser.parse_args(args)

    from pathlib import Path

    from ionprint.errors import SheetError
    from ionprint.files import csv_text
    from ionprint.spectra.sheet import SHEET, sheet_from_names
    from ionprint.stages.terminal import summary

    path = Path(options.folder) / SHEET
    try:
        if path.exists() and not options.force:
            raise SheetError(f"{path} is there already; --force replaces it")
        sheet, others = sheet_from_names(options.folder, options.pattern)
        path.write_text(csv_text(sheet), encoding="utf-8", newline="")
    except OSError as exc:
        raise SheetError(f"{path} cannot be written ({exc})") from exc

    counts = sheet["compound"].value_counts(sort=False)
    missed = f"{len(others)} files do not match, e.g. {others[0]}" if others else ""
    summary(
        "Sample sheet",
        [
            ("holds", f"{len(sheet)} spectra, {len(counts)} compounds"),
            ("spectra of", ", ".join(f"{compound} {count}" for compound, count in counts.items())),
            ("left out", missed),
            ("written to", path),
        ],
    )
    if (sheet["sample"] == sheet["compound"]).all():
        print(
            "The names tell no sample: write the pellet or foil of each spot into that column, so "
            "that cross-validation can keep them apart."
        )
    print("Now correct it: every row is a reference until you say mixture or anode.")
    return 0
