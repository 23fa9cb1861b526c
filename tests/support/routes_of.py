"""Every route of an app with the scope that it declares, read from the code."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.access.callers import Attempts, Requires, visitor

OPEN = "open"
VISITOR = "visitor"
"""A page that sends who has no key to the sign-in."""
Routes = dict[str, str]


def scopes(app: FastAPI) -> Routes:
    """`METHOD /path` to scope, `OPEN` or `VISITOR`."""
    found: Routes = {}
    routes: list[Any] = list(app.routes)
    for route in routes:
        methods = set(getattr(route, "methods", None) or {"GET"}) - {"HEAD"}
        for method in methods:
            found[f"{method} {route.path}"] = _scope(route)
    return found


def _scope(route: Any) -> str:
    if not isinstance(route, APIRoute):
        return OPEN
    calls = list(_calls(route.dependant))
    declared = [call.scope for call in calls if isinstance(call, Requires | Attempts)]
    assert len(declared) <= 1, f"{route.path} declares more than one scope"
    if declared:
        return declared[0]
    return VISITOR if visitor in calls else OPEN


def _calls(dependant: Any) -> Iterator[Any]:
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from _calls(dependency)
