"""What a spectrum may be given as: a file, an export's text, arrays, a table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ionprint.errors import DataError, InputError, IonprintError
from ionprint.spectra.spectrum import Spectrum

if TYPE_CHECKING:
    import pandas as pd

FIELDS = ("name", "export", "mz", "channel", "counts", "area", "primary_ions", "pulses")
"""What a spectrum given as a record may hold; the same by HTTP, in MLflow and in Python."""
KINDS = (
    "`export` (the text of an export), `mz` with `counts` (a spectrum), or `mz` with `area` (its "
    "peaks)"
)
ENDINGS = (".txt", ".asc", ".gz")
"""Of the files that are taken from a folder: tables lie beside spectra for many reasons."""
TABLE = ".csv"
"""Ending of tables of peak areas; any other file is an export."""
LONGEST_NAME = 200
HEAVIEST = 1e5
MOST = 2.0**53


@dataclass(frozen=True)
class Given:
    """One spectrum to be read.

    Attributes
    ----------
    name : str
    spectrum : Spectrum or None
        As exported.
    mz, areas : ndarray or None
        Its peaks instead (u, rising; counts).
    primary_ions : float or None
        What it was measured with, for models that divide by it.
    pulses : float or None
        Primary-ion pulses, for a dead-time correction.
    source : str
        simulated or measured, as an export tells; else unknown.
    """

    name: str
    spectrum: Spectrum | None = None
    mz: np.ndarray | None = None
    areas: np.ndarray | None = None
    primary_ions: float | None = None
    pulses: float | None = None
    source: str = "unknown"

    @property
    def counts(self) -> tuple[str, np.ndarray]:
        """The field that holds its counts, and these."""
        if self.spectrum is None:
            return "area", self.areas
        return "counts", self.spectrum.counts


def refuse_relative(given: Given) -> None:
    """Refuse a spectrum without one ion in its largest peak or channel.

    Counts are numbers of whole ions, so that it holds relative intensities, of which nobody knows
    how sure they are. One without any counts is another thing, told where it is read.

    Raises
    ------
    InputError
    """
    field, counts = given.counts
    largest = float(counts.max(initial=0))
    if 0 < largest < 1:
        raise InputError(
            field,
            f"the largest of {given.name} is {largest:.3g}: relative intensities, or nothing; "
            f"expected counts, 1 or more where there is a peak. Give them as they were before they "
            f"were normalised",
        )


def of_spectrum(spectrum: Spectrum, **more: float | None) -> Given:
    """Take a spectrum; without the comment lines of an export nothing tells its source."""
    source = "simulated" if spectrum.simulated else "measured"
    return Given(spectrum.file, spectrum, source=source if spectrum.metadata else "unknown", **more)


def of_file(path: str | Path | None, content: bytes | None = None, name: str = "") -> list[Given]:
    """Take a file: an export, or a table of peak areas (`.csv`) with several spectra.

    Parameters
    ----------
    path : str or Path or None
    content : bytes, optional
        What is in it, where it was sent instead of being there.
    name : str, optional
        How to call it; its own name when left out.

    Raises
    ------
    SpectrumError, SheetError
        It cannot be read.
    """
    name = name or Path(path).name
    source = Path(path) if content is None else content
    if not name.lower().endswith(TABLE):
        from ionprint.spectra.reading import read_spectrum

        return [of_spectrum(read_spectrum(source, name))]
    from ionprint.spectra.area_table import read_area_table

    table = read_area_table(source, name)
    kind = "simulated" if table.simulated else "unknown"
    return [
        Given(f"{name}: {spectrum}", mz=table.mz, areas=row, source=kind)
        for spectrum, row in zip(table.spectra, table.areas, strict=True)
    ]


def of_record(record: Any, name: str = "spectrum") -> Given:
    """Take a record of `FIELDS`, of which all but the data may be left out.

    Parameters
    ----------
    record : mapping
    name : str
        How to call it where it does not say.

    Raises
    ------
    InputError
        A field is not what it has to be.
    SpectrumError
        The spectrum in it is not.
    """
    if not isinstance(record, Mapping):
        raise InputError("record", f"got {_shown(record)}, expected an object with {KINDS}")
    unknown = [key for key in record if key not in FIELDS]
    if unknown:
        raise InputError(_shown(unknown[0]), f"not known; known are {', '.join(FIELDS)}")
    given = {key: value for key, value in record.items() if not _absent(value)}
    name = given.pop("name", name)
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise InputError("name", f"got {_shown(name)}, expected a text of 1 to {LONGEST_NAME}")
    more = {
        key: _positive(given.pop(key), key) for key in ("primary_ions", "pulses") if key in given
    }
    held = set(given)
    if held == {"export"}:
        from ionprint.spectra.reading import read_spectrum

        if not isinstance(given["export"], str):
            raise InputError("export", f"got {_shown(given['export'])}, expected text")
        content = given["export"].encode("utf-8", errors="replace")
        return of_spectrum(read_spectrum(content, name), **more)
    if held in ({"mz", "counts"}, {"mz", "channel", "counts"}):
        from ionprint.spectra.reading import spectrum_of

        rows = {key: _numbers(value, key, 1) for key, value in given.items()}
        if "channel" in rows:
            channel = rows["channel"]
            odd = np.flatnonzero(~((np.abs(channel) <= MOST) & (channel == np.rint(channel))))
            if odd.size:
                told = f"got {channel[odd[0]]:g}, expected a whole number"
                raise InputError(f"channel[{odd[0]}]", told)
        return of_spectrum(spectrum_of(**rows, name=name), **more)
    if held == {"mz", "area"}:
        mz, areas = (_numbers(given[key], key, 1) for key in ("mz", "area"))
        return of_peaks(mz, areas, name, **more)
    got = " and ".join(f"`{key}`" for key in given) or "none of them"
    raise InputError("record", f"got {got}, expected {KINDS}")


def of_peaks(mz: np.ndarray, areas: np.ndarray, name: str, **more: Any) -> Given:
    """Take a list of peaks, in any order.

    Raises
    ------
    InputError
        m/z or areas are not such, or a peak stands twice.
    """
    if not mz.size:
        raise InputError("mz", "got none, expected the m/z of each peak")
    if mz.shape != areas.shape:
        raise InputError("area", f"got {areas.size} for {mz.size} `mz`, expected one for each")
    for field, values, most in (("mz", mz, HEAVIEST), ("area", areas, MOST)):
        bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0) & (values <= most)))
        if bad.size:
            raise InputError(
                f"{field}[{bad[0]}]", f"got {values[bad[0]]:g}, expected 0 to {most:.6g}"
            )
    if not (mz[1:] > mz[:-1]).all():
        order = np.argsort(mz, kind="stable")
        mz, areas = mz[order], areas[order]
        twice = np.flatnonzero(mz[1:] == mz[:-1])
        if twice.size:
            raise InputError("mz", f"{mz[twice[0]]:.10g} stands there twice")
    if mz[0] == 0:
        raise InputError("mz", "0 stands there, expected m/z above 0")
    return Given(name, mz=mz, areas=areas, **more)


def of_frame(frame: "pd.DataFrame", own: np.ndarray, dose: str | None) -> list[Given]:
    """Take a table: a row a spectrum, with columns of `FIELDS`, or a column a peak.

    Parameters
    ----------
    frame : DataFrame
        Columns named by m/z are peaks; others beside them are left out, but for `name`, `file` and
        the primary ions.
    own : ndarray
        m/z (u) of the model's peaks, for an array without names.
    dose : str or None
        The column of primary ions.
    """
    from ionprint.spectra.table import PEAK

    columns = [str(c) for c in frame.columns]
    peaks = [i for i, c in enumerate(columns) if PEAK.fullmatch(c)]
    if not peaks:
        known = [i for i, c in enumerate(columns) if c in FIELDS]
        rows = frame.iloc[:, known].to_dict("records")
        if not known:
            raise InputError("table", f"got columns {_shown(columns[:5])}, expected {KINDS}")
        return [of_record(row, f"row {n}") for n, row in enumerate(rows, 1)]
    mz = np.array([float(columns[i]) for i in peaks])
    areas = _numbers(frame.iloc[:, peaks].to_numpy(), "table")
    names = next((frame[c] for c in ("name", "file") if c in columns), None)
    doses = frame[dose] if dose in columns else None
    return [
        of_peaks(
            mz,
            row,
            f"row {n + 1}" if names is None else str(names.iloc[n]),
            primary_ions=None if doses is None else _positive(float(doses.iloc[n]), dose),
        )
        for n, row in enumerate(areas)
    ]


def files_of(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files meant: folders are searched, patterns resolved.

    Raises
    ------
    DataError
        A path or pattern names nothing.
    """
    import glob

    found: list[Path] = []
    for path in map(str, paths):
        place = Path(path).expanduser()
        if place.is_dir():
            inside = (p for p in sorted(place.rglob("*")) if p.suffix.lower() in ENDINGS)
            files = [p for p in inside if p.is_file()]
        elif place.exists():
            files = [place]
        else:
            files = [Path(p) for p in sorted(glob.glob(str(place), recursive=True))]  # noqa: PTH207
        if not files:
            ends = ", ".join(ENDINGS)
            raise DataError(
                f"{path}: no file there; expected exported spectra, or a folder with some ({ends})"
            )
        found += files
    return list(dict.fromkeys(found))


