"""Exports and spectra made by hand: their numbers mean nothing."""

import gzip

import numpy as np
import pytest

from ionprint.ions.formula import ion_mz
from ionprint.spectra.search import FWHM
from ionprint.spectra.spectrum import Spectrum

CHANNELS = 400
"""Channels per sqrt(u) of the exports made here."""
LATE, DELAY = 0.12, 2.3e-4
"""Share of the drawn ions that arrive late, and their mean delay (sqrt(u))."""


def export(
    counts, *, channel=True, end="\r\n", comma=False, gz=False, bom=False, sparse=False, start=400
):
    """Return the bytes of an export: two channels a bin, m/z = (channel / 400)^2."""
    lines = ["# Binning: 2 channels", "# Deadtime Correction: on", "# Anything else: kept: whole"]
    lines.append("Channel\tm/z\tIntensity" if channel else "m/z\tIntensity")
    for i, count in enumerate(counts):
        if sparse and not count:
            continue
        at = start + 2 * i
        row = f"{(at / CHANNELS) ** 2:.6f}\t{count}"
        row = row.replace(".", ",") if comma else row
        lines.append(f"{at}\t{row}" if channel else row)
    data = (end.join(lines) + end).encode()
    data = b"\xef\xbb\xbf" + data if bom else data
    return gzip.compress(data) if gz else data


def peaks_spectrum(peaks, *, offset=0.0, slope=1.0, step=1.2e-4, width=3.0, mz_max=40, name="s"):
    """Return Gaussian peaks {ion or m/z: counts}; `width` is their sigma in bins.

    sqrt(true m/z) = offset + slope * x, so the scale of the spectrum is off by both.
    """
    bins = int((np.sqrt(mz_max) - 0.8) / step)
    counts = np.zeros(bins)
    for ion, total in peaks.items():
        true = np.sqrt(ion_mz(ion) if isinstance(ion, str) else ion)
        at = ((true - offset) / slope - 0.8) / step - 0.5
        near = np.arange(max(int(at - 6 * width), 0), min(int(at + 6 * width) + 1, bins))
        shape = np.exp(-0.5 * ((near - at) / width) ** 2)
        counts[near] += np.round(total * shape / shape.sum())
    return Spectrum(name, counts, 0.8, step)


def drawn_spectrum(
    peaks, *, seed=0, fwhm=3.6e-4, growth=0.0, step=1.17e-4, mz_max=40, background=0.05, name="s"
):
    """Return the histogram of ions drawn one by one, {ion or m/z: expected counts}.

    Each has a Gaussian deviate of full width `fwhm` (sqrt(u)), to which `growth` times x adds in
    quadrature; some come late on top. `background` is in counts a bin.
    """
    rng = np.random.default_rng(seed)
    masses = [ion_mz(ion) if isinstance(ion, str) else ion for ion in peaks]
    x = np.repeat(np.sqrt(masses), rng.poisson(list(peaks.values())))
    x += np.hypot(fwhm, growth * x) / FWHM * rng.standard_normal(x.size)
    x += np.where(rng.random(x.size) < LATE, rng.exponential(DELAY, x.size), 0.0)
    counts, _ = np.histogram(x, 0.7 + step * np.arange(int((np.sqrt(mz_max) - 0.7) / step) + 1))
    counts = counts + rng.poisson(background, counts.size)
    return Spectrum(name, counts.astype(float), 0.7, step)


@pytest.fixture(scope="session", name="export")
def export_fixture():
    return export


@pytest.fixture(scope="session", name="peaks_spectrum")
def peaks_spectrum_fixture():
    return peaks_spectrum


@pytest.fixture(scope="session", name="drawn_spectrum")
def drawn_spectrum_fixture():
    return drawn_spectrum
