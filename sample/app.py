"""The STAC API: Starlette routes over a catalogue, with CMR-STAC's manners and, on order, its bad ones."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sample import documents
from sample.catalog import Catalog
from sample.faults import Faults
from sample.faults.call import Call
from sample.log import Record, RequestLog
from sample.paging import page_of
from sample.query import BadRequest, read_search, write_cursor
from sample.reply import Reply, document, refusal, wait_for_client
from sample.source import TooWide

_GEOJSON = "application/geo+json; charset=utf-8"
_COMPRESS_FROM = 1000  # bytes

Endpoint = Callable[[Request, Call], Awaitable[Reply]]


class SampleApi:
    """What the routes share. `stopping` ends whatever waits, so that the server can go."""

    def __init__(self, catalog: Catalog, faults: Faults, log: RequestLog, *, compress: bool) -> None:
        self.catalog = catalog
        self.faults = faults
        self.log = log
        self.stopping = False
        self._compress = compress

    def routes(self) -> list[Route]:
        return [
            Route(path, _Handler(self, endpoint), methods=methods)
            for path, endpoint, methods in (
                ("/", self.landing, ("GET",)),
                ("/conformance", self.conformance, ("GET",)),
                ("/collections", self.collections, ("GET",)),
                ("/collections/{name}", self.collection, ("GET",)),
                ("/collections/{name}/items", self.search, ("GET",)),
                ("/search", self.search, ("GET", "POST")),
            )
        ]

    async def landing(self, request: Request, call: Call) -> Reply:
        return await self._answer(call, document(documents.landing_page(_base(request))))

    async def conformance(self, _request: Request, call: Call) -> Reply:
        return await self._answer(call, document({"conformsTo": documents.CONFORMANCE}))

    async def collections(self, request: Request, call: Call) -> Reply:
        return await self._answer(call, document(documents.collections(_base(request))))

    async def collection(self, request: Request, call: Call) -> Reply:
        name = request.path_params["name"]
        try:
            reply = document(documents.collection(_base(request), name))
        except KeyError:
            reply = refusal(404, f"Collection with ID [{name}] in provider [LPCLOUD] not found.")
        return await self._answer(call, reply)

    async def search(self, request: Request, call: Call) -> Reply:
        try:
            search = read_search(await _parameters(request))
            everything = self.catalog.search(search.query)
        except (BadRequest, TooWide) as error:
            return refusal(400, str(error))
        record = call.record
        record.parameters = search.parameters
        record.cursor = write_cursor(search.cursor) if search.cursor else None
        call.found = self.faults.visible(everything)
        call.page = page_of(call.found, search)
        if self.faults.advance(call):
            call.found = self.faults.visible(everything)
            call.page = page_of(call.found, search)
        refused = await self.faults.answer(call)
        if refused is not None:
            return refused
        self.faults.spoil(call)
        record.returned, record.matched = len(call.page.features), call.page.matched
        body = call.page.body(_base(request))
        return self.faults.deliver(Reply(200, body, {"content-type": _GEOJSON}), call)

    async def _answer(self, call: Call, reply: Reply) -> Reply:
        refused = await self.faults.answer(call)
        return refused or self.faults.deliver(reply, call)

    async def respond(self, endpoint: Endpoint, request: Request, record: Record, send: Send) -> None:
        async def gone(seconds: float) -> bool:
            return await wait_for_client(request, seconds, lambda: self.stopping)

        reply = await endpoint(request, Call(record=record, wait=gone, found=[]))
        record.status = reply.status
        asked = "gzip" in request.headers.get("accept-encoding", "")
        if self._compress and asked and len(reply.body) >= _COMPRESS_FROM:
            reply = reply.compressed()
        await reply.send(request, send, gone)


class _Handler:
    """An ASGI endpoint that keeps the log."""

    def __init__(self, api: SampleApi, endpoint: Endpoint) -> None:
        self._api = api
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        record = self._api.log.begin(request.method, request.url.path)
        try:
            await self._api.respond(self._endpoint, request, record, send)
        finally:
            self._api.log.end(record)


def create_app(
    catalog: Catalog, faults: Faults | None = None, log: RequestLog | None = None, *, compress: bool = True
) -> Starlette:
    """The STAC API as an ASGI application; `app.state.api` is its `SampleApi`.

    Args:
        catalog: what it serves.
        faults: how it misbehaves; not at all unless given.
        log: where it notes its requests.
        compress: answer in gzip where the client takes it.
    """
    api = SampleApi(catalog, faults or Faults(), log or RequestLog(), compress=compress)
    app = Starlette(routes=api.routes())
    app.state.api = api
    return app


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


async def _parameters(request: Request) -> Mapping[str, Any]:
    """What is searched for: the query of a GET, the body of a POST, and the collection of the path."""
    if request.method == "POST":
        try:
            given = orjson.loads(await request.body() or b"{}")
        except orjson.JSONDecodeError:
            raise BadRequest("The body is not JSON.") from None
        if not isinstance(given, dict):
            raise BadRequest("The body is not a JSON object.")
    else:
        given = dict(request.query_params)
    if name := request.path_params.get("name"):
        given = given | {"collections": name}
    return given
