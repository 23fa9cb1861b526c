"""The service for people: pages rendered here, readable without a script, with nothing asked of any other host."""

from fastapi import FastAPI

from api.pages import archive, assets, jobs, problems, session, submit
from api.pages.logs import Tails
from api.routing import add_routes


def install(app: FastAPI) -> None:
    """Serve the pages, and tell their errors as pages. Call it once the app's own error handlers are there."""
    problems.install(app)
    app.state.tails = Tails(app.state.logs)
    add_routes(app, *(part.router for part in (archive, jobs, submit, session, assets)))
