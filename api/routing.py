"""How an app gets its routes."""

from fastapi import APIRouter, FastAPI


def add_routes(app: FastAPI, *routers: APIRouter) -> None:
    """Serve the routes as their modules made them.

    FastAPI's `include_router` makes each a second time, at the first request, which waits a tenth of a second for it.
    """
    for router in routers:
        app.router.routes.extend(router.routes)
