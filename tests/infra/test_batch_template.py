"""The Batch stack says what the contract says."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.options import BatchOptions
from tests.infra.conftest import Json, Variant
from worker.contract import compute, layout
from worker.contract.parameters import BATCH_COMMAND, BATCH_DEFAULTS
from worker.settings import WorkerSettings

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def definition(default: Variant) -> Json:
    return default.batch.only("AWS::Batch::JobDefinition")


@pytest.fixture
def container(definition: Json) -> Json:
    return dict(definition["ContainerProperties"])


def test_the_job_definition_is_the_contracts(definition: Json, container: Json) -> None:
    """Name, command, parameters, size, time limit and attempts."""
    assert definition["JobDefinitionName"] == compute.JOB_DEFINITION
    assert (definition["Parameters"], container["Command"]) == (BATCH_DEFAULTS, list(BATCH_COMMAND))
    size = {each["Type"]: each["Value"] for each in container["ResourceRequirements"]}
    assert size == {"VCPU": str(compute.VCPU), "MEMORY": str(compute.MEMORY_MIB)}
    assert definition["Timeout"] == {"AttemptDurationSeconds": compute.TIMEOUT.total_seconds()}
    assert definition["RetryStrategy"]["Attempts"] == compute.ATTEMPTS


def test_retries_follow_the_contracts_rules(definition: Json) -> None:
    """In their order, at most five, and the last one ends every other job."""
    rules = definition["RetryStrategy"]["EvaluateOnExit"]
    told = [
        compute.RetryRule(
            retry=rule["Action"] == "RETRY",
            on_exit_code=rule.get("OnExitCode"),
            on_reason=rule.get("OnReason"),
            on_status_reason=rule.get("OnStatusReason"),
        )
        for rule in rules
    ]
    assert tuple(told) == compute.RETRY_RULES
    assert len(rules) <= 5
    assert rules[-1] == {"Action": "EXIT", "OnReason": "*"}


def test_the_environment_is_the_workers_settings(container: Json) -> None:
    """What is written out is what the worker would take by itself, but for the region."""
    told = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert told.pop("AWS_DEFAULT_REGION") == {"Ref": "AWS::Region"}
    fields = WorkerSettings.model_fields
    assert told == {name: str(fields[name.lower()].default) for name in told}
    assert set(told) == {"MAX_CONCURRENT_DAYS", "MAX_CONCURRENT_PER_DAY", "TEMP_DIR"}


def test_the_container_is_closed(container: Json) -> None:
    """A read-only root, an init process, no root user, and a disk where the worker keeps its files."""
    assert container["ReadonlyRootFilesystem"] is True
    assert container["LinuxParameters"]["InitProcessEnabled"] is True
    assert not container.get("Privileged")
    assert container["User"] == compute.USER != "0:0"
    (volume,), (mount,) = container["Volumes"], container["MountPoints"]
    assert (volume["Name"], volume["Host"]) == (mount["SourceVolume"], {})
    assert Path(str(WorkerSettings.model_fields["temp_dir"].default)).is_relative_to(mount["ContainerPath"])


@pytest.mark.parametrize("image", ["api", "worker"])
def test_the_images_agree(image: str) -> None:
    """Both have the contract's user, and declare the volume, which is what leaves it writable for that user."""
    dockerfile = (REPOSITORY / f"Dockerfile.{image}").read_text().splitlines()
    assert f"USER {compute.USER}" in dockerfile
    assert f"VOLUME {compute.SCRATCH}" in dockerfile


def test_logs_go_where_the_operators_look(default: Variant, container: Json) -> None:
    """The contract's group, kept for thirty days, under the prefix that Batch reports."""
    options = container["LogConfiguration"]["Options"]
    group = default.batch.resources[options["awslogs-group"]["Ref"]]["Properties"]
    assert group == {"LogGroupName": compute.LOG_GROUP, "RetentionInDays": 30}
    assert options["awslogs-stream-prefix"] == compute.JOB_DEFINITION


