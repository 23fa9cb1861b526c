"""Before any route: what is refused as cheaply as can be."""

import contextlib
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.credentials import Access, address_of
from api.access.errors import CrossSite, ForeignHost
from api.access.sites import is_of_host, is_this_machine
from api.errors import BodyTooLarge, Problem, problem_reply

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_OWN_SITES = frozenset({"same-origin", "none"})


class Gate:
    """Refuses large bodies, changes that another site's page asks for, names that are not ours, and who guesses keys."""

    def __init__(self, app: ASGIApp, access: Access, max_body_bytes: int) -> None:
        self._app = app
        self._access = access
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Callable[[Scope, Receive, Send], Awaitable[None]] = self._app
        if scope["type"] == "http":
            receive = self._counting(receive)
            try:
                await self._check(Request(scope))
            except Problem as problem:
                answer = problem_reply(problem)
        await answer(scope, receive, send)

    def _counting(self, receive: Receive) -> Receive:
        """For bodies that state no length, or a wrong one."""
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_body_bytes:
                # FastAPI makes any other error while it reads the body into one of JSON.
                raise HTTPException(BodyTooLarge.status)
            return message

        return counted

    async def _check(self, request: Request) -> None:
        self._check_size(request.headers)
        await self._check_host(request.headers)
        if request.method not in _SAFE and not _is_own_page(request.headers):
            raise CrossSite("A page of another site asked for this change. Open the service's own page and try there.")
        self._access.check_guesses(request, address_of(request))

    async def _check_host(self, headers: Headers) -> None:
        """Where no key is asked for, another site could lead its own name here and its page be taken for one of ours."""
        host = headers.get("host", "")
        if self._access.was_guarded or not host or is_this_machine(host):
            return
        with contextlib.suppress(SQLAlchemyError):  # who is let through will not get far without the database
            if not await run_in_threadpool(self._access.is_guarded):
                raise ForeignHost(
                    f"This service asks for no key, so it is for its own machine: call it localhost, not {host}."
                )

    def _check_size(self, headers: Headers) -> None:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._max_body_bytes:
            raise BodyTooLarge.of(self._max_body_bytes)


def _is_own_page(headers: Headers) -> bool:
    """Browsers tell the second only of sites that they trust, and the first of every change."""
    origin, host = headers.get("origin"), headers.get("host", "")
    return (origin is None or is_of_host(origin, host)) and headers.get("sec-fetch-site", "none") in _OWN_SITES
