"""Synthesises the app in several variants into one folder each, and in the working directory what its `cdk.json` says:
`python variants.py FOLDER`. A process of its own."""

import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from infra.app import build, make_app
from infra.batch.stack import HlsBatchStack
from infra.options import BatchOptions
from worker.contract import compute


@dataclass(frozen=True)
class Variant:
    """What the context says, and the memory of a job."""

    context: dict[str, Any]
    memory: int = compute.MEMORY_MIB


VARIANTS = {
    "default": Variant({}),
    "changed": Variant({"instanceTypes": "m6i.large,r6i.xlarge", "maxvCpus": "512", "imageTag": "1.2.3"}, memory=8192),
    "grown": Variant(
        {
            "vpcCidr": "10.1.0.0/16",
            "natGateways": "2",
            "bucketName": "a-bucket-of-ours",
            "spot": "false",
            "alarmEmail": "operator@example.org",
            "monthlyBudget": "200",
            "logRetentionDays": "90",
            "certificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/abc",
            "tasks": "2",
            "maxTasks": "6",
            "databaseMultiAz": "true",
            "rotateCredentials": "true",
        }
    ),
    "served": Variant(
        {
            "certificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/abc",
            "tasks": "2",
            "maxTasks": "3",
            "databaseMultiAz": "true",
            "databaseSnapshot": "before-the-upgrade",
            "rotateCredentials": "true",
        }
    ),
    "existing": Variant(
        {
            "vpcId": "vpc-0123456789abcdef0",
            "vpcCidr": "10.2.0.0/16",
            "vpcZones": ["us-east-1a", "us-east-1b"],
            "vpcPrivateSubnets": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
            "vpcPublicSubnets": '["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"]',
            "databaseSnapshot": "before-the-upgrade",
        }
    ),
}


def main(folder: Path) -> None:
    # What `make synth` runs, with the `cdk.json` of the working directory. Here and not in a process of its own, because
    # that of the constructs takes longer to start than a synthesis.
    runpy.run_module("infra", run_name="__main__")
    for name, variant in VARIANTS.items():
        with mock.patch.object(compute, "MEMORY_MIB", variant.memory):
            app = make_app(str(folder / name), variant.context)
            build(app)
            app.synth()
    app = make_app(str(folder / "typed"))
    options = BatchOptions(
        vpc_cidr="10.1.0.0/16", maxv_cpus=512, bucket_name="my-hls-data-bucket", instance_types=("m5.xlarge",)
    )
    HlsBatchStack(app, "HlsBatchStack", options=options)
    app.synth()
    # The constructs' process starts with the first import of theirs, which must come after `infra` named its Node.js.
    import aws_cdk as cdk
    from aws_cdk import aws_ec2 as ec2

    app = make_app(str(folder / "given"))
    vpc = ec2.Vpc(cdk.Stack(app, "Network"), "Vpc", max_azs=2)
    HlsBatchStack(app, "HlsBatchStack", vpc=vpc)
    app.synth()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
