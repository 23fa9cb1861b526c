"""Who may call: one static key, or everybody where none is set."""

import secrets
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from api.errors import Unauthorized

OPERATOR = "operator"
ANYBODY = "anonymous"

_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="The service's key, as a bearer token")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="apiKey", description="The service's key")


def caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    header: Annotated[str | None, Security(_HEADER)],
) -> str:
    """The name under which events record the caller. Raises `Unauthorized`."""
    key = request.app.state.settings.api_key
    if key is None:
        return ANYBODY
    given = bearer.credentials if bearer else header
    if given is None:
        raise Unauthorized("Send the service's key as `Authorization: Bearer KEY` or `X-API-Key: KEY`.")
    if not secrets.compare_digest(given.encode(), key.get_secret_value().encode()):
        raise Unauthorized("The key is not the service's key.")
    return OPERATOR


Caller = Annotated[str, Depends(caller)]
