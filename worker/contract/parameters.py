"""The parameters that a run is started with: their names for Batch, for the command line, and their defaults.

Batch substitutes `Ref::name` in the job definition's command. Everything is text there, and an unset `Ref::name`,
an empty string and `none` all mean absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass

ABSENT = "none"


@dataclass(frozen=True)
class Parameter:
    """One parameter. Without a default the job definition leaves `Ref::name` as it is until a submission sets it."""

    name: str
    flag: str
    default: str | None
    help: str
    is_switch: bool = False


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("yearMonth", "--year-month", None, "month to harvest, as YYYYMM"),
    Parameter("s3Bucket", "--s3-bucket", None, "bucket of the archive; the same as --destination s3://BUCKET"),
    Parameter(
        "s3Prefix", "--s3-prefix", "hls-data", "prefix of the dataset (default: hls-data, or one named after the box)"
    ),
    Parameter(
        "boundingBox", "--bounding-box", ABSENT, "WEST,SOUTH,EAST,NORTH in degrees, written --bounding-box=W,S,E,N"
    ),
    Parameter("parallel", "--parallel", "false", "harvest several days at a time", is_switch=True),
    Parameter("collections", "--collections", ABSENT, "collection ids between commas (default: all of HLS)"),
    Parameter("jobId", "--job-id", ABSENT, "name of this run (default: AWS_BATCH_JOB_ID, or a new one)"),
    Parameter("stageId", "--stage-id", ABSENT, "whose staged days to share (default: the job id)"),
    Parameter("requestId", "--request-id", ABSENT, "the service's request that asked for the run, for the logs"),
    Parameter(
        "allowShrink", "--allow-shrink", "false", "replace a partition even by one with fewer items", is_switch=True
    ),
)

BATCH_DEFAULTS: dict[str, str] = {p.name: p.default for p in PARAMETERS if p.default is not None}
"""`parameters` of the job definition."""

BATCH_COMMAND: tuple[str, ...] = tuple(token for p in PARAMETERS for token in (p.flag, f"Ref::{p.name}"))
"""`command` of the job definition; the image's entry point is the worker. A reference is a token of its own."""


def present(value: str | None) -> str | None:
    """The value, or None where it says absent."""
    if value is None or value == "" or value == ABSENT or value.startswith("Ref::"):
        return None
    return value


def present_values(parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters that are set, by name.

    Raises:
        ValueError: a name that no parameter has.
    """
    unknown = sorted(set(parameters) - {p.name for p in PARAMETERS})
    if unknown:
        raise ValueError(f"unknown parameter {', '.join(unknown)}: choose from {', '.join(p.name for p in PARAMETERS)}")
    return {name: value for name in parameters if (value := present(parameters[name])) is not None}
