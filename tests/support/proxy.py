"""A wire between a client and a server, which tests cut and mend, or stop up."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Wire:
    """Passes connections on to `target`, a socket's path or an address, while it is up.

    While it is down they are refused, and those that stand break; while it is stopped up they stand, and nothing passes.
    """

    def __init__(self, target: tuple[str, int] | str) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._flows = threading.Event()
        self._flows.set()
        self.allowances: list[int] = []
        """Bytes of replies after which the next connections break; those that follow are whole."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address: tuple[str, int] = probe.getsockname()

    def up(self) -> None:
        listener = socket.create_server(self.address, reuse_port=False)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self) -> None:
        self._flows.set()
        with self._lock:
            broken, self._open = self._open, set()
            listener, self._listener = self._listener, None
        for each in (*broken, *([listener] if listener else [])):
            _close(each)

    def stop_up(self) -> None:
        self._flows.clear()

    def let_flow(self) -> None:
        self._flows.set()

    def _connect(self) -> socket.socket:
        if not isinstance(self._target, str):
            return socket.create_connection(self._target)
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        return server

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = self._connect()
            except OSError:  # closed, or a server that is away
                return
            with self._lock:
                self._open |= {client, server}
                allowance = self.allowances.pop(0) if self.allowances else None
            for source, sink, most in ((client, server, None), (server, client, allowance)):
                threading.Thread(target=self._pass, args=(source, sink, most), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, most: int | None) -> None:
        left = float("inf") if most is None else most
        with contextlib.suppress(OSError):
            while left and (data := source.recv(int(min(1 << 16, left)))):
                self._flows.wait()
                sink.sendall(data)
                left -= len(data)
        with self._lock:
            self._open -= {source, sink}
        for each in (source, sink):
            _close(each)


def _close(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextlib.contextmanager
def wire(target: tuple[str, int] | str) -> Iterator[Wire]:
    """A wire that is up."""
    opened = Wire(target)
    opened.up()
    try:
        yield opened
    finally:
        opened.down()
