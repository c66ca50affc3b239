from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from omegaconf import OmegaConf

from ionprint.errors import DataError
from ionprint.figures.profiles import profiles_figure
from ionprint.figures.style import compound_looks
from ionprint.spectra.sample_sums import SampleSums
from ionprint.spectra.search import Peaks
from ionprint.spectra.spectrum import Spectrum
from ionprint.stages.drawings import LeftOut
from ionprint.stages.drawings.composition import first_ions, profiles

START, STEP, BINS = 3.9, 1e-3, 500
PLACES = {"O": 100, "OH": 300}
"""Bins in which two ions stand, each in one bin, as at nominal mass."""
MZ = {ion: (START + STEP * (place + 0.5)) ** 2 for ion, place in PLACES.items()}


def spectrum(name, counts):
    filled = np.zeros(BINS)
    filled[list(PLACES.values())] = counts
    filled[0] = 1000 - sum(counts)
    return Spectrum(name, filled, START, STEP)


SAMPLE = spectrum("foil $1", [90, 10])
PURE = {"Li2O": spectrum("Li2O", [400, 40]), "LiOH": spectrum("LiOH", [100, 160])}
PARTS = {"Li2O": 0.2, "LiOH": 0.1}


@pytest.fixture
def claims():
    return pd.DataFrame(
        {
            "compound": ["Li2O", "LiOH", "LiOH"],
            "verdict": ["noise", "strong", "strong"],
            "mz": [MZ["O"], MZ["OH"], MZ["O"]],
            "ion": ["O", "OH", ""],
            "lower": [MZ["O"] - 0.02, np.nan, MZ["O"] - 0.02],
            "upper": [MZ["O"] + 0.02, np.nan, MZ["O"] + 0.02],
            "background": [0.5, np.nan, 0.5],
        }
    )


def highest(axes):
    """Return the highest bin of each curve by its colour."""
    return {to_hex(p.get_edgecolor() if not p.get_fill() else p.get_facecolor()).upper(): h
            for p in axes.patches if hasattr(p, "get_data")
            for h in [p.get_data().values.max() ** 2]}  # fmt: skip


def test_each_panel_has_sample_reference_and_the_others(claims):
    figure = profiles_figure(claims, SAMPLE, PURE, PARTS, 2 * STEP, "simulated")
    looks = compound_looks(PURE)
    oxide, hydroxide, other = figure.axes
    assert highest(oxide) == pytest.approx(
        # counts per million: of the sample, of the pure compound, of the other one's tenth
        {"#000000": 90_000, looks["Li2O"].color: 400_000, "#555555": 10_000}
    )
    assert highest(hydroxide) == pytest.approx(
        {"#000000": 10_000, looks["LiOH"].color: 160_000, "#555555": 8_000}
    )
    assert [a.get_title().split()[0] for a in figure.axes] == ["O⁻", "OH⁻", f"{MZ['O']:.4f}"]
    level = [line.get_ydata()[0] ** 2 for line in oxide.lines]
    assert level == pytest.approx([500])
    assert not hydroxide.lines
    rows = [a.texts[0].get_text() for a in (oxide, hydroxide)]
    assert rows == ["Li₂O\nnoise", "LiOH\nstrong"]
    assert [a.get_xlabel() for a in (oxide, hydroxide, other)] == ["", "m/z (u)", "m/z (u)"]
    figure.draw_without_rendering()


def test_axes_show_the_borders_and_round_numbers(claims):
    axes = profiles_figure(claims, SAMPLE, PURE, PARTS, 2 * STEP, "simulated").axes[0]
    low, high = axes.get_xlim()
    assert low < claims["lower"][0] < claims["upper"][0] < high
    band = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert (band.x0, band.x1) == pytest.approx((claims["lower"][0], claims["upper"][0]))
    assert [t.get_text() for t in axes.get_yticklabels()] == ["0", "50 000", "500 000"]
    assert axes.get_yticks()[-1] ** 2 == pytest.approx(500_000)