def test_the_queue_ends_what_cannot_start(default: Variant) -> None:
    """Spot before on demand, and a limit for each reason that Batch gives for waiting in RUNNABLE."""
    queue = default.batch.only("AWS::Batch::JobQueue")
    assert queue["JobQueueName"] == compute.JOB_QUEUE
    limits = {each["Reason"]: each["MaxTimeSeconds"] for each in queue["JobStateTimeLimitActions"]}
    assert limits == {limit.reason: limit.longest.total_seconds() for limit in compute.WAIT_LIMITS}
    environments = default.batch.resources
    order = [each["ComputeEnvironment"]["Fn::GetAtt"][0] for each in queue["ComputeEnvironmentOrder"]]
    assert [environments[name]["Properties"]["ComputeResources"]["Type"] for name in order] == ["SPOT", "EC2"]


def test_machines_come_and_go(default: Variant) -> None:
    """Both environments have the operators' types and limits, start from nothing, and have no name that would block
    their replacement."""
    options = BatchOptions()
    for environment in default.batch.of_type("AWS::Batch::ComputeEnvironment"):
        machines = environment["ComputeResources"]
        assert machines["InstanceTypes"] == list(options.instance_types)
        assert (machines["MinvCpus"], machines["MaxvCpus"]) == (0, options.maxv_cpus)
        assert machines["AllocationStrategy"] == "BEST_FIT_PROGRESSIVE"
        assert "ComputeEnvironmentName" not in environment
    template = default.batch.only("AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    assert template["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert template["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True


def test_jobs_run_in_private_subnets_without_a_way_in(default: Variant) -> None:
    """Two zones, one NAT gateway, flow logs, S3 by its own endpoint, and a security group without inbound rules."""
    batch = default.batch
    assert len(batch.of_type("AWS::EC2::NatGateway")) == 1
    assert batch.only("AWS::EC2::FlowLog")["TrafficType"] == "ALL"
    endpoint = batch.only("AWS::EC2::VPCEndpoint")
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert endpoint["ServiceName"]["Fn::Join"][1] == ["com.amazonaws.", {"Ref": "AWS::Region"}, ".s3"]
    private = [each["RouteTableId"] for each in batch.of_type("AWS::EC2::Route") if "NatGatewayId" in each]
    assert [table for table in private if table not in endpoint["RouteTableIds"]] == []
    assert "SecurityGroupIngress" not in batch.only("AWS::EC2::SecurityGroup")
    assert not batch.of_type("AWS::EC2::SecurityGroupIngress")
    subnets = {name: each["Properties"] for name, each in batch.resources.items() if each["Type"] == "AWS::EC2::Subnet"}
    assert len({str(each["AvailabilityZone"]) for each in subnets.values()}) == 2
    for environment in batch.of_type("AWS::Batch::ComputeEnvironment"):
        for subnet in environment["ComputeResources"]["Subnets"]:
            tags = {tag["Key"]: tag["Value"] for tag in subnets[subnet["Ref"]]["Tags"]}
            assert tags["aws-cdk:subnet-type"] == "Private"


def test_the_archive_is_kept_and_closed(default: Variant) -> None:
    """Encrypted, versioned, not public, by TLS only, tidied, retained; nothing goes to an archive class."""
    resources = default.batch.resources.values()
    (bucket,) = [each for each in resources if each["Type"] == "AWS::S3::Bucket"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    properties = bucket["Properties"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert all(properties["PublicAccessBlockConfiguration"].values())
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    (statement,) = default.batch.only("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    rules = {rule["Id"]: rule for rule in properties["LifecycleConfiguration"]["Rules"]}
    jobs = rules["jobs"]
    assert (jobs["Prefix"], jobs["ExpirationInDays"]) == (f"{layout.JOBS_ROOT}/", layout.JOBS_LIFETIME.days)
    assert rules["leftovers"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rules["leftovers"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert [step["TransitionInDays"] for step in rules["partitions"]["Transitions"]] == [90]
    classes = {step["StorageClass"] for rule in rules.values() for step in rule.get("Transitions", [])}
    assert classes == {"STANDARD_IA"}


def test_images_are_kept_and_scanned(default: Variant) -> None:
    """One repository for each, whose tags stay what they are."""
    repositories = [each for each in default.batch.resources.values() if each["Type"] == "AWS::ECR::Repository"]
    assert len(repositories) == 2
    for repository in repositories:
        assert repository["DeletionPolicy"] == "Retain"
        assert repository["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert repository["Properties"]["ImageTagMutability"] == "IMMUTABLE"
        assert "LifecyclePolicy" in repository["Properties"]


def test_failures_are_told(variants: Mapping[str, Variant]) -> None:
    """Failed jobs and a blocked queue go to the one topic, and from there to the operator's address."""
    batch = variants["grown"].batch
    rules = batch.of_type("AWS::Events::Rule")
    patterns = {rule["EventPattern"]["detail-type"][0]: rule["EventPattern"]["detail"] for rule in rules}
    assert set(patterns) == {"Batch Job State Change", "Batch Job Queue Blocked"}
    failed = patterns["Batch Job State Change"]
    assert failed["status"] == ["FAILED"]
    ended = {"cancelled by ada": False, "another run does this job": False, "Essential container in task exited": True}
    assert {reason: matches(failed["statusReason"], reason) for reason in ended} == ended
    assert matches(failed["statusReason"], None)
    topics = {target["Arn"]["Ref"] for rule in rules for target in rule["Targets"]}
    assert topics == {batch.only("AWS::SNS::Subscription")["TopicArn"]["Ref"]}
    assert batch.only("AWS::SNS::Subscription")["Endpoint"] == "operator@example.org"
    assert batch.only("AWS::Budgets::Budget")["Budget"]["BudgetLimit"] == {"Amount": 200, "Unit": "USD"}


def matches(choices: list[Json], value: str | None) -> bool:
    """Whether EventBridge lets a field with the value pass, or one that is not there."""
    (unless,), (absent,) = ([each[name] for each in choices if name in each] for name in ("anything-but", "exists"))
    if value is None:
        return absent is False
    return not value.startswith(tuple(unless["prefix"]))


def test_only_aws_itself_may_publish(default: Variant) -> None:
    """Alarms, the budget and Batch's events come to the topic, of this account, over TLS."""
    statements = default.batch.only("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    allowed = {each["Principal"]["Service"]: each.get("Condition") for each in statements if each["Effect"] == "Allow"}
    this_account = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert allowed == {
        "cloudwatch.amazonaws.com": this_account,
        "budgets.amazonaws.com": this_account,
        "events.amazonaws.com": None,  # a rule that publishes cannot be told by its account
    }
    (denied,) = [each for each in statements if each["Effect"] == "Deny"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert {each["Action"] for each in statements} == {"sns:Publish"}


def test_options_reach_the_template(variants: Mapping[str, Variant]) -> None:
    """By context and by typed arguments; an existing VPC is used and none is made."""
    grown, typed, existing = (variants[name].batch for name in ("grown", "typed", "existing"))
    assert grown.only("AWS::EC2::VPC")["CidrBlock"] == "10.1.0.0/16"
    assert len(grown.of_type("AWS::EC2::NatGateway")) == 2
    assert [each["ComputeResources"]["Type"] for each in grown.of_type("AWS::Batch::ComputeEnvironment")] == ["EC2"]
    assert grown.only("AWS::S3::Bucket")["BucketName"] == "a-bucket-of-ours"
    assert typed.only("AWS::S3::Bucket")["BucketName"] == "my-hls-data-bucket"
    machines = typed.of_type("AWS::Batch::ComputeEnvironment")[0]["ComputeResources"]
    assert (machines["MaxvCpus"], machines["InstanceTypes"]) == (512, ["m5.xlarge"])
    assert not existing.of_type("AWS::EC2::VPC")
    subnets = existing.of_type("AWS::Batch::ComputeEnvironment")[0]["ComputeResources"]["Subnets"]
    assert subnets == ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]


def test_a_vpc_may_be_handed_over(variants: Mapping[str, Variant]) -> None:
    """In Python: of another stack, whose private subnets the machines use."""
    batch = variants["given"].batch
    assert not batch.of_type("AWS::EC2::VPC")
    for environment in batch.of_type("AWS::Batch::ComputeEnvironment"):
        subnets = environment["ComputeResources"]["Subnets"]
        assert ["PrivateSubnet" in subnet["Fn::ImportValue"] for subnet in subnets] == [True, True]


def test_logs_are_kept_as_long_as_one_likes(variants: Mapping[str, Variant]) -> None:
    """Those of jobs, of the network and of the service."""
    kept = [
        group["RetentionInDays"]
        for template in variants["grown"].both
        for group in template.of_type("AWS::Logs::LogGroup")
    ]
    assert kept == [90, 90, 90]
