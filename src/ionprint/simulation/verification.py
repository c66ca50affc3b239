"""How well the first half of the way does, measured against what was planted.

Isotopologues nearer to each other than a fifth of a peak width are one line: no instrument of this
kind tells them apart.
"""

from dataclasses import dataclass

import numpy as np

from ionprint.ions.formula import ion_mz

MERGED = 0.2
"""Peak widths below which isotopologues are one line."""
CLOSE, ALONE = 1.2, 3.0
"""Peak widths to the next line from which a line counts as resolved, and as standing alone."""
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


def scale_errors(
    slope: np.ndarray, offset: np.ndarray, k: np.ndarray, t0: np.ndarray,
    nominal: tuple[float, float], mz: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return the error of each spectrum's scale at the true flight times of ions.

    Parameters
    ----------
    slope, offset : ndarray, shape (n_spectra,)
        Of the calibration, sqrt(m) = offset + slope * x on the export's axis x.
    k, t0 : ndarray, shape (n_spectra,)
        True constants (channels per sqrt(u), channels): t = k sqrt(m) + t0.
    nominal : (float, float)
        The instrument's own k and t0, which made the export's axis.
    mz : ndarray, shape (n_ions,)
        u.

    Returns
    -------
    ndarray, shape (n_spectra, n_ions)
        ppm.
    """
    time = k[:, None] * np.sqrt(mz) + t0[:, None]
    x = (time - nominal[1]) / nominal[0]
    return ((offset[:, None] + slope[:, None] * x) ** 2 / mz - 1) * 1e6


def figures(
    lines: Lines, errors: np.ndarray, peaks_mz: np.ndarray, areas: np.ndarray, names: list[str],
    width: np.ndarray,
) -> dict[str, float]:  # fmt: skip
    """Return the figures that tell how good the peak table is.

    Parameters
    ----------
    errors : ndarray
        From `scale_errors`.
    peaks_mz : ndarray, shape (n_peaks,)
        The peaks found (u).
    areas : ndarray, shape (n_spectra, n_peaks)
    names : list of str
        The formula given to each peak, empty where none was.
    width : ndarray, shape (n_peaks,)
        Peak width (FWHM, u) at each peak.

    Returns
    -------
    dict
        calibration_rms_ppm, calibration_worst_ppm;
        peaks_found: share of the lines of 100 counts or more over all spectra, 1.2 widths or more
        from the next such line, that have a peak within half a width;
        peaks_false: share of the peaks without any line within a width;
        area_error_alone, area_error_close: root mean square of the relative error of the areas
        added up over all spectra, of found lines of 10,000 counts or more that stand 3 widths, and
        1.2 to 3 widths, from the next line of any weight;
        first_assignment_right: share of the found lines of 1,000 counts or more that are named
        right.
    """
    total = lines.counts.sum(axis=0)
    distance = np.abs(peaks_mz[:, None] - lines.mz) / width[:, None]
    peak = distance.argmin(axis=0)
    found = distance.min(axis=0) <= 0.5
    asked = (total >= 100) & (lines.gap >= CLOSE)
    # counting scatters a line of 10,000 counts by 1 %
    error = areas.sum(axis=0)[peak] / np.maximum(total, 1) - 1
    strong = found & (total >= 10_000)
    alone, close = strong & (lines.clear >= ALONE), strong & (lines.clear >= CLOSE)
    close &= ~alone
    named = found & (total >= 1000)
    right = [
        bool(names[peak[i]]) and abs(ion_mz(names[peak[i]]) - ion_mz(lines.ion[i])) < 1e-4
        for i in np.flatnonzero(named)
    ]

    def rms(chosen: np.ndarray) -> float:
        return float(np.sqrt(np.mean(error[chosen] ** 2))) if chosen.any() else float("nan")

    return {
        "calibration_rms_ppm": float(np.sqrt(np.mean(errors**2))),
        "calibration_worst_ppm": float(np.abs(errors).max()),
        "peaks_found": float(found[asked].mean()),
        "peaks_false": float((distance.min(axis=1) > 1).mean()),
        "area_error_alone": rms(alone),
        "area_error_close": rms(close),
        "first_assignment_right": float(np.mean(right)),
    }
