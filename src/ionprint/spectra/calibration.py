"""Mass calibration: t = k sqrt(m) + t0, fitted on the calibrant ions of each spectrum.

On the axis x = sqrt(m/z) of an export, made with the instrument's own k and t0, the true masses
obey sqrt(m) = offset + slope * x. Both are fitted by least squares on the centroids of the
calibrant peaks (paper, section 2.3; time-of-flight relation: Vickerman and Briggs, ToF-SIMS, 2013).
"""

import itertools
from dataclasses import dataclass

import numpy as np

from ionprint.errors import CalibrationError
from ionprint.ions.formula import ion_mz
from ionprint.spectra.spectrum import Spectrum

CANDIDATES = 4
"""Peaks near a calibrant's place that are weighed against each other."""
RELATIVE = 0.1
"""A candidate must have this share of the counts of the strongest one beside it."""
CENTRING = 20
"""Steps to centre the window of a centroid at most; five are usual."""


@dataclass(frozen=True)
class Candidate:
    """A peak that may be a calibrant: centroid x (sqrt(u)) and counts."""

    x: float
    counts: float


@dataclass(frozen=True)
class Calibrated:
    """A spectrum on its new scale, and how well it fits.

    Attributes
    ----------
    spectrum : Spectrum
    result : str
        `calibrated`, or `kept` where the bins are too wide to improve on the export's scale.
    rows : list of dict
        Per calibrant: ion, mz, mz_found (on the export's scale), counts, error_before_ppm,
        error_after_ppm, used, result. Values are NaN for a calibrant that was not found.
    """

    spectrum: Spectrum
    result: str
    rows: list[dict]


def peak_centroid(spectrum: Spectrum, bin_: int, halfwidth: float) -> Candidate:
    """Return centroid and counts of a peak, in a window that is moved until it is centred on it.

    A window left on the apex would pull the centroid to the middle of the apex's bin.

    Parameters
    ----------
    bin_ : int
        The bin of the apex.
    halfwidth : float
        Bins to each side; a bin that the window cuts counts in proportion.
    """
    reach = int(2 * halfwidth) + 1
    first, last = max(bin_ - reach, 0), min(bin_ + reach + 1, spectrum.counts.size)
    middles = np.arange(first, last) + 0.5
    centre = bin_ + 0.5
    for _ in range(CENTRING):
        inside = np.clip(halfwidth + 0.5 - np.abs(middles - centre), 0, 1)
        counts = inside * spectrum.counts[first:last]
        total = float(counts.sum())
        before, centre = centre, float((counts * middles).sum() / total)
        if abs(centre - before) < 1e-3:
            break
    return Candidate(spectrum.start + spectrum.step * centre, total)


def _halfwidth(near: np.ndarray, apex: int) -> float:
    """Return 0.6 of a peak's full width at half maximum in bins, at least two and a half.

    The nearer flank is taken twice; the other may run into a neighbour ([6Li]H beside [7Li]).
    """
    low = np.flatnonzero(near < near[apex] / 2)
    flank = np.abs(low - apex).min() - 0.5 if low.size else 0.0
    return max(1.2 * flank, 2.5)


def candidates(
    spectrum: Spectrum, mz: float, window_ppm: float, min_counts: float
) -> list[Candidate]:
    """Return the peaks near `mz`, strongest first.

    Parameters
    ----------
    mz : float
        Where to look (u).
    window_ppm : float
        How far to each side; at least one and a half bins.
    min_counts : float
        Counts around its apex a peak must have.
    """
    x = np.sqrt(mz)
    reach = max(window_ppm * 0.5e-6 * x, 1.5 * spectrum.step)
    first = max(int(spectrum.bin_at(x - reach)), 1)
    last = min(int(np.ceil(spectrum.bin_at(x + reach))), spectrum.counts.size - 1)
    if last <= first:
        return []
    # a running mean of three bins: the apex of a peak of some ten counts is else a matter of luck
    near = np.convolve(spectrum.counts[first - 1 : last + 1], np.ones(3) / 3, "same")[1:-1]
    edges = np.concatenate([[-1], near, [-1]])
    apexes = np.flatnonzero((near > 0) & (edges[1:-1] >= edges[:-2]) & (edges[1:-1] > edges[2:]))
    # a maximum on the rim of the window is the flank of a peak outside it
    apexes = apexes[(apexes > 0) & (apexes < near.size - 1)] if near.size > 4 else apexes
    apexes = apexes[np.argsort(-near[apexes], kind="stable")][:CANDIDATES]
    found = [peak_centroid(spectrum, first + int(a), _halfwidth(near, int(a))) for a in apexes]
    found = [c for c in found if c.counts >= min_counts]
    return [c for c in found if c.counts >= RELATIVE * found[0].counts]


