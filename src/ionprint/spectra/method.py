"""How spectra of a set became areas, kept so that a later spectrum can be taken the same way."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np

from ionprint.errors import SpectrumError
from ionprint.spectra.calibration import Calibrated, calibrate, refine
from ionprint.spectra.dead_time import without_dead_time
from ionprint.spectra.integration import Borders, Fit, Integration
from ionprint.spectra.spectrum import Spectrum
from ionprint.spectra.unlisted import Unlisted, unlisted_peaks

WAYS: dict[str, type] = {way.method: way for way in (Borders, Fit)}
DIGITS = 2
"""Decimals of areas in a peak table (counts)."""


@dataclass(frozen=True)
class Choices:
    """What was chosen and found, but for the arrays.

    Attributes
    ----------
    polarity : int
        Charge of the ions, -1 or +1.
    calibrants : list of str
        Formulas of the ions each spectrum is calibrated on.
    limits : dict of str to float
        window_ppm, min_counts, min_ions, max_error_ppm, max_bin_ppm: see `calibrate`.
    ions : dict of str to float
        Formulas and exact m/z (u) of the ions that a scale is fitted to again; empty: it is not.
    width : float
        Full width at half maximum of the peaks these were found by (sqrt(u)).
    ends : float
        m/z (u) that a spectrum has to reach.
    dead_time : dict of str to float or None
        pulses, dead_time_ns, channel_ns, for exports that are not corrected.
    min_counts : float
        Counts from which a peak beside the list is told of.
    """

    polarity: int
    calibrants: list[str]
    limits: dict[str, float]
    ions: dict[str, float]
    width: float
    ends: float
    dead_time: dict[str, float | None]
    min_counts: float


@dataclass(frozen=True)
class Measured:
    """Areas of one spectrum.

    Attributes
    ----------
    areas, errors : ndarray, shape (n_peaks,)
        Counts to 0.01, as in a peak table, and their standard errors.
    calibrated : Calibrated
        The spectrum on its new scale.
    unlisted : Unlisted
        Peaks that stand beside the list.
    """

    areas: np.ndarray
    errors: np.ndarray
    calibrated: Calibrated
    unlisted: Unlisted

    @property
    def rms_ppm(self) -> float:
        """Root mean square of what the ions of the scale miss their masses by."""
        after = [row["error_after_ppm"] for row in self.calibrated.rows if row["used"]]
        return float(np.sqrt(np.mean(np.square(after)))) if after else float("nan")


@dataclass(frozen=True)
class Method:
    """The way from an export to areas: mass scale, then integration.

    Parameters
    ----------
    choices : Choices
    lower, upper : ndarray, shape (n_peaks,)
        Borders of the peaks (u).
    width : float
        Full width at half maximum of a peak (sqrt(u)).
    integrate : Integration
    """

    choices: Choices
    lower: np.ndarray
    upper: np.ndarray
    width: float
    integrate: Integration

    def measure(self, spectrum: Spectrum, pulses: float | None = None) -> Measured:
        """Calibrate a spectrum and take its areas.

        Parameters
        ----------
        spectrum : Spectrum
            As exported.
        pulses : float, optional
            Its primary-ion pulses, where those of the set do not hold.

        Raises
        ------
        SpectrumError
            It ends before the peaks do, or lacks a dead-time correction.
        CalibrationError
            Its mass scale cannot be trusted.
        """
        chosen = self.choices
        known = chosen.dead_time | ({"pulses": pulses} if pulses else {})
        found = self.calibrate(without_dead_time(spectrum, **known))
        areas, errors = self.integrate(found.spectrum)
        beside = unlisted_peaks(
            found.spectrum, self.lower, self.upper, self.width, chosen.min_counts
        )
        return Measured(areas.round(DIGITS), errors.round(DIGITS), found, beside)

    def calibrate(self, spectrum: Spectrum) -> Calibrated:
        """Put a spectrum on the true mass scale.

        Raises
        ------
        SpectrumError
            It ends before the peaks do.
        CalibrationError
            Its mass scale cannot be trusted.
        """
        chosen = self.choices
        if spectrum.end**2 < chosen.ends:
            raise SpectrumError(
                f"{spectrum.file}: ends at m/z {spectrum.end**2:.1f}, expected {chosen.ends:g} or "
                f"more, as the references of this model. Export it up to there."
            )
        found = calibrate(spectrum, chosen.calibrants, **chosen.limits, charge=chosen.polarity)
        if chosen.ions:
            limits = {k: chosen.limits[k] for k in ("min_counts", "min_ions", "max_error_ppm")}
            found = refine(spectrum, found, chosen.ions, chosen.width, **limits)
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all of it as arrays, to be stored."""
        way = self.integrate
        kept = {f"integrate/{f.name}": getattr(way, f.name) for f in fields(way)}
        return {
            "choices": np.array(json.dumps(asdict(self.choices))),
            "way": np.array(way.method),
            "lower": self.lower,
            "upper": self.upper,
            "width": np.array(self.width),
            **kept,
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Method":
        """Take what `arrays` returned."""
        way = WAYS[str(arrays["way"])]
        kept = {f.name: arrays[f"integrate/{f.name}"] for f in fields(way)}
        return cls(
            Choices(**json.loads(str(arrays["choices"]))),
            arrays["lower"],
            arrays["upper"],
            float(arrays["width"]),
            way(**kept),
        )
