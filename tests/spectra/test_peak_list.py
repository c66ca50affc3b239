"""New spectra come onto the peaks of an earlier set, and a list that is none is refused."""

import numpy as np
import pytest

from ionprint.errors import DataError, MissingInputError
from ionprint.spectra.integration import integration
from ionprint.spectra.search import find_peaks, given_peaks, read_borders, summed

LIST = """\
mz,lower,upper,counts,ion
7.0165,7.01,7.02,3000,Li
12.0005,11.99,12.01,800,C
12.0301,12.01,12.04,90,
15.9955,15.98,16.01,4000,O
"""
PLANTED = {1.0084: 6e4, 12.0005: 2e5, 13.0084: 8e4, 15.9955: 5e5, 17.0033: 1e5, 24.0005: 3e5}


@pytest.fixture
def listed(tmp_path):
    def write(text):
        path = tmp_path / "peaks.csv"
        path.write_text(text)
        return path

    return write


def write_peaks(peaks, path):
    rows = zip(peaks.mz, peaks.lower, peaks.upper, strict=True)
    lines = [f"{m:.4f},{a:.4f},{b:.4f}" for m, a, b in rows]
    path.write_text("\n".join(["mz,lower,upper", *lines]) + "\n")
    return path


def test_masses_and_borders_are_read_whatever_else_is_there(listed):
    mz, lower, upper = read_borders(listed(LIST))
    assert mz.tolist() == [7.0165, 12.0005, 12.0301, 15.9955]
    assert lower.tolist() == [7.01, 11.99, 12.01, 15.98]
    assert upper.tolist() == [7.02, 12.01, 12.04, 16.01]


def test_borders_may_meet_and_overlap_by_the_last_decimal_at_most(listed):
    assert read_borders(listed(LIST.replace("12.01,12.04", "12.0099,12.04")))[1][2] == 12.0099
    with pytest.raises(DataError, match="line 3"):
        read_borders(listed(LIST.replace("12.01,12.04", "12.0095,12.04")))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("7.0165,7.01", "7.0065,7.01", 2),
        ("12.0005,11.99,12.01", "12.0005,11.99,12.0001", 3),
        ("12.0301", "12.0004", 4),
        ("15.9955,15.98", "15.9955,12.03", 4),
        ("15.9955", "", 5),
        ("15.9955,15.98", "15.9955,", 5),
        ("7.0165,7.01", "-7.0165,-7.3", 2),
    ],
)
def test_a_bad_row_is_told_with_its_line(listed, old, new, line):
    with pytest.raises(DataError, match=rf"peaks\.csv, line {line}: expected peaks that rise"):
        read_borders(listed(LIST.replace(old, new)))


@pytest.mark.parametrize(
    "text",
    ["", "mz,lower\n7.0,6.9\n", "mz;lower;upper\n7;6.9;7.1\n", LIST.replace("12.0005", "C2"), "\0"],
)
def test_what_is_no_list_is_refused(listed, text):
    with pytest.raises(DataError, match=r"peaks\.csv: expected a CSV with the columns mz, lower"):
        read_borders(listed(text))


def test_a_list_without_peaks_is_refused(listed):
    with pytest.raises(DataError, match="line 2: expected peaks"):
        read_borders(listed("mz,lower,upper\n"))


def test_a_list_that_is_not_there_names_the_setting(tmp_path):
    with pytest.raises(MissingInputError, match=r"spectra\.peak_list=.*none\.csv"):
        read_borders(tmp_path / "none.csv")


def test_new_spectra_on_an_earlier_list_have_its_peaks_and_their_own_counts(
    drawn_spectrum, tmp_path
):
    pair = {27.0: 4e5, (np.sqrt(27.0) + 1.3 * 3.6e-4) ** 2: 1e5}
    earlier = summed([drawn_spectrum({**PLANTED, **pair})], 40)
    path = write_peaks(find_peaks(earlier, 100, 2.5), tmp_path / "peaks.csv")
    planted = {m: n * (0.2 + 0.1 * i) for i, (m, n) in enumerate((PLANTED | pair).items())}
    planted[15.9955] = 0  # what the new spectra lack is a peak all the same
    new = summed([drawn_spectrum({**planted, 20.0: 3e4}, seed=5)], 40)
    peaks = given_peaks(path, new)
    assert peaks.mz.tolist() == read_borders(path)[0].tolist()
    assert len(peaks.mz) == len(PLANTED) + 2
    assert peaks.shape is not None
    areas, errors = integration("auto", new, peaks)(new)
    expected = np.array([planted[m] for m in sorted(planted)])
    assert (np.abs(areas - expected) < 5 * errors + 0.01 * expected + 5).all()


def test_a_list_on_the_same_spectra_gives_the_same_areas(drawn_spectrum, tmp_path):
    total = summed([drawn_spectrum(PLANTED)], 40)
    found = find_peaks(total, 100, 2.5)
    given = given_peaks(write_peaks(found, tmp_path / "peaks.csv"), total)
    for method in ("fit", "borders"):
        ours, theirs = (integration(method, total, p)(total)[0] for p in (found, given))
        assert theirs == pytest.approx(ours, rel=0.01)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("mz", [2.0, 18.0, 36.0])
def test_the_list_of_a_set_with_faint_shoulders_is_one_for_the_next(
    drawn_spectrum, tmp_path, mz, side
):
    pair = {mz: 1e6, (np.sqrt(mz) + side * 1.2 * 3.6e-4) ** 2: 2e4}
    found = find_peaks(summed([drawn_spectrum({**PLANTED, **pair})], 40), 100, 2.5)
    assert (np.abs(found.mz - mz) < 0.02).sum() >= 2
    assert (found.lower < found.mz).all()
    assert (found.mz < found.upper).all()
    mz, _, _ = read_borders(write_peaks(found, tmp_path / "peaks.csv"))
    assert mz.tolist() == found.mz.tolist()


@pytest.mark.parametrize(
    "row", ["50.0000,49.9,50.1", "40.0200,39.9980,40.0500", "0.4000,0.3,0.6000"]
)
def test_a_list_that_reaches_beyond_the_spectra_is_refused(drawn_spectrum, listed, row):
    total = summed([drawn_spectrum(PLANTED)], 40)
    with pytest.raises(DataError, match=r"dataset\.mz_max"):
        given_peaks(listed(f"mz,lower,upper\n{row}\n"), total)


def test_the_last_peak_may_reach_beyond_the_spectra(drawn_spectrum, listed):
    total = summed([drawn_spectrum(PLANTED | {39.9990: 1e4}, mz_max=41)], 40)
    peaks = given_peaks(listed("mz,lower,upper\n39.9990,39.9900,40.0200\n"), total)
    assert 5e3 < peaks.counts[0] < 1e4
    for method in ("fit", "borders"):
        assert integration(method, total, peaks)(total)[0] > 0


def test_a_list_on_coarse_spectra_is_integrated_between_its_borders(peaks_spectrum, listed):
    coarse = peaks_spectrum({7.0165: 3000, 12.0005: 800, 15.9955: 4000}, step=6e-4, width=0.6)
    total = summed([coarse], 40)
    peaks = given_peaks(listed(LIST.replace("7.01,7.02", "6.99,7.04")), total)
    assert peaks.shape is None
    assert peaks.counts == pytest.approx([3000, 800, 0, 4000], rel=0.02, abs=2)
