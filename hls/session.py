"""What every command shares: the service to call, common options, and how a fault ends the process."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, TypeVar, get_args

import typer

from hls import output
from hls.client import Client
from hls.config import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE, resolve
from hls.faults import ExitCode, Fault

T = TypeVar("T")

Url = Annotated[
    str | None,
    typer.Option(help=f"The service ({URL_VARIABLE}, or `url` in the configuration file); {DEFAULT_URL} otherwise."),
]
Key = Annotated[str | None, typer.Option(help=f"Key to send ({KEY_VARIABLE}, or `key` in the configuration file).")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, as the service answers it.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Write the ids alone, for other commands.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job, as `hls jobs` lists it.")]
JobIds = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of jobs, as `hls jobs` lists them.")]
Month = Annotated[str, typer.Argument(metavar="MONTH", help="Month as YYYYMM, such as 202401.")]


@dataclass(frozen=True)
class Session:
    """The options that lead to the service."""

    url: str | None
    key: str | None

    def client(self) -> Client:
        """Raises `BadConfig`."""
        server = resolve(self.url, self.key)
        return Client(server.url, server.key)


def of_service(command: Callable[..., None]) -> Callable[..., None]:
    """The command, which takes --url and --key as the program does: people write them behind its name too."""

    @wraps(command)
    def run(context: typer.Context, *, url: str | None, key: str | None, **rest: Any) -> None:
        before: Session = context.obj
        context.obj = Session(url or before.url, key or before.key)
        command(context, **rest)

    added = {"url": Url, "key": Key}
    told = signature(command)
    options = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind) for name, kind in added.items()]
    run.__signature__ = told.replace(parameters=[*told.parameters.values(), *options])  # type: ignore[attr-defined]  # a function may have one
    run.__annotations__ = {**command.__annotations__, **added}
    return run


def words_of(kind: Any) -> str:
    """The values of a literal type, as a sentence begins that lists them."""
    *most, last = get_args(kind)
    return f"Only those that are {', '.join(most)} or {last}"


def words_like(kind: Any) -> Callable[[str], list[str]]:
    """Completes the values of a literal type."""

    def like(incomplete: str) -> list[str]:
        return [word for word in get_args(kind) if word.startswith(incomplete)]

    return like


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
