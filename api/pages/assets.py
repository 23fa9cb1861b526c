"""Style, script, Leaflet and the outline of the land: files of our own and of an installed package, kept in memory."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from xstatic.pkg import leaflet

_OURS = ("page.css", "page.js", "map.js", "land.svg")
_LEAFLETS = ("leaflet.css", "leaflet.js")
_FOR_EVER = "public, max-age=31536000, immutable"
"""An address names the content's hash, so that a new release is a new address."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Asset:
    """One file, plain and compressed."""

    plain: bytes
    compressed: bytes
    media_type: str
    etag: str


@cache
def _assets() -> dict[str, Asset]:
    ours = files("api.pages") / "static"
    contents = {name: (ours / name).read_bytes() for name in _OURS}
    contents |= {name: (Path(leaflet.BASE_DIR) / name).read_bytes() for name in _LEAFLETS}
    return {name: _asset(name, content) for name, content in contents.items()}


def _asset(name: str, content: bytes) -> Asset:
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Asset(content, gzip.compress(content, mtime=0), media_type, f'"{digest}"')


def url(name: str) -> str:
    """The address of an asset, for templates."""
    etag = _assets()[name].etag.strip('"')
    return f"/ui/static/{name}?v={etag}"


@router.get("/ui/static/{name}")
def asset(name: str, request: Request) -> Response:
    """Raises a 404 for a name that is none of ours."""
    found = _assets().get(name)
    if found is None:
        raise HTTPException(404)
    headers = {"ETag": found.etag, "Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    if accepts_gzip(request):
        return Response(found.compressed, media_type=found.media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(found.plain, media_type=found.media_type, headers=headers)


def accepts_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")
