"""Around every request: its id, its line in the log, its metrics."""

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import unexpected
from api.logs import request_id
from api.metrics import Metrics

HEADER = "X-Request-ID"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_UNKNOWN_ROUTE = "unknown"

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
                MutableHeaders(scope=message)[HEADER] = request_id.get() or ""
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
        route, method = getattr(scope.get("route"), "path", _UNKNOWN_ROUTE), scope["method"]
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
        details = {"action": "request", "method": method, "path": scope["path"], "status": status}
        logger.info("%s %s", method, scope["path"], extra=details | {"ms": round(1000 * seconds, 1)})
