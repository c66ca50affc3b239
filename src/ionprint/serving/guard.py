"""What every request passes: host, key, size, time; and the headers that every answer has."""

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from ionprint.serving.refusal import BODY, Refused

KEY = "X-API-Key"
CLOSED = ("/predict", "/model", "/reload")
"""What asks for the key, where there is one."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""The page loads nothing from elsewhere and is in no other page; plotly sets styles of its own."""
DOCS_POLICY = POLICY.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'")
SAFE, DOCS_SAFE = (
    [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    for policy in (POLICY, DOCS_POLICY)
)
"""Headers of every answer."""
LATER = "10"
"""Seconds after which one who met an overload may ask again: a few large requests are read then."""


@dataclass(frozen=True)
class Limits:
    """What the service bears.

    Attributes
    ----------
    key : str or None
        What a request has to show in `X-API-Key`, or behind `Authorization: Bearer`.
    body : int
        Bytes of a request.
    seconds : float
        For a request's body to arrive, and for a form to be taken apart.
    hosts : tuple of str
        Names in the header `Host` that are answered; empty: all.
    """

    key: str | None = field(default=None, repr=False)
    body: int = 64 << 20
    seconds: float = 60.0
    hosts: tuple[str, ...] = ()


class Guard:
    """What every request passes: host, key, size, time; and headers that every answer has."""

    def __init__(self, app: Callable, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {k.lower(): v for k, v in scope["headers"]}
        body = _Body(receive, self.limits)
        began = False

        async def sending(message: dict) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                if (
                    not body.whole and b"expect" not in headers
                ):  # who asks first is not made to send
                    await body.discard()
                docs = scope["path"].endswith(("/docs", "/openapi.json"))
                added = DOCS_SAFE if docs else SAFE
                closes = [] if body.whole else [(b"connection", b"close")]
                message["headers"] = [*message["headers"], *added, *closes]
            await send(message)

        try:
            self._check(scope["path"], headers)
            await self.app(scope, body, sending)
        except Refused as exc:
            if not began:
                await refusal(exc)(scope, receive, sending)
        except ClientDisconnect:
            pass  # nobody is left to be answered

    def _check(self, path: str, headers: dict[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1").rpartition(":")
        name = host[0] if host[1] and not host[2].endswith("]") else host[0] + host[1] + host[2]
        if self.limits.hosts and name.lower() not in self.limits.hosts:
            raise Refused(
                400, ("host", f"got {name[:80]!r}, expected {' or '.join(self.limits.hosts)}")
            )
        if self.limits.key and path.rstrip("/").endswith(CLOSED):
            shown = headers.get(KEY.lower().encode(), b"")
            bearer = headers.get(b"authorization", b"")
            if bearer[:7].lower() == b"bearer ":
                shown = shown or bearer[7:].strip()
            if not hmac.compare_digest(shown, self.limits.key.encode()):
                raise Refused(401, (KEY, "missing or wrong; expected this server's key"))
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.limits.body:
            raise _too_much(self.limits)


class _Body:
    """A request's body on its way in, which is to end in time and not to be too large."""

    def __init__(self, receive: Callable[[], Awaitable[dict]], limits: Limits) -> None:
        self.receive, self.limits = receive, limits
        self.until = asyncio.get_running_loop().time() + limits.seconds
        self.size, self.whole = 0, False

    async def __call__(self) -> dict:
        if self.whole:  # what may come is the end of the connection
            return await self.receive()
        try:
            async with asyncio.timeout_at(self.until):
                message = await self._next()
        except TimeoutError:
            raise Refused(
                408, (BODY, f"not all there after {self.limits.seconds:g} seconds")
            ) from None
        self.size += len(message.get("body", b""))
        if self.size > self.limits.body:
            raise _too_much(self.limits)
        return message

    async def discard(self) -> None:
        """Read what is left: who still sends when the connection closes never sees the answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self.until):
                while not self.whole:
                    await self._next()

    async def _next(self) -> dict:
        message = await self.receive()
        self.whole = not message.get("more_body")
        return message


def _too_much(limits: Limits) -> Refused:
    return Refused(413, (BODY, f"more than {limits.body:,} bytes"))


def refusal(exc: Refused) -> JSONResponse:
    """Return the answer that tells what is wrong."""
    told = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": LATER}}
    return JSONResponse({"errors": exc.problems}, exc.status, told.get(exc.status))
