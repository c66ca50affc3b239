"""What is read from a surface in a few words."""

from collections.abc import Iterable
from typing import Any

CALLED = 0.5
"""Share of a sample's spectra from which on what is seen in them is said of the sample."""


def ion_text(mz: float, ion: str) -> str:
    """Name a peak as ``18.998 F-``, or by its m/z alone; cations have their sign already."""
    sign = "" if ion.endswith("+") else "-"
    return f"{mz:.3f} {ion}{sign}" if ion else f"{mz:.3f}"


def called_present(row: dict[str, Any], compounds: Iterable[str]) -> list[str]:
    """Return the compounds that a sample is said to hold, the largest fraction first.

    Parameters
    ----------
    row : dict
        Of `samples_table`.
    compounds : iterable of str

    Returns
    -------
    list of str
        Those called present in half of its spectra or more.
    """
    there = [name for name in compounds if row[f"present_{name}"] >= CALLED]
    return sorted(there, key=lambda name: -row[f"fraction_{name}"])


def holds(row: dict[str, Any], compounds: Iterable[str]) -> str:
    """Say shortly what a sample holds: `Li2CO3 0.53 [0.43, 0.67]; OUTSIDE: 18.998 F-`.

    Parameters
    ----------
    row : dict
        Of `samples_table`.
    compounds : iterable of str
    """
    parts = []
    for name in called_present(row, compounds):
        low, high = (row[f"fraction_{name}_{end}"] for end in ("low", "high"))
        parts.append(f"{name} {row[f'fraction_{name}']:.2f} [{low:.2f}, {high:.2f}]")
    parts += [f"OUTSIDE: {row['unexplained']}"] if row["outside"] >= CALLED else []
    return "; ".join(parts) or "none"
