"""PostgreSQL's connections, which wait no longer than they are told."""

from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus


class PatientConnection(psycopg.Connection[Any]):
    """Gives up, and is closed, where a statement is not answered within `patience` seconds.

    PostgreSQL's own limits help where it can be heard: a server or a network that hangs says nothing at all.
    """

    patience: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Raises `psycopg.OperationalError`."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # the answer may still come, and would be taken for that of the next statement
            raise
