"""HlsBatchStack: everything that a month's harvest needs."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.batch.bucket import Archive
from infra.batch.images import Images
from infra.batch.job import Job
from infra.batch.machines import Machines
from infra.batch.network import Network
from infra.batch.notices import Notices
from infra.batch.queue import Queue
from infra.logs import log_group
from infra.options import BatchOptions
from worker.contract import compute


class HlsBatchStack(cdk.Stack):
    """Wires the parts; what others need of it stands in its attributes and outputs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        options: BatchOptions | None = None,
        vpc: ec2.IVpc | None = None,
        **stack: Any,
    ) -> None:
        super().__init__(scope, construct_id, description="Monthly harvests of HLS metadata on AWS Batch", **stack)
        options = options or BatchOptions()
        self.vpc = vpc or Network(self, "Network", options=options).vpc
        self.bucket = Archive(self, "Archive", name=options.bucket_name).bucket
        self.images = Images(self, "Images")
        self.log_group = log_group(self, "Logs", days=options.log_retention_days, name=compute.LOG_GROUP)
        machines = Machines(self, "Machines", vpc=self.vpc, options=options)
        self.queue = Queue(self, "Queue", environments=machines.environments).queue
        job = Job(
            self,
            "Job",
            repository=self.images.worker,
            image_tag=options.image_tag,
            bucket=self.bucket,
            log_group=self.log_group,
        )
        notices = Notices(self, "Notices", queue_arn=self.queue.job_queue_arn)
        if options.alarm_email:
            notices.email(options.alarm_email)
        if options.monthly_budget:
            notices.budget(options.monthly_budget)
        self.topic = notices.topic
        if vpc is None and options.vpc_id is None:
            self._export_network()
        self._outputs(job)

    def _export_network(self) -> None:
        """Whatever a service may need of the network, whether or not this one does.

        This stack is deployed first, and CloudFormation refuses to take away what the service's stack still imports: so
        an option of the service must not change what is exported here.
        """
        subnets = [*self.vpc.public_subnets, *self.vpc.private_subnets]
        for value in (self.vpc.vpc_id, self.vpc.vpc_cidr_block, *(subnet.subnet_id for subnet in subnets)):
            self.export_value(value)

    def _outputs(self, job: Job) -> None:
        outputs = {
            "BucketName": (self.bucket.bucket_name, "The archive"),
            "JobQueueName": (compute.JOB_QUEUE, "The queue, for aws batch submit-job"),
            "JobQueueArn": (self.queue.job_queue_arn, "The queue"),
            "JobDefinitionName": (compute.JOB_DEFINITION, "The job definition, for aws batch submit-job"),
            "JobDefinitionArn": (job.definition.job_definition_arn, "The newest revision of the job definition"),
            "LogGroupName": (self.log_group.log_group_name, "Logs of the jobs"),
            "WorkerRepositoryUri": (self.images.worker.repository_uri, "Where the worker's image is pushed"),
            "ApiRepositoryUri": (self.images.api.repository_uri, "Where the service's image is pushed"),
            "Registry": (
                f"{self.account}.dkr.ecr.{self.region}.{self.url_suffix}",
                "Registry of both images, for docker login",
            ),
            "AlarmTopicArn": (self.topic.topic_arn, "Topic of every alarm"),
            "VpcId": (self.vpc.vpc_id, "The network"),
        }
        for name, (value, meaning) in outputs.items():
            cdk.CfnOutput(self, name, value=value, description=meaning)
