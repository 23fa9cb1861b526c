"""How a call may fail, and the exit code that each failure has on the command line."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """Exit codes of `hls`; numbers as in sysexits.h where it has one that fits."""

    DONE = 0
    JOB_FAILED = 1
    USAGE = 2
    BAD_REQUEST = 64
    CONFLICT = 67
    NOT_FOUND = 68
    UNREACHABLE = 69
    SERVICE_FAILED = 70
    TRY_LATER = 75
    KEY_REFUSED = 77
    BAD_CONFIG = 78
    INTERRUPTED = 130


MEANING: dict[ExitCode, str] = {
    ExitCode.DONE: "done; a job that was waited for succeeded",
    ExitCode.JOB_FAILED: "a job that was waited for failed or was cancelled",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.BAD_REQUEST: "the service refused the request; every faulty field is named",
    ExitCode.CONFLICT: "it clashes with what is there, such as another job for the same month",
    ExitCode.NOT_FOUND: "there is no such job, partition or key",
    ExitCode.UNREACHABLE: "no service answers at the address",
    ExitCode.SERVICE_FAILED: "the service failed, or something else answers at the address",
    ExitCode.TRY_LATER: "too many requests, or a part of the service is away: try again later",
    ExitCode.KEY_REFUSED: "a key is needed, or the key may not do this",
    ExitCode.BAD_CONFIG: "the address, the key or the configuration file cannot be used, or the service refused to start",
    ExitCode.INTERRUPTED: "Ctrl-C; a job that was watched goes on",
}


class Fault(Exception):
    """A call that did not go well; the message says what happened and what to do."""

    exit_code = ExitCode.SERVICE_FAILED


class Unreachable(Fault):
    """No service answers."""

    exit_code = ExitCode.UNREACHABLE

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"No service answers at {url} ({reason}).\n"
            "Start one here with `hls serve`, or say where it is with --url or HLS_URL."
        )


class NotTheService(Fault):
    """Something else answers at the address."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(
            f"What answers at {url} is not this service (status {status}, and no JSON of ours).\n"
            "Check --url or HLS_URL, and any proxy between."
        )


class BadConfig(Fault):
    """The address, the key or the configuration file cannot be used."""

    exit_code = ExitCode.BAD_CONFIG


_EXITS = {
    401: ExitCode.KEY_REFUSED,
    403: ExitCode.KEY_REFUSED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    429: ExitCode.TRY_LATER,
    503: ExitCode.TRY_LATER,
}
_HINTS = {
    401: "Give a key with --key, HLS_KEY, or `key` in the configuration file. "
    "An operator makes one with `hls keys create`.",
    403: "`hls keys list`, by an operator, shows what each key may do.",
}


class ServiceError(Fault):
    """The service answered with a fault; the message is its own, with every faulty field."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.problem = problem
        self.retry_after = retry_after
        default = ExitCode.SERVICE_FAILED if status >= 500 else ExitCode.BAD_REQUEST
        self.exit_code = _EXITS.get(status, default)
        super().__init__("\n".join(self._lines()))

    def _lines(self) -> list[str]:
        faults = self.problem.get("errors") or []
        title = str(self.problem.get("title", self.status)).rstrip(".")
        detail = self.problem.get("detail", "")
        lines = [f"{title}:" if faults or detail else f"{title}."]
        if faults:
            lines += [f"  {fault['field'] or 'body'}: {fault['message']}" for fault in faults]
        elif detail:
            lines[0] += f" {detail}"
        if self.retry_after is not None:
            lines.append(f"Try again in {self.retry_after:.0f} s.")
        if self.status in _HINTS:
            lines.append(_HINTS[self.status])
        if self.status >= 500 and (request := self.problem.get("requestId")):
            lines.append(f"The service's log has it under request {request}.")
        return lines
