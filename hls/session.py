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


def each(names: Iterable[str], act: Callable[[str], T]) -> tuple[list[T], ExitCode]:
    """Do it for each; one that fails is said and passed over. What was done, and the exit code of the first fault."""
    done: list[T] = []
    first = ExitCode.DONE
    for name in names:
        try:
            done.append(act(name))
        except Fault as fault:
            output.say(f"{name}: {fault}")
            first = first or fault.exit_code
            if fault.exit_code in (ExitCode.UNREACHABLE, ExitCode.KEY_REFUSED):
                break  # the others would fail alike
    return done, first


def finish(*codes: ExitCode) -> None:
    """End the process with the first code that is a failure's.

    Raises:
        typer.Exit: there is one.
    """
    if failed := next(filter(None, codes), None):
        raise typer.Exit(failed)
