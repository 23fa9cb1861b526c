"""The way in: HTTPS from anywhere with a certificate, HTTP from inside the VPC without one."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from api.settings import KEEP_ALIVE_SECONDS
from infra.acknowledge import acknowledge
from infra.service.api import Api

HEALTH = "/readyz"
_IDLE = cdk.Duration.seconds(KEEP_ALIVE_SECONDS - 15)


class Balancer(Construct):
    """A load balancer before the tasks."""

    def __init__(
        self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, api: Api, certificate_arn: str | None
    ) -> None:
        super().__init__(scope, construct_id)
        self.is_public = certificate_arn is not None
        group = ec2.SecurityGroup(
            self, "Group", vpc=vpc, description="Callers of the HLS service", allow_all_outbound=False
        )
        subnets = ec2.SubnetType.PUBLIC if self.is_public else ec2.SubnetType.PRIVATE_WITH_EGRESS
        self.balancer = elb.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=subnets),
            internet_facing=self.is_public,
            security_group=group,
            drop_invalid_header_fields=True,
            idle_timeout=_IDLE,
        )
        listener = self._https(str(certificate_arn)) if self.is_public else self._http(group, vpc)
        self.targets = listener.add_targets(
            "Api",
            port=api.port,
            protocol=elb.ApplicationProtocol.HTTP,
            targets=[api.service],
            deregistration_delay=cdk.Duration.seconds(30),
            health_check=elb.HealthCheck(
                path=HEALTH,
                interval=cdk.Duration.seconds(30),
                timeout=cdk.Duration.seconds(20),
                healthy_threshold_count=2,
                unhealthy_threshold_count=5,
            ),
        )
        acknowledge(
            self,
            {
                "AwsSolutions-ELB2": "The service logs every request itself, with its id, status and time.",
                "AwsSolutions-EC23": "With a certificate the service is for the internet: the service asks for a key.",
            },
        )

    @property
    def url(self) -> str:
        return f"{'https' if self.is_public else 'http'}://{self.balancer.load_balancer_dns_name}"

    def _https(self, certificate_arn: str) -> elb.ApplicationListener:
        self.balancer.add_redirect()
        return self.balancer.add_listener(
            "Https",
            protocol=elb.ApplicationProtocol.HTTPS,
            certificates=[elb.ListenerCertificate.from_arn(certificate_arn)],
            ssl_policy=elb.SslPolicy.RECOMMENDED_TLS,
        )

    def _http(self, group: ec2.SecurityGroup, vpc: ec2.IVpc) -> elb.ApplicationListener:
        group.add_ingress_rule(ec2.Peer.ipv4(vpc.vpc_cidr_block), ec2.Port.tcp(80), "from inside the VPC")
        return self.balancer.add_listener("Http", protocol=elb.ApplicationProtocol.HTTP, open=False)
