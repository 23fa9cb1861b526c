"""What stands in a synthesised template, made in moto as CloudFormation would."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.model import ListShape, MapShape, Shape, StructureShape

STAND_INS = {"AWS::Region": "us-east-1", "AWS::AccountId": "123456789012", "AWS::URLSuffix": "amazonaws.com"}
"""What CloudFormation itself fills in."""

ATTRIBUTES = {
    "Arn": "arn:aws:iam::123456789012:role/",
    "RepositoryUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/",
}


def register_definition(
    template: Path, *, image: str | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Register the template's job definition with Batch, with another image and with more environment where they are
    given; returns its name."""
    resources = json.loads(template.read_text())["Resources"]
    (resource,) = [each for each in resources.values() if each["Type"] == "AWS::Batch::JobDefinition"]
    groups = {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::Logs::LogGroup"}
    known = STAND_INS | {name: group["LogGroupName"] for name, group in groups.items() if "LogGroupName" in group}
    batch = boto3.client("batch")
    shape = batch.meta.service_model.operation_model("RegisterJobDefinition").input_shape
    assert shape is not None
    wanted = _as_parameters(resource["Properties"], shape, known)
    container = wanted["containerProperties"]
    container["image"] = image or container["image"]
    container["environment"] += [{"name": name, "value": value} for name, value in (environment or {}).items()]
    name = str(batch.register_job_definition(**wanted)["jobDefinitionName"])
    batch.close()
    return name


def _as_parameters(value: Any, shape: Shape, known: Mapping[str, str]) -> Any:
    """The properties with the names of the API's parameters, whose first letter is small; what it lacks is left out."""
    if (
        isinstance(value, dict)
        and len(value) == 1
        and next(iter(value)) in ("Ref", "Fn::GetAtt", "Fn::Join", "Fn::Select")
    ):
        return _filled(value, known)
    if isinstance(shape, StructureShape):
        members = {name.lower(): (name, member) for name, member in shape.members.items()}
        taken = {members[name.lower()]: part for name, part in value.items() if name.lower() in members}
        return {name: _as_parameters(part, member, known) for (name, member), part in taken.items()}
    if isinstance(shape, ListShape):
        return [_as_parameters(part, shape.member, known) for part in value]
    if isinstance(shape, MapShape):
        return {name: _as_parameters(part, shape.value, known) for name, part in value.items()}
    return value


def _filled(value: Any, known: Mapping[str, str]) -> str:
    """An intrinsic function's value, by stand-ins for what is known at deployment only."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Ref":
        return known.get(argument, str(argument).lower())
    if function == "Fn::Join":
        return "".join(_filled(part, known) for part in argument[1])
    if function == "Fn::GetAtt":
        return f"{ATTRIBUTES[argument[1]]}{argument[0].lower()}"
    return "123456789012" if argument[0] == 4 else STAND_INS["AWS::Region"]  # parts of a repository's ARN
