"""What a job may do, and what starts it may do."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.acknowledge import acknowledge, acknowledge_patterns
from worker.contract import layout


def execution_role(scope: Construct, construct_id: str) -> iam.Role:
    """Pulls the image and sends logs; the rights come with the image and the log group that a container names."""
    role = iam.Role(scope, construct_id, assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    acknowledge(role, {"AwsSolutions-IAM5[Resource::*]": "ecr:GetAuthorizationToken is granted for no resource but *."})
    return role


def job_role(scope: Construct, construct_id: str, *, bucket: s3.IBucket) -> iam.Role:
    """Reads and writes the archive, and deletes staged days that it cannot use."""
    role = iam.Role(scope, construct_id, assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    objects, staged = bucket.arn_for_objects("*"), bucket.arn_for_objects(f"{layout.JOBS_ROOT}/*")
    for actions, resource in (
        (["s3:ListBucket"], bucket.bucket_arn),
        (["s3:GetObject", "s3:PutObject"], objects),
        (["s3:DeleteObject"], staged),
    ):
        role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[resource]))
    acknowledge_patterns(role, [objects, staged], "The keys of one bucket, and of the jobs in it.")
    return role
