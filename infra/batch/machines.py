"""The machines: compute environments that grow with the queue and shrink to nothing."""

from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.options import BatchOptions

DISK_GIB = 50
"""Of each machine. A month of the whole world takes less than 2 GiB, an xlarge holds two jobs, images and logs come on top."""


class Machines(Construct):
    """Spot first and on demand second, in the order in which the queue tries them.

    Neither has a physical name, so that CloudFormation may replace one before it removes the other.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, options: BatchOptions) -> None:
        super().__init__(scope, construct_id)
        self._vpc = vpc
        self._options = options
        self._role = self._instance_role()
        self._template = self._launch_template()
        self.security_group = ec2.SecurityGroup(
            self, "Workers", vpc=vpc, description="Batch jobs: out by HTTPS, nothing in", allow_all_outbound=False
        )
        self.security_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "the source and AWS")
        kinds = {"Spot": True, "OnDemand": False} if options.spot else {"OnDemand": False}
        self.environments = [self._environment(name, spot=spot) for name, spot in kinds.items()]

    def _environment(self, construct_id: str, *, spot: bool) -> batch.ManagedEc2EcsComputeEnvironment:
        environment = batch.ManagedEc2EcsComputeEnvironment(
            self,
            construct_id,
            vpc=self._vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[self.security_group],
            spot=spot,
            allocation_strategy=batch.AllocationStrategy.BEST_FIT_PROGRESSIVE,
            instance_types=[ec2.InstanceType(name) for name in self._options.instance_types],
            use_optimal_instance_classes=False,
            minv_cpus=0,
            maxv_cpus=self._options.maxv_cpus,
            images=[batch.EcsMachineImage(image_type=batch.EcsMachineImageType.ECS_AL2023)],
            instance_role=self._role,
            launch_template=self._template,
            replace_compute_environment=False,  # jobs go on while it is updated
            update_timeout=cdk.Duration.hours(12),
            update_to_latest_image_version=True,
        )
        # Named by its version, so that machines follow a template that changes.
        version = self._template.latest_version_number
        made = cast(batch.CfnComputeEnvironment, environment.node.default_child)
        made.add_property_override("ComputeResources.LaunchTemplate.Version", version)
        return environment

    def _instance_role(self) -> iam.Role:
        role = iam.Role(
            self,
            "InstanceRole",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonEC2ContainerServiceforEC2Role")
            ],
        )
        policy = "Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
        acknowledge(
            role,
            {
                f"AwsSolutions-IAM4[{policy}]": "What the ECS agent of a machine needs changes with the agent, and AWS "
                "keeps this policy in step. Jobs cannot take this role: the metadata service is one hop away only."
            },
        )
        return role

    def _launch_template(self) -> ec2.LaunchTemplate:
        disk = ec2.BlockDeviceVolume.ebs(DISK_GIB, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3)
        return ec2.LaunchTemplate(
            self,
            "Template",
            block_devices=[ec2.BlockDevice(device_name="/dev/xvda", volume=disk)],
            require_imdsv2=True,
            http_put_response_hop_limit=1,
        )
