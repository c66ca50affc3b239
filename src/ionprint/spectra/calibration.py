"""Mass calibration: t = k sqrt(m) + t0, fitted on known ions of each spectrum.

On the axis x = sqrt(m/z) of an export, made with the instrument's own k and t0, the true masses
obey sqrt(m) = offset + slope * x (time-of-flight relation: Vickerman and Briggs, ToF-SIMS, 2013).
`calibrate` fits both by least squares on the centroids of the calibrant peaks (paper, section 2.3);
`refine` fits them again with all ions that are known without doubt, up to the end of the scale.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ionprint.errors import CalibrationError
from ionprint.ions.formula import ion_mz
from ionprint.spectra.spectrum import Spectrum

CANDIDATES = 4
"""Peaks near a calibrant's place that are weighed against each other."""
RELATIVE = 0.1
"""A candidate must have this share of the counts of the strongest one beside it."""
CENTRING = 10
"""Steps to centre the window of a centroid at most; five are usual."""
CENTROID = 0.02
"""Part of a peak's width by which its centroid may be off however many counts it has: neighbours,
dead time, and the scale's own small bends."""
OUTLIER = 4.0
"""Standard errors beyond which an ion is left out of a refined fit."""


@dataclass(frozen=True)
class Candidate:
    """A peak that may be a calibrant: centroid x (sqrt(u)) and counts."""

    x: float
    counts: float


@dataclass(frozen=True)
class Scale:
    """sqrt(m) = offset + slope * x, x on the export's scale.

    Attributes
    ----------
    offset, slope : float
        sqrt(u); no unit.
    offset_error, slope_error : float
        Their standard errors, from the residuals.
    ions : int
        Ions in the fit.
    """

    offset: float = 0.0
    slope: float = 1.0
    offset_error: float = float("nan")
    slope_error: float = float("nan")
    ions: int = 0


@dataclass(frozen=True)
class Calibrated:
    """A spectrum on its new scale, and how well it fits.

    Attributes
    ----------
    spectrum : Spectrum
    scale : Scale
    result : str
        `calibrated`, or `kept` where the bins are too wide to improve on the export's scale.
    rows : list of dict
        Per ion: ion, mz, mz_found (on the export's scale), counts, error_before_ppm,
        error_after_ppm, used, kind (calibrant, or added by `refine`), result. Values are NaN for
        an ion that was not found.
    """

    spectrum: Spectrum
    scale: Scale
    result: str
    rows: list[dict]


