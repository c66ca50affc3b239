"""A server in a process of its own, asked over real HTTP."""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

JSON = "application/json"
FORM = "multipart/form-data; boundary=XX"
HERE = re.compile(r"http://127\.0\.0\.1:(\d+)/docs")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def problems(self):
        """Field and reason of each problem; an answer of this kind holds nothing else."""
        assert set(self.json) == {"errors"}, self.body[:300]
        assert all(set(one) == {"field", "reason"} for one in self.json["errors"])
        return [(one["field"], one["reason"]) for one in self.json["errors"]]


@dataclass
class Server:
    port: int
    process: subprocess.Popen
    log: Path

    def ask(self, method, path, body=b"", kind=None, **headers):
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named | ({"Content-Type": kind} if kind else {}))
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())

    def predict(self, *records, include=""):
        """Send records as JSON."""
        body = json.dumps({"spectra": records}).encode()
        return self.ask("POST", f"/predict{include}", body, JSON)

    def upload(self, *files, include="", fields=()):
        """Send files, by name and content."""
        return self.ask("POST", f"/predict{include}", form(*files, fields=fields), FORM)

    def memory(self):
        """Return the most memory the process has had, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def connect(self, data=b""):
        """Open a connection and send bytes on it."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        made.sendall(data)
        return made

    def raw(self, data, timeout=10.0):
        """Send bytes as they are and return all that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as sent:
            sent.sendall(data)
            told = b""
            with contextlib.suppress(ConnectionResetError, TimeoutError):
                while more := sent.recv(65536):
                    told += more
            return told


def form(*files, fields=()):
    """Return the body of a form with files, by name and content, and fields."""
    parts = [
        b'--XX\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (name.encode(), value.encode())
        for name, value in fields
    ]
    parts += [
        b'--XX\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n'
        % (name if isinstance(name, bytes) else name.encode(), content)
        for name, content in files
    ]
    return b"".join(parts) + b"--XX--\r\n"


@contextlib.contextmanager
def serving(model, *options, root, files=None, **env):
    """Run `ionprint serve` in the folder `root` until it answers, on a free port.

    `files` is the most that the process may have open.
    """
    log = root / f"serve-{time.monotonic_ns()}.log"
    command = [sys.executable, "-m", "ionprint.cli", "serve", "--port", "0", *options]
    command += ["--model", str(model)]
    if files:
        command = ["bash", "-c", f'ulimit -n {files}; exec "$@"', "-", *command]
    with log.open("w") as told:
        process = subprocess.Popen(
            command,
            cwd=root, stdout=told, stderr=told, env=os.environ | {"PYTHONUNBUFFERED": "1"} | env,
        )  # fmt: skip
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            if found := HERE.search(log.read_text()):
                break
            time.sleep(0.05)
        yield Server(int(found[1]), process, log)
    finally:
        process.kill()
        process.wait(timeout=20)


@pytest.fixture(scope="session")
def serve():
    """Start a server: `with serve(model, *options, root=folder, **environment) as server`."""
    return serving


@pytest.fixture(scope="session")
def model_folder(finished):
    return finished / "outputs" / "model"


@pytest.fixture(scope="session")
def server(model_folder, tmp_path_factory):
    """A server with its usual limits; whatever it is asked, it has nothing to complain of."""
    with serving(model_folder, root=tmp_path_factory.mktemp("server")) as server:
        yield server
        assert server.process.poll() is None
        assert "Traceback" not in server.log.read_text(), server.log.read_text()[-4000:]


@pytest.fixture(scope="session")
def exports(finished):
    """A few exported spectra: references, a mixture, an anode."""
    files = sorted((finished / "data" / "spectra").glob("*.txt.gz"))
    return files[:: max(1, len(files) // 6)]
