"""Before any route: what is refused without asking the database."""

from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.credentials import Access, address_of
from api.access.errors import CrossSite
from api.errors import BodyTooLarge, Problem, problem_reply

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_OWN_SITES = frozenset({"same-origin", "none"})


class Gate:
    """Refuses bodies that are too large, changes asked for by another site's page, and addresses that guess keys."""

    def __init__(self, app: ASGIApp, access: Access, max_body_bytes: int) -> None:
        self._app = app
        self._access = access
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Callable[[Scope, Receive, Send], Awaitable[None]] = self._app
        if scope["type"] == "http":
            receive = self._counting(receive)
            try:
                self._check(Request(scope))
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

    def _check(self, request: Request) -> None:
        self._check_size(request.headers)
        if request.method not in _SAFE and request.headers.get("sec-fetch-site", "none") not in _OWN_SITES:
            raise CrossSite("A page of another site asked for this change. Open the service's own page and try there.")
        self._access.check_guesses(request, address_of(request))

    def _check_size(self, headers: Headers) -> None:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._max_body_bytes:
            raise BodyTooLarge.of(self._max_body_bytes)
