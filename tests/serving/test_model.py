"""A model by itself reads any spectrum as the pipeline reads it among all others."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ionprint.errors import DataError, InputError, ModelFileError
from ionprint.files import read_table
from ionprint.models.sealing import seal
from ionprint.models.storage import load_model
from ionprint.serving.given import of_file, of_peaks
from ionprint.serving.model import Model
from ionprint.spectra.reading import read_spectrum
from ionprint.spectra.table import PeakTable


@pytest.fixture(scope="module")
def model(finished):
    return Model.of_folder(finished / "outputs/model")


@pytest.fixture(scope="module")
def table(finished):
    return PeakTable.read(finished / "outputs/peaks/peak_table.parquet")


@pytest.fixture(scope="module")
def anode(finished, table):
    """The file of a spectrum under hydrocarbons, which is outside."""
    row = table.column("sample").tolist().index("sample 4")
    return finished / "data" / table.column("file")[row]


def test_exports_are_read_as_in_the_pipeline(finished, model, table):
    expected = read_table(finished / "outputs/composition/spectra.csv")
    files = [finished / "data" / file for file in expected["file"]]
    found = model.predict(files).table()
    assert found["name"].tolist() == [file.name for file in files]
    exact = [c for c in expected if c.startswith("present_")]
    for column in (*exact, "alarm", "outlier", "source", "clipped"):
        assert found[column].tolist() == expected[column].tolist(), column
    numbers = [c for c in expected if c.split("_")[0] in ("p", "presence", "fraction")]
    for column in (*numbers, "distance", "coverage"):
        assert found[column].to_numpy() == pytest.approx(expected[column], abs=6e-5), column
    # ranks among some hundred draws: a last digit can move one
    assert found["alarm_p"].to_numpy() == pytest.approx(expected["alarm_p"], abs=0.02)
    evidence = read_table(finished / "outputs/composition/evidence.csv")
    first = evidence[(evidence["side"] == "for") & (evidence["rank"] == 1)]
    for file, compound, mz in zip(first["file"], first["compound"], first["mz"], strict=True):
        answer = model.predict(finished / "data" / file)[0]
        told = [e["mz"] for e in answer["compounds"][compound]["evidence"]]
        assert (told[:1] or [np.nan]) == pytest.approx([mz], abs=6e-5, nan_ok=True)


def test_every_way_to_give_a_spectrum_gives_the_same_answer(finished, model, anode, tmp_path):
    whole = model.predict(anode)[0]
    text = read_spectrum(anode)
    import gzip

    with gzip.open(anode, "rt") as file:
        export = file.read()
    rows = pd.read_csv(anode, sep="\t", comment="#")
    rows.columns = ["channel", "mz", "counts"]
    name = {"name": anode.name}
    arrays = {key: rows[key].to_numpy() for key in rows}
    lists = {key: rows[key].tolist() for key in rows}
    records = [{**name, "export": export}, {**name, **arrays}, {**name, **lists}]
    for answer in model.predict(records):
        assert answer["source"] in ("simulated", "unknown")  # arrays do not say
        assert answer == whole | {"source": answer["source"]}
    for answer in (
        *model.predict(pd.DataFrame([records[0]])),
        *model.predict(replace(text, file=anode.name)),
    ):
        assert answer == whole
    shutil.copy(anode, tmp_path / anode.name)
    assert model.predict(tmp_path)[0] == whole
    assert model.predict(str(tmp_path / "*.gz"))[0] == whole


def test_peaks_by_array_table_and_record_are_read_alike(model, table, tmp_path):
    own = model.predict(table.areas[:2])
    frame = pd.DataFrame(table.areas[:2], columns=table.columns)
    shuffled = frame[frame.columns[::-1]].assign(file=["a", "b"], note="x")
    records = [{"mz": table.mz, "area": row} for row in table.areas[:2]]
    long = pd.DataFrame({"m/z": table.mz, "a": table.areas[0], "b": table.areas[1]})
    long.to_csv(tmp_path / "areas.csv", index=False)
    for other in (frame, shuffled, records, tmp_path / "areas.csv"):
        for one, same in zip(own, model.predict(other), strict=True):
            assert one | {"name": ""} == same | {"name": ""}
    assert [a["name"] for a in model.predict(shuffled)] == ["a", "b"]
    assert [a["name"] for a in model.predict(tmp_path / "areas.csv")] == [
        "areas.csv: a",
        "areas.csv: b",
    ]


def test_an_answer_hangs_on_nothing_else_that_is_asked(model, table):
    together = model.predict(table.areas)
    alone = [model.predict(row)[0] for row in table.areas]
    assert [json.dumps(a["compounds"]) for a in together] == [
        json.dumps(a["compounds"]) for a in alone
    ]


def test_an_unknown_ion_raises_the_alarm(model, table):
    row = table.column("compound").tolist().index("Li2CO3")
    assert not model.predict(table.areas[row])[0]["alarm"]["outside"]
    mz = np.append(table.mz, 88.8)
    areas = np.append(table.areas[row], 0.5 * table.areas[row].sum())
    answer = model.predict({"mz": mz, "area": areas})[0]
    assert answer["alarm"]["outside"]
    assert answer["alarm"]["unexplained"][0]["mz"] == 88.8
    assert [peak["mz"] for peak in answer["beside"]] == [88.8]
    assert "OUTSIDE: 88.800" in answer["holds"]


def test_an_unknown_peak_of_an_export_raises_it_too(model, finished, table):
    row = table.column("compound").tolist().index("LiH")
    spectrum = read_spectrum(finished / "data" / table.column("file")[row])
    calibrated = model.method.measure(spectrum).calibrated.scale
    counts = spectrum.counts.copy()
    x = (np.sqrt(88.75) - calibrated.offset) / calibrated.slope  # no ion is there
    x = (np.sqrt(97.99) - calibrated.offset) / calibrated.slope
    bins = np.arange(counts.size)
    shape = np.exp(-0.5 * ((bins + 0.5 - spectrum.bin_at(x)) / 1.3) ** 2)
    counts += np.random.default_rng(0).poisson(0.6 * counts.sum() * shape / shape.sum())
    answer = model.predict(replace(spectrum, counts=counts))[0]
    assert answer["alarm"]["outside"]
    found = [*answer["beside"], *answer["alarm"]["unexplained"]]
    assert any(abs(peak["mz"] - 97.99) < 0.01 for peak in found)


def test_too_few_of_the_peaks_are_refused(model, table):
    heavy = table.mz > 40
    with pytest.raises(InputError, match="peaks for .*% of the references' signal, expected 80%"):
        model.answer(of_peaks(table.mz[heavy], table.areas[0][heavy], "cut"))
    some = np.ones(table.mz.size, dtype=bool)
    some[-3:] = False
    answer = model.answer(of_peaks(table.mz[some], table.areas[0][some], "nearly"))
    assert answer["coverage"] < 1
    assert "missing ones count as zero" in answer["warnings"][0]


def part(spectrum, low=0.0, high=1e9):
    """Leave out what lies outside a range (u)."""
    mz = spectrum.centres() ** 2
    first, last = np.flatnonzero((spectrum.counts > 0) & (mz > low) & (mz < high))[[0, -1]]
    start = spectrum.start + first * spectrum.step
    return replace(spectrum, counts=spectrum.counts[first : last + 1].copy(), start=start)


@pytest.mark.parametrize("low", [1.2, 2, 10])
def test_a_list_of_peaks_that_begins_above_the_models_ions_is_refused(model, table, low):
    some = table.mz > low
    with pytest.raises(InputError, match=r"begins at m/z .*taken as zero: 1\.008 H-"):
        model.answer(of_peaks(table.mz[some], table.areas[0][some], "cut"))


@pytest.mark.parametrize("low", [1.2, 2, 5, 10])
def test_a_spectrum_that_begins_above_the_models_ions_is_refused(
    model, finished, table, low, measured
):
    files = table.column("file")[::5]
    refused = 0
    for file in files:
        with pytest.raises(InputError, match=r"begins at m/z .*taken as zero: 1\.008 H-") as caught:
            model.predict(part(read_spectrum(finished / "data" / file, file), low))
        refused += 1
        assert caught.value.field == file
        begins, number = re.search(r"m/z ([\d.]+), above (\d+) ions", str(caught.value)).groups()
        assert float(begins) > low
        assert int(number) in np.sum(model.mz < float(begins)) + [-1, 0, 1]  # rounded
    measured(
        f"spectra cut below m/z {low} refused by a model, of {len(files)}", refused, len(files)
    )


def test_what_lies_behind_the_end_counts_as_missing_and_is_told(model, finished, table):
    spectrum = read_spectrum(finished / "data" / table.column("file")[0])
    answer = model.predict(part(spectrum, high=98))[0]
    weight = model.weight[model.mz < 97.5].sum()
    assert answer["coverage"] == pytest.approx(weight, abs=2e-3)
    assert answer["coverage"] < 1
    assert "nothing was measured from m/z 97" in answer["warnings"][0]
    # an export with all rows says itself where it ends, however few counts are expected beyond
    whole = replace(part(spectrum, high=108.5), sparse=False)
    assert "nothing was measured from m/z 108" in model.predict(whole)[0]["warnings"][0]


def test_whole_spectra_are_covered_whole(model, finished, table):
    answers = model.predict([finished / "data" / file for file in table.column("file")])
    assert {answer["coverage"] for answer in answers} == {1.0}
    assert not any(answer["warnings"] for answer in answers)


def test_no_counts_are_refused(model, table):
    with pytest.raises(InputError, match="no counts in any peak"):
        model.predict(np.zeros((1, table.mz.size)))


def test_all_bad_files_are_named_together(model, finished, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("nothing\n")
    with pytest.raises(DataError, match=r"2 cannot be read:(?s:.*)a\.txt(?s:.*)b\.txt"):
        model.predict([tmp_path / "a.txt", tmp_path / "b.txt"])


def test_it_is_loaded_without_what_it_does_not_need(finished):
    heavy = "import sys; assert not {'sklearn', 'mlflow', 'scipy.signal'} & set(sys.modules)"
    folder, file = finished / "outputs/model", next((finished / "data/spectra").iterdir())
    code = f"import ionprint; ionprint.load({str(folder)!r}).predict({str(file)!r}); {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "name", ["reading.npz", "model.skops", "config.yaml", "references.parquet"]
)
def test_a_changed_file_is_refused(finished, tmp_path, name):
    shutil.copytree(finished / "outputs/model", tmp_path / "model")
    path = tmp_path / "model" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match=f"{name} is not what was saved"):
        Model.of_folder(tmp_path / "model")


@pytest.mark.parametrize("name", ["reading.npz", "model.yaml"])
@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04"])
def test_a_file_that_was_sealed_damaged_is_refused(finished, tmp_path, name, content):
    shutil.copytree(finished / "outputs/model", tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(content)
    seal(tmp_path / "model")
    with pytest.raises(ModelFileError, match="train it again"):
        Model.of_folder(tmp_path / "model")


def test_no_pickle_is_read(finished, tmp_path):
    shutil.copytree(finished / "outputs/model", tmp_path / "model")
    np.savez(tmp_path / "model/reading.npz", mz=np.array([{"a": 1}], dtype=object))
    seal(tmp_path / "model")
    with pytest.raises(ModelFileError, match="expected numbers or text"):
        Model.of_folder(tmp_path / "model")


def test_a_classifier_alone_is_refused(finished, tmp_path):
    shutil.copytree(finished / "outputs/model", tmp_path / "model")
    (tmp_path / "model/reading.npz").unlink()
    seal(tmp_path / "model")
    with pytest.raises(ModelFileError, match="holds a classifier alone"):
        Model.of_folder(tmp_path / "model")


def test_a_classifier_that_is_not_linear_answers_too(finished, tmp_path, table):
    """Forests and the like are read by scikit-learn from the same folder."""
    from sklearn.ensemble import RandomForestClassifier

    from ionprint.files import below, joined, read_arrays, write_arrays
    from ionprint.models.storage import TrainedModel, save_model

    shutil.copytree(finished / "outputs/model", tmp_path / "model")
    old = load_model(tmp_path / "model")
    references = table.of_role("reference")
    old.pipeline.steps[-1] = ("classify", RandomForestClassifier(5, random_state=0))
    old.pipeline.fit(references.areas, references.column("compound"))
    arrays = read_arrays(tmp_path / "model/reading.npz")
    kept = {p: below(arrays, p) for p in ("reader", "method", "peaks")}
    write_arrays(joined(kept), tmp_path / "model/reading.npz")
    save_model(TrainedModel(old.pipeline, old.mz, old.about), tmp_path / "model")
    model = Model.of_folder(tmp_path / "model")
    answer = model.predict(references.areas[:1])[0]
    direct = old.pipeline.predict_proba(references.areas[:1])[0]
    told = [answer["compounds"][c]["probability"] for c in model.classes]
    assert told == pytest.approx(direct, abs=1e-6)


def test_table_and_json_say_the_same(model, anode):
    predictions = model.predict([anode, anode])
    assert json.loads(predictions.json()) == list(predictions)
    table = predictions.table()
    assert len(table) == 2
    answer = predictions[0]
    for compound, said in answer["compounds"].items():
        assert table[f"fraction_{compound}"][0] == said["fraction"]
        assert table[f"p_{compound}"][0] == said["probability"]
    assert table["unexplained"][0] == ", ".join(
        f"{p['mz']:.3f} {p['ion']}-" if p["ion"] else f"{p['mz']:.3f}"
        for p in answer["alarm"]["unexplained"]
    )


def test_a_file_sent_is_read_as_a_file_there(model, anode):
    there, sent = of_file(anode), of_file(None, anode.read_bytes(), anode.name)
    assert model.answer(there[0]) == model.answer(sent[0])
