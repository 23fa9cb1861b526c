"""What stands in a synthesised template, made in moto as CloudFormation would."""

import json
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


def register_definition(template: Path, **changes: Any) -> str:
    """Register the template's job definition with Batch; returns its name. `changes` replace container properties."""
    (resource,) = [
        each
        for each in json.loads(template.read_text())["Resources"].values()
        if each["Type"] == "AWS::Batch::JobDefinition"
    ]
    batch = boto3.client("batch")
    shape = batch.meta.service_model.operation_model("RegisterJobDefinition").input_shape
    assert shape is not None
    wanted = _as_parameters(resource["Properties"], shape)
    wanted["containerProperties"] |= changes
    name = str(batch.register_job_definition(**wanted)["jobDefinitionName"])
    batch.close()
    return name


def _as_parameters(value: Any, shape: Shape) -> Any:
    """The properties with the names of the API's parameters, whose first letter is small; what it lacks is left out."""
    if (
        isinstance(value, dict)
        and len(value) == 1
        and next(iter(value)) in ("Ref", "Fn::GetAtt", "Fn::Join", "Fn::Select")
    ):
        return _filled(value)
    if isinstance(shape, StructureShape):
        members = {name.lower(): (name, member) for name, member in shape.members.items()}
        known = {members[name.lower()]: part for name, part in value.items() if name.lower() in members}
        return {name: _as_parameters(part, member) for (name, member), part in known.items()}
    if isinstance(shape, ListShape):
        return [_as_parameters(part, shape.member) for part in value]
    if isinstance(shape, MapShape):
        return {name: _as_parameters(part, shape.value) for name, part in value.items()}
    return value


def _filled(value: Any) -> str:
    """An intrinsic function's value, by stand-ins for what is known at deployment only."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Ref":
        return STAND_INS.get(argument, str(argument).lower())
    if function == "Fn::Join":
        return "".join(map(_filled, argument[1]))
    if function == "Fn::GetAtt":
        return f"{ATTRIBUTES[argument[1]]}{argument[0].lower()}"
    return "123456789012" if argument[0] == 4 else STAND_INS["AWS::Region"]  # parts of a repository's ARN
