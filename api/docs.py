"""The page of the OpenAPI description, with every asset from this service: nothing is asked of anybody else."""

from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from api.errors import problem_schemas

_ASSETS = "/docs/assets"


def install(app: FastAPI) -> None:
    """Serve `/docs`, and describe errors in `/openapi.json`."""
    folder = files("fastapi_offline") / "static"
    app.mount(_ASSETS, StaticFiles(directory=str(folder)), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon.png",
        )

    described = app.openapi

    def openapi() -> dict[str, Any]:
        description = described()
        description["components"]["schemas"] |= problem_schemas()
        return description

    # FastAPI's documented way to extend the description.
    app.openapi = openapi  # type: ignore[method-assign]