def fit(x: np.ndarray, mz: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Fit sqrt(mz) = offset + slope * x.

    Parameters
    ----------
    x : ndarray, shape (..., n)
        Centroids (sqrt(u)); leading axes are fitted each on its own.
    mz : ndarray, shape (n,)
        Exact m/z (u).

    Returns
    -------
    offset, slope : ndarray, shape (...)
    errors_ppm : ndarray, shape (..., n)
        (m/z by the fit - exact m/z) / exact m/z, in ppm.
    """
    y = np.sqrt(mz)
    mean = x.mean(axis=-1, keepdims=True)
    slope = ((x - mean) * (y - y.mean())).sum(-1) / ((x - mean) ** 2).sum(-1)
    offset = y.mean() - slope * mean[..., 0]
    fitted = offset[..., None] + slope[..., None] * x
    return offset, slope, (fitted**2 / mz - 1) * 1e6


def calibrate(
    spectrum: Spectrum,
    calibrants: list[str],
    *,
    window_ppm: float,
    min_counts: float,
    min_ions: int,
    max_error_ppm: float,
    max_bin_ppm: float,
    charge: int = -1,
) -> Calibrated:
    """Put one spectrum on the mass scale of its calibrant ions.

    Where several peaks stand near a calibrant's place, the choice with the smallest residuals of
    all calibrants together wins; a calibrant whose residual stays too large is left out as long as
    enough others remain.

    Parameters
    ----------
    calibrants : list of str
        Formulas of the ions.
    window_ppm, min_counts, min_ions, max_error_ppm, max_bin_ppm
        See conf/spectra/default.yaml.
    charge : int
        -1 or +1: an ion weighs an electron more or less than its atoms.

    Raises
    ------
    CalibrationError
        Too few calibrants are found, or no choice of them fits.
    """
    mz = np.array([ion_mz(c, charge) for c in calibrants])
    found = [candidates(spectrum, m, window_ppm, min_counts) for m in mz]
    present = [i for i, f in enumerate(found) if f]
    if len(present) < min_ions:
        missing = [calibrants[i] for i in range(len(mz)) if i not in present]
        raise CalibrationError(
            f"{spectrum.file}: {len(present)} of {len(mz)} calibrant ions found within "
            f"{window_ppm:g} ppm with {min_counts:g} counts; expected {min_ions} or more. "
            f"Not found: {', '.join(missing)}. Choose dataset.calibrants that this sample has, or "
            f"widen spectra.calibration.window_ppm."
        )
    bin_ppm = 2e6 * spectrum.step / np.sqrt(np.median(mz[present]))
    if bin_ppm > max_bin_ppm:
        rows = _rows(calibrants, mz, {i: found[i][0] for i in present}, None, "kept")
        return Calibrated(spectrum, "kept", rows)
    chosen, used = _choose(found, mz, present, min_ions, max_error_ppm)
    offset, slope, errors = fit(np.array([chosen[i].x for i in used]), mz[used])
    if np.abs(errors).max() > max_error_ppm:
        worst = int(np.abs(errors).argmax())
        raise CalibrationError(
            f"{spectrum.file}: calibrant {calibrants[used[worst]]} misses its mass by "
            f"{errors[worst]:.0f} ppm after the fit on {len(used)} ions; expected "
            f"{max_error_ppm:g} ppm or less. Check dataset.calibrants, or leave this spectrum out "
            f"of the sheet."
        )
    rows = _rows(calibrants, mz, chosen, (offset, slope, used), "calibrated")
    return Calibrated(spectrum.calibrated(float(offset), float(slope)), "calibrated", rows)


def _choose(
    found: list[list[Candidate]],
    mz: np.ndarray,
    present: list[int],
    min_ions: int,
    max_error_ppm: float,
) -> tuple[dict[int, Candidate], list[int]]:
    """Return the candidate of each calibrant and the calibrants to fit on."""
    used = list(present)
    while True:
        choices = list(itertools.product(*(found[i] for i in used)))
        _, _, errors = fit(np.array([[c.x for c in choice] for choice in choices]), mz[used])
        best = int((errors**2).sum(axis=-1).argmin())
        worst = int(np.abs(errors[best]).argmax())
        if np.abs(errors[best, worst]) <= max_error_ppm or len(used) <= min_ions:
            return dict(zip(used, choices[best], strict=True)), used
        used = _without_worst(found, mz, used)


def _without_worst(found: list[list[Candidate]], mz: np.ndarray, used: list[int]) -> list[int]:
    """Leave out the calibrant without which the others fit best."""
    scores = []
    for i in used:
        others = [j for j in used if j != i]
        choices = np.array(
            [[c.x for c in p] for p in itertools.product(*(found[j] for j in others))]
        )
        scores.append((fit(choices, mz[others])[2] ** 2).sum(axis=-1).min())
    worst = used[int(np.argmin(scores))]
    return [i for i in used if i != worst]


def _rows(
    calibrants: list[str],
    mz: np.ndarray,
    chosen: dict[int, Candidate],
    scale: tuple[float, float, list[int]] | None,
    result: str,
) -> list[dict]:
    rows = []
    for i, ion in enumerate(calibrants):
        peak = chosen.get(i)
        before = (peak.x**2 / mz[i] - 1) * 1e6 if peak else np.nan
        after = before
        if peak and scale:
            after = ((scale[0] + scale[1] * peak.x) ** 2 / mz[i] - 1) * 1e6
        rows.append(
            {
                "ion": ion,
                "mz": mz[i],
                "mz_found": peak.x**2 if peak else np.nan,
                "counts": peak.counts if peak else 0.0,
                "error_before_ppm": before,
                "error_after_ppm": after,
                "used": bool(scale and i in scale[2]),
                "result": result,
            }
        )
    return rows
