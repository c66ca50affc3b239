"""Small hand-made tables, not measured and not simulated: their numbers mean nothing."""

import numpy as np
import pandas as pd
import pytest

from ionprint.spectra.search import Peaks
from ionprint.spectra.shape import PeakShape
from ionprint.spectra.spectrum import Spectrum

LITHIUM = ["Li2CO3", "Li2O", "Li3N", "LiH", "LiOH"]
TWELVE = [*LITHIUM, "LiF", "Li2O2", "Li2S", "LiNO3", "Na2CO3", "NaOH", "NMC 811"]


@pytest.fixture(params=[1, 2, 5, 12])
def compounds(request):
    return TWELVE[: request.param]


@pytest.fixture
def make_ions():
    def made(names, ranks=11):
        rows = [
            (name, rank, 10.0 + i + 0.12345 * rank, "LiH2" if rank % 3 else "", 1.0 / rank, 0.05)
            for i, name in enumerate(names)
            for rank in range(ranks, 0, -1)  # the order of rows must not matter
        ]
        return pd.DataFrame(
            rows, columns=["compound", "rank", "mz", "ion", "weight", "weight_sd"]
        ).assign(error_ppm=1.5)

    return made


@pytest.fixture
def make_samples():
    def made(names):
        frame = pd.DataFrame(
            {
                "sample": ["mix $1", "foil"],
                "role": ["mixture", "anode"],
                "expected": ["Li2CO3+LiOH", ""],
                "spectra": [12, 1],
            }
        )
        for name in names:
            frame[f"p_{name}"] = [1.0 / len(names), float(name == names[0])]
        return frame

    return made


@pytest.fixture
def calibration():
    ions = [
        ("[6Li]", 6.0157, "calibrant"),
        ("[7Li]", 7.0166, "calibrant"),
        ("O2", 31.9904, "calibrant"),
        ("LiCO3", 67.0013, "added"),
    ]
    rows = [
        (file, ion, mz, mz, 900, 90.0 + i, -3.0 + i, ion != "O2", kind, "calibrated")
        for file in ("a.txt", "b.txt")
        for i, (ion, mz, kind) in enumerate(ions)
    ]
    columns = "file ion mz mz_found counts error_before_ppm error_after_ppm used kind result"
    return pd.DataFrame(rows, columns=columns.split())


SHAPE = PeakShape(1.5e-4, 7e-6, ((0.1, 2e-4),))


@pytest.fixture
def make_fit():
    def made(masses=(13, 24, 32, 40, 48, 56, 64), gap=1.6, second=0.1):
        """Two peaks a nominal mass, `gap` widths apart, and the spectrum they add up to."""
        width = 4e-4
        first = np.sqrt(np.array(masses, dtype=float))
        # the nearer together, the lower the mass
        gaps = gap + 0.1 * np.arange(len(masses))
        centres = np.sort(np.concatenate([first, first + gaps * width]))
        counts = np.tile([20_000.0, second * 20_000.0], len(masses))
        mz = (centres + SHAPE.centroid(centres, 0.6 * width)) ** 2
        peaks = Peaks(mz, mz - 1e-3, mz + 1e-3, counts, np.sqrt(counts), width, SHAPE)
        start, step = np.sqrt(0.5), width / 3.5
        edges = start + step * np.arange(int((centres[-1] + 0.1 - start) / step) + 2)
        total = np.zeros(edges.size - 1)
        for centre, area in zip(centres, counts, strict=True):
            near = slice(*np.searchsorted(edges, [centre - 0.05, centre + 0.05]))
            profile = SHAPE.profiles(edges[near][:, None], np.array([centre]), centre)[0]
            total[near.start : near.stop - 1] += area * profile[:, 0]
        ions = pd.Series(["LiO3H", ""] * len(masses))
        return Spectrum("all spectra", np.maximum(total, 0).round(2), start, step), peaks, ions

    return made
