"""Sums of the spectra of each compound and sample, and the level beside peaks."""

import numpy as np
import pandas as pd
import pytest

from ionprint.spectra.sample_sums import background, sample_sums
from ionprint.spectra.search import Peaks
from ionprint.spectra.spectrum import Spectrum

START, STEP = 2.0, 1e-3
TOTAL = Spectrum("all", np.zeros(200), START, STEP)


def flat(file, level, start=START):
    return Spectrum(file, np.full(200, float(level)), start, STEP)


@pytest.fixture
def sums():
    spectra = [flat("a", 1), flat("b", 2), flat("c", 4, START + STEP / 2), flat("d", 8)]
    sheet = {"role": ["reference", "reference", "anode", "mixture"]}
    sheet |= {"compound": ["LiH", "LiH", "", ""], "sample": ["p1", "p2", "foil", "foil"]}
    return sample_sums(spectra, pd.DataFrame(sheet), TOTAL)


def test_references_are_added_by_compound_and_samples_by_name_and_role(sums):
    assert sums.groups.to_dict("records") == [
        {"name": "LiH", "role": "reference", "spectra": 2, "total": 600.0},
        {"name": "foil", "role": "anode", "spectra": 1, "total": 798.0},
        {"name": "foil", "role": "mixture", "spectra": 1, "total": 1600.0},
    ]
    whole = sums.spectrum("LiH", "reference")
    assert (whole.counts == 3).all() and (whole.start, whole.step) == (START, STEP)
    # half a bin further up: the first bin has half of its counts
    assert sums.spectrum("foil", "anode").counts[:3] == pytest.approx([2, 4, 4])
    assert sums.spectrum("LiH", "anode") is None


def test_the_order_of_the_sheet_does_not_matter(sums):
    rng = np.random.default_rng(0)
    spectra = [Spectrum(f, rng.random(200), START + STEP / 3, STEP) for f in "abc"]
    sheet = pd.DataFrame({"role": "reference", "compound": "LiH", "sample": "p"}, index=range(3))
    first = sample_sums(spectra, sheet, TOTAL)
    again = sample_sums(spectra[::-1], sheet, TOTAL)
    pd.testing.assert_frame_equal(first.counts, again.counts)


def test_the_level_beside_a_peak():
    counts = np.full(200, 2.0)
    counts[98:103] = 50.0
    x = START + STEP * np.array([98.0, 103.0])
    ends = x**2
    one = np.ones(1)
    peaks = Peaks(ends.mean() * one, ends[:1], ends[1:], one, one, 3 * STEP)
    assert background(Spectrum("a", counts, START, STEP), peaks) == pytest.approx([2.0])
    # a peak that fills the spectrum leaves no room
    wide = Peaks(ends.mean() * one, one * 1.0, one * 9.0, one, one, 3 * STEP)
    assert np.isnan(background(Spectrum("a", counts, START, STEP), wide)).all()
