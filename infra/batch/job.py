"""The job definition: the contract's, in Batch's words."""

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.batch.roles import execution_role, job_role
from worker.contract import compute
from worker.contract.parameters import BATCH_COMMAND, BATCH_DEFAULTS
from worker.settings import WorkerSettings

_SETTINGS = ("max_concurrent_days", "max_concurrent_per_day", "temp_dir")
_REGION = "aws_default_region"


class Job(Construct):
    """One month's harvest."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        repository: ecr.IRepository,
        image_tag: str,
        bucket: s3.IBucket,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        container = batch.EcsEc2ContainerDefinition(
            self,
            "Container",
            image=ecs.ContainerImage.from_ecr_repository(repository, image_tag),
            command=list(BATCH_COMMAND),
            cpu=compute.VCPU,
            memory=cdk.Size.mebibytes(compute.MEMORY_MIB),
            environment=environment(region=cdk.Aws.REGION),
            user=compute.USER,
            readonly_root_filesystem=True,
            linux_parameters=batch.LinuxParameters(self, "Linux", init_process_enabled=True),
            # On the machine's disk. The image declares this path as a volume, which keeps it writable for its user.
            volumes=[batch.EcsVolume.host(name="scratch", container_path=compute.SCRATCH)],
            # The prefix is what Batch would take by itself, and what it says of a job's log stream.
            logging=ecs.LogDriver.aws_logs(stream_prefix=compute.JOB_DEFINITION, log_group=log_group),
            execution_role=execution_role(self, "ExecutionRole"),
            job_role=job_role(self, "JobRole", bucket=bucket),
        )
        self.definition = batch.EcsJobDefinition(
            self,
            "Definition",
            job_definition_name=compute.JOB_DEFINITION,
            container=container,
            parameters=dict(BATCH_DEFAULTS),
            retry_attempts=compute.ATTEMPTS,
            retry_strategies=[_retry(rule) for rule in compute.RETRY_RULES],
            timeout=cdk.Duration.seconds(int(compute.TIMEOUT.total_seconds())),
            skip_deregister_on_update=True,  # jobs of the revision before may still be tried again
        )


def environment(*, region: str) -> dict[str, str]:
    """What the worker finds in its environment: its own defaults, written out for those who read the job definition."""
    fields = WorkerSettings.model_fields
    return {_REGION.upper(): region} | {name.upper(): str(fields[name].default) for name in _SETTINGS}


def _retry(rule: compute.RetryRule) -> batch.RetryStrategy:
    return batch.RetryStrategy.of(
        batch.Action.RETRY if rule.retry else batch.Action.EXIT,
        batch.Reason.custom(
            on_exit_code=rule.on_exit_code, on_reason=rule.on_reason, on_status_reason=rule.on_status_reason
        ),
    )
