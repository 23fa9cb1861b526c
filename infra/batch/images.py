"""A repository for each image."""

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from constructs import Construct

KEPT = 20
"""Images; enough to roll back, without paying for every build that there was."""


class Images(Construct):
    """Scanned on push, and kept when the stack goes. A tag that was pushed stays what it is."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.worker = self._repository("Worker")
        self.api = self._repository("Api")

    def _repository(self, construct_id: str) -> ecr.Repository:
        return ecr.Repository(
            self,
            construct_id,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            encryption=ecr.RepositoryEncryption.AES_256,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[ecr.LifecycleRule(max_image_count=KEPT)],
        )
