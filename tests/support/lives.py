"""Lives of the service one after another, each a process of its own that begins at once.

`python lives.py` imports the service and forks a process for each life. What a life costs is then not spent on imports,
so that a test may end many of them. It reads an order a line and answers each with one line, both JSON.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from storage.s3 import open_session

_WHAT_A_LIFE_IMPORTS = (
    "alembic.command",
    "api.__main__",
    "api.app",
    "api.catalog.reading",
    "api.executors.batch",
    "sqlalchemy.dialects.postgresql.psycopg",
    "uvicorn",
)


class Lives:
    """Starts and ends processes of `python -m api ARGUMENTS`."""

    def __init__(self, launcher: "subprocess.Popen[str]") -> None:
        self._launcher = launcher

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        """Gives the id of the process."""
        return int(self._ask("start", list(arguments), dict(environment), str(log)))

    def kill(self, pid: int) -> None:
        """As `kill -9`; returns once it is gone."""
        self._ask("kill", pid)

    def end(self, pid: int) -> None:
        """By SIGTERM; returns once it is gone, and kills it where that takes half a minute."""
        self._ask("end", pid)

    def is_alive(self, pid: int) -> bool:
        return bool(self._ask("is_alive", pid))

    def _ask(self, *order: object) -> Any:
        assert self._launcher.stdin
        assert self._launcher.stdout
        self._launcher.stdin.write(json.dumps(order) + "\n")
        self._launcher.stdin.flush()
        return json.loads(self._launcher.stdout.readline())


@contextmanager
def launching() -> Iterator[Lives]:
    """Every life that is left is killed at the end."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as launcher:
        yield Lives(launcher)


def _launch() -> None:
    for module in _WHAT_A_LIFE_IMPORTS:
        import_module(module)
    open_session().create_client("s3", region_name="us-east-1").close()  # so that what botocore knows is read

    running: set[int] = set()

    def start(arguments: list[str], environment: dict[str, str], log: str) -> int:
        pid = os.fork()
        if pid == 0:
            _live(arguments, environment, log)
        running.add(pid)
        return pid

    def kill(pid: int) -> None:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            running.discard(pid)

    def end(pid: int) -> None:
        if is_alive(pid):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while is_alive(pid):
            if time.monotonic() > deadline:
                kill(pid)
            time.sleep(0.02)

    def is_alive(pid: int) -> bool:
        if pid in running and os.waitpid(pid, os.WNOHANG)[0]:
            running.discard(pid)
        return pid in running

    orders = {order.__name__: order for order in (start, kill, end, is_alive)}
    for line in sys.stdin:
        order, *arguments = json.loads(line)
        print(json.dumps(orders[order](*arguments)), flush=True)  # noqa: T201  the answer
    for pid in tuple(running):
        kill(pid)


def _live(arguments: list[str], environment: dict[str, str], log: str) -> None:
    from api.__main__ import main

    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
            os.dup2(output, descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
        os.environ.clear()
        os.environ.update(environment)
        code = main(arguments)
    except Exception:  # noqa: BLE001  this process ends here, whatever comes
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _launch()