def centroids(
    spectrum: Spectrum, x: np.ndarray, halfwidth: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Return centroids and counts of peaks, each in a window moved until it is centred on it.

    A window left on the apex would pull the centroid to the middle of the apex's bin.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Where to start (sqrt(u)).
    halfwidth : ndarray or float
        Of the windows (sqrt(u)), of which each reaches half a bin further; a bin that a window
        cuts counts in proportion.

    Returns
    -------
    centroids, counts : ndarray, shape (n,)
        sqrt(u); NaN where there is no count.
    """
    half = np.broadcast_to(halfwidth, np.shape(x)) / spectrum.step
    centre, counts = spectrum.bin_at(x), np.zeros(np.shape(x))
    # only the bins that the windows can reach: a spectrum has a hundred thousand
    reach = int(2 * half.max(initial=0.0)) + 2
    bins = np.floor(centre).astype(int)[:, None] + np.arange(-reach, reach + 1)
    inside = (bins >= 0) & (bins < spectrum.counts.size)
    near = np.where(inside, spectrum.counts[np.where(inside, bins, 0)], 0.0)
    for _ in range(CENTRING):
        cut = np.clip(half[:, None] + 0.5 - np.abs(bins + 0.5 - centre[:, None]), 0, 1) * near
        counts, before = cut.sum(axis=1), centre
        moment = (cut * (bins + 0.5)).sum(axis=1)
        centre = np.divide(moment, counts, out=np.full(half.shape, np.nan), where=counts > 0)
        if not (np.abs(centre - before) > 1e-3).any():
            break
    return spectrum.start + spectrum.step * centre, counts


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
    middles = spectrum.start + spectrum.step * (first + apexes + 0.5)
    half = spectrum.step * np.array([_halfwidth(near, int(a)) for a in apexes])
    found = [
        Candidate(float(c), float(n))
        for c, n in zip(*centroids(spectrum, middles, half), strict=True)
        if n >= min_counts
    ]
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
        return Calibrated(spectrum, Scale(), "kept", rows)
    chosen, used = _choose(found, mz, present, min_ions, max_error_ppm)
    x = np.array([chosen[i].x for i in used])
    offset, slope, errors = fit(x, mz[used])
    if np.abs(errors).max() > max_error_ppm:
        worst = int(np.abs(errors).argmax())
        raise CalibrationError(
            f"{spectrum.file}: calibrant {calibrants[used[worst]]} misses its mass by "
            f"{errors[worst]:.0f} ppm after the fit on {len(used)} ions; expected "
            f"{max_error_ppm:g} ppm or less. Check dataset.calibrants, or leave this spectrum out "
            f"of the sheet."
        )
    rows = _rows(calibrants, mz, chosen, (offset, slope, used), "calibrated")
    scale = _scale(x, mz[used], np.ones(len(used)))
    return Calibrated(spectrum.calibrated(scale.offset, scale.slope), scale, "calibrated", rows)


def refine(
    spectrum: Spectrum,
    first: Calibrated,
    ions: Mapping[str, float],
    width: float,
    *,
    min_counts: float,
    min_ions: int,
    max_error_ppm: float,
) -> Calibrated:
    """Fit the scale again, on the calibrants and on ions known without doubt.

    Calibrants are light, and a scale extrapolated from m/z 32 to 120 multiplies their errors. An
    ion weighs by the precision of its centroid, and is left out where it misses its mass by more
    than `OUTLIER` of its standard errors: there it is another ion, or has a neighbour.

    Parameters
    ----------
    spectrum : Spectrum
        On the export's scale.
    first : Calibrated
        What `calibrate` made of it; `kept` is returned as it is.
    ions : mapping of str to float
        Formulas and exact m/z (u) of the ions to add.
    width : float
        Full width at half maximum of a peak (sqrt(u)).
    min_counts, min_ions, max_error_ppm
        As for `calibrate`.

    Raises
    ------
    CalibrationError
        A calibrant that was fitted before now misses its mass by too much.
    """
    if first.result == "kept":
        return first
    calibrants = {row["ion"]: row["mz"] for row in first.rows if row["used"]}
    names = [*calibrants, *(name for name in ions if name not in calibrants)]
    mz = np.array([calibrants.get(name) or ions[name] for name in names])
    expected = (np.sqrt(mz) - first.scale.offset) / first.scale.slope
    with np.errstate(invalid="ignore"):
        x, counts = centroids(spectrum, expected, 0.6 * width)
        # a window may walk off to a stronger neighbour
        there = (counts >= min_counts) & (np.abs(x - expected) <= 0.5 * width)
    error = np.hypot(width / 2.355 / np.sqrt(np.maximum(counts, 1)), CENTROID * width)
    used = there.copy()
    while used.sum() >= min_ions:
        scale = _scale(x[used], mz[used], 1 / error[used] ** 2)
        miss = np.abs(scale.offset + scale.slope * x - np.sqrt(mz)) / error
        beyond = used & (miss > OUTLIER)
        if not beyond.any():
            break
        used &= ~(beyond & (miss >= miss[beyond].max()))
    else:
        return first
    rows = _rows(
        names,
        mz,
        {i: Candidate(x[i], counts[i]) for i in np.flatnonzero(there)},
        (scale.offset, scale.slope, list(np.flatnonzero(used))),
        "calibrated",
    )
    for row in rows[len(calibrants) :]:
        row["kind"] = "added"
    for row in rows[: len(calibrants)]:
        if abs(row["error_after_ppm"]) > max_error_ppm:
            raise CalibrationError(
                f"{spectrum.file}: calibrant {row['ion']} misses its mass by "
                f"{row['error_after_ppm']:.0f} ppm after the fit on {scale.ions} ions; expected "
                f"{max_error_ppm:g} ppm or less. Check dataset.calibrants, or leave this spectrum "
                f"out of the sheet."
            )
    rows += [row for row in first.rows if row["ion"] not in names]
    return Calibrated(spectrum.calibrated(scale.offset, scale.slope), scale, "calibrated", rows)


def _scale(x: np.ndarray, mz: np.ndarray, weight: np.ndarray) -> Scale:
    """Fit sqrt(mz) = offset + slope * x by weighted least squares, with standard errors."""
    y, total = np.sqrt(mz), weight.sum()
    mean, middle = (weight * x).sum() / total, (weight * y).sum() / total
    spread = (weight * (x - mean) ** 2).sum()
    slope = (weight * (x - mean) * (y - middle)).sum() / spread
    offset = middle - slope * mean
    left = (weight * (y - offset - slope * x) ** 2).sum() / max(x.size - 2, 1)
    return Scale(
        float(offset),
        float(slope),
        float(np.sqrt(left * (1 / total + mean**2 / spread))),
        float(np.sqrt(left / spread)),
        x.size,
    )


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
                "kind": "calibrant",
                "result": result,
            }
        )
    return rows