def gather(spectra: Any, own: np.ndarray, dose: str | None) -> list[Given]:
    """Take whatever `Model.predict` is given.

    Raises
    ------
    IonprintError
        With a line for each that cannot be read.
    """
    from ionprint.errors import listed

    if type(spectra).__name__ == "DataFrame":
        return of_frame(spectra, own, dose)
    if isinstance(spectra, np.ndarray):
        rows = np.atleast_2d(_numbers(spectra, "array"))
        if rows.ndim != 2 or rows.shape[1] != own.size:
            raise InputError(
                "array", f"shape {spectra.shape}, expected (n, {own.size}): the model's own peaks"
            )
        return [of_peaks(own, row, f"row {n}") for n, row in enumerate(rows, 1)]
    if isinstance(spectra, (str, Path, Mapping, Spectrum)):
        spectra = [spectra]
    given, problems = [], []
    for n, item in enumerate(spectra, 1):
        try:
            if isinstance(item, Spectrum):
                given.append(of_spectrum(item))
            elif isinstance(item, (str, Path)):
                given += [one for path in files_of([item]) for one in of_file(path)]
            else:
                given.append(of_record(item, f"spectrum {n}"))
        except IonprintError as exc:
            problems.append(str(exc))
    if problems:
        raise DataError(f"{len(problems)} cannot be read:\n{listed(problems)}")
    return given


def _numbers(values: Any, field: str, axes: int | None = None) -> np.ndarray:
    """Return numbers as an array, of so many axes; texts that only look like some are refused."""
    try:
        found = np.asarray(values)
    except (ValueError, OverflowError):  # rows of different lengths
        found = np.array(None)
    if found.ndim == 0 or found.dtype.kind not in "iuf":
        if found.ndim == 1 and found.dtype.kind == "O":
            odd = next((n for n, v in enumerate(values) if not _is_number(v)), 0)
            raise InputError(f"{field}[{odd}]", f"got {_shown(values[odd])}, expected a number")
        raise InputError(field, f"got {_shown(values)}, expected numbers")
    if axes and found.ndim != axes:
        raise InputError(field, f"got {_shown(values)}, expected one row of numbers")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _positive(value: Any, field: str) -> float:
    if not _is_number(value) or not 0 < value < float("inf"):
        raise InputError(field, f"got {_shown(value)}, expected a number above 0")
    return float(value)


def _absent(value: Any) -> bool:
    """Tell whether a cell is empty: None, or the NaN that a table has in its place."""
    return value is None or (isinstance(value, float) and value != value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
