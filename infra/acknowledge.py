"""Findings of cdk-nag and cfn-lint that are accepted, each with its reason."""

from collections.abc import Iterable, Mapping
from typing import Any

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(construct: IConstruct, findings: Mapping[str, str]) -> None:
    """Accept the findings, by their ids with a reason each, for the construct and all below it."""
    cdk.Validations.of(construct).acknowledge(
        *(cdk.Acknowledgment(id=f"AwsSolutions::{finding}", reason=reason) for finding, reason in findings.items())
    )


def acknowledge_patterns(construct: IConstruct, resources: Iterable[str], reason: str) -> None:
    """Accept these resources of IAM statements, which end with or hold a `*`; any other pattern is still a finding."""
    stack = cdk.Stack.of(construct)
    found = [_written(stack.resolve(resource)) for resource in resources]
    acknowledge(construct, {f"AwsSolutions-IAM5[Resource::{resource}]": reason for resource in found})


def ignore_lint(resource: IConstruct | None, check: str, *, reason: str) -> None:
    """Have cfn-lint pass over a check for one resource."""
    if isinstance(resource, cdk.CfnResource):
        resource.add_metadata("cfn-lint", {"config": {"ignore_checks": [check]}, "reason": reason})


def _written(value: Any) -> str:
    """A resolved value as cdk-nag writes it in the id of a finding."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        return "".join(map(_written, argument[1]))
    if function == "Fn::ImportValue":
        return str(argument)
    return f"<{argument if isinstance(argument, str) else '.'.join(argument)}>"
