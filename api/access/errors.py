"""How a request may fail for who sends it, or for how often."""

from http import HTTPStatus
from typing import Any

from api.errors import Problem


class Forbidden(Problem):
    """The key's scope does not cover this."""

    status = HTTPStatus.FORBIDDEN
    slug = "forbidden"


class BadCsrfToken(Problem):
    """A change that is asked for by cookie needs the session's CSRF token."""

    status = HTTPStatus.FORBIDDEN
    slug = "csrf"


class CrossSite(Problem):
    """A page of another site asked for a change."""

    status = HTTPStatus.FORBIDDEN
    slug = "cross-site"


class ForeignHost(Problem):
    """A service that asks for no key is called by a name that is not this machine's."""

    status = HTTPStatus.FORBIDDEN
    slug = "foreign-host"


class KeyNotFound(Problem):
    """There is no key with this id."""

    status = HTTPStatus.NOT_FOUND
    slug = "key-not-found"


class FirstKeyRules(Problem):
    """The first key ends that everybody may do everything, so it has to be one that can make others."""

    status = HTTPStatus.CONFLICT
    slug = "first-key-rules"


class KeyOfTheSetting(Problem):
    """The key is a setting, and ends with that."""

    status = HTTPStatus.CONFLICT
    slug = "key-of-the-setting"


class _TooOften(Problem):
    """The caller has to wait."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, detail: str, *, wait: int, **members: Any) -> None:
        super().__init__(detail, **members)
        self.headers = {"Retry-After": str(wait)}


class TooManyRequests(_TooOften):
    """The caller has sent as many requests as it may in a minute."""

    slug = "too-many-requests"


class TooManyWrongKeys(_TooOften):
    """Too many wrong keys came from this address."""

    slug = "too-many-wrong-keys"
