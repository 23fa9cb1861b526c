"""What an operator may choose: typed arguments of the stacks, or the CDK's context under the same names."""

import ipaddress
import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

LogDays = Literal[7, 14, 30, 90, 180, 365]


def _listed(value: object) -> object:
    """A list from the command line comes as JSON, or as words between commas."""
    if isinstance(value, str):
        return json.loads(value) if value.startswith("[") else [part.strip() for part in value.split(",") if part]
    return value


def _numbered(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdigit() else value


_ARM = re.compile(r"(a1|[a-z]+-?\d+[a-z]*g[a-z]*)(\..*|$)")
"""Families of instance types with AWS's own processors: m7g, c6gn, x2gd."""


def _can_run_the_image(names: tuple[str, ...]) -> tuple[str, ...]:
    if arm := [name for name in names if _ARM.fullmatch(name)]:
        raise ValueError(
            f"the images are built for amd64, and {', '.join(arm)} cannot run them: choose Intel's or AMD's"
        )
    return names


def _private_network(value: str) -> str:
    network = ipaddress.ip_network(value)
    if network.version != 4 or not 16 <= network.prefixlen <= 24:
        raise ValueError(f"{value} is not a network of a VPC: write one from /16 to /24, such as 10.0.0.0/16")
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Days = Annotated[LogDays, BeforeValidator(_numbered)]


class Options(BaseModel):
    """Frozen and closed; camelCase in the context."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    image_tag: str = Field(
        default=version("hls-stac-parquet"),
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$",
        description="Tag of both images; the default is the version of this project",
    )
    log_retention_days: Days = Field(default=30, description="How long logs are kept, in days")

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> Self:
        """What the context says; an option that it does not name has its default."""
        names = {field.alias for field in cls.model_fields.values()}
        return cls.model_validate({name: value for name, value in context.items() if name in names})


class BatchOptions(Options):
    """Of `HlsBatchStack`."""

    vpc_cidr: Annotated[str, AfterValidator(_private_network)] = Field(
        default="10.0.0.0/16", description="Addresses of the VPC; of an existing one, what it has"
    )
    nat_gateways: int = Field(
        default=1, ge=1, description="NAT gateways; one in each zone survives the loss of a zone, at the price of each"
    )
    vpc_id: str | None = Field(
        default=None,
        description="An existing VPC instead of a new one; name its addresses (`vpcCidr`) and its parts too",
    )
    vpc_zones: Names = Field(default=(), description="Zones of the existing VPC's subnets, in their order")
    vpc_private_subnets: Names = Field(default=(), description="Its private subnets with a way out, one in each zone")
    vpc_public_subnets: Names = Field(default=(), description="Its public subnets, one in each zone")
    bucket_name: str | None = Field(default=None, description="Name of the bucket; the default is one of AWS's making")
    maxv_cpus: int = Field(
        default=256, ge=2, alias="maxvCpus", description="vCPUs at most, in each compute environment"
    )
    instance_types: Annotated[Names, AfterValidator(_can_run_the_image)] = Field(
        default=("m5.large", "m5.xlarge", "c5.large", "c5.xlarge", "r5.large", "r5.xlarge"),
        min_length=1,
        description="EC2 instance types for the jobs",
    )
    spot: bool = Field(default=True, description="Spot machines first, on-demand ones where there are none")
    alarm_email: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$", description="Who is told of alarms")
    monthly_budget: float | None = Field(
        default=None, gt=0, description="US dollars a month for the account, past 80 % of which there is an alarm"
    )

    @model_validator(mode="after")
    def _whole_vpc(self) -> Self:
        parts = (self.vpc_zones, self.vpc_private_subnets, self.vpc_public_subnets)
        sizes = {len(part) for part in parts}
        if self.vpc_id is None and sizes != {0}:
            raise ValueError("vpcZones and the subnets describe an existing VPC: name it by vpcId")
        if self.vpc_id is not None and (len(sizes) > 1 or min(sizes) < 2):
            raise ValueError(
                "an existing VPC needs vpcZones, vpcPrivateSubnets and vpcPublicSubnets, two or more of each"
            )
        if self.vpc_id is not None and "vpc_cidr" not in self.model_fields_set:
            raise ValueError("an existing VPC needs vpcCidr, its addresses: the service lets callers in by them")
        return self


class ServiceOptions(Options):
    """Of `HlsServiceStack`."""

    certificate_arn: str | None = Field(
        default=None,
        pattern=r"^arn:[^:]+:acm:",
        description="Certificate for HTTPS to the internet; without one there is HTTP inside the VPC only",
    )
    tasks: int = Field(default=1, ge=1, description="Tasks of the service")
    max_tasks: int | None = Field(
        default=None,
        description="Tasks at most, when CPU is short; the default is no scaling. Each may open 20 connections to the "
        "database, and a deployment doubles the tasks for a while: a `t4g.micro` has room for two",
    )
    database_instance_type: str = Field(default="t4g.micro", description="Size of the database")
    database_multi_az: bool = Field(default=False, description="A standby of the database in a second zone")
    database_snapshot: str | None = Field(
        default=None,
        pattern=r"^(arn:[^:]+:rds:[^:]+:\d+:snapshot:)?(rds:)?[A-Za-z](-?[A-Za-z0-9])*$",
        description="Snapshot that the database was restored from; once given, it has to stay",
    )
    rotate_credentials: bool = Field(
        default=False, description="A new database password every 30 days; tasks must be started anew after each"
    )

    @model_validator(mode="after")
    def _room_to_scale(self) -> Self:
        if self.max_tasks is not None and self.max_tasks < self.tasks:
            raise ValueError(f"maxTasks ({self.max_tasks}) is less than tasks ({self.tasks})")
        return self


def refuse_unknown(context: Mapping[str, Any]) -> None:
    """Raises `ValueError` for a misspelt option. The CDK's own context has names that hold more than letters."""
    known = {field.alias for options in (BatchOptions, ServiceOptions) for field in options.model_fields.values()}
    unknown = sorted(name for name in context if re.fullmatch(r"[A-Za-z]+", name) and name not in known)
    if unknown:
        raise ValueError(
            f"there is no option {', '.join(unknown)}: choose from {', '.join(sorted(filter(None, known)))}"
        )
