"""Every IAM statement of both stacks: no right to everything, and to every resource only where AWS knows no other."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.infra.conftest import Json, Template, Variant
from worker.contract import compute

NO_RESOURCES = {
    "batch:DescribeJobDefinitions": "Batch has no resource-level permission for it",
    "batch:DescribeJobQueues": "Batch has no resource-level permission for it",
    "batch:DescribeJobs": "Batch has no resource-level permission for it",
    "batch:ListJobs": "Batch has no resource-level permission for it",
    "ecr:GetAuthorizationToken": "it is a token for the whole registry",
}
"""Actions that may be granted for `*`, each with its reason."""


def policies(template: Template) -> Iterator[tuple[str, Json]]:
    """Every policy document, of roles, resources and endpoints, with the name of what it belongs to."""
    for name, resource in template.resources.items():
        for document in found(resource.get("Properties", {})):
            yield name, document


def found(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        else:
            for part in value.values():
                yield from found(part)
    elif isinstance(value, list):
        for part in value:
            yield from found(part)


def statements(variant: Variant) -> list[tuple[str, Json]]:
    return [
        (name, statement)
        for template in variant.both
        for name, document in policies(template)
        for statement in document["Statement"]
    ]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", ["default", "grown", "existing"])
def test_no_statement_allows_too_much(variants: Mapping[str, Variant], name: str) -> None:
    """No `*` in an allowed action, and `*` as a resource only for the listed actions."""
    walked = statements(variants[name])
    assert len(walked) > 20
    for owner, statement in walked:
        if statement["Effect"] == "Deny":
            continue
        actions = listed(statement["Action"])
        assert [action for action in actions if "*" in action] == [], owner
        if "*" in listed(statement.get("Resource", [])):
            assert [action for action in actions if action not in NO_RESOURCES] == [], owner
    used = {
        action for _, each in walked if "*" in listed(each.get("Resource", [])) for action in listed(each["Action"])
    }
    denied = {action for _, each in walked if each["Effect"] == "Deny" for action in listed(each["Action"])}
    assert used - denied == set(NO_RESOURCES)


def allowed(default: Variant, action: str, owner: str) -> Json:
    (statement,) = [
        each for name, each in statements(default) if name.startswith(owner) and action in listed(each["Action"])
    ]
    return statement


def test_the_service_submits_to_this_queue_only(default: Variant) -> None:
    """And with any revision of the one job definition, so that a job in flight may be tried again after a deployment."""
    queue, definition = allowed(default, "batch:SubmitJob", "TaskRole")["Resource"]
    assert "JobQueueArn" in queue["Fn::ImportValue"]
    assert definition["Fn::Join"][1][-1] == f":job-definition/{compute.JOB_DEFINITION}:*"


def test_the_service_stops_its_own_jobs_only(default: Variant) -> None:
    """A job without the service's tag may not be terminated, and the service may set no other tag."""
    condition = allowed(default, "batch:TerminateJob", "TaskRole")["Condition"]
    assert condition == {"Null": {f"aws:ResourceTag/{compute.JOB_TAG}": "false"}}
    condition = allowed(default, "batch:TagResource", "TaskRole")["Condition"]
    assert condition["ForAllValues:StringEquals"] == {"aws:TagKeys": [compute.JOB_TAG]}
    assert condition["Null"] == {f"aws:RequestTag/{compute.JOB_TAG}": "false"}


def test_the_service_writes_decisions_only(default: Variant) -> None:
    """It reads the bucket; what it may write is the decision about a job."""
    (resource,) = listed(allowed(default, "s3:PutObject", "TaskRole")["Resource"])
    assert resource["Fn::Join"][1][-1] == "/_jobs/*/decision.json"


def test_a_job_deletes_staged_days_only(default: Variant) -> None:
    """It writes the archive, and may delete nothing of a dataset."""
    (resource,) = listed(allowed(default, "s3:DeleteObject", "JobJobRole")["Resource"])
    assert resource["Fn::Join"][1][-1] == "/_jobs/*"
    assert not [name for name, each in statements(default) if "s3:DeleteBucket" in listed(each["Action"])]
