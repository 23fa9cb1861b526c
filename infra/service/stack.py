"""HlsServiceStack: the API and its database, beside the Batch stack."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from infra.batch.stack import HlsBatchStack
from infra.logs import log_group
from infra.options import ServiceOptions
from infra.service.alarms import Alarms
from infra.service.api import Api
from infra.service.balancer import Balancer
from infra.service.database import Database
from infra.service.permissions import task_role


class HlsServiceStack(cdk.Stack):
    """Wires the parts; deployed once the Batch stack stands and the images are pushed."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        batch: HlsBatchStack,
        options: ServiceOptions | None = None,
        **stack: Any,
    ) -> None:
        super().__init__(scope, construct_id, description="HLS harvest jobs and their catalogue over HTTP", **stack)
        options = options or ServiceOptions()
        self.log_group = log_group(self, "Logs", days=options.log_retention_days)
        database = Database(self, "Database", vpc=batch.vpc, options=options)
        role = task_role(
            self,
            "TaskRole",
            bucket_arn=batch.export_value(batch.bucket.bucket_arn),  # its name is known before the synthesis
            queue_arn=batch.queue.job_queue_arn,
            log_group_arn=batch.log_group.log_group_arn,
        )
        api = Api(
            self,
            "Api",
            vpc=batch.vpc,
            repository=batch.images.api,
            role=role,
            archive=batch.bucket.s3_url_for_object(),
            database=database,
            options=options,
            log_group=self.log_group,
        )
        balancer = Balancer(self, "Balancer", vpc=batch.vpc, api=api, certificate_arn=options.certificate_arn)
        Alarms(self, "Alarms", topic=batch.topic, balancer=balancer, database=database, log_group=self.log_group)
        self._outputs(api, balancer, database)

    def _outputs(self, api: Api, balancer: Balancer, database: Database) -> None:
        reach = (
            "from the internet, by HTTPS; point the certificate's name at this address"
            if balancer.is_public
            else "by HTTP and from inside the VPC only, because no certificate was given"
        )
        outputs = {
            "ServiceUrl": (balancer.url, f"The service, {reach}"),
            "ClusterName": (api.cluster.cluster_name, "Cluster of the tasks"),
            "ServiceName": (api.service.service_name, "The tasks"),
            "ServiceLogGroupName": (self.log_group.log_group_name, "Logs of the service"),
            "KeySecretArn": (api.key.secret_arn, "The first key"),
            "DatabaseId": (database.instance.instance_identifier, "The database"),
            "DatabaseSecretArn": (database.secret.secret_arn, "User and password of the database"),
        }
        for name, (value, meaning) in outputs.items():
            cdk.CfnOutput(self, name, value=value, description=meaning)
