"""Small hand-made tables, not measured and not simulated: their numbers mean nothing."""

import pandas as pd
import pytest

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
    ions = [("[6Li]", 6.0157), ("[7Li]", 7.0166), ("O2", 31.9904)]
    rows = [
        (file, "s", ion, mz, mz, 900, 90.0 + i, -3.0 + i, ion != "O2", "calibrated")
        for file in ("a.txt", "b.txt")
        for i, (ion, mz) in enumerate(ions)
    ]
    columns = "file sample ion mz mz_found counts error_before_ppm error_after_ppm used result"
    return pd.DataFrame(rows, columns=columns.split())
