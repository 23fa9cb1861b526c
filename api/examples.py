"""Examples in the OpenAPI description: one of each answer, and ids that this service really has."""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from api.access.credentials import Access, Credentials
from api.catalog import store as catalog
from api.errors import Problem
from api.jobs import store as jobs
from api.jobs.states import ENDS, JobState

_BODIES: dict[str, dict[str, Any]] = {
    "submitJob": {"yearMonth": "202402", "bbox": [-124.7, 32.5, -114.1, 42.0]},
    "createKey": {"name": "ada", "scope": "admin", "expiresAt": "2099-01-01T00:00:00Z"},
}
_ANY = frozenset(JobState)
_ACTIVE = _ANY - ENDS
_OF_JOBS: dict[str, tuple[frozenset[JobState], ...]] = {
    "getJob": (_ANY,),
    "listJobEvents": (_ANY,),
    "readJobLogs": (frozenset({JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED}), _ANY),
    "cancelJob": (_ACTIVE, frozenset({JobState.CANCELLED})),
    "retryJob": (frozenset({JobState.FAILED, JobState.CANCELLED}),),
}
"""Operations on a job, and the states in which they succeed, those first in which they tell or do most."""
_OF_PARTITIONS = ("getPartition", "downloadPartition")


def add_answers(description: dict[str, Any]) -> None:
    """Give every JSON answer of ours an example, and a body and parameters theirs where Swagger's page fills them in."""
    answers = json.loads((files("api") / "examples.json").read_text(encoding="utf-8"))
    for operation in _operations(description):
        for status, reply in operation["responses"].items():
            content = reply.get("content", {}).get("application/json")
            if content is not None:
                name = operation["operationId"]
                content["example"] = answers[name if status.startswith("2") else f"{name}{status}"]
        if body := _BODIES.get(operation["operationId"]):
            operation["requestBody"]["content"]["application/json"]["example"] = body
        for parameter in operation.get("parameters", ()):
            examples = parameter["schema"].get("examples")
            if examples and parameter["in"] == "path":
                parameter["example"] = examples[0]


def with_own_ids(app: FastAPI, description: dict[str, Any]) -> dict[str, Any]:
    """The description with ids of this service's own jobs and partitions, where everybody may read them anyway."""
    try:
        access: Access = app.state.access
        access.identify(Credentials(address="", key=None, token=None))
        with Session(app.state.engine) as session:
            found = _own(session)
    except (Problem, SQLAlchemyError):
        return description
    copy: dict[str, Any] = json.loads(json.dumps(description))
    for operation in _operations(copy):
        values = found.get(operation["operationId"], {})
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in values:
                parameter["example"] = values[parameter["name"]]
    return copy


def _own(session: Session) -> dict[str, dict[str, str]]:
    """Values of parameters by operation."""
    found: dict[str, dict[str, str]] = {}
    for operation, choices in _OF_JOBS.items():
        chosen = (jobs.newest(session, limit=1, states=sorted(states)) for states in choices)
        if newest := next(filter(None, chosen), None):
            found[operation] = {"job_id": newest[0].id}
    if rows := [row for row in catalog.partitions(session) if row.unreadable is None]:
        last = max(rows, key=lambda row: row.modified_at)
        found |= {name: {"year_month": last.year_month, "prefix": last.prefix} for name in _OF_PARTITIONS}
    return found


def _operations(description: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in description["paths"].values():
        yield from path.values()
