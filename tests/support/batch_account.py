"""What a deployment makes in Batch: the queue and the job definition, as the contract has them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import boto3

from worker.contract import compute
from worker.contract.parameters import BATCH_COMMAND, BATCH_DEFAULTS

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import EvaluateOnExitTypeDef


def make_queue() -> None:
    """With the clients of the standard AWS settings."""
    batch, iam = boto3.client("batch"), boto3.client("iam")
    role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument='{"Statement": []}')["Role"]["Arn"]
    machines = batch.create_compute_environment(computeEnvironmentName="machines", type="UNMANAGED", serviceRole=role)[
        "computeEnvironmentArn"
    ]
    batch.create_job_queue(
        jobQueueName=compute.JOB_QUEUE,
        state="ENABLED",
        priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": machines}],
    )
    for client in (batch, iam):
        client.close()


def deploy(*, image: str, environment: Mapping[str, str]) -> None:
    """Make both; `environment` is what each worker is given."""
    make_queue()
    batch = boto3.client("batch")
    batch.register_job_definition(
        jobDefinitionName=compute.JOB_DEFINITION,
        type="container",
        parameters=BATCH_DEFAULTS,
        containerProperties={
            "image": image,
            "command": list(BATCH_COMMAND),
            "environment": [{"name": name, "value": value} for name, value in environment.items()],
            "readonlyRootFilesystem": True,
            "resourceRequirements": [
                {"type": "VCPU", "value": str(compute.VCPU)},
                {"type": "MEMORY", "value": str(compute.MEMORY_MIB)},
            ],
        },
        retryStrategy={"attempts": compute.ATTEMPTS, "evaluateOnExit": [_rule(rule) for rule in compute.RETRY_RULES]},
        timeout={"attemptDurationSeconds": int(compute.TIMEOUT.total_seconds())},
    )
    batch.close()


def _rule(rule: compute.RetryRule) -> "EvaluateOnExitTypeDef":
    made: EvaluateOnExitTypeDef = {"action": "RETRY" if rule.retry else "EXIT"}
    if rule.on_exit_code is not None:
        made["onExitCode"] = rule.on_exit_code
    if rule.on_reason is not None:
        made["onReason"] = rule.on_reason
    if rule.on_status_reason is not None:
        made["onStatusReason"] = rule.on_status_reason
    return made
