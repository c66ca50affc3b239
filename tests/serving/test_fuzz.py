"""Hundreds of requests that nobody would send: none is a failure, and the next is right."""

import gzip
import json
import random

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

SEED = 7
BY_SCHEMA, DAMAGED = 240, 240
JSON = "application/json"
FORM = "multipart/form-data; boundary=XX"
ODD = [
    None,
    True,
    -1,
    0,
    1e308,
    10**30,
    "",
    "1",
    "x" * 1000,
    [],
    {},
    [[]],
    [None],
    "\x00",
    "½",
    -0.0,
]


@pytest.fixture
def good(server, exports):
    """Ask what has a right answer, before and after; the server is the same one."""
    path = exports[-1]

    def ask():
        answer = server.upload((path.name, path.read_bytes()))
        assert answer.status == 200
        return answer.body

    before = ask()
    yield
    assert ask() == before
    assert server.process.poll() is None
    assert "Traceback" not in server.log.read_text()


def refused(answer):
    """Tell whether an answer says that it is none, and why."""
    return 400 <= answer.status < 500 and bool(answer.problems)


@pytest.fixture(scope="module")
def operations(server):
    import schemathesis

    described = schemathesis.openapi.from_dict(server.ask("GET", "/openapi.json").json)
    return {path: described[path]["POST"] for path in ("/predict", "/reload")}


@pytest.mark.parametrize("kind", ["negative", "positive"])
def test_what_the_description_forbids_or_allows(server, operations, good, kind):
    import requests
    from schemathesis.generation import GenerationMode

    session, found = requests.Session(), []
    mode = GenerationMode(kind)

    @seed(SEED)
    @settings(
        max_examples=BY_SCHEMA // 2,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(operations["/predict"].as_strategy(generation_mode=mode))
    def ask(case):
        sent = case.as_transport_kwargs(base_url=f"http://127.0.0.1:{server.port}")
        answer = session.request(**sent, timeout=20)
        found.append(answer.status_code)
        assert answer.status_code < 500, (sent, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert all(one["field"] and one["reason"] for one in answer.json()["errors"])

    ask()
    session.close()
    assert len(found) > BY_SCHEMA // 4
    if kind == "negative":
        assert 200 not in found


def damaged(content, rng):
    """Damage bytes once: cut, doubled, turned over, overwritten."""
    at, size = rng.randrange(len(content)), rng.randrange(1, 200)
    odd = bytes(rng.randrange(256) for _ in range(rng.randrange(8)))
    return rng.choice(
        [
            lambda: content[:at],
            lambda: content[:at] + content[at + size :],
            lambda: content[:at] + odd + content[at:],
            lambda: content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :],
            lambda: content[:at] + content[at : at + size] * 2 + content[at + size :],
            lambda: content[: at // 2] + content[at:] + content[: at // 2],
        ]
    )()


def mutated(value, rng):
    """Replace one value somewhere within JSON by an odd one."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        return rng.choice(
            [
                lambda: {**value, key: mutated(value[key], rng)},
                lambda: {**value, key: mutated(value[key], rng)},
                lambda: {k: v for k, v in value.items() if k != key},
                lambda: {**value, rng.choice(["x", key + "s", ""]): value[key]},
            ]
        )()
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], mutated(value[at], rng), *value[at + rng.randrange(2) :]]
    return rng.choice(ODD)


def bad(rng, packed):
    """Return a request made of an export and damaged somewhere."""
    lines = gzip.decompress(packed).replace(b"\r", b"").split(b"\n")
    text = b"\n".join([*lines[: rng.randrange(3, 400)], b""])
    rows = [row.split(b"\t") for row in lines if row[:1].isdigit()][:: rng.randrange(50, 500)]
    mz, counts = ([float(row[at]) for row in rows] for at in (-2, -1))
    request = {"spectra": [{"mz": mz, rng.choice(["area", "counts"]): counts}]}
    match rng.randrange(8):
        case 0:
            return upload(b"a.txt", damaged(packed, rng)), FORM
        case 1:
            return upload(b"a.txt", damaged(text, rng)), FORM
        case 2:
            return upload(b"a.txt", gzip.compress(damaged(text, rng))), FORM
        case 3:
            return upload(b"a.csv", damaged(table(rows), rng)), FORM
        case 4:
            return damaged(upload(b"a.txt", text), rng), FORM
        case 5:
            return damaged(json.dumps(request).encode(), rng), JSON
        case 6:
            return json.dumps(mutated(request, rng)).encode(), JSON
    export = damaged(text, rng).decode("latin-1")
    return json.dumps({"spectra": [{"export": export}]}).encode(), JSON


def test_damaged_uploads_and_records(server, exports, good):
    rng, found = random.Random(SEED), []
    for _ in range(DAMAGED):
        body, kind = bad(rng, rng.choice(exports).read_bytes())
        include = rng.choice(["", "?include=rows", "?include=rows,profile"])
        answer = server.ask("POST", f"/predict{include}", body, kind)
        found.append(answer.status)
        assert answer.status == 200 or refused(answer), (answer.status, body[:500])
    assert found.count(422) > DAMAGED / 4
    assert found.count(400) > DAMAGED / 40


def upload(name, content):
    head = b'--XX\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n' % name
    return head + content + b"\r\n--XX--\r\n"


def table(rows):
    titles = b",".join([b"file", *(row[-2] for row in rows)])
    return titles + b"\n" + b",".join([b"a", *(row[-1] for row in rows)]) + b"\n"


def test_nonsense_on_the_wire(server, good):
    rng = random.Random(SEED)
    lines = ("Host: localhost", "Connection: close", f"Content-Type: {JSON}", "Content-Length: 15")
    request = "\r\n".join(["POST /predict HTTP/1.1", *lines, "", '{"spectra": []}']).encode()
    for _ in range(100):
        told = server.raw(damaged(request, rng) + b"\r\n\r\n", timeout=0.1)
        assert b"HTTP/1.1 5" not in told
