"""The HTTP service: nonsense, load, a kill; beside a bare app and `mlflow models serve`."""

import argparse
import contextlib
import gzip
import http.client
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import scratch_project

for library in ("OPENBLAS", "OMP", "MKL"):  # as the command line does
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
NAME = "models:/ionprint-lithium/1"
STAGES = ("peaks", "tune", "evaluate", "rank", "check", "train", "composition", "track")
QUICK = ("tuning.trials=5", "evaluation.permutations=5", "ranking.resamples=5")
JSON, FORM = "application/json", "multipart/form-data; boundary=XX"
STORE = {"MLFLOW_TRACKING_URI": "sqlite:///mlruns/mlflow.db"}
WHY = """\
  Ours: presence, fractions with intervals, both alarms, and the evidence of each compound that is
  present; bare: the probabilities alone. Servers are asked in turn, {BLOCK} requests each."""
NONSENSE, GOOD, WARM, UPLOADS, CUT, STARTS = 10_000, 20_000, 1_000, 600, 100, 5
ROUNDS = 15
"""Of one spectrum on the command line."""
BLOCK = 50
"""Requests to one server before the next is asked."""
EVERY = 25
"""One of so many peak lists is sent to `mlflow models serve` too."""
ODD = (None, True, -1, 0, 1e308, 10**30, "", "1", "x" * 500, [], {}, [[]], [None], "\x00", "½")


def main(share: float = 1.0) -> None:
    """Measure with the model of `data/`, registered in a store of its own.

    Parameters
    ----------
    share : float
        Of the requests; what is measured with fewer hangs more on chance.
    """
    with scratch_project():
        Path("data").symlink_to(ROOT / "data")
        for stage in STAGES:
            choices = () if stage == "track" else QUICK
            _run("ionprint.cli", stage, *choices, env=_environment())
        _measure(share)


def _measure(share: float) -> None:
    import ionprint

    files = sorted(Path("data/spectra").glob("*.txt.gz"))
    os.environ |= STORE
    model = ionprint.load(NAME)
    peaks = [
        {"name": path.name, "mz": model.mz.tolist(), "area": areas.round(2).tolist()}
        for path, areas in zip(files, _areas(model, files), strict=True)
    ]
    print(
        f"  {model.source} spectra; a list of {model.mz.size} peaks ({len(json.dumps(peaks[0])):,} "
        f"bytes), {len(model.classes)} compounds; server, client and the others share "
        f"{os.cpu_count()} cores"
    )
    with (
        serving(*_ours()) as ours,
        serving(*_bare("async")) as waiting,
        serving(*_bare("threads")) as threaded,
        serving(*_mlflow(), "/ping") as mlflow,
    ):
        _load(share, peaks, ours, min((waiting, threaded), key=lambda s: _quick(s, peaks)), mlflow)
        _exports(share, files, ours)
        _equal(files, model, ours, mlflow)
        _nonsense(share, files, ours)
    _kill(share, files)
    _command_line(share, files[0])


def told(what: str, got: str, wanted: str = "") -> None:
    """Print a figure beside what is wanted of it."""
    print(f"  {what:<50} {got:<34}{f'(wanted {wanted})' if wanted else ''}".rstrip(), flush=True)


@dataclass
class Server:
    """A server in a process of its own, and a connection to it that is kept."""

    process: subprocess.Popen
    port: int
    started: float

    def connection(self) -> http.client.HTTPConnection:
        """Return a new connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def memory(self) -> float:
        """Return the resident memory of the process in MB; nan where Linux does not tell it."""
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024
        return float("nan")


@contextlib.contextmanager
def serving(
    command: Callable[[int], list[str]], env: dict[str, str], health: str = "/health"
) -> Iterator[Server]:
    """Run a server until it answers, on a free port, and end it afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.perf_counter()
    with Path(f"server-{port}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command(port)], env=env, stdout=log, stderr=log
        )
    server = Server(process, port, 0.0)
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit(Path(f"server-{port}.log").read_text())
            with contextlib.suppress(OSError), contextlib.closing(server.connection()) as asked:
                asked.request("GET", health)
                if asked.getresponse().status == 200:
                    break
            time.sleep(0.005)
        server.started = time.perf_counter() - start
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


def _environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_TRACKING")}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": path, "PYTHONPATH": str(ROOT)} | more


def _ours(**env: str) -> tuple[Callable[[int], list[str]], dict[str, str]]:
    def command(port: int) -> list[str]:
        return ["-m", "ionprint.cli", "serve", "--model", NAME, "--port", str(port)]

    return command, _environment(**STORE, **env)


def _bare(kind: str) -> tuple[Callable[[int], list[str]], dict[str, str]]:
    def command(port: int) -> list[str]:
        return ["-c", f"from benchmarks.serving import bare; bare({kind!r}, {port})"]

    return command, _environment()


