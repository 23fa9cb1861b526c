"""The API's errors, in its own words, for somebody who looks at a page."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from api.access.callers import Caller
from api.errors import MEDIA_TYPE, Problem, Unauthorized, unexpected
from api.pages.render import page, sign_in_first

Handler = Callable[[Request, Exception], Any]


def install(app: FastAPI) -> None:
    """Where the address is a page's, answer with a page that says what the JSON would have said."""
    for kind, handler in list(app.exception_handlers.items()):
        if isinstance(kind, type) and handler is not None:
            app.add_exception_handler(kind, _as_page(handler))


class PageRoute(APIRoute):
    """A page whose unexpected faults are told by a page too; those that the app knows have their handlers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        served = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await served(request)
            except Exception as error:
                if any(kind in request.app.exception_handlers for kind in type(error).__mro__):
                    raise
                return await run_in_threadpool(page_of, request, unexpected(error))

        return handler


def is_page(request: Request) -> bool:
    path = request.url.path
    return path in ("/", "/sign-in", "/sign-out") or path.startswith("/ui/")


def faults_by_field(problem: dict[str, Any]) -> dict[str, str]:
    """Message by field; those of a part of a field stand with the field, the rest under ''."""
    found: dict[str, str] = {}
    for fault in problem.get("errors") or []:
        name = fault["field"].split(".")[0]
        found[name] = f"{found[name]}; {fault['message']}" if name in found else fault["message"]
    return found


def said(problem: Problem) -> dict[str, Any]:
    """The members that the API's problem+json has."""
    return {"title": problem.title, "status": int(problem.status), "detail": problem.detail, **problem.members}


def _as_page(handler: Any) -> Handler:
    def answer(request: Request, error: Exception) -> Response:
        reply: Response = handler(request, error)
        if not is_page(request) or reply.media_type != MEDIA_TYPE:
            return reply
        if isinstance(error, Unauthorized) and request.url.path != "/sign-in":
            return sign_in_first(request) if request.method == "GET" else page_of(request, reply)
        return page_of(request, reply)

    return answer


def page_of(request: Request, reply: Response) -> Response:
    """The page of a problem, for who was told apart before it came up."""
    caller: Caller | None = getattr(request.state, "caller", None)
    headers = {name: value for name, value in reply.headers.items() if name in ("retry-after", "allow")}
    problem = json.loads(bytes(reply.body))
    return page(request, "problem.html", caller=caller, status=reply.status_code, headers=headers, problem=problem)
