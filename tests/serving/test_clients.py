"""Clients that send too much, too slowly, wrongly, or never read: others go on being answered."""

import contextlib
import json
import logging
import re
import signal
import socket
import threading
import time

import pytest

import ionprint
from ionprint.serving.log import Seldom

JSON = "application/json"
HOST = "Host: localhost"
FORM = "multipart/form-data; boundary=XX"


@pytest.fixture(scope="module")
def peaks(model_folder, exports):
    """A spectrum as a list of peaks."""
    from ionprint.serving.given import of_file

    local = ionprint.load(model_folder)
    areas = local.areas_of(of_file(exports[0])[0]).areas
    return {"name": "spot 1", "mz": local.mz.tolist(), "area": areas.round(2).tolist()}


def head(method, path, *lines):
    return "\r\n".join([f"{method} {path} HTTP/1.1", HOST, *lines, "", ""]).encode()


def post(kind, *lines):
    return head("POST", "/predict", f"Content-Type: {kind}", *lines)


@contextlib.contextmanager
def watched(server):
    """Ask for /health all the time; the list it yields holds how long each took, in seconds."""
    took, done = [0.0], threading.Event()

    def watch():
        while not done.is_set():
            start = time.monotonic()
            assert server.ask("GET", "/health").status == 200
            took.append(time.monotonic() - start)
            done.wait(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield took
    done.set()
    watcher.join()


def together(*calls):
    """Call all at once and return what they return."""
    found = [None] * len(calls)

    def call(n):
        found[n] = calls[n]()

    threads = [threading.Thread(target=call, args=(n,)) for n in range(len(calls))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return found


SIZE = 63_000_000
LISTS = b'{"spectra":[{"mz":[%s],"counts":[1]}]}'
BODIES = {
    "lists": LISTS % b",".join([b"[]"] * (SIZE // 3)),
    "objects": LISTS % b",".join([b"{}"] * (SIZE // 3)),
    "numbers": LISTS % b",".join([b"1"] * (SIZE // 2)),
    "texts": LISTS % b",".join([b'"a"'] * (SIZE // 4)),
    "keys": b'{"spectra":[{%s}]}' % b",".join(b'"%x":1' % n for n in range(SIZE // 12)),
    "spectra": b'{"spectra":[%s]}' % b",".join([b"{}"] * (SIZE // 3)),
    "deep": b"[" * SIZE,
    "blank": b'{"spectra":[%s]}' % (b" " * SIZE),
}


@pytest.fixture(scope="module")
def crowded(serve, model_folder, tmp_path_factory):
    """A server of its own, whose memory is of these tests alone."""
    with serve(model_folder, root=tmp_path_factory.mktemp("crowded")) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


def test_four_large_bodies_at_once(crowded, measured):
    with watched(crowded) as took:
        for body in BODIES.values():
            answers = together(*[lambda body=body: crowded.ask("POST", "/predict", body, JSON)] * 4)
            assert [answer.status in (400, 422) for answer in answers] == [True] * 4
            assert all(answer.problems for answer in answers)
    told = "four JSON bodies of 63 MB at once, eight kinds: "
    measured(f"{told}memory (MB)", f"{crowded.memory():.0f}", "under 1,000")
    measured(f"{told}longest /health (s)", f"{max(took):.2f}", "under 1")
    assert crowded.memory() < 1000
    assert max(took) < 1


def test_the_largest_spectra_that_are_read_leave_room_too(crowded):
    """Just below each limit; in the end all is parsed and refused for what it holds."""
    n = 2_900_000
    mz = b",".join(b"%.5f" % ((1 + 9e-6 * k) ** 2) for k in range(n))
    spectrum = b'{"spectra":[{"mz":[%s],"counts":[%s]}]}' % (mz, b",".join([b"1"] * n))
    export = '{"spectra":[{"export":"%s"}]}' % ("é" * 30_000_000)
    with watched(crowded) as took:
        calls = (
            lambda body=body: crowded.ask("POST", "/predict", body, JSON)
            for body in (spectrum, export.encode()) * 2
        )
        answers = together(*calls)
    assert [answer.status for answer in answers] == [422] * 4, answers[0].body
    assert crowded.memory() < 1000
    assert max(took) < 1


def test_large_bodies_are_read_as_small_ones(server, peaks, model_folder):
    records = [{**peaks, "name": f'"[{{{n}\\'} for n in range(150)]
    body = json.dumps({"spectra": records}, indent=1).encode()
    assert len(body) > 2 << 20
    answer = server.ask("POST", "/predict", body, JSON)
    expected = ionprint.load(model_folder).predict(records).json()
    assert answer.body.decode() == f'{{"predictions":{expected}}}'
    records[100] = {**peaks, "area": [*peaks["area"][:-1], None]}
    records[110] = 7
    bad = server.ask("POST", "/predict", json.dumps({"spectra": records}).encode(), JSON)
    assert bad.status == 422
    at = len(peaks["area"]) - 1
    assert [field for field, _ in bad.problems] == [
        f"spectra[100].area[{at}]",
        "spectra[110].record",
    ]
    before, key, after = body.rpartition(b'"area": [')
    for odd in (b"{", b"[,", b"[NaN,", b"]", b"[1 "):
        answer = server.ask("POST", "/predict", before + key[:-1] + odd + after, JSON)
        assert answer.status == 400
        assert answer.problems[0][1].startswith("not JSON")


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 0", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Transfer-encoding: chunked", "content-length: 5"],
        ["Transfer-Encoding: identity", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5, 6"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Content-Length: +5"],
        ["Content-Length: 5 "],
        ["Content-Length : 5"],
        ["Transfer-Encoding : chunked"],
    ],
)
def test_a_length_that_can_be_read_in_two_ways_ends_the_connection(server, lines):
    hidden = head("GET", "/model")
    told = server.raw(post(JSON, *lines) + b"0\r\n\r\n" + hidden, timeout=5)
    if lines == ["Content-Length: 5 "]:  # blanks around a value are none of it
        assert told.count(b"HTTP/1.1 ") == 2
        return
    assert told.startswith(b"HTTP/1.1 400")
    assert told.count(b"HTTP/1.1") == 1
    assert b"connection: close" in told.lower()
    problem = json.loads(told.partition(b"\r\n\r\n")[2])["errors"][0]
    assert problem["field"] == "request"
    assert problem["reason"].startswith("no valid HTTP: ")


def test_a_crumb_at_a_time_is_refused_and_chunks_of_a_usual_size_are_not(server, peaks):
    start = post(JSON, "Transfer-Encoding: chunked", "Connection: close")
    told = server.raw(start + b"1\r\n \r\n" * 100_000 + b"0\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 400")
    body = json.dumps({"spectra": [peaks] * 30}).encode()
    chunks = (body[n : n + 200] for n in range(0, len(body), 200))
    sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    assert sent.count(b"\r\nc8\r\n") > 1500
    assert server.raw(start + sent + b"0\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.fixture(scope="module")
def hasty(serve, model_folder, tmp_path_factory):
    """A server that waits for two seconds, and may open few files."""
    root = tmp_path_factory.mktemp("hasty")
    with serve(model_folder, "--timeout", "2", root=root, files=512) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


def closed(connection):
    """Tell whether the server has closed a connection, and read what it said before."""
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


def test_an_upload_beside_half_sent_heads(hasty, exports, measured):
    name, content = exports[0].name, exports[0].read_bytes()
    with contextlib.ExitStack() as held, watched(hasty) as took:
        waiting = [
            held.enter_context(hasty.connect(b"GET /health HTTP/1.1\r\nHo")) for _ in range(700)
        ]
        answers = [hasty.upload((name, content)).status for _ in range(5)]
        assert answers == [200] * 5
        time.sleep(3)
        for one in waiting:
            one.settimeout(0.01)
        assert all(map(closed, waiting))
        assert hasty.upload((name, content)).status == 200
    measured("uploads answered beside 700 half-sent heads, 512 files", answers.count(200), 5)
    assert max(took) < 1
    assert len(hasty.log.read_text()) < 2000


def test_a_second_head_that_drips_is_given_up(hasty):
    with hasty.connect(head("GET", "/health")) as slow:
        assert slow.recv(1 << 16).startswith(b"HTTP/1.1 200")
        start = time.monotonic()
        slow.settimeout(0.2)
        dripping = iter(b"GET /health HTTP/1.1\r\nX: " + b"y" * 1000)
        while not closed(slow) and time.monotonic() - start < 10:
            with contextlib.suppress(OSError):
                slow.sendall(bytes([next(dripping)]))
        assert 1 < time.monotonic() - start < 5


def test_half_sent_bodies_do_not_keep_out_an_upload(hasty, exports):
    """More of them than there is room for: the longest waited for are closed."""
    with contextlib.ExitStack() as held:
        start = post(JSON, "Content-Length: 99999") + b" " * 70_000
        for _ in range(200):
            held.enter_context(hasty.connect(start))
        assert hasty.upload((exports[0].name, exports[0].read_bytes())).status == 200


@pytest.mark.parametrize("path", ["/plotly.js", "/predict?include=rows,profile"])
@pytest.mark.parametrize("more", [False, True], ids=["alone", "pipelined"])
def test_an_answer_that_nobody_takes_is_given_up(hasty, peaks, path, more):
    body = json.dumps({"spectra": [peaks] * 150}).encode() if "predict" in path else b""
    lines = (f"Content-Type: {JSON}", f"Content-Length: {len(body)}")
    asked = head("POST" if body else "GET", path, *lines) + body
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(10)
        lazy.connect(("127.0.0.1", hasty.port))
        lazy.sendall(asked * (1 + more))
        taken = lazy.recv(1024)
        assert taken.startswith(b"HTTP/1.1 200")
        length = int(re.search(rb"content-length: (\d+)", taken)[1])
        time.sleep(4)
        with contextlib.suppress(ConnectionResetError):
            while part := lazy.recv(1 << 16):
                taken += part
    assert len(taken) < length


def test_half_sent_requests_do_not_delay_the_end(serve, model_folder, tmp_path, peaks, measured):
    body = json.dumps({"spectra": [peaks] * 200}).encode()
    length = f"Content-Length: {len(body)}"
    with contextlib.ExitStack() as held, serve(model_folder, root=tmp_path) as server:
        begun = [b"", b"POST /pre", post(JSON, length), post(JSON, length) + body[:-1]]
        begun += [post(FORM, length) + b"--XX\r\nContent-Dis", head("GET", "/health") + b"GET"]
        for sent in begun * 5:
            held.enter_context(server.connect(sent))
        whole = held.enter_context(server.connect(post(JSON, length) + body))
        time.sleep(0.3)  # for the body to be there
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        told = b"".join(iter(lambda: whole.recv(1 << 16), b""))
        assert told.startswith(b"HTTP/1.1 200")
        assert len(json.loads(told.partition(b"\r\n\r\n")[2])["predictions"]) == 200
        server.process.wait(timeout=20)
        took = time.monotonic() - start
        assert "Traceback" not in server.log.read_text()
    measured("end after SIGTERM with 30 half-sent requests (s)", f"{took:.1f}", "under 6")
    assert took < 6


def test_far_too_many_large_bodies_are_told_to_come_again(serve, model_folder, tmp_path, peaks):
    """There is room for 32 of the greatest size; small ones always have some."""
    size = 2 << 20
    with contextlib.ExitStack() as held:
        server = held.enter_context(serve(model_folder, "--max-mb", "2", root=tmp_path))
        start = post(JSON, f"Content-Length: {size}") + b" " * (size * 3 // 4)
        for _ in range(100):  # those that found no room leave theirs to the next
            for _ in range(4):
                held.enter_context(server.connect(start))
            time.sleep(0.05)
            answer = server.ask("POST", "/predict", b" " * size, JSON)
            if answer.status == 503:
                break
        assert answer.status == 503
        assert answer.headers["retry-after"] == "10"
        assert "send it again later" in answer.problems[0][1]
        small = json.dumps({"spectra": [peaks] * 10}).encode()
        assert len(small) > 1 << 16
        assert server.ask("POST", "/predict", small, JSON).status == 200
        held.pop_all().close()


def test_the_log_stays_small(crowded):
    before = crowded.log.stat().st_size
    for _ in range(500):
        assert crowded.raw(b"NO HTTP\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert crowded.log.stat().st_size - before < 500


def test_like_messages_are_told_seldom_and_counted(caplog):
    seldom, told = Seldom(every=0.2), []
    logger = logging.getLogger("ionprint.test_seldom")
    handler = logging.Handler()
    handler.addFilter(seldom)
    handler.emit = lambda record: told.append(record.getMessage())
    logger.addHandler(handler)
    try:
        for n in range(10):
            logger.warning("it failed\non connection %d", n)
            logger.error("another")
        time.sleep(0.3)
        logger.warning("it failed\nonce more")
        for n in range(1000):
            logger.warning("kind %d", n)
    finally:
        logger.removeHandler(handler)
    assert told[:2] == ["it failed\non connection 0", "another"]
    assert told[2] == "it failed\nonce more (9 more like this before)"
    assert len(told) < 300
