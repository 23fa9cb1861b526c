"""How a run ends: exit codes of the worker, and the failure codes that users read."""

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """The worker's exit codes; numbers as in sysexits.h where it has one that fits."""

    DONE = 0
    BAD_PARAMETERS = 64
    INCOMPLETE = 65
    WOULD_SHRINK = 66
    CONFLICT = 67
    SOURCE_UNAVAILABLE = 69
    STORAGE = 74
    INTERRUPTED = 75
    CANCELLED = 76


class FailureCode(StrEnum):
    """Why a job failed, as `failure.code`."""

    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMEOUT = "TIMEOUT"
    INTERRUPTED = "INTERRUPTED"
    IMAGE = "IMAGE"
    CAPACITY = "CAPACITY"
    SOURCE_UNAVAILABLE = "SOURCE_UNAVAILABLE"
    INCOMPLETE = "INCOMPLETE"
    WOULD_SHRINK = "WOULD_SHRINK"
    CONFLICT = "CONFLICT"
    STORAGE = "STORAGE"
    BAD_REQUEST = "BAD_REQUEST"
    LOST = "LOST"
    APP = "APP"


FAILURE_OF_EXIT: dict[int, FailureCode] = {
    ExitCode.BAD_PARAMETERS: FailureCode.BAD_REQUEST,
    ExitCode.INCOMPLETE: FailureCode.INCOMPLETE,
    ExitCode.WOULD_SHRINK: FailureCode.WOULD_SHRINK,
    ExitCode.CONFLICT: FailureCode.CONFLICT,
    ExitCode.SOURCE_UNAVAILABLE: FailureCode.SOURCE_UNAVAILABLE,
    ExitCode.STORAGE: FailureCode.STORAGE,
    ExitCode.INTERRUPTED: FailureCode.INTERRUPTED,
}
"""Exit code to failure code; any other exit code than 0 and 76 is APP. 76 is a job that was cancelled or superseded."""

REMEDY: dict[FailureCode, str] = {
    FailureCode.OUT_OF_MEMORY: "The worker ran out of memory. Raise the job's memory, then retry; finished days are kept.",
    FailureCode.TIMEOUT: "The run exceeded its time limit. Retry: finished days are kept, so it goes on where it stopped.",
    FailureCode.INTERRUPTED: "The run was stopped from outside: its machine went away in every attempt, or somebody "
    "ended it. Retry: finished days are kept.",
    FailureCode.IMAGE: "The worker's image could not be started. Check that it was pushed and may be pulled, then retry.",
    FailureCode.CAPACITY: "No machine was free for the job in time. Check the compute environment's limits, then retry.",
    FailureCode.SOURCE_UNAVAILABLE: "The STAC API did not answer, or not as one. Retry when it does; finished days are kept.",
    FailureCode.INCOMPLETE: "The STAC API served less than it said it has, so nothing was published. Retry later.",
    FailureCode.WOULD_SHRINK: "The new harvest has fewer items than the partition that is there, so nothing was "
    "published. If the source really lost items, submit again with allowShrink.",
    FailureCode.CONFLICT: "Another run published this partition meanwhile; its file was kept. Submit again if needed.",
    FailureCode.STORAGE: "The archive could not be read or written. Check disk space, permissions or credentials, then retry.",
    FailureCode.BAD_REQUEST: "The worker refused its parameters. Submit a corrected job.",
    FailureCode.LOST: "The executor no longer knows the job and no result was found. Retry: finished days are kept.",
    FailureCode.APP: "The worker failed in a way that it does not know. Read the job's logs.",
}
"""What to do about each failure, for the end of its message."""
