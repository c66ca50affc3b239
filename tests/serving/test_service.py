"""Good requests get the same numbers as everywhere, others are told what is wrong with them."""

import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent

import pytest

import ionprint
from ionprint.serving.model import row_of, to_json
from ionprint.spectra.reading import read_spectrum

JSON = "application/json"
FORM = "multipart/form-data; boundary=XX"


@pytest.fixture(scope="module")
def local(model_folder):
    """The same model without a server."""
    return ionprint.load(model_folder)


@pytest.fixture(scope="module")
def peaks(local, exports):
    """A spectrum as a list of peaks."""
    from ionprint.serving.given import of_file

    areas = local.areas_of(of_file(exports[0])[0]).areas
    return {"name": "spot 1", "mz": local.mz.tolist(), "area": areas.round(2).tolist()}


def text_of(path):
    return gzip.decompress(path.read_bytes()).decode()


def columns_of(path):
    """Channel, m/z and counts of an export."""
    lines = [line for line in text_of(path).splitlines() if line and not line.startswith("#")]
    rows = [line.split("\t") for line in lines[1:]]
    assert len(rows[0]) == 3, lines[0]
    channel, mz, counts = zip(*rows, strict=True)
    return {
        "channel": [int(c) for c in channel],
        "mz": [float(m) for m in mz],
        "counts": [float(c) for c in counts],
    }


def test_records_of_every_form_are_read_as_in_python(server, local, exports, peaks):
    columns = columns_of(exports[1])
    records = [
        {"name": exports[0].name, "export": text_of(exports[0])},
        {"name": "rows", **columns},
        {"name": "rows without channels", "mz": columns["mz"], "counts": columns["counts"]},
        peaks,
        {"mz": peaks["mz"][::-1], "area": peaks["area"][::-1], "primary_ions": 1e9, "pulses": 1e5},
        {**peaks, "export": None, "pulses": None},
    ]
    answer = server.predict(*records)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == JSON
    assert answer.body.decode() == f'{{"predictions":{local.predict(records).json()}}}'
    assert answer.headers["x-ionprint-model"] == local.identity["id"]
    assert "x-ionprint-version" not in answer.headers  # a folder has none
    for record, one in zip(records, answer.json["predictions"], strict=True):
        alone = server.predict({"name": one["name"], **record})
        assert to_json(alone.json["predictions"][0]) == to_json(one)
    assert answer.json["predictions"][4]["name"] == "spectrum 5"


def test_files_are_read_as_in_python(server, local, exports):
    for files in (exports[:1], exports):
        answer = server.upload(*((path.name, path.read_bytes()) for path in files))
        assert answer.body.decode() == f'{{"predictions":{local.predict(files).json()}}}'
    plain = server.upload(("spot.txt", text_of(exports[0]).encode()))
    packed = server.upload(("spot.txt", exports[0].read_bytes()))
    assert plain.body == packed.body
    more = server.upload(("spot.txt", exports[0].read_bytes()), fields=[("primary_ions", "1e9")])
    assert more.body == packed.body


def test_a_table_of_areas_holds_several_spectra(server, local, peaks, tmp_path):
    titles = ",".join(f"{mz:.4f}" for mz in peaks["mz"])
    row = ",".join(map(str, peaks["area"]))
    table = tmp_path / "areas.csv"
    table.write_text(f"file,{titles}\na,{row}\nb,{row}\n")
    answer = server.upload((table.name, table.read_bytes()))
    assert [one["name"] for one in answer.json["predictions"]] == ["areas.csv: a", "areas.csv: b"]
    assert answer.body.decode() == f'{{"predictions":{local.predict(table).json()}}}'