def _mlflow() -> tuple[Callable[[int], list[str]], dict[str, str]]:
    def command(port: int) -> list[str]:
        local = ["--env-manager", "local"]
        return ["-m", "mlflow", "models", "serve", "-m", NAME, *local, "--port", str(port)]

    return command, _environment(**STORE)


def bare(kind: str, port: int) -> None:
    """Serve the probabilities of the same pipeline, as the first page of a tutorial would."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    from ionprint.models.storage import load_model

    pipeline = load_model(Path("outputs/model")).pipeline
    app = FastAPI()

    class Peaks(BaseModel):
        name: str
        mz: list[float]
        area: list[float]

    def probabilities(peaks: Peaks) -> dict[str, Any]:
        found = pipeline.predict_proba(np.array([peaks.area]))[0]
        return dict(zip(pipeline.classes_.tolist(), found.tolist(), strict=True))

    async def at_once(peaks: Peaks) -> dict[str, Any]:
        return probabilities(peaks)

    app.post("/predict")(at_once if kind == "async" else probabilities)
    app.get("/health")(lambda: {})
    uvicorn.run(
        app, port=port, log_level="warning", access_log=False, server_header=False,
        timeout_keep_alive=15,
    )  # fmt: skip


def _post(asked: http.client.HTTPConnection, path: str, body: bytes, kind: str) -> tuple:
    """Return status, answer and seconds."""
    start = time.perf_counter()
    asked.request("POST", path, body, {"Content-Type": kind})
    answer = asked.getresponse()
    content = answer.read()
    return answer.status, content, time.perf_counter() - start


def _good(asked: http.client.HTTPConnection, path: str, body: bytes, kind: str = JSON) -> tuple:
    status, content, seconds = _post(asked, path, body, kind)
    if status != 200:
        raise SystemExit(f"{path} answered {status}: {content[:500]!r}")
    return content, seconds


def _quick(server: Server, peaks: list[dict]) -> float:
    """Return the median time of a few requests to a bare app."""
    asked, bodies = server.connection(), [json.dumps(one).encode() for one in peaks]
    return statistics.median(_good(asked, "/predict", body)[1] for body in bodies * 3)


def _load(share: float, peaks: list[dict], ours: Server, plain: Server, mlflow: Server) -> None:
    kinds = {
        "ours": (ours, "/predict", [json.dumps({"spectra": [one]}).encode() for one in peaks]),
        "bare": (plain, "/predict", [json.dumps(one).encode() for one in peaks]),
        "mlflow": (
            mlflow,
            "/invocations",
            [json.dumps({"dataframe_records": [one]}).encode() for one in peaks],
        ),
    }
    asked = {name: server.connection() for name, (server, _, _) in kinds.items()}
    times: dict[str, list[float]] = {name: [] for name in kinds}
    warm, number = int(WARM * share), int(GOOD * share)
    for first in range(-warm, number, BLOCK):
        if first == 0:
            before = ours.memory()
        for name, (_, path, bodies) in kinds.items():
            # in blocks: the first after a change finds the processor's caches filled by others
            for n in range(first, first + BLOCK, EVERY if name == "mlflow" else 1):
                seconds = _good(asked[name], path, bodies[n % len(bodies)])[1]
                if n >= 0:
                    times[name].append(1e3 * seconds)
    after = ours.memory()
    middle = {name: statistics.median(found) for name, found in times.items()}
    for name, what in (
        ("ours", "one spectrum by its peaks, `ionprint serve`"),
        ("bare", "bare FastAPI with predict_proba of scikit-learn"),
        ("mlflow", "`mlflow models serve`, the same version"),
    ):
        told(what, f"p50 {middle[name]:.2f} ms, p99 {np.percentile(times[name], 99):.2f} ms")
    told("", f"{len(times['ours']):,} requests each in turn, {len(times['mlflow']):,} to MLflow")
    told("p50, ours by bare", f"{middle['ours'] / middle['bare']:.2f}", "2.0 at most")
    told("p50, MLflow by ours", f"{middle['mlflow'] / middle['ours']:.2f}")
    print(WHY.format(BLOCK=BLOCK))
    grown = 100 * (after / before - 1)
    told(
        f"memory after {warm:,} and {warm + number:,} requests",
        f"{before:.1f} MB, {after:.1f} MB: {grown:+.1f} %",
        "less than 5 %",
    )


def form(name: bytes, content: bytes) -> bytes:
    """Return the body of a form with one file."""
    head = b'--XX\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n' % name
    return head + content + b"\r\n--XX--\r\n"


def _exports(share: float, files: list[Path], ours: Server) -> None:
    bodies = [form(path.name.encode(), path.read_bytes()) for path in files]
    number = max(int(UPLOADS * share), len(files))
    asked = ours.connection()
    times = [
        1e3 * _good(asked, "/predict", bodies[n % len(bodies)], FORM)[1] for n in range(number)
    ]
    told(
        f"raw export uploaded ({np.mean([len(b) for b in bodies]) / 1024:.0f} kB packed)",
        f"p50 {statistics.median(times):.1f} ms, p99 {np.percentile(times, 99):.1f} ms",
    )

    def client(which: int) -> None:
        asked = ours.connection()
        for n in range(which, number, 4):
            _good(asked, "/predict", bodies[n % len(bodies)], FORM)

    start = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(client, range(4)))
    told("raw exports, 4 clients at once", f"{number / (time.perf_counter() - start):.0f} a second")


def _equal(files: list[Path], model: Any, ours: Server, mlflow: Server) -> None:
    """Compare the text of every answer with that of Python."""
    from ionprint.serving.model import to_json

    python = [to_json(model.predict(path)[0]) for path in files]
    words = ("predict", "data/spectra", "--model", NAME, "--format", "json")
    text = _run("ionprint.cli", *words, env=_environment(**STORE))
    said = [to_json(one) for one in json.loads(text)]
    if text.strip() != f"[{','.join(said)}]":
        raise SystemExit("`ionprint predict` writes its JSON in another way than Python")
    asked, served = ours.connection(), mlflow.connection()
    answers: dict[str, list[str]] = {"record": [], "file": [], "mlflow": []}
    for path in files:
        packed = path.read_bytes()
        record = {"name": path.name, "export": gzip.decompress(packed).decode()}
        for kind, body, sent in (
            ("record", json.dumps({"spectra": [record]}).encode(), JSON),
            ("file", form(path.name.encode(), packed), FORM),
        ):
            answers[kind].append(_good(asked, "/predict", body, sent)[0].decode())
        body = json.dumps({"dataframe_records": [record]}).encode()
        # MLflow writes JSON with other spaces between the same numbers
        answers["mlflow"].append(
            to_json(json.loads(_good(served, "/invocations", body)[0])["predictions"][0])
        )
    whole = [f'{{"predictions":[{one}]}}' for one in python]
    for way, found, expected in (
        ("`ionprint predict --format json`", said, python),
        ("`ionprint serve`, text of the export", answers["record"], whole),
        ("`ionprint serve`, uploaded file", answers["file"], whole),
        ("`mlflow models serve`", answers["mlflow"], python),
    ):
        equal = sum(a == b for a, b in zip(found, expected, strict=True))
        told(f"Python and {way}", f"{equal} of {len(files)} equal to the last bit", f"{len(files)}")


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Damage bytes once."""
    at, size = rng.randrange(len(content)), rng.randrange(1, 200)
    odd = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 8)))
    match rng.randrange(4):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[at + size :]
        case 2:
            return content[:at] + odd + content[at + len(odd) :]
    return content[:at] + content[at : at + size] * 2 + content[at + size :]


