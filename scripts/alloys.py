"""Run the whole way on the public measured spectra of ruthenium alloys.

Usage: python scripts/alloys.py SPECTRA.tar.xz [FOLDER], for the archive of spectra named
N_<alloy>_<primary ion>_<spot>.txt (O. F. Laurent et al., Analytical Chemistry 2024). Unpacks them
into FOLDER (measured/alloys), corrects the sample sheet as its measurers would, and writes all
results to outputs/alloys.
"""

import sys
import tarfile
from pathlib import Path

import pandas as pd

from ionprint.cli import main as ionprint

PATTERN = "{polarity}_{compound}_{primary_ion}_{spot}.txt"
MIXTURES = {
    "Ru-Pt-Pd": "Ru-Pt+Ru-Pd",
    "Ru-Pt-Pd-Ir": "Ru-Pt+Ru-Pd+Ru-Ir",
    "Ru-Pt-Pd-Ir-Rh": "Ru-Pt+Ru-Pd+Ru-Ir+Ru-Rh",
    "HEA19": "Ru-Pt+Ru-Pd+Ru-Ir+Ru-Rh",
}
CHOICES = [
    "dataset=folder",
    "dataset.name=alloys",
    "dataset.mz_max=300",
    "cross_validation=leave_one_group_out",
    "cross_validation.group=primary_ion",
]
STAGES = "peaks tune evaluate rank check train composition figures report".split()


def correct_sheet(path: Path) -> None:
    """Say in the sheet which alloys are mixtures and what they hold; leave out the bare matrix."""
    sheet = pd.read_csv(path, dtype=str, keep_default_na=False)
    sheet = sheet[sheet["compound"] != "Ru"]
    mixture = sheet["compound"].isin(list(MIXTURES))
    sheet.loc[mixture, "role"] = "mixture"
    sheet.loc[mixture, "expected"] = sheet.loc[mixture, "sample"].map(MIXTURES)
    sheet.loc[mixture, "compound"] = ""
    sheet.to_csv(path, index=False)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the spectra into a folder and write their sheet, unless that is done."""
    if (folder / "samples.csv").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            if member.isfile() and Path(member.name).name.startswith("N_"):
                content = packed.extractfile(member)
                (folder / Path(member.name).name).write_bytes(content.read())
    if ionprint(["samples", str(folder), "--pattern", PATTERN]) != 0:
        sys.exit(2)
    correct_sheet(folder / "samples.csv")


def main() -> int:
    """Unpack and run all stages."""
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[2] if len(sys.argv) == 3 else "measured/alloys")
    unpack(Path(sys.argv[1]), folder)
    choices = [*CHOICES, f"dataset.path={folder.resolve()}", "outputs=outputs/alloys"]
    return next((code for stage in STAGES if (code := ionprint([stage, *choices]))), 0)


if __name__ == "__main__":
    sys.exit(main())
