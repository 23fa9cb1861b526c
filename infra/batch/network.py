"""The VPC: public subnets for what is reached from outside, private ones for what works."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.logs import log_group
from infra.options import BatchOptions

ZONES = 2


class Network(Construct):
    """A VPC of its own over two zones, or an existing one that is named part by part, so that nothing is looked up."""

    def __init__(self, scope: Construct, construct_id: str, *, options: BatchOptions) -> None:
        super().__init__(scope, construct_id)
        self.vpc = self._existing(options) if options.vpc_id else self._new(options)

    def _existing(self, options: BatchOptions) -> ec2.IVpc:
        return ec2.Vpc.from_vpc_attributes(
            self,
            "Existing",
            vpc_id=str(options.vpc_id),
            vpc_cidr_block=options.vpc_cidr,
            availability_zones=list(options.vpc_zones),
            private_subnet_ids=list(options.vpc_private_subnets),
            public_subnet_ids=list(options.vpc_public_subnets),
        )

    def _new(self, options: BatchOptions) -> ec2.Vpc:
        flow_logs = log_group(self, "FlowLogs", days=options.log_retention_days)
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(options.vpc_cidr),
            max_azs=ZONES,
            nat_gateways=options.nat_gateways,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            ],
            flow_logs={"flows": ec2.FlowLogOptions(destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow_logs))},
        )
        # What goes to the bucket does not pay for its way through the NAT gateway.
        vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        return vpc
