"""Every error as problem+json (RFC 9457) with a stable `type`."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Self

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api import db
from api.executors.base import ExecutorUnavailable
from api.faults import field_faults
from api.logs import request_id
from storage import StorageError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5

logger = logging.getLogger(__name__)


def problem_type(slug: str) -> str:
    return f"urn:hls:problem:{slug}"


class Problem(Exception):
    """The request could not be served."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    slug: ClassVar[str] = "internal-error"
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str, **members: Any) -> None:
        """`members` stand beside `type`, `title`, `status` and `detail` in the reply."""
        super().__init__(detail)
        self.detail = detail
        self.members = members

    @property
    def title(self) -> str:
        return (self.__doc__ or "").strip().rstrip(".")


class FieldFault(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="The field's name in the body or the query; empty for the whole body")
    message: str = Field(description="What is wrong with it, and what it should be")


class ProblemOut(BaseModel):
    """An error, as RFC 9457 writes it. Further members depend on the type."""

    type: str = Field(description="Stable name of the kind of error", examples=[problem_type("job-not-found")])
    title: str = Field(description="The kind of error, in words")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="What happened and what to do")
    request_id: str | None = Field(default=None, alias="requestId", description="To find the request in the logs")
    errors: list[FieldFault] | None = Field(default=None, description="Every faulty field of a bad request")


_REF = "#/components/schemas/{model}"


def problem_schemas() -> dict[str, Any]:
    """The schemas that `documented` refers to, for the components of the OpenAPI description."""
    schema = ProblemOut.model_json_schema(ref_template=_REF)
    return {**schema.pop("$defs"), ProblemOut.__name__: schema}


def documented(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that may fail so."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        entry = by_status.setdefault(
            int(problem.status),
            {"description": "", "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=ProblemOut.__name__)}}}},
        )
        sentence = (problem.__doc__ or "").strip()
        entry["description"] = f"{entry['description']} {sentence}".strip()
        entry["content"][MEDIA_TYPE].setdefault("examples", {})[problem.slug] = _example(problem, sentence)
    return by_status


def _example(problem: type[Problem], sentence: str) -> dict[str, Any]:
    value: dict[str, Any] = {
        "type": problem_type(problem.slug),
        "title": sentence.rstrip("."),
        "status": int(problem.status),
        "detail": sentence,
        "requestId": "5f0c8a3d9b7e4c21",
    }
    if problem is BadRequest:
        message = "209901 is in the future"
        value |= {"detail": f"yearMonth: {message}", "errors": [{"field": "yearMonth", "message": message}]}
    return {"summary": sentence, "value": value}


class BadRequest(Problem):
    """The request has faults."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "invalid-request"


class NotJson(Problem):
    """The body is not JSON."""

    status = HTTPStatus.BAD_REQUEST
    slug = "not-json"


class Unauthorized(Problem):
    """A key is needed."""

    status = HTTPStatus.UNAUTHORIZED
    slug = "unauthorized"
    headers = {"WWW-Authenticate": "Bearer"}  # noqa: RUF012  read only


class BodyTooLarge(Problem):
    """The body is too large."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    slug = "body-too-large"

    @classmethod
    def of(cls, most: int) -> Self:
        return cls(f"The body is larger than {most} bytes, the most that this service reads.")


class Unavailable(Problem):
    """The database, the storage or the executor cannot be reached, or too many ask at once."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "unavailable"


def reply(
    *, status: int, slug: str, title: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> JSONResponse:
    body = {"type": problem_type(slug), "title": title, "status": status, "detail": detail, **members}
    if current := request_id.get():
        body["requestId"] = current
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def install(app: FastAPI) -> None:
    """Answer every error of the app as problem+json."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(IntegrityError, _collision)
    app.add_exception_handler(db.Crowded, _crowded)
    for kind, part in (
        (OperationalError, "database"),
        (InterfaceError, "database"),
        (InternalError, "database"),  # such as one that has become read only, or that ended an idle transaction
        (PoolTimeout, "database"),
        (StorageError, "storage"),
        (ExecutorUnavailable, "executor"),
    ):
        app.add_exception_handler(kind, _unavailable(part))


def _problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101  registered for it
    return problem_reply(error)


def problem_reply(error: Problem) -> JSONResponse:
    return reply(
        status=error.status,
        slug=error.slug,
        title=error.title,
        detail=error.detail,
        headers=error.headers,
        **error.members,
    )


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for it
    found = error.errors()
    if any(fault["type"] == "json_invalid" for fault in found):
        reason = found[0].get("ctx", {}).get("error", "it cannot be parsed")
        return _problem(request, NotJson(f"The body is not JSON: {reason}. Send a JSON object."))
    faults = field_faults(found)
    detail = "; ".join(f"{fault['field'] or 'body'}: {fault['message']}" for fault in faults)
    return _problem(request, BadRequest(detail, errors=faults))


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.BAD_REQUEST:  # FastAPI's word for bytes that are no text
        return _problem(request, NotJson("The body cannot be read as text in UTF-8. Send a JSON object."))
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return problem_reply(BodyTooLarge.of(request.app.state.settings.max_body_bytes))
    words = {
        HTTPStatus.NOT_FOUND: "There is nothing at this address; /docs lists what there is.",
        HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this method; /docs lists what there is.",
    }
    return reply(
        status=status,
        slug=status.phrase.lower().replace(" ", "-"),
        title=status.phrase,
        detail=words.get(status, str(error.detail)),
        headers=_allowed(request) if status is HTTPStatus.METHOD_NOT_ALLOWED else error.headers,
    )


def _allowed(request: Request) -> dict[str, str]:
    """Every method that the address takes; Starlette names those of the first route with it only."""
    methods = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    return {"Allow": ", ".join(methods)}


def _collision(_request: Request, error: Exception) -> JSONResponse:
    logger.warning("two requests met", extra={"action": "collision"}, exc_info=error)
    return reply(
        status=HTTPStatus.CONFLICT,
        slug="collision",
        title="Another request changed the same at the same moment",
        detail="Another request changed the same at the same moment; nothing was done. Send this one again.",
    )


def _crowded(_request: Request, error: Exception) -> JSONResponse:
    logger.warning("more requests than can be served: %s", error, extra={"action": "crowded"})
    return reply(
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        slug="crowded",
        title="More requests came than could be served in time",
        detail="More requests came than could be served in time; nothing was done. Send this one again in a moment.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _unavailable(part: str) -> Any:
    def handler(_request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, DBAPIError) and db.was_too_slow(error):
            return _too_slow(error)
        logger.error("the %s cannot be reached", part, extra={"action": "unavailable"}, exc_info=error)
        # A database's own error names hosts and statements: it belongs in the log and not in the reply.
        reason = "" if isinstance(error, SQLAlchemyError) else f": {error}"
        return reply(
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            slug=f"{part}-unavailable",
            title=f"The {part} cannot be reached",
            detail=f"The {part} cannot be reached{reason}. Try again in a moment; /readyz tells when it is back.",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )

    return handler


def _too_slow(error: Exception) -> JSONResponse:
    logger.warning("a query took too long", extra={"action": "slow"}, exc_info=error)
    return reply(
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        slug="query-too-slow",
        title="The database took too long",
        detail="The database took too long over this, and was stopped. Ask for less at a time, or try again later.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def unexpected(error: Exception) -> JSONResponse:
    """The answer to a fault of our own, which goes to the log and not to the caller."""
    logger.error("unexpected error", extra={"action": "error"}, exc_info=error)
    return reply(
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        slug="internal-error",
        title="The service failed",
        detail="The service failed in a way that it does not know. The log has the details under this request's id.",
    )
