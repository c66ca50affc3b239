"""The peak table: spectra x peaks, what every later stage reads."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ionprint.errors import DataError, listed

PEAK = re.compile(r"\d+\.\d{4}")
"""A peak column is named by its m/z (u) with four decimals."""


def peak_names(mz: np.ndarray) -> list[str]:
    """Name peaks by m/z with four decimals, as the columns of a peak table."""
    return [f"{m:.4f}" for m in mz]


def write_columns(samples: pd.DataFrame, names: list[str], values: np.ndarray, path: Path) -> None:
    """Write metadata and many columns of numbers as parquet, to 0.01.

    pandas takes twice as long for a thousand columns.
    """
    import pyarrow as pa
    from pyarrow import parquet

    columns = [pa.array(samples[c].astype(str).to_numpy(dtype=object)) for c in samples]
    columns += [pa.array(column) for column in np.ascontiguousarray(values.T).round(2)]
    table = pa.Table.from_arrays(columns, names=[*samples.columns, *names])
    parquet.write_table(table, path, compression="zstd", use_dictionary=False)


def read_mz(path: Path) -> np.ndarray:
    """Return the m/z of the peaks (u) of a written peak table, without its areas."""
    from pyarrow import parquet

    return np.array([float(c) for c in parquet.read_schema(path).names if PEAK.fullmatch(c)])


@dataclass(frozen=True)
class PeakTable:
    """Peak areas of spectra, with what the sample sheet says of them.

    Attributes
    ----------
    samples : DataFrame, one row a spectrum
        The sheet's columns as text, and `source` (simulated or measured).
    mz : ndarray, shape (n_peaks,)
        m/z of the peaks (u), rising, four decimals.
    areas : ndarray, shape (n_spectra, n_peaks)
        Counts between the borders of each peak.
    """

    samples: pd.DataFrame
    mz: np.ndarray
    areas: np.ndarray

    def __post_init__(self) -> None:
        if self.areas.shape != (len(self.samples), len(self.mz)):
            raise DataError(
                f"peak table of shape {self.areas.shape}, expected "
                f"({len(self.samples)}, {len(self.mz)})"
            )
        if np.any(np.diff(self.mz) <= 0):
            raise DataError("the peaks of a peak table must rise in m/z, each once")
        if not (np.isfinite(self.areas).all() and (self.areas >= 0).all()):
            raise DataError("peak areas must be finite and not negative")

    @property
    def columns(self) -> list[str]:
        """Names of the peak columns."""
        return peak_names(self.mz)

    @property
    def source(self) -> str:
        """`simulated` if any spectrum is, else `measured`."""
        return "simulated" if (self.samples["source"] == "simulated").any() else "measured"

    def of_role(self, *roles: str) -> "PeakTable":
        """Return the spectra of the given roles."""
        return self.rows(np.flatnonzero(self.samples["role"].isin(roles)))

    def rows(self, rows: np.ndarray) -> "PeakTable":
        """Return some of the spectra, by their places."""
        samples = self.samples.iloc[rows].reset_index(drop=True)
        return PeakTable(samples, self.mz, self.areas[rows])

    def on(self, mz: np.ndarray) -> "PeakTable":
        """Return the spectra on some of the peaks, given by their m/z (u)."""
        return PeakTable(self.samples, mz, self.areas[:, np.searchsorted(self.mz, mz)])

    def column(self, name: str) -> np.ndarray:
        """Return one metadata column as an array of str.

        Raises
        ------
        DataError
            The sheet has no such column.
        """
        if name not in self.samples:
            raise DataError(
                f"the sample sheet has no column {name!r}; it has {', '.join(self.samples.columns)}"
            )
        return self.samples[name].to_numpy(dtype=object).astype(str)

    def inputs(self, column: str | None = None) -> np.ndarray:
        """Return what a pipeline reads: the areas, and a column of the sheet behind them.

        Parameters
        ----------
        column : str, optional
            A column of numbers above 0, such as the primary ions of each spectrum.

        Returns
        -------
        ndarray, shape (n_spectra, n_peaks) or (n_spectra, n_peaks + 1)

        Raises
        ------
        DataError
            There is no such column, or a spectrum has no number above 0 in it.
        """
        if column is None:
            return self.areas
        texts = self.column(column)
        numbers = pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(dtype=float)
        good = np.isfinite(numbers) & (numbers > 0)
        bad = [
            f"{file}: {column} is {str(text)!r}"
            for file, text in zip(self.column("file")[~good], texts[~good], strict=True)
        ]
        if bad:
            raise DataError(
                f"{len(bad)} of {len(texts)} spectra need a number above 0 in the sample sheet's "
                f"column {column!r}:\n{listed(bad)}"
            )
        return np.column_stack([self.areas, numbers])

    def write(self, path: Path) -> None:
        """Write as parquet: metadata columns first, then peaks; areas to 0.01 counts."""
        write_columns(self.samples, self.columns, self.areas, path)

    @classmethod
    def read(cls, path: Path) -> "PeakTable":
        """Read what `write` wrote.

        Raises
        ------
        DataError
            It is not a peak table.
        """
        frame = pd.read_parquet(path)
        peaks = [c for c in frame if PEAK.fullmatch(c)]
        if not peaks or "role" not in frame:
            raise DataError(f"{path}: not a peak table (no peak columns, or no role column)")
        areas = frame[peaks].to_numpy(dtype=float)
        return cls(frame.drop(columns=peaks), np.array([float(p) for p in peaks]), areas)
