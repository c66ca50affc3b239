"""The HTTP service: one page for people, `/predict` for programs."""

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect

import ionprint
from ionprint.errors import IonprintError
from ionprint.serving import schema
from ionprint.serving.model import Model
from ionprint.serving.service import BODY, EXTRAS, MOST_SPECTRA, Refused, Service

AT_ONCE = 32 << 10
"""Bytes of a request for one list of peaks, which is read sooner than a thread is woken."""
KEY = "X-API-Key"
CLOSED = ("/predict", "/model", "/reload")
"""What asks for the key, where there is one."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""The page loads nothing from elsewhere and is in no other page; plotly sets styles of its own."""
JSON, FORM = "application/json", "multipart/form-data"
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
PAGE = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
}


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
        For a request's body to arrive.
    hosts : tuple of str
        Names in the header `Host` that are answered; empty: all.
    """

    key: str | None = field(default=None, repr=False)
    body: int = 64 << 20
    seconds: float = 60.0
    hosts: tuple[str, ...] = ()


def create_app(service: Service, limits: Limits) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    service : Service
    limits : Limits
    """
    app = FastAPIOffline(
        title="ionprint",
        version=ionprint.__version__,
        description=schema.DESCRIPTION,
        redoc_url=None,
    )
    app.add_middleware(Guard, limits=limits)
    app.add_exception_handler(Refused, lambda _, exc: _refusal(exc))
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(Exception, _failed)

    @app.post("/predict", **schema.predict(limits.key is not None))
    async def predict(request: Request) -> Response:
        include = _include(request)
        kind = _media_type(request)
        if kind == JSON:
            model, text = await _answered(service, await request.body(), include)
        elif kind == FORM:
            sent, numbers = await _form(request)
            model, text = await run_in_threadpool(service.of_files, sent, numbers, include)
        else:
            raise Refused(415, ("content-type", f"got {kind[:60]!r}, expected {JSON} or {FORM}"))
        answered = {"X-Ionprint-Model": model.identity["id"]}
        if model.identity["name"]:
            version = f"{model.identity['name']}/{model.identity['version']}"
            answered["X-Ionprint-Version"] = quote(version)  # headers hold no other letters
        return Response(text.encode(), media_type=JSON, headers=answered)

    @app.get("/health", **schema.health())
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok", "model": service.model.identity})

    @app.get("/model", **schema.model(limits.key is not None))
    async def about() -> JSONResponse:
        return JSONResponse(service.about())

    @app.post("/reload", **schema.reload(limits.key is not None))
    async def reload(request: Request) -> JSONResponse:
        # a form of some other page could not send this type without being asked first
        if (kind := _media_type(request)) != JSON:
            raise Refused(415, ("content-type", f"got {kind[:60]!r}, expected {JSON}"))
        await request.body()
        try:
            model = await run_in_threadpool(service.reload)
        except IonprintError as exc:
            raise Refused(409, ("model", f"{exc}. The one that was loaded goes on")) from exc
        return JSONResponse({"status": "ok", "model": model.identity})

    for path, (file, kind) in PAGE.items():
        app.add_api_route(f"/{path}", _static(file, kind), include_in_schema=False)
    app.add_api_route("/plotly.js", _plotly, include_in_schema=False)
    return app


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
                await _refusal(exc)(scope, receive, sending)
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


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _answered(service: Service, body: bytes, include: tuple[str, ...]) -> tuple[Model, str]:
    """Answer JSON, in a thread where it takes more than a few milliseconds."""
    if len(body) > AT_ONCE:
        return await run_in_threadpool(service.of_json, body, include)
    records = service.records(body)
    if len(records) == 1 and isinstance(records[0], dict) and "area" in records[0]:
        return service.of_records(records, include)
    return await run_in_threadpool(service.of_records, records, include)


async def _form(request: Request) -> tuple[list[tuple[str, bytes]], dict[str, str]]:
    """Return the files of a form, by name and content, and its numbers."""
    # names would be read in any of Python's codecs, some of which are no text at all
    options = parse_options_header(request.headers["content-type"])[1]
    if (charset := options.get(b"charset", b"utf-8").lower()) not in (b"utf-8", b"utf8"):
        raise Refused(415, ("content-type", f"got charset {charset[:40]!r}, expected utf-8"))
    try:
        form = await request.form(max_files=MOST_SPECTRA, max_fields=10, max_part_size=1 << 20)
    except (MultiPartException, HTTPException) as exc:
        reason = str(getattr(exc, "message", None) or getattr(exc, "detail", exc))
        raise Refused(400, (BODY, f"not a form with files: {reason[:200]}")) from exc
    sent: list[tuple[str, bytes]] = []
    numbers: dict[str, str] = {}
    try:
        for name, value in form.multi_items():
            if name == "files" and not isinstance(value, str):
                sent.append((_plain_name(value.filename), await value.read()))
            elif name in ("primary_ions", "pulses") and isinstance(value, str):
                if name in numbers:
                    raise Refused(422, (name, "stands there twice; it is of all files"))
                numbers[name] = value
            else:
                raise Refused(
                    422,
                    (name[:60] or BODY, "not known; expected files, and primary_ions or pulses"),
                )
    finally:
        await form.close()
    return sent, numbers


def _plain_name(name: str | None) -> str:
    """Return a file's own name: where it lay on the sender's disk is nobody's concern."""
    plain = (name or "").replace("\\", "/").rpartition("/")[2]
    return plain[:200] or "file"


def _include(request: Request) -> tuple[str, ...]:
    asked = tuple(filter(None, ",".join(request.query_params.getlist("include")).split(",")))
    if unknown := set(asked) - set(EXTRAS):
        known = " or ".join(EXTRAS)
        raise Refused(422, ("include", f"got {sorted(unknown)[0][:40]!r}, expected {known}"))
    return asked


def _refusal(exc: Refused) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if exc.status == 401 else None
    return JSONResponse({"errors": exc.problems}, exc.status, headers)


async def _told(_: Request, exc: Exception) -> JSONResponse:
    """Answer what the framework refuses in the same form."""
    problem = {"field": "request", "reason": str(exc.detail)}
    return JSONResponse({"errors": [problem]}, exc.status_code, exc.headers)


async def _failed(_: Request, exc: Exception) -> JSONResponse:
    """Answer what should not happen, without telling its inside; the log has that."""
    problem = {"field": "request", "reason": f"the server failed ({type(exc).__name__})"}
    return JSONResponse({"errors": [problem]}, 500, {k.decode(): v.decode() for k, v in SAFE})


def _static(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    async def page() -> Response:
        content = files("ionprint.serving").joinpath(name).read_bytes()
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return page


@cache
def _plotly_bytes() -> bytes:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().encode()


async def _plotly() -> Response:
    content = await run_in_threadpool(_plotly_bytes)
    kept = {"Cache-Control": "public, max-age=86400"}
    return Response(content, media_type="text/javascript; charset=utf-8", headers=kept)
