"""Signing in with a key, and out."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from api.access import sessions
from api.access.callers import Counted, Visitor
from api.access.errors import TooManyRequests, TooManyWrongKeys
from api.errors import Unauthorized
from api.pages.problems import PageRoute, said
from api.pages.render import page, see

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/sign-in")
def ask(request: Request, visitor: Visitor, target: Annotated[str, Query(alias="next")] = "/") -> Response:
    """The form."""
    return page(request, "sign_in.html", caller=visitor, target=_local(target), problem=None)


@router.post("/sign-in")
def sign_in(
    request: Request,
    key: Annotated[str, Form()] = "",
    target: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Begin a session, and go where one wanted to."""
    try:
        signed_in = sessions.sign_in(request, key.strip())
    except (Unauthorized, TooManyRequests, TooManyWrongKeys) as error:
        headers = {name: value for name, value in error.headers.items() if name == "Retry-After"}
        return page(
            request,
            "sign_in.html",
            caller=None,
            status=error.status,
            headers=headers,
            target=_local(target),
            problem=said(error),
        )
    response = see(_local(target))
    if signed_in is not None:
        sessions.set_cookie(response, request, signed_in.token)
    return response


@router.post("/sign-out", dependencies=[Counted])
def sign_out(request: Request) -> Response:
    """End the session."""
    sessions.sign_out(request)
    response = see("/")
    sessions.clear_cookie(response)
    return response


def _local(target: str) -> str:
    """An address of this service, and never another's: `//host` and `/\\host` are both another's."""
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_ours else "/"
