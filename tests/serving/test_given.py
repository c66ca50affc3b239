"""Whatever is given as a spectrum is taken exactly, or refused with the field and the reason."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.errors import DataError, InputError, IonprintError, SpectrumError
from ionprint.serving.given import FIELDS, files_of, gather, of_peaks, of_record

OWN = np.array([1.0078, 7.016, 15.9949])


@pytest.mark.parametrize(
    ("record", "field", "says"),
    [
        ([1, 2], "record", "expected an object"),
        ({}, "record", "got none of them"),
        ({"mz": [1.0]}, "record", "got `mz`"),
        ({"mz": [1.0], "area": [1.0], "counts": [1.0]}, "record", "expected"),
        ({"mz": [1.0], "area": [1.0], "file": "x"}, "'file'", "not known"),
        ({"mz": [1.0, "2"], "area": [1.0, 2.0]}, "mz", "expected numbers"),
        ({"mz": [1.0, None], "area": [1.0, 2.0]}, "mz[1]", "got None"),
        ({"mz": [[1.0]], "area": [[1.0]]}, "mz", "expected one row"),
        ({"mz": 1.0, "area": 1.0}, "mz", "expected numbers"),
        ({"mz": [], "area": []}, "mz", "got none"),
        ({"mz": [1.0, 1.0], "area": [1.0, 2.0]}, "mz", "1 stands there twice"),
        ({"mz": [0.0, 1.0], "area": [1.0, 2.0]}, "mz", "0 stands there"),
        ({"mz": [1.0, -1.0], "area": [1.0, 2.0]}, "mz[1]", "got -1"),
        ({"mz": [1.0, 2.0], "area": [1.0, float("nan")]}, "area[1]", "got nan"),
        ({"mz": [1.0, 2.0], "area": [1.0, 1e300]}, "area[1]", "got 1e+300"),
        ({"mz": [1.0, 2e5], "area": [1.0, 1.0]}, "mz[1]", "got 200000"),
        ({"mz": [1.0], "area": [10**400]}, "area[0]", "expected a number"),
        ({"mz": [1.0], "area": [1.0], "name": ""}, "name", "expected a text"),
        ({"mz": [1.0], "area": [1.0], "name": 3}, "name", "expected a text"),
        ({"mz": [1.0], "area": [1.0], "name": "x" * 201}, "name", "1 to 200"),
        ({"mz": [1.0], "area": [1.0], "primary_ions": 0}, "primary_ions", "above 0"),
        ({"mz": [1.0], "area": [1.0], "pulses": True}, "pulses", "above 0"),
        ({"export": 3}, "export", "expected text"),
        ({"mz": [1, 2, 3], "counts": [1, 1, 1], "channel": [1, 2.5, 3]}, "channel[1]", "got 2.5"),
        ({"mz": [1, 2, 3], "counts": [1, 1, 1], "channel": [1, 2, 1e400]}, "channel[2]", "got inf"),
    ],
)
def test_a_bad_record_is_refused_with_its_field(record, field, says):
    with pytest.raises(InputError) as refused:
        of_record(record)
    assert refused.value.field == field
    assert says in refused.value.reason


@pytest.mark.parametrize(
    "record",
    [
        {"export": ""},
        {"export": "m/z\tIntensity\n1\t2\n"},
        {"mz": [1.0, 2.0], "counts": [1.0, 2.0]},
        {"mz": [3.0, 2.0, 1.0], "counts": [1, 1, 1]},
        {"mz": [1.0, 2.0, 3.0], "counts": [1, -1, 1]},
        {"mz": [1.0, 2.0, 3.0], "counts": [1, 1]},
        {"mz": [1.0, 2.0, 3.0], "channel": [1, 1, 2], "counts": [1, 1, 1]},
        {"mz": [0.1, 0.2, 0.3], "counts": [1, 1, 1]},
    ],
)
def test_what_is_no_spectrum_is_refused(record):
    with pytest.raises(SpectrumError):
        of_record(record)


def test_peaks_are_put_in_order():
    given = of_peaks(np.array([3.0, 1.0, 2.0]), np.array([30, 10, 20]), "a")
    assert given.mz.tolist() == [1, 2, 3]
    assert given.areas.tolist() == [10, 20, 30]


def test_empty_cells_of_a_table_are_left_out():
    frame = pd.DataFrame(
        {"name": ["a", None], "mz": [[1.0, 2.0]] * 2, "area": [[1, 2]] * 2, "pulses": [np.nan, 7.0]}
    )
    first, second = gather(frame, OWN, None)
    assert (first.name, first.pulses) == ("a", None)
    assert (second.name, second.pulses) == ("row 2", 7.0)


def test_primary_ions_are_a_column_of_a_table_of_peaks():
    frame = pd.DataFrame({"7.0160": [5.0], "1.0078": [3.0], "dose": [1e8]})
    (one,) = gather(frame, OWN, "dose")
    assert one.primary_ions == 1e8
    assert one.areas.tolist() == [3, 5]
    with pytest.raises(InputError, match="dose: got -1"):
        gather(frame.assign(dose=-1.0), OWN, "dose")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (np.ones((2, 4)), r"expected \(n, 3\)"),
        (np.ones((2, 3, 1)), r"expected \(n, 3\)"),
        (np.array(["a", "b", "c"]), "expected numbers"),
        (pd.DataFrame({"x": [1]}), "got columns"),
        (["nothing here.txt"], "1 cannot be read"),
    ],
)
def test_other_things_are_refused(what, says):
    with pytest.raises(DataError, match=says):
        gather(what, OWN, None)


def test_files_are_taken_once_in_order_and_only_spectra(tmp_path):
    for name in ("b.txt", "a.TXT.gz", "sub/c.asc", "notes.pdf", "samples.csv", "areas.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [p.relative_to(tmp_path).as_posix() for p in files_of([tmp_path])]
    assert sorted(found) == ["a.TXT.gz", "b.txt", "sub/c.asc"]
    assert files_of([tmp_path / "areas.csv"]) == [tmp_path / "areas.csv"]
    again = files_of([tmp_path / "b.txt", tmp_path / "*.txt", tmp_path / "b.txt"])
    assert [p.name for p in again] == ["b.txt"]
    with pytest.raises(DataError, match="no file there"):
        files_of([tmp_path / "*.nothing"])


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
nested = st.recursive(plain, lambda s: st.lists(s, max_size=4) | st.dictionaries(st.text(), s))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), nested, max_size=4))
def test_no_record_breaks_it(record):
    try:
        of_record(record)
    except IonprintError as exc:
        assert len(str(exc)) < 2000
