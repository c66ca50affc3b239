"""What every request passes: host, key, size and time; and that nothing else can be reached."""

import signal
import socket
import time

import pytest

JSON = "application/json"
KEY = "sixteen-or-more-characters"
EMPTY = b'{"spectra": []}'
PAGES = ["/", "/docs", "/openapi.json", "/health", "/model", "/page.css", "/page.js", "/plotly.js"]
STATIC = "/static-offline-docs/"


@pytest.fixture(scope="module")
def strict(serve, model_folder, tmp_path_factory):
    """A server behind a proxy of another name, with a key and small limits."""
    options = ["--max-mb", "0.25", "--timeout", "1", "--allow-host", "lab.example"]
    root = tmp_path_factory.mktemp("strict")
    with serve(
        model_folder, *options, "--root-path", "/ionprint", root=root, IONPRINT_API_KEY=KEY
    ) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("path", PAGES)
def test_pages_and_descriptions_are_there(server, path):
    answer = server.ask("GET", path)
    assert answer.status == 200
    assert answer.body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(("GET", path, 200) for path in PAGES),
        *((method, "/predict", 405) for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")),
        *((method, "/model", 405) for method in ("POST", "PATCH", "TRACE", "BREW")),
        ("HEAD", "/", 405),
        ("GET", "/none", 404),
        ("GET", "/none?include=rows", 404),
        ("POST", "/predict", 415),
        ("GET", "/" + "a" * 5000, 404),
    ],
)
def test_every_answer_says_how_it_may_be_used(server, method, path, status):
    answer = server.ask(method, path)
    assert answer.status == status
    assert (
        answer.headers.items()
        >= {
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
        }.items()
    )
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "server" not in answer.headers
    if status >= 400 and method != "HEAD":
        assert answer.problems


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../../../etc/passwd",
        "/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%5c..%5c..%5cetc%5cpasswd",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/etc/passwd",
        "/outputs/model/model.yaml",
        "/model.yaml",
        "/page.html",
        "/app.py",
        "/%00",
        "/%ff%fe",
        *(
            STATIC + rest
            for rest in (
                "../../../../../../../etc/passwd",
                "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
                "..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
                "../__init__.py",
                "..%2f__init__.py",
                "%2e%2e/__init__.py",
                "/etc/passwd",
                "%2fetc%2fpasswd",
                "%00",
                "%ff",
                "",
                "a" * 5000,
            )
        ),
    ],
)
def test_no_file_of_the_disk_is_reachable(server, path):
    answer = server.ask("GET", path)
    assert answer.status in (404, 405)
    assert b"root:" not in answer.body
    assert b"import" not in answer.body


@pytest.mark.parametrize(
    "name",
    [
        b"../../../etc/passwd", b"/etc/passwd", b"..\\..\\windows\\win.ini", b"C:\\secret\\a.txt",
        b"%2e%2e%2fetc%2fpasswd", b"a\x01\x02\x7f.txt", b"a\xff\xfe.txt", b"a%0d%0aX-Bad: y.txt",
        b"", b"..", b"x" * 3000,
    ],
)  # fmt: skip
def test_names_of_files_open_nothing(server, exports, name):
    answer = server.upload((name, exports[0].read_bytes()))
    assert answer.status in (200, 422)
    assert "x-bad" not in answer.headers
    if answer.status == 200:
        told = answer.json["predictions"][0]["name"]
        assert "/" not in told
        assert len(told) <= 200
    else:  # a form's part without a name is no file
        assert answer.problems


def test_only_the_names_of_this_machine_are_answered(server):
    for host in ("localhost", "127.0.0.1", "localhost:5001", "[::1]", "[::1]:5001", "LOCALHOST"):
        assert server.ask("GET", "/health", Host=host).status == 200, host
    for host in ("evil.example", "localhost.evil.example", "evil.example:5001", "", "@localhost"):
        answer = server.ask("GET", "/health", Host=host)
        assert answer.status == 400, host
        assert answer.problems[0][0] == "host"
        assert host[:9] in answer.problems[0][1]


def test_behind_a_proxy_that_takes_its_place_off_the_path(strict):
    """The proxy shows /ionprint/docs and asks for /docs, whose links lead back through it."""
    docs = strict.ask("GET", "/docs", Host="lab.example")
    assert b'"/ionprint/static-offline-docs/swagger-ui.css"' in docs.body
    assert b"/ionprint/openapi.json" in docs.body
    for path in ("/", "/page.js", "/static-offline-docs/swagger-ui.css", "/openapi.json"):
        assert strict.ask("GET", path, Host="lab.example").status == 200, path


@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"X_API_Key": ""},
        {"X_API_Key": "wrong"},
        {"X_API_Key": KEY[:-1]},
        {"X_API_Key": KEY + "x"},
        {"X_API_Key": KEY.upper()},
        {"X_API_Key": "\xff\xfe"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY}"},
        {"Cookie": f"X-API-Key={KEY}"},
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/model", "/reload"])
def test_without_the_key_nothing_is_told(strict, shown, path):
    method = "GET" if path == "/model" else "POST"
    answer = strict.ask(method, path, EMPTY if method == "POST" else b"", JSON, **shown)
    assert answer.status == 401
    assert answer.problems[0][0] == "X-API-Key"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert KEY not in answer.body.decode()


