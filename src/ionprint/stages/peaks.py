"""Calibrate, search peaks, name them, integrate: one peak table."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.files import fresh_folder, write_arrays, write_json, write_table
from ionprint.stages.progress import counter, progress

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from omegaconf import DictConfig

    from ionprint.ions.assignment import Candidates
    from ionprint.spectra.calibration import Calibrated
    from ionprint.spectra.integration import Integration
    from ionprint.spectra.method import Method
    from ionprint.spectra.sample_sums import SampleSums
    from ionprint.spectra.search import Peaks
    from ionprint.spectra.spectrum import Spectrum
    from ionprint.spectra.table import PeakTable

PEAK_DIGITS = {
    **{"mz": 4, "lower": 4, "upper": 4, "counts": 0, "counts_error": 0},
    **{"error_ppm": 1, "confidence": 3},
}
CALIBRATION_DIGITS = {
    **{"mz": 5, "mz_found": 5, "counts": 0},
    **{"error_before_ppm": 1, "error_after_ppm": 1},
}
CALIBRATION_COLUMNS = (
    *("ion", "mz", "mz_found", "counts", "error_before_ppm", "error_after_ppm"),
    *("used", "kind", "result"),
)
SCALE_COLUMNS = (
    *("file", "result", "offset", "slope", "offset_error", "slope_error", "ions", "rms_ppm"),
)
IMPORTED_PPM = 30.0
"""Standard error of a mass scale made elsewhere, where the configuration gives none."""


@dataclass
class PeakData:
    """What the stage makes of a set of spectra.

    Attributes
    ----------
    table : PeakTable
        Areas, counts.
    errors : ndarray, shape (n_spectra, n_peaks)
        Counting errors of the areas.
    peaks : DataFrame
        mz, borders (u), counts over all spectra with their error, spectra in which the peak is
        near saturation, and what the peak is.
    calibration : DataFrame
        A row per spectrum and ion.
    scales : DataFrame
        A row per spectrum: the parameters of its scale with their errors.
    dataset : dict
        What later stages and people want to know of the set.
    found : Peaks
        The peaks, with their width and shape.
    total : Spectrum or None
        The sum of the calibrated spectra.
    sums : SampleSums or None
        The same of each reference compound and each sample.
    remarks : list of str
        Spectra set aside, or columns that did not fit, each with the reason.
    method : Method or None
        How a later spectrum is brought onto these peaks; None where areas were given.
    """

    table: "PeakTable"
    errors: "np.ndarray"
    peaks: "pd.DataFrame"
    calibration: "pd.DataFrame"
    scales: "pd.DataFrame"
    dataset: dict[str, Any]
    found: "Peaks"
    total: "Spectrum | None"
    sums: "SampleSums | None"
    remarks: list[str]
    method: "Method | None" = None


def run(cfg: "DictConfig") -> None:
    """Read the spectra of `dataset.path` and write `peaks/`.

    Raises
    ------
    IonprintError
        The sheet, a spectrum or a calibration is not as it must be; all bad files are named.
    """
    from ionprint.spectra.table import write_columns

    data = peaks_from_areas(cfg) if cfg.dataset.areas else peaks_from_spectra(cfg)
    with fresh_folder(cfg.peaks) as out:
        data.table.write(out / "peak_table.parquet")
        files = data.table.samples[["file"]]
        write_columns(files, data.table.columns, data.errors, out / "area_errors.parquet")
        write_table(data.peaks, out / "peaks.csv", PEAK_DIGITS)
        write_table(data.calibration, out / "calibration.csv", CALIBRATION_DIGITS)
        write_table(data.scales, out / "scales.csv", {"rms_ppm": 2})
        write_json(data.dataset, out / "dataset.json")
        if data.method is not None:
            write_arrays(data.method.arrays(), out / "method.npz")
        if data.total is not None:
            _write_sum(data.total, data.found, out, data.sums)
    _tell(cfg, data)


def peaks_from_spectra(cfg: "DictConfig") -> PeakData:
    """Go from exported spectra to areas.

    Raises
    ------
    IonprintError
        As `run`.
    """
    import numpy as np

    from ionprint.spectra.sample_sums import sample_sums
    from ionprint.spectra.sheet import read_sheet
    from ionprint.spectra.table import PeakTable

    folder = Path(cfg.dataset.path)
    sheet = read_sheet(folder, cfg.dataset.polarity)
    raw, copies = read_all(folder, sheet, cfg)
    calibrated, total, peaks, skipped, ions = covered_spectra(raw, cfg)
    spectra = [c.spectrum for c in calibrated]
    areas, errors, integrate = areas_of(cfg, spectra, total, peaks)

    kept = sheet["file"].isin([s.file for s in spectra])
    samples = sheet[kept].reset_index(drop=True)
    source = ["simulated" if s.simulated else "measured" for s in spectra]
    table = PeakTable(samples.assign(source=source), peaks.mz, areas)
    calibration, scales = calibration_tables(calibrated)
    named, remarks = name_peaks(cfg, peaks, areas, calibrated)
    scale = "kept" if (calibration["result"] == "kept").any() else "calibrated"
    content = content_hash(folder, sheet["file"], cfg.spectra.workers)
    dataset = about(cfg, table, scale, integrate.method, content)
    pulses = np.array([s.pulses for s in spectra])
    frame = peak_frame(peaks, pulses, areas, cfg.spectra.saturation).join(named)
    return PeakData(
        table=table,
        errors=errors,
        peaks=frame,
        calibration=calibration,
        scales=scales,
        dataset=dataset,
        found=peaks,
        total=total,
        sums=sample_sums(spectra, samples, total),
        remarks=[*(f"set aside: {reason}" for reason in copies + skipped), *remarks],
        method=method_of(cfg, peaks, integrate, *ions),
    )


def method_of(
    cfg: "DictConfig",
    peaks: "Peaks",
    integrate: "Integration",
    ions: dict[str, float],
    width: float,
) -> "Method":
    """Return how a later spectrum is brought onto the peaks of this set.

    Parameters
    ----------
    ions : dict of str to float
    width : float
        What scales were fitted to again, from `calibrated_spectra`.
    """
    from ionprint.config import CHARGES
    from ionprint.spectra.method import Choices, Method

    choices = Choices(
        polarity=CHARGES[cfg.dataset.polarity],
        calibrants=list(cfg.dataset.calibrants),
        limits=calibration_limits(cfg),
        ions=ions,
        width=width,
        ends=cfg.spectra.min_range * cfg.dataset.mz_max,
        dead_time=dict(cfg.spectra.dead_time),
        min_counts=cfg.spectra.search.min_counts,
    )
    return Method(choices, peaks.lower, peaks.upper, peaks.width, integrate)


def calibration_limits(cfg: "DictConfig") -> dict[str, float]:
    """Return what `calibrate` asks of a spectrum."""
    return {k: v for k, v in cfg.spectra.calibration.items() if k != "refine"}


def peaks_from_areas(cfg: "DictConfig") -> PeakData:
    """Go from a table of peak areas that another program made to areas on one peak list.

    Raises
    ------
    IonprintError
        The sheet and the table do not agree, or one of them is not as it must be.
    """
    import numpy as np

    from ionprint.errors import SheetError
    from ionprint.spectra.area_table import align, read_area_table
    from ionprint.spectra.copies import copied_areas, set_aside
    from ionprint.spectra.reading import LARGEST
    from ionprint.spectra.search import Peaks, read_borders
    from ionprint.spectra.sheet import SHEET, read_sheet
    from ionprint.spectra.table import PeakTable

    folder = Path(cfg.dataset.path)
    given = read_area_table(folder / cfg.dataset.areas)
    sheet = read_sheet(folder, cfg.dataset.polarity, given.spectra)
    if given.areas.max() > LARGEST:
        row = int(given.areas.max(axis=1).argmax())
        raise SheetError(
            f"{folder / cfg.dataset.areas}: {given.spectra[row]} has an area of "
            f"{given.areas[row].max():g}, expected {LARGEST:g} at most: no detector counts so many"
        )
    if cfg.spectra.peak_list:
        mz, lower, upper = read_borders(cfg.spectra.peak_list)
    else:
        mz = np.unique(given.mz.round(4))
        lower = upper = np.full(mz.size, np.nan)
    areas, warnings = align(given, mz, cfg.spectra.align_ppm)
    place = {name: row for row, name in enumerate(given.spectra)}
    rows = sheet["file"].map(place).to_numpy()
    copies, told = set_aside(copied_areas(given.areas[rows]), sheet, f"{folder / SHEET}")
    sheet, rows = sheet.drop(index=copies).reset_index(drop=True), np.delete(rows, copies)
    areas = areas[rows]
    source = "simulated" if given.simulated else "measured"
    table = PeakTable(sheet.assign(source=source), mz, areas)

    counts = areas.sum(axis=0)
    # a peak's width is not in the table: so near to each other they would not have been told apart
    width = cfg.spectra.align_ppm * 1e-6 * np.sqrt(mz.mean())
    peaks = Peaks(mz, lower, upper, counts, np.sqrt(counts), width)
    named = name_by_mass(cfg, peaks, cfg.ions.scale_error_ppm or IMPORTED_PPM)
    frame = peak_frame(peaks, np.full(len(sheet), np.inf), areas, cfg.spectra.saturation)
    content = content_hash(folder, [cfg.dataset.areas], 1)
    dataset = about(cfg, table, "imported", "imported", content)
    calibration, scales = calibration_tables([])
    return PeakData(
        table=table,
        errors=np.sqrt(areas),
        peaks=frame.join(with_signs(named, cfg)),
        calibration=calibration,
        scales=scales,
        dataset=dataset,
        found=peaks,
        total=None,
        sums=None,
        remarks=[*(f"set aside: {reason}" for reason in told), *warnings],
    )


def about(
    cfg: "DictConfig", table: "PeakTable", scale: str, integration: str, content: str
) -> dict[str, Any]:
    """Return what later stages and people want to know of a set; `content` is its hash."""
    return {
        "name": cfg.dataset.name,
        "source": table.source,
        "spectra": len(table.samples),
        "peaks": len(table.mz),
        "mz_max": cfg.dataset.mz_max,
        "scale": scale,
        "integration": integration,
        "sha256": content,
    }


def _write_sum(
    total: "Spectrum", peaks: "Peaks", out: Path, sums: "SampleSums | None" = None
) -> None:
    """Write the sums of the calibrated spectra and the shape of their peaks, for the eye."""
    from dataclasses import asdict

    import numpy as np
    import pandas as pd

    some = np.flatnonzero(total.counts)
    frame = pd.DataFrame({"bin": some.astype("int32"), "counts": total.counts[some].round(2)})
    frame.to_parquet(out / "sum_spectrum.parquet", index=False)
    shape = asdict(peaks.shape) if peaks.shape else None
    scale = {"start": total.start, "step": total.step, "bins": int(total.counts.size)}
    about = {**scale, "width": peaks.width, "shape": shape}
    if sums is not None:
        sums.counts.to_parquet(out / "sample_spectra.parquet", index=False, compression="zstd")
        about["sums"] = sums.groups.to_dict("records")
    write_json(about, out / "sum_spectrum.json")


def in_parallel(work: Callable, items: Sequence, what: str, workers: int | None) -> list:
    """Do `work` on each item on several cores, under a progress bar; results in order.

    In threads, so for work outside the interpreter's lock: reading and hashing of files.
    """
    workers = workers or os.cpu_count() or 1
    if workers == 1:
        return [work(item) for item in progress(items, what)]
    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(work, item) for item in items]
        return [future.result() for future in progress(waiting, what)]


def read_all(
    folder: Path, sheet: "pd.DataFrame", cfg: "DictConfig"
) -> "tuple[list[Spectrum], list[str]]":
    """Read all spectra and give back what dead time took, or name all that cannot be read.

    Parameters
    ----------
    sheet : DataFrame
        From `read_sheet`; columns pulses, dead_time_ns and channel_ns go before the configuration.

    Returns
    -------
    spectra : list of Spectrum
    copies : list of str
        Which files are left out because they repeat another.

    Raises
    ------
    SpectrumError
        With a line for each bad file.
    SheetError
        Two rows say different things of one measurement.
    """
    from ionprint.errors import SpectrumError, listed
    from ionprint.spectra.copies import copied_spectra, set_aside, sketch
    from ionprint.spectra.dead_time import without_dead_time
    from ionprint.spectra.reading import read_spectrum
    from ionprint.spectra.sheet import SHEET

    mz_max, least = cfg.dataset.mz_max, cfg.spectra.min_range * cfg.dataset.mz_max

    def read(row: dict) -> "tuple[Spectrum, np.ndarray] | SpectrumError":
        try:
            spectrum = read_spectrum(folder / row["file"], row["file"])
            if spectrum.end**2 < least:
                raise SpectrumError(
                    f"{row['file']}: ends at m/z {spectrum.end**2:.1f}, expected {mz_max:g}. Cut "
                    f"off? Export it again, or lower dataset.mz_max for all."
                )
            return without_dead_time(spectrum, **dead_time(row, cfg)), sketch(spectrum.counts)
        except SpectrumError as exc:
            return exc

    done = in_parallel(read, sheet.to_dict("records"), "reading", cfg.spectra.workers)
    problems = [str(d) for d in done if isinstance(d, SpectrumError)]
    if problems:
        raise SpectrumError(
            f"{len(problems)} of {len(sheet)} spectra in {folder} cannot be used:\n"
            f"{listed(problems)}"
        )
    spectra, sketches = zip(*done, strict=True)
    copies, told = set_aside(copied_spectra(sketches), sheet, f"{folder / SHEET}")
    return [s for place, s in enumerate(spectra) if place not in copies], told


def dead_time(row: dict, cfg: "DictConfig") -> dict[str, float | None]:
    """Return pulses, dead time and channel width (ns) of a spectrum: the sheet's, else conf's.

    Raises
    ------
    SheetError
        The sheet's is not a number above 0.
    """
    from ionprint.errors import SheetError

    found = {}
    for name, default in cfg.spectra.dead_time.items():
        text = row.get(name) or ""
        try:
            found[name] = float(text.replace(",", ".")) if text else default
        except ValueError:
            found[name] = -1.0
        if found[name] is not None and not 0 < found[name] < float("inf"):
            raise SheetError(
                f"{cfg.dataset.path}/samples.csv: {row['file']} has {name} {text!r}, expected a "
                f"number above 0"
            )
    return found


def calibrate_all(
    raw: "list[Spectrum]", cfg: "DictConfig"
) -> "tuple[list[Spectrum], list[Calibrated], list[str]]":
    """Calibrate all spectra on the calibrants of the data set.

    Returns
    -------
    raw : list of Spectrum
        Those that could be calibrated, on the scale of their export.
    calibrated : list of Calibrated
        The same, in the same order.
    skipped : list of str
        Why others were set aside, with `spectra.on_bad=skip`.

    Raises
    ------
    CalibrationError
        With a line for each spectrum that cannot be calibrated.
    """
    from ionprint.config import CHARGES
    from ionprint.errors import CalibrationError
    from ionprint.spectra.calibration import calibrate

    calibrants, charge = list(cfg.dataset.calibrants), CHARGES[cfg.dataset.polarity]
    limits = calibration_limits(cfg)

    def work(spectrum: "Spectrum") -> "Calibrated | CalibrationError":
        try:
            return calibrate(spectrum, calibrants, **limits, charge=charge)
        except CalibrationError as exc:
            return exc

    done = [work(spectrum) for spectrum in progress(raw, "calibrating")]
    return _good(raw, done, cfg)


def refine_all(
    raw: "list[Spectrum]",
    first: "list[Calibrated]",
    ions: dict[str, float],
    width: float,
    cfg: "DictConfig",
) -> "tuple[list[Spectrum], list[Calibrated], list[str]]":
    """Calibrate all spectra again, with ions that are known without doubt.

    Parameters
    ----------
    ions : dict of str to float
        Formulas and exact m/z (u).
    width : float
        Full width at half maximum of a peak (sqrt(u)).

    Returns
    -------
    raw, calibrated, skipped
        As `calibrate_all`.
    """
    from ionprint.errors import CalibrationError
    from ionprint.spectra.calibration import refine

    limits = {k: cfg.spectra.calibration[k] for k in ("min_counts", "min_ions", "max_error_ppm")}

    def work(pair: "tuple[Spectrum, Calibrated]") -> "Calibrated | CalibrationError":
        try:
            return refine(*pair, ions, width, **limits)
        except CalibrationError as exc:
            return exc

    pairs = list(zip(raw, first, strict=True))
    done = [work(pair) for pair in progress(pairs, "calibrating again")]
    return _good(raw, done, cfg)


def _good(
    raw: "list[Spectrum]", done: list, cfg: "DictConfig"
) -> "tuple[list[Spectrum], list[Calibrated], list[str]]":
    """Part what could be calibrated from what could not; stop there unless asked to go on."""
    from ionprint.errors import CalibrationError, listed

    problems = [str(d) for d in done if isinstance(d, CalibrationError)]
    if problems and (cfg.spectra.on_bad != "skip" or len(problems) == len(raw)):
        raise CalibrationError(
            f"{len(problems)} of {len(raw)} spectra cannot be calibrated:\n{listed(problems)}\n"
            f"To go on without them: spectra.on_bad=skip"
        )
    good = [i for i, d in enumerate(done) if not isinstance(d, CalibrationError)]
    return [raw[i] for i in good], [done[i] for i in good], problems


def sum_of(calibrated: "list[Calibrated]", cfg: "DictConfig") -> "Spectrum":
    """Add the calibrated spectra up."""
    from ionprint.spectra.search import summed

    with counter(len(calibrated), "adding up") as advance:
        return summed([c.spectrum for c in calibrated], cfg.dataset.mz_max, advance)


def calibrated_spectra(
    raw: "list[Spectrum]", cfg: "DictConfig"
) -> "tuple[list[Calibrated], Spectrum, list[str], tuple[dict[str, float], float]]":
    """Calibrate, search strong peaks, name them, calibrate again with those that leave no doubt.

    Returns
    -------
    calibrated : list of Calibrated
    total : Spectrum
        The sum of the calibrated spectra.
    skipped : list of str
        Why spectra were set aside.
    ions : tuple of (dict of str to float, float)
        Formulas and exact m/z (u) of the ions that leave no doubt, and the width of peaks
        (sqrt(u)); none where the scales were not fitted again.
    """
    from ionprint.ions.assignment import doubtless
    from ionprint.spectra.search import find_peaks

    search = cfg.spectra.search
    raw, calibrated, skipped = calibrate_all(raw, cfg)
    total = sum_of(calibrated, cfg)
    known: tuple[dict[str, float], float] = {}, 0.0
    if cfg.spectra.calibration.refine and any(c.result != "kept" for c in calibrated):
        peaks = find_peaks(total, search.min_counts, search.min_snr, overlapping=False)
        # an ion that a quarter of the spectra has
        least = cfg.spectra.calibration.min_counts * len(raw) / 4
        names = name_by_mass(cfg, peaks, scale_error_ppm(cfg, calibrated), least)
        known = doubtless(names, peaks.mz, peaks.counts, peaks.widths), peaks.width
        raw, calibrated, more = refine_all(raw, calibrated, *known, cfg)
        skipped, total = skipped + more, sum_of(calibrated, cfg)
    return calibrated, total, skipped, known


def covered_spectra(
    raw: "list[Spectrum]", cfg: "DictConfig"
) -> "tuple[list[Calibrated], Spectrum, Peaks, list[str], tuple[dict[str, float], float]]":
    """Calibrate all spectra and search their peaks, each of which all of them have measured.

    Returns
    -------
    calibrated, total, skipped, ions
        As `calibrated_spectra`.
    peaks : Peaks
        Third of them.

    Raises
    ------
    SpectrumError
        A spectrum did not measure a peak that others have: with a line for each; with
        `spectra.on_bad=skip` only if they are half of them or more.
    """
    from ionprint.errors import SpectrumError, listed
    from ionprint.spectra.extent import short_of

    left_out: list[str] = []
    while True:
        calibrated, total, skipped, ions = calibrated_spectra(raw, cfg)
        peaks = peak_list(cfg, total)
        short = short_of([c.spectrum for c in calibrated], peaks.mz, peaks.width, total.end)
        if not short:
            return calibrated, total, peaks, left_out + skipped, ions
        if cfg.spectra.on_bad != "skip" or 2 * len(short) >= len(calibrated):
            raise SpectrumError(
                f"{len(short)} of {len(calibrated)} spectra did not measure all peaks, which would "
                f"be taken as zero:\n{listed(list(short.values()))}\nExport all over one range, "
                f"with the rows without counts; or lower dataset.mz_max; or leave the odd ones out "
                f"of the sheet. To go on without fewer than half of them: spectra.on_bad=skip"
            )
        left_out += short.values()
        raw = [s for s in raw if s.file not in short]


def peak_list(cfg: "DictConfig", total: "Spectrum") -> "Peaks":
    """Return the given peak list, or the peaks found in the sum of the calibrated spectra."""
    from ionprint.spectra.search import find_peaks, given_peaks

    if cfg.spectra.peak_list:
        return given_peaks(cfg.spectra.peak_list, total)
    with counter(1, "searching peaks"):
        return find_peaks(total, cfg.spectra.search.min_counts, cfg.spectra.search.min_snr)


def areas_of(
    cfg: "DictConfig", spectra: "list[Spectrum]", total: "Spectrum", peaks: "Peaks"
) -> "tuple[np.ndarray, np.ndarray, Integration]":
    """Return areas and their errors, shape (n_spectra, n_peaks) each, and how they were taken."""
    import numpy as np

    from ionprint.spectra.integration import integration

    integrate = integration(cfg.spectra.integration, total, peaks)
    done = [integrate(spectrum) for spectrum in progress(spectra, "integrating")]
    areas, errors = (np.stack(part) for part in zip(*done, strict=True))
    return areas, errors, integrate


def calibrated_references(cfg: "DictConfig", files: list[str]) -> "list[Spectrum]":
    """Read and calibrate some spectra of the data set again, by their names in the sheet."""
    from ionprint.spectra.sheet import read_sheet

    folder = Path(cfg.dataset.path)
    sheet = read_sheet(folder, cfg.dataset.polarity).set_index("file", drop=False).loc[files]
    calibrated = calibrated_spectra(read_all(folder, sheet, cfg)[0], cfg)[0]
    return [c.spectrum for c in calibrated]


def name_peaks(
    cfg: "DictConfig", peaks: "Peaks", areas: "np.ndarray", calibrated: "list[Calibrated]"
) -> "tuple[pd.DataFrame, list[str]]":
    """Say what each peak is.

    Where bins were too wide to calibrate the scale, exact mass says nothing, and ions are named by
    their isotope pattern or not at all. Anions are written without their sign, cations with it.

    Returns
    -------
    names : DataFrame
        ion, candidates, error_ppm, confidence, satellite_of.
    remarks : list of str
        Why no ion was named.
    """
    import pandas as pd

    from ionprint.errors import ConfigError
    from ionprint.ions.pattern import name_by_pattern

    if not any(c.result == "kept" for c in calibrated):
        return with_signs(name_by_mass(cfg, peaks, scale_error_ppm(cfg, calibrated)), cfg), []
    try:
        names = name_by_pattern(peaks.mz, areas, dict(cfg.dataset.elements))
    except ConfigError as exc:
        names, remarks = pd.DataFrame({"mz": peaks.mz}), [f"no ion is named by its isotopes: {exc}"]
        names = names.assign(ion="", candidates="", confidence=0.0, satellite_of="")
    else:
        remarks = []
    return with_signs(names.assign(error_ppm=float("nan")), cfg), remarks


def with_signs(names: "pd.DataFrame", cfg: "DictConfig") -> "pd.DataFrame":
    """Return the columns that tell what a peak is; cations get their sign."""
    if cfg.dataset.polarity == "positive":
        names["ion"] = names["ion"].where(names["ion"] == "", names["ion"] + "+")
    return names[["ion", "candidates", "error_ppm", "confidence", "satellite_of"]]


def name_by_mass(
    cfg: "DictConfig", peaks: "Peaks", scale_ppm: float, least: float = 0.0
) -> "pd.DataFrame":
    """Return what each peak is, by exact mass and isotopes.

    Parameters
    ----------
    scale_ppm : float
        Standard error of the mass scale.
    least : float
        Counts from which a peak is named.
    """
    from ionprint.config import CHARGES
    from ionprint.ions.assignment import assign

    elements = tuple(cfg.dataset.elements.items())
    with counter(1, "naming ions"):
        candidates = formulas(elements, cfg.dataset.mz_max, CHARGES[cfg.dataset.polarity])
        error = peaks.mz_errors(scale_ppm)
        return assign(peaks.mz, peaks.counts, candidates, error, peaks.widths, least)


@cache
def formulas(elements: tuple[tuple[str, int], ...], mz_max: float, charge: int) -> "Candidates":
    """Return all formulas of some elements with their isotopologues; asked for twice a run."""
    from ionprint.ions.assignment import enumerate_formulas, with_isotopologues

    return with_isotopologues(enumerate_formulas(dict(elements), mz_max, charge))


def scale_error_ppm(cfg: "DictConfig", calibrated: "list[Calibrated]") -> float:
    """Return the standard error of the mass scale: the configuration's, else the residuals' rms."""
    import numpy as np

    if cfg.ions.scale_error_ppm:
        return cfg.ions.scale_error_ppm
    residuals = [row["error_after_ppm"] for c in calibrated for row in c.rows if row["used"]]
    return float(np.sqrt(np.mean(np.square(residuals))))


def peak_frame(
    peaks: "Peaks", pulses: "np.ndarray", areas: "np.ndarray", saturation: float
) -> "pd.DataFrame":
    """Return the peak list: masses, borders, counts, and spectra in which it is near saturation.

    Parameters
    ----------
    pulses : ndarray, shape (n_spectra,)
        Infinite where not known.
    saturation : float
        Registered counts a pulse from which a peak is near saturation.
    """
    import numpy as np
    import pandas as pd

    # of A / N ions a pulse 1 - exp(-A / N) are registered
    registered = -np.expm1(-areas / pulses[:, None])
    known = np.isfinite(pulses).any()
    return pd.DataFrame(
        {
            "mz": peaks.mz,
            "lower": peaks.lower,
            "upper": peaks.upper,
            "counts": peaks.counts,
            "counts_error": peaks.errors,
            "saturated": (registered > saturation).sum(axis=0) if known else np.nan,
        }
    )


def calibration_tables(calibrated: "list[Calibrated]") -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Return a row per spectrum and ion, and a row per spectrum."""
    from dataclasses import asdict

    import numpy as np
    import pandas as pd

    rows, scales = [], []
    for c in calibrated:
        rows += [{"file": c.spectrum.file, **row} for row in c.rows]
        after = [row["error_after_ppm"] for row in c.rows if row["used"]]
        rms = float(np.sqrt(np.mean(np.square(after)))) if after else float("nan")
        scale = {k: float(f"{v:.8g}") if k != "ions" else v for k, v in asdict(c.scale).items()}
        scales.append({"file": c.spectrum.file, "result": c.result, **scale, "rms_ppm": rms})
    columns = ["file", *CALIBRATION_COLUMNS]
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(scales, columns=SCALE_COLUMNS)


