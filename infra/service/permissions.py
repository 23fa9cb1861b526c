"""What the service may do."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.acknowledge import acknowledge_patterns
from worker.contract import compute, layout


def task_role(scope: Construct, construct_id: str, *, bucket_arn: str, queue_arn: str, log_group_arn: str) -> iam.Role:
    """Submits to this queue, stops what it submitted, reads its logs and the archive, and decides to cancel."""
    role = iam.Role(scope, construct_id, assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    _allow_batch(role, queue_arn)
    _allow_archive(role, bucket_arn)
    role.add_to_policy(iam.PolicyStatement(actions=["logs:GetLogEvents"], resources=[log_group_arn]))
    return role


def _allow_batch(role: iam.Role, queue_arn: str) -> None:
    def arn(resource: str, name: str) -> str:
        return cdk.Stack.of(role).format_arn(service="batch", resource=resource, resource_name=name)

    definition, jobs = arn("job-definition", f"{compute.JOB_DEFINITION}:*"), arn("job", "*")
    looking = ["batch:DescribeJobDefinitions", "batch:DescribeJobQueues", "batch:DescribeJobs", "batch:ListJobs"]
    role.add_to_policy(iam.PolicyStatement(actions=looking, resources=["*"]))
    role.add_to_policy(iam.PolicyStatement(actions=["batch:SubmitJob"], resources=[queue_arn, definition]))
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["batch:TagResource"],  # part of SubmitJob with tags
            resources=[jobs],
            conditions={
                "Null": {f"aws:RequestTag/{compute.JOB_TAG}": "false"},
                "ForAllValues:StringEquals": {"aws:TagKeys": [compute.JOB_TAG]},
            },
        )
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["batch:TerminateJob"],
            resources=[jobs],
            conditions={"Null": {f"aws:ResourceTag/{compute.JOB_TAG}": "false"}},
        )
    )
    acknowledge_patterns(role, ["*"], "Batch describes and lists for no resource but *.")
    acknowledge_patterns(role, [definition], "Every revision: a job of the one before may be tried again.")
    acknowledge_patterns(role, [jobs], "Batch makes the ids of jobs; the condition is the service's own tag.")


def _allow_archive(role: iam.Role, bucket_arn: str) -> None:
    objects, decisions = f"{bucket_arn}/*", f"{bucket_arn}/{layout.decision_key('*')}"
    role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket_arn]))
    role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[objects]))
    role.add_to_policy(iam.PolicyStatement(actions=["s3:PutObject"], resources=[decisions]))
    acknowledge_patterns(role, [objects, decisions], "The keys of one bucket, and the decisions about its jobs.")
