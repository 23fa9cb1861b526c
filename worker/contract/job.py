"""What a caller asks for (`JobParams`) and what a worker is told (`RunParams`), in every notation they travel in."""

import argparse
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails

from worker.contract.bbox import Box
from worker.contract.collections import COLLECTIONS, known
from worker.contract.layout import Prefix, default_prefix
from worker.contract.month import Month, YearMonth
from worker.contract.parameters import ABSENT, PARAMETERS, present_values

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def _checked_id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError(f"{value!r} is not an id: 1 to 64 letters, digits, '-' or '_', the first a letter or digit")
    if value == ABSENT:
        raise ValueError(f"{ABSENT!r} is not an id: as a parameter of a run it means that there is none")
    return value


def _checked_destination(value: str) -> str:
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/?|file:///.+", value):
        raise ValueError(f"{value!r} is not a destination: write s3://BUCKET or file:///ABSOLUTE/DIRECTORY")
    return value.rstrip("/") if value.startswith("s3://") else value


RequestId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
RunId = Annotated[str, AfterValidator(_checked_id)]
Destination = Annotated[str, AfterValidator(_checked_destination)]
Collections = Annotated[
    tuple[str, ...],
    BeforeValidator(known),
    Field(description="Collection ids; the default is every HLS collection", examples=[list(COLLECTIONS)]),
]


class ContractModel(BaseModel):
    """Frozen, camelCase in JSON, and closed: an unknown field is a fault."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    def to_json(self) -> bytes:
        return self.model_dump_json(by_alias=True).encode()

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Raises `pydantic.ValidationError`, a `ValueError`, for anything else than such a document."""
        return cls.model_validate_json(data)


class JobParams(ContractModel):
    """What a caller asks for: one month into one dataset."""

    year_month: YearMonth
    bbox: Box | None = Field(default=None, description="Box of the dataset; without one the whole world")
    collections: Collections = COLLECTIONS
    prefix: Prefix = Field(
        default_factory=lambda given: default_prefix(given.get("bbox"), given.get("collections", COLLECTIONS)),
        description="Prefix of the dataset; the default is hls-data, or one named after the box or the collections",
    )
    allow_shrink: bool = Field(default=False, description="Replace a partition even by one with fewer items")

    @model_validator(mode="wrap")
    @classmethod
    def _report_faults_alone(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Leave out what pydantic says of each default that is made from other fields when one of those is wrong."""
        try:
            return handler(value)
        except ValidationError as error:
            faults = [fault for fault in error.errors() if fault["type"] != "default_factory_not_called"]
            raise ValidationError.from_exception_data(error.title, cast(list[InitErrorDetails], faults)) from None

    @property
    def month(self) -> Month:
        return Month.parse(self.year_month)


class RunParams(JobParams):
    """What a worker is told: the request, who it is for, where it goes and how hard to work."""

    job_id: RunId
    stage_id: RunId = Field(default_factory=lambda given: given.get("job_id", ""))
    destination: Destination
    parallel: bool = False
    request_id: RequestId | None = None

    def to_parameters(self) -> dict[str, str]:
        """Batch's string map.

        Raises:
            ValueError: the destination is not a bucket.
        """
        if not self.destination.startswith("s3://"):
            raise ValueError(f"Batch writes to buckets, not to {self.destination}")
        return {
            "yearMonth": self.year_month,
            "s3Bucket": self.destination.removeprefix("s3://"),
            "s3Prefix": self.prefix,
            "boundingBox": str(self.bbox) if self.bbox else ABSENT,
            "parallel": _switch(self.parallel),
            "collections": ",".join(self.collections),
            "jobId": self.job_id,
            "stageId": self.stage_id,
            "allowShrink": _switch(self.allow_shrink),
            "requestId": self.request_id or ABSENT,
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str], *, fallback_job_id: str | None = None) -> Self:
        """Read Batch's string map.

        Raises:
            ValueError: a parameter that is missing, unknown or wrong (`pydantic.ValidationError` is one).
        """
        given = present_values(parameters)
        if "s3Bucket" in given:
            given["destination"] = f"s3://{given.pop('s3Bucket')}"
        return cls._from_text(given, fallback_job_id)

    def to_argv(self) -> list[str]:
        """Arguments for `python -m worker`, every value joined to its option because a box may begin with '-'."""
        argv = [
            f"--year-month={self.year_month}",
            f"--destination={self.destination}",
            f"--s3-prefix={self.prefix}",
            f"--parallel={_switch(self.parallel)}",
            f"--collections={','.join(self.collections)}",
            f"--job-id={self.job_id}",
            f"--stage-id={self.stage_id}",
            f"--allow-shrink={_switch(self.allow_shrink)}",
        ]
        argv += [f"--request-id={self.request_id}"] if self.request_id else []
        return argv + ([f"--bounding-box={self.bbox}"] if self.bbox else [])

    @classmethod
    def from_argv(cls, argv: Sequence[str], *, fallback_job_id: str | None = None) -> Self:
        """Read the worker's command line.

        Raises:
            ValueError: an argument that is missing, unknown or wrong.
            SystemExit: help was asked for and printed.
        """
        options = vars(_parser().parse_args(_joined(argv)))
        given = present_values({p.name: options[p.name] for p in PARAMETERS if options[p.name] is not None})
        bucket, destination = given.pop("s3Bucket", None), options["destination"]
        if bucket and destination:
            raise ValueError("give --s3-bucket or --destination, not both")
        if bucket or destination:
            given["destination"] = destination or f"s3://{bucket}"
        return cls._from_text(given, fallback_job_id)

    @classmethod
    def _from_text(cls, given: dict[str, str], fallback_job_id: str | None) -> Self:
        for name, option in (("yearMonth", "--year-month"), ("destination", "--s3-bucket or --destination")):
            if name not in given:
                raise ValueError(f"{name} is missing: give {option}")
        values: dict[str, Any] = dict(given)
        for switch in (p.name for p in PARAMETERS if p.is_switch):
            if switch in values:
                values[switch] = _truth(switch, values[switch])
        for ours, theirs in (("prefix", "s3Prefix"), ("bbox", "boundingBox")):
            if theirs in values:
                values[ours] = values.pop(theirs)
        if fallback_job_id:
            values.setdefault("jobId", fallback_job_id)
        return cls.model_validate(values)


def _switch(value: bool) -> str:
    return "true" if value else "false"


def _truth(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ValueError(f"{name} is true or false, not {value!r}")
    return value.lower() == "true"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Fail like any other bad parameter, not with argparse's own exit code."""
        raise ValueError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m worker",
        description="Harvest one month of HLS metadata from a STAC API into one GeoParquet partition.",
        allow_abbrev=False,
    )
    for p in PARAMETERS:
        if p.is_switch:
            parser.add_argument(p.flag, dest=p.name, nargs="?", const="true", metavar="true|false", help=p.help)
        else:
            parser.add_argument(p.flag, dest=p.name, metavar=p.flag[2:].upper().replace("-", "_"), help=p.help)
    parser.add_argument("--destination", metavar="URI", help="root of the archive: s3://BUCKET or file:///DIRECTORY")
    return parser


def _joined(argv: Sequence[str]) -> list[str]:
    """Join each option to the value behind it: argparse takes a value that begins with '-' for an option."""
    with_value = {p.flag for p in PARAMETERS if not p.is_switch} | {"--destination"}
    joined: list[str] = []
    for token in argv:
        if joined and joined[-1] in with_value and not token.startswith("--"):
            joined[-1] += f"={token}"
        else:
            joined.append(token)
    return joined