def mutated(value: Any, rng: random.Random) -> Any:
    """Replace or leave out one value somewhere within JSON."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        if rng.random() < 0.2:
            return {k: v for k, v in value.items() if k != key}
        return {**value, rng.choice([key] * 9 + [key + "s"]): mutated(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], mutated(value[at], rng), *value[at + rng.randrange(2) :]]
    return rng.choice(ODD)


def _bad(rng: random.Random, packed: bytes) -> tuple[bytes, str]:
    """Return a request made of an export and damaged somewhere."""
    lines = gzip.decompress(packed).replace(b"\r", b"").split(b"\n")
    text = b"\n".join([*lines[: rng.randrange(3, 400)], b""])
    rows = [row.split(b"\t") for row in lines if row[:1].isdigit()][:: rng.randrange(50, 500)]
    mz, counts = ([float(row[at]) for row in rows] for at in (-2, -1))
    request = {"spectra": [{"mz": mz, rng.choice(["area", "counts"]): counts}]}
    match rng.randrange(6):
        case 0:
            return form(b"a.txt", damaged(packed, rng)), FORM
        case 1:
            return form(b"a.txt", damaged(text, rng)), FORM
        case 2:
            table = b"\n".join(b",".join([b"a", *(r[at] for r in rows)]) for at in (-2, -1))
            return form(b"a.csv", damaged(b"file" + table[1:] + b"\n", rng)), FORM
        case 3:
            return damaged(form(b"a.txt", text), rng), FORM
        case 4:
            return damaged(json.dumps(request).encode(), rng), JSON
    return json.dumps(mutated(request, rng)).encode(), JSON


def _nonsense(share: float, files: list[Path], ours: Server) -> None:
    asked = ours.connection()
    good = form(files[0].name.encode(), files[0].read_bytes())
    expected = _good(asked, "/predict", good, FORM)[0]
    number, rng = int(NONSENSE * share), random.Random(0)
    start, statuses = time.perf_counter(), Counter()
    by_schema = _by_schema(ours, number // 2)
    statuses.update(by_schema)
    packed = [path.read_bytes() for path in files]
    while statuses.total() < number:
        body, kind = _bad(rng, rng.choice(packed))
        asked.close()  # some are answered before they are read to their end
        statuses[_post(asked, "/predict", body, kind)[0]] += 1
    seconds = time.perf_counter() - start
    failed = sum(n for status, n in statuses.items() if status >= 500)
    refused = sum(n for status, n in statuses.items() if 400 <= status < 500)
    right = _good(ours.connection(), "/predict", good, FORM)[0] == expected
    told("answers of 5xx to nonsense", f"{failed} of {statuses.total():,}", "0")
    told(
        f"  {len(by_schema):,} by schemathesis, the others damaged",
        f"{refused:,} of 4xx, {statuses[200]:,} could be read",
    )
    told("  the next good request", "is right" if right else "is WRONG", "is right")
    told("  time of all, making them too", f"{seconds:.0f} s")


def _by_schema(ours: Server, number: int) -> list[int]:
    """Return the status of requests that the service's own description forbids."""
    import requests
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from schemathesis.generation import GenerationMode

    address = f"http://127.0.0.1:{ours.port}"
    session, statuses = requests.Session(), []
    described = schemathesis.openapi.from_dict(session.get(f"{address}/openapi.json").json())
    operation = described["/predict"]["POST"]
    while len(statuses) < number:  # what it has made before is not made again in one run

        @seed(len(statuses))
        @settings(
            max_examples=min(1000, number - len(statuses)),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        def ask(case: Any) -> None:
            sent = case.as_transport_kwargs(base_url=address)
            statuses.append(session.request(**sent, timeout=60).status_code)

        ask()
    session.close()
    return statuses


def _kill(share: float, files: list[Path]) -> None:
    """Kill the server while files come in, and look at what it leaves."""
    scratch = Path("scratch").resolve()
    scratch.mkdir()
    command, env = _ours(TMPDIR=str(scratch))
    starts = []
    for _ in range(max(2, int(STARTS * share))):
        with serving(command, env) as server:
            starts.append(server.started)
    content = files[0].read_bytes()
    number, half = int(max(CUT * share, 20)), b" " * (2 << 20)  # beyond what is kept in memory
    lines = ("Host: localhost", f"Content-Type: {FORM}", f"Content-Length: {4 * len(half)}")
    start = "\r\n".join(["POST /predict HTTP/1.1", *lines, "", ""]).encode()
    sent = start + form(b"a.txt", half).removesuffix(b"\r\n--XX--\r\n")
    with serving(command, env) as server:
        begun = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(number)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: one.sendall(sent), begun))
        server.process.kill()
        server.process.wait(timeout=30)
        for one in begun:
            one.close()
    left = list(scratch.rglob("*"))
    with serving(command, env) as server:
        again = server.started
        _good(server.connection(), "/predict", form(b"a.txt.gz", content), FORM)
    told(
        f"killed in {number} uploads, until it answers again",
        f"{again:.2f} s",
        f"as a start: {min(starts):.2f} to {max(starts):.2f} s",
    )
    told("  files left by it", str(len(left)), "0")


