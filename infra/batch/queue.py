"""The job queue."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from constructs import Construct

from worker.contract import compute


class Queue(Construct):
    """Has the name that operators know: nothing but another name could make CloudFormation replace it."""

    def __init__(
        self, scope: Construct, construct_id: str, *, environments: Sequence[batch.ManagedEc2EcsComputeEnvironment]
    ) -> None:
        super().__init__(scope, construct_id)
        self.queue = batch.JobQueue(
            self,
            "Queue",
            job_queue_name=compute.JOB_QUEUE,
            priority=1,
            compute_environments=[
                batch.OrderedComputeEnvironment(order=order, compute_environment=environment)
                for order, environment in enumerate(environments, start=1)
            ],
            job_state_time_limit_actions=[_limit(limit) for limit in compute.WAIT_LIMITS],
        )


def _limit(limit: compute.WaitLimit) -> batch.JobStateTimeLimitAction:
    return batch.JobStateTimeLimitAction(
        reason=batch.JobStateTimeLimitActionsReason[limit.reason.partition(":")[2]],
        max_time=cdk.Duration.seconds(int(limit.longest.total_seconds())),
    )
