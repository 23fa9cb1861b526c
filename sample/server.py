"""Running the STAC API: in a thread beside the caller, or as a process of its own."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from sample.app import SampleApi, create_app
from sample.catalog import Catalog
from sample.faults import Faults
from sample.log import RequestLog
from sample.reply import ConnectionCut

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Running:
    """A server at work. `faults.replace(…)` changes how it misbehaves while it runs."""

    url: str
    catalog: Catalog
    faults: Faults
    log: RequestLog


@contextlib.contextmanager
def running(
    catalog: Catalog, faults: Faults | None = None, *, log_file: Path | None = None, compress: bool = True
) -> Iterator[Running]:
    """Serve in a thread, on a free port, until the block ends."""
    chosen, log = faults or Faults(), RequestLog(log_file)
    listener = listen(0)
    url = address(listener)
    server = _Server(create_app(catalog, chosen, log, compress=compress))
    thread = threading.Thread(target=lambda: asyncio.run(server.run_on(listener)), name="sample", daemon=True)
    thread.start()
    try:
        yield Running(url, catalog, chosen, log)
    finally:
        server.stop()
        thread.join()
        log.close()


def serve(app: Starlette, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT."""

    async def main() -> None:
        server = _Server(app)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        on_ready()
        await server.run_on(listener)

    asyncio.run(main())


def listen(port: int) -> socket.socket:
    """A socket that takes connections from now on; port 0 is any free one.

    Raises:
        OSError: the port is in use, or may not be used.
    """
    # The protocol is named because asyncio turns off Nagle's delay (40 ms a page) only where it sees TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def address(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"


class _Server(uvicorn.Server):
    """Takes no signals by itself, and lets go of what hangs on order when it stops."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none"))
        self._api: SampleApi = app.state.api

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def run_on(self, listener: socket.socket) -> None:
        try:
            await self.serve(sockets=[listener])
        finally:
            listener.close()

    def stop(self) -> None:
        self._api.stopping = True
        self.should_exit = True


class _CutsAreMeant(logging.Filter):
    """Keeps connections that were cut on order out of the server's own log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], ConnectionCut))


logging.getLogger("uvicorn.error").addFilter(_CutsAreMeant())
