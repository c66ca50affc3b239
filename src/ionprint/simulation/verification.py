"""How well the first half of the way does, measured against what was planted.

Isotopologues nearer to each other than a fifth of a peak width are one line: no instrument of this
kind tells them apart.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ionprint.ions.formula import ion_mz
from ionprint.simulation.instrument import FlightTime, arrival_time
from ionprint.simulation.truth import Truth

MERGED = 0.2
"""Peak widths below which isotopologues are one line."""
CLOSE, ALONE = 1.2, 3.0
"""Peak widths to the next line from which a line counts as resolved, and as standing alone."""
OWN = 0.7
"""Peak widths within which a line's counts are a peak's own."""
FAINT = 0.01
"""A neighbour with less than this share of a line's counts does not disturb its area."""


@dataclass(frozen=True)
class Lines:
    """What was planted, as lines that a perfect instrument of this resolution could tell apart.

    Attributes
    ----------
    mz : ndarray, shape (n_lines,)
        u, rising; the mean of the line's isotopologues weighted by counts.
    counts : ndarray, shape (n_spectra, n_lines)
        Expected counts.
    ion : list of str
        The strongest isotopologue's formula.
    gap : ndarray, shape (n_lines,)
        Peak widths to the nearest other line of 100 counts or more over all spectra.
    clear : ndarray, shape (n_lines,)
        Peak widths to the nearest line that is not faint beside it.
    """

    mz: np.ndarray
    counts: np.ndarray
    ion: list[str]
    gap: np.ndarray
    clear: np.ndarray


def planted_lines(mz: np.ndarray, ions: np.ndarray, counts: np.ndarray, width: np.ndarray) -> Lines:
    """Gather isotopologues into lines.

    Parameters
    ----------
    mz : ndarray, shape (n,)
        u.
    ions : ndarray of str, shape (n,)
    counts : ndarray, shape (n_spectra, n)
        Expected counts.
    width : ndarray, shape (n,)
        Peak width (FWHM, u) at each m/z.
    """
    keep = counts.sum(axis=0) > 0
    order = np.flatnonzero(keep)[np.argsort(mz[keep], kind="stable")]
    mz, ions, counts, width = mz[order], ions[order], counts[:, order], width[order]
    line = np.concatenate([[0], np.cumsum(np.diff(mz) > MERGED * width[1:])])
    starts = np.flatnonzero(np.concatenate([[True], np.diff(line) > 0]))
    summed = np.add.reduceat(counts, starts, axis=1)
    total = counts.sum(axis=0)
    centre = np.add.reduceat(mz * total, starts) / np.add.reduceat(total, starts)
    names = [
        str(ions[first + int(total[first:last].argmax())])
        for first, last in zip(starts, [*starts[1:], len(mz)], strict=True)
    ]
    widths = width[starts]
    all_counts = summed.sum(axis=0)
    gap = _nearest(centre, widths, np.broadcast_to(all_counts >= 100, (len(centre),) * 2))
    clear = _nearest(centre, widths, all_counts >= FAINT * all_counts[:, None])
    return Lines(centre, summed, names, gap, clear)


def _nearest(mz: np.ndarray, width: np.ndarray, counts_as: np.ndarray) -> np.ndarray:
    """Return the distance in widths to the nearest other line that counts."""
    distance = np.abs(mz - mz[:, None]) / width[:, None]
    np.fill_diagonal(distance, np.inf)
    return np.where(counts_as, distance, np.inf).min(axis=1)


def scale_errors(truth: Truth, scales: pd.DataFrame, mz: np.ndarray) -> np.ndarray:
    """Return the error of each spectrum's scale at the true flight times of ions.

    Parameters
    ----------
    truth : Truth
        Whose spectra were calibrated.
    scales : DataFrame
        One row a spectrum: file; offset (sqrt(u)) and slope of the calibration,
        sqrt(m) = offset + slope * x on the export's axis x.
    mz : ndarray, shape (n_ions,)
        u.

    Returns
    -------
    ndarray, shape (n_spectra, n_ions)
        ppm.
    """
    instrument = truth.settings.instrument
    flights = dict(zip(truth.files, zip(truth.k, truth.t0, strict=True), strict=True))
    errors = []
    for row in scales.itertuples():
        time = arrival_time(instrument, FlightTime(*flights[row.file]), mz)
        x = (time - instrument.t0) / instrument.k
        errors.append(((row.offset + row.slope * x) ** 2 / mz - 1) * 1e6)
    return np.array(errors)


