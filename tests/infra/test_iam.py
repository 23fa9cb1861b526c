"""Every IAM statement of both stacks: no right to everything, and to every resource only where AWS knows no other."""

import json
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

MANAGED = {
    "service-role/AmazonEC2ContainerServiceforEC2Role": "what the ECS agent of a machine needs changes with the agent",
}
"""AWS's own policies that a role may have, each with its reason."""


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
        assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement), owner
        actions = listed(statement["Action"])
        assert [action for action in actions if "*" in action] == [], owner
        if "*" in listed(statement.get("Resource", [])):
            assert [action for action in actions if action not in NO_RESOURCES] == [], owner
    used = {
        action for _, each in walked if "*" in listed(each.get("Resource", [])) for action in listed(each["Action"])
    }
    denied = {action for _, each in walked if each["Effect"] == "Deny" for action in listed(each["Action"])}
    assert used - denied == set(NO_RESOURCES)


@pytest.mark.parametrize("name", ["default", "grown", "existing"])
def test_rights_of_aws_making_are_listed(variants: Mapping[str, Variant], name: str) -> None:
    """A managed policy is walked by nobody here, so each that a role has is one of the list, and each of the list is
    one that a role has."""
    found = {
        json.dumps(policy).rpartition(":policy/")[2].rstrip('"]}')
        for template in variants[name].both
        for resource in template.resources.values()
        for policy in resource.get("Properties", {}).get("ManagedPolicyArns", [])
    }
    assert found == set(MANAGED)


ROLES = {
    "JobExecutionRole": {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    },
    "JobJobRole": {"s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"},
    "TaskRole": {
        "batch:DescribeJobDefinitions",
        "batch:DescribeJobQueues",
        "batch:DescribeJobs",
        "batch:ListJobs",
        "batch:SubmitJob",
        "batch:TagResource",
        "batch:TerminateJob",
        "logs:GetLogEvents",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    },
    "ApiTaskExecutionRole": {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
    },
}
"""Everything that each role may do."""


@pytest.mark.parametrize("owner", ROLES)
def test_each_role_has_what_it_needs_and_no_more(default: Variant, owner: str) -> None:
    """What starts a container may pull its image and write its log, and for a task read its secrets; what runs in it has
    a role of its own."""
    granted = {
        action
        for name, statement in statements(default)
        if name.startswith(f"{owner}DefaultPolicy")
        for action in listed(statement["Action"])
    }
    assert granted == ROLES[owner]


def test_what_starts_a_container_is_not_what_runs_in_it(default: Variant) -> None:
    """Two roles for a job and two for a task, and none shared."""
    job = default.batch.only("AWS::Batch::JobDefinition")["ContainerProperties"]
    task = default.service.only("AWS::ECS::TaskDefinition")
    roles = (job["JobRoleArn"], job["ExecutionRoleArn"], task["TaskRoleArn"], task["ExecutionRoleArn"])
    names = [role["Fn::GetAtt"][0] for role in roles]
    for name, owner in zip(names, ("JobJobRole", "JobExecutionRole", "TaskRole", "ApiTaskExecutionRole"), strict=True):
        assert name.startswith(owner)


def test_the_service_reads_this_archive_and_this_log(default: Variant) -> None:
    """Of buckets the one, of log groups the jobs' own."""
    (listing,) = listed(allowed(default, "s3:ListBucket", "TaskRole")["Resource"])
    (reading,) = listed(allowed(default, "s3:GetObject", "TaskRole")["Resource"])
    bucket, rest = reading["Fn::Join"][1]
    assert (bucket, rest) == (listing, "/*")
    assert "ArchiveBucket" in bucket["Fn::ImportValue"]
    (log,) = listed(allowed(default, "logs:GetLogEvents", "TaskRole")["Resource"])
    exported = {each["Export"]["Name"]: each["Value"] for each in default.batch.outputs.values() if "Export" in each}
    (group, _) = exported[log["Fn::ImportValue"]]["Fn::GetAtt"]
    assert default.batch.resources[group]["Properties"]["LogGroupName"] == compute.LOG_GROUP


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
