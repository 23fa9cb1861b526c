"""The page of the OpenAPI description, with every asset from this service: nothing is asked of anybody else."""

from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.staticfiles import StaticFiles

from api import examples
from api.access.callers import Counted
from api.errors import problem_schemas

_ASSETS = "/docs/assets"
_CONTENT_SECURITY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'"
)
"""Swagger's page starts itself by a script of its own; nothing that a caller sent stands on it."""


TAGS = [
    {"name": "jobs", "description": "Ask for months, follow the work, stop it, do it again."},
    {"name": "partitions", "description": "What the archive holds: one file a month of each dataset."},
    {"name": "keys", "description": "Who may call. A service without keys is open to whoever reaches it."},
    {"name": "health", "description": "For load balancers and monitoring."},
]
DESCRIPTION = """\
Harvests HLS metadata from a STAC API, a month at a time, into hive-partitioned STAC-GeoParquet, and says what the
archive holds.

**Units.** Times are in UTC, ISO 8601. Months are written YYYYMM. Boxes are west, south, east, north in degrees (WGS 84);
west > east crosses the antimeridian. Sizes are in bytes, cloud cover in percent.

**Authentication.** Send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY` (Authorize, above right). Its scope says
what it may do: `read`, `submit` (and cancel and retry) or `admin` (and keys). A service without keys asks for none.

**Errors** are problem+json (RFC 9457): `type` is stable, `detail` says what happened and what to do, `errors` names every
faulty field. 429 and 503 carry `Retry-After` in seconds.

**Try it out.** Where everybody may read, the examples below name jobs and partitions that this service has; reload the
page for newer ones.
"""


def install(app: FastAPI) -> None:
    """Serve `/docs`, and describe errors in `/openapi.json`."""
    folder = files("fastapi_offline") / "static"
    app.mount(_ASSETS, StaticFiles(directory=str(folder)), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon.png",
        )
        page.headers["Content-Security-Policy"] = _CONTENT_SECURITY
        return page

    described = app.openapi

    def openapi() -> dict[str, Any]:
        description = described()
        description["components"]["schemas"] |= problem_schemas()
        examples.add_answers(description)
        return description

    @app.get("/openapi.json", include_in_schema=False, dependencies=[Counted])
    def openapi_json() -> JSONResponse:
        return JSONResponse(examples.with_own_ids(app, app.openapi()))

    # FastAPI's documented way to extend the description.
    app.openapi = openapi  # type: ignore[method-assign]  # how FastAPI is told
