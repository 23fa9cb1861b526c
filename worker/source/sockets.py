"""Connections that another thread can break, so that a run which is over does not wait for a silent source."""

import contextlib
import socket
import threading
from typing import Any
from weakref import WeakSet

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class BreakableAdapter(HTTPAdapter):
    """Knows the sockets of its connections."""

    def __init__(self, **options: Any) -> None:
        self._lock = threading.RLock()  # a signal handler may break what its own thread opens
        self._broken = False
        self._sockets: WeakSet[socket.socket] = WeakSet()
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        adapter = self

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                adapter.opened(self.sock)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                adapter.opened(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._sockets.add(connection)
            if self._broken:
                _shut(connection)

    def break_connections(self) -> None:
        """Whoever reads from one of them gets an end or an error at once."""
        with self._lock:
            self._broken = True
            sockets = list(self._sockets)
        for each in sockets:
            _shut(each)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed meanwhile
        # Not the method of a TLS socket, which would take the layer away from under its reader.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
