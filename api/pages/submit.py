"""The form that asks for a month, with a box that may be drawn on a map."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import ValidationError

from api.access.callers import SubmitAttempt, Visitor
from api.db import Transaction
from api.errors import Problem
from api.faults import field_faults
from api.jobs import service
from api.pages.problems import PageRoute, faults_by_field, said
from api.pages.render import page, see, sign_in_first
from worker.contract import layout
from worker.contract.collections import COLLECTIONS
from worker.contract.job import JobParams

EDGES = ("west", "south", "east", "north")

router = APIRouter(prefix="/ui/submit", include_in_schema=False, route_class=PageRoute)


@dataclass
class Wish:
    """The form as it was filled in: text, whatever it says."""

    year_month: str = ""
    box: dict[str, str] = field(default_factory=lambda: dict.fromkeys(EDGES, ""))
    prefix: str = ""
    collections: list[str] = field(default_factory=lambda: list(COLLECTIONS))
    allow_shrink: bool = False

    @classmethod
    def of(cls, params: JobParams) -> Self:
        """As somebody would have filled it in to ask for this."""
        wish = cls(params.year_month, prefix=params.prefix)
        wish.bind(params.bbox, params.collections)
        return wish

    def bind(self, bbox: Sequence[float] | None, collections: Iterable[str]) -> None:
        """Fill in box and collections."""
        self.collections = list(collections)
        if bbox:
            self.box = dict(zip(EDGES, map(degrees_exactly, bbox), strict=True))

    def to_request(self) -> dict[str, Any]:
        """The body that `POST /jobs` would have got; a part that was left empty is absent."""
        body: dict[str, Any] = {"yearMonth": self.year_month.strip(), "allowShrink": self.allow_shrink}
        edges = [self.box[name].strip() for name in EDGES]
        body |= {"bbox": edges} if any(edges) else {}
        body |= {"prefix": self.prefix.strip()} if self.prefix.strip() else {}
        return body | {"collections": self.collections}


@router.get("")
def ask(
    request: Request,
    session: Transaction,
    visitor: Visitor,
    year_month: Annotated[str, Query(alias="yearMonth")] = "",
    prefix: str = "",
    like: str = "",
    allow_shrink: Annotated[bool, Query(alias="allowShrink")] = False,
) -> Response:
    """The form; filled in like a job, or for a dataset that is there already with what that is bound to."""
    if visitor is None:
        return sign_in_first(request)
    if like:
        wish = Wish.of(service.get_job(session, like).request)
        wish.allow_shrink = allow_shrink
        return _form(request, visitor, wish)
    wish = Wish(year_month=year_month, prefix=prefix)
    bound = request.app.state.catalog.binding_of(session, prefix) if _may_be_bound(prefix) else None
    if bound is not None:
        wish.bind(bound.bbox, bound.collections)
    return _form(request, visitor, wish)


@router.post("")
def submit(
    request: Request,
    session: Transaction,
    attempt: SubmitAttempt,
    year_month: Annotated[str, Form(alias="yearMonth")] = "",
    west: Annotated[str, Form()] = "",
    south: Annotated[str, Form()] = "",
    east: Annotated[str, Form()] = "",
    north: Annotated[str, Form()] = "",
    prefix: Annotated[str, Form()] = "",
    collections: Annotated[list[str] | None, Form()] = None,
    allow_shrink: Annotated[bool, Form(alias="allowShrink")] = False,
) -> Response:
    """Record the job, as `POST /jobs` does, or show the form again with what is wrong beside each field."""
    caller = attempt.caller
    box = {"west": west, "south": south, "east": east, "north": north}
    wish = Wish(year_month, box, prefix, collections or [], allow_shrink)
    state = request.app.state
    if attempt.refusal is not None:
        return _form(request, caller, wish, status=attempt.refusal.status, problem=said(attempt.refusal))
    try:
        params = JobParams.model_validate(wish.to_request())
        job, _ = service.put_job(
            session,
            params,
            actor=caller.actor,
            binding_of=state.binding_of,
            max_active=state.settings.max_active_jobs,
        )
    except ValidationError as error:
        faults = faults_by_field({"errors": field_faults(error.errors())})
        return _form(request, caller, wish, status=422, faults=faults)
    except Problem as error:
        session.rollback()
        return _form(request, caller, wish, status=error.status, problem=said(error))
    return see(f"/ui/jobs/{job.id}")


def _may_be_bound(prefix: str) -> bool:
    """PostgreSQL refuses some characters even in a question, so what cannot be a prefix is not asked for."""
    try:
        layout.checked_prefix(prefix)
    except ValueError:
        return False
    return True


def degrees_exactly(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _form(
    request: Request,
    caller: Any,
    wish: Wish,
    *,
    status: int = 200,
    faults: dict[str, str] | None = None,
    problem: dict[str, Any] | None = None,
) -> Response:
    return page(
        request,
        "submit.html",
        caller=caller,
        status=status,
        wish=wish,
        edges=EDGES,
        every_collection=COLLECTIONS,
        faults=faults or {},
        problem=problem,
    )