def _command_line(share: float, file: Path) -> None:
    read = (
        f"import sklearn; from ionprint.spectra.reading import read_spectrum as r; r({str(file)!r})"
    )
    env, times = _environment(), {"predict": [], "plain": []}
    for _ in range(1 + max(3, int(ROUNDS * share))):
        for name, command in (
            ("predict", ["-m", "ionprint.cli", "predict", str(file), "--model", "outputs/model"]),
            ("plain", ["-c", read]),
        ):
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True, env=env)
            times[name].append(time.perf_counter() - start)
    ours, plain = (np.array(times[name][1:]) for name in ("predict", "plain"))
    told(
        "`ionprint predict` of one export, process and all",
        f"{np.median(ours):.2f} s",
    )
    told("`import sklearn` and reading the file", f"{np.median(plain):.2f} s")
    told("ratio", f"{np.median(ours / plain):.2f}", "1.3 at most")


def _areas(model: Any, files: list[Path]) -> Iterator[np.ndarray]:
    from ionprint.serving.given import of_file

    for path in files:
        yield model.areas_of(of_file(path)[0]).areas


def _run(module: str, *words: str, env: dict[str, str]) -> str:
    command = [sys.executable, "-m", module, *words]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a twentieth of the requests")
    main(0.05 if parser.parse_args().quick else 1.0)
