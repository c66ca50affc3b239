"""A spectrum taken by itself has the areas it had among all others."""

from dataclasses import replace

import numpy as np
import pytest

from ionprint.errors import CalibrationError, SpectrumError
from ionprint.files import read_arrays, write_arrays
from ionprint.spectra.method import Method
from ionprint.spectra.reading import read_spectrum
from ionprint.spectra.spectrum import Spectrum
from ionprint.spectra.table import PeakTable


@pytest.fixture(scope="module")
def method(finished):
    return Method.of_arrays(read_arrays(finished / "outputs/peaks/method.npz"))


@pytest.fixture(scope="module")
def first(finished):
    table = PeakTable.read(finished / "outputs/peaks/peak_table.parquet")
    file = table.column("file")[0]
    return read_spectrum(finished / "data" / file, file)


def test_areas_are_those_of_the_peak_table(finished, method):
    table = PeakTable.read(finished / "outputs/peaks/peak_table.parquet")
    for row, file in enumerate(table.column("file")):
        measured = method.measure(read_spectrum(finished / "data" / file, file))
        assert (measured.areas == table.areas[row]).all(), file
        assert not measured.unlisted.mz.size, file
        assert 0 < measured.rms_ppm < 20


def test_it_is_stored_whole(method, first, tmp_path):
    write_arrays(method.arrays(), tmp_path / "method.npz")
    again = Method.of_arrays(read_arrays(tmp_path / "method.npz"))
    assert again.choices == method.choices
    assert (again.measure(first).areas == method.measure(first).areas).all()


def test_an_axis_that_is_off_is_put_right(method, first):
    moved = first.calibrated(3e-4, 1 + 1e-4)
    areas = method.measure(first).areas
    assert method.measure(moved).areas == pytest.approx(
        areas, rel=0.02, abs=0.5 + 0.002 * areas.max()
    )


def test_what_cannot_be_trusted_is_refused(method, first):
    short = Spectrum(
        "cut.txt", first.counts[: first.counts.size // 3].copy(), first.start, first.step
    )
    with pytest.raises(SpectrumError, match=r"cut\.txt: ends at m/z .* expected 96 or more"):
        method.measure(short)
    with pytest.raises(CalibrationError, match="calibrant ions found"):
        method.measure(replace(first, counts=np.zeros(first.counts.size)))


def test_a_spectrum_without_dead_time_correction_needs_its_pulses(method, first):
    raw = replace(first, metadata=first.metadata | {"Deadtime Correction": "off"})
    with pytest.raises(SpectrumError, match="pulses, dead_time_ns, channel_ns"):
        method.measure(raw)
    dead = {"pulses": None, "dead_time_ns": 40.0, "channel_ns": 0.05}
    known = replace(method, choices=replace(method.choices, dead_time=dead))
    with pytest.raises(SpectrumError, match="to correct it pulses"):
        known.measure(raw)
    some = known.measure(raw, pulses=1e8)
    assert some.areas.sum() > method.measure(first).areas.sum()
