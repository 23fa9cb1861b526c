"""What every command shares: the service to call, common options, and how a fault ends the process."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer

from hls import output
from hls.client import Client
from hls.config import resolve
from hls.faults import ExitCode, Fault

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Write JSON, as the service answers it.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Write the ids alone, for other commands.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job, as `hls jobs` lists it.")]
JobIds = Annotated[list[str], typer.Argument(metavar="ID", help="Ids of jobs, as `hls jobs` lists them.")]
Month = Annotated[str, typer.Argument(metavar="MONTH", help="Month as YYYYMM, such as 202401.")]


@dataclass(frozen=True)
class Session:
    """The options before the command."""

    url: str | None
    key: str | None

    def client(self) -> Client:
        """Raises `BadConfig`."""
        server = resolve(self.url, self.key)
        return Client(server.url, server.key)


def client_of(context: typer.Context) -> Client:
    session: Session = context.obj
    return session.client()


def each(names: Iterable[str], act: Callable[[str], T]) -> list[T]:
    """Do it for each; one that fails is said and passed over, and the first such ends the process after the last.

    Raises:
        typer.Exit: with the exit code of the first fault, if nothing was done.
    """
    done: list[T] = []
    first: ExitCode | None = None
    for name in names:
        try:
            done.append(act(name))
        except Fault as fault:
            output.say(f"{name}: {fault}")
            first = first or fault.exit_code
            if fault.exit_code in (ExitCode.UNREACHABLE, ExitCode.KEY_REFUSED):
                break  # the others would fail alike
    if first is not None:
        raise typer.Exit(first)
    return done