def test_a_claim_without_ions_says_so(claims):
    claims.loc[0, "mz"] = np.nan
    figure = profiles_figure(claims, SAMPLE, PURE, PARTS, 2 * STEP, "simulated")
    assert [t.get_text() for t in figure.axes[0].texts] == ["Li₂O\nnoise", "no ion speaks for it"]
    with pytest.raises(DataError, match="no ion speaks"):
        profiles_figure(claims.head(1), SAMPLE, PURE, PARTS, 2 * STEP, "simulated")


def evidence():
    rows = [
        ("a", "LiOH", 1, "for", MZ["O"], "O"),
        ("a", "LiOH", 2, "for", MZ["OH"], "OH"),
        ("a", "LiOH", 3, "against", 30.0, ""),
        ("b", "LiOH", 1, "for", MZ["OH"], "OH"),
        ("b", "Li2O", 0, "for", np.nan, ""),
    ]
    frame = pd.DataFrame(rows, columns=["file", "compound", "rank", "side", "mz", "ion"])
    numbers = ("counts", "above_background", "above_others", "expected_of_compound")
    frame = frame.assign(**dict.fromkeys(numbers, 1.0))
    return frame.assign(sample="foil")


def test_ions_of_most_spectra_come_first():
    found = first_ions(evidence(), 4)
    assert found["compound"].tolist() == ["Li2O", "LiOH", "LiOH"]
    assert found["called"].tolist() == [1, 2, 2]
    assert found["ion"].tolist() == ["", "OH", "O"]
    assert first_ions(evidence(), 1)["ion"].tolist() == ["", "OH"]


@pytest.fixture
def results():
    sums = {("foil", "anode"): SAMPLE} | {(c, "reference"): s for c, s in PURE.items()}
    mz = np.array(sorted(MZ.values()))
    read = {"sample": "foil", "role": "anode", "spectra": 2, "outside": 0.0}
    read |= {"proof_LiOH": "strong", "proof_Li2O": "noise"}
    explained = {"sample": "foil", "role": "anode", "counts": [10.0], "explained_LiOH": [9.0]}
    frames = [
        pd.DataFrame({"name": n, "role": r, "bin": np.arange(BINS), "counts": s.counts})
        for (n, r), s in sums.items()
    ]
    return SimpleNamespace(
        samples=pd.DataFrame([{**read, "fraction_LiOH": 0.9, "fraction_Li2O": 0.1}]),
        table=lambda *name: evidence(),
        sums=SampleSums(pd.DataFrame(), pd.concat(frames), START, STEP, BINS),
        found=Peaks(mz, mz - 0.02, mz + 0.02, np.ones(2), np.ones(2), 2 * STEP),
        explained=pd.DataFrame(explained).assign(explained_Li2O=1.0),
        source="measured",
        compounds=["Li2O", "LiOH"],
    )


SETTINGS = OmegaConf.create({"samples": 3, "profile_ions": 4})


def test_a_drawing_a_sample(results):
    (drawing,) = profiles(results, SETTINGS)
    assert drawing.name == "profiles_1"
    oxide, first, second = drawing.figure.axes
    assert oxide.texts[0].get_text() == "Li₂O\nnoise\nin 1 of 2 spectra"
    assert first.texts[0].get_text() == "LiOH\nstrong\nin 2 of 2 spectra"
    assert first.get_title() == f"OH⁻  {MZ['OH']:.4f}"
    assert highest(second)["#555555"] == pytest.approx(40_000)  # a tenth of the pure oxide


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sums": None}, "only areas"),
        ({"compounds": ["Li2O", "LiF"]}, "without the references"),
        ({"table": lambda *name: evidence().head(0)}, "no ion speaks"),
    ],
)
def test_what_cannot_be_drawn_is_left_out(results, change, reason):
    vars(results).update(change)
    with pytest.raises(LeftOut, match=reason):
        list(profiles(results, SETTINGS))
