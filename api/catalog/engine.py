"""The DuckDB that gives statistics of Parquet files.

All DuckDB lives in this folder; it knows neither FastAPI nor database sessions. DuckDB and pyarrow take half a second to
import, which the service's start does not wait for: they come with the first file.
"""

import tempfile
from contextlib import ExitStack
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from api.catalog.statistics import Statistics
from worker.contract.month import Month

if TYPE_CHECKING:
    import duckdb


class Engine:
    """One DuckDB for the process, opened by the first call, so that who never asks leaves no directory behind.

    Each call has a cursor of its own, because connections are not safe across threads.
    """

    def __init__(self, *, memory_limit: str = "512MB", threads: int = 2) -> None:
        self._limits: dict[str, str | int] = {"memory_limit": memory_limit, "threads": threads}
        self._opening = Lock()
        self._resources = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._resources.close()

    def _cursor(self) -> "duckdb.DuckDBPyConnection":
        with self._opening:
            if self._connection is None:
                self._connection = self._open()
            return self._connection.cursor()

    def _open(self) -> "duckdb.DuckDBPyConnection":
        import duckdb

        spill = self._resources.enter_context(tempfile.TemporaryDirectory(prefix="hls-duckdb-"))
        offline = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        connection = duckdb.connect(config={**self._limits, **offline, "temp_directory": spill})
        self._resources.callback(connection.close)
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET GLOBAL enable_external_access = false")  # files are opened by pyarrow alone
        return connection

    def statistics(self, uri: str, month: Month) -> Statistics:
        """Read the file at a path or an `s3://` URI, once; safe to call from several threads.

        Raises:
            Unreadable: there is no such file, or it is no Parquet file that can be read.
        """
        from api.catalog import reading

        return reading.statistics(uri, month, self._cursor)
