"""How a run can end other than well. Each carries the exit code that says so."""

from worker.contract.exits import ExitCode


class RunError(Exception):
    """The run ended without publishing."""

    exit_code: ExitCode


class BadParameters(RunError):
    """The run cannot be done as it was asked for."""

    exit_code = ExitCode.BAD_PARAMETERS


class Incomplete(RunError):
    """The source served less, or other, than it said it has."""

    exit_code = ExitCode.INCOMPLETE


class WouldShrink(RunError):
    """The harvest has fewer items than the partition that is there."""

    exit_code = ExitCode.WOULD_SHRINK


class Conflict(RunError):
    """Another run published the partition since this one began."""

    exit_code = ExitCode.CONFLICT


class SourceUnavailable(RunError):
    """The source did not answer for too long, or is no STAC API."""

    exit_code = ExitCode.SOURCE_UNAVAILABLE


class Interrupted(RunError):
    """The machine asked the run to stop."""

    exit_code = ExitCode.INTERRUPTED


class Cancelled(RunError):
    """The job was cancelled, or another run of it publishes."""

    exit_code = ExitCode.CANCELLED
