"""Answers, whole or spoilt on the way, and the error answers of CMR-STAC and of what stands before it."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import Send

_JSON = "application/json; charset=utf-8"
_APOLOGY = "We have been alerted and are working to resolve the problem. Please try your request again later."
_POLL = 0.02
_DRIPS = 50


class ConnectionCut(Exception):
    """The connection is closed in the middle of an answer, on order."""


@dataclass
class Reply:
    """An answer. `sent` is how much of the body goes out before the connection is cut, as a share; `drip` are the
    seconds that the body is spread over."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    sent: float = 1.0
    drip: float = 0.0

    def compressed(self) -> "Reply":
        self.body = gzip.compress(self.body, compresslevel=1, mtime=0)
        self.headers["content-encoding"] = "gzip"
        return self

    async def send(self, request: Request, send: Send, gone: Callable[[float], Awaitable[bool]]) -> None:
        """Send it; `gone` waits some seconds and says whether the client has left.

        Raises:
            ConnectionCut: the answer was cut on order.
        """
        headers = {"content-type": _JSON, "vary": "Accept-Encoding"} | self.headers
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        raw.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        body = self.body if request.method != "HEAD" else b""
        part = body[: int(len(body) * self.sent)]
        if self.drip:
            step = -(-len(part) // _DRIPS)
            for begin in range(0, len(part), step):
                await send({"type": "http.response.body", "body": part[begin : begin + step], "more_body": True})
                if await gone(self.drip / _DRIPS):
                    return
            part = b""
        cut = self.sent < 1
        await send({"type": "http.response.body", "body": part, "more_body": cut})
        if cut:
            raise ConnectionCut


def document(value: Any) -> Reply:
    return Reply(200, orjson.dumps(value))


def refusal(status: int, message: str) -> Reply:
    """An error in CMR-STAC's form: `{"errors": [message]}`."""
    return Reply(status, orjson.dumps({"errors": [message]}))


def too_many_requests(retry_after: float | None) -> Reply:
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return Reply(429, orjson.dumps({"errors": ["Too many requests"]}), headers)


def server_error() -> Reply:
    return refusal(500, f"Oops! Something has gone wrong. {_APOLOGY}")


def bad_gateway() -> Reply:
    """What a load balancer says when the server behind it has gone."""
    title = "502 Bad Gateway"
    lines = ("<html>", f"<head><title>{title}</title></head>", "<body>", f"<center><h1>{title}</h1></center>")
    page = "\r\n".join((*lines, "</body>", "</html>", ""))
    return Reply(502, page.encode(), {"content-type": "text/html", "server": "awselb/2.0"})


def unavailable() -> Reply:
    return refusal(503, f"Oops! A problem occurred upstream and we were unable to process your request. {_APOLOGY}")


def gateway_timeout() -> Reply:
    return Reply(504, orjson.dumps({"message": "Endpoint request timed out"}))


ERRORS: dict[int, Callable[[], Reply]] = {
    429: lambda: too_many_requests(None),
    500: server_error,
    502: bad_gateway,
    503: unavailable,
    504: gateway_timeout,
}


async def wait_for_client(request: Request, seconds: float, stopping: Callable[[], bool]) -> bool:
    """Wait, and say whether the client left or the server is to stop."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        if stopping() or await request.is_disconnected():
            return True
        await asyncio.sleep(min(_POLL, left))
    return False