def test_rows_and_profiles_are_sent_if_asked_for(server, exports, peaks):
    plain = server.upload((exports[0].name, exports[0].read_bytes())).json
    for asked in (
        "?include=rows,profile",
        "?include=rows&include=profile",
        "?include=profile,rows,",
    ):
        answer = server.upload((exports[0].name, exports[0].read_bytes()), include=asked).json
        assert answer["predictions"] == plain["predictions"]
        assert answer["rows"] == [row_of(plain["predictions"][0])]
        (profile,) = answer["profiles"]
        spectrum = read_spectrum(exports[0])
        assert profile["kind"] == "spectrum"
        assert sum(profile["counts"]) == pytest.approx(spectrum.counts.sum(), rel=1e-4)
        assert len(profile["mz"]) == len(profile["counts"]) == (spectrum.counts > 0).sum()
        assert profile["mz"] == sorted(profile["mz"])
    assert "profiles" not in server.predict(peaks, include="?include=rows").json
    (profile,) = server.predict(peaks, include="?include=profile").json["profiles"]
    assert profile["kind"] == "peaks"
    assert profile["counts"] == peaks["area"]
    assert "rows" not in server.predict(peaks, include="?include=").json


def test_answers_hang_on_nothing_else_that_is_asked(server, exports, peaks):
    expected = [
        server.upload((path.name, path.read_bytes())).body for path in exports
    ] + [server.predict(peaks).body]  # fmt: skip

    def ask(n):
        which = n % len(expected)
        if which == len(exports):
            return server.predict(peaks).body == expected[which]
        path = exports[which]
        return server.upload((path.name, path.read_bytes())).body == expected[which]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(80)))


def test_a_key_kept_alive_serves_many(server, peaks):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    body = json.dumps({"spectra": [peaks]})
    times = []
    for _ in range(30):
        start = time.perf_counter()
        connection.request("POST", "/predict", body, {"Content-Type": JSON})
        assert connection.getresponse().read()
        times.append(time.perf_counter() - start)
    connection.close()
    # an answer held back until the client acknowledges what came before takes 40 ms
    assert min(times) < 0.03


