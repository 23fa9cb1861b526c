"""The service stack runs the service as its settings and calls are."""

import re
from collections.abc import Mapping

import pytest

from api.app import create_app
from api.settings import KEEP_ALIVE_SECONDS, Settings
from tests.infra.conftest import Json, Variant
from worker.contract import compute, vitals


@pytest.fixture
def containers(default: Variant) -> dict[str, Json]:
    task = default.service.only("AWS::ECS::TaskDefinition")
    return {each["Name"]: each for each in task["ContainerDefinitions"]}


def plain(container: Json) -> dict[str, str]:
    """The environment as the service finds it, with stand-ins for what is known at deployment only."""
    values = {each["Name"]: each["Value"] for each in container["Environment"]}
    return {name: value if isinstance(value, str) else _stand_in(name) for name, value in values.items()}


def _stand_in(name: str) -> str:
    return "s3://bucket" if name == "HLS_ARCHIVE" else name.lower()


def test_the_settings_are_ones_that_the_service_takes(
    containers: dict[str, Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its variables the service would start: on Batch, on the bucket, listening with a key."""
    for name, value in plain(containers["serve"]).items():
        monkeypatch.setenv(name, value)
    secrets = {each["Name"] for each in containers["serve"]["Secrets"]}
    assert secrets == {"HLS_API_KEY", "PGUSER", "PGPASSWORD"}
    monkeypatch.setenv("HLS_API_KEY", "k" * 40)
    settings = Settings()
    assert (settings.executor, settings.batch_queue) == ("batch", compute.JOB_QUEUE)
    assert settings.batch_job_definition == compute.JOB_DEFINITION
    assert settings.destination == "s3://bucket"
    assert settings.database == "postgresql+psycopg://"
    assert not settings.needs_data_dir
    (mapping,) = containers["serve"]["PortMappings"]
    assert mapping["ContainerPort"] == settings.port


def test_the_balancers_word_is_taken(variants: Mapping[str, Variant]) -> None:
    """Of where a request comes from and whether it came by HTTPS, and nobody else's: callers are counted by address."""
    trusted = {
        name: [
            each["Value"]
            for container in variants[name].service.only("AWS::ECS::TaskDefinition")["ContainerDefinitions"]
            for each in container["Environment"]
            if each["Name"] == "FORWARDED_ALLOW_IPS"
        ]
        for name in ("grown", "existing")
    }
    assert trusted["existing"] == ["10.2.0.0/16"] * 2
    assert all(re.search(r"Vpc\w+CidrBlock", each["Fn::ImportValue"]) for each in trusted["grown"])


def test_the_database_is_migrated_before_the_service_starts(containers: dict[str, Json]) -> None:
    """The same image with the same variables migrates and ends; only then does the service start."""
    migrate, serve = containers["migrate"], containers["serve"]
    assert (migrate["Command"], migrate["Essential"]) == (["migrate"], False)
    assert (serve["Command"], serve["Essential"]) == (["serve"], True)
    assert serve["DependsOn"] == [{"ContainerName": "migrate", "Condition": "SUCCESS"}]
    for same in ("Image", "Environment", "Secrets", "ReadonlyRootFilesystem"):
        assert migrate[same] == serve[same]
    assert serve["ReadonlyRootFilesystem"] is True


@pytest.mark.parametrize("name", ["default", "existing"])
def test_tasks_follow_the_database(variants: Mapping[str, Variant], name: str) -> None:
    """Its address in their definition is the instance's own: one that is restored from a snapshot takes its place under
    the same secret, and only another definition makes ECS start tasks anew."""
    service = variants[name].service
    (instance,) = [name for name, each in service.resources.items() if each["Type"] == "AWS::RDS::DBInstance"]
    for container in service.only("AWS::ECS::TaskDefinition")["ContainerDefinitions"]:
        told = {each["Name"]: each["Value"] for each in container["Environment"]}
        assert told["PGHOST"] == {"Fn::GetAtt": [instance, "Endpoint.Address"]}
        assert told["PGPORT"] == {"Fn::GetAtt": [instance, "Endpoint.Port"]}
        assert told["PGDATABASE"] == "hls"


def test_a_release_that_does_not_come_up_is_taken_back(default: Variant) -> None:
    """By the circuit breaker, while the tasks before go on; readiness is asked for at a call that the service has."""
    deployment = default.service.only("AWS::ECS::Service")["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert deployment["MinimumHealthyPercent"] == 100
    path = default.service.only("AWS::ElasticLoadBalancingV2::TargetGroup")["HealthCheckPath"]
    assert path == "/readyz"
    assert path in create_app().openapi()["paths"]


def test_the_balancer_hangs_up_first(default: Variant) -> None:
    """It ends an idle connection before the service does; else it would send a request into one that is being closed."""
    balancer = default.service.only("AWS::ElasticLoadBalancingV2::LoadBalancer")
    attributes = {each["Key"]: each["Value"] for each in balancer["LoadBalancerAttributes"]}
    assert 0 < int(attributes["idle_timeout.timeout_seconds"]) < KEEP_ALIVE_SECONDS


def test_without_a_certificate_nothing_is_open(default: Variant) -> None:
    """The balancer is internal, takes HTTP from the VPC's addresses alone, and the stack's output says so."""
    balancer = default.service.only("AWS::ElasticLoadBalancingV2::LoadBalancer")
    assert balancer["Scheme"] == "internal"
    rules = [
        rule
        for group in default.service.of_type("AWS::EC2::SecurityGroup")
        for rule in group.get("SecurityGroupIngress", [])
    ]
    assert [(rule["FromPort"], "Fn::ImportValue" in rule["CidrIp"]) for rule in rules] == [(80, True)]
    assert "inside the VPC only" in default.service.outputs["ServiceUrl"]["Description"]


def test_what_goes_out_is_named(default: Variant) -> None:
    """Tasks reach AWS by HTTPS and their database; the database begins nothing, and only tasks reach it."""
    resources = default.service.resources
    groups = {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::EC2::SecurityGroup"}
    out = {
        name: [(rule["CidrIp"], rule["IpProtocol"], rule["ToPort"]) for rule in group.get("SecurityGroupEgress", [])]
        for name, group in groups.items()
    }
    nothing = [("255.255.255.255/32", "icmp", 86)]  # what stands in a template for no rule at all
    (tasks,), (database,) = ([name for name in out if name.startswith(part)] for part in ("ApiGroup", "DatabaseGroup"))
    assert (out[tasks], out[database]) == ([("0.0.0.0/0", "tcp", 443)], nothing)
    between = [
        each for each in default.service.of_type("AWS::EC2::SecurityGroupEgress") if tasks in str(each["GroupId"])
    ]
    assert [database in str(each["DestinationSecurityGroupId"]) for each in between] == [True]
    inwards = [
        each for each in default.service.of_type("AWS::EC2::SecurityGroupIngress") if database in str(each["GroupId"])
    ]
    assert [tasks in str(each["SourceSecurityGroupId"]) for each in inwards] == [True]
    assert default.service.only("AWS::RDS::DBInstance")["VPCSecurityGroups"] == [{"Fn::GetAtt": [database, "GroupId"]}]


def test_with_a_certificate_there_is_https(variants: Mapping[str, Variant]) -> None:
    """HTTPS for the internet, and HTTP only to send callers there."""
    service = variants["grown"].service
    assert service.only("AWS::ElasticLoadBalancingV2::LoadBalancer")["Scheme"] == "internet-facing"
    listeners = {each["Protocol"]: each for each in service.of_type("AWS::ElasticLoadBalancingV2::Listener")}
    assert listeners["HTTPS"]["Certificates"]
    assert listeners["HTTP"]["DefaultActions"][0]["Type"] == "redirect"


def test_the_database_is_private_and_kept(default: Variant) -> None:
    """Encrypted, backed up, protected, with a password that nobody has typed; the smallest by default."""
    database = default.service.only("AWS::RDS::DBInstance")
    assert database["StorageEncrypted"] is database["DeletionProtection"] is True
    assert database["PubliclyAccessible"] is database["MultiAZ"] is False
    assert database["BackupRetentionPeriod"] >= 7
    assert database["DBInstanceClass"] == "db.t4g.micro"
    assert "resolve:secretsmanager" in str(database["MasterUserPassword"])
    assert default.service.only("AWS::ECS::Service")["DesiredCount"] == 1


def test_more_is_an_argument(variants: Mapping[str, Variant]) -> None:
    """More tasks, scaling, a standby, rotation, another tag; a restored database keeps its place in the template."""
    grown, changed, existing = (variants[name].service for name in ("grown", "changed", "existing"))
    assert grown.only("AWS::ECS::Service")["DesiredCount"] == 2
    scaling = grown.only("AWS::ApplicationAutoScaling::ScalableTarget")
    assert (scaling["MinCapacity"], scaling["MaxCapacity"]) == (2, 6)
    assert grown.only("AWS::RDS::DBInstance")["MultiAZ"] is True
    assert grown.of_type("AWS::SecretsManager::RotationSchedule")
    for container in changed.only("AWS::ECS::TaskDefinition")["ContainerDefinitions"]:
        assert container["Image"]["Fn::Join"][1][-1] == ":1.2.3"
    assert existing.only("AWS::RDS::DBInstance")["DBSnapshotIdentifier"] == "before-the-upgrade"


def test_every_alarm_goes_to_the_topic(default: Variant) -> None:
    """Each of the seven, when it rises and when it ends; those of the reconciler read the line that it writes."""
    alarms = default.service.of_type("AWS::CloudWatch::Alarm")
    assert len(alarms) == 7
    topics = {str(action) for alarm in alarms for action in (*alarm["AlarmActions"], *alarm["OKActions"])}
    assert len(topics) == 1
    assert "NoticesTopic" in topics.pop()
    filters = default.service.of_type("AWS::Logs::MetricFilter")
    assert {each["FilterPattern"] for each in filters} == {f'{{ $.action = "{vitals.ACTION}" }}'}
    steps = [step for each in filters for step in each["MetricTransformations"]]
    values = {step["MetricValue"] for step in steps}
    assert values == {"1", f"$.{vitals.OLDEST_ACTIVE_SECONDS}", f"$.{vitals.LONGEST_WAIT_SECONDS}"}
    watched = {
        (alarm["Namespace"], alarm["MetricName"]) for alarm in alarms if not alarm["Namespace"].startswith("AWS/")
    }
    assert watched == {(step["MetricNamespace"], step["MetricName"]) for step in steps}


ABOVE, BELOW = "GreaterThanThreshold", "LessThanThreshold"
LONGEST_JOB = compute.TIMEOUT.total_seconds() * compute.ATTEMPTS
BALANCER = {"LoadBalancer": "LoadBalancer"}
ALARMS = {
    "Passes": ("HlsStacParquet", "Sum", BELOW, 1, 2, "breaching", {}),
    "OldestActive": ("HlsStacParquet", "Maximum", ABOVE, LONGEST_JOB, 1, "notBreaching", {}),
    "LongestWait": ("HlsStacParquet", "Maximum", ABOVE, 7200, 1, "notBreaching", {}),
    "HTTPCode_Target_5XX_Count": ("AWS/ApplicationELB", "Sum", ABOVE, 5, 1, "notBreaching", BALANCER),
    "HTTPCode_ELB_5XX_Count": ("AWS/ApplicationELB", "Sum", ABOVE, 5, 1, "notBreaching", BALANCER),
    # The listener's ARN has the balancer's name in it.
    "UnHealthyHostCount": (
        *("AWS/ApplicationELB", "Maximum", ABOVE, 0, 2, "notBreaching"),
        {"LoadBalancer": "Listener", "TargetGroup": "TargetGroup"},
    ),
    "FreeStorageSpace": (
        "AWS/RDS",
        "Minimum",
        BELOW,
        2 * 2**30,
        1,
        "notBreaching",
        {"DBInstanceIdentifier": "DBInstance"},
    ),
}
"""By metric: namespace, statistic, comparison, threshold, periods, what silence means, and of which resource it is."""


@pytest.mark.parametrize("metric", ALARMS)
def test_each_alarm_watches_what_it_says(default: Variant, metric: str) -> None:
    """The metric as AWS or the log gives it, of this stack's own parts, against its threshold, in steps of five minutes."""
    service = default.service
    (alarm,) = [each for each in service.of_type("AWS::CloudWatch::Alarm") if each["MetricName"] == metric]
    whose = {}
    for dimension in alarm.get("Dimensions", []):
        (kind,) = {each["Type"] for name, each in service.resources.items() if f"'{name}'" in str(dimension["Value"])}
        whose[dimension["Name"]] = kind.rpartition("::")[2]
    parts = ("Namespace", "Statistic", "ComparisonOperator", "Threshold", "EvaluationPeriods", "TreatMissingData")
    assert (*(alarm[part] for part in parts), whose) == ALARMS[metric]
    assert alarm["Period"] == 300
