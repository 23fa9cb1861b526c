"""What a small server of a test says."""

import json
from http.server import BaseHTTPRequestHandler
from typing import Any


def say(to: BaseHTTPRequestHandler, status: int, body: Any, **headers: str) -> None:
    """Answer with a text, or with anything else as JSON."""
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    to.send_response(status)
    for name, value in ({"Content-Type": "application/json"} | headers).items():
        to.send_header(name, value)
    to.send_header("Content-Length", str(len(data)))
    to.end_headers()
    to.wfile.write(data)


def landing_page(*, search: str | None = "/search") -> dict[str, Any]:
    """A STAC API's landing page; a bare one, as some are, without conformance."""
    links = [{"rel": "search", "type": "application/geo+json", "href": search}] if search else []
    return {"type": "Catalog", "id": "c", "stac_version": "1.0.0", "description": "d", "links": links}
