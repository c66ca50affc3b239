"""The HTTP service: one page for people, `/predict` for programs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import cache, partial
from importlib.resources import files
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

import ionprint
from ionprint.errors import IonprintError
from ionprint.serving import schema
from ionprint.serving.guard import SAFE, Guard, Limits, refusal
from ionprint.serving.model import Model
from ionprint.serving.refusal import BODY, Refused
from ionprint.serving.service import EXTRAS, MOST_SPECTRA, Service, Upload
from ionprint.serving.spool import HELD, Room, Spool
from ionprint.serving.weighing import LARGE

AT_ONCE = 32 << 10
"""Bytes of a request for one list of peaks, which is read sooner than a thread is woken."""
READERS = 2
"""Requests read at once: Python computes one at a time, and each takes memory. Of those larger than
`LARGE` one, so that small ones never wait for two of them."""
MOST_WAITING = 100
"""Requests that wait for a reader; an export takes some 20 ms, so most of them for two seconds."""
ROOM = 32
"""Requests of the greatest size that there is room for on the disk, 2 GB of 64 MB each."""
JSON, FORM = "application/json", "multipart/form-data"
PAGE = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
}


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
    app.add_exception_handler(Refused, lambda _, exc: refusal(exc))
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(Exception, _failed)

    readers, room = Readers(), Room(ROOM * limits.body)

    @app.post("/predict", **schema.predict(limits.key is not None))
    async def predict(request: Request) -> Response:
        return await _read(request, service, readers, room, limits.seconds)

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
        async for _ in request.stream():  # nothing is expected in it
            pass
        try:
            model = await run_in_threadpool(service.reload)
        except IonprintError as exc:
            raise Refused(409, ("model", f"{exc}. The one that was loaded goes on")) from exc
        return JSONResponse({"status": "ok", "model": model.identity})

    for path, (file, kind) in PAGE.items():
        app.add_api_route(f"/{path}", _static(file, kind), include_in_schema=False)
    app.add_api_route("/plotly.js", _plotly, include_in_schema=False)
    return app


async def _read(
    request: Request, service: Service, readers: "Readers", room: Room, seconds: float
) -> Response:
    """Answer a request for spectra to be read."""
    include, kind = _include(request), _media_type(request)
    if kind not in (JSON, FORM):
        raise Refused(415, ("content-type", f"got {kind[:60]!r}, expected {JSON} or {FORM}"))
    if kind == FORM:
        _refuse_codecs(request)
    async with Spool(room) as body:
        await body.fill(request.stream())
        if kind == JSON and body.size <= AT_ONCE:
            records = service.records(body.read())
            if len(records) == 1 and isinstance(records[0], dict) and "area" in records[0]:
                return _sent(*service.of_records(records, include), room)
        async with readers.turn(body.size > LARGE):
            if await request.is_disconnected():  # while it waited
                raise ClientDisconnect
            if kind == JSON:
                read = partial(service.of_json, body, include)
                return await run_in_threadpool(lambda: _sent(*read(), room))
            async with _form(request, body, seconds) as (sent, numbers):
                read = partial(service.of_files, sent, numbers, include)
                return await run_in_threadpool(lambda: _sent(*read(), room))


def _sent(model: Model, content: bytes, room: Room) -> Response:
    """Return what is answered; if it is long it waits on the disk until the client takes it."""
    answered = {"X-Ionprint-Model": model.identity["id"]}
    if model.identity["name"]:
        version = f"{model.identity['name']}/{model.identity['version']}"
        answered["X-Ionprint-Version"] = quote(version)  # headers hold no other letters
    if len(content) <= HELD:
        return Response(content, media_type=JSON, headers=answered)
    answer = Spool(room).put(content)
    return InParts(answer.blocks(HELD), answer.size, JSON, answered, answer.close)


class InParts(Response):
    """A long answer, sent as its client takes it: one that does not holds no more than a part.

    Parameters
    ----------
    parts : iterable of bytes
    size : int
        Of all of them.
    kind : str
        Media type.
    headers : dict of str to str
    close : callable, optional
        Called at the end, however that comes.
    """

    def __init__(
        self,
        parts: Iterable[bytes],
        size: int,
        kind: str,
        headers: dict[str, str],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(None, 200, {**headers, "Content-Length": str(size)}, kind)
        self.parts, self.close = parts, close

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Send it."""
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        try:
            await send(head)
            for part in self.parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
                await asyncio.sleep(0)  # a client that is quick must not keep out the others
            await send({"type": "http.response.body"})
        finally:
            self.close()


class Readers:
    """Who reads requests, a few at once; the others wait for their turn."""

    def __init__(self) -> None:
        self._any, self._large = asyncio.Semaphore(READERS), asyncio.Semaphore(1)
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self, large: bool) -> AsyncIterator[None]:
        """Wait until a request may be read.

        Raises
        ------
        Refused
            Too many wait.
        """
        if self._waiting >= MOST_WAITING:
            told = f"{MOST_WAITING} requests are waiting to be read; send it again later"
            raise Refused(503, ("request", told))
        async with contextlib.AsyncExitStack() as held:
            self._waiting += 1
            try:
                for slots in (self._large, self._any) if large else (self._any,):
                    await held.enter_async_context(slots)
            finally:
                self._waiting -= 1
            yield


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _refuse_codecs(request: Request) -> None:
    """Names would be read in any of Python's codecs, some of which are no text at all."""
    options = parse_options_header(request.headers["content-type"])[1]
    if (charset := options.get(b"charset", b"utf-8").lower()) not in (b"utf-8", b"utf8"):
        raise Refused(415, ("content-type", f"got charset {charset[:40]!r}, expected utf-8"))


@contextlib.asynccontextmanager
async def _form(
    request: Request, body: Spool, seconds: float
) -> AsyncIterator[tuple[list[Upload], dict[str, str]]]:
    """Yield the files of a form, by name and content, and its numbers."""

    async def parts() -> AsyncIterator[bytes]:
        for block in body.blocks(HELD):
            yield block
            await asyncio.sleep(0)  # others are answered between

    most = {"max_files": MOST_SPECTRA, "max_fields": 10, "max_part_size": 1 << 20}
    try:
        async with asyncio.timeout(seconds):
            form = await MultiPartParser(request.headers, parts(), **most).parse()
    except MultiPartException as exc:
        raise Refused(400, (BODY, f"not a form with files: {exc.message[:200]}")) from exc
    except TimeoutError:
        told = f"not all was read within {seconds:g} seconds; send fewer at once"
        raise Refused(413, (BODY, told)) from None
    sent: list[Upload] = []
    numbers: dict[str, str] = {}
    try:
        for name, value in form.multi_items():
            if name == "files" and not isinstance(value, str):
                sent.append((_plain_name(value.filename), value.file))
            elif name in ("primary_ions", "pulses") and isinstance(value, str):
                if name in numbers:
                    raise Refused(422, (name, "stands there twice; it is of all files"))
                numbers[name] = value
            else:
                raise Refused(
                    422,
                    (name[:60] or BODY, "not known; expected files, and primary_ions or pulses"),
                )
        yield sent, numbers
    finally:
        await form.close()


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
    parts = (content[start : start + HELD] for start in range(0, len(content), HELD))
    kept = {"Cache-Control": "public, max-age=86400"}
    return InParts(parts, len(content), "text/javascript; charset=utf-8", kept)