def figures(
    lines: Lines,
    scale_errors_ppm: np.ndarray,
    peaks: pd.DataFrame,
    areas: np.ndarray,
    errors: np.ndarray,
    width: np.ndarray,
) -> dict[str, float]:
    """Return the figures that tell how good the peak table is.

    Parameters
    ----------
    lines : Lines
        What was planted in the same spectra.
    scale_errors_ppm : ndarray
        From `scale_errors`.
    peaks : DataFrame
        mz (u), counts, and ion, the formula given to each peak, empty where none was.
    areas, errors : ndarray, shape (n_spectra, n_peaks)
        Counts, and their counting errors.
    width : ndarray, shape (n_peaks,)
        Peak width (FWHM, u) at each peak.

    Returns
    -------
    dict of str to float
        calibration_rms_ppm, calibration_worst_ppm: of `scale_errors_ppm`;
        peaks_found: share of the lines of 100 counts or more over all spectra, 1.2 widths or more
        from the next such line, that have a peak within half a width;
        peaks_false: share of the peaks that hold less than half their counts of planted lines
        (those within 0.7 widths that have no nearer peak);
        area_error_alone, area_error_close: root mean square of the relative error of the areas
        added up over all spectra, less that of counting, of found lines of 1,000 counts or more
        that stand 3 widths, and 1.2 to 3 widths, from the next line of any weight;
        first_assignment_right: share of the found lines of 1,000 counts or more, and of half the
        counts of their peak or more, that are named right. NaN where no such line was planted.
    """
    mz, total = peaks["mz"].to_numpy(), lines.counts.sum(axis=0)
    distance = np.abs(mz[:, None] - lines.mz) / width[:, None]
    peak, nearest = distance.argmin(axis=0), distance.min(axis=0)
    found = nearest <= 0.5
    asked = (total >= 100) & (lines.gap >= CLOSE)
    held = np.bincount(peak, np.where(nearest <= OWN, total, 0), minlength=mz.size)

    strong = found & (total >= 1000)
    error = areas.sum(axis=0)[peak] / np.maximum(total, 1) - 1
    counting = np.sqrt((errors**2).sum(axis=0))[peak] / np.maximum(total, 1)
    alone, close = strong & (lines.clear >= ALONE), strong & (lines.clear >= CLOSE)
    close &= ~alone
    names = peaks["ion"].tolist()
    own = strong & (total >= 0.5 * peaks["counts"].to_numpy()[peak])
    right = [
        bool(names[peak[i]]) and abs(ion_mz(names[peak[i]]) - ion_mz(lines.ion[i])) < 1e-4
        for i in np.flatnonzero(own)
    ]

    def beyond_counting(chosen: np.ndarray) -> float:
        if not chosen.any():
            return float("nan")
        excess = np.mean(error[chosen] ** 2) - np.mean(counting[chosen] ** 2)
        return float(np.sqrt(max(excess, 0.0)))

    return {
        "calibration_rms_ppm": float(np.sqrt(np.mean(scale_errors_ppm**2))),
        "calibration_worst_ppm": float(np.abs(scale_errors_ppm).max()),
        "peaks_found": _share(found[asked]),
        "peaks_false": float((held < 0.5 * peaks["counts"].to_numpy()).mean()),
        "area_error_alone": beyond_counting(alone),
        "area_error_close": beyond_counting(close),
        "first_assignment_right": _share(np.array(right)),
    }


def _share(good: np.ndarray) -> float:
    """Return the share of what is good, NaN of nothing."""
    return float(good.mean()) if good.size else float("nan")
