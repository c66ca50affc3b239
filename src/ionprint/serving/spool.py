"""What is on its way in or out: a little in memory, more in a temporary file without a name."""

import tempfile
import threading
from collections.abc import AsyncIterable, Iterator
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool

from ionprint.serving.refusal import BODY, Refused

HELD = 64 << 10
"""Bytes of each that are held in memory: a thousand connections hold 64 MB."""
BLOCK = 1 << 20
"""Bytes that are looked through at once."""


class Room:
    """Room on the disk, for all that is on its way.

    What is below a `BLOCK` always has some, so that a few large bodies that never end do not keep
    out the others; a thousand connections take 1 GB with it.

    Parameters
    ----------
    most : int
        Bytes.
    """

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0
        self._lock = threading.Lock()

    def take(self, size: int, always: bool) -> None:
        """Take some of it, `always` or only if there is as much left."""
        with self._lock:
            if not always and self.taken + size > self.most:
                told = f"{self.taken:,} bytes of other requests are waiting; send it again later"
                raise Refused(503, (BODY, told))
            self.taken += size

    def give(self, size: int) -> None:
        """Give it back."""
        with self._lock:
            self.taken -= size


class Spool:
    """Bytes that are written once and read in parts.

    Parameters
    ----------
    room : Room

    Attributes
    ----------
    size : int
    """

    def __init__(self, room: Room) -> None:
        self.size = 0
        self._room, self._taken = room, 0
        self._few: bytearray | bytes = bytearray()
        self._file: BinaryIO | None = None

    async def __aenter__(self) -> "Spool":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def fill(self, chunks: AsyncIterable[bytes]) -> None:
        """Take all that comes.

        Raises
        ------
        Refused
            There is no room for it.
        """
        async for chunk in chunks:
            self.size += len(chunk)
            self._few += chunk
            if len(self._few) > HELD:
                await run_in_threadpool(self._keep)
        if self._file:
            await run_in_threadpool(self._keep)

    def put(self, content: bytes) -> "Spool":
        """Take what is there at once, see `fill`."""
        self.size, self._few = len(content), content
        if self.size > HELD:
            self._keep()
        return self

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes from one place to another."""
        if self._file is None:
            return bytes(self._few[start:stop])
        self._file.seek(start)
        return self._file.read(-1 if stop is None else stop - start)

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Yield all of it in parts."""
        for start in range(0, self.size, size):
            yield self.read(start, min(start + size, self.size))

    def close(self) -> None:
        """Let it go, and with it the room it took."""
        self._few = bytearray()
        if self._file:
            self._file.close()
        self._room.give(self._taken)
        self._taken = 0

    def _keep(self) -> None:
        self._room.take(len(self._few), always=self.size <= BLOCK)
        self._taken += len(self._few)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            left = memoryview(self._few)
            while left:
                left = left[self._file.write(left) :]
            left.release()
        except OSError as exc:
            told = f"no room for it in the temporary folder ({exc.strerror}); send it again later"
            raise Refused(503, (BODY, told)) from exc
        self._few = bytearray()
