"""Connections of clients that send slowly, not at all or wrongly, or never read their answers."""

import asyncio
import json
from dataclasses import dataclass, field
from socket import socket as Socket
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ionprint.serving.guard import SAFE

LONGEST_HEAD = 16 << 10
"""Bytes of the head of a request; browsers and proxies send a tenth of it."""
HEAD = 10.0
"""Seconds for the head of a request: a few hundred bytes, over the slowest of lines."""
TAKEN = 15.0
"""Seconds for the last 128 kB of an answer to be taken."""
ENDING = 2.0
"""Seconds for a body that is on its way when the server is told to stop."""
MOST = 1000
"""Connections, each of which may hold 200 kB: a head, a part of a body, a part of an answer."""
FEWEST = 16
ACCEPTED = 32
"""Connections accepted in one go; up to four times as many are there before they are counted."""
OWN_FILES = 4 * ACCEPTED + 192
"""Files open beside connections: those accepted, of forms that are read, of Python itself."""
RECEIVED = 64 << 10
"""Bytes taken from the system at once, which are a few milliseconds of work."""
CHUNKS, CHUNK = 1000, 64
"""Chunks of a body that may be of any size, and bytes that more of them need to have in the mean:
each costs as much work as a thousand bytes."""


def most_connections() -> int:
    """Return how many connections may be open: each may need a file besides, for what it sends."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MOST
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = soft if soft != resource.RLIM_INFINITY else 4 * MOST
    return max(FEWEST, min(MOST, (files - OWN_FILES) // 2))


@dataclass
class Connections:
    """All connections of a server.

    Attributes
    ----------
    seconds : float
        For a body to arrive and for an answer to be taken.
    most : int
        Open at once.
    heads, bodies : dict
        Those that wait for a head, or for the rest of a body; the longest first.
    ending : bool
        No more are taken.
    """

    seconds: float
    most: int = field(default_factory=most_connections)
    heads: dict["Connection", None] = field(default_factory=dict, repr=False)
    bodies: dict["Connection", None] = field(default_factory=dict, repr=False)
    ending: bool = False

    def make_room(self, new: "Connection") -> None:
        """Close the connection that has waited longest for its client, if there are too many."""
        if self.ending:
            new.drop()
        elif len(new.connections) > self.most:
            oldest = next(iter(self.heads))
            if oldest is new and self.bodies:
                oldest = next(iter(self.bodies))
            oldest.drop()


class Wire(h11.Connection):
    """HTTP as it comes; what two readers could take for different requests is refused."""

    reason = ""
    chunks = size = 0

    def next_event(self) -> Any:
        """Return what comes next.

        Raises
        ------
        h11.RemoteProtocolError
            It is no HTTP.
        """
        try:
            event = super().next_event()
            if type(event) is h11.Data:
                self._count(event)
            elif type(event) is h11.Request:
                self.chunks = self.size = 0
                names = {name for name, _ in event.headers}
                if {b"content-length", b"transfer-encoding"} <= names:
                    raise h11.RemoteProtocolError("both Content-Length and Transfer-Encoding")
        except h11.RemoteProtocolError as exc:
            self.reason = str(exc)
            raise
        return event

    def _count(self, event: h11.Data) -> None:
        self.chunks += event.chunk_start
        self.size += len(event.data)
        if self.chunks > CHUNKS + self.size / CHUNK:
            told = f"{self.chunks:,} chunks of {self.size / self.chunks:.0f} bytes in the mean"
            raise h11.RemoteProtocolError(f"{told}, expected {CHUNK} or more")


class Connection(H11Protocol):
    """One connection, which is closed when its client is waited for too long."""

    def __init__(self, *args: Any, held: Connections, **more: Any) -> None:
        super().__init__(*args, **more)
        self.conn = Wire(h11.SERVER, LONGEST_HEAD)
        self.held = held
        self._due: dict[str, asyncio.TimerHandle] = {}

    def drop(self) -> None:
        """Close it at once."""
        for waiting in (self.held.heads, self.held.bodies):
            waiting.pop(self, None)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin."""
        super().connection_made(transport)
        transport.max_size = RECEIVED
        self._within("head", min(HEAD, self.held.seconds))
        self.held.heads[self] = None
        self.held.make_room(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        for what in list(self._due):
            self._in_time(what)
        for waiting in (self.held.heads, self.held.bodies):
            waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes."""
        super().data_received(data)
        if self._note():
            self._within("head", min(HEAD, self.held.seconds))

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        super().on_response_complete()
        self._in_time("answer")
        if self.transport.is_closing():
            self._within("answer", TAKEN)
        elif self.flow.write_paused:
            self._within("answer", self.held.seconds)
        self._note()

    def pause_writing(self) -> None:
        """Wait for the client to take some of its answer."""
        super().pause_writing()
        self._within("answer", self.held.seconds)

    def timeout_keep_alive_handler(self) -> None:
        """Close it, as nothing was asked for a while."""
        super().timeout_keep_alive_handler()
        self._within("answer", TAKEN)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the form of all refusals, and read no more of it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whoever answers has nobody to send to
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.drop()
                return
        problem = {"field": "request", "reason": f"no valid HTTP: {self.conn.reason[:200]}"}
        body = json.dumps({"errors": [problem]}).encode()
        kinds = [(b"content-type", b"application/json"), (b"connection", b"close")]
        length = [(b"content-length", b"%d" % len(body))]
        headers = [*kinds, *length, *SAFE]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        self.transport.close()
        self._within("answer", TAKEN)

    def shutdown(self) -> None:
        """End, but answer what is all there."""
        if self.cycle is None or self.cycle.response_complete:
            super().shutdown()
            self._within("answer", ENDING)
        else:
            super().shutdown()
            if self.cycle.more_body:
                self._within("body", ENDING)

    def _note(self) -> bool:
        """Note what the client is waited for, and return whether it is for a head."""
        if self.transport.is_closing():
            return False
        head = self.cycle is None or self.cycle.response_complete
        body = not head and self.cycle.more_body
        for waiting, here in ((self.held.heads, head), (self.held.bodies, body)):
            if not here:
                waiting.pop(self, None)
            elif self not in waiting:
                waiting[self] = None
        if not head:
            self._in_time("head")
        if not body:
            self._in_time("body")
        return head

    def _within(self, what: str, seconds: float) -> None:
        """Close the connection after some time, unless that is there by then."""
        if what not in self._due:
            self._due[what] = self.loop.call_later(seconds, self.drop)

    def _in_time(self, what: str) -> None:
        if due := self._due.pop(what, None):
            due.cancel()


class Server(uvicorn.Server):
    """A server that holds so many connections and no more."""

    def __init__(self, config: uvicorn.Config, held: Connections) -> None:
        super().__init__(config)
        self.held = held

    async def startup(self, sockets: list[Socket] | None = None) -> None:
        """Begin; the system may keep more waiting than are accepted in one go."""
        await super().startup(sockets)
        for listening in sockets or []:
            listening.listen(MOST)

    async def shutdown(self, sockets: list[Socket] | None = None) -> None:
        """End."""
        self.held.ending = True
        await super().shutdown(sockets)
