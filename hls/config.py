"""Which service to call, and with which key: from options, the environment, or a configuration file."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_config_path

from hls.faults import BadConfig

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE = "HLS_URL"
KEY_VARIABLE = "HLS_KEY"
"""Not HLS_API_KEY: that one is the service's own, and with it `hls serve` would ask everybody for it."""
FILE_VARIABLE = "HLS_CONFIG"
_NAMES = ("url", "key")


@dataclass(frozen=True)
class Server:
    """Where the service is, and what to show at its door."""

    url: str
    key: str | None = field(repr=False)


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """The configuration file, which need not exist."""
    if named := environment.get(FILE_VARIABLE):
        return Path(named)
    return user_config_path("hls") / "config.toml"


def resolve(url: str | None, key: str | None, environment: Mapping[str, str] = os.environ) -> Server:
    """Options win over the environment, and that over the file.

    The file's key goes to the file's server only: with another address it would be shown to a stranger.

    Raises:
        BadConfig: the file cannot be read, or an address is none.
    """
    file = _read(config_path(environment))
    chosen = _address(url or environment.get(URL_VARIABLE) or file.get("url") or DEFAULT_URL)
    is_of_file = chosen == _address(file.get("url") or DEFAULT_URL)
    return Server(chosen, key or environment.get(KEY_VARIABLE) or (file.get("key") if is_of_file else None))


def _address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise BadConfig(f"{url!r} is no address of a service: write it as http://HOST:PORT or https://HOST.")
    return url.rstrip("/")


def _read(path: Path) -> dict[str, str]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadConfig(f"The configuration file {path} cannot be read: {error}. Mend it or remove it.") from error
    wrong = [name for name, value in content.items() if name not in _NAMES or not isinstance(value, str)]
    if wrong:
        raise BadConfig(
            f'{path}: {", ".join(wrong)} cannot be used. The file holds url = "http://HOST:PORT" and key = "KEY".'
        )
    return content