def content_hash(folder: Path, files: Iterable[str], workers: int | None) -> str:
    """Return a sha256 over the sheet and the spectra, names and bytes."""

    def digest(file: str) -> bytes:
        return hashlib.sha256((folder / file).read_bytes()).digest()

    names, total = ["samples.csv", *sorted(files)], hashlib.sha256()
    for file, content in zip(names, in_parallel(digest, names, "hashing", workers), strict=True):
        total.update(file.encode() + b"\0" + content)
    return total.hexdigest()


def _tell(cfg: "DictConfig", data: PeakData) -> None:
    from ionprint.stages.terminal import summary

    dataset, calibration, peaks = data.dataset, data.calibration, data.peaks
    how = {
        "fit": "areas by a fit of the peak shape",
        "borders": "areas between borders",
        "imported": f"areas of {cfg.dataset.areas}",
    }
    scale = wide = ""
    used = calibration[calibration["used"].astype(bool)]
    if len(used):
        before, after = (
            (used[f"error_{when}_ppm"] ** 2).mean() ** 0.5 for when in ("before", "after")
        )
        ions = used["ion"].nunique()
        scale = f"{before:.0f} ppm rms before, {after:.1f} ppm after, on {ions} ions"
    kept = calibration.loc[calibration["result"] == "kept", "file"].nunique()
    if kept:
        wide = (
            f"that of {kept} spectra: their bins are too wide to improve on it (calibration.csv: "
            f"kept); ions are named by isotope patterns alone"
        )
    found = f"{dataset['peaks']} up to m/z {dataset['mz_max']:g}"
    satellites = (peaks["satellite_of"] != "").sum()
    saturated = [f"{r.mz:.4f} {r.ion}".strip() for r in peaks[peaks["saturated"] > 0].itertuples()]
    summary(
        f"Peaks ({dataset['source']} data)",
        [
            ("spectra", dataset["spectra"]),
            ("peaks", f"{found}, {how[dataset['integration']]}"),
            ("mass scale", scale),
            ("scale kept", wide),
            ("named", f"{(peaks['ion'] != '').sum()}, {satellites} of them isotope satellites"),
            ("near saturation", ", ".join(saturated)),
            ("written to", cfg.peaks),
        ],
    )
    if data.remarks:  # never broken into lines: they can hold a setting to copy
        print("look at:")
        for remark in data.remarks:
            print(f"  {remark}")
