"""PostgreSQL for the service's record."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.options import ServiceOptions

NAME = USER = "hls"
_PRIVATE = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
_DISK_GIB, _LARGEST_DISK_GIB = 20, 100
_BACKUPS = cdk.Duration.days(14)
_ROTATION = cdk.Duration.days(30)


class Database(Construct):
    """In private subnets, encrypted, backed up, protected from deletion; a snapshot is left where it goes all the same."""

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, options: ServiceOptions) -> None:
        super().__init__(scope, construct_id)
        group = ec2.SecurityGroup(
            self, "Group", vpc=vpc, description="Database of the HLS service: nothing out", allow_all_outbound=False
        )
        common: dict[str, Any] = {
            "engine": rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_18),
            "instance_type": ec2.InstanceType(options.database_instance_type),
            "vpc": vpc,
            "vpc_subnets": _PRIVATE,
            "security_groups": [group],
            "multi_az": options.database_multi_az,
            "storage_type": rds.StorageType.GP3,
            "allocated_storage": _DISK_GIB,
            "max_allocated_storage": _LARGEST_DISK_GIB,
            "backup_retention": _BACKUPS,
            "copy_tags_to_snapshot": True,
            "auto_minor_version_upgrade": True,
            "deletion_protection": True,
            "removal_policy": cdk.RemovalPolicy.SNAPSHOT,
        }
        self.instance: rds.DatabaseInstance | rds.DatabaseInstanceFromSnapshot
        if options.database_snapshot:
            self.instance = rds.DatabaseInstanceFromSnapshot(
                self,
                "Instance",
                snapshot_identifier=options.database_snapshot,
                credentials=rds.SnapshotCredentials.from_generated_secret(USER),
                **common,
            )
        else:
            self.instance = rds.DatabaseInstance(
                self,
                "Instance",
                database_name=NAME,
                credentials=rds.Credentials.from_generated_secret(USER),
                storage_encrypted=True,
                **common,
            )
        if options.rotate_credentials:
            self.instance.add_rotation_single_user(automatically_after=_ROTATION)
        acknowledge(
            self,
            {
                "AwsSolutions-RDS3": "One zone by default: the archive holds all that is needed to build the catalogue "
                "anew, and backups the rest. databaseMultiAz is the argument for more.",
                "AwsSolutions-RDS11": "The port is no secret; only the service's security group may reach it.",
                "AwsSolutions-SMG4": "Off by default, because tasks must be started anew after each rotation: "
                "rotateCredentials turns it on.",
                "AwsSolutions-RDS2": "A database that is restored is encrypted where its snapshot is.",
            },
        )

    @property
    def secret(self) -> secretsmanager.ISecret:
        """User name and password, and where the database is."""
        secret = self.instance.secret
        if secret is None:
            raise RuntimeError("the database was made without a secret")
        return secret