def test_with_the_key_it_answers(strict, exports):
    for shown in ({"X_API_Key": KEY}, {"Authorization": f"Bearer {KEY}"}):
        assert strict.ask("GET", "/model", **shown).status == 200
        assert strict.ask("GET", "/model", Host="lab.example", **shown).status == 200
    assert strict.ask("GET", "/health").status == 200  # which tells no more than that it lives
    assert KEY not in strict.log.read_text()


@pytest.mark.parametrize(
    "key", ["short", "with a space in the middle of it ", "schlüssel-mit-umlaut"]
)
def test_a_key_that_is_none_is_refused_at_the_start(key, model_folder, tmp_path, monkeypatch):
    from ionprint.errors import ConfigError
    from ionprint.stages.serve import main

    monkeypatch.setenv("IONPRINT_API_KEY", key)
    with pytest.raises(ConfigError, match="16 or more") as refused:
        main(["--model", str(model_folder), "--port", "0"])
    assert key not in str(refused.value)


def test_a_taken_port_is_told(server, model_folder):
    from ionprint.errors import ConfigError
    from ionprint.stages.serve import main

    with pytest.raises(ConfigError, match=f"127.0.0.1:{server.port}"):
        main(["--model", str(model_folder), "--port", str(server.port)])


def head(method, path, *lines):
    always = ("Host: localhost", "Connection: close", f"X-API-Key: {KEY}")
    return "\r\n".join([f"{method} {path} HTTP/1.1", *always, *lines, "", ""]).encode()


def test_a_body_that_is_too_large_is_refused_unread(strict):
    limit = 1 << 18
    told = strict.raw(head("POST", "/predict", f"Content-Type: {JSON}", f"Content-Length: {9**20}"))
    assert told.startswith(b"HTTP/1.1 413")
    answer = strict.ask("POST", "/predict", b" " * (limit + 1), JSON, X_API_Key=KEY)
    assert answer.status == 413
    assert answer.problems == [("body", "more than 262,144 bytes")]
    assert strict.ask("POST", "/predict", b" " * limit, JSON, X_API_Key=KEY).status == 400
    # a client that sends does not listen: what it sends is read, so that it gets the answer
    for key, status in ((KEY, 413), ("wrong", 401)):
        assert (
            strict.ask("POST", "/predict", b" " * limit * 40, JSON, X_API_Key=key).status == status
        )


@pytest.mark.parametrize("kind", [JSON, "multipart/form-data; boundary=XX"])
def test_a_body_of_unsaid_length_is_cut_off(strict, kind):
    start = head("POST", "/predict", f"Content-Type: {kind}", "Transfer-Encoding: chunked")
    body = b'--XX\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    chunk = b"%x\r\n%s\r\n" % (1 << 16, b" " * (1 << 16))
    # all of it is read, for a client that sends does not listen
    told = strict.raw(start + b"%x\r\n%s\r\n" % (len(body), body) + chunk * 99 + b"0\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 413"), told[:100]


@pytest.mark.parametrize("kind", [JSON, "multipart/form-data; boundary=XX"])
def test_a_body_that_drips_is_given_up(strict, kind):
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as slow:
        slow.sendall(head("POST", "/predict", f"Content-Type: {kind}", "Content-Length: 1000"))
        for byte in b"--XX":
            slow.sendall(b" " if kind == JSON else bytes([byte]))
            time.sleep(0.2)
        told = b"".join(iter(lambda: slow.recv(65536), b""))
    assert told.startswith(b"HTTP/1.1 408"), told[:100]
    assert b"x-content-type-options: nosniff" in told
    assert b"connection: close" in told.lower()
    assert b"not all there after 1 seconds" in told
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300) + b"\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * (1 << 18) + b"\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n" % (b"9" * 5000),
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http_is_refused(server, data):
    told = server.raw(data)
    assert b"HTTP/1.1 5" not in told
    assert told.startswith(b"HTTP/1.1 4") or not told  # or the connection is closed
    assert server.ask("GET", "/health").status == 200


@pytest.mark.parametrize("body", [b"", b"{", b"--XX\r\nContent-Disp"])
@pytest.mark.parametrize("kind", [JSON, "multipart/form-data; boundary=XX"])
def test_a_client_that_hangs_up_is_let_go(server, body, kind):
    before = server.log.read_text()
    with socket.create_connection(("127.0.0.1", server.port)) as gone:
        gone.sendall(head("POST", "/predict", f"Content-Type: {kind}", "Content-Length: 99") + body)
    assert server.ask("GET", "/health").status == 200
    assert server.log.read_text() == before


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_told(serve, model_folder, tmp_path, sign):
    with serve(model_folder, root=tmp_path) as server:
        server.process.send_signal(sign)
        server.process.wait(timeout=10)
        assert "Traceback" not in server.log.read_text()
