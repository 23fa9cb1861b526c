"""From a template to a reply: escaped, compressed, and forbidden to load anything that is not ours."""

import gzip
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.access import sessions
from api.access.callers import Caller, Scope
from api.access.credentials import COOKIE
from api.pages import assets
from worker.contract.month import Month

CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page(
    request: Request,
    template: str,
    *,
    caller: Caller | None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """An HTML page; `caller` is who is greeted, None where somebody has yet to sign in."""
    text = _ENVIRONMENT.get_template(template).render(
        visitor=caller,
        may_submit=may_submit(caller),
        asks_for_keys=request.app.state.access.was_guarded,
        sign_in=_sign_in(request),
        archive=request.app.state.settings.destination,
        **context,
    )
    body = text.encode(errors="replace")  # a form may hold halves of characters
    sent = {"Content-Security-Policy": CONTENT_SECURITY, "Cache-Control": "no-store", "Vary": "Accept-Encoding, Cookie"}
    sent |= headers or {}
    if assets.accepts_gzip(request):
        body = gzip.compress(body, compresslevel=6)
        sent["Content-Encoding"] = "gzip"
    return HTMLResponse(body, status_code=status, headers=sent)


def see(url: str) -> Response:
    """Go on to another page, with GET."""
    return RedirectResponse(url, status_code=303)


def may_submit(caller: Caller | None) -> bool:
    """Whether the pages offer what asks for work."""
    return caller is not None and caller.scope.covers(Scope.SUBMIT)


def sign_in_first(request: Request) -> Response:
    """To the form, and back here afterwards."""
    response = see(_sign_in(request))
    if COOKIE in request.cookies:
        sessions.clear_cookie(response)  # it stands for nothing any more, and would count as a wrong key
    return response


def _sign_in(request: Request) -> str:
    """The address of the form that leads back here; what was not asked for with GET has no way back."""
    if request.method != "GET" or request.url.path == "/sign-in":
        return "/sign-in"
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in?{urlencode({'next': here})}"


def month_address(prefix: str, year_month: str) -> str:
    return f"/ui/months/{year_month}?prefix={quote(prefix, safe='/')}"


def month_name(year_month: str) -> str:
    return f"{Month.parse(year_month).start:%B %Y}"


def number(value: float | None) -> str:
    """With thin separators; a dash for what is not known."""
    return "\u2013" if value is None else f"{value:,}"


def size(value: float | None) -> str:
    """Bytes, as people read them."""
    if value is None:
        return "\u2013"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def short(value: int | None) -> str:
    """A count in four characters, for a narrow cell."""
    if value is None:
        return ""
    for limit, divisor, unit in ((1_000, 1, ""), (1_000_000, 1_000, "k"), (1_000_000_000, 1_000_000, "M")):
        if value < limit:
            return f"{value // divisor}{unit}"
    return f"{value // 1_000_000_000}G"


def moment(value: datetime | None) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if value else "\u2013"


def clock(value: datetime) -> str:
    return f"{value.astimezone(UTC):%H:%M:%S}"


def duration(value: timedelta) -> str:
    """In its largest unit that is not nought, and the next one while that matters."""
    minutes = round(value.total_seconds() / 60)
    if minutes < 1:
        return "a minute"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"


def degrees(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def box(edges: Iterable[float]) -> str:
    """The four edges exactly, as the form takes them."""
    return ", ".join(f"{edge:g}" if float(f"{edge:g}") == edge else repr(edge) for edge in edges)


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("api.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "size": size, "short": short, "moment": moment, "degrees": degrees}
    made.filters |= {"month_name": month_name, "box": box, "clock": clock, "duration": duration}
    made.globals |= {"asset": assets.url, "month_address": month_address}
    return made


_ENVIRONMENT = _environment()
