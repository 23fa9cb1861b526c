"""What browsers say of the site that they talk to, and of the page that makes them talk."""

from urllib.parse import urlsplit

from api.settings import is_loopback

_PORTS = {"http": 80, "https": 443}

Place = tuple[str, int]


def is_this_machine(host: str) -> bool:
    """Whether a `Host` header names this machine, and not a name that somebody else may have led here."""
    place = _place(f"http://{host}")
    return place is not None and is_loopback(place[0])


def is_of_host(origin: str, host: str) -> bool:
    """Whether an `Origin` is a page of the site that the `Host` header names."""
    scheme, _, _ = origin.partition("://")
    place = _place(origin)
    return place is not None and place == _place(f"{scheme}://{host}")


def _place(url: str) -> Place | None:
    """Host and port; None for what is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.hostname, port) if parts.hostname else None
