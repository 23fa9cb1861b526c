"""The API as a Fargate service: the database is migrated, then it serves."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from api.settings import ENV_PREFIX, Settings
from infra.acknowledge import acknowledge, ignore_lint
from infra.options import ServiceOptions
from infra.service.database import NAME, Database
from worker.contract import compute

_CPU, _MEMORY_MIB = 512, 1024
_GRACE = cdk.Duration.minutes(5)
_STOP = cdk.Duration.seconds(30)
_BUSY_PERCENT = 70

_SECRET = {"PGUSER": "username", "PGPASSWORD": "password"}
"""libpq's variables, each a field of the database's secret: no URL with a password has to be put together."""


class Api(Construct):
    """Tasks in private subnets that are replaced one after another; a release that does not come up is taken back."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        repository: ecr.IRepository,
        role: iam.IRole,
        archive: str,
        database: Database,
        options: ServiceOptions,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self.port = Settings.model_fields["port"].default
        self.key = self._make_key()
        self.cluster = ecs.Cluster(self, "Cluster", vpc=vpc)
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            cpu=_CPU,
            memory_limit_mib=_MEMORY_MIB,
            task_role=role,
            volumes=[ecs.Volume(name="scratch")],
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.X86_64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )
        image = ecs.ContainerImage.from_ecr_repository(repository, options.image_tag)
        secrets = {name: ecs.Secret.from_secrets_manager(database.secret, key) for name, key in _SECRET.items()}
        secrets[f"{ENV_PREFIX}API_KEY"] = ecs.Secret.from_secrets_manager(self.key)
        variables = environment(archive=archive, port=self.port, balancer=vpc.vpc_cidr_block)
        containers = {
            command: task.add_container(
                command,
                image=image,
                command=[command],
                essential=command == "serve",
                environment={**variables, **_place(database)},
                secrets=secrets,
                readonly_root_filesystem=True,
                linux_parameters=ecs.LinuxParameters(self, f"Linux-{command}", init_process_enabled=True),
                logging=ecs.LogDrivers.aws_logs(stream_prefix=command, log_group=log_group),
                stop_timeout=_STOP,
            )
            for command in ("migrate", "serve")
        }
        for container in containers.values():
            container.add_mount_points(
                ecs.MountPoint(container_path=compute.SCRATCH, source_volume="scratch", read_only=False)
            )
        serve = containers["serve"]
        serve.add_port_mappings(ecs.PortMapping(container_port=self.port))
        serve.add_container_dependencies(
            ecs.ContainerDependency(container=containers["migrate"], condition=ecs.ContainerDependencyCondition.SUCCESS)
        )
        group = ec2.SecurityGroup(
            self,
            "Group",
            vpc=vpc,
            description="The HLS service: out by HTTPS and to its database",
            allow_all_outbound=False,
        )
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS")
        self.service = ecs.FargateService(
            self,
            "Service",
            cluster=self.cluster,
            task_definition=task,
            desired_count=options.tasks,
            security_groups=[group],
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            min_healthy_percent=100,
            max_healthy_percent=200,
            health_check_grace_period=_GRACE,
        )
        database.instance.connections.allow_default_port_from(self.service, "the service")
        self.service.node.add_dependency(group, database)  # tasks start when the way to the database is open
        if options.max_tasks is not None:
            scaling = self.service.auto_scale_task_count(min_capacity=options.tasks, max_capacity=options.max_tasks)
            scaling.scale_on_cpu_utilization("Cpu", target_utilization_percent=_BUSY_PERCENT)
        self._accept(task)
        ignore_lint(
            self.service.node.default_child, "W3005", reason="CDK writes out a dependency that a reference implies."
        )

    def _make_key(self) -> secretsmanager.Secret:
        key = secretsmanager.Secret(
            self,
            "Key",
            description="The first key of the HLS service",
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=40, exclude_punctuation=True),
        )
        acknowledge(
            key, {"AwsSolutions-SMG4": "Its holder changes it when it has served: callers have keys of their own."}
        )
        return key

    def _accept(self, task: ecs.FargateTaskDefinition) -> None:
        acknowledge(
            self.cluster,
            {
                "AwsSolutions-ECS4": "Container Insights costs more than the smallest task; the service has metrics of its "
                "own, and the alarms that they need."
            },
        )
        acknowledge(
            task,
            {
                "AwsSolutions-ECS2": "The variables are names and addresses; what is secret comes from Secrets Manager.",
                "AwsSolutions-IAM5[Resource::*]": "ecr:GetAuthorizationToken is granted for no resource but *.",
            },
        )


def _place(database: Database) -> Mapping[str, str]:
    """Where the database is. A restored one has another address under the same secret, which a task would read only when
    it is started: so the address stands in its definition, and tasks follow the database."""
    instance = database.instance
    return {
        "PGHOST": instance.db_instance_endpoint_address,
        "PGPORT": instance.db_instance_endpoint_port,
        "PGDATABASE": NAME,
    }


def environment(*, archive: str, port: int, balancer: str) -> Mapping[str, str]:
    """The settings of the service that are not its defaults, by the names of its settings class.

    `balancer` holds the addresses whose word is taken for where a request comes from, and whether it came by HTTPS.
    """
    values: dict[str, object] = {
        "archive": archive,
        "database_url": "postgresql://",  # where it is stands in libpq's variables
        "executor": "batch",
        "batch_queue": compute.JOB_QUEUE,
        "batch_job_definition": compute.JOB_DEFINITION,
        "host": "0.0.0.0",  # noqa: S104  in a private subnet, behind a security group
        "port": port,
    }
    unknown = set(values) - set(Settings.model_fields)
    if unknown:
        raise ValueError(f"the service has no settings {', '.join(sorted(unknown))}")
    settings = {f"{ENV_PREFIX}{name.upper()}": str(value) for name, value in values.items()}
    return settings | {
        "AWS_DEFAULT_REGION": cdk.Aws.REGION,
        "PGSSLMODE": "require",
        "FORWARDED_ALLOW_IPS": balancer,
    }
