"""Sixty spectra of a set cut at either end, copied or relabelled: each of them is named."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ionprint.cli import main
from ionprint.spectra.table import PeakTable

from .test_peaks import LIGHT, OUT, own_data

LOW = [1.5, 2, 3, 5, 6.5, 7.5, 8.5, 9.5, 10, 11, 12.5, 13.5]
HIGH = [24.5, 24.8, 25.1, 25.4, 25.7, 25.9, 26.1, 26.3, 26.5, 26.7, 26.8, 24.6]
ROWS = range(1, 37, 3)
"""Twelve of the forty spectra."""


@pytest.fixture
def sheet(with_data, simulated):
    return own_data(simulated / "data")


def parts_of(file):
    """Return the lines of an export: the header, and the rows as (channel, m/z, counts)."""
    with gzip.open(Path("data") / file, "rt") as export:
        lines = export.read().splitlines()
    return lines[:4], [line.split("\t") for line in lines[4:]]


def write(file, head, rows, end="\n"):
    data = (end.join([*head, *("\t".join(row) for row in rows)]) + end).encode()
    (Path("data") / file).write_bytes(gzip.compress(data) if file.endswith(".gz") else data)


def cut(file, low=0.0, high=1e9):
    head, rows = parts_of(file)
    write(file, head, [row for row in rows if low <= float(row[1]) <= high])


def peaks_told(capsys, *choices):
    """Return the exit code of `peaks`, and all it says."""
    capsys.readouterr()
    code = main(["peaks", LIGHT, *choices])
    out, err = capsys.readouterr()
    return code, out + err


@pytest.mark.parametrize(("side", "ends"), [("low", LOW), ("high", HIGH)])
def test_spectra_cut_at_either_end_are_named(sheet, capsys, measured, side, ends):
    files = [sheet["file"][row] for row in ROWS]
    for file, mz in zip(files, ends, strict=True):
        cut(file, **{side: mz})
    code, told = peaks_told(capsys)
    assert code == 2 and not OUT.exists()
    named = sum(f"{file} {'begins' if side == 'low' else 'ends'} at m/z" in told for file in files)
    measured(f"spectra cut at the {side} end named, of 12", named, 12)
    assert named == 12
    assert "12 of 40 spectra did not measure all peaks" in told
    assert "spectra.on_bad=skip" in told


def test_cut_spectra_are_set_aside_as_if_they_were_not_in_the_sheet(sheet, capsys):
    files = [sheet["file"][row] for row in (3, 20)]
    for file in files:
        cut(file, low=10)
    code, told = peaks_told(capsys, "spectra.on_bad=skip")
    assert code == 0
    assert all(f"set aside: {file} begins at m/z 10." in told for file in files)
    aside = PeakTable.read(OUT / "peak_table.parquet")
    own_data(None, sheet[~sheet["file"].isin(files)])
    assert main(["peaks", LIGHT]) == 0
    without = PeakTable.read(OUT / "peak_table.parquet")
    assert aside.mz.tolist() == without.mz.tolist()
    assert aside.areas.tolist() == without.areas.tolist()
    assert aside.mz[0] < 1.1


def test_where_most_are_short_the_few_longer_ones_are_odd(sheet, capsys):
    for file in sheet["file"][:30]:
        cut(file, low=10)
    code, told = peaks_told(capsys, "spectra.on_bad=skip")
    assert code == 2
    assert "30 of 40 spectra did not measure all peaks" in told


def test_a_set_that_begins_late_as_a_whole_is_read(sheet, capsys):
    for file in sheet["file"]:
        cut(file, low=10)
    code, _ = peaks_told(capsys)
    assert code == 0
    assert PeakTable.read(OUT / "peak_table.parquet").mz[0] > 10
    # but not on a list that begins before it does
    Path("list.csv").write_text("mz,lower,upper\n1.0084,1.0073,1.0102\n16.0,15.98,16.01\n")
    code, told = peaks_told(capsys, "spectra.peak_list=list.csv")
    assert code == 2
    assert "begins at m/z 10." in told and "1.0084" in told


def disguised(file, kind):
    """Write a copy of an export in some other way; return its name."""
    head, rows = parts_of(file)
    end, name = "\n", f"copy of {Path(file).stem}"
    if kind == 0:
        head = ["# of another day", head[-1]]
    elif kind == 1:
        head, rows, end = ["m/z\tIntensity"], [row[1:] for row in rows], "\r\n"
    elif kind == 2:
        rows = [[c, f"{(float(m) ** 0.5 * 1.0002 + 1e-4) ** 2:.6f}", n] for c, m, n in rows]
    elif kind == 3:
        rows = [row for row in rows if float(row[1]) > 5]
    elif kind == 4:
        rows[100][2] = str(float(rows[100][2]) + 1)
    else:
        name += ".gz"
    write(name, head, rows, end)
    return name


@pytest.mark.parametrize("labels", ["other", "same"])
def test_copies_are_named(sheet, capsys, measured, labels):
    rows = list(range(0, 36, 2))
    copies = sheet.iloc[rows].copy()
    copies["file"] = [disguised(file, n % 6) for n, file in enumerate(copies["file"])]
    copies["spot"] = "99"
    if labels == "other":
        copies["sample"] = "another pellet"
        copies.loc[copies.index[::2], "compound"] = "Li2O"
    own_data(None, pd.concat([sheet, copies], ignore_index=True))
    code, told = peaks_told(capsys)
    pairs = zip(sheet["file"].iloc[rows], copies["file"], strict=True)
    named = sum(any(a in line and b in line for line in told.splitlines()) for a, b in pairs)
    measured(f"copies under {labels} labels named, of 18", named, 18)
    assert named == 18
    if labels == "other":
        assert code == 2 and not OUT.exists()
        assert "(sample another pellet, Li2O) differ in sample" in told
    else:
        assert code == 0
        table = PeakTable.read(OUT / "peak_table.parquet")
        assert table.samples["file"].tolist() == sheet["file"].tolist()


def test_relabelled_rows_of_an_area_table_are_refused(sheet, capsys):
    assert main(["peaks", LIGHT]) == 0
    table = PeakTable.read(OUT / "peak_table.parquet")
    areas = np.concatenate([table.areas, table.areas[[2]]])
    more = pd.concat([sheet, sheet.iloc[[2]].assign(file="again", compound="Li2O")])
    frame = pd.DataFrame(areas, columns=table.columns)
    frame.insert(0, "file", more["file"].to_numpy())
    frame.to_csv("data/areas.csv", index=False)
    own_data(None, more)
    code, told = peaks_told(capsys, "dataset.areas=areas.csv")
    assert code == 2
    assert f"{sheet['file'][2]} (sample" in told and "again (sample" in told


def test_areas_that_no_detector_counts_are_refused(sheet, capsys):
    frame = pd.DataFrame({"file": sheet["file"], "16.0": np.arange(1.0, 41), "17.0": 5e307})
    frame.to_csv("data/areas.csv", index=False)
    code, told = peaks_told(capsys, "dataset.areas=areas.csv")
    assert code == 2
    assert "has an area of 5e+307" in told


@pytest.mark.parametrize("pulses", ["160", "1600"])
def test_pulses_that_cannot_be_are_refused(sheet, capsys, pulses):
    own_data(None, sheet.assign(pulses=sheet["pulses"].where(sheet.index != 2, pulses)))
    code, told = peaks_told(capsys)
    assert code == 2
    assert f"{sheet['file'][2]}: " in told
    assert f"ions in one bin from {pulses} primary-ion pulses" in told


def test_areas_and_errors_stay_finite_near_saturation(sheet, capsys, measured):
    """The fewer pulses, the nearer: all finite, until what was counted cannot have come."""
    codes, bad = [], 0
    for pulses in (60_000, 30_000, 16_000, 9_000, 6_000, 4_000):
        own_data(None, sheet.assign(pulses=str(pulses)))
        code, told = peaks_told(capsys)
        codes.append(code)
        if code:
            assert "primary-ion pulses" in told
            continue
        for name in ("peak_table", "area_errors"):
            numbers = pd.read_parquet(OUT / f"{name}.parquet").select_dtypes("number")
            bad += int((~np.isfinite(numbers)).to_numpy().sum())
    measured("areas and errors near saturation that are not finite", bad, 0)
    assert not bad
    assert codes == sorted(codes) and codes[0] == 0 and codes[-1] == 2
