"""Answer predictions over HTTP, for people on a page and for programs."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ionprint.stages.predict import add_model, champion

if TYPE_CHECKING:
    from socket import socket as Socket

    from fastapi import FastAPI

    from ionprint.serving.service import Service

HELP = """\
Serve a trained model: a page to drop spectra on, /predict for programs, /docs for the description.
Listens on this machine alone unless told otherwise. The environment's IONPRINT_API_KEY is asked of
every request where it is set. `kill -HUP` or POST /reload loads the champion anew."""
KEY = "IONPRINT_API_KEY"
SENT = 256 << 10
"""Bytes of an answer that the system holds: 25 MB a second to a client 10 ms away."""
LOCAL = ("127.0.0.1", "localhost", "[::1]", "::1")


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "ionprint serve", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model(made)
    made.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    made.add_argument("--port", type=int, default=5001, help="(%(default)s; 0: any free one)")
    made.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that the service is called by, as behind a reverse proxy; may be repeated",
    )
    made.add_argument("--root-path", default="", help="where a reverse proxy shows it: /ionprint")
    made.add_argument("--max-mb", type=float, default=64, help="of one request (%(default)s)")
    made.add_argument(
        "--timeout",
        type=float,
        default=60,
        metavar="SECONDS",
        help="for a request to arrive, for its spectra to be read, and for the answer to be taken "
        "(%(default)s)",
    )
    return made


def main(args: list[str]) -> int:
    """Run `ionprint serve`.

    Raises
    ------
    IonprintError
        There is no such model, or the address cannot be used.
    """
    options = parser().parse_args(args)

    from ionprint.errors import ConfigError
    from ionprint.serving.app import Limits, create_app
    from ionprint.serving.service import Service
    from ionprint.stages.terminal import summary
    from ionprint.tracking.fetch import REGISTERED, load

    for name in ("max_mb", "timeout"):
        if not getattr(options, name) > 0:
            raise ConfigError(f"--{name.replace('_', '-')}: expected a number above 0")
    if not 0 <= options.port < 65536:
        raise ConfigError(f"--port {options.port}: expected 0 to 65535")
    key = os.environ.get(KEY)
    if key is not None and (len(key) < 16 or not key.isascii() or key != key.strip()):
        raise ConfigError(f"{KEY} is no good key: expected 16 or more ASCII characters, no spaces")
    uri = options.model or champion()
    if not uri.startswith(REGISTERED):
        uri = str(Path(uri).expanduser().resolve())
    here = options.host in LOCAL
    hosts = tuple(dict.fromkeys([*(LOCAL if here else ()), *map(str.lower, options.allow_host)]))
    limits = Limits(key, int(options.max_mb * 2**20), options.timeout, hosts)
    service = Service(lambda: load(uri), options.timeout)
    socket = _listening(options.host, options.port)
    port = socket.getsockname()[1]
    model = service.model
    named = model.identity["name"] and f"{model.identity['name']} {model.identity['version']}"
    summary(
        "ionprint serves",
        [
            ("model", named or uri),
            ("compounds", ", ".join(model.classes)),
            ("references", model.source),
            ("page", f"http://{options.host}:{port}/"),
            ("programs", f"http://{options.host}:{port}/docs"),
            ("key", "asked of every request" if key else "none is asked"),
        ],
    )
    if not here and not key:
        print(
            f"anyone who reaches this machine can use it: set {KEY}, or put a proxy with a login "
            f"before it"
        )
    _run(create_app(service, limits), service, socket, options.root_path)
    return 0


def _listening(host: str, port: int) -> "Socket":
    """Return a socket that listens, so that a taken port is told before anything starts."""
    import socket

    from ionprint.errors import ConfigError
    from ionprint.serving.connections import MOST

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named, because asyncio sends small answers at once on sockets that say they are TCP alone;
    # others wait 40 ms for the client's acknowledgement
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # the system would else hold megabytes of answers for each client that does not read
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT)
    try:
        made.bind((host.strip("[]"), port))
        made.listen(MOST)
    except OSError as exc:
        made.close()
        raise ConfigError(
            f"cannot listen on {host}:{port} ({exc.strerror}); choose another --port or --host"
        ) from exc
    return made


def _run(app: "FastAPI", service: "Service", listening: "Socket", root_path: str) -> None:
    import math
    import signal
    import sys
    import threading
    from functools import partial

    import uvicorn

    from ionprint.errors import IonprintError
    from ionprint.serving.connections import ACCEPTED, Connection, Connections, Server
    from ionprint.serving.log import start_log

    def again(*_) -> None:
        def load() -> None:
            try:
                model = service.reload()
            except IonprintError as exc:
                print(f"ionprint serve: {exc}. The old one goes on", file=sys.stderr)
            else:
                print(f"loaded {model.identity}", flush=True)

        threading.Thread(target=load, daemon=True).start()

    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, again)
    start_log()
    held = Connections(service.seconds)
    config = uvicorn.Config(
        app,
        http=partial(Connection, held=held),
        backlog=ACCEPTED,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        # what is whole is read, which takes no longer, and answered
        timeout_graceful_shutdown=math.ceil(service.seconds) + 10,
        root_path=root_path,
    )
    Server(config, held).run(sockets=[listening])