NOT_JSON = [
    b"", b"{", b"nonsense", b'{"spectra": [', gzip.compress(b'{"spectra": []}'),
    b'{"spectra": [{"mz": [NaN], "area": [1]}]}',
    b'{"spectra": [{"mz": [1], "area": [Infinity]}]}',
    b'{"spectra": [{"mz": [1], "area": [-Infinity]}]}',
    b'{"spectra": [{"mz": [1' + b"0" * 5000 + b'], "area": [1]}]}',
    b'{"spectra": [{"name": "\xff\xfe"}]}',
    b'{"spectra": [{"name": "\\ud800", "mz": [1], "area": [1]}]}',
    '{"spectra": []}'.encode("utf-16"), '{"spectra": []}'.encode("utf-8-sig"),
    b'{"spectra": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"spectra": ' + b'{"a":' * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_no_json_is_told(server, body):
    answer = server.ask("POST", "/predict", body, JSON)
    assert answer.status == 400
    ((field, reason),) = answer.problems
    assert field == "body"
    assert reason.startswith("not JSON: ")
    assert len(reason) < 250


@pytest.mark.parametrize(
    "request_",
    [
        [], None, 5, "spectra", {}, {"spectra": None}, {"spectra": {}}, {"spectra": "x"},
        {"Spectra": []}, {"spectra": [], "more": 1}, {"predictions": []},
    ],
    ids=str,
)  # fmt: skip
def test_a_request_without_spectra_is_told(server, request_):
    answer = server.ask("POST", "/predict", json.dumps(request_), JSON)
    assert answer.status == 422
    assert answer.problems == [("body", 'expected {"spectra": [...]}, a list of objects')]


LONG = {"mz": list(range(1, 20_002)), "area": [1] * 20_001}
WRONG = [
    # what is sent, the field that is named, a part of the reason
    (5, "record", "got 5, expected an object"),
    (None, "record", "got None"),
    ([1], "record", "got [1]"),
    ({}, "record", "got none of them, expected `export`"),
    ({"mz": [1]}, "record", "got `mz`"),
    ({"export": "a", "mz": [1]}, "record", "got `export` and `mz`"),
    ({"mz": [1], "area": [1], "counts": [1]}, "record", "got `mz` and `area` and `counts`"),
    ({"mz": [1], "area": [1], "masses": [1]}, "'masses'", "not known; known are name, export"),
    ({"mz": [1], "area": [1], "\x00\r\n": 1}, r"'\x00\r\n'", "not known"),
    ({"name": 5, "mz": [1], "area": [1]}, "name", "got 5, expected a text"),
    ({"name": "", "mz": [1], "area": [1]}, "name", "got ''"),
    ({"name": "x" * 201, "mz": [1], "area": [1]}, "name", "expected a text of 1 to 200"),
    ({"mz": "1", "area": [1]}, "mz", "got '1', expected numbers"),
    ({"mz": 1, "area": 1}, "mz", "got 1, expected numbers"),
    ({"mz": ["1", "2"], "area": [1, 2]}, "mz", "got ['1', '2'], expected numbers"),
    ({"mz": [1, "2"], "area": [1, 2]}, "mz", "expected numbers"),
    ({"mz": [True], "area": [1]}, "mz", "got [True], expected numbers"),
    ({"mz": [{}], "area": [1]}, "mz[0]", "got {}, expected a number"),
    ({"mz": [1, None], "area": [1, 2]}, "mz[1]", "got None, expected a number"),
    ({"mz": [10**300], "area": [1]}, "mz[0]", "expected 0 to"),
    ({"mz": [[1, 2], [1]], "area": [1, 2]}, "mz", "expected numbers"),
    ({"mz": [], "area": []}, "mz", "got none"),
    ({"mz": [1, 2], "area": [1]}, "area", "got 1 for 2 `mz`"),
    ({"mz": [[1, 2]], "area": [[1, 2]]}, "mz", ""),
    ({"mz": [1e6], "area": [1]}, "mz[0]", "got 1e+06, expected 0 to 100000"),
    ({"mz": [-1], "area": [1]}, "mz[0]", "got -1, expected 0 to 100000"),
    ({"mz": [1, 2], "area": [1, -5]}, "area[1]", "got -5, expected 0 to"),
    ({"mz": [1, 2], "area": [1, 1e300]}, "area[1]", "got 1e+300"),
    ({"mz": [1, 1], "area": [1, 1]}, "mz", "1 stands there twice"),
    ({"mz": [0, 1], "area": [1, 1]}, "mz", "0 stands there"),
    ({"mz": [1, 2], "area": [0, 0]}, "", "has peaks for 0%"),
    (LONG, "mz", "got 20,001 peaks, expected 20,000 at most"),
    ({"mz": [1, 2], "counts": [1, 2]}, "", "2 rows, expected 3 to"),
    ({"mz": [1, 2, 3], "counts": [1, 2]}, "", "expected rows of the same number"),
    ({"mz": [3, 2, 1], "counts": [1, 2, 3]}, "", "expected rising m/z"),
    ({"mz": [1, 2, 3], "counts": [1, -2, 3]}, "", "expected counts: finite and not negative"),
    (
        {"mz": [1, 1.1, 99999], "counts": [1, 2, 3], "channel": [1, 2, 2**60]},
        "channel[2]",
        "expected a whole number",
    ),
    ({"mz": [1, 2, 3], "counts": [1, 2, 3], "channel": [3, 2, 1]}, "", "expected rising channels"),
    ({"mz": [1, 2, 3], "counts": [1, 2, 3], "channel": ["1", "2", "3"]}, "channel", "numbers"),
    ({"mz": [1, 2], "area": [1, 2], "primary_ions": 0}, "primary_ions", "expected a number above"),
    ({"mz": [1, 2], "area": [1, 2], "primary_ions": "1"}, "primary_ions", "got '1'"),
    ({"mz": [1, 2], "area": [1, 2], "pulses": -1}, "pulses", "got -1"),
    ({"mz": [1, 2], "area": [1, 2], "pulses": True}, "pulses", "got True"),
    ({"mz": [1, 2], "area": [1, 2], "pulses": -1e-300}, "pulses", "expected a number above 0"),
    ({"export": 5}, "export", "got 5, expected text"),
    ({"export": ""}, "", "the file is empty"),
    ({"export": "hello\n"}, "", "line 1: got 'hello', expected the header row"),
    ({"export": "\ud800\n"}, "", ""),
    ({"export": "m/z\tIntensity\n1\t1\n2\tx\n3\t1\n"}, "", "line 3: Intensity is 'x'"),
    ({"export": "m/z\tIntensity\n1\t1\n2\t2\n3\t1"}, "", "looks cut off"),
    ({"export": "\x1f\x8b\x08"}, "", ""),
]


@pytest.mark.parametrize(("record", "field", "reason"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_with_a_record_is_told(server, record, field, reason):
    answer = server.ask("POST", "/predict", json.dumps({"spectra": [record]}), JSON)
    if "\\ud" in json.dumps(record):  # half a character is no text
        assert answer.status == 400
        return
    assert answer.status == 422, answer.body
    ((where, why),) = answer.problems
    assert where.startswith(f"spectra[0].{field}".removesuffix("."))
    assert reason in why
    assert len(why) < 600


def test_each_bad_one_of_many_is_told(server, peaks):
    answer = server.predict(peaks, {"mz": [1]}, peaks, 7, {"export": "x\n"}, peaks)
    assert answer.status == 422
    assert [field for field, _ in answer.problems] == [
        "spectra[1].record",
        "spectra[3].record",
        "spectra[4]",
    ]
    assert len(server.predict(*[7] * 1000).problems) == 20
    for number in (0, 1001):
        answer = server.predict(*[7] * number)
        assert answer.status == 422
        assert answer.problems == [("spectra", f"got {number}, expected 1 to 1000 a request")]


def test_each_bad_spectrum_of_a_table_is_told(server, peaks):
    titles = ",".join(f"{mz:.4f}" for mz in peaks["mz"])
    row, none = (",".join(map(str, areas)) for areas in (peaks["area"], [0] * len(peaks["area"])))
    table = f"file,{titles}\na,{none}\nb,{row}\nc,{none}\n".encode()
    answer = server.upload(("areas.csv", table))
    assert answer.status == 422
    assert [field for field, _ in answer.problems] == ["files[0]", "files[0]"]
    for name, (_, reason) in zip("ac", answer.problems, strict=True):
        assert reason.startswith(f"areas.csv: {name}: no counts")
    many = f"file,{titles}\n" + "".join(f"{n},{row}\n" for n in range(600))
    answer = server.upload(("1.csv", many.encode()), ("2.csv", many.encode()))
    assert answer.status == 422
    assert answer.problems == [("files[1]", "got 1001, expected 1 to 1000 a request")]


EXPORT = b"# simulated\nm/z\tIntensity\n" + b"".join(b"%d\t5\n" % n for n in range(1, 200))
FILES = [
    (b"a.txt", b"", "", "the file is empty"),
    (b"a.txt", b"\x00\xff" * 50, "", ""),
    (b"a.txt", b"\xff\xfea\x00b\x00", "", "UTF-16"),
    (b"a.txt", EXPORT[:-1], "", "line 201: the last line has no line end"),
    (b"a.txt", EXPORT.replace(b"9\t", b"9\r\t"), "", "carriage return"),
    (b"a.txt", EXPORT.replace(b"\t5", b"\tnan"), "", "Intensity is"),
    (b"a.txt", EXPORT.replace(b"\t5", b"\t-5"), "", "expected counts"),
    (b"a.txt", EXPORT.replace(b"\t5", b"\t5e300"), "", "expected counts"),
    (b"a.txt", gzip.compress(EXPORT)[:-12], "", "cut off or damaged"),
    (b"a.txt", gzip.compress(EXPORT)[:-8] + bytes(8), "", "cut off or damaged"),
    (b"a.txt", gzip.compress(gzip.compress(EXPORT)), "", "expected "),
    (b"a.txt", gzip.compress(b"\n" * (64 << 20)), "", "the file is empty"),
    (b"a.txt", gzip.compress(b"x" * (64 << 20)), "", "no line end in"),
    (b"a.csv", b"", "", "is empty"),
    (b"a.csv", bytes(range(256)), "", "no text at all"),
    (b"a.csv", b"file,6.015\n", "", "no "),
    (b"a.csv", b"file,6.015,7.016\na,nan,1\n", "", "expected"),
    (b"a.csv", b"file,6.015,7.016\na,1e999,1\n", "", "is inf, expected finite"),
    (b"a.csv", b"file,6.015,7.016\na,1,1\na,2,2\n", "", "stands on line 2 already"),
    (b"a.csv", b"file,6.015,7.016\na,1,1\n", "", "has peaks for"),
    (b"a.csv", b'file,"6.015\n,7.016\na,1,1\n', "", "cannot be split"),
    (b"a.csv", gzip.compress(b"file,6.015\na,1\n"), "", ""),
    (b"a.csv", b"m/z,a\n" + b"".join(b"%d.1,1\n" % n for n in range(1, 20_002)), "mz", "20,001"),
    (b"a.csv", b" " * (9 << 20), "table", "more than 8,388,608 bytes"),
    (b"a.csv", b"file,6.015\n" + b"a,1\n" * 400_000, "table", "800,002 cells, expected 800,000"),
]


@pytest.mark.parametrize(("name", "content", "field", "reason"), FILES, ids=range(len(FILES)))
def test_what_is_wrong_with_a_file_is_told(server, exports, name, content, field, reason):
    good = (exports[0].name, exports[0].read_bytes())
    answer = server.upload(good, (name, content), good)
    assert answer.status == 422, answer.body
    ((where, why),) = answer.problems
    assert where == f"files[1].{field}".removesuffix(".")
    assert reason in why


PART = b'--XX\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
SENT = b'--XX\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n%s\r\nx\n\r\n'
END = b"--XX--\r\n"
FORMS = [
    # the body, the status, the field that is named
    (b"", 422, "files"),
    (END, 422, "files"),
    (SENT % b"", 422, "files"),
    (b"nonsense", 400, "body"),
    (b"\x00\xff" * 500, 400, "body"),
    (b"--YY\r\n" + SENT % b"" + END, 400, "body"),
    (b"--XX\r\nContent-Dispo", 422, "files"),
    (b"--XX\r\nContent-Dispo\x00sition: x\r\n\r\nx\r\n" + END, 400, "body"),
    (b"--XX\r\n\r\nx\r\n" + END, 400, "body"),
    (b"--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END, 400, "body"),
    (b"--XX\r\n" + b"X: y\r\n" * 5000 + b"\r\nx\r\n" + END, 400, "body"),
    (b"--XX\r\nX: " + b"y" * 100_000 + b"\r\n\r\nx\r\n" + END, 400, "body"),
    (PART % (b"files", b"x") + END, 422, "files"),
    (PART % (b"other", b"x") + SENT % b"" + END, 422, "other"),
    (PART % (b"pulses", b"x") + SENT % b"" + END, 422, "pulses"),
    (PART % (b"pulses", b"nan") + SENT % b"" + END, 422, "pulses"),
    (PART % (b"pulses", b"1e999") + SENT % b"" + END, 422, "pulses"),
    (PART % (b"primary_ions", b"-1") + SENT % b"" + END, 422, "primary_ions"),
    (PART % (b"pulses", b"\xff\xfe") + SENT % b"" + END, 422, "pulses"),
    (PART % (b"pulses", b"1") * 2 + SENT % b"" + END, 422, "pulses"),
    (PART % (b"pulses", b"1") * 11 + SENT % b"" + END, 400, "body"),
    (PART % (b"pulses", b"1" * (2 << 20)) + SENT % b"" + END, 400, "body"),
    (SENT % b"" * 1001 + END, 400, "body"),
    (SENT.replace(b"files", b"pulses") % b"" + END, 422, "pulses"),
    (SENT % b"Content-Transfer-Encoding: nonsense\r\n" + END, 422, "files[0]"),
    (SENT.replace(b"a.txt", b"a\r\nb.txt") % b"" + END, 400, "body"),
]


@pytest.mark.parametrize(("body", "status", "field"), FORMS, ids=range(len(FORMS)))
def test_what_is_wrong_with_a_form_is_told(server, body, status, field):
    answer = server.ask("POST", "/predict", body, FORM)
    assert answer.status == status, answer.body
    assert answer.problems[0][0] == field
    assert answer.problems[0][1]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("", 415),
        ("text/plain", 415),
        ("application/xml", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonx", 415),
        ("\xff\xfe", 415),
        ("APPLICATION/JSON; charset=utf-8", 400),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=" + "X" * 5000, 400),
        ("multipart/mixed; boundary=XX", 415),
        *(
            (f"multipart/form-data; boundary=XX; charset={codec}", 415)
            for codec in ("utf-16", "utf-7", "unicode_escape", "undefined", "idna", "rot13", "none")
        ),
    ],
)
def test_other_media_types_are_refused(server, kind, status):
    answer = server.ask("POST", "/predict", PART % (b"pulses", b"\\ud800+2AA-") + END, kind)
    assert answer.status == status
    assert answer.problems[0][0] == ("content-type" if status == 415 else "body")


def test_what_is_asked_for_besides_is_told(server, peaks):
    for asked, shown in (("x", "'x'"), ("rows,%ff", "'�'"), ("rows%0d%0aX:y", r"'rows\r\nX:y'")):
        answer = server.predict(peaks, include=f"?include={asked}")
        assert answer.status == 422
        assert answer.problems == [("include", f"got {shown}, expected rows or profile")]


def test_reading_that_takes_too_long_is_given_up(serve, model_folder, tmp_path, peaks):
    with serve(model_folder, "--timeout", "0.3", root=tmp_path) as server:
        assert server.predict(peaks).status == 200
        answer = server.predict(*[peaks] * 1000)
        assert answer.status == 413
        ((field, reason),) = answer.problems
        assert re.fullmatch(r"spectra\[\d+\]", field)
        assert reason == "not all was read within 0.3 seconds; send fewer at once"
        assert server.predict(peaks).status == 200


def test_health_and_model_say_what_answers(server, local):
    assert server.ask("GET", "/health").json == {"status": "ok", "model": local.identity}
    told = server.ask("GET", "/model").json
    assert told["compounds"] == local.classes
    assert told["source"] == "simulated"
    assert told["id"] == local.identity["id"]
    assert len(told["peaks"]) == local.mz.size
    assert str(server.port) not in json.dumps(told)
    assert "/" not in json.dumps(told["dataset"])  # no place on the disk


@pytest.fixture(scope="module")
def registered(finished, fresh_store, tmp_path_factory):
    """A project whose model is tracked: version 1 is champion."""
    root = tmp_path_factory.mktemp("registered")
    for folder in ("conf", "outputs"):
        shutil.copytree(finished / folder, root / folder)
    shutil.copytree(fresh_store, root / "mlruns")
    (root / "dvc.yaml").touch()
    (root / "data").symlink_to(finished / "data")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
    subprocess.run(
        [sys.executable, "-m", "ionprint.cli", "track"], cwd=root, env=kept, check=True, timeout=120
    )
    return root


class Registry:
    """The versions of the project's model, in its own store.

    MLflow keeps the store's address for a whole process, and takes it from the working directory:
    a process of its own, in the project, cannot write to any other.
    """

    name = "ionprint-lithium"

    def __init__(self, root):
        self.root = root

    def _do(self, code):
        before = f"""
            from pathlib import Path
            from mlflow import MlflowClient
            assert Path.cwd() == Path({str(self.root)!r})
            client, name = MlflowClient(), {self.name!r}
        """
        done = subprocess.run(
            [sys.executable, "-c", dedent(before) + dedent(code)],
            cwd=self.root, env=os.environ | {"MLFLOW_TRACKING_URI": "sqlite:///mlruns/mlflow.db"},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1:]

    def add(self):
        """Register the files of version 1 once more and make that champion."""
        (version,) = self._do("""
            first = client.get_model_version(name, "1")
            more = client.create_model_version(name, first.source, first.run_id, tags=first.tags)
            client.set_registered_model_alias(name, "champion", more.version)
            print(more.version)
        """)
        return version

    def champion(self, version):
        self._do(f"client.set_registered_model_alias(name, 'champion', {version!r})")


def loaded(server, version):
    """Wait until another version answers."""
    for _ in range(200):
        told = server.ask("GET", "/health").json["model"]
        if told["version"] == version:
            return told
        time.sleep(0.05)
    raise AssertionError(f"{told} answers, expected {version}: {server.log.read_text()}")


@pytest.fixture
def registry(registered):
    found = Registry(registered)
    yield found
    found.champion("1")


@pytest.fixture
def champion(serve, registered, registry):
    address = f"models:/{registry.name}@champion"
    with serve(address, root=registered, MLFLOW_TRACKING_URI="") as server:
        yield server


def test_a_new_champion_is_taken_without_restart(champion, registry, peaks):
    first = champion.predict(peaks)
    began = first.json["predictions"][0]["model"]
    assert (began["name"], began["version"]) == (registry.name, "1")
    assert first.headers["x-ionprint-version"] == f"{registry.name}/1"

    newer = registry.add()
    assert champion.predict(peaks).headers["x-ionprint-version"] == f"{registry.name}/1"
    answer = champion.ask("POST", "/reload", b"{}", JSON)
    assert answer.status == 200
    assert answer.json["model"]["version"] == newer
    second = champion.predict(peaks)
    assert second.headers["x-ionprint-version"] == f"{registry.name}/{newer}"
    assert second.json["predictions"][0]["model"] == {**began, "version": newer}

    registry.champion("1")
    champion.process.send_signal(signal.SIGHUP)
    loaded(champion, "1")
    assert champion.predict(peaks).body == first.body


def test_requests_are_answered_while_another_model_is_loaded(champion, registry, peaks):
    registry.add()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(champion.predict, peaks) for _ in range(60)]
        reloaded = pool.submit(champion.ask, "POST", "/reload", b"{}", JSON)
        asked += [pool.submit(champion.predict, peaks) for _ in range(60)]
        assert reloaded.result().status == 200
        answers = [one.result() for one in asked]
    assert {answer.status for answer in answers} == {200}
    for answer in answers:
        told = answer.json["predictions"][0]["model"]
        assert answer.headers["x-ionprint-version"] == f"{told['name']}/{told['version']}"


def test_a_model_that_cannot_be_loaded_leaves_the_old_one(champion, registered, peaks):
    before = champion.predict(peaks)
    (file,) = (registered / "mlruns").rglob("reading.npz")
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        answer = champion.ask("POST", "/reload", b"{}", JSON)
        assert answer.status == 409
        ((field, reason),) = answer.problems
        assert field == "model"
        assert "is not what was saved" in reason
        assert reason.endswith("The one that was loaded goes on")
        champion.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            if "The old one goes on" in champion.log.read_text():
                break
            time.sleep(0.05)
        assert "is not what was saved" in champion.log.read_text()
    finally:
        file.write_bytes(whole)
    assert champion.predict(peaks).body == before.body
    assert champion.ask("POST", "/reload", b"{}", JSON).status == 200
    assert champion.predict(peaks).body == before.body


def test_no_other_page_can_make_it_load(server):
    for kind in ("", "text/plain", "application/x-www-form-urlencoded"):
        answer = server.ask("POST", "/reload", b"{}", kind)
        assert answer.status == 415
        assert answer.problems[0][0] == "content-type"


def test_killed_in_the_middle_of_uploads_it_starts_again(serve, model_folder, tmp_path, exports):
    """Uploads of two megabytes, which are kept on the disk while they come."""
    scratch, root = tmp_path / "scratch", tmp_path / "root"
    for folder in (scratch, root):
        folder.mkdir()
    path, size = exports[0], 2 << 20
    start = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + FORM.encode()
    start += b"\r\nContent-Length: %d\r\n\r\n" % (4 * size) + SENT[:-3] % b"" + b" " * size
    with serve(model_folder, root=root, TMPDIR=str(scratch)) as server:
        expected = server.upload((path.name, path.read_bytes()))
        assert expected.status == 200
        begun = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for one in begun:
            one.sendall(start)
        assert server.ask("GET", "/health").status == 200
        server.process.kill()
        server.process.wait(timeout=10)
        for one in begun:
            one.close()
    assert list(scratch.rglob("*")) == []
    with serve(model_folder, root=root, TMPDIR=str(scratch)) as server:
        assert server.upload((path.name, path.read_bytes())).body == expected.body
    assert list(scratch.rglob("*")) == []
    assert {file.suffix for file in root.rglob("*")} <= {".log"}
