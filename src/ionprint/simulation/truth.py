"""What was planted in each spectrum of a simulated set: written beside it, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ionprint.errors import ConfigError, DataError, FormulaError
from ionprint.files import read_yaml, required
from ionprint.ions.formula import ion_mz
from ionprint.simulation.dataset import Settings, TrueSpectrum

TRUTH, SETTINGS = "truth.csv", "simulation.yaml"
KNOWN = ["file", "sample", "k", "t0", "hydrocarbon"]
SHARE = "share_"
_AGAIN = "Write the set again with `ionprint simulate`."


@dataclass(frozen=True)
class Truth:
    """What a simulated set holds.

    Attributes
    ----------
    files : list of str
        Spectra, as the sample sheet names them.
    sample : ndarray of str, shape (n_spectra,)
        Pellet, mixture or foil.
    k, t0 : ndarray, shape (n_spectra,)
        True constants of flight (channels per sqrt(u), channels).
    hydrocarbon : ndarray, shape (n_spectra,)
        Contamination, 1 = a full film.
    shares : DataFrame, shape (n_spectra, n_compounds)
        Share of each compound by weight; a row sums to 1.
    labels : list of str
        Planted isotopologues, as ``[6Li]H2``, by rising m/z.
    mz : ndarray, shape (n_ions,)
        Their exact m/z (u).
    counts : ndarray, shape (n_spectra, n_ions)
        Expected counts at the detector, before dead time; 0 where nothing was planted.
    settings : Settings
        Which made the set.
    """

    files: list[str]
    sample: np.ndarray
    k: np.ndarray
    t0: np.ndarray
    hydrocarbon: np.ndarray
    shares: pd.DataFrame
    labels: list[str]
    mz: np.ndarray
    counts: np.ndarray
    settings: Settings


def truth_table(
    spectra: Sequence[TrueSpectrum], labels: Sequence[str], compounds: Sequence[str]
) -> pd.DataFrame:
    """Return the content of truth.csv.

    Parameters
    ----------
    spectra : sequence of TrueSpectrum
        In the order of the sample sheet.
    labels : sequence of str
        The isotopologues of `planted`.
    compounds : sequence of str
        All compounds, planted or not.

    Returns
    -------
    pandas.DataFrame
        One row a spectrum: file, sample, k (channels per sqrt(u)), t0 (channels), hydrocarbon,
        share_<compound> by weight; then expected counts, to 0.01, of each isotopologue planted in
        any spectrum, by rising exact m/z.
    """
    head = [
        {
            "file": truth.file,
            "sample": truth.sample,
            "k": round(truth.flight.k, 4),
            "t0": round(truth.flight.t0, 4),
            "hydrocarbon": truth.hydrocarbon,
            **{
                f"{SHARE}{name}": round(truth.shares.get(name, 0.0) / sum(truth.shares.values()), 6)
                for name in compounds
            },
        }
        for truth in spectra
    ]
    counts = np.round([truth.planted for truth in spectra], 2)
    there = np.flatnonzero(counts.any(axis=0))
    order = there[np.argsort([ion_mz(labels[i]) for i in there], kind="stable")]
    columns = pd.DataFrame(counts[:, order], columns=[labels[i] for i in order])
    # 0 and 5200 instead of 0.0 and 5200.0
    short = columns.map(lambda value: f"{value:.2f}".rstrip("0").rstrip("."))
    return pd.concat([pd.DataFrame(head), short], axis=1)


def read_truth(folder: str | Path) -> Truth:
    """Read what was planted in a simulated set.

    Parameters
    ----------
    folder : str or Path
        Written by `ionprint simulate`.

    Raises
    ------
    MissingInputError
        The folder has no truth: it was not simulated, or by an earlier version.
    DataError
        A file of the truth is not what the simulation writes.
    """
    folder = Path(folder)
    path = required(folder / TRUTH, "simulate")
    settings = _settings(required(folder / SETTINGS, "simulate"))
    try:
        table = pd.read_csv(path, dtype={"file": str, "sample": str}, keep_default_na=False)
    except (ValueError, UnicodeDecodeError) as exc:
        raise DataError(f"{path} is no table ({exc}). {_AGAIN}") from exc
    if [*table.columns[: len(KNOWN)]] != KNOWN or table.empty:
        raise DataError(
            f"{path} is not the truth of a simulated set: expected the columns {', '.join(KNOWN)}, "
            f"a share of each compound, then ions. {_AGAIN}"
        )
    shares = [c for c in table.columns if c.startswith(SHARE)]
    labels = [c for c in table.columns[len(KNOWN) :] if not c.startswith(SHARE)]
    numbers = table.drop(columns=["file", "sample"])
    try:
        values = numbers.to_numpy(dtype=float)
        mz = np.array([ion_mz(label) for label in labels])
    except (ValueError, FormulaError) as exc:
        raise DataError(f"{path}: {exc}. {_AGAIN}") from exc
    if not np.isfinite(values).all() or not labels or (np.diff(mz) < 0).any():
        raise DataError(f"{path} has empty cells, or no ions by rising m/z. {_AGAIN}")
    if not shares or (abs(numbers[shares].sum(axis=1) - 1) > 1e-3).any():
        raise DataError(f"{path}: the shares of a spectrum do not add up to 1. {_AGAIN}")
    return Truth(
        files=table["file"].tolist(),
        sample=table["sample"].to_numpy(dtype=object),
        k=table["k"].to_numpy(dtype=float),
        t0=table["t0"].to_numpy(dtype=float),
        hydrocarbon=table["hydrocarbon"].to_numpy(dtype=float),
        shares=table[shares].astype(float).rename(columns=lambda c: c.removeprefix(SHARE)),
        labels=labels,
        mz=mz,
        counts=table[labels].to_numpy(dtype=float),
        settings=settings,
    )


def _settings(path: Path) -> Settings:
    """Read the settings that made a set."""
    import yaml

    try:
        return Settings.from_mapping(read_yaml(path))
    except (ConfigError, KeyError, TypeError, ValueError, yaml.YAMLError) as exc:
        raise DataError(f"{path} does not hold the settings of a simulation: {exc}") from exc
