"""The archive's bucket."""

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.acknowledge import acknowledge
from worker.contract import layout

_NONCURRENT = cdk.Duration.days(30)
_UNFINISHED = cdk.Duration.days(7)
_OLD = cdk.Duration.days(90)


class Archive(Construct):
    """Encrypted, closed, versioned, and kept when the stack goes."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str | None) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=name,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="leftovers",
                    noncurrent_version_expiration=_NONCURRENT,
                    abort_incomplete_multipart_upload_after=_UNFINISHED,
                ),
                s3.LifecycleRule(
                    id="jobs",
                    prefix=f"{layout.JOBS_ROOT}/",
                    expiration=cdk.Duration.days(layout.JOBS_LIFETIME.days),
                ),
                s3.LifecycleRule(
                    id="partitions",
                    # An archive class would make readers wait for hours.
                    transitions=[s3.Transition(storage_class=s3.StorageClass.INFREQUENT_ACCESS, transition_after=_OLD)],
                ),
            ],
        )
        acknowledge(
            self.bucket,
            {
                "AwsSolutions-S1": "Two roles write here, every partition names the run that made it, and old versions "
                "are kept; who needs each access recorded has CloudTrail's data events for it."
            },
        )
