"""What a route declares about who may call it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Form, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from api.access import keys
from api.access.credentials import COOKIE, Access, Credentials, address_of, key_in
from api.access.errors import BadCsrfToken, Forbidden, TooManyRequests
from api.access.known import Caller
from api.access.scopes import Scope
from api.errors import Problem, Unauthorized

__all__ = [
    "Admin",
    "Caller",
    "Counted",
    "FormAdmin",
    "FormSubmitter",
    "HurriedReader",
    "Reader",
    "Scope",
    "SubmitAttempt",
    "Submitter",
    "Visitor",
]

CSRF_HEADER = "X-CSRF-Token"
_SAFE = frozenset({"GET", "HEAD"})
_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="A key, as a bearer token")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="apiKey", description="A key")
_COOKIE = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="A session of the page")


async def credentials(
    request: Request,
    _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    _header: Annotated[str | None, Security(_HEADER)],
    token: Annotated[str | None, Security(_COOKIE)],
) -> Credentials:
    """What the request carries; the schemes above are there for the OpenAPI description."""
    return Credentials(address_of(request), key=key_in(request), token=token)


Given = Annotated[Credentials, Depends(credentials)]


def _identified(request: Request, given: Credentials) -> Caller:
    access: Access = request.app.state.access
    return _counted(request, given, access.identify(given))


def _counted(request: Request, given: Credentials, caller: Caller) -> Caller:
    access: Access = request.app.state.access
    request.state.caller = caller  # for the page of an error
    access.count(caller, given.address)
    return caller


def _check_csrf(request: Request, caller: Caller, token: str | None) -> None:
    if caller.csrf_token is None or request.method in _SAFE:
        return
    if not keys.same(token or "", caller.csrf_token):
        raise BadCsrfToken("The page is out of date or the change came from elsewhere. Reload the page and try again.")


@dataclass(frozen=True)
class Requires:
    """A dependency that lets pass who has the scope; from a browser's session it wants the CSRF token as a header."""

    scope: Scope

    def __call__(self, request: Request, given: Given) -> Caller:
        return self.admit(request, given, request.headers.get(CSRF_HEADER))

    def admit(self, request: Request, given: Credentials, csrf: str | None) -> Caller:
        """Raises `Unauthorized`, `Forbidden`, `BadCsrfToken`, `TooManyRequests`, `TooManyWrongKeys`."""
        caller = _identified(request, given)
        self._check_scope(caller)
        _check_csrf(request, caller, csrf)
        return caller

    def _check_scope(self, caller: Caller) -> None:
        if not caller.scope.covers(self.scope):
            raise Forbidden(f"This needs the scope {self.scope}, and {caller.actor} has {caller.scope}.")


@dataclass(frozen=True)
class FormRequires(Requires):
    """The same for a form, whose CSRF token is a field."""

    def __call__(self, request: Request, given: Given, csrf_token: Annotated[str, Form()] = "") -> Caller:
        return self.admit(request, given, csrf_token)


@dataclass(frozen=True)
class HurriedRequires(Requires):
    """The same for a look at what needs no database, which may not wait for it: see `Access.identify_soon`."""

    async def __call__(self, request: Request, given: Given) -> Caller:  # type: ignore[override]  # FastAPI takes both
        access: Access = request.app.state.access
        caller = _counted(request, given, await access.identify_soon(given))
        self._check_scope(caller)
        return caller


@dataclass(frozen=True)
class Attempt:
    """Who sent a form, and why it is refused, if it is."""

    caller: Caller
    refusal: Problem | None = None


@dataclass(frozen=True)
class Attempts:
    """The same for a form that is shown again with the refusal, as it was filled in."""

    scope: Scope

    def __call__(self, request: Request, given: Given, csrf_token: Annotated[str, Form()] = "") -> Attempt:
        try:
            return Attempt(FormRequires(self.scope).admit(request, given, csrf_token))
        except (Forbidden, BadCsrfToken, TooManyRequests) as refusal:
            return Attempt(request.state.caller, refusal)


def visitor(request: Request, given: Given) -> Caller | None:
    """The caller; None where a key is needed and none was sent that holds."""
    try:
        return _identified(request, given)
    except Unauthorized:
        return None


async def counted(request: Request) -> None:
    """For routes that are open to everybody: counts the address."""
    access: Access = request.app.state.access
    access.count_address(address_of(request))


Reader = Annotated[Caller, Depends(Requires(Scope.READ))]
HurriedReader = Annotated[Caller, Depends(HurriedRequires(Scope.READ))]
Submitter = Annotated[Caller, Depends(Requires(Scope.SUBMIT))]
Admin = Annotated[Caller, Depends(Requires(Scope.ADMIN))]
SubmitAttempt = Annotated[Attempt, Depends(Attempts(Scope.SUBMIT))]
FormSubmitter = Annotated[Caller, Depends(FormRequires(Scope.SUBMIT))]
FormAdmin = Annotated[Caller, Depends(FormRequires(Scope.ADMIN))]
Visitor = Annotated[Caller | None, Depends(visitor)]
Counted = Depends(counted)
