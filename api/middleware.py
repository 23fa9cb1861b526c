"""Around every request: its id, its line in the log, its metrics, and the headers of every reply."""

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import unexpected
from api.logs import request_id
from api.metrics import Metrics
from worker.contract.logs import JOB_ID

HEADER = "X-Request-ID"
CONTENT_SECURITY = "default-src 'none'; frame-ancestors 'none'"
_SECURITY = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_ONE_YEAR = "max-age=31536000"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNKNOWN = "unknown"

logger = logging.getLogger(__name__)


class RequestRecord:
    """Takes a request's id from its header, or makes one, and records how the request went."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        token = request_id.set(given if _ACCEPTABLE.fullmatch(given) else secrets.token_hex(8))
        status, began_reply, began = 500, False, time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status, began_reply
            if message["type"] == "http.response.start":
                status, began_reply = message["status"], True
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id.get() or ""
                _secure(headers, scope["scheme"])
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if began_reply:
                raise
            await unexpected(error)(scope, receive, watched)
        finally:
            self._record(scope, status, time.perf_counter() - began)
            request_id.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else _UNKNOWN
        route = getattr(scope.get("route"), "path", _UNKNOWN)
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
        details = {"action": "request", "method": scope["method"], "path": scope["path"], "status": status}
        if job := scope.get("path_params", {}).get("job_id"):
            details[JOB_ID] = job
        if caller := scope.get("state", {}).get("caller"):
            details["who"] = caller.actor
        logger.info("%s %s", scope["method"], scope["path"], extra=details | {"ms": round(1000 * seconds, 1)})


def _secure(headers: MutableHeaders, scheme: str) -> None:
    """What a route has set itself stays."""
    for name, value in _SECURITY.items():
        headers.setdefault(name, value)
    if scheme == "https":
        headers.setdefault("Strict-Transport-Security", _ONE_YEAR)
    if "json" in headers.get("content-type", ""):
        headers.setdefault("Cache-Control", "no-store")
